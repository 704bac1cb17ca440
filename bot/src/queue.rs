//! What is still to be done? Tasks that outlive the process, at least once each, the newest of a pull request winning.

mod sqlite;

use std::time::Duration;

pub(crate) use sqlite::Sqlite;

use crate::event::Task;

/// A delivery that asks for tasks.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// `X-GitHub-Delivery`; the same again when GitHub sends it again.
    pub(crate) guid: String,
    pub(crate) tasks: Vec<Task>,
}

/// What became of an arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Put {
    Queued,
    /// It had come before.
    Known,
}

/// A task that a worker holds for a while.
#[derive(Debug, Clone)]
pub(crate) struct Leased {
    pub(crate) id: i64,
    pub(crate) task: Task,
    /// How often it was tried before.
    pub(crate) attempts: u32,
    /// When it came, milliseconds since 1970.
    pub(crate) created: i64,
    /// Names this lease; one that ran out does not speak for the task any more.
    pub(crate) lease: i64,
}

/// How a try ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    Done,
    /// To be tried again after this pause.
    Later {
        pause: Duration,
        why: String,
    },
    /// Never to be tried again unless someone says so.
    Dead {
        why: String,
    },
}

/// A task that was given up.
#[derive(Debug, Clone)]
pub(crate) struct DeadLetter {
    pub(crate) id: i64,
    /// What it was to be, as [`Task::kind`] says it.
    pub(crate) kind: String,
    /// The pull request, as a `Place` is written.
    pub(crate) place: String,
    pub(crate) attempts: u32,
    pub(crate) why: String,
    pub(crate) at: i64,
}

/// How many tasks there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Depth {
    pub(crate) waiting: u64,
    pub(crate) leased: u64,
    pub(crate) dead: u64,
}

/// Why the queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("the queue cannot be used")]
    Database(#[from] rusqlite::Error),
    #[error("a task of the queue cannot be read")]
    Task(#[from] serde_json::Error),
}

/// A place where tasks are kept. Everything that returns `Ok` is on disk.
pub(crate) trait Queue: Send + Sync + 'static {
    /// Keeps arrivals, all or none, and says of each what became of it.
    fn put(&self, arrivals: &[Arrival], now: i64) -> Result<Vec<Put>, QueueError>;
    /// The next task that is due, unless one of its pull request is being worked on.
    fn lease(&self, now: i64, patience: Duration) -> Result<Option<Leased>, QueueError>;
    /// Keeps a lease alive. False when it was lost.
    fn renew(&self, leased: &Leased, now: i64, patience: Duration) -> Result<bool, QueueError>;
    /// Ends a lease. False when it was lost.
    fn end(&self, leased: &Leased, ended: &Ended, now: i64) -> Result<bool, QueueError>;
    /// When the next waiting task is due.
    fn next_due(&self) -> Result<Option<i64>, QueueError>;
    /// How many there are.
    fn depth(&self) -> Result<Depth, QueueError>;
    /// What was given up, newest first.
    fn dead(&self) -> Result<Vec<DeadLetter>, QueueError>;
    /// Has what was given up tried again: one, or all. Returns how many.
    fn revive(&self, id: Option<i64>, now: i64) -> Result<usize, QueueError>;
    /// When the newest delivery came.
    fn last_arrival(&self) -> Result<Option<i64>, QueueError>;
    /// Whether a delivery came before.
    fn knows(&self, guid: &str) -> Result<bool, QueueError>;
}
