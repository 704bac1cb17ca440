//! Is everything said, and once, whatever goes wrong on the way?

mod door;
mod house;

use std::time::Duration;

use forge::{Fault, What};

use super::{BEFORE, HASTY, LONG, Serving, WRONG, assert_clean, assert_said_once, concluded, demo, opened, ours, wait};

fn after(seconds: &str) -> Vec<(String, String)> {
    vec![("retry-after".to_owned(), seconds.to_owned())]
}

/// What goes wrong once (or so often) while a pull request is reviewed, and the status by which one sees that it did.
fn table() -> Vec<(&'static str, Fault, u16)> {
    let once = Fault::once;
    vec![
        ("the answer to a review is lost", once("POST", "/reviews$", What::DropAfterWrite), 0),
        ("the answer to a begun check run is lost", once("POST", "/check-runs$", What::DropAfterWrite), 0),
        ("the answer to an ended check run is lost", once("PATCH", "/check-runs/", What::DropAfterWrite), 0),
        ("a review does not arrive", once("POST", "/reviews$", What::DropBefore), 0),
        ("a check run does not arrive", once("POST", "/check-runs$", What::DropBefore), 0),
        ("the end of a check run does not arrive", once("PATCH", "/check-runs/", What::DropBefore), 0),
        ("a question does not arrive", once("POST", "/graphql$", What::DropBefore), 0),
        ("a fetch is cut", once("", "git-upload-pack$", What::DropBefore), 0),
        ("a secondary limit", once("POST", "/reviews$", What::Status(403, after("1"))), 403),
        ("too many requests", once("GET", "/pulls/1$", What::Status(429, after("1"))), 429),
        ("too many writes", once("PATCH", "/check-runs/", What::Status(429, after("1"))), 429),
        ("three bad gateways", once("GET", "/pulls/1$", What::Status(502, Vec::new())).times(3), 502),
        ("a bad gateway for a review", once("POST", "/reviews$", What::Status(502, Vec::new())), 502),
        ("a bad gateway for git", once("", "/info/refs$", What::Status(502, Vec::new())), 502),
        ("the token is over when asking", once("POST", "/graphql$", What::ExpireToken), 401),
        ("the token is over when posting", once("POST", "/reviews$", What::ExpireToken), 401),
        ("the token is over when ending", once("PATCH", "/check-runs/", What::ExpireToken), 401),
        ("no token for a while", once("POST", "/access_tokens$", What::Status(502, Vec::new())).times(2), 502),
    ]
}

#[test]
fn a_fault_on_the_way_costs_time_and_nothing_else() {
    for (name, fault, status) in table() {
        let (forge, repo) = demo(&[("load.py", BEFORE)]);
        let bot = Serving::start(&forge, HASTY);
        forge.fault(fault);
        let (pull, head) = opened(&repo);
        assert_eq!(concluded(&bot, &repo, &head), "failure", "{name}; {}", bot.log());
        bot.idle(&forge);
        let seen = forge.requests().iter().any(|request| request.status == status);
        assert!(seen, "{name}: never met; {}", bot.log());
        assert_eq!(ours(&repo, pull).len(), 1, "{name}; {}", bot.log());
        eprintln!("{name}");
        assert_said_once(&repo, (pull, &head), 2);
        assert_clean(&forge);
    }
}

#[test]
fn a_delivery_that_comes_again_is_known() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, HASTY);
    let (pull, head) = opened(&repo);
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    let before = forge.deliveries();
    before.iter().for_each(|delivery| assert!(forge.redeliver(delivery.id)));
    bot.idle(&forge);
    let again: Vec<_> = forge.deliveries().into_iter().skip(before.len()).collect();
    assert!(again.len() >= 2 && again.iter().all(|delivery| delivery.status == 200), "{again:#?}");
    assert_eq!(ours(&repo, pull).len(), 1);
    assert_said_once(&repo, (pull, &head), 2);
    assert_clean(&forge);
}

#[test]
fn a_hook_that_comes_twice_late_or_never_changes_nothing() {
    for what in [What::HookDuplicate, What::HookReorder] {
        let (forge, repo) = demo(&[("load.py", BEFORE)]);
        let bot = Serving::start(&forge, HASTY);
        forge.fault(Fault::once("", "pull_request.opened", what.clone()));
        let (pull, _) = opened(&repo);
        // Where it is held back, this comes first.
        let head = repo.push("alice", "topic", "more", &[("more.py", "y = 1\n")]).expect("pushed");
        concluded(&bot, &repo, &head);
        bot.idle(&forge);
        let hooks: Vec<String> = forge.deliveries().into_iter().filter_map(|hook| hook.action).collect();
        assert!(hooks.iter().any(|action| action == "opened"), "{hooks:?}");
        assert_said_once(&repo, (pull, &head), 2);
        assert_clean(&forge);
    }
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let mut bot = Serving::start(&forge, HASTY);
    forge.fault(Fault::once("", "pull_request.opened", What::HookLost));
    let (pull, head) = opened(&repo);
    bot.idle(&forge);
    assert!(repo.check_runs(&head).is_empty(), "nobody told it");
    bot.kill();
    bot.spawn();
    assert_eq!(concluded(&bot, &repo, &head), "failure");
    bot.idle(&forge);
    assert_said_once(&repo, (pull, &head), 2);
    assert!(bot.log().contains("asked for a missed delivery"), "{}", bot.log());
    assert_clean(&forge);
}

