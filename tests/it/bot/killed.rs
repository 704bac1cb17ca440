//! Is everything said, and once, when the process is killed at any point, again and again?

use std::{thread, time::Duration};

use super::{HASTY, LONG, Serving, assert_clean, assert_said_once, concluded, demo};

/// A generator that is good enough to pick moments (Marsaglia, "Xorshift RNGs").
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A file in which each function brings one finding that no other has.
fn text(pull: u64, functions: u64) -> String {
    (0..functions).map(|n| format!("def f{n}(a{pull}_{n}):\n    return a{pull}_{n} is \"x\"\n\n\n")).collect()
}

#[test]
fn killed_at_any_point_it_says_everything_once() {
    let kills = number("APPRENTICE_TEST_KILLS").unwrap_or(40);
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_nanos();
    let seed = number("APPRENTICE_TEST_SEED").unwrap_or(clock as u64) | 1;
    eprintln!("APPRENTICE_TEST_SEED={seed} repeats these moments");
    let mut dice = Dice(seed);
    let (forge, repo) = demo(&[("README.md", "# demo\n")]);
    let mut bot = Serving::prepare(&forge, &format!("{HASTY}attempts = 1000\nworkers = 3\n"));
    // One push may come while nobody listens, the next while it is being killed.
    let pulls = 4;
    let mut functions = vec![0; pulls as usize + 1];
    for kill in 0..kills {
        bot.spawn_only();
        let pull = if kill < pulls { kill + 1 } else { 1 + dice.below(pulls) };
        functions[pull as usize] += 1;
        thread::sleep(Duration::from_millis(dice.below(60)));
        let branch = format!("topic{pull}");
        let name = format!("load{pull}.py");
        repo.push("alice", &branch, "more", &[(&name, &text(pull, functions[pull as usize]))]).expect("pushed");
        if kill < pulls {
            assert_eq!(repo.open_pr("alice", &branch, "Load").expect("opened"), pull);
        }
        thread::sleep(Duration::from_millis(5 + dice.below(396)));
        bot.kill();
    }
    // What nobody took is asked for by the last one.
    assert!(forge.settle(LONG));
    bot.spawn();
    for pull in 1..=pulls.min(kills) {
        let head = repo.pull(pull).expect("a pull request").head_sha;
        assert_eq!(concluded(&bot, &repo, &head), "failure", "{}", bot.log());
    }
    bot.idle(&forge);
    for pull in 1..=pulls.min(kills) {
        let head = repo.pull(pull).expect("a pull request").head_sha;
        assert_said_once(&repo, (pull, &head), functions[pull as usize] as usize);
    }
    let ended = forge.requests().len();
    eprintln!("{kills} kills, {} findings, {ended} requests", functions.iter().sum::<u64>());
    assert_clean(&forge);
}
