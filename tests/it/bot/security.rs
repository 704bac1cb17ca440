//! Can anybody who may only open a pull request, or only knock, make the bot do or say what it should not?

mod knock;
mod words;

use std::{net::TcpListener, sync::mpsc, thread};

use forge::{Fault, What};

use super::{
    BEFORE, HASTY, Serving, WRONG, assert_clean, assert_said_once, concluded, demo, opened, ours, said, status,
};

/// A listener that remembers what it was asked, and answers with this.
struct Elsewhere {
    url: String,
    heard: mpsc::Receiver<String>,
}

impl Elsewhere {
    fn answering(answer: String) -> Self {
        use std::io::{Read as _, Write as _};
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (tell, heard) = mpsc::channel();
        // It ends with the process.
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let mut request = [0; 8192];
                let read = stream.read(&mut request).unwrap_or(0);
                if tell.send(String::from_utf8_lossy(&request[..read]).into_owned()).is_err() {
                    return;
                }
                let _ = stream.write_all(answer.as_bytes());
            }
        });
        Self { url, heard }
    }

    fn new() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}".into())
    }

    fn heard(&self) -> Vec<String> {
        self.heard.try_iter().collect()
    }
}

#[test]
fn addresses_in_a_payload_are_never_asked() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let elsewhere = Elsewhere::new();
    let bot = Serving::prepare(&forge, HASTY);
    let (pull, head) = opened(&repo);
    assert!(forge.settle(super::LONG));
    let hook = forge.deliveries().into_iter().find(|hook| hook.action.as_deref() == Some("opened")).expect("a hook");
    let payload = hook.payload.to_string();
    assert!(payload.contains("clone_url"), "{payload}");
    let payload = payload.replace(forge.url(), &elsewhere.url);
    let mut bot = bot;
    bot.spawn();
    assert_eq!(status(&bot.deliver("pull_request", "poisoned", payload.as_bytes())), 202);
    assert_eq!(concluded(&bot, &repo, &head), "failure");
    bot.idle(&forge);
    assert_eq!(elsewhere.heard(), Vec::<String>::new());
    assert_said_once(&repo, (pull, &head), 2);
    // The listener does hear who comes.
    let address = elsewhere.url.trim_start_matches("http://").to_owned();
    drop(std::net::TcpStream::connect(address).expect("somebody listens"));
    assert!(elsewhere.heard.recv_timeout(super::LONG).is_ok());
}

#[test]
fn a_git_server_that_sends_elsewhere_is_not_followed() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let target = Elsewhere::new();
    let turn = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}/acme/demo.git/info/refs?service=git-upload-pack\r\n\
         content-length: 0\r\nconnection: close\r\n\r\n",
        target.url
    );
    let between = Elsewhere::answering(turn);
    let settings = format!("{HASTY}attempts = 2\n");
    let mut bot = Serving::prepare(&forge, &settings);
    bot.web = between.url.clone();
    bot.configure(&settings);
    bot.spawn();
    let (_, head) = opened(&repo);
    assert_eq!(concluded(&bot, &repo, &head), "neutral", "{}", bot.log());
    bot.idle(&forge);
    assert_eq!(target.heard(), Vec::<String>::new());
    let asked = between.heard();
    assert!(asked.iter().all(|request| request.starts_with("GET /acme/demo.git/info/refs")) && !asked.is_empty());
    let summary = repo.check_runs(&head)[0].output["summary"].as_str().unwrap_or_default().to_owned();
    assert!(summary.contains("not reviewed"), "{summary}");
}

#[test]
fn an_interface_that_sends_elsewhere_gets_no_token_taken_there() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let target = Elsewhere::new();
    let bot = Serving::start(&forge, HASTY);
    for status in [301, 302, 307, 308] {
        let to = vec![("location".to_owned(), format!("{}/repos/acme/demo/pulls/1", target.url))];
        forge.fault(Fault::once("GET", "/pulls/1$", What::Status(status, to.clone())));
        forge.fault(Fault::once("POST", "/graphql$", What::Status(status, to)));
    }
    let (_, head) = opened(&repo);
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    for request in target.heard() {
        assert!(!request.to_ascii_lowercase().contains("authorization"), "{request}");
    }
    assert_clean(&forge);
}

