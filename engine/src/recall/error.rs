//! Why can the index not be used?

use std::path::PathBuf;

use crate::{git::RepositoryError, model::EmbedError};

/// What kept an index from being read or written.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// There is none yet.
    #[error("there is no index in `{}`", folder.display())]
    None {
        /// Where it would be.
        folder: PathBuf,
    },
    /// It is not what was written.
    #[error("the index is damaged: {why}")]
    Damaged {
        /// What was found.
        why: String,
    },
    /// It was written by another version, or with another embedder.
    #[error("the index was made by another version or with other settings ({why})")]
    Foreign {
        /// What differs.
        why: String,
    },
    /// Another process is writing it.
    #[error("another process is writing the index")]
    Busy,
    /// The file system refused.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was attempted, as a verb.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("the index's database failed")]
    Store(#[source] rusqlite::Error),
    /// tantivy refused.
    #[error("the index of words failed")]
    Words(#[source] tantivy::TantivyError),
    /// The repository could not be listed.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The embedder gave no vectors.
    #[error(transparent)]
    Embed(#[from] EmbedError),
    /// The documents that were added cannot be read.
    #[error(transparent)]
    Corpus(#[from] super::corpus::CorpusError),
    /// It was asked to stop.
    #[error("stopped; the index is as it was after the last step that was finished")]
    Stopped,
}

impl IndexError {
    pub(super) fn store(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged { why: error.to_string() },
            _ => Self::Store(error),
        }
    }

    pub(super) fn words(error: tantivy::TantivyError) -> Self {
        use tantivy::TantivyError as E;
        match &error {
            E::DataCorruption(_) | E::SchemaError(_) | E::IncompatibleIndex(_) | E::OpenReadError(_) => {
                Self::Damaged { why: error.to_string() }
            }
            _ => Self::Words(error),
        }
    }

    /// Whether building the index anew mends it.
    pub fn is_mended_by_rebuilding(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Foreign { .. } | Self::None { .. })
    }

    /// What to do, where something can be done.
    pub fn advice(&self) -> Option<&'static str> {
        match self {
            Self::None { .. } => Some("`apprentice index build`"),
            Self::Damaged { .. } | Self::Foreign { .. } => Some("`apprentice index build` makes it anew"),
            Self::Busy => Some("wait until it is done; `apprentice index status` says who writes"),
            _ => None,
        }
    }
}
