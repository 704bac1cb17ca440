//! Where is the text? Files at a place in git, on disk or in memory, with their language and lines.

mod directory;
mod file;
mod ignored;
mod language;
mod memory;
mod nesting;
mod path;
mod words;

pub use directory::Directory;
pub use file::{BlobId, LineIndex, Newline, Position, SourceFile, Span, Unreadable};
pub use ignored::Ignored;
pub use language::Language;
pub use memory::Memory;
pub(crate) use nesting::is_too_deep;
pub use path::{InvalidPath, RepoPath};
pub use words::{identifiers, words};

use std::sync::Arc;

/// What a place holds under one path.
#[derive(Debug, Clone)]
pub enum Content {
    /// The raw bytes of a regular file.
    Bytes(Arc<[u8]>),
    /// A symbolic link with its target; never followed.
    Symlink(Arc<[u8]>),
    /// A submodule pinned at this commit; its content belongs to another repository.
    Submodule(String),
}

/// One version of a tree of files: the index, a commit, a directory or memory.
///
/// Implementations are read-only. None of them checks out, stashes or writes.
pub trait Sources: Send + Sync {
    /// The content under `path`, or `None` where this version has no such path.
    ///
    /// # Errors
    /// [`SourceError`] when the path exists but cannot be read (corrupt or missing object, I/O).
    fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError>;

    /// Every path of this version in byte order, without ignored files.
    ///
    /// # Errors
    /// [`SourceError`] when the listing itself cannot be read.
    fn list(&self) -> Result<Vec<RepoPath>, SourceError>;
}

/// Why a version of the tree could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// git refused.
    #[error("cannot read `{path}` from git: {why}")]
    Object {
        /// The path that was asked for; empty for the whole tree.
        path: String,
        /// What git said.
        why: String,
        /// Whether the object is not there at all, as in a partial clone.
        missing: bool,
    },
    /// The file system refused.
    #[error("cannot read `{path}`")]
    Io {
        /// The path that was asked for.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}
