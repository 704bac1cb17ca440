//! What is done when nobody works? The steps from answers to a served model, one after the other, given up at once when
//! somebody comes back, and gone on with where they were.
//!
//! Invariant: one sleeper at a time (the system holds the lock, so that a process that died holds none), and a step
//! that is not done is begun again, never skipped.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::files::{self, Lock};

/// Bytes that a kept night may have.
const MOST: u64 = 16 << 20;

/// What is done, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Answers become lessons.
    Lessons,
    /// Lessons become an adapter.
    Train,
    /// It learns which answers are better.
    Prefer,
    /// Adapter and base become the file that would be served.
    Merge,
    /// It sits its exam.
    Evaluate,
    /// If it passed, it becomes the one that is served.
    Promote,
    /// The server gets it.
    Publish,
}

impl Step {
    /// All of them, in order.
    pub const ALL: [Self; 7] =
        [Self::Lessons, Self::Train, Self::Prefer, Self::Merge, Self::Evaluate, Self::Promote, Self::Publish];

    fn next(self) -> Option<Self> {
        Self::ALL.into_iter().skip_while(|step| *step != self).nth(1)
    }

    /// What it does, in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Lessons => "making lessons of answers",
            Self::Train => "training an adapter",
            Self::Prefer => "teaching it what is preferred",
            Self::Merge => "merging it into the base",
            Self::Evaluate => "examining it",
            Self::Promote => "promoting it",
            Self::Publish => "publishing it",
        }
    }
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq)]
pub enum Done {
    /// On to the next; what it says goes into the report.
    Next(String),
    /// There is no more to do tonight, and why.
    Enough(String),
}

/// Why a step was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// It was told to stop, and can be gone on with.
    #[error("{0}")]
    Stopped(Stop),
    /// It cannot be done.
    #[error("{0}")]
    Failed(String),
}

/// Why work stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// Somebody works.
    #[error("somebody works again")]
    Work,
    /// The time for tonight is up.
    #[error("the time for one night is up")]
    Time,
    /// It takes more memory than it may.
    #[error("it takes more memory than it may")]
    Memory,
    /// It was told to end.
    #[error("it was told to end")]
    Told,
}

/// What a step may know of the night, and leave for the next steps: paths and digests by name.
pub type Notes = Map<String, Value>;

/// Whoever carries out the steps. Each goes on where it was when it is begun again, and asks `go_on` at least every
/// second.
pub trait Work {
    /// Carries out one step.
    ///
    /// # Errors
    /// [`Broken::Stopped`] as soon as `go_on` says so, [`Broken::Failed`] when it cannot be done.
    fn run(&mut self, step: Step, notes: &mut Notes, go_on: &dyn Fn() -> Result<(), Stop>) -> Result<Done, Broken>;
}

/// What the machine is like at a moment.
pub trait World {
    /// Seconds since 1970.
    fn now(&self) -> u64;
    /// When somebody worked last, in seconds since 1970; 0 where nobody is known to have.
    fn worked(&self) -> u64;
    /// Bytes of memory that this process takes.
    fn memory(&self) -> u64;
    /// Whether it is to end.
    fn is_told_to_end(&self) -> bool;
    /// Lets time pass, but no longer than it is wanted.
    fn wait(&self, time: Duration);
}

/// How one sleeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Habits {
    /// Nobody has worked for so long before anything is begun or gone on with.
    pub idle: Duration,
    /// So long at most is worked in one night, pauses not counted.
    pub budget: Duration,
    /// So many bytes of memory at most.
    pub memory: u64,
    /// Whether it is over after one night.
    pub once: bool,
}

/// A night, as it is kept between steps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Night {
    /// When it began, in seconds since 1970.
    began: u64,
    /// The step that is next.
    step: Option<Step>,
    /// Seconds worked so far.
    worked: u64,
    /// Of these, at the step that is next.
    #[serde(default)]
    took: u64,
    /// How often it was interrupted.
    interrupted: u32,
    notes: Notes,
    /// What came of each step, and the seconds it took.
    told: Vec<(Step, String, u64)>,
}

/// How a night ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// In Markdown.
    pub text: String,
    /// Whether a model was published.
    pub is_published: bool,
    /// Whether a step could not be done.
    pub is_failed: bool,
}

