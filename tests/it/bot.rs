//! Does the bot review a pull request once, in the right place, and hear the answers? The real binary against the forge.

mod branch;
mod conversation;
mod index;
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

/// The secret that webhooks are signed with here.
const SECRET: &str = "It's a Secret to Everybody";

/// How long a test waits for something to happen.
const LONG: Duration = Duration::from_secs(60);

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
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Serving {
    /// Starts the bot for a forge, which sends its webhooks there from now on.
    fn start(forge: &Forge, settings: &str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let folder = tempfile::tempdir().expect("a folder");
        let mut bot = Self { child: None, folder, port, forge: forge.url().to_owned() };
        bot.configure(settings);
        bot.spawn();
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
            "[server]\nlisten = \"127.0.0.1:{}\"\nstate = \"{}\"\n\n[github]\napi = \"{forge}\"\nweb = \"{forge}\"\n\
             app_id = 7\nprivate_key_file = \"{}\"\n\n{settings}\n",
            self.port,
            root.join("state").display(),
            key.display(),
            forge = self.forge,
        );
        fs::write(root.join("bot.toml"), text).expect("the settings");
    }

    /// Starts the process, and returns when it is ready.
    fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("a log");
        let child = Command::new(binary())
            .args(["--config", "bot.toml", "serve"])
            .current_dir(self.folder.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("APPRENTICE_WEBHOOK_SECRET", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("apprentice-bot starts; `cargo build --workspace` makes it");
        self.child = Some(child);
        let ready = || self.get("/readyz").is_some_and(|answer| answer.contains("200 OK"));
        wait(&format!("the bot to be ready; its log:\n{}", self.log()), ready);
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

    /// What the journal holds about a pull request, oldest first.
    fn journal(&self, repo: &Repo, pull: u64) -> Vec<engine::feedback::Entry> {
        let file = self.folder.path().join("state/state.db");
        let journal = engine::feedback::Journal::open(&file).expect("the journal");
        journal.entries(Some(&format!("github:{}#{pull}", repo.name()))).expect("entries")
    }
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
