//! Why can answers not be kept?

use crate::taste::StateError;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite refused.
    #[error("the journal of answers cannot be used")]
    Database(#[from] rusqlite::Error),
    /// An answer has no text form.
    #[error("an answer cannot be written to the journal")]
    Unwritable(#[source] serde_json::Error),
    /// A line of it is not what was written.
    #[error("entry {0} of the journal of answers cannot be read")]
    Entry(i64, #[source] serde_json::Error),
    /// What a finding looked like is not what was written.
    #[error("what the finding of number {0} looked like cannot be read")]
    Material(i64, #[source] serde_json::Error),
    /// What was learned is not what was written.
    #[error("what was learned from the journal of answers cannot be read")]
    Learned(#[source] serde_json::Error),
    /// What another machine learned cannot be written or read.
    #[error("what machine {0} learned cannot be kept")]
    Elsewhere(String, #[source] StateError),
}