/// Why there is no night.
#[derive(Debug, thiserror::Error)]
pub enum SleepError {
    /// Another process sleeps.
    #[error("another process trains here already{}", .0.as_ref().map_or_else(String::new, |who| format!(": process {who}")))]
    Taken(Option<String>),
    /// A file cannot be read or written.
    #[error("cannot use `{file}`")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// It was told to end; what was done is kept.
    #[error("it was told to end; what was done is kept, and gone on with next time")]
    Ended,
}

/// Sleeps in a folder until a night is over (`once`), or until it is told to end. `told` gets each night's report.
///
/// # Errors
/// [`SleepError`].
pub fn sleep(
    folder: &Path,
    habits: &Habits,
    world: &dyn World,
    work: &mut dyn Work,
    told: &mut dyn FnMut(&Report),
) -> Result<(), SleepError> {
    let lock = files::lock(&folder.join("sleep.lock")).map_err(|source| failed(&folder.join("sleep.lock"), source))?;
    let _lock = match lock {
        Lock::Held(file) => file,
        Lock::Taken(who) => return Err(SleepError::Taken(who)),
    };
    let mut sleeper = Sleeper { path: folder.join("sleep.json"), folder, habits, world };
    loop {
        let report = sleeper.night(work)?;
        told(&report);
        if habits.once {
            return Ok(());
        }
        // A night that ended is not begun again before somebody has worked: there would be nothing new.
        let ended = world.now();
        while world.worked() <= ended {
            sleeper.pause()?;
        }
    }
}

struct Sleeper<'a> {
    path: PathBuf,
    folder: &'a Path,
    habits: &'a Habits,
    world: &'a dyn World,
}

impl Sleeper<'_> {
    /// A whole night, whatever comes between.
    fn night(&mut self, work: &mut dyn Work) -> Result<Report, SleepError> {
        let mut night = self.kept()?;
        self.idle()?;
        let was_made = night.step == Some(Step::Publish);
        if night.step.is_none() {
            night = Night { began: self.world.now(), step: Some(Step::Lessons), ..Night::default() };
        }
        let ended = loop {
            let Some(step) = night.step else { break Ok(()) };
            let done = self.step(&mut night, step, work)?;
            let took = std::mem::take(&mut night.took);
            match done {
                Ok(Done::Next(what)) => {
                    night.told.push((step, what, took));
                    night.step = step.next();
                }
                Ok(Done::Enough(why)) => {
                    night.told.push((step, why, took));
                    night.step = None;
                }
                Err(Broken::Stopped(Stop::Work)) => {
                    night.took = took;
                    night.interrupted += 1;
                    self.keep(&night)?;
                    self.idle()?;
                    continue;
                }
                Err(Broken::Stopped(Stop::Told)) => {
                    night.took = took;
                    self.keep(&night)?;
                    return Err(SleepError::Ended);
                }
                Err(broken) => {
                    night.told.push((step, broken.to_string(), took));
                    break Err(broken);
                }
            }
            self.keep(&night)?;
        };
        let report = night.report(ended.as_ref().err());
        self.write(&report.text, night.began)?;
        // What ran out of time is gone on with; what failed would fail again, and begins anew with other answers. A server
        // may be there again the next night: what was made for it is offered once more.
        let is_offered = matches!(ended, Err(Broken::Failed(_))) && night.step == Some(Step::Publish) && !was_made;
        if !is_offered && !matches!(ended, Err(Broken::Stopped(Stop::Time))) {
            night.step = None;
        }
        (night.worked, night.took) = (0, 0);
        self.keep(&night)?;
        Ok(report)
    }

    /// One step, as far as it comes.
    fn step(&self, night: &mut Night, step: Step, work: &mut dyn Work) -> Result<Result<Done, Broken>, SleepError> {
        self.keep(night)?;
        let began = self.world.now();
        let (before, worked) = (night.worked, self.world.worked());
        let go_on = || {
            if self.world.is_told_to_end() {
                return Err(Stop::Told);
            }
            if self.world.worked() > worked {
                return Err(Stop::Work);
            }
            if self.world.memory() > self.habits.memory {
                return Err(Stop::Memory);
            }
            let spent = before + self.world.now().saturating_sub(began);
            if spent > self.habits.budget.as_secs() { Err(Stop::Time) } else { Ok(()) }
        };
        let done = go_on().map_err(Broken::Stopped).and_then(|()| work.run(step, &mut night.notes, &go_on));
        let took = self.world.now().saturating_sub(began);
        night.worked = before + took;
        night.took += took;
        Ok(done)
    }

    /// Waits until nobody has worked for a while.
    fn idle(&self) -> Result<(), SleepError> {
        while self.world.now().saturating_sub(self.world.worked()) < self.habits.idle.as_secs() {
            self.pause()?;
        }
        Ok(())
    }

    fn pause(&self) -> Result<(), SleepError> {
        if self.world.is_told_to_end() {
            return Err(SleepError::Ended);
        }
        self.world.wait(Duration::from_secs(10));
        Ok(())
    }

    /// The night that was begun; an empty one where there is none, or it cannot be read: then all is done from the
    /// beginning, which costs time and nothing else.
    fn kept(&self) -> Result<Night, SleepError> {
        let text = files::text(&self.path, MOST).map_err(|source| failed(&self.path, source))?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    fn keep(&self, night: &Night) -> Result<(), SleepError> {
        let text = serde_json::to_string_pretty(night).unwrap_or_default() + "\n";
        files::replace(&self.path, |out| std::io::Write::write_all(out, text.as_bytes()))
            .map_err(|source| failed(&self.path, source))
    }

    fn write(&self, text: &str, began: u64) -> Result<(), SleepError> {
        let path = self.folder.join("nights").join(format!("{began}.md"));
        files::replace(&path, |out| std::io::Write::write_all(out, text.as_bytes()))
            .map_err(|source| failed(&path, source))
    }
}

