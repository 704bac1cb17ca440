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
    args::{Judged, Sleep, Target},
    front::place,
};

/// How often is looked whether somebody works.
const PULSE: Duration = Duration::from_millis(200);

/// Fewer good or bad verdicts teach nothing.
const FEWEST_VERDICTS: usize = 8;

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
        let commands = self.commands(step, notes);
        if commands.is_empty() {
            // Of the steps only this one may be left out.
            let why = format!("left out, for there are fewer than {FEWEST_VERDICTS} good verdicts or bad ones");
            return Ok(Done::Next(if self.given.no_prefer { "left out (`--no-prefer`)".into() } else { why }));
        }
        let (mut code, mut said) = (Some(0), String::new());
        let log = self.folder.join("logs").join(format!("{step:?}.log").to_lowercase());
        for command in commands {
            code = self.child(&command, &log, go_on)?;
            said = files::text(&log, 16 << 20).ok().flatten().unwrap_or_default();
            if code != Some(0) {
                break;
            }
            // Where everything lies need not be said again and again, but where something is missing.
            said = said.replace(&format!("{}/", self.state.display()), "");
        }
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
        let line = |start: &str| said.lines().find(|line| line.starts_with(start)).map(str::to_owned);
        if step == Step::Evaluate && matches!(code, Some(0 | 1)) {
            self.learned(notes);
        }
        match (step, code) {
            (Step::Lessons, Some(0)) => Ok(self.lessons(notes, said.trim().replace('\n', "; "))),
            (Step::Train | Step::Prefer, Some(0)) => Ok(Done::Next(line("held-out loss ").unwrap_or(last))),
            (Step::Promote | Step::Publish, Some(0)) => Ok(Done::Next(line("served ").unwrap_or(last))),
            (Step::Evaluate, Some(0)) => Ok(Done::Next(passed_gates(&said))),
            (_, Some(0)) => Ok(Done::Next(last)),
            (Step::Evaluate, Some(1)) => Ok(Done::Enough(failed_gates(&said))),
            _ => Err(Broken::Failed(format!("{last} (see `{}`)", log.display()))),
        }
    }
}

