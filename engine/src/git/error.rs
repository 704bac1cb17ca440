//! Why can a repository not be read, and what would mend it?

use std::path::{Path, PathBuf};

/// What git said, without libgit2's type.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct GitError(pub(super) String);

impl From<git2::Error> for GitError {
    fn from(error: git2::Error) -> Self {
        Self(error.message().trim_end_matches('.').to_owned())
    }
}

/// Why a repository or a revision cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// There is none here.
    #[error("there is no git repository at `{path}` or above it")]
    None {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: GitError,
    },
    /// It belongs to somebody else, whose configuration could run programs.
    #[error("the repository at `{path}` belongs to another user and is not trusted")]
    Owner {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        source: GitError,
    },
    /// It is kept in a way that libgit2 does not know.
    #[error("the repository at `{path}` uses {format}, which Apprentice cannot read yet")]
    Format {
        /// Where it is.
        path: PathBuf,
        /// What it uses, in words.
        format: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// It cannot be opened for another reason.
    #[error("cannot open the git repository at `{path}`")]
    Open {
        /// Where it was looked for.
        path: PathBuf,
        /// Why.
        #[source]
        source: GitError,
    },
    /// A revision does not name a commit.
    #[error("`{revision}` does not name a commit")]
    Revision {
        /// As it was given.
        revision: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// A revision may name a commit, but this clone has only the newest ones.
    #[error("`{revision}` does not name a commit of this shallow clone")]
    Shallow {
        /// As it was given.
        revision: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// The command needs a work tree.
    #[error("`{path}` is a bare repository: it has no work tree, and nothing can be staged in it")]
    Bare {
        /// Its git directory.
        path: PathBuf,
    },
    /// Two versions could not be compared.
    #[error("cannot compare {what}")]
    Compare {
        /// The two versions, in words.
        what: String,
        /// Why.
        #[source]
        source: GitError,
    },
    /// This partial clone lacks objects, and git could not fetch them.
    #[error("cannot fetch what this partial clone lacks")]
    Fetch {
        /// What the git command said.
        #[source]
        source: GitError,
    },
    /// The index could not be read.
    #[error("cannot read the index `{path}`")]
    Index {
        /// The index file.
        path: PathBuf,
        /// Why.
        #[source]
        source: GitError,
    },
    /// The index is kept in a way that libgit2 neither reads nor writes.
    #[error("cannot change the index `{path}`, which is {}", .kind.words())]
    IndexKind {
        /// The index file.
        path: PathBuf,
        /// How it is kept.
        kind: IndexKind,
        /// Why.
        #[source]
        source: GitError,
    },
    /// A file of the git directory could not be written.
    #[error("cannot write `{path}`; nothing was changed")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// git2 could not write the index or an object.
    #[error("cannot write what belongs into the index `{path}`; nothing was changed")]
    WriteIndex {
        /// The index file.
        path: PathBuf,
        /// Why.
        #[source]
        source: GitError,
    },
    /// Fixes reached the work tree and not the index.
    #[error("the fixes are in the work tree, as unstaged edits, and could not be staged")]
    HalfWay(#[source] Box<RepositoryError>),
    /// Another process is writing the index, or died while it did.
    #[error("the index is locked by `{path}`; nothing was changed")]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
}

/// How an index is kept that only the git command understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IndexKind {
    /// Folders outside the sparse checkout are single entries.
    Sparse,
    /// Most entries are in a shared file.
    Split,
    /// Anything else.
    Other,
}

impl IndexKind {
    fn words(self) -> &'static str {
        match self {
            Self::Sparse => "a sparse index",
            Self::Split => "a split index",
            Self::Other => "of a kind unknown here",
        }
    }
}

impl RepositoryError {
    /// What to do about it, where there is something to do.
    pub fn advice(&self) -> Option<String> {
        let advice = match self {
            Self::None { .. } => {
                "run it inside a repository, make one with `git init`, or review files with --all".into()
            }
            Self::Owner { path, .. } => {
                format!("if you trust it: git config --global --add safe.directory {}", path.display())
            }
            Self::Format { format, .. } => {
                let pipe = "git diff --cached | apprentice review --diff -";
                match format.contains("reftable") {
                    true => format!("{pipe}, or go back to files: git refs migrate --ref-format=files"),
                    false => pipe.into(),
                }
            }
            Self::Shallow { .. } => "git fetch --unshallow, or fetch more of it with --deepen".into(),
            Self::Bare { .. } => "review commits there: --commit REV or --range A..B".into(),
            Self::Fetch { .. } => "see that the remote can be reached, then run it again".into(),
            Self::Index { .. } => {
                "if it is damaged: move it away and rebuild it with `git reset`, which keeps the work tree".into()
            }
            Self::IndexKind { kind: IndexKind::Sparse, .. } => "git sparse-checkout reapply --no-sparse-index".into(),
            Self::IndexKind { kind: IndexKind::Split, .. } => "git update-index --no-split-index".into(),
            Self::Write { .. } | Self::WriteIndex { .. } => {
                "see that there is room and that you may write there".into()
            }
            Self::HalfWay(_) => "run it again, or stage them with `git add`".into(),
            Self::Locked { .. } => "wait for the other git command; if none runs, remove that file".into(),
            Self::Open { .. } | Self::Revision { .. } | Self::Compare { .. } | Self::IndexKind { .. } => return None,
        };
        Some(advice)
    }

    pub(super) fn open(start: &Path, error: git2::Error) -> Self {
        let path = start.to_owned();
        let (code, said) = (error.code(), error.message().to_ascii_lowercase());
        let source = GitError::from(error);
        match code {
            git2::ErrorCode::NotFound => Self::None { path, source },
            git2::ErrorCode::Owner => Self::Owner { path: quoted(&source.0).unwrap_or(path), source },
            _ if said.contains("object format") || said.contains("objectformat") => {
                Self::Format { path, format: "SHA-256 object ids".into(), source }
            }
            _ if said.contains("refstorage") => Self::Format { path, format: "the reftable format".into(), source },
            _ if said.contains("unsupported extension") => {
                Self::Format { path, format: "an extension of git".into(), source }
            }
            _ => Self::Open { path, source },
        }
    }

    pub(super) fn index(path: PathBuf, error: git2::Error) -> Self {
        let said = error.message().to_owned();
        let source = GitError::from(error);
        match () {
            () if said.contains("'sdir'") => Self::IndexKind { path, kind: IndexKind::Sparse, source },
            () if said.contains("'link'") => Self::IndexKind { path, kind: IndexKind::Split, source },
            () if said.contains("mandatory extension") => Self::IndexKind { path, kind: IndexKind::Other, source },
            () => Self::Index { path, source },
        }
    }
}

/// The first path that a message has in single quotes.
fn quoted(message: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once('\'')?;
    Some(rest.split_once('\'')?.0.trim_end_matches('/').into())
}