#[test]
fn names_are_names_and_no_orders() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, HASTY);
    let names = [
        "a\nb.py",
        "::set-env name=x::y.py",
        "<img src=x>.py",
        "--upload-pack=x.py",
        "-rf.py",
        "$(touch pwned).py",
        "`touch pwned`.py",
        "@bob.py",
        "[x](http:x.example).py",
        "ünï çødé\u{202e}yp.py",
        "%0A::error::x.py",
    ];
    let text = |n: usize| format!("def f(a{n}):\n    return a{n} is \"x\"\n");
    let files: Vec<_> =
        names.iter().zip(0..).map(|(name, n)| ((*name).to_owned(), Some(text(n).into_bytes()))).collect();
    let branch = "--upload-pack=touch${IFS}pwned;$(touch${IFS}pwned)";
    let head = repo.push_files("alice", branch, "names", &files).expect("pushed");
    let pull = repo.open_pr("alice", branch, "$(touch pwned)").expect("opened");
    assert_eq!(concluded(&bot, &repo, &head), "failure", "{}", bot.log());
    bot.idle(&forge);
    let threads = repo.threads(pull);
    let spoken_of: Vec<&str> = threads.iter().map(|thread| thread.path.as_str()).collect();
    for name in names {
        assert!(spoken_of.contains(&name), "nothing was said about {name:?}: {spoken_of:#?}");
    }
    words::assert_inert(&repo, pull, &head);
    let found = walk(bot.folder.path()).into_iter().find(|path| path.contains("pwned"));
    assert_eq!(found, None);
    assert_clean(&forge);
}

/// Everything below a folder.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: std::path::PathBuf| {
        let inside = if path.is_dir() { walk(&path) } else { Vec::new() };
        inside.into_iter().chain([path.display().to_string()]).collect::<Vec<_>>()
    };
    entries.flat_map(|entry| below(entry.path())).collect()
}

#[test]
fn a_path_that_leaves_the_repository_is_told_and_nothing_is_written_there() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, HASTY);
    // git itself makes no such tree; who writes the object can.
    let blob = {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), WRONG).expect("written");
        repo.git(&["hash-object", "-w", file.path().to_str().expect("a path")]).expect("a blob")
    };
    let id = hex::decode(blob.trim()).expect("an id");
    let entry = |mode: &str, name: &str, id: &[u8]| [format!("{mode} {name}\0").as_bytes(), id].concat();
    let tree = |entries: Vec<Vec<u8>>| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), entries.concat()).expect("written");
        let path = file.path().to_str().expect("a path").to_owned();
        repo.git(&["hash-object", "-w", "--literally", "-t", "tree", &path]).expect("a tree").trim().to_owned()
    };
    let inner = hex::decode(tree(vec![entry("100644", "pwned.py", &id)])).expect("an id");
    let outer = tree(vec![
        entry("40000", "..", &inner),
        entry("100644", "../pwned.py", &id),
        entry("40000", ".git", &inner),
        entry("100644", "load.py", &id),
    ]);
    let base = repo.head("main").expect("main");
    let commit = repo
        .git(&["-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", &outer, "-p", &base, "-m", "x"])
        .expect("a commit");
    repo.git(&["update-ref", "refs/heads/topic", commit.trim()]).expect("a branch");
    repo.open_pr("alice", "topic", "Leave").expect("opened");
    // What can be read is reviewed, or nothing is; it is never green, and nothing is written outside.
    let conclusion = concluded(&bot, &repo, commit.trim());
    assert_ne!(conclusion, "success", "{}", bot.log());
    bot.idle(&forge);
    let found: Vec<_> = walk(bot.folder.path()).into_iter().filter(|path| path.contains("pwned")).collect();
    assert_eq!(found, Vec::<String>::new());
    assert!(!bot.folder.path().parent().expect("a parent").join("pwned.py").exists());
}

#[test]
fn a_marker_in_anybodys_comment_silences_nothing() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, HASTY);
    let (pull, head) = opened(&repo);
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    let body = |thread: &forge::Thread| thread.comments[0].body.clone();
    let ours_there: Vec<String> = repo.threads(pull).iter().map(body).collect();

    repo.push("mallory", "again", "load it", &[("load.py", WRONG)]).expect("pushed");
    let second = repo.open_draft("mallory", "again", "Load it too").expect("opened");
    for (text, line) in ours_there.iter().zip(5..) {
        repo.comment(second, "mallory", text);
        repo.review(second, "mallory", "COMMENT", text).expect("reviewed");
        let comment = repo.comment_on(second, "mallory", "load.py", line, text).expect("commented");
        repo.resolve(comment, "mallory").expect("resolved");
    }
    repo.describe(second, "mallory", &ours_there.join("\n")).expect("described");
    repo.ready(second, "mallory").expect("ready");
    bot.idle(&forge);
    let mut both = [said(&repo, pull), said(&repo, second)];
    both.iter_mut().for_each(|said| said.sort());
    assert_eq!(both[0], both[1], "{}", bot.log());
    // A reply of a stranger's in a thread of ours is no word of ours either.
    assert_eq!(ours(&repo, second).len(), 1);
    assert_clean(&forge);
}

