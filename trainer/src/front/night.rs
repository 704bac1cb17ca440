//! `apprentice-trainer sleep`
//!
//! Each step is a process of this very program: what it takes of memory goes with it, and it can be ended at any moment
//! without asking it. What it had done by then is kept by its own checkpoints.
#![expect(clippy::disallowed_methods, reason = "the one module of this command that starts processes")]

use std::{
    cell::Cell,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use trainer::{
    files,
    sleep::{self, Broken, Done, Habits, Notes, Report, Step, Stop, Work, World},
};

use crate::{
    args::{Sleep, Target},
    front::place,
};

/// How often is looked whether somebody works.
const PULSE: Duration = Duration::from_millis(200);

/// How long a step that is to end may take for it.
const GRACE: Duration = Duration::from_secs(10);

pub(crate) fn run(given: &Sleep) -> Result<ExitCode> {
    let state = place::state(given.kept.state.as_deref())?;
    place::lower_priority();
    let end = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&end)).context("signals cannot be heard")?;
    }
    let habits = Habits {
        idle: given.idle,
        budget: given.budget,
        memory: given.memory.saturating_mul(1 << 20),
        once: given.once,
    };
    let child = Cell::new(0);
    let world = Machine { watched: watched(given), end, child: &child };
    let folder = state.join("sleep");
    let mut work = Steps {
        program: place::program()?,
        given,
        journals: journals(given)?,
        state,
        folder: folder.clone(),
        child: &child,
    };
    let mut is_failed = false;
    let told = &mut |report: &Report| {
        is_failed = report.is_failed;
        anstream::println!("{}", report.text);
    };
    match sleep::sleep(&folder, &habits, &world, &mut work, told) {
        Err(sleep::SleepError::Ended) => Ok(ExitCode::from(130)),
        Err(error) => Err(error.into()),
        Ok(()) => Ok(ExitCode::from(if is_failed { 2 } else { 0 })),
    }
}

/// The journals that were named, or the repository's own.
fn journals(given: &Sleep) -> Result<Vec<PathBuf>> {
    if !given.journal.is_empty() || !given.interactions.is_empty() {
        return Ok(given.journal.clone());
    }
    let common = place::common().context("there is no repository here: name a journal with `--journal FILE`")?;
    Ok(vec![common.join("apprentice/state.db")])
}

/// Files that are written to when somebody works: git's own, our marker, and what was named.
fn watched(given: &Sleep) -> Vec<PathBuf> {
    let of_git = ["index", "HEAD", "logs/HEAD", "FETCH_HEAD", "COMMIT_EDITMSG", "apprentice/busy"];
    let common = place::common();
    let own = common.iter().flat_map(|common| of_git.map(|name| common.join(name)));
    own.chain(given.watch.iter().cloned()).collect()
}

/// The machine as it is.
struct Machine<'a> {
    watched: Vec<PathBuf>,
    end: Arc<AtomicBool>,
    /// The process of the step that is carried out; 0 for none.
    child: &'a Cell<u32>,
}

