//! What happens when a file that the bot goes by is broken, or changed while it runs?

use std::fs;

use super::super::{
    BEFORE, HASTY, Serving, WRONG, assert_clean, assert_said_once, concluded, demo, opened, ours, wait,
};

#[test]
fn a_broken_file_of_the_operators_is_told_at_the_start() {
    let (forge, _) = demo(&[("load.py", BEFORE)]);
    for (settings, words) in [
        ("[review]\nconfig = \"own.toml\"\n", "own.toml"),
        ("[review]\nmax_comment = 1\n", "max_comment"),
        ("[queue]\nworkers = 0\n", "queue.workers"),
        ("[review\n", "bot.toml"),
    ] {
        let bot = Serving::prepare(&forge, settings);
        fs::write(bot.folder.path().join("own.toml"), "[review]\nfail_on = \"sometimes\"\n").expect("a file");
        let ran = kit::Ran::from(bot.serve().output().expect("it runs"));
        ran.expect_code(2).expect_said(words);
    }
}

#[test]
fn a_broken_configuration_on_the_base_branch_is_never_green() {
    let broken = "[review]\nfail_on = \"sometimes\"\n";
    let (forge, repo) = demo(&[("load.py", BEFORE), ("apprentice.toml", broken)]);
    let bot = Serving::start(&forge, HASTY);
    // Nothing is wrong with this one, and it mends the file: the base branch's word counts until it is merged.
    let files = [("fine.py", "x = 1\n"), ("apprentice.toml", "[review]\nfail_on = \"never\"\n")];
    let head = repo.push("alice", "fine", "fine", &files).expect("pushed");
    repo.open_pr("alice", "fine", "Fine").expect("opened");
    assert_eq!(concluded(&bot, &repo, &head), "neutral", "{}", bot.log());
    let run = &repo.check_runs(&head)[0];
    let said = run.output["summary"].as_str().unwrap_or_default();
    assert!(said.contains("apprentice.toml") && said.contains("sometimes"), "{said}");
    // What is wrong is found all the same.
    let (_, head) = opened(&repo);
    assert_eq!(concluded(&bot, &repo, &head), "failure");
    assert_clean(&forge);
}

#[test]
fn settings_are_read_anew_on_a_signal_and_broken_ones_are_not() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, HASTY);
    bot.configure(&format!("[review]\nmax_comments = 0\n{HASTY}"));
    bot.signal("HUP");
    wait("the old settings to stay", || bot.log().contains("the old settings stay in force"));
    bot.configure(&format!("[review]\nmax_comments = 1\ncheck_name = \"looked at\"\n{HASTY}"));
    bot.signal("HUP");
    wait("the new settings", || bot.log().contains("settings read anew"));
    let (pull, head) = opened(&repo);
    assert_eq!(concluded(&bot, &repo, &head), "failure", "{}", bot.log());
    bot.idle(&forge);
    assert_eq!(repo.check_runs(&head)[0].name, "looked at");
    // The second finding is in the review's own text.
    assert_eq!((ours(&repo, pull).len(), repo.threads(pull).len()), (1, 1));
    assert_said_once(&repo, (pull, &head), 2);

    // It stays said there: no push says it again on a line.
    let more = format!("{WRONG}\n\nX = 1\n");
    let head = repo.push("alice", "topic", "more", &[("load.py", &more)]).expect("pushed");
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    assert_said_once(&repo, (pull, &head), 2);
    assert_clean(&forge);
}
