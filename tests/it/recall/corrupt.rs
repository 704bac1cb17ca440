//! Is an index that is damaged, or not one of ours, built anew?

use std::{fs, path::PathBuf};

use kit::TempRepo;

use super::{answers, files, found, path, source, whole};

fn index(repo: &TempRepo) -> PathBuf {
    repo.path(".git/apprentice/index")
}

/// The one file of the index whose path ends so.
#[track_caller]
fn part(repo: &TempRepo, end: &str) -> PathBuf {
    let found = files(&index(repo)).into_iter().find(|path| path.to_string_lossy().ends_with(end));
    found.unwrap_or_else(|| panic!("no `{end}` in {:?}", files(&index(repo))))
}

fn overwrite(path: &PathBuf, from: f64, garbage: &[u8]) {
    let mut bytes = fs::read(path).expect("a part of the index");
    let from = (bytes.len() as f64 * from) as usize;
    let to = (from + garbage.len()).min(bytes.len());
    bytes[from..to].copy_from_slice(&garbage[..to - from]);
    fs::write(path, bytes).expect("a part of the index");
}

fn cut(path: &PathBuf, to: f64) {
    let bytes = fs::read(path).expect("a part of the index");
    fs::write(path, &bytes[..(bytes.len() as f64 * to) as usize]).expect("a part of the index");
}

const GARBAGE: [u8; 3000] = [0xA7; 3000];

/// An index of 40 files on which everything is written out, and no log lies beside it.
fn built() -> TempRepo {
    let repo = answers(40);
    repo.apprentice(&["index", "build"]).expect_code(0);
    // A writer is the last to close; a reader leaves the log.
    repo.apprentice(&["index", "update"]).expect_code(0);
    repo
}

/// Damages it in some way: first an update, then a search finds that out and mends it.
#[track_caller]
fn mended(name: &str, damage: impl Fn(&TempRepo)) {
    for command in [&["index", "update"][..], &["search", "answer_7"]] {
        let repo = built();
        damage(&repo);
        let ran = repo.apprentice(command).expect_code(0);
        assert!(!ran.said().contains("panicked"), "{name}: {}", ran.said());
        assert!(ran.err.contains("anew"), "{name}, {command:?}: {}", ran.said());
        whole(&repo.at("repo"));
        assert!(found(&repo.at("repo"), "answer_7").contains(&path(7)), "{name}");
    }
}

#[test]
fn a_damaged_store_is_built_anew() {
    mended("cut in half", |repo| cut(&part(repo, "store.db"), 0.5));
    mended("empty", |repo| cut(&part(repo, "store.db"), 0.0));
    mended("another file", |repo| fs::write(part(repo, "store.db"), GARBAGE).expect("the store"));
    mended("missing", |repo| fs::remove_file(part(repo, "store.db")).expect("the store"));
    mended("a garbled schema", |repo| overwrite(&part(repo, "store.db"), 0.001, &GARBAGE));
}

#[test]
fn damaged_words_are_built_anew() {
    mended("no meta.json", |repo| fs::remove_file(part(repo, "meta.json")).expect("a file"));
    mended("a garbled meta.json", |repo| overwrite(&part(repo, "meta.json"), 0.2, b"@@@@"));
    mended("an empty meta.json", |repo| cut(&part(repo, "meta.json"), 0.0));
    mended("no words", |repo| fs::remove_dir_all(part(repo, "meta.json").parent().expect("a folder")).expect("words"));
    for end in [".idx", ".term", ".fast", ".fieldnorm"] {
        mended(&format!("no {end}"), |repo| fs::remove_file(part(repo, end)).expect("a file"));
        mended(&format!("a cut {end}"), |repo| cut(&part(repo, end), 0.7));
    }
}

#[test]
fn an_index_of_another_make_is_built_anew() {
    mended("what names it", |repo| fs::write(part(repo, "current"), b"\xff\x00none").expect("a file"));
    mended("a generation that is gone", |repo| fs::write(part(repo, "current"), b"99").expect("a file"));
}

/// Garbage that keeps every length is found by an update and by `--verify`, which read every byte; a search stops at
/// what it meets, and builds anew, too.
#[test]
fn garbage_within_the_words_is_found() {
    for end in [".idx", ".term", ".fast", ".fieldnorm"] {
        for from in [0.05, 0.4, 0.8] {
            let repo = built();
            overwrite(&part(&repo, end), from, &GARBAGE[..64]);
            let ran = repo.apprentice(&["index", "status", "--verify"]).expect_code(2);
            assert!(ran.err.contains("the index is damaged"), "{}", ran.err);
            repo.apprentice(&["search", "answer_7"]).expect_code(0);
            let ran = repo.apprentice(&["index", "update"]).expect_code(0);
            assert!(!ran.err.contains("panicked"), "{end} at {from}: {}", ran.err);
            whole(&repo.at("repo"));
            assert!(found(&repo.at("repo"), "answer_7").contains(&path(7)), "{end} at {from}");
        }
    }
}

#[test]
fn garbage_within_the_store_is_found() {
    const PAGE: usize = 4096;
    let pages = fs::metadata(part(&built(), "store.db")).expect("the store").len() as usize / PAGE;
    for page in [1, 2, pages / 3, pages / 2, pages - 2] {
        let repo = built();
        let store = part(&repo, "store.db");
        let mut bytes = fs::read(&store).expect("the store");
        bytes[page * PAGE..page * PAGE + 64].copy_from_slice(&GARBAGE[..64]);
        fs::write(&store, bytes).expect("the store");
        let ran = repo.apprentice(&["index", "status", "--verify"]).expect_code(2);
        assert!(ran.err.contains("the index is damaged"), "{}", ran.err);
        repo.apprentice(&["search", "answer_7"]).expect_code(0);
        repo.apprentice(&["index", "build"]).expect_code(0);
        whole(&repo.at("repo"));
    }
}

#[test]
fn what_was_lost_on_the_way_is_whole_after_the_next_update() {
    let repo = built();
    // A build that was ended before it answered, and a file of one that was ended while it was named.
    fs::create_dir_all(index(&repo).join("77/words")).expect("a folder");
    fs::write(index(&repo).join("77/store.db"), GARBAGE).expect("a file");
    repo.write(path(3), source(3, "later"));
    repo.apprentice(&["index", "build"]).expect_code(0);
    assert!(!index(&repo).join("77").exists());
    assert_eq!(found(&repo.at("repo"), "later").len(), 1);
    whole(&repo.at("repo"));
}
