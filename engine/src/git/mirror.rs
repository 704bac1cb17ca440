//! What does a remote repository hold at a few commits? A bare repository that is filled with just those.
//!
//! Nothing is ever checked out. Commits are named by their ids alone, so that no branch name reaches a command line.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use super::{GitError, Repository, RepositoryError, command};
use crate::source::RepoPath;

/// A commit's id as 40 hex digits, checked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(String);

impl CommitId {
    /// An id from text; `None` for anything but 40 hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let is_id = text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| Self(text.to_ascii_lowercase()))
    }

    /// The hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where to fetch from, and how much.
pub struct Remote {
    /// An `https` (or, for tests and private networks, `http`) address without credentials.
    pub url: String,
    /// The value of an `Authorization` header. It goes to git through the environment, never through arguments or files.
    pub authorization: Option<String>,
    /// The most bytes that one fetch may bring.
    pub most_bytes: u64,
    /// How long one fetch may take.
    pub patience: Duration,
}

/// Why commits could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// More than [`Remote::most_bytes`].
    #[error("it holds more than {0} bytes, which is the most that is fetched")]
    TooLarge(u64),
    /// Longer than [`Remote::patience`].
    #[error("it was not fetched within {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// git refused; the remote does not have a commit, or does not let us in.
    #[error("git cannot fetch it: {0}")]
    Git(#[source] GitError),
    /// The folder cannot be made.
    #[error("cannot make the mirror in `{}`", .0.display())]
    Folder(PathBuf, #[source] RepositoryError),
}

/// Makes sure that the bare repository at `folder` has the whole trees of these commits, and opens it. Histories are not
/// fetched: what is brought grows with the trees, and, once a mirror has one, with what differs from it.
///
/// # Errors
/// [`FetchError`]; the mirror is as usable as before.
pub fn mirror(folder: &Path, remote: &Remote, commits: &[CommitId]) -> Result<Arc<Repository>, FetchError> {
    let failed = |error| FetchError::Folder(folder.to_owned(), error);
    let repository = match Repository::bare(folder) {
        Ok(repository) => repository,
        Err(_) => Repository::make_bare(folder).map_err(failed)?,
    };
    let mut missing: Vec<&str> = commits.iter().filter(|id| !repository.holds(id)).map(CommitId::as_str).collect();
    missing.sort_unstable();
    missing.dedup();
    if !missing.is_empty() {
        command::fetch(folder, remote, &missing)?;
    }
    // libgit2 learns of new packs and of `shallow` when it opens a repository.
    Repository::bare(folder).map(Arc::new).map_err(failed)
}

/// Sends a commit to a branch that is not there yet, or that has it already. Nothing is forced.
///
/// # Errors
/// [`FetchError`]; the remote is as it was.
pub fn push(folder: &Path, remote: &Remote, commit: &CommitId, branch: &str) -> Result<(), FetchError> {
    command::push(folder, remote, &format!("{commit}:refs/heads/{branch}"))
}

/// Who makes a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Their name.
    pub name: String,
    /// Their address.
    pub email: String,
}

impl Repository {
    /// Writes a commit on top of `parent` in which one file reads differently. Its time is its parent's, so that the same
    /// call makes the same commit.
    ///
    /// # Errors
    /// [`RepositoryError::Revision`] when the parent is not here, [`RepositoryError::Compare`] when it has no such file.
    pub fn commit_file(
        &self,
        parent: &CommitId,
        (path, bytes): (&RepoPath, &[u8]),
        message: &str,
        author: &Author,
    ) -> Result<CommitId, RepositoryError> {
        let git = self.git();
        let parent = super::find_commit(&git, parent.as_str())?;
        let failed = |source: git2::Error| RepositoryError::Compare {
            what: format!("`{path}` with what it should be"),
            source: source.into(),
        };
        let write = || {
            let tree = parent.tree()?;
            let mode = match tree.get_path(path.as_ref())?.filemode() {
                0o100_755 => git2::FileMode::BlobExecutable,
                _ => git2::FileMode::Blob,
            };
            let mut change = git2::build::TreeUpdateBuilder::new();
            change.upsert(path.as_str(), git.blob(bytes)?, mode);
            let tree = git.find_tree(change.create_updated(&git, &tree)?)?;
            let author = git2::Signature::new(&author.name, &author.email, &parent.time())?;
            git.commit(None, &author, &author, message, &tree, &[&parent])
        };
        write().map(|id| CommitId(id.to_string())).map_err(failed)
    }
}

#[cfg(test)]
#[path = "mirror/tests.rs"]
mod tests;
