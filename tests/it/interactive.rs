//! Does `review --interactive` do on a real terminal what its keys say, and leave the terminal and the repository whole?
#![cfg(unix)]

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use kit::{TempRepo, binary, run};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// Calls of `bad` become calls of `good`; calls of `worse` are only told.
const RULES: [(&str, &str); 2] = [
    (
        ".apprentice/rules/python/bad.yml",
        "category: bug\nseverity: error\nconfidence: high\nwhat: \"`bad` is called\"\nwhy: Use `good`.\n\
         languages: [python]\nrule:\n  pattern: bad($N)\nfix: good($N)\napplicability: safe\n\
         valid: [good(1)]\ninvalid:\n  - code: bad(1)\n    fixed: good(1)\n",
    ),
    (
        ".apprentice/rules/python/worse.yml",
        "category: bug\nseverity: warning\nconfidence: high\nwhat: \"`worse` is called\"\nwhy: There is no better one.\n\
         languages: [python]\nrule:\n  pattern: worse($N)\nvalid: [good(1)]\ninvalid:\n  - code: worse(1)\n",
    ),
];

const STAGED: &str = "bad(1)\na = 1\nb = 2\nbad(2)\nc = 3\nd = 4\nbad(3)\ne = 5\nf = 6\nworse(4)\n";

/// Four staged findings, three of them with a patch, and an unstaged edit between them.
fn repository() -> TempRepo {
    let repo = TempRepo::with(&RULES);
    repo.git(&["config", "user.email", "grace@example.com"]);
    repo.stage("app.py", STAGED);
    repo.write("app.py", STAGED.replace("d = 4", "d = 'unstaged'"));
    repo
}

/// A program on a terminal of its own.
struct Session {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn std::io::Write + Send>,
    terminal: Box<dyn MasterPty + Send>,
    seen: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
    reading: Option<std::thread::JoinHandle<()>>,
}

const ROWS: u16 = 24;

impl Session {
    fn start(repo: &TempRepo, columns: u16, arguments: &[&str]) -> Self {
        Self::of(repo, columns, &binary(), arguments)
    }

