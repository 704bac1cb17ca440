//! Does a consistent index answer after `kill -9` at any moment?

use std::{
    collections::HashMap,
    fs,
    time::{Duration, Instant},
};

use kit::{Ran, TempRepo, binary};

use super::{answers, hits, path, source, whole};

const FILES: usize = 240;

/// Numbers that look random and are the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most.max(1)
    }
}

/// How long a command takes when nobody ends it.
fn duration(repo: &TempRepo, arguments: &[&str]) -> Duration {
    let begun = Instant::now();
    repo.apprentice(arguments).expect_code(0);
    begun.elapsed()
}

/// Ends the command after a while; whether it was still at work.
fn kill_after(repo: &TempRepo, arguments: &[&str], delay: Duration) -> bool {
    let mut command = repo.command(binary());
    command.args(arguments).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut child = command.spawn().expect("our command");
    std::thread::sleep(delay);
    let is_at_work = child.try_wait().expect("a child of ours").is_none();
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    is_at_work
}

/// Every hit is as its file was before or after, and all that tell are of the same time.
#[track_caller]
fn consistent(ran: Ran, old: &HashMap<String, String>, new: &HashMap<String, String>) {
    let found = hits(ran);
    assert!(!found.is_empty());
    let (mut of_old, mut of_new) = (Vec::new(), Vec::new());
    for (path, text) in found {
        let (is_old, is_new) = (old.get(&path) == Some(&text), new.get(&path) == Some(&text));
        assert!(is_old || is_new, "{path} never held\n{text}");
        if is_old != is_new {
            if is_old { &mut of_old } else { &mut of_new }.push(path);
        }
    }
    assert!(of_old.is_empty() || of_new.is_empty(), "old: {of_old:?}\nnew: {of_new:?}");
}

#[test]
fn a_killed_build_or_update_leaves_the_last_good_index() {
    let repo = answers(FILES);
    let here = repo.at("repo");
    let mut dice = Dice(0x5EED_CAFE);
    let build = duration(&repo, &["index", "build"]);
    let mut state: HashMap<String, String> = (0..FILES).map(|number| (path(number), source(number, "first"))).collect();
    let mut killed_at_work = 0;
    for round in 0..100 {
        let old = state.clone();
        let mark = format!("state_{round}");
        for _ in 0..40 {
            let number = dice.below(FILES as u64) as usize;
            repo.write(path(number), source(number, &mark));
            state.insert(path(number), source(number, &mark));
        }
        let arguments = if round % 2 == 0 { ["index", "build"] } else { ["index", "update"] };
        let from_nothing = round % 10 == 0;
        if from_nothing {
            fs::remove_dir_all(repo.path(".git/apprentice/index")).expect("the index");
        }
        let most = if round % 2 == 0 { build } else { build / 2 };
        let delay = Duration::from_micros(dice.below(most.as_micros() as u64));
        killed_at_work += usize::from(kill_after(&repo, &arguments, delay));
        let status = repo.apprentice(&["index", "status", "--verify"]);
        match status.code {
            0 => assert!(status.out.contains("whole"), "{}", status.said()),
            _ => assert!(from_nothing && status.said().contains("there is no index"), "{}", status.said()),
        }
        consistent(here.apprentice(&["search", "answer", "--json", "-k", "200"]), &old, &state);
        here.apprentice(&["index", "update"]).expect_code(0);
        whole(&here);
        consistent(here.apprentice(&["search", "answer", &mark, "--json", "-k", "200"]), &state, &state);
    }
    assert!(killed_at_work >= 50, "only {killed_at_work} of 100 were killed at work");
}