impl World for Machine<'_> {
    fn now(&self) -> u64 {
        place::now()
    }

    fn worked(&self) -> u64 {
        self.watched.iter().filter_map(|path| files::modified(path)).map(place::seconds).max().unwrap_or(0)
    }

    fn memory(&self) -> u64 {
        let of = |process: &str| {
            // Linux says it there; elsewhere nothing is known, and nothing is bounded.
            let text = files::text(Path::new(&format!("/proc/{process}/status")), 1 << 16).ok().flatten()?;
            let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
            line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
        };
        let child = Some(self.child.get()).filter(|child| *child > 0).and_then(|child| of(&child.to_string()));
        (of("self").unwrap_or(0) + child.unwrap_or(0)) * 1024
    }

    fn is_told_to_end(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.is_told_to_end() {
            thread::sleep(PULSE.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

/// The steps as commands of this program.
struct Steps<'a> {
    program: PathBuf,
    given: &'a Sleep,
    journals: Vec<PathBuf>,
    state: PathBuf,
    folder: PathBuf,
    child: &'a Cell<u32>,
}

impl Work for Steps<'_> {
    fn run(&mut self, step: Step, notes: &mut Notes, go_on: &dyn Fn() -> Result<(), Stop>) -> Result<Done, Broken> {
        if step == Step::Publish && self.given.publish.is_none() {
            return Ok(Done::Next("no server was named (`--publish NAME`)".into()));
        }
        let log = self.folder.join("logs").join(format!("{step:?}.log").to_lowercase());
        let code = self.child(&self.command(step, notes), &log, go_on)?;
        let said = files::text(&log, 16 << 20).ok().flatten().unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        if step == Step::Evaluate && matches!(code, Some(0 | 1)) {
            self.learned(notes);
        }
        match (step, code) {
            (Step::Lessons, Some(0)) => Ok(self.lessons(notes, last)),
            (_, Some(0)) => Ok(Done::Next(last)),
            (Step::Evaluate, Some(1)) => Ok(Done::Enough(failed_gates(&said))),
            _ => Err(Broken::Failed(format!("{last} (see `{}`)", log.display()))),
        }
    }
}

impl Steps<'_> {
    /// The arguments of a step. The one place that knows how the other commands are called.
    fn command(&self, step: Step, notes: &Notes) -> Vec<String> {
        let text = |path: &Path| path.display().to_string();
        // What is made of other lessons is something else: nothing of it is gone on with.
        let lessons: String = digest_of(notes).chars().take(12).collect();
        let at = |name: &str| match name {
            name if name.starts_with("lessons") => text(&self.folder.join(name)),
            name => text(&self.folder.join("made").join(&lessons).join(name)),
        };
        let base = text(&self.given.base);
        let words: Vec<Vec<String>> = match step {
            Step::Lessons => vec![
                words(&["lessons", "build", "--format", "trl", "--output", &at("lessons")]),
                self.journals.iter().flat_map(|file| ["--journal".to_owned(), text(file)]).collect(),
                self.given.interactions.iter().flat_map(|file| ["--interactions".to_owned(), text(file)]).collect(),
            ],
            Step::Train => vec![words(&[
                "lora",
                "train",
                &base,
                "--data",
                &at("lessons/sft/train.jsonl"),
                "--valid",
                &at("lessons/sft/valid.jsonl"),
                "--output",
                &at("adapter"),
                "--epochs",
                &self.given.epochs.to_string(),
            ])],
            Step::Merge => {
                let (adapter, stored) = (at("adapter"), self.given.stored.to_string());
                vec![
                    words(&["merge", &base, "--adapter", &adapter, "--type", &stored, "--output", &at("model.gguf")]),
                    words(&["--manifest", &at("lessons/manifest.json")]),
                ]
            }
            Step::Evaluate => {
                let target = if self.given.target == Target::F1 { "f1" } else { "loss" };
                let (fewest, forgetting) = (self.given.fewest.to_string(), self.given.forgetting.to_string());
                let against = if self.serves() { Vec::new() } else { words(&["--against", &base]) };
                vec![
                    words(&["evaluate", &at("model.gguf"), "--data", &at("lessons"), "--state", &text(&self.state)]),
                    words(&["--target", target, "--fewest", &fewest, "--forgetting", &forgetting]),
                    against,
                ]
            }
            Step::Promote => vec![words(&["promote", &at("model.gguf"), "--state", &text(&self.state)])],
            Step::Publish => {
                let name = self.given.publish.as_ref().map(ToString::to_string).unwrap_or_default();
                vec![words(&["publish", &at("model.gguf"), "--name", &name, "--server", &self.given.server])]
            }
        };
        words.concat()
    }

    fn serves(&self) -> bool {
        let models = trainer::promotion::Home::new(self.state.clone()).models();
        models.is_ok_and(|models| models.incumbent.is_some())
    }

    /// Whether there is something to learn that was not learned from last time.
    fn lessons(&self, notes: &mut Notes, said: String) -> Done {
        let manifest = files::read(&self.folder.join("lessons/manifest.json")).unwrap_or_default();
        let digest = blake3::hash(&manifest).to_hex().to_string();
        if files::text(&self.folder.join("learned"), 99).ok().flatten().as_deref() == Some(&digest) {
            return Done::Enough("there is nothing new to learn since the last night".into());
        }
        let is_there = |name: &str| files::exists(&self.folder.join("lessons/sft").join(name));
        if !is_there("train.jsonl") || !is_there("valid.jsonl") {
            return Done::Enough(format!("there are too few answers to learn from and to examine by ({said})"));
        }
        notes.insert("lessons".into(), digest.clone().into());
        self.clear(&digest);
        Done::Next(said)
    }

    /// Remembers that these lessons were learned from, whatever came of it.
    fn learned(&self, notes: &Notes) {
        let digest = digest_of(notes);
        // What cannot be kept is learned again: that costs time and nothing else.
        let _ = files::replace(&self.folder.join("learned"), |out| std::io::Write::write_all(out, digest.as_bytes()));
    }

    /// Removes what was made of other lessons. What cannot be removed costs room, and no more.
    fn clear(&self, digest: &str) {
        let made = self.folder.join("made");
        let own = made.join(digest.get(..12).unwrap_or_default());
        for file in files::below(&made, 4).unwrap_or_default() {
            if !file.starts_with(&own) {
                let _ = files::remove(&file);
            }
        }
    }

    /// Carries out a command; gives its exit code.
    fn child(&self, words: &[String], log: &Path, go_on: &dyn Fn() -> Result<(), Stop>) -> Result<Option<i32>, Broken> {
        let failed =
            |error: std::io::Error| Broken::Failed(format!("`{}` cannot be started: {error}", words.join(" ")));
        let out = files::create(log).map_err(failed)?;
        let err = out.try_clone().map_err(failed)?;
        let mut command = Command::new(&self.program);
        command.args(words).stdin(Stdio::null()).stdout(out).stderr(err);
        let mut child = command.spawn().map_err(failed)?;
        self.child.set(child.id());
        let ended = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status.code()),
                Ok(None) => {}
                Err(error) => break Err(failed(error)),
            }
            if let Err(stop) = go_on() {
                end(&mut child);
                break Err(Broken::Stopped(stop));
            }
            thread::sleep(PULSE);
        };
        self.child.set(0);
        ended
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// BLAKE3 of the lessons of this night.
fn digest_of(notes: &Notes) -> &str {
    notes.get("lessons").and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// Ends a process: asks it, and after a while does not ask any more.
fn end(child: &mut Child) {
    #[cfg(unix)]
    if let Some(id) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let until = Instant::now() + GRACE;
        while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
            thread::sleep(PULSE);
        }
    }
    // One that has ended cannot be ended.
    let _ = child.kill();
    let _ = child.wait();
}