    fn of(repo: &TempRepo, columns: u16, program: &Path, arguments: &[&str]) -> Self {
        let size = PtySize { rows: ROWS, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        let model = repo.command(program);
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(repo.root());
        command.env_clear();
        command.env("TERM", "xterm-256color");
        command.env("APPRENTICE_LINTERS__ENABLE", "false");
        for (name, value) in model.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let child = pair.slave.spawn_command(command).expect("a program that starts");
        let mut reader = pair.master.try_clone_reader().expect("its output");
        let seen = Arc::new(Mutex::new((vt100::Parser::new(ROWS, columns, 0), Vec::new())));
        let sink = Arc::clone(&seen);
        let reading = std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(many @ 1..) = reader.read(&mut bytes) {
                let mut seen = sink.lock().expect("no panic");
                seen.0.process(&bytes[..many]);
                seen.1.extend(&bytes[..many]);
            }
        });
        let keys = pair.master.take_writer().expect("its input");
        Self { child, keys, terminal: pair.master, seen, reading: Some(reading) }
    }

    fn screen(&self) -> String {
        self.seen.lock().expect("no panic").0.screen().contents()
    }

    fn written(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().expect("no panic").1).into_owned()
    }

    /// Waits until the screen shows this; the limit only keeps a broken program from hanging the tests.
    #[track_caller]
    fn expect(&mut self, words: &str) -> &mut Self {
        let limit = Instant::now() + Duration::from_secs(120);
        while !self.screen().contains(words) {
            assert!(Instant::now() < limit, "`{words}` is not on the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    fn press(&mut self, keys: &str) -> &mut Self {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("a terminal that listens");
        self
    }

    fn resize(&mut self, columns: u16) {
        self.seen.lock().expect("no panic").0.screen_mut().set_size(ROWS, columns);
        let size = PtySize { rows: ROWS, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.terminal.resize(size).expect("another size");
    }

    /// Its exit code, and everything that it wrote.
    fn end(mut self) -> (u32, String) {
        let status = self.child.wait().expect("its end");
        self.reading.take().expect("once").join().expect("no panic");
        (status.exit_code(), self.written())
    }
}

fn entries(repo: &TempRepo) -> Vec<serde_json::Value> {
    let export = repo.apprentice(&["feedback", "export"]).expect_code(0).out;
    export.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn kinds(repo: &TempRepo) -> Vec<(String, Option<String>)> {
    let word = |entry: &serde_json::Value, key: &str| entry[key].as_str().map(str::to_owned);
    entries(repo).iter().map(|entry| (word(entry, "kind").expect("a kind"), word(entry, "what"))).collect()
}

#[test]
fn what_was_accepted_and_edited_is_in_index_and_work_tree_and_every_answer_is_kept() {
    let mut repo = repository();
    repo.write("../editor.sh", "sed -i 's/good(2)/better(2)/' \"$1\"\n");
    repo.set("GIT_EDITOR", format!("sh {}", repo.home().join("editor.sh").display()));
    let mut session = Session::start(&repo, 80, &["review", "--interactive"]);
    session.expect("1 of 4").expect("+ good(1)").press("a");
    session.expect("2 of 4").press("e");
    session.expect("3 of 4").press("r").expect("Why not?").press("not now\r");
    session.expect("4 of 4").expect("no patch").press("u");
    session.expect("Apply 2 patches to 1 file?").press("y");
    let (code, written) = session.end();
    assert_eq!(code, 1, "{written}");
    let fixed = STAGED.replace("bad(1)", "good(1)").replace("bad(2)", "better(2)");
    assert_eq!(repo.show(":app.py"), fixed);
    assert_eq!(repo.text("app.py"), fixed.replace("d = 4", "d = 'unstaged'"));
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(
        kinds(&repo),
        [
            ("applied".to_owned(), None),
            ("edited".into(), None),
            ("rejected".into(), some("not now")),
            ("reaction".into(), some("+1")),
        ]
    );
    let all = entries(&repo);
    assert!(all.iter().all(|entry| entry["who"] == "grace@example.com" && entry["place"] == "local"), "{all:?}");
    assert!(all[1]["similarity"].as_f64().is_some_and(|like| like > 0.3 && like < 1.0), "{}", all[1]);
    assert_eq!(all[0]["path"], "app.py");
    assert_eq!(all[1]["instead"], serde_json::json!({ "before": "bad(2)\n", "after": "better(2)\n" }));
    // And what got in is what is learned.
    let rows = crate::training::lessons(&repo, &repo.path(".git/apprentice/state.db"), &[]);
    let of = |field: &str| crate::training::answers(&rows, "dpo", "fix", field);
    let (chosen, rejected) = (of("chosen"), of("rejected"));
    assert_eq!((&chosen[0]["edits"][0]["replacement"], chosen.len()), (&"better(2)".into(), 1));
    assert_eq!(rejected[0]["edits"][0], serde_json::json!({ "quote": "bad(2)", "replacement": "good(2)" }));
}

#[test]
fn an_interrupt_leaves_everything_as_it_was() {
    let repo = repository();
    let before = repo.state();
    let mut session = Session::start(&repo, 80, &["review", "--interactive"]);
    session.expect("1 of 4").press("a").expect("2 of 4").press("ru\u{3}");
    let (code, written) = session.end();
    assert_eq!((code, written.contains("\u{1b}[?1049l")), (130, true), "{written}");
    assert_eq!(repo.state(), before);
    assert_eq!(kinds(&repo), []);
}

#[test]
fn a_signal_leaves_everything_as_it_was_and_the_terminal_in_order() {
    let repo = repository();
    let before = repo.state();
    for (signal, code) in [("TERM", "143"), ("INT", "130")] {
        let inner = format!("echo $$ > ../pid; exec '{}' review --interactive", binary().display());
        repo.write("../inner.sh", inner);
        let outer = ["-c", "sh ../inner.sh; echo code=$?; stty -a"];
        let mut session = Session::of(&repo, 80, Path::new("/bin/sh"), &outer);
        session.expect("1 of 4").press("a").expect("2 of 4");
        let mut kill = repo.command("sh");
        kill.args(["-c", &format!("kill -{signal} $(cat ../pid)")]);
        run(kill, b"").expect_code(0);
        session.expect(&format!("code={code}")).expect("echoctl");
        let (_, written) = session.end();
        let after = written.rsplit_once("code=").expect("an end").1.to_owned();
        assert!(
            ["isig", "icanon", "echo"].iter().all(|mode| after.split_whitespace().any(|word| word == *mode)),
            "{after}"
        );
    }
    assert_eq!(repo.state(), before);
}

#[test]
fn finishing_without_applying_keeps_the_other_answers() {
    let repo = repository();
    let before = repo.state();
    let mut session = Session::start(&repo, 80, &["review", "--interactive"]);
    session.expect("1 of 4").press("a").expect("2 of 4").press("x").expect("3 of 4").press("q");
    session.expect("Apply 1 patch to 1 file?").press("n");
    assert_eq!(session.end().0, 1);
    assert_eq!(repo.state(), before);
    assert_eq!(kinds(&repo), [("reaction".to_owned(), Some("-1".to_owned()))]);
}

#[test]
fn what_meets_an_unstaged_edit_is_left_and_told_with_its_patch() {
    let repo = repository();
    repo.write("app.py", STAGED.replace("bad(1)", "mine(1)"));
    let before = repo.state();
    let mut session = Session::start(&repo, 80, &["review", "--interactive"]);
    session.expect("1 of 4").press("aq").expect("Apply 1 patch").press("y");
    let (code, written) = session.end();
    assert_eq!(code, 1, "{written}");
    assert!(written.contains("not fixed: app.py: unstaged edits") && written.contains("+good(1)"), "{written}");
    assert_eq!(repo.state(), before);
    assert_eq!(kinds(&repo), []);
}

#[test]
fn a_text_that_no_longer_parses_is_asked_about_first() {
    let mut repo = repository();
    repo.set("GIT_EDITOR", "sed -i 's/good(1)/good(((/'");
    let mut session = Session::start(&repo, 80, &["review", "--interactive"]);
    session.expect("1 of 4").press("e").expect("no longer parses").press("n").expect("was dropped");
    session.press("q");
    assert_eq!(session.end().0, 1);
    assert_eq!(repo.show(":app.py"), STAGED);
}

#[test]
fn the_terminal_may_change_its_size_and_have_no_colors() {
    let mut repo = repository();
    repo.set("NO_COLOR", "1");
    let mut session = Session::start(&repo, 80, &["review", "--interactive"]);
    session.expect("1 of 4").expect("+ good(1)");
    session.resize(140);
    session.expect("- bad(1)").expect("│  1 + good(1)");
    session.resize(30);
    session.expect("too small");
    session.resize(80);
    session.expect("1 of 4").press("q");
    let (_, written) = session.end();
    let colored = ["\u{1b}[31", "\u{1b}[32", "\u{1b}[33", "\u{1b}[38;5"];
    assert!(!colored.iter().any(|code| written.contains(code)), "{written:?}");
}

#[test]
fn without_a_terminal_it_says_what_is_missing() {
    let repo = repository();
    let ran = repo.apprentice(&["review", "--interactive"]).expect_code(2);
    ran.expect_said("--interactive needs a terminal: standard input is not one");
    let mut repo = repo;
    repo.set("TERM", "dumb");
    let mut session = Session::start(&repo, 80, &["review", "--interactive"]);
    session.expect("TERM=dumb");
    assert_eq!(session.child.wait().expect("its end").exit_code(), 2);
}

#[test]
fn a_finished_change_can_be_answered_and_not_changed() {
    let repo = repository();
    repo.git(&["commit", "--quiet", "--message=bad"]);
    let before = repo.state();
    let mut session = Session::start(&repo, 80, &["review", "--interactive", "--commit", "HEAD"]);
    session.expect("1 of 4").press("a").expect("This change is done").press("x").expect("2 of 4").press("q");
    assert_eq!(session.end().0, 1);
    assert_eq!(repo.state(), before);
    assert_eq!(kinds(&repo), [("reaction".to_owned(), Some("-1".to_owned()))]);
}