#[test]
fn a_suspended_installation_is_given_up_clearly_and_taken_up_again() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, &format!("{HASTY}attempts = 3\n"));
    forge.fault(Fault::once("POST", "/graphql$", What::SuspendInstallation));
    let (pull, _) = opened(&repo);
    wait("the review to be given up", || bot.get("/metrics").is_some_and(|all| all.contains("queue_dead 1\n")));
    bot.idle(&forge);
    let letters = bot.run(&["redeliver"]).expect_code(0).expect_said("acme/demo#1").expect_said("suspended");
    assert!(letters.out.contains("3 tries"), "{}", letters.out);
    assert_eq!(ours(&repo, pull).len(), 0);

    forge.suspend("acme", false);
    let head = repo.push("alice", "topic", "more", &[("more.py", "y = 1\n")]).expect("pushed");
    assert_eq!(concluded(&bot, &repo, &head), "failure", "{}", bot.log());
    bot.idle(&forge);
    assert_said_once(&repo, (pull, &head), 2);
    assert_clean(&forge);
}

#[test]
fn only_the_newest_head_is_reviewed_when_pushes_overtake() {
    for by_force in [true, false] {
        let (forge, repo) = demo(&[("load.py", BEFORE)]);
        let bot = Serving::start(&forge, HASTY);
        // Held where it asks what was said: after the reading, before the posting.
        forge.fault(Fault::once("POST", "/graphql$", What::Slow(Duration::from_secs(2))));
        let (pull, old) = opened(&repo);
        wait("the review to begin", || repo.check_runs(&old).iter().any(|run| run.status == "in_progress"));
        let files = [("load.py", WRONG), ("more.py", "def f(b):\n    return b is \"x\"\n")];
        let head = match by_force {
            true => repo.force_push("alice", "topic", "main", &files),
            false => repo.push("alice", "topic", "more", &files),
        };
        let head = head.expect("pushed");
        concluded(&bot, &repo, &head);
        bot.idle(&forge);
        assert_eq!(concluded(&bot, &repo, &old), "cancelled");
        let reviews = ours(&repo, pull);
        assert!(reviews.len() == 1 && reviews[0].commit == head, "{reviews:#?}");
        assert_said_once(&repo, (pull, &head), 3);
        assert_clean(&forge);
    }
}

#[test]
fn a_review_that_is_not_taken_with_its_lines_is_said_in_words() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, HASTY);
    forge.fault(Fault::once("POST", "/reviews$", What::Status(422, Vec::new())));
    let (pull, head) = opened(&repo);
    assert_eq!(concluded(&bot, &repo, &head), "failure");
    bot.idle(&forge);
    let reviews = ours(&repo, pull);
    assert_eq!((reviews.len(), repo.threads(pull).len()), (1, 0), "{reviews:#?}");
    assert!(reviews[0].body.contains("load.py:6"), "{}", reviews[0].body);
    assert_said_once(&repo, (pull, &head), 2);

    // Refused in words, too, and again and again: given up, and the check run says so.
    let status = || Fault::once("POST", "/reviews$", What::Status(422, Vec::new())).times(100);
    forge.fault(status());
    let head =
        repo.push("alice", "topic", "more", &[("more.py", "def f(b):\n    return b is \"x\"\n")]).expect("pushed");
    assert_eq!(concluded(&bot, &repo, &head), "neutral", "{}", bot.log());
    bot.idle(&forge);
    forge.no_faults();
    bot.run(&["redeliver", "--all"]).expect_code(0).expect_said("1 task will be tried again");
    wait("the rest to be said", || super::said(&repo, pull).len() == 3);
    bot.idle(&forge);
    assert_said_once(&repo, (pull, &head), 3);
    assert_clean(&forge);
}

#[test]
fn a_clock_hours_off_keeps_nobody_from_reviewing() {
    for hours in [-5, 5] {
        let (forge, repo) = demo(&[("load.py", BEFORE)]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
        forge.set_clock(i64::try_from(now).expect("a time") + hours * 3600);
        let bot = Serving::start(&forge, HASTY);
        let (pull, head) = opened(&repo);
        assert_eq!(concluded(&bot, &repo, &head), "failure", "{hours}: {}", bot.log());
        bot.idle(&forge);
        assert_said_once(&repo, (pull, &head), 2);
        assert_clean(&forge);
    }
}

#[test]
fn what_was_begun_is_finished_when_told_to_end() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let mut bot = Serving::start(&forge, HASTY);
    forge.fault(Fault::once("POST", "/graphql$", What::Slow(Duration::from_secs(2))));
    let (pull, head) = opened(&repo);
    wait("the review to begin", || repo.check_runs(&head).iter().any(|run| run.status == "in_progress"));
    bot.signal("TERM");
    assert_eq!(bot.ends(), 0, "{}", bot.log());
    assert_said_once(&repo, (pull, &head), 2);
    assert!(bot.log().contains("\"ended\""), "{}", bot.log());
    assert!(forge.settle(LONG));
    assert_clean(&forge);
}
