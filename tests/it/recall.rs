//! Does the index hold what the work tree holds, whatever happens to it?
#![expect(clippy::disallowed_methods, reason = "tests make the files and processes they look at")]

mod corrupt;
mod disk;
mod fresh;
mod hooks;
mod killed;
mod together;
mod watch;

use std::{
    collections::BTreeSet,
    path::Path,
    time::{Duration, Instant},
};

use kit::{Elsewhere, Ran, TempRepo};
use serde_json::Value;

/// One small definition, told apart by its number and by the state it is in.
fn source(number: usize, state: &str) -> String {
    format!("def answer_{number}(question):\n    note = \"{state}\"\n    return note, question, {number}\n")
}

fn path(number: usize) -> String {
    format!("part{}/answer_{number}.py", number % 7)
}

/// A repository of this many files, all in the state `first`.
fn answers(count: usize) -> TempRepo {
    let repo = TempRepo::empty();
    (0..count).for_each(|number| repo.write(path(number), source(number, "first")));
    repo.commit_all("start");
    repo
}

/// What a search found, as (path, text).
#[track_caller]
fn hits(found: Ran) -> Vec<(String, String)> {
    let found = found.expect_code(0).json();
    let text = |hit: &Value, key: &str| hit[key].as_str().unwrap_or_default().to_owned();
    let hits = found.as_array().expect("an array of hits");
    hits.iter().map(|hit| (text(hit, "file"), text(hit, "text"))).collect()
}

/// The paths that answer a query in some folder.
#[track_caller]
fn found(here: &Elsewhere<'_>, query: &str) -> BTreeSet<String> {
    let hits = hits(here.apprentice(&["search", "--json", "-k", "100", query]));
    hits.into_iter().filter(|(_, text)| text.contains(query)).map(|(path, _)| path).collect()
}

/// The same after an update.
#[track_caller]
fn now_found(here: &Elsewhere<'_>, query: &str) -> Vec<String> {
    here.apprentice(&["index", "update"]).expect_code(0);
    found(here, query).into_iter().collect()
}

#[track_caller]
fn whole(here: &Elsewhere<'_>) {
    here.apprentice(&["index", "status", "--verify"]).expect_code(0).expect_said("whole").expect_said("up to date");
}

/// Waits until something is so.
#[track_caller]
fn soon(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "not within 20 seconds: {what}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