/// What an exam did not find good enough, in its own words.
fn failed_gates(said: &str) -> String {
    let failed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("FAILED ")).collect();
    format!("it did not pass: {}", failed.join("; "))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use serde_json::json;

    use super::*;
    use crate::args::{Args, Command as Given};

    #[test]
    fn what_was_not_good_enough_is_told() {
        let said = "passed form: x\nFAILED better: F1: differs by 0\nFAILED memory: y\n\nIt is not promoted.";
        assert_eq!(failed_gates(said), "it did not pass: better: F1: differs by 0; memory: y");
    }

    fn sleep(words: &[&str]) -> Sleep {
        let whole = ["apprentice-trainer", "sleep", "--base", "base.gguf"].iter().chain(words);
        match Args::try_parse_from(whole).expect("a command").command {
            Given::Sleep(given) => given,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_step_is_a_command_as_it_is_called_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let given =
            sleep(&["--journal", "a.db", "--interactions", "b.jsonl", "--publish", "me/reviewer", "--target", "loss"]);
        let child = Cell::new(0);
        let steps = Steps {
            program: PathBuf::new(),
            given: &given,
            journals: journals(&given).expect("journals"),
            state: folder.path().to_owned(),
            folder: folder.path().join("sleep"),
            child: &child,
        };
        let notes = Notes::from_iter([("lessons".to_owned(), json!("0123456789abcdef"))]);
        for step in Step::ALL {
            let words = steps.command(step, &notes);
            let parsed = Args::try_parse_from(["apprentice-trainer".to_owned()].iter().chain(&words));
            assert!(parsed.is_ok(), "{words:?}: {parsed:?}");
        }
        let merged = steps.command(Step::Merge, &notes).join(" ");
        assert!(merged.contains("made/0123456789ab/model.gguf") && merged.contains("Q4_K_M"), "{merged}");
    }

    #[test]
    fn times_have_units() {
        let idle = |text: &str| Args::try_parse_from(["x", "sleep", "--base", "b", "--idle", text]).is_ok();
        assert_eq!(["90s", "30m", "0s", "2h"].map(idle), [true; 4]);
        assert_eq!(["", "m", "30", "-1m", "1.5h", "99999999999999999999s", "9999999h", "ü"].map(idle), [false; 8]);
    }
}
