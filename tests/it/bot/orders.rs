//! Does it do what it is told, by whom it may be told, once?

use engine::feedback::Kind;
use forge::{Fault, Forge, Repo, Thread, What};

use super::{BEFORE, HASTY, Serving, WRONG, assert_clean, assert_said_once, concluded, demo, opened, ours, wait};

const US: &str = "apprentice[bot]";

struct Scene {
    forge: Forge,
    repo: Repo,
    bot: Serving,
    pull: u64,
    head: String,
}

/// A pull request of alice's that was reviewed; bob may write, carol may triage, mallory may read.
fn reviewed() -> Scene {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    repo.permit("carol", "triage");
    let bot = Serving::start(&forge, HASTY);
    let (pull, head) = opened(&repo);
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    Scene { forge, repo, bot, pull, head }
}

impl Scene {
    fn push(&self, path: &str, text: &str) -> String {
        self.repo.push("alice", "topic", "more", &[(path, text)]).expect("pushed")
    }

    /// Says something in the conversation, and returns our answers and reactions to it once all is done.
    fn say(&self, who: &str, words: &str) -> (Vec<String>, Vec<String>) {
        let before = self.answers().len();
        let comment = self.repo.comment(self.pull, who, words);
        self.bot.idle(&self.forge);
        let all = self.repo.issue_comments(self.pull);
        let said = all.iter().find(|said| said.id == comment).expect("the comment");
        (self.answers().split_off(before), signs(&said.reactions))
    }

    fn answers(&self) -> Vec<String> {
        let ours = self.repo.issue_comments(self.pull).into_iter().filter(|said| said.author == US);
        ours.map(|said| said.body).collect()
    }

    fn thread(&self, about: &str) -> Thread {
        let all = self.repo.threads(self.pull);
        all.into_iter().find(|thread| thread.comments[0].body.contains(about)).expect("a thread")
    }

    /// Says something in a thread, and returns what we answered there and our reactions once all is done.
    fn say_in(&self, about: &str, who: &str, words: &str) -> (Vec<String>, Vec<String>) {
        let before = self.thread(about);
        let reply = self.repo.reply(before.comments[0].id, who, words).expect("replied");
        self.bot.idle(&self.forge);
        let after = self.thread(about).comments;
        let said = after.iter().find(|said| said.id == reply).expect("the reply");
        let signs = signs(&said.reactions);
        let new = after.into_iter().skip(before.comments.len()).filter(|said| said.author == US);
        (new.map(|said| said.body).collect(), signs)
    }
}

fn signs(reactions: &[forge::Reaction]) -> Vec<String> {
    reactions.iter().filter(|reaction| reaction.user == US).map(|reaction| reaction.content.clone()).collect()
}

fn strings(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn paused_it_leaves_pushes_alone_until_resumed_or_asked() {
    let scene = reviewed();
    assert_eq!(scene.say("bob", "@apprentice pause"), (Vec::new(), strings(&["eyes", "+1"])));
    let more = "def f(b):\n    return b is \"x\"\n";
    let unread = scene.push("more.py", more);
    scene.bot.idle(&scene.forge);
    assert!(scene.repo.check_runs(&unread).is_empty());
    assert_eq!(ours(&scene.repo, scene.pull).len(), 1);

    // Asked, it looks all the same.
    scene.say("carol", "Please:\n\n@apprentice review");
    assert_eq!(concluded(&scene.bot, &scene.repo, &unread), "failure");
    assert_said_once(&scene.repo, (scene.pull, &unread), 3);

    scene.say("bob", "@apprentice resume");
    let head = scene.push("third.py", "def g(c):\n    return c is \"x\"\n");
    assert_eq!(concluded(&scene.bot, &scene.repo, &head), "failure");
    scene.bot.idle(&scene.forge);
    assert_said_once(&scene.repo, (scene.pull, &head), 4);
    assert_clean(&scene.forge);
}

#[test]
fn asked_for_a_review_it_reviews_the_same_head_again_and_says_nothing_twice() {
    let scene = reviewed();
    scene.say("alice", "@apprentice review");
    scene.bot.idle(&scene.forge);
    let runs = scene.repo.check_runs(&scene.head);
    assert_eq!(runs.iter().filter(|run| run.status == "completed").count(), 2, "{runs:#?}");
    let run = runs[1].id;
    scene.repo.rerequest(run, "bob").expect("asked again");
    scene.bot.idle(&scene.forge);
    assert_eq!(scene.repo.check_runs(&scene.head).len(), 3);
    assert_eq!((super::said(&scene.repo, scene.pull).len(), ours(&scene.repo, scene.pull).len()), (2, 1));
    assert_clean(&scene.forge);
}

#[test]
fn a_draft_is_reviewed_when_asked_for() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, HASTY);
    let head = repo.push("alice", "topic", "load it", &[("load.py", WRONG)]).expect("pushed");
    let pull = repo.open_draft("alice", "topic", "Load it").expect("opened");
    bot.idle(&forge);
    assert!(repo.check_runs(&head).is_empty());
    repo.comment(pull, "alice", "@apprentice review");
    assert_eq!(concluded(&bot, &repo, &head), "failure");
    bot.idle(&forge);
    assert_said_once(&repo, (pull, &head), 2);
    assert_clean(&forge);
}

