//! Does the bot review a pull request once, in the right place, and hear the answers? The real binary against the forge.
#![expect(clippy::disallowed_methods, reason = "tests make files, run programs and say what their environment is")]

mod branch;
mod conversation;
mod faults;
mod index;
mod killed;
mod orders;
mod payloads;
mod security;
mod taste;
mod setup;

use std::{
    fs::{self, File},
    io::Write as _,
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use forge::{Forge, Options, Repo};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// The secret that webhooks are signed with here.
const SECRET: &str = "It's a Secret to Everybody";

/// How long a test waits for something to happen.
const LONG: Duration = Duration::from_secs(60);

/// Settings under which a test does not wait for long.
const HASTY: &str = "[queue]\npause_seconds = 0.05\n";

/// A file before a pull request, and with two things in it that are found and can be mended.
const BEFORE: &str = "import yaml\n\n\ndef load(path):\n    return path\n";
const WRONG: &str = "import yaml\n\n\ndef load(path):\n    with open(path) as file:\n        return yaml.load(file)\n\n\ndef same(a):\n    return a is \"x\"\n";

/// The built `apprentice-bot`, next to `apprentice`.
fn binary() -> PathBuf {
    kit::binary().with_file_name(format!("apprentice-bot{}", std::env::consts::EXE_SUFFIX))
}

/// A bot that serves, on a port and a state folder of its own.
struct Serving {
    child: Option<Child>,
    folder: tempfile::TempDir,
    port: u16,
    forge: String,
    /// Where it clones from.
    web: String,
    /// A program that starts the bot, with its arguments; none for the bot itself.
    wrapper: Vec<String>,
    log_filter: Option<&'static str>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
        if !thread::panicking() {
            assert_keeps_secrets(&self.log());
        }
    }
}

/// No log of any test holds a secret, or tells of a panic.
fn assert_keeps_secrets(log: &str) {
    let key = forge::TEST_KEY.lines().filter(|line| line.len() > 20 && !line.starts_with("-----"));
    // Tokens of an installation and of a person, the former as git sends it, and one that an App signs.
    let tokens = ["ghs_", "ghp_", "eC1hY2Nlc3MtdG9rZW46", "eyJ0eXAiOiJKV1Qi", "eyJhbGciOiJSUzI1NiIs"];
    for secret in key.chain(tokens).chain([SECRET, "panicked at"]) {
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "`{secret}` is in the log: {}", line.unwrap_or_default());
    }
}

impl Serving {
    /// Starts the bot for a forge, which sends its webhooks there from now on.
    fn start(forge: &Forge, settings: &str) -> Self {
        let mut bot = Self::prepare(forge, settings);
        bot.spawn();
        bot
    }

    /// The same, not started yet.
    fn prepare(forge: &Forge, settings: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let folder = tempfile::tempdir().expect("a folder");
        let (forge_url, web) = (forge.url().to_owned(), forge.url().to_owned());
        let bot = Self { child: None, folder, port, forge: forge_url, web, wrapper: Vec::new(), log_filter: None };
        bot.configure(settings);
        forge.webhooks_to(&format!("{}/webhook", bot.url()));
        bot
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn configure(&self, settings: &str) {
        let (root, key) = (self.folder.path(), self.folder.path().join("app.pem"));
        fs::write(&key, forge::TEST_KEY).expect("the key");
        // Settings that the test gives come after ours, in tables of their own or under the last one.
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:{}\"\nstate = \"{}\"\n\n[github]\napi = \"{forge}\"\nweb = \"{web}\"\n\
             app_id = 7\nprivate_key_file = \"{}\"\n\n{settings}\n",
            self.port,
            root.join("state").display(),
            key.display(),
            forge = self.forge,
            web = self.web,
        );
        fs::write(root.join("bot.toml"), text).expect("the settings");
    }

    /// Starts the process, and returns when it is ready.
    fn spawn(&mut self) {
        self.spawn_only();
        wait("the bot to be ready", || match self.get("/readyz") {
            Some(answer) => answer.contains("200 OK"),
            None => {
                assert!(!self.log().contains("because:"), "the bot does not start; its log:\n{}", self.log());
                false
            }
        });
    }

    /// Starts the process.
    fn spawn_only(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let child = self.serve().stderr(log).spawn();
        self.child = Some(child.expect("apprentice-bot starts; `cargo build --workspace` makes it"));
    }

    /// The command that serves.
    fn serve(&self) -> Command {
        let line: Vec<String> = self.wrapper.iter().cloned().chain([binary().display().to_string()]).collect();
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .args(["--config", "bot.toml", "serve"])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("APPRENTICE_WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        if let Some(filter) = self.log_filter {
            command.env("APPRENTICE_LOG", filter);
        }
        command
    }