#[test]
fn a_marker_in_the_code_silences_nothing_and_ends_no_comment() {
    let (forge, repo) = demo(&[("a.js", "let a = 1;\n")]);
    let bot = Serving::start(&forge, HASTY);
    // The fingerprint of the finding that is to be silenced, from another pull request.
    let wanted = "export function same(value) {\n    return value == null || value == NaN;\n}\n";
    let head = repo.push("mallory", "look", "look", &[("same.js", wanted)]).expect("pushed");
    let first = repo.open_pr("mallory", "look", "Look").expect("opened");
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    let marks = said(&repo, first);
    assert!(!marks.is_empty(), "{}", bot.log());
    let lines: String =
        marks.iter().map(|mark| format!("<!-- apprentice:1 {mark} error x/y -->\n-->\n```\n@bob <b>\n")).collect();
    let hostile = format!("def f(a):\n    return (a is \"x\", \"\"\"\n{lines}\"\"\")\n");
    let files = [("hostile.py", hostile.as_str())];
    let head = repo.push("mallory", "topic", "hostile", &files).expect("pushed");
    let pull = repo.open_pr("mallory", "topic", "Hostile").expect("opened");
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    let head = repo.push("mallory", "topic", "and now", &[("same.js", wanted)]).expect("pushed");
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    let told: Vec<_> = repo.threads(pull).into_iter().filter(|thread| thread.path == "same.js").collect();
    let told: Vec<String> =
        told.iter().flat_map(|thread| thread.comments.iter().map(|said| said.body.clone())).collect();
    assert!(marks.iter().all(|mark| told.iter().any(|body| body.contains(mark))), "{told:#?}");
    words::assert_inert(&repo, pull, &head);
    assert_clean(&forge);
}

#[test]
fn secrets_stay_where_they_are() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let mut bot = Serving::prepare(&forge, &format!("{HASTY}attempts = 6\n"));
    bot.log_filter = Some("trace");
    bot.spawn();
    // A token in the form that GitHub gives them, with the sum that tells one from chance.
    let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH").to_owned();
    let drawn = "kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa";
    let leaked = format!("TOKEN = \"{token}\"\n\n\ndef f(a):\n    return a is \"{token}\"\n");
    forge.fault(Fault::once("", "/info/refs$", What::Status(403, Vec::new())));
    forge.fault(Fault::once("POST", "/graphql$", What::ExpireToken));
    forge.fault(Fault::once("POST", "/reviews$", What::DropAfterWrite));
    let head = repo.push("alice", "topic", &format!("leak {token}"), &[("leak.py", &leaked)]).expect("pushed");
    let pull = repo.open_pr("alice", "topic", &format!("Leak {token}")).expect("opened");
    bot.deliver("pull_request", "broken", b"{\"action\": \"opened\"");
    bot.send(&super::delivery("ping", "unsigned", "x-hub-signature-256: sha256=00", b"{}"));
    assert_eq!(concluded(&bot, &repo, &head), "failure", "{}", bot.log().len());
    repo.comment(pull, "alice", &format!("@apprentice ask what is {token}?"));
    repo.comment(pull, "alice", &format!("@apprentice {token}"));
    bot.idle(&forge);
    super::assert_keeps_secrets(&bot.log());
    // What we say does not repeat it either.
    let threads = repo.threads(pull).into_iter().flat_map(|thread| thread.comments).map(|said| said.body);
    let words = threads.chain(ours(&repo, pull).into_iter().map(|review| review.body));
    for body in words {
        assert!(!body.contains(drawn), "{body}");
    }
    let run = &repo.check_runs(&head)[0];
    assert!(!format!("{:?} {:?}", run.output, run.annotations).contains(drawn), "{run:#?}");
    assert!(!bot.get("/metrics").expect("metrics").contains(&token));
    assert_clean(&forge);
}