#[test]
fn what_is_to_be_ignored_stays_ignored() {
    let scene = reviewed();
    assert_eq!(scene.repo.check_runs(&scene.head)[0].conclusion.as_deref(), Some("failure"));
    let (said, signs) = scene.say_in("yaml", "bob", "@apprentice ignore");
    assert_eq!((said, signs), (Vec::new(), strings(&["eyes", "+1"])));
    assert_eq!(scene.thread("yaml").resolved_by.as_deref(), Some(US));
    let rejected = scene.bot.journal(&scene.repo, scene.pull);
    assert!(rejected.iter().any(|entry| entry.kind == Kind::Rejected && entry.who == "bob"), "{rejected:#?}");
    for push in 0..3 {
        let head = scene.push("load.py", &format!("# {push}\n{WRONG}"));
        concluded(&scene.bot, &scene.repo, &head);
        scene.bot.idle(&scene.forge);
        let thread = scene.thread("yaml");
        assert_eq!(thread.resolved_by.as_deref(), Some(US), "push {push}");
        assert_eq!(thread.comments.len(), 2, "{thread:#?}");
        assert_said_once(&scene.repo, (scene.pull, &head), 2);
    }
    // Nothing that counts is left: the check is green, and says what was left alone.
    scene.say_in("identity", "bob", "@apprentice ignore");
    let head = scene.push("load.py", &format!("# at last\n{WRONG}"));
    assert_eq!(concluded(&scene.bot, &scene.repo, &head), "success");
    let run = scene.repo.check_runs(&head).swap_remove(0);
    assert!(
        run.output["summary"].as_str().is_some_and(|text| text.contains("2 left alone, as people answered")),
        "{run:#?}"
    );
    assert_clean(&scene.forge);
}

#[test]
fn resumed_it_looks_at_what_was_pushed_meanwhile() {
    let scene = reviewed();
    scene.say("bob", "@apprentice pause");
    let unread = scene.push("more.py", "def f(b):\n    return b is \"x\"\n");
    scene.bot.idle(&scene.forge);
    assert!(scene.repo.check_runs(&unread).is_empty());
    scene.say("bob", "@apprentice resume");
    assert_eq!(concluded(&scene.bot, &scene.repo, &unread), "failure");
    scene.bot.idle(&scene.forge);
    assert_said_once(&scene.repo, (scene.pull, &unread), 3);
    assert_clean(&scene.forge);
}

