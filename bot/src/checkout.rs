//! Where are the commits? Bare mirrors under the state folder, filled with what a review needs and emptied by age.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use engine::git::{self, CommitId, FetchError, Remote, Repository};

use crate::{
    files,
    forge::{GitAccess, RepoName},
    settings,
};

/// The mirrors of all repositories.
pub(crate) struct Mirrors {
    root: PathBuf,
    limits: settings::Checkout,
    /// One fetch at a time for each repository. Whoever reads one holds a clone, so that it is not removed meanwhile.
    locks: Mutex<HashMap<RepoName, Arc<Mutex<()>>>>,
}

/// A mirror with the commits that were asked for, kept from being removed.
pub(crate) struct Held {
    pub(crate) repository: Arc<Repository>,
    pub(crate) folder: PathBuf,
    _lock: Arc<Mutex<()>>,
}

impl Held {
    /// Where the index of its base branch lies.
    pub(crate) fn index(&self) -> PathBuf {
        self.folder.join("apprentice/index")
    }
}

impl Mirrors {
    pub(crate) fn new(root: PathBuf, limits: settings::Checkout) -> Self {
        Self { root, limits, locks: Mutex::default() }
    }

    fn lock(&self, repo: &RepoName) -> Arc<Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(repo.clone()).or_default())
    }

    fn folder(&self, repo: &RepoName) -> PathBuf {
        self.root.join(format!("{repo}.git"))
    }

    /// The mirror of a repository with these commits. Blocks while git fetches what is missing.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(crate) fn with(&self, repo: &RepoName, access: GitAccess, commits: &[CommitId]) -> Result<Held, FetchError> {
        let lock = self.lock(repo);
        let folder = self.folder(repo);
        let remote = self.remote(access);
        let repository = {
            let _one_at_a_time = lock.lock().unwrap_or_else(PoisonError::into_inner);
            git::mirror(&folder, &remote, commits)?
        };
        files::touch(&folder);
        Ok(Held { repository, folder, _lock: lock })
    }

    /// Sends a commit of a mirror to a branch. Blocks while git does.
    ///
    /// # Errors
    /// [`FetchError`].
    pub(crate) fn push(
        &self,
        held: &Held,
        access: GitAccess,
        commit: &CommitId,
        branch: &str,
    ) -> Result<(), FetchError> {
        git::push(&held.folder, &self.remote(access), commit, branch)
    }

    fn remote(&self, access: GitAccess) -> Remote {
        Remote {
            url: access.url,
            authorization: access.authorization,
            most_bytes: self.limits.max_bytes,
            patience: Duration::from_secs(self.limits.fetch_seconds),
        }
    }

    /// Removes the longest unused mirrors until the others fit. One that is being read stays.
    pub(crate) fn evict(&self) {
        let mut mirrors = files::mirrors(&self.root);
        mirrors.sort_by_key(|(_, _, used)| *used);
        let mut total: u64 = mirrors.iter().map(|(_, size, _)| size).sum();
        for (folder, size, _) in mirrors {
            if total <= self.limits.keep_bytes {
                return;
            }
            if self.remove_unused(&folder) {
                total -= size;
            }
        }
    }

    fn remove_unused(&self, folder: &std::path::Path) -> bool {
        let name = folder.strip_prefix(&self.root).ok().and_then(|name| name.to_str()?.strip_suffix(".git"));
        let Some(repo) = name.and_then(RepoName::parse) else { return false };
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if locks.get(&repo).is_some_and(|lock| Arc::strong_count(lock) > 1) {
            return false;
        }
        locks.remove(&repo);
        match files::remove(folder) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%repo, error = %format!("{error:#}"), "a mirror cannot be removed");
                false
            }
        }
    }
}
