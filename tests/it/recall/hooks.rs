//! Do the hooks keep the index up to date without holding anybody up?

use std::{fs, time::Instant};

use kit::TempRepo;

use super::{answers, found, path, soon, source, whole};

fn hooked(count: usize) -> TempRepo {
    let repo = answers(count);
    repo.apprentice(&["hook", "install", "--type", "pre-commit,post-merge,post-rewrite"]).expect_code(0);
    repo
}

fn is_free(repo: &TempRepo) -> bool {
    let lock = fs::File::open(repo.path(".git/apprentice/index/lock")).expect("the lock");
    lock.try_lock().is_ok()
}

#[test]
fn a_commit_returns_at_once_and_the_index_follows() {
    let repo = hooked(40);
    repo.apprentice(&["index", "build"]).expect_code(0);
    let here = repo.at("repo");
    for round in 0..4 {
        let mark = format!("round_{round}");
        repo.write(path(round), source(round, &mark));
        // `commit -a` shows its hook an index of its own; whatever is left behind must not look at that one.
        repo.git(&["commit", "-q", "-a", "-m", &mark]);
        soon("the index has what was committed", || found(&here, &mark).len() == 1);
    }
    soon("nobody writes", || is_free(&repo));
    whole(&here);
    assert_eq!(repo.git(&["status", "--porcelain"]), "");
}

#[test]
fn it_does_not_wait_for_a_writer_nor_leave_one_behind() {
    let repo = hooked(10);
    repo.apprentice(&["index", "build"]).expect_code(0);
    let lock = fs::File::open(repo.path(".git/apprentice/index/lock")).expect("the lock");
    lock.lock().expect("nobody else writes");
    repo.write(path(1), source(1, "while_locked"));
    let begun = Instant::now();
    repo.git(&["commit", "-q", "-a", "-m", "locked"]);
    assert!(begun.elapsed().as_secs() < 10);
    drop(lock);
    repo.apprentice(&["index", "status"]).expect_code(0).expect_said("1 files differ");
}

#[test]
fn merges_and_rewrites_are_followed() {
    let repo = hooked(10);
    repo.apprentice(&["index", "build"]).expect_code(0);
    let here = repo.at("repo");
    repo.git(&["checkout", "-q", "-b", "topic"]);
    repo.write(path(1), source(1, "merged"));
    repo.git(&["commit", "-q", "--no-verify", "-a", "-m", "topic"]);
    repo.git(&["checkout", "-q", "main"]);
    repo.git(&["merge", "-q", "--ff-only", "topic"]);
    soon("a merge is followed", || found(&here, "merged").len() == 1);
    repo.write(path(2), source(2, "rewritten"));
    repo.git(&["add", "--all"]);
    repo.git(&["commit", "-q", "--no-verify", "--amend", "--no-edit"]);
    soon("a rewrite is followed", || found(&here, "rewritten").len() == 1);
}

#[test]
fn without_an_index_or_when_told_not_to_nothing_is_started() {
    let repo = hooked(5);
    repo.write(path(1), source(1, "no_index"));
    repo.git(&["commit", "-q", "-a", "-m", "no index"]);
    assert!(!repo.path(".git/apprentice/index").exists());
    repo.apprentice(&["index", "build"]).expect_code(0);
    for (round, setting) in ["enable = false", "background = false"].into_iter().enumerate() {
        repo.write("apprentice.toml", format!("[recall]\n{setting}\n"));
        repo.write(path(2), source(2, &format!("told_not_to_{round}")));
        repo.git(&["add", "--all"]);
        repo.git(&["commit", "-q", "-m", setting]);
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    repo.apprentice(&["index", "status"]).expect_code(0).expect_said("files differ");
    assert!(!repo.path(".git/apprentice/index").exists() || is_free(&repo));
}

#[test]
fn a_work_tree_can_go_right_after_its_commit() {
    let repo = hooked(30);
    repo.apprentice(&["index", "build"]).expect_code(0);
    for round in 0..3 {
        let name = format!("../linked_{round}");
        repo.git(&["worktree", "add", "-q", "-b", &format!("b{round}"), &name]);
        let linked = repo.at(format!("linked_{round}"));
        fs::write(linked.folder().join("own.py"), format!("def own_{round}(): pass\n")).expect("a file");
        linked.git(&["add", "own.py"]);
        linked.git(&["commit", "-q", "-m", "own"]);
        linked.git(&["commit", "-q", "--amend", "-m", "again"]);
        repo.git(&["worktree", "remove", &name]);
    }
    soon("nobody writes", || is_free(&repo));
    repo.apprentice(&["index", "update"]).expect_code(0);
    whole(&repo.at("repo"));
}