#[test]
fn an_order_that_is_given_up_is_not_passed_over_in_silence() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    let bot = Serving::start(&forge, &format!("{HASTY}attempts = 2\n"));
    let (pull, head) = opened(&repo);
    concluded(&bot, &repo, &head);
    bot.idle(&forge);
    let scene = Scene { forge, repo, bot, pull, head };
    // Each try to answer meets a fault; what is said at the end does not.
    scene.forge.fault(Fault::once("POST", "/comments$|/replies$", What::Status(422, Vec::new())).times(2));
    let (said, _) = scene.say_in("yaml", "alice", "@apprentice why");
    assert!(said.len() == 1 && said[0].contains("I could not do this"), "{said:?}; {}", scene.bot.log());
    scene.bot.run(&["redeliver"]).expect_code(0).expect_said("command acme/demo#1");
    assert_clean(&scene.forge);
}

#[test]
fn in_a_thread_it_says_what_and_why() {
    let scene = reviewed();
    for (order, words) in [("why", "found this"), ("explain", "found this"), ("Why?", "Shown about its patch")] {
        let (said, signs) = scene.say_in("yaml", "alice", &format!("@apprentice {order}"));
        assert!(said.len() == 1 && said[0].contains(words), "{order}: {said:#?}");
        assert_eq!(signs, strings(&["eyes"]));
    }
    // Elsewhere nobody knows what is meant.
    let (said, _) = scene.say("alice", "@apprentice why");
    assert!(said[0].contains("belongs in a thread of mine"), "{said:#?}");
    // When it is mended there is nothing to tell.
    let head = scene.push("load.py", BEFORE);
    concluded(&scene.bot, &scene.repo, &head);
    let (said, _) = scene.say_in("yaml", "alice", "@apprentice explain");
    assert!(said[0].contains("not there any more"), "{said:#?}");
    assert_clean(&scene.forge);
}

#[test]
fn a_fix_in_a_reply_can_be_committed() {
    let scene = reviewed();
    let (said, _) = scene.say_in("yaml", "bob", "@apprentice fix");
    assert!(said.len() == 1 && said[0].contains("```suggestion\n"), "{said:#?}");
    let reply = scene.thread("yaml").comments.last().expect("our reply").id;
    let head = scene.repo.commit_suggestion("bob", &[reply], None).expect("committed");
    let mended = WRONG.replace("yaml.load(", "yaml.safe_load(");
    assert_eq!(scene.repo.file(&head, "load.py").as_deref(), Some(&*mended));
    concluded(&scene.bot, &scene.repo, &head);
    scene.bot.idle(&scene.forge);
    // Of an older head there is a diff to read, for the block would hit other lines.
    let moved = scene.push("load.py", &format!("# moved\n{mended}"));
    concluded(&scene.bot, &scene.repo, &moved);
    let (said, _) = scene.say_in("identity", "bob", "@apprentice fix");
    assert!(said[0].contains("```diff") && !said[0].contains("suggestion"), "{said:#?}");
    assert_clean(&scene.forge);
}

#[test]
fn what_it_cannot_do_it_says() {
    let scene = reviewed();
    let (said, _) = scene.say("alice", "@apprentice ask is this *thread-safe*?");
    assert!(said.len() == 1 && said[0].contains("No model is set up here"), "{said:#?}");
    let (said, _) = scene.say("alice", "@apprentice ask");
    assert!(said[0].contains("Ask what?"), "{said:#?}");
    let (said, _) = scene.say("alice", "@apprentice help");
    assert!(said[0].contains("`pause`, `resume`"), "{said:#?}");
    let (said, _) = scene.say("alice", "@apprentice dance<img>@bob now");
    assert!(said[0].contains("I do not know `dance<img>@bob`"), "{said:#?}");
    let (said, _) = scene.say("bob", "@apprentice forget");
    assert!(said[0].contains("belongs in the thread"), "{said:#?}");
    let (said, _) = scene.say_in("yaml", "bob", "@apprentice forget");
    assert!(said[0].contains("will not be learned from"), "{said:#?}");
    assert!(scene.bot.journal(&scene.repo, scene.pull).iter().any(|entry| entry.kind == Kind::Forgotten));
    assert_clean(&scene.forge);
}

