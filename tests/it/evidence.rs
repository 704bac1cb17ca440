//! Does a finding show what explains it, and never anything that is not there?
#![expect(clippy::disallowed_methods, reason = "a test damages an index on purpose")]

use kit::TempRepo;
use serde_json::Value;

const HELPER: &str = "def open_ledger(path):\n    return path\n\n\ndef unrelated():\n    return 1\n";

const BOOKS: &str = "\
from ledger import open_ledger


def read_balance(path, text):
    ledger = open_ledger(path)
    return ledger
";

const CALLER: &str = "from books import read_balance\n\n\ndef report(path):\n    return read_balance(path, \"1\")\n";

/// A repository with an index and a staged finding on line 5 of `books.py`, in a call of `open_ledger`.
fn indexed() -> TempRepo {
    let repo = TempRepo::with(&[("ledger.py", HELPER), ("books.py", BOOKS), ("report.py", CALLER)]);
    repo.apprentice(&["index", "build"]).expect_code(0);
    repo.stage("books.py", BOOKS.replace("open_ledger(path)", "open_ledger(eval(text))"));
    repo
}

fn review(repo: &TempRepo, more: &[&str]) -> Value {
    repo.apprentice(&[&["review", "--no-linters", "--fail-on", "never", "--format", "json"], more].concat())
        .expect_code(0)
        .json()
}

/// `path:line note` of what stands beside the finding of a check.
#[track_caller]
fn because(review: &Value, check: &str) -> Vec<String> {
    let findings = review["findings"].as_array().expect("findings");
    let finding = findings.iter().find(|finding| finding["check"] == check);
    let finding = finding.unwrap_or_else(|| panic!("no {check} in {review:#}"));
    let places = finding["because"].as_array().expect("because").iter();
    places
        .map(|place| {
            let text = |name: &str| place[name].as_str().unwrap_or_default().to_owned();
            format!("{}:{} {}", text("path"), place["span"]["start_line"], text("note"))
        })
        .collect()
}

const DEFINED: &str = "ledger.py:1 `open_ledger`, which it calls";
const CALLED: &str = "report.py:5 `read_balance` is called here, in `report`";

#[test]
fn a_finding_shows_what_it_calls_and_who_calls_it() {
    let repo = indexed();
    assert_eq!(because(&review(&repo, &[]), "python/eval-call"), [DEFINED, CALLED]);
    assert_eq!(because(&review(&repo, &["--set", "recall.evidence=1"]), "python/eval-call"), [DEFINED]);
    let text = repo.apprentice(&["review", "--no-linters", "--fail-on", "never"]);
    text.expect_said("`open_ledger`, which it calls: ledger.py:1");
}

#[test]
fn no_recall_asks_nothing() {
    let repo = indexed();
    for off in [&["--no-recall"][..], &["--set", "recall.enable=false"]] {
        assert_eq!(because(&review(&repo, off), "python/eval-call"), [""; 0]);
    }
}

#[test]
fn without_an_index_nothing_is_said_of_it() {
    let repo = TempRepo::with(&[("books.py", BOOKS)]);
    repo.stage("books.py", BOOKS.replace("open_ledger(path)", "open_ledger(eval(text))"));
    let review = review(&repo, &[]);
    assert_eq!(because(&review, "python/eval-call"), [""; 0]);
    assert_eq!(review["notices"].as_array().map(Vec::len), Some(0), "{review:#}");
}

#[test]
fn an_index_that_is_behind_is_held_against_what_is_reviewed() {
    let repo = indexed();
    // The definition moved down, and the caller is gone.
    repo.stage("ledger.py", format!("LEDGERS = []\n\n\n{HELPER}"));
    repo.git(&["rm", "--quiet", "--cached", "report.py"]);
    assert_eq!(because(&review(&repo, &[]), "python/eval-call"), [DEFINED.replace(":1", ":4")]);
}

#[test]
fn a_damaged_index_is_a_note_and_the_review_goes_on() {
    let repo = indexed();
    let index = std::fs::read_dir(repo.root().join(".git/apprentice/index")).expect("an index").flatten();
    let stores: Vec<_> = index.map(|entry| entry.path().join("store.db")).filter(|path| path.is_file()).collect();
    assert!(!stores.is_empty());
    for store in stores {
        std::fs::write(store, "not a database, at all, any more").expect("a file");
    }
    let review = review(&repo, &[]);
    assert_eq!(because(&review, "python/eval-call"), [""; 0]);
    let notices = review["notices"].as_array().expect("notices");
    assert_eq!(notices.len(), 1, "{review:#}");
    assert_eq!((&notices[0]["gravity"], &notices[0]["about"]), (&Value::from("note"), &Value::from("index")));
}

/// A function in a file of its own.
fn sender(name: &str, acquire: &str) -> String {
    format!(
        "def {name}(pool, request, timeout):\n    connection = {acquire}\n    connection.write(request.headers)\n    \
         response = connection.read(timeout)\n    pool.release(connection)\n    if response.status >= 500:\n        \
         raise ServerError(response.status)\n    return response\n"
    )
}

const OLD: &str = "pool.acquire(request.host)";
const NEW: &str = "pool.acquire(request.host, timeout)";

#[test]
fn a_twin_in_another_file_that_was_forgotten_is_told() {
    let repo =
        TempRepo::with(&[("src/plain.py", &sender("send", OLD)), ("src/secure.py", &sender("send_secure", OLD))]);
    repo.apprentice(&["index", "build"]).expect_code(0);
    repo.stage("src/plain.py", sender("send", NEW));
    let forgotten = "any/forgotten-twin";
    assert_eq!(because(&review(&repo, &[]), forgotten), ["src/secure.py:1 its twin, which still reads as before"]);
    assert_eq!(review(&repo, &["--no-recall"])["findings"].as_array().map(Vec::len), Some(0));
    repo.stage("src/secure.py", sender("send_secure", NEW));
    assert_eq!(review(&repo, &[])["findings"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_twin_that_does_it_right_is_shown() {
    let wrong = sender("send", OLD).replace("request.headers", "eval(request.headers)");
    let repo =
        TempRepo::with(&[("src/plain.py", &sender("send", OLD)), ("src/secure.py", &sender("send_secure", OLD))]);
    repo.apprentice(&["index", "build"]).expect_code(0);
    repo.stage("src/plain.py", wrong);
    let shown = because(&review(&repo, &[]), "python/eval-call");
    assert_eq!(shown, ["src/secure.py:1 compare `send_secure`, in which this is not so"]);
}
