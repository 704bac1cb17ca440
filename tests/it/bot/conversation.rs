//! The whole conversation: opened, reviewed, answered, committed, pushed to, merged.

use engine::feedback::{Kind, Permission};
use forge::Way;

use super::{BEFORE, Serving, WRONG, assert_clean, concluded, demo, ours, wait};

#[test]
fn a_pull_request_is_reviewed_answered_mended_and_merged() {
    let (forge, repo) = demo(&[("load.py", BEFORE), ("README.md", "# demo\n")]);
    let bot = Serving::start(&forge, "[queue]\npause_seconds = 0.1\n");
    let head = repo.push("alice", "topic", "load it", &[("load.py", WRONG)]).expect("pushed");
    let pull = repo.open_pr("alice", "topic", "Load it").expect("opened");
    assert_eq!(concluded(&bot, &repo, &head), "failure", "{}", bot.log());

    let reviews = ours(&repo, pull);
    assert_eq!(reviews.len(), 1, "{reviews:#?}");
    assert_eq!(reviews[0].state, "COMMENTED");
    let threads = repo.threads(pull);
    let unsafe_load = threads.iter().find(|thread| thread.comments[0].body.contains("yaml")).expect("a thread");
    assert_eq!((unsafe_load.path.as_str(), unsafe_load.line), ("load.py", Some(6)));
    assert!(unsafe_load.comments[0].body.contains("```suggestion"), "{}", unsafe_load.comments[0].body);
    let run = &repo.check_runs(&head)[0];
    assert!(run.annotations.is_empty(), "what stands on lines is not said there a second time: {run:#?}");

    // People answer: an emoji makes no webhook, words do.
    let comment = unsafe_load.comments[0].id;
    repo.react(comment, "bob", "+1").expect("reacted");
    repo.reply(comment, "bob", "good catch").expect("replied");
    wait("the reply in the journal", || bot.journal(&repo, pull).iter().any(|entry| entry.kind == Kind::Reply));
    let entries = bot.journal(&repo, pull);
    let of = |kind: Kind| entries.iter().find(|entry| entry.kind == kind).expect("an entry");
    assert_eq!(of(Kind::Reply).what.as_deref(), Some("good catch"));
    assert_eq!((of(Kind::Reaction).who.as_str(), of(Kind::Reaction).permission), ("bob", Permission::Write));

    // The suggestion is committed with the button.
    let mended = repo.commit_suggestion("alice", &[comment], None).expect("committed");
    assert!(repo.file(&mended, "load.py").expect("the file").contains("yaml.safe_load(file)"));
    concluded(&bot, &repo, &mended);
    wait("the commit in the journal", || bot.journal(&repo, pull).iter().any(|entry| entry.kind == Kind::Applied));
    let entries = bot.journal(&repo, pull);
    let applied = entries.iter().find(|entry| entry.kind == Kind::Applied).expect("an entry");
    assert_eq!((applied.who.as_str(), applied.what.as_deref()), ("alice", Some("button")), "{applied:#?}");
    assert_eq!(ours(&repo, pull).len(), 1, "nothing is said twice");

    // A push mends the rest by hand: its thread is closed by us.
    let rest = repo.file(&mended, "load.py").expect("the file").replace("a is \"x\"", "a == \"x\"");
    let last = repo.push("alice", "topic", "the rest", &[("load.py", &rest)]).expect("pushed");
    assert_eq!(concluded(&bot, &repo, &last), "success", "{}", bot.log());
    wait("all threads to be closed", || repo.threads(pull).iter().all(|thread| thread.resolved_by.is_some()));
    assert_eq!(ours(&repo, pull).len(), 1, "nothing is said twice");

    // What was taken with the button is what a model learns to write.
    let beside = kit::TempRepo::bare_folder();
    let rows = crate::training::lessons(&beside, &bot.journal_file(), &[]);
    let fixes = crate::training::answers(&rows, "sft", "fix", "completion");
    let written = |fix: &serde_json::Value| {
        fix["edits"][0]["replacement"].as_str().is_some_and(|text| text.contains("safe_load"))
    };
    assert!(fixes.iter().any(written), "{rows:#?}");

    repo.merge(pull, "alice", Way::Squash).expect("merged");
    assert!(forge.settle(super::LONG));
    assert_clean(&forge);
    assert_eq!(forge.tokens_minted(), 1, "a token is kept until it expires");
}