#[test]
fn what_is_no_order_is_left_alone() {
    let scene = reviewed();
    for words in [
        "> @apprentice pause",
        "```\n@apprentice pause\n```",
        "~~~\n@apprentice pause\n~~~",
        "ask @apprentice pause",
        "@apprentice-team pause",
        "`@apprentice pause`",
    ] {
        assert_eq!(scene.say("bob", words), (Vec::new(), Vec::new()), "{words}");
    }
    let head = scene.push("more.py", "x = 1\n");
    concluded(&scene.bot, &scene.repo, &head);
    // What another bot writes is no order either.
    assert_eq!(scene.say("helper[bot]", "@apprentice pause"), (Vec::new(), Vec::new()));
    assert_clean(&scene.forge);
}

#[test]
fn who_may_not_give_an_order_gets_a_sign_and_nothing_else() {
    let scene = reviewed();
    let confused = (Vec::new(), strings(&["confused"]));
    for order in ["review", "pause", "ask x", "help", "dance", "forget"] {
        assert_eq!(scene.say("mallory", &format!("@apprentice {order}")), confused, "{order}");
        let said = scene.say_in("yaml", "mallory", &format!("@apprentice {order}"));
        assert_eq!(said, confused, "{order} in a thread");
    }
    // Triage may ask, and may not stop it.
    assert_eq!(scene.say("carol", "@apprentice pause"), confused);
    assert_eq!(scene.say_in("yaml", "carol", "@apprentice ignore"), confused);
    assert_eq!(scene.repo.check_runs(&scene.head).len(), 1);
    assert_eq!(scene.thread("yaml").resolved_by, None);
    let head = scene.push("more.py", "x = 1\n");
    concluded(&scene.bot, &scene.repo, &head);
    assert_clean(&scene.forge);
}

#[test]
fn an_order_that_comes_twice_is_answered_once() {
    let mut scene = reviewed();
    let is_hers = |hook: &forge::Delivery| hook.event == "issue_comment" && hook.payload["sender"]["login"] == "alice";
    for lost in [None, Some(forge::What::DropAfterWrite), Some(forge::What::DropBefore)] {
        let before = scene.answers().len();
        if let Some(what) = &lost {
            scene.forge.fault(forge::Fault::once("POST", "/issues/1/comments$", what.clone()));
        }
        scene.say("alice", "@apprentice help");
        let hook = scene.forge.deliveries().into_iter().rfind(is_hers).expect("a hook");
        assert!(scene.forge.redeliver(hook.id));
        scene.bot.idle(&scene.forge);
        // Under another id, as after a loss of the state.
        let answer =
            scene.bot.deliver("issue_comment", &format!("again-{before}"), hook.payload.to_string().as_bytes());
        assert_eq!(super::status(&answer), 202);
        scene.bot.idle(&scene.forge);
        assert_eq!(scene.answers().len(), before + 1, "{lost:?}: {:#?}", scene.answers());
    }
    // The same in a thread.
    scene.forge.fault(forge::Fault::once("POST", "/replies$", forge::What::DropAfterWrite));
    let (said, _) = scene.say_in("yaml", "alice", "@apprentice why");
    assert_eq!(said.len(), 1, "{said:#?}");
    scene.bot.kill();
    scene.bot.spawn();
    scene.bot.idle(&scene.forge);
    assert_clean(&scene.forge);
}

#[test]
fn a_persons_closing_is_final_and_ours_is_not() {
    let scene = reviewed();
    scene.repo.resolve(scene.thread("yaml").id, "alice").expect("closed");
    let half = WRONG.replace("a is \"x\"", "a == \"x\"");
    let head = scene.push("load.py", &half);
    concluded(&scene.bot, &scene.repo, &head);
    wait("ours to be closed", || scene.thread("identity").resolved_by.as_deref() == Some(US));
    let head = scene.push("load.py", WRONG);
    concluded(&scene.bot, &scene.repo, &head);
    scene.bot.idle(&scene.forge);
    let back = scene.thread("identity");
    assert!(back.resolved_by.is_none() && back.comments[1].body.contains("is back"), "{back:#?}");
    assert_eq!(scene.thread("yaml").resolved_by.as_deref(), Some("alice"));
    assert_said_once(&scene.repo, (scene.pull, &head), 2);
    assert_clean(&scene.forge);
}
