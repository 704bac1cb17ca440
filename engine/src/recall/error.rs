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
        use rusqlite::{Error as E, ErrorCode as C};
        let is_damage = match &error {
            E::SqliteFailure(code, why) => {
                let has_other_tables = || why.as_deref().is_some_and(|why| why.starts_with("no such "));
                matches!(code.code, C::DatabaseCorrupt | C::NotADatabase) || has_other_tables()
            }
            E::SqlInputError { msg, .. } => msg.starts_with("no such "),
            E::InvalidColumnType(..) | E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) => true,
            _ => false,
        };
        if is_damage { Self::Damaged { why: error.to_string() } } else { Self::Store(error) }
    }

    pub(super) fn words(error: tantivy::TantivyError) -> Self {
        use std::io::ErrorKind as K;
        use tantivy::TantivyError as E;
        let is_damage = match &error {
            E::DataCorruption(_) | E::SchemaError(_) | E::IncompatibleIndex(_) | E::OpenReadError(_) => true,
            E::OpenDirectoryError(_) | E::InternalError(_) | E::DeserializeError(_) => true,
            E::IoError(error) => matches!(error.kind(), K::NotFound | K::UnexpectedEof | K::InvalidData),
            _ => false,
        };
        if is_damage { Self::Damaged { why: error.to_string() } } else { Self::Words(error) }
    }

    /// What the file system said, where it was the file system.
    fn refusal(&self) -> Option<std::io::ErrorKind> {
        use rusqlite::{Error as E, ffi};
        const NO_ROOM: [i32; 2] = [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_SHMSIZE];
        use std::io::ErrorKind as K;
        match self {
            Self::Io { source, .. } => Some(source.kind()),
            // SQLite has these two for a disk that is full where it writes its log.
            Self::Store(E::SqliteFailure(code, _)) if NO_ROOM.contains(&code.extended_code) => Some(K::StorageFull),
            Self::Store(error) => match error.sqlite_error_code()? {
                rusqlite::ErrorCode::DiskFull => Some(K::StorageFull),
                rusqlite::ErrorCode::ReadOnly => Some(K::ReadOnlyFilesystem),
                rusqlite::ErrorCode::PermissionDenied => Some(K::PermissionDenied),
                _ => None,
            },
            Self::Words(tantivy::TantivyError::IoError(error)) => Some(error.kind()),
            _ => None,
        }
    }

    /// Whether building the index anew mends it.
    pub fn is_mended_by_rebuilding(&self) -> bool {
        matches!(self, Self::Damaged { .. } | Self::Foreign { .. } | Self::None { .. })
    }

    /// What to do, where something can be done.
    pub fn advice(&self) -> Option<&'static str> {
        use std::io::ErrorKind as K;
        match self {
            Self::None { .. } => Some("`apprentice index build`"),
            Self::Damaged { .. } | Self::Foreign { .. } => Some("`apprentice index build` makes it anew"),
            Self::Busy => Some("wait until it is done; `apprentice index status` says who writes"),
            _ => match self.refusal()? {
                K::PermissionDenied | K::ReadOnlyFilesystem => {
                    Some("make that folder writable; an index that was built there before can be searched as it is")
                }
                K::StorageFull => {
                    Some("free some space and run it again; the last index that was finished still answers")
                }
                _ => None,
            },
        }
    }
}