    /// Sends the process a signal: `TERM`, `HUP`.
    fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("a process").id().to_string();
        let done = Command::new("kill").args([&format!("-{name}"), &id]).status().expect("kill runs");
        assert!(done.success(), "kill -{name} {id}");
    }

    /// Waits until the process ends by itself, and returns its exit code.
    fn ends(&mut self) -> i32 {
        let mut child = self.child.take().expect("a process");
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait().expect("the state of a child") {
                return status.code().unwrap_or(-1);
            }
            if started.elapsed() > LONG {
                let _ = child.kill();
                let _ = child.wait();
                panic!("it does not end; its log:\n{}", self.log());
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signed delivery, and returns the answer.
    fn deliver(&self, event: &str, guid: &str, body: &[u8]) -> String {
        let head = ["x-hub-signature-256: ", &signature(body)].concat();
        self.send(&delivery(event, guid, &head, body)).expect("somebody listens")
    }

    /// Waits until there is nothing to do any more.
    #[track_caller]
    fn idle(&self, forge: &Forge) {
        assert!(forge.settle(LONG), "webhooks are still under way");
        wait("an empty queue", || {
            let metrics = self.get("/metrics").unwrap_or_default();
            ["waiting 0", "leased 0"].iter().all(|line| metrics.contains(&format!("\napprentice_queue_{line}\n")))
        });
    }

    /// Ends it as a power cut would.
    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The head and body of the answer to a GET; none while nobody listens.
    fn get(&self, path: &str) -> Option<String> {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
    }

    /// The answer to raw bytes.
    fn send(&self, request: &[u8]) -> Option<String> {
        use std::io::Read as _;
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(LONG)).ok()?;
        stream.write_all(request).ok()?;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        Some(String::from_utf8_lossy(&answer).into_owned())
    }

    /// Runs a command of the bot's beside the server.
    fn run(&self, args: &[&str]) -> kit::Ran {
        let output = Command::new(binary())
            .args(["--config", "bot.toml"])
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .output();
        output.expect("apprentice-bot runs").into()
    }

    fn journal_file(&self) -> std::path::PathBuf {
        self.folder.path().join("state/state.db")
    }

    /// What the journal holds about a pull request, oldest first.
    fn journal(&self, repo: &Repo, pull: u64) -> Vec<engine::feedback::Entry> {
        let journal = engine::feedback::Journal::open(&self.journal_file()).expect("the journal");
        journal.entries(Some(&format!("github:{}#{pull}", repo.name()))).expect("entries")
    }
}

/// `sha256=` and the digest of a body under the tests' secret.
fn signature(body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// A delivery as it travels, with one more header.
fn delivery(event: &str, guid: &str, header: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nx-github-event: {event}\r\nx-github-delivery: {guid}\r\n{header}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// The status of an answer; 0 for none.
fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

/// Waits until something is so.
#[track_caller]
fn wait(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < LONG, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the bot's last check run on a commit has ended, and returns its conclusion.
#[track_caller]
fn concluded(bot: &Serving, repo: &Repo, commit: &str) -> String {
    let done = || repo.check_runs(commit).last().is_some_and(|run| run.status == "completed");
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < LONG, "no check run of {commit} ended; the bot's log:\n{}", bot.log());
        thread::sleep(Duration::from_millis(20));
    }
    repo.check_runs(commit).last().and_then(|run| run.conclusion.clone()).unwrap_or_default()
}

/// Nothing that was said or done went against the contract.
#[track_caller]
fn assert_clean(forge: &Forge) {
    let violations = forge.violations();
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!(forge.approvals(), [], "the bot never approves");
}

/// A forge with one repository, `acme/demo`, the app installed, and the people the tests know.
fn demo(files: &[(&str, &str)]) -> (Forge, Repo) {
    let forge = Forge::start(Options { secret: SECRET.into(), ..Options::default() }).expect("a forge");
    let repo = forge.create("acme/demo", files).expect("a repository");
    forge.install("acme");
    repo.permit("alice", "write");
    repo.permit("bob", "write");
    (forge, repo)
}

/// Our reviews, oldest first. A person's reply is a review of theirs too.
fn ours(repo: &Repo, pull: u64) -> Vec<forge::Review> {
    repo.reviews(pull).into_iter().filter(|review| review.author == "apprentice[bot]").collect()
}

/// A pull request with something to say about, and its head.
fn opened(repo: &Repo) -> (u64, String) {
    let head = repo.push("alice", "topic", "load it", &[("load.py", WRONG)]).expect("pushed");
    (repo.open_pr("alice", "topic", "Load it").expect("opened"), head)
}

/// The fingerprints in all that we wrote in a pull request, with repetitions.
fn said(repo: &Repo, pull: u64) -> Vec<String> {
    let threads = repo.threads(pull).into_iter().flat_map(|thread| thread.comments);
    let comments = threads.filter(|comment| comment.author == "apprentice[bot]").map(|comment| comment.body);
    let bodies = comments.chain(ours(repo, pull).into_iter().map(|review| review.body));
    let marked = |body: String| -> Vec<String> {
        let mark = |line: &str| Some(line.strip_prefix("<!-- apprentice:1 ")?.split(' ').next()?.to_owned());
        body.lines().filter_map(mark).collect()
    };
    bodies.flat_map(marked).collect()
}

/// Everything is said, and once: so many findings, one completed check run on the head.
#[track_caller]
fn assert_said_once(repo: &Repo, (pull, head): (u64, &str), findings: usize) {
    let said = said(repo, pull);
    let different: std::collections::BTreeSet<&String> = said.iter().collect();
    assert_eq!((said.len(), different.len()), (findings, findings), "{said:#?}");
    let runs = repo.check_runs(head);
    let ended: Vec<_> = runs.iter().map(|run| (run.status.as_str(), run.conclusion.as_deref())).collect();
    assert!(matches!(ended[..], [("completed", Some(_))]), "{ended:#?}");
}
