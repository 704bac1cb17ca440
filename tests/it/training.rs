//! Do answers and texts become training data, from the commands that people run to the files that trainers read? And does
//! a training survive whatever happens to it?
#![expect(clippy::disallowed_methods, reason = "a test looks at what was written")]

use std::path::Path;

use kit::{Ran, TempRepo, binary};
use serde_json::Value;

/// Runs the built `apprentice-trainer` in a repository.
pub(crate) fn trainer(repo: &TempRepo, arguments: &[&str]) -> Ran {
    let program = binary().with_file_name(format!("apprentice-trainer{}", std::env::consts::EXE_SUFFIX));
    let mut command = repo.command(program);
    command.args(arguments).output().expect("apprentice-trainer runs; `cargo build --workspace` makes it").into()
}

/// The rows that a journal's answers become, in the form that has all kinds in one file.
pub(crate) fn lessons(repo: &TempRepo, journal: &Path, more: &[&str]) -> Vec<Value> {
    let journal = journal.display().to_string();
    let build = ["lessons", "build", "--journal", &journal, "--format", "jsonl", "--holdout", "0", "--output", "out"];
    trainer(repo, &[&build[..], more].concat()).expect_code(0);
    let rows = if repo.path("out/train.jsonl").is_file() { repo.text("out/train.jsonl") } else { String::new() };
    rows.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

/// The answers in rows of a kind for a task, as JSON.
pub(crate) fn answers(rows: &[Value], kind: &str, task: &str, field: &str) -> Vec<Value> {
    let wanted = rows.iter().filter(|row| row["kind"] == kind && row["task"] == task);
    wanted.map(|row| serde_json::from_str(row[field][0]["content"].as_str().expect("a text")).expect("JSON")).collect()
}

const TEXT: &str =
    "import yaml\n\n\ndef load(file):\n    return yaml.load(file)\n\n\ndef run(a):\n    return eval(a)\n";

/// A repository in which `yaml.load` and `eval` were told.
fn reviewed() -> (TempRepo, impl Fn(&TempRepo, &str, &[&str])) {
    let mut repo = TempRepo::with(&[("README.md", "# demo\n")]);
    repo.set("APPRENTICE_LINTERS__ENABLE", "false");
    repo.stage("app.py", TEXT);
    let review = repo.apprentice(&["review", "--format", "json", "--fail-on", "never"]).expect_code(0).json();
    let record = move |repo: &TempRepo, check: &str, answer: &[&str]| {
        let found = review["findings"].as_array().expect("findings").iter().find(|one| one["check"] == check);
        let print = found.and_then(|one| one["fingerprint"].as_str()).expect("a fingerprint");
        repo.apprentice(&[&["feedback", "record", print], answer].concat()).expect_code(0);
    };
    (repo, record)
}

#[test]
fn what_was_answered_here_is_learned_and_what_is_forgotten_is_not() {
    let (repo, record) = reviewed();
    record(&repo, "python/yaml-load-unsafe", &["applied"]);
    record(&repo, "python/eval-call", &["rejected", "--why", "it is ours"]);
    let journal = repo.path(".git/apprentice/state.db");
    let rows = lessons(&repo, &journal, &[]);
    let review = answers(&rows, "sft", "review", "completion");
    assert_eq!(review.len(), 1, "{rows:#?}");
    assert_eq!(review[0]["findings"].as_array().map(Vec::len), Some(1), "{review:#?}");
    let found = &review[0]["findings"][0];
    assert_eq!((&found["quote"], &found["severity"]), (&"    return yaml.load(file)".into(), &"warning".into()));
    assert_eq!(found["replacement"], "    return yaml.safe_load(file)");
    let fix = answers(&rows, "sft", "fix", "completion");
    assert_eq!(fix[0]["edits"][0]["replacement"], "    return yaml.safe_load(file)");
    let pair = (answers(&rows, "dpo", "review", "chosen"), answers(&rows, "dpo", "review", "rejected"));
    let many = |answers: &[Value]| answers[0]["findings"].as_array().map(Vec::len);
    assert_eq!((many(&pair.0), many(&pair.1)), (Some(1), Some(2)));
    let question = rows[0]["prompt"][1]["content"].as_str().expect("a question");
    assert!(question.contains("from: app.py\n") && question.contains("\n+    return yaml.load(file)\n"), "{question}");
    // Nothing was written to the journal by reading it.
    assert_eq!(repo.apprentice(&["feedback", "export"]).out.lines().count(), 2);

    repo.apprentice(&["lessons", "forget", "#1"]).expect_code(0);
    let rows = lessons(&repo, &journal, &[]);
    assert!(rows.iter().all(|row| row["task"] == "review" && row["because"] == serde_json::json!(["state.db#2"])));
    assert!(!repo.text("out/train.jsonl").contains("safe_load"));
    repo.apprentice(&["lessons", "forget", "#2"]).expect_code(0);
    assert_eq!(lessons(&repo, &journal, &[]), [Value::Null; 0]);
    assert!(!repo.path("out/train.jsonl").exists());
}

#[test]
fn no_secret_is_kept_with_the_code_around_a_finding() {
    let mut repo = TempRepo::with(&[("README.md", "# demo\n")]);
    repo.set("APPRENTICE_LINTERS__ENABLE", "false");
    let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH");
    repo.stage("app.py", format!("TOKEN = '{token}'\n{TEXT}"));
    repo.apprentice(&["review", "--fail-on", "never"]).expect_code(0);
    for file in ["state.db", "state.db-wal"] {
        let path = format!(".git/apprentice/{file}");
        let bytes = if repo.path(&path).is_file() { repo.read(&path) } else { Vec::new() };
        assert!(!bytes.windows(token.len()).any(|window| window == token.as_bytes()), "{file}");
    }
    let kept = rusqlite::Connection::open(repo.path(".git/apprentice/state.db")).expect("a database");
    let kept: Vec<String> = kept
        .prepare("SELECT material FROM material")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .expect("read");
    assert!(kept.iter().any(|text| text.contains("yaml.load(file)") && text.contains("ghp_****")), "{kept:#?}");
}

#[test]
fn a_journal_of_an_older_version_is_read_and_says_what_it_lacks() {
    let (repo, record) = reviewed();
    record(&repo, "python/eval-call", &["applied"]);
    let journal = repo.path(".git/apprentice/state.db");
    let older = rusqlite::Connection::open(&journal).expect("a database");
    older.execute_batch("DROP TABLE material").expect("dropped");
    drop(older);
    let journal = journal.display().to_string();
    trainer(&repo, &["lessons", "build", "--journal", &journal, "--output", "out"])
        .expect_code(0)
        .expect_said("left out: 1 (what was found is not kept (told by an older version, or too long))")
        .expect_said("no rows");
    // And it is used on as before.
    repo.apprentice(&["review", "--fail-on", "never"]).expect_code(0);
    record(&repo, "python/eval-call", &["useful"]);
}

#[test]
fn another_programs_answers_are_rows_and_a_bad_line_is_named() {
    let repo = TempRepo::bare_folder();
    let line = r#"{"id": "a", "at": "2026-11-01T10:00:00Z", "project": "p", "prompt": "q", "response": "r", "outcome": "accepted"}"#;
    repo.write("agent_interactions.jsonl", format!("{line}\n"));
    let build = ["lessons", "build", "--interactions", "agent_interactions.jsonl", "--output", "out", "--holdout", "0"];
    for (format, file) in [("trl", "out/kto/train.jsonl"), ("axolotl", "out/axolotl-kto.yaml"), ("mlx", "out/mlx.yaml")]
    {
        trainer(&repo, &[&build[..], &["--format", format]].concat()).expect_code(0).expect_said("1 sft");
        assert!(repo.path(file).is_file(), "{file}");
    }
    repo.write("agent_interactions.jsonl", format!("{line}\n{{\"id\": 2}}\n"));
    trainer(&repo, &build).expect_code(2).expect_said("line 2 of `agent_interactions.jsonl` is no interaction");
    assert!(repo.path("out/mlx.yaml").is_file(), "what was there stays");
    trainer(&repo, &["lessons", "build", "--journal", "nowhere.db", "--output", "out"])
        .expect_code(2)
        .expect_said("there is no file `nowhere.db`");
    trainer(&repo, &["lessons", "build", "--output", "out"]).expect_code(2).expect_said("--journal");
    trainer(&repo, &[&build[..], &["--since", "yesterday"]].concat()).expect_code(2).expect_said("2026-11-21");
}

#[test]
fn a_repository_becomes_a_corpus() {
    let code =
        |name: &str| (0..20).map(|n| format!("fn {name}_{n}(x: u32) -> u32 {{\n    x + {n}\n}}\n")).collect::<String>();
    let repo = TempRepo::with(&[
        ("LICENSE", "Apache License\nVersion 2.0, January 2004\n"),
        ("src/one.rs", &code("one")),
        ("src/two.rs", &code("two")),
        ("src/again.rs", &code("one")),
        ("README.md", "# Demo\n\nWhat people read first, by ada@engine.org, and more words than a few.\n"),
    ]);
    repo.write("uncommitted.rs", code("three"));
    trainer(&repo, &["corpus", "build"]).expect_code(2).expect_said("corpus add");
    trainer(&repo, &["corpus", "add", "."]).expect_code(0).expect_said("repository  ");
    trainer(&repo, &["corpus", "stats"]).expect_code(2).expect_said("corpus build");
    trainer(&repo, &["corpus", "build"])
        .expect_code(0)
        .expect_said("3 documents")
        .expect_said("says the same as another");
    let stats = trainer(&repo, &["corpus", "stats", "--json"]).json();
    assert_eq!((&stats["languages"]["rust"]["documents"], &stats["sources"][0]["name"]), (&2.into(), &"repo".into()));
    assert_eq!(stats["sources"][0]["state"], repo.git(&["rev-parse", "HEAD"]));
    let file = format!(".git/apprentice/training/corpus/{}", stats["files"][0]["name"].as_str().expect("a name"));
    let text = repo.text(&file);
    let documents: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
    let paths: Vec<&str> = documents.iter().map(|one| one["path"].as_str().expect("a path")).collect();
    assert_eq!(paths, ["repo/README.md", "repo/src/again.rs", "repo/src/two.rs"]);
    assert!(documents.iter().all(|one| one["licence"] == "Apache-2.0") && !text.contains("engine.org"));
    trainer(&repo, &["corpus", "build"]).expect_code(0);
    assert_eq!((trainer(&repo, &["corpus", "stats", "--json"]).json(), repo.text(&file)), (stats, text));
}

/// The arguments of a training from nothing that takes some seconds, on a corpus of a few files.
const SMALL: &[&str] = &[
    "gpt",
    "train",
    "--corpus",
    "corpus",
    "--words",
    "400",
    "--width",
    "32",
    "--inner",
    "64",
    "--layers",
    "2",
    "--heads",
    "4",
    "--key-heads",
    "2",
    "--window",
    "32",
    "--tokens",
    "256",
    "--batch",
    "4",
    "--epochs",
    "4",
    "--keep-every",
];

fn corpus() -> TempRepo {
    let mut files = vec![("LICENSE".to_owned(), include_str!("../../LICENSE-MIT").to_owned())];
    for n in 0..12 {
        let body: String =
            (0..30).map(|m| format!("def step_{m}(value):\n    return value * {n} + {m}\n\n\n")).collect();
        files.push((format!("part{n}.py"), body));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (&**name, &**text)).collect();
    let repo = TempRepo::with(&files);
    trainer(&repo, &["corpus", "add", ".", "--folder", "corpus"]).expect_code(0);
    trainer(&repo, &["corpus", "build", "--folder", "corpus"]).expect_code(0);
    repo
}

/// Killed at any step, a training goes on as if nothing had been: the weights are the same to the last bit.
#[cfg(unix)]
#[test]
fn a_training_that_is_killed_goes_on_to_the_same_weights() {
    use std::{process::Stdio, thread, time::Duration};
    let repo = corpus();
    let whole = [SMALL, &["2", "--output", "whole"]].concat();
    trainer(&repo, &whole).expect_code(0);
    let killed = [SMALL, &["2", "--output", "killed"]].concat();
    let program = binary().with_file_name("apprentice-trainer");
    let mut kills = 0;
    loop {
        let mut child =
            repo.command(&program).args(&killed).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        thread::sleep(Duration::from_millis(300 + 170 * kills));
        if child.try_wait().expect("a state").is_some() {
            break;
        }
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        kills += 1;
    }
    assert!(kills >= 2, "it was done after {kills} kills: nothing was tried");
    for file in ["model.safetensors", "losses.jsonl", "checkpoint.safetensors", "tokenizer.json"] {
        let read = |folder: &str| std::fs::read(repo.path(&format!("{folder}/{file}"))).expect("a file");
        assert!(read("whole") == read("killed"), "{file} differs after {kills} kills");
    }
}

/// Runs where no file may grow beyond some kilobytes: what a full disk does to whoever writes one.
#[cfg(unix)]
fn on_a_full_disk(repo: &TempRepo, arguments: &[&str]) -> Ran {
    // Without the trap the system ends the process, where a full disk only refuses to write.
    let script = r#"trap '' XFSZ; ulimit -f 8; exec "$0" "$@""#;
    let mut command = repo.command("sh");
    command.args(["-c", script]).arg(binary().with_file_name("apprentice-trainer")).args(arguments);
    kit::run(command, b"")
}

/// Every file of a folder with what it holds; besides the lock, in which a process stands.
#[cfg(unix)]
fn files(repo: &TempRepo, folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = std::fs::read_dir(repo.path(folder))
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_file() && entry.file_name() != ".lock")
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), std::fs::read(entry.path()).expect("a file")))
        .collect();
    all.sort();
    all
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_said_and_what_was_there_stays() {
    let repo = corpus();
    let train = [SMALL, &["2", "--output", "model"]].concat();
    on_a_full_disk(&repo, &train).expect_code(2).expect_said("File too large");
    // With room again, it comes to what it would have come to.
    trainer(&repo, &train).expect_code(0);
    let whole = [SMALL, &["2", "--output", "whole"]].concat();
    trainer(&repo, &whole).expect_code(0);
    assert!(repo.read("model/model.safetensors") == repo.read("whole/model.safetensors"));

    let convert = |kind| ["gguf", "convert", "model", "--type", kind, "--output", "out/model.gguf"];
    trainer(&repo, &convert("Q8_0")).expect_code(0);
    let lines = |from: usize| -> String {
        let line = |n: usize| {
            let words: String = (0..20).map(|m| format!("w{} ", n * 31 + m * 7)).collect();
            format!(
                "{{\"id\": \"{n}\", \"at\": \"2026-11-01T10:00:00Z\", \"project\": \"p\", \
                 \"prompt\": \"{words}\", \"response\": \"{n}\", \"outcome\": \"accepted\"}}\n"
            )
        };
        (from..from + 200).map(line).collect()
    };
    repo.write("answers.jsonl", lines(0));
    let lessons = ["lessons", "build", "--interactions", "answers.jsonl", "--output", "lessons"];
    trainer(&repo, &lessons).expect_code(0);
    repo.write("answers.jsonl", lines(1000));
    repo.write("part99.py", "def other():\n    return 'something else altogether'\n".repeat(40));
    repo.commit_all("more");
    let there = || ["out", "lessons", "lessons/sft", "corpus"].map(|folder| files(&repo, folder));
    let before = there();
    for arguments in [&convert("F32")[..], &lessons, &["corpus", "build", "--folder", "corpus"]] {
        on_a_full_disk(&repo, arguments).expect_code(2).expect_said("File too large");
        for (now, before) in there().iter().zip(&before) {
            let names = |all: &[(String, Vec<u8>)]| all.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
            assert_eq!(names(now), names(before), "{arguments:?} left something else");
            assert!(now == before, "{arguments:?} changed something of {:?}", names(before));
        }
    }
}

#[test]
fn a_checkpoint_that_is_damaged_is_said_and_nothing_is_written() {
    let repo = corpus();
    let train = [SMALL, &["2", "--output", "model"]].concat();
    trainer(&repo, &train).expect_code(0);
    std::fs::remove_file(repo.path("model/model.safetensors")).expect("a file");
    repo.write("model/checkpoint.safetensors", "no checkpoint");
    let ran = trainer(&repo, &train).expect_code(2);
    assert!(ran.err.contains("is damaged") && ran.err.contains("begin anew"), "{}", ran.err);
    assert!(!repo.path("model/model.safetensors").exists());
    let other = [SMALL, &["2", "--output", "model", "--rate", "0.1"]].concat();
    std::fs::remove_file(repo.path("model/checkpoint.safetensors")).expect("a file");
    trainer(&repo, &train).expect_code(0);
    let ran = trainer(&repo, &other).expect_code(2);
    assert!(ran.err.contains("other data or settings"), "{}", ran.err);
}
