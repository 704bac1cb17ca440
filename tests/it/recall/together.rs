//! Do several processes at once come to the same index?

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use kit::TempRepo;

use super::{answers, found, hits, path, source, whole};

#[test]
fn two_writers_and_many_searches_at_once() {
    let repo = answers(80);
    let here = repo.at("repo");
    here.apprentice(&["index", "build"]).expect_code(0);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let searching = scope.spawn(|| {
            let mut searches = 0;
            while !done.load(Ordering::Relaxed) {
                let ran = repo.apprentice(&["search", "answer", "--json", "-k", "150"]);
                assert_eq!(ran.err, "", "a writer beside it is nobody's concern");
                assert_eq!(hits(ran).len(), 80);
                searches += 1;
            }
            searches
        });
        for round in 0..6 {
            (0..40).for_each(|number| repo.write(path(number), source(number, &format!("round_{round}"))));
            let write = |command: &'static str| scope.spawn(|| repo.apprentice(&["index", command]).expect_code(0));
            let other = if round % 2 == 0 { "build" } else { "update" };
            let writers = [write("update"), write(other)];
            writers.into_iter().for_each(|writer| drop(writer.join().expect("a writer")));
            assert_eq!(found(&repo.at("repo"), &format!("round_{round}")).len(), 40);
        }
        done.store(true, Ordering::Relaxed);
        assert!(searching.join().expect("searches") > 3);
    });
    whole(&here);
}

#[test]
fn the_first_search_builds_and_two_of_them_agree() {
    let repo = answers(60);
    thread::scope(|scope| {
        let search = || scope.spawn(|| repo.apprentice(&["search", "answer_7", "--json"]));
        for ran in [search(), search()].map(|search| search.join().expect("a search")) {
            assert!(hits(ran).iter().any(|(path, _)| path.ends_with("answer_7.py")));
        }
    });
    whole(&repo.at("repo"));
}

#[test]
#[cfg(unix)]
fn in_the_background_it_gives_way_to_another_writer_without_a_word() {
    let repo = answers(3);
    repo.apprentice(&["index", "build"]).expect_code(0);
    let lock = std::fs::File::open(repo.path(".git/apprentice/index/lock")).expect("the lock");
    lock.lock().expect("nobody else writes");
    repo.write("new.py", "def just_now(): pass\n");
    let ran = repo.apprentice(&["index", "update", "--background"]).expect_code(0);
    assert_eq!(ran.said(), "");
    assert!(found(&repo.at("repo"), "just_now").is_empty());
    drop(lock);
    assert_eq!(repo.apprentice(&["index", "update", "--background"]).expect_code(0).said(), "");
    assert_eq!(found(&repo.at("repo"), "just_now").len(), 1);
}

#[test]
fn work_trees_share_an_index_and_see_their_own_files() {
    let repo = answers(20);
    repo.git(&["worktree", "add", "-q", "-b", "topic", "../topic"]);
    let (main, topic) = (repo.at("repo"), repo.at("topic"));
    main.apprentice(&["index", "build"]).expect_code(0).expect_said("20 new");
    topic.apprentice(&["index", "update"]).expect_code(0).expect_said(": 0 new");
    std::fs::write(topic.folder().join("own.py"), "def only_on_topic(): pass\n").expect("a file of our own");
    repo.write("own.py", "def only_on_main(): pass\n");
    topic.apprentice(&["index", "update"]).expect_code(0).expect_said(": 1 new");
    main.apprentice(&["index", "update"]).expect_code(0).expect_said(": 1 new");
    assert_eq!([found(&main, "only_on_main").len(), found(&main, "only_on_topic").len()], [1, 0]);
    assert_eq!([found(&topic, "only_on_main").len(), found(&topic, "only_on_topic").len()], [0, 1]);
    whole(&main);
    whole(&topic);
    repo.git(&["worktree", "remove", "--force", "../topic"]);
    main.apprentice(&["index", "update"]).expect_code(0);
    // Another work tree of the same name begins with no view of the one before.
    repo.git(&["worktree", "add", "-q", "--detach", "../topic"]);
    topic.apprentice(&["index", "status"]).expect_code(0).expect_said("0 files, 0 pieces");
    whole(&main);
}

#[test]
fn switching_branches_cuts_only_what_was_never_seen() {
    let repo = answers(20);
    let here = repo.at("repo");
    let update = |said: &str| drop(here.apprentice(&["index", "update"]).expect_code(0).expect_said(said));
    update("20 files in the index: 20 new");
    repo.git(&["checkout", "-q", "-b", "topic"]);
    (0..5).for_each(|number| repo.write(path(number), source(number, "topic")));
    repo.commit_all("topic");
    update("20 files in the index: 5 new (5 pieces), 5 gone");
    repo.git(&["checkout", "-q", "main"]);
    update("20 files in the index: 0 new (0 pieces), 5 gone");
    assert!(found(&here, "topic").is_empty());
    repo.git(&["checkout", "-q", "topic"]);
    update("20 files in the index: 0 new (0 pieces), 5 gone");
    assert_eq!(found(&here, "topic").len(), 5);
    whole(&here);
}

#[test]
fn a_clone_shares_nothing() {
    let repo = TempRepo::with(&[("a.py", "def alone(): pass\n")]);
    repo.apprentice(&["index", "build"]).expect_code(0);
    repo.git(&["clone", "-q", ".", "../clone"]);
    repo.at("clone").apprentice(&["index", "status"]).expect_code(2).expect_said("there is no index");
}
