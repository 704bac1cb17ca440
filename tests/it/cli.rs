//! What does the command say? Each folder of tests/cmd is one conversation with it.
//!
//! `cmd` has one command line a line, run by `sh` in a repository whose last commit holds `before/` and whose index
//! holds `input/` (either may be missing). `expected` is the transcript: each line of `cmd` after `$ `, what it wrote to
//! standard output, what it wrote to standard error with `! ` before each line, and its exit code where that is not 0.
//! `APPRENTICE_BLESS=1 cargo test` writes `expected` anew; read the difference before you commit it.
//!
//! Our own few lines and not a crate: every case needs a repository with a history, and two streams in one transcript.
#![expect(clippy::disallowed_methods, reason = "tests make the files and processes they look at")]

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use kit::{Ran, TempRepo, binary, run};

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cmd");
    let mut cases: Vec<PathBuf> =
        fs::read_dir(folder).expect("tests/cmd").flatten().map(|entry| entry.path()).collect();
    cases.retain(|case| case.join("cmd").is_file());
    cases.sort();
    cases
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder of inputs").flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            fs::create_dir_all(&target).expect("a folder of our own");
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a file of our own");
        }
    }
}

fn repository(case: &Path) -> TempRepo {
    let repo = TempRepo::empty();
    for (folder, commit) in [("before", true), ("input", false)] {
        if case.join(folder).is_dir() {
            copy(&case.join(folder), repo.root());
            repo.git(&["add", "--all", "--force"]);
        }
        if commit {
            repo.git(&["commit", "--quiet", "--allow-empty", "--message=before"]);
        }
    }
    repo
}

fn transcript(repo: &TempRepo, commands: &str) -> String {
    let program = binary();
    let own = program.parent().expect("a folder").to_owned();
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&rest))).expect("a path");
    let mut text = String::new();
    for line in commands.lines().filter(|line| !line.is_empty()) {
        let mut command = repo.command("sh");
        command.args(["-c", line]).env("PATH", &path).env("COLUMNS", "100");
        command.env("APPRENTICE_LINTERS__ENABLE", "false");
        let Ran { code, out, err } = run(command, b"");
        let _ = write!(text, "$ {line}\n{out}{}", if out.is_empty() || out.ends_with('\n') { "" } else { "⏎\n" });
        err.lines().for_each(|line| text += &format!("! {line}\n"));
        if code != 0 {
            let _ = writeln!(text, "[exit code {}]", code);
        }
        text.push('\n');
    }
    let canonical = fs::canonicalize(repo.root()).expect("a folder that is there");
    let places = [canonical.display().to_string(), repo.root().display().to_string()];
    let text = places.iter().fold(text, |text, place| text.replace(place, "[ROOT]"));
    text.replace(&repo.home().display().to_string(), "[OUTSIDE]").replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
}

#[test]
fn every_conversation_goes_as_written() {
    let bless = std::env::var_os("APPRENTICE_BLESS").is_some();
    let mut wrong = String::new();
    for case in cases() {
        let commands = fs::read_to_string(case.join("cmd")).expect("a readable case");
        let got = transcript(&repository(&case), &commands);
        let expected = fs::read_to_string(case.join("expected")).unwrap_or_default();
        if bless {
            fs::write(case.join("expected"), &got).expect("a writable case");
        } else if got != expected {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let _ = writeln!(wrong, "== {name}\n{}", similar::TextDiff::from_lines(&expected, &got).unified_diff());
        }
    }
    assert!(wrong.is_empty(), "{wrong}\n`APPRENTICE_BLESS=1 cargo test` writes them anew");
}
