//! What would GitHub do? A forge of its own for tests: real git, signed webhooks, people who comment and merge.
//!
//! Every request, answer and webhook is held to what GitHub publishes about itself
//! (`contract/github.json`, `contract/schema.graphql`); what differs stands in [`Forge::violations`].
//! What GitHub enforces beyond that is in [`rules::RULES`], each with its source. What the forge does not model is
//! filled with the emptiest value the description allows. It shows that a client keeps the published contract;
//! it does not show that GitHub does.

#![recursion_limit = "256"]

mod answer;
mod auth;
mod clock;
mod commits;
mod contract;
mod deeds;
mod diff;
mod faults;
mod fill;
mod git;
mod graph;
mod graphql;
mod hooks;
mod installing;
mod key;
mod merge;
mod mutate;
mod people;
mod person;
mod records;
mod rest;
pub mod rules;
mod server;
mod smart;
mod start;
mod state;
mod suggest;
mod view;
mod wire;

pub use faults::{Fault, What};
pub use key::{TEST_KEY, jwt};
pub use merge::Way;
pub use people::Repo;
pub use records::{
    CheckRun, Comment, Delivery, Exchange, IssueComment, Merge, Pull, Reaction, Review, Thread, User, Violation,
};
pub use start::{Forge, Options};

/// Why the forge could not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// git did not do its part.
    #[error("git failed: {0}")]
    Git(String),
    /// There is no such thing.
    #[error("there is no `{0}`")]
    Missing(String),
    /// GitHub would not let them.
    #[error("refused: {0}")]
    Refused(String),
    /// The server could not be started or went wrong.
    #[error("the server failed: {0}")]
    Server(String),
    /// The key is no RSA key in PEM.
    #[error("the key cannot be read: {0}")]
    Key(String),
}

impl From<wire::Refusal> for Error {
    fn from(refusal: wire::Refusal) -> Self {
        Error::Refused(format!("{} {} {:?}", refusal.status, refusal.message, refusal.errors))
    }
}
