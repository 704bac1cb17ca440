//! What should the reader know that is not a finding?

use serde::Serialize;

/// How much a [`Notice`] takes away from a review.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// Nothing is missing; worth knowing.
    Note,
    /// Something was left out by its nature or by configuration: a binary file, a tool not installed.
    Skipped,
    /// Something that should have run did not. The review is not complete and is never shown as clean.
    Failure,
}

/// One thing that could not be done, or was done differently, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
pub struct Notice {
    /// What it takes away.
    pub gravity: Gravity,
    /// The file, tool or setting it is about.
    pub about: String,
    /// What happened, in one sentence without a full stop.
    pub what: String,
    /// What to do about it, where there is something to do.
    #[serde(rename = "try", skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
}

impl Notice {
    /// Worth knowing.
    pub fn note(about: impl ToString, what: impl Into<String>) -> Self {
        Self { gravity: Gravity::Note, about: about.to_string(), what: what.into(), advice: None }
    }

    /// Left out.
    pub fn skipped(about: impl ToString, what: impl Into<String>) -> Self {
        Self { gravity: Gravity::Skipped, about: about.to_string(), what: what.into(), advice: None }
    }

    /// Should have run and did not.
    pub fn failure(about: impl ToString, what: impl Into<String>) -> Self {
        Self { gravity: Gravity::Failure, about: about.to_string(), what: what.into(), advice: None }
    }

    /// The same with advice.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// An error and all its causes in one line, as a Notice tells it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
