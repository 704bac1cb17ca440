//! What is asked of a model that answers in words, and what comes back?

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::notice::Notice;

/// Answers in words. One question at a time: whoever asks from several threads waits for his turn.
pub trait Model: Send + Sync {
    /// Names the weights and how they are run, for people and for caches: answers of two models may be exchanged if and
    /// only if their names are equal.
    fn name(&self) -> &str;

    /// How many tokens question and answer may have together.
    fn window(&self) -> usize;

    /// How many tokens a text has; where only the server knows, a figure that is rather too high.
    fn count(&self, text: &str) -> usize;

    /// Asks. Pieces of the answer are handed to `told` as they come; together they are [`Answer::text`].
    ///
    /// # Errors
    /// [`ModelError`] when there is no whole answer. Nothing is cut silently: a question that does not fit is
    /// [`ModelError::TooLong`].
    fn answer(&self, request: &Request<'_>, told: &mut dyn FnMut(&str)) -> Result<Answer, ModelError>;

    /// What the reader should know of questions that came to no answer: that they left this machine all the same. Each
    /// is told once.
    fn unanswered(&self) -> Vec<Notice> {
        Vec::new()
    }
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whoever sets the rules.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
}

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// By whom.
    pub role: Role,
    /// What.
    #[serde(rename = "content")]
    pub text: String,
}

impl Turn {
    /// Something said.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { role, text: text.into() }
    }
}

/// A question with its limits.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What was said so far, the question last. Backends that keep state reuse what is equal from the beginning on.
    pub turns: &'a [Turn],
    /// The JSON Schema (draft 2020-12) that the answer keeps, where it is to be JSON.
    pub schema: Option<&'a serde_json::Value>,
    /// The most tokens of the answer.
    pub most: usize,
    /// 0 takes the likeliest token always.
    pub temperature: f32,
    /// Makes sampling repeatable, as far as the backend can.
    pub seed: u64,
    /// When to give up.
    pub until: Instant,
    /// Set by whoever no longer wants the answer.
    pub stop: &'a AtomicBool,
}

impl Request<'_> {
    /// Whether to go on.
    ///
    /// # Errors
    /// [`ModelError::Stopped`] and [`ModelError::Late`] when not.
    pub fn go_on(&self) -> Result<(), ModelError> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(ModelError::Stopped);
        }
        if Instant::now() >= self.until { Err(ModelError::Late) } else { Ok(()) }
    }

    /// The time that is left; never 0.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The whole text.
    pub text: String,
    /// Whether the model came to its end, or to [`Request::most`].
    pub is_whole: bool,
    /// What it took.
    pub usage: Usage,
    /// What the reader should know: what left the machine, what the server could not do.
    pub notices: Vec<Notice>,
}

/// Tokens read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Usage {
    /// Tokens of the question.
    pub prompt: usize,
    /// How many of these had been read before and were not read again.
    pub reused: usize,
    /// Tokens of the answer.
    pub answer: usize,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.prompt += other.prompt;
        self.reused += other.reused;
        self.answer += other.answer;
    }
}

/// Why a model gives no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// The address is not this machine, and that was not allowed.
    #[error("`{address}` is not this machine, and `model.allow_remote` is not set: nothing was sent")]
    Remote {
        /// The address.
        address: String,
    },
    /// A file is missing, or not what it should be.
    #[error("cannot use the model `{file}`: {why}")]
    File {
        /// Which.
        file: String,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The server cannot be reached, refused, or spoke nonsense.
    #[error("no answer from `{address}`: {why}")]
    Server {
        /// Where it was asked.
        address: String,
        /// What happened, and what to do.
        why: String,
    },
    /// The server does not have the model.
    #[error("`{address}` does not have the model `{model}`: {advice}")]
    Missing {
        /// Which.
        model: String,
        /// Where.
        address: String,
        /// What to do.
        advice: String,
    },
    /// The question is longer than what the model takes in.
    #[error("the question has {tokens} tokens and the model takes in {window}")]
    TooLong {
        /// Tokens of the question and room for the answer.
        tokens: usize,
        /// What fits.
        window: usize,
    },
    /// There is not enough memory.
    #[error("not enough memory for `{name}`: {why}")]
    Memory {
        /// Which model.
        name: String,
        /// What is known, and what to do.
        why: String,
    },
    /// The connection or the model broke in the middle of an answer.
    #[error("`{name}` broke off after {tokens} tokens: {why}")]
    Broken {
        /// Which model.
        name: String,
        /// How much had come.
        tokens: usize,
        /// What happened.
        why: String,
    },
    /// The schema cannot be kept by this backend.
    #[error("the form of the answer cannot be enforced: {0}")]
    Schema(String),
    /// Whoever asked no longer wants the answer.
    #[error("stopped")]
    Stopped,
    /// The time was up.
    #[error("the time for the answer was up")]
    Late,
}