impl Night {
    fn report(&self, broken: Option<&Broken>) -> Report {
        let is_published = self.told.iter().any(|(step, ..)| *step == Step::Publish) && broken.is_none();
        let end = match (broken, is_published) {
            (Some(broken), _) => format!("It ended early: {broken}. What was served before is still served."),
            (None, true) => "A new model is served.".to_owned(),
            (None, false) => "No new model is served; what was served before is still served.".to_owned(),
        };
        let mut text = format!("# One night's training\n\n{end}\n\n");
        for (step, what, took) in &self.told {
            text.push_str(&format!("- {} ({}): {what}\n", step.words(), minutes(*took)));
        }
        text.push_str(&format!("\nWorked for {}", minutes(self.worked)));
        if self.interrupted > 0 {
            let times = if self.interrupted == 1 { "once".to_owned() } else { format!("{} times", self.interrupted) };
            text.push_str(&format!(", interrupted {times} by work"));
        }
        text.push_str(".\n");
        let is_failed = matches!(broken, Some(Broken::Failed(_) | Broken::Stopped(Stop::Memory)));
        Report { text, is_published, is_failed }
    }
}

fn minutes(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        _ => format!("{} min", seconds / 60),
    }
}

fn failed(file: &Path, source: std::io::Error) -> SleepError {
    SleepError::File { file: file.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use super::*;

    /// A machine of which the time is made up, and somebody who works at certain moments.
    struct Made {
        now: Cell<u64>,
        work: RefCell<Vec<u64>>,
        memory: Cell<u64>,
        ends: Cell<u64>,
    }

    impl Made {
        fn new(work: &[u64]) -> Self {
            Self {
                now: Cell::new(1_000_000),
                work: RefCell::new(work.iter().map(|at| 1_000_000 + at).collect()),
                memory: Cell::new(0),
                ends: Cell::new(u64::MAX),
            }
        }
    }

    impl World for Made {
        fn now(&self) -> u64 {
            self.now.get()
        }
        fn worked(&self) -> u64 {
            self.work.borrow().iter().copied().filter(|at| *at <= self.now.get()).max().unwrap_or(0)
        }
        fn memory(&self) -> u64 {
            self.memory.get()
        }
        fn is_told_to_end(&self) -> bool {
            self.now.get() >= self.ends.get()
        }
        fn wait(&self, time: Duration) {
            self.now.set(self.now.get() + time.as_secs());
        }
    }

    /// Steps of ten parts of a minute each, which go on where they were.
    struct Steps<'a> {
        world: &'a Made,
        parts: u64,
        log: Vec<String>,
        fails: Option<Step>,
        enough: Option<Step>,
    }

    impl Work for Steps<'_> {
        fn run(&mut self, step: Step, notes: &mut Notes, go_on: &dyn Fn() -> Result<(), Stop>) -> Result<Done, Broken> {
            let key = format!("{step:?}");
            let mut done = notes.get(&key).and_then(Value::as_u64).unwrap_or(0);
            self.log.push(format!("{key} from {done}"));
            while done < 10 {
                go_on().map_err(Broken::Stopped)?;
                self.world.wait(Duration::from_secs(60));
                self.parts += 1;
                done += 1;
                notes.insert(key.clone(), done.into());
            }
            match step {
                step if self.fails == Some(step) => Err(Broken::Failed("the disk is full".into())),
                step if self.enough == Some(step) => Ok(Done::Enough("no new answers".into())),
                _ => Ok(Done::Next(format!("{done} parts"))),
            }
        }
    }

    fn steps(world: &Made) -> Steps<'_> {
        Steps { world, parts: 0, log: Vec::new(), fails: None, enough: None }
    }

    fn habits() -> Habits {
        Habits { idle: Duration::from_secs(1800), budget: Duration::from_secs(36_000), memory: 1_000, once: true }
    }

    fn run(folder: &Path, habits: &Habits, world: &Made, steps: &mut Steps<'_>) -> Result<Vec<Report>, SleepError> {
        let mut reports = Vec::new();
        sleep(folder, habits, world, steps, &mut |report| reports.push(report.clone())).map(|()| reports)
    }

    #[test]
    fn nothing_is_begun_before_everybody_has_gone() {
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[0, 600]));
        let mut steps = steps(&world);
        let reports = run(folder.path(), &habits(), &world, &mut steps).unwrap();
        assert_eq!((steps.log.len(), steps.parts), (7, 70));
        assert!(world.now() >= 1_000_000 + 600 + 1800 + 70 * 60, "{}", world.now());
        assert!(reports[0].is_published && !reports[0].is_failed);
        insta::assert_snapshot!(reports[0].text, @r"
        # One night's training

        A new model is served.

        - making lessons of answers (10 min): 10 parts
        - training an adapter (10 min): 10 parts
        - teaching it what is preferred (10 min): 10 parts
        - merging it into the base (10 min): 10 parts
        - examining it (10 min): 10 parts
        - promoting it (10 min): 10 parts
        - publishing it (10 min): 10 parts

        Worked for 70 min.
        ");
    }

    #[test]
    fn work_interrupts_at_once_and_the_step_is_gone_on_with() {
        // Somebody comes in the middle of the second step, and stays for a while.
        let comes = 1_800 + 15 * 60 + 30;
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[0, comes, comes + 900]));
        let mut steps = steps(&world);
        let reports = run(folder.path(), &habits(), &world, &mut steps).unwrap();
        assert_eq!(steps.parts, 70, "nothing was done twice");
        assert_eq!(&steps.log[..4], ["Lessons from 0", "Train from 0", "Train from 6", "Prefer from 0"]);
        assert!(reports[0].text.contains("interrupted once by work"), "{}", reports[0].text);
        assert!(world.now() >= 1_000_000 + comes + 900 + 1_800 + 54 * 60);
    }

    #[test]
    fn a_process_that_is_ended_goes_on_next_time() {
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[]));
        world.ends.set(1_000_000 + 25 * 60);
        let mut first = steps(&world);
        assert!(matches!(run(folder.path(), &habits(), &world, &mut first), Err(SleepError::Ended)));
        world.ends.set(u64::MAX);
        let mut second = steps(&world);
        run(folder.path(), &habits(), &world, &mut second).unwrap();
        assert_eq!((first.parts, second.parts, &*second.log[0]), (25, 45, "Prefer from 5"));
    }

    #[test]
    fn a_night_has_an_end() {
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[]));
        let short = Habits { budget: Duration::from_secs(15 * 60), ..habits() };
        let mut first = steps(&world);
        let reports = run(folder.path(), &short, &world, &mut first).unwrap();
        assert_eq!((first.parts, reports[0].is_published, reports[0].is_failed), (16, false, false));
        assert!(reports[0].text.contains("the time for one night is up"), "{}", reports[0].text);
        // The next night goes on.
        let mut second = steps(&world);
        run(folder.path(), &habits(), &world, &mut second).unwrap();
        assert_eq!((&*second.log[0], second.parts), ("Train from 6", 54));
    }

    #[test]
    fn what_cannot_be_done_is_told_and_nothing_is_served() {
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[]));
        let mut broken = Steps { fails: Some(Step::Merge), ..steps(&world) };
        let reports = run(folder.path(), &habits(), &world, &mut broken).unwrap();
        assert!(reports[0].is_failed && reports[0].text.contains("the disk is full"), "{}", reports[0].text);
        assert_eq!(broken.log.last().unwrap(), "Merge from 0");
        let mut idle = Steps { enough: Some(Step::Lessons), ..steps(&world) };
        let reports = run(folder.path(), &habits(), &world, &mut idle).unwrap();
        assert_eq!((&*idle.log[0], idle.log.len()), ("Lessons from 0", 1), "begun anew");
        assert!(!reports[0].is_published && reports[0].text.contains("no new answers"));
        world.memory.set(2_000);
        let reports = run(folder.path(), &habits(), &world, &mut steps(&world)).unwrap();
        assert!(reports[0].is_failed && reports[0].text.contains("more memory than it may"));
    }

    #[test]
    fn what_could_not_be_published_is_offered_once_more() {
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[]));
        let night = |fails: Option<Step>| {
            let mut steps = Steps { fails, ..steps(&world) };
            let reports = run(folder.path(), &habits(), &world, &mut steps).unwrap();
            (steps.log[0].clone(), steps.log.len(), reports[0].is_published)
        };
        assert_eq!(night(Some(Step::Publish)), ("Lessons from 0".into(), 7, false));
        assert_eq!(night(None), ("Publish from 10".into(), 1, true));
        assert_eq!(night(Some(Step::Publish)), ("Lessons from 0".into(), 7, false));
        assert_eq!(night(Some(Step::Publish)), ("Publish from 10".into(), 1, false), "and not for ever");
        assert_eq!(night(None), ("Lessons from 0".into(), 7, true));
    }

    #[test]
    fn two_never_sleep_at_once_and_the_dead_hold_no_lock() {
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[]));
        let path = folder.path().join("sleep.lock");
        // What a process that was killed left behind.
        files::replace(&path, |out| std::io::Write::write_all(out, b"4194304\n")).unwrap();
        let held = files::lock(&path).unwrap();
        assert!(matches!(held, Lock::Held(_)));
        let taken = run(folder.path(), &habits(), &world, &mut steps(&world)).unwrap_err();
        assert!(matches!(&taken, SleepError::Taken(Some(who)) if *who == std::process::id().to_string()), "{taken}");
        drop(held);
        let after = run(folder.path(), &habits(), &world, &mut steps(&world));
        assert!(after.is_ok(), "{after:?}");
    }

    #[test]
    fn a_night_that_cannot_be_read_is_begun_anew() {
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[]));
        files::replace(&folder.path().join("sleep.json"), |out| std::io::Write::write_all(out, b"{\"step\": 9"))
            .unwrap();
        let mut steps = steps(&world);
        run(folder.path(), &habits(), &world, &mut steps).unwrap();
        assert_eq!(steps.parts, 70);
    }

    #[test]
    fn another_night_comes_after_other_work() {
        let (folder, world) = (tempfile::tempdir().unwrap(), Made::new(&[0, 20_000]));
        world.ends.set(1_000_000 + 40_000);
        let mut reports = Vec::new();
        let mut steps = steps(&world);
        let ended = sleep(folder.path(), &Habits { once: false, ..habits() }, &world, &mut steps, &mut |report| {
            reports.push(report.clone())
        });
        assert!(matches!(ended, Err(SleepError::Ended)));
        assert_eq!(reports.len(), 2, "no third one, for nothing was new");
    }
}