impl Steps<'_> {
    /// Where something is kept. What is made of other lessons is something else: nothing of it is gone on with.
    fn at(&self, notes: &Notes, name: &str) -> String {
        let lessons: String = digest_of(notes).chars().take(12).collect();
        let path = match name {
            name if name.starts_with("lessons") => self.folder.join(name),
            name => self.folder.join("made").join(&lessons).join(name),
        };
        path.display().to_string()
    }

    /// The commands of a step. The one place that knows how the others are called.
    fn commands(&self, step: Step, notes: &Notes) -> Vec<Vec<String>> {
        let text = |path: &Path| path.display().to_string();
        let at = |name: &str| self.at(notes, name);
        let given = self.given;
        let (base, state) = (text(&given.base), text(&self.state));
        let stored = given.stored.to_string();
        match step {
            Step::Lessons => {
                let journals = self.journals.iter().flat_map(|file| ["--journal".to_owned(), text(file)]);
                let interactions = given.interactions.iter().flat_map(|file| ["--interactions".to_owned(), text(file)]);
                let (most, canaries) = (given.most.to_string(), given.canaries.to_string());
                let build = words(&["lessons", "build", "--format", "trl", "--output", &at("lessons")]);
                let bounds = words(&["--most", &most, "--canaries", &canaries]);
                vec![build.into_iter().chain(bounds).chain(journals).chain(interactions).collect()]
            }
            Step::Train => {
                let rate = given.rate.to_string();
                let mut train = words(&["lora", "train", &base, "--output", &at("adapter"), "--rate", &rate]);
                train.extend(self.taught(notes, "sft", given.epochs));
                if let Some(corpus) = &given.corpus {
                    train.extend(words(&["--corpus", &text(corpus)]));
                }
                vec![train]
            }
            Step::Prefer if !self.is_preferred(notes) => Vec::new(),
            Step::Prefer => {
                let mut prefer = words(&["prefer", &base, "--by", "kto", "--adapter", &at("adapter")]);
                prefer.extend(words(&["--output", &at("preferred")]));
                // Gently, and once: what is heard of preferences again and again is overdone first.
                prefer.extend(words(&["--rate", &(given.rate / 4.0).to_string()]));
                prefer.extend(self.taught(notes, "kto", 1));
                vec![prefer]
            }
            Step::Merge => {
                let adapter = at(if self.is_preferred(notes) { "preferred" } else { "adapter" });
                let (output, manifest) = (at("model.gguf"), at("lessons/manifest.json"));
                let mut merge = words(&["merge", &base, "--adapter", &adapter, "--type", &stored]);
                merge.extend(words(&["--output", &output, "--manifest", &manifest]));
                match self.serves() {
                    true => vec![merge],
                    // Nothing is served yet: it is held against the base as it would be served.
                    false => {
                        vec![words(&["gguf", "convert", &base, "--type", &stored, "--output", &at("base.gguf")]), merge]
                    }
                }
            }
            Step::Evaluate => {
                let Judged { target, rows, answer, forgetting, fewest } = &given.judged;
                let target = if *target == Target::F1 { "f1" } else { "loss" };
                let mut exam = words(&["evaluate", &at("model.gguf"), "--data", &at("lessons"), "--state", &state]);
                exam.extend(words(&["--target", target, "--rows", &rows.to_string(), "--answer", &answer.to_string()]));
                exam.extend(words(&["--forgetting", &forgetting.to_string(), "--fewest", &fewest.to_string()]));
                if !self.serves() {
                    exam.extend(words(&["--against", &at("base.gguf")]));
                }
                if let Some(corpus) = &given.corpus {
                    exam.extend(words(&["--generic", &text(corpus)]));
                }
                vec![exam]
            }
            Step::Promote => vec![words(&["promote", &at("model.gguf"), "--state", &state])],
            Step::Publish => {
                let name = given.publish.as_ref().map(ToString::to_string).unwrap_or_default();
                vec![words(&["publish", &at("model.gguf"), "--name", &name, "--server", &given.server])]
            }
        }
    }

    /// What both kinds of teaching are told alike.
    fn taught(&self, notes: &Notes, kind: &str, epochs: usize) -> Vec<String> {
        let rows = |side: &str| self.at(notes, &format!("lessons/{kind}/{side}.jsonl"));
        let Sleep { rank, batch, .. } = self.given;
        let mut taught = words(&["--data", &rows("train"), "--epochs", &epochs.to_string()]);
        taught.extend(words(&["--rank", &rank.to_string(), "--alpha", &(2 * rank).to_string()]));
        taught.extend(words(&["--batch", &batch.to_string()]));
        if files::exists(Path::new(&rows("valid"))) {
            let looked_at = self.given.judged.rows.to_string();
            taught.extend(words(&["--valid", &rows("valid"), "--looked-at", &looked_at]));
        }
        taught
    }

    /// Whether there are enough verdicts, good ones and bad ones, to learn what is preferred.
    fn is_preferred(&self, notes: &Notes) -> bool {
        let file = self.at(notes, "lessons/kto/train.jsonl");
        let (mut good, mut bad) = (0, 0);
        let counted = files::lines::<std::io::Error>(Path::new(&file), 4 << 20, &mut |_, line| {
            good += usize::from(line.contains("\"label\":true"));
            bad += usize::from(line.contains("\"label\":false"));
            Ok(())
        });
        !self.given.no_prefer && counted.is_ok() && good.min(bad) >= FEWEST_VERDICTS
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

/// What an exam was passed by, in its own words.
fn passed_gates(said: &str) -> String {
    let passed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("passed ")).collect();
    format!("it passed: {}", passed.join("; "))
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
            for words in steps.commands(step, &notes) {
                let parsed = Args::try_parse_from(["apprentice-trainer".to_owned()].iter().chain(&words));
                assert!(parsed.is_ok(), "{words:?}: {parsed:?}");
            }
        }
        assert!(steps.commands(Step::Prefer, &notes).is_empty(), "there are no verdicts");
        let kto = folder.path().join("sleep/lessons/kto/train.jsonl");
        let rows = "{\"label\":true}\n{\"label\":false}\n".repeat(8);
        files::replace(&kto, |out| std::io::Write::write_all(out, rows.as_bytes())).expect("written");
        assert_eq!(steps.commands(Step::Prefer, &notes).len(), 1);
        let merged = steps.commands(Step::Merge, &notes).concat().join(" ");
        assert!(merged.contains("--adapter") && merged.contains("preferred"), "{merged}");
        assert!(merged.contains("made/0123456789ab/model.gguf") && merged.contains("Q4_K_M"), "{merged}");
    }

    #[test]
    fn times_have_units() {
        let idle = |text: &str| Args::try_parse_from(["x", "sleep", "--base", "b", "--idle", text]).is_ok();
        assert_eq!(["90s", "30m", "0s", "2h"].map(idle), [true; 4]);
        assert_eq!(["", "m", "30", "-1m", "1.5h", "99999999999999999999s", "9999999h", "ü"].map(idle), [false; 8]);
    }
}
