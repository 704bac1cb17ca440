//! Does what people answer decide what is said next, at once, with its reason, and not for ever?

use forge::{Forge, Repo};

use super::{BEFORE, HASTY, Serving, assert_clean, concluded, demo};

const US: &str = "apprentice[bot]";

/// A file in which something unwanted and something severe is found, each its own.
fn text(name: &str) -> String {
    format!(
        "import yaml\n\n\ndef {name}(a, file):\n    if a == None:\n        return \"{name}\"\n    \
         return yaml.load(file), \"{name}\"\n"
    )
}

struct Scene {
    forge: Forge,
    repo: Repo,
    bot: Serving,
}

struct Opened {
    pull: u64,
    head: String,
}

impl Scene {
    fn open(&self, name: &str, files: usize) -> Opened {
        let files: Vec<(String, String)> =
            (0..files).map(|n| (format!("{name}_{n}.py"), text(&format!("{name}_{n}")))).collect();
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let head = self.repo.push("alice", name, name, &files).expect("pushed");
        let pull = self.repo.open_pr("alice", name, name).expect("opened");
        concluded(&self.bot, &self.repo, &head);
        self.bot.idle(&self.forge);
        Opened { pull, head }
    }

    /// First comments of threads about this.
    fn threads(&self, pull: u64, about: &str) -> Vec<u64> {
        let threads = self.repo.threads(pull).into_iter().filter(|thread| thread.comments[0].author == US);
        threads
            .map(|thread| thread.comments[0].clone())
            .filter(|said| said.body.contains(about))
            .map(|said| said.id)
            .collect()
    }

    /// Two people each tell it to leave what is said about this.
    fn reject(&self, pull: u64, about: &str, by: [&str; 2]) {
        for comment in self.threads(pull, about) {
            self.repo.react(comment, by[0], "-1").expect("reacted");
            self.repo.reply(comment, by[1], "@apprentice ignore").expect("said");
            self.bot.idle(&self.forge);
        }
    }

    fn summary(&self, head: &str) -> String {
        let run = self.repo.check_runs(head).pop().expect("a check run");
        run.output["summary"].as_str().unwrap_or_default().to_owned()
    }
}

#[test]
fn what_people_reject_goes_quiet_folds_where_it_is_severe_and_comes_back_when_forgotten() {
    let (forge, repo) = demo(&[("load.py", BEFORE)]);
    repo.permit("carol", "write");
    repo.permit("mallory", "read");
    let bot = Serving::start(&forge, HASTY);
    let scene = Scene { forge, repo, bot };

    // A stranger's word teaches nothing.
    let first = scene.open("first", 6);
    assert_eq!((scene.threads(first.pull, "== None").len(), scene.threads(first.pull, "yaml").len()), (6, 6));
    for comment in scene.threads(first.pull, "== None") {
        scene.repo.react(comment, "mallory", "-1").expect("reacted");
    }
    let second = scene.open("second", 3);
    assert_eq!(scene.threads(second.pull, "== None").len(), 3);

    for (at, by) in [["alice", "bob"], ["bob", "carol"], ["carol", "alice"]].into_iter().enumerate() {
        let pull = if at == 0 { second.pull } else { first.pull };
        let said = scene.threads(pull, "== None");
        for comment in said.into_iter().skip(at * 2).take(3) {
            scene.repo.react(comment, by[0], "-1").expect("reacted");
            scene.repo.reply(comment, by[1], "@apprentice ignore").expect("said");
            scene.bot.idle(&scene.forge);
        }
        scene.reject(second.pull, "yaml", by);
    }

    let quiet = scene.open("third", 10);
    let summary = scene.summary(&quiet.head);
    let told = scene.threads(quiet.pull, "== None").len();
    assert!(told <= 3, "{told} of 10 are still told; {summary}");
    assert!(summary.contains("left alone, as people answered") && summary.contains("python/equals-none"), "{summary}");
    assert!(summary.contains("3 people answered about") && summary.contains("because of"), "{summary}");
    // What is severe is on a line or folded away, never gone, and the check stays red.
    let severe = scene.threads(quiet.pull, "yaml").len();
    let body = scene.repo.reviews(quiet.pull).into_iter().find(|review| review.author == US).expect("a review").body;
    let folded = body.split("folded away, as people answered").nth(1).unwrap_or_default();
    assert_eq!(severe + folded.matches("third_").count(), 10, "{body}");
    assert!(severe < 10, "nothing was folded away: {body}");
    assert_eq!(concluded(&scene.bot, &scene.repo, &quiet.head), "failure");

    // Forgotten, all is as it was.
    for pull in [first.pull, second.pull] {
        for comment in scene.threads(pull, "== None") {
            scene.repo.reply(comment, "bob", "@apprentice forget").expect("said");
        }
        scene.bot.idle(&scene.forge);
    }
    let again = scene.open("fourth", 6);
    assert_eq!(scene.threads(again.pull, "== None").len(), 6, "{}", scene.summary(&again.head));
    assert_clean(&scene.forge);
}
