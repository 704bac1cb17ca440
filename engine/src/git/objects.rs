//! What does a commit or the index hold under a path?

use std::sync::Arc;

use git2::{ObjectType, Oid};

use super::{GitError, Repository};
use crate::source::{Content, RepoPath, SourceError, Sources};

/// A commit's tree.
pub(super) struct TreeSource {
    pub(super) repository: Arc<Repository>,
    pub(super) tree: Oid,
}

impl Sources for TreeSource {
    fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError> {
        let (id, mode) = {
            let git = self.repository.git();
            let failed = |source: git2::Error| object_error(path.as_str(), &source);
            let tree = git.find_tree(self.tree).map_err(failed)?;
            match tree.get_path(path.as_ref()) {
                Ok(entry) => (entry.id(), entry.filemode() as u32),
                Err(error) if error.code() == git2::ErrorCode::NotFound => return Ok(None),
                Err(error) => return Err(failed(error)),
            }
        };
        content(&self.repository, id, mode, path)
    }

    fn list(&self) -> Result<Vec<RepoPath>, SourceError> {
        let git = self.repository.git();
        let failed = |source: git2::Error| object_error("", &source);
        let tree = git.find_tree(self.tree).map_err(failed)?;
        let mut paths = Vec::new();
        tree.walk(git2::TreeWalkMode::PreOrder, |parent, entry| {
            if entry.kind() == Some(ObjectType::Blob) {
                let full = [parent.as_bytes(), entry.name_bytes()].concat();
                paths.extend(RepoPath::new(full));
            }
            git2::TreeWalkResult::Ok
        })
        .map_err(failed)?;
        paths.sort();
        Ok(paths)
    }
}

/// A file of the index: its path, its blob and its mode.
pub(super) type Entry = (RepoPath, Oid, u32);

/// The index as it was when the review began.
pub(super) struct IndexSource {
    pub(super) repository: Arc<Repository>,
    pub(super) entries: Vec<Entry>,
}

impl Sources for IndexSource {
    fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError> {
        match self.entries.binary_search_by(|(entry, ..)| entry.cmp(path)) {
            Ok(at) => content(&self.repository, self.entries[at].1, self.entries[at].2, path),
            Err(_) => Ok(None),
        }
    }

    fn list(&self) -> Result<Vec<RepoPath>, SourceError> {
        Ok(self.entries.iter().map(|(path, ..)| path.clone()).collect())
    }
}

pub(super) fn entries(index: &git2::Index) -> Vec<Entry> {
    let stage = |flags: u16| (flags >> 12) & 3;
    let mut entries: Vec<_> = index
        .iter()
        .filter(|entry| stage(entry.flags) == 0)
        .filter_map(|entry| Some((RepoPath::new(&entry.path).ok()?, entry.id, entry.mode)))
        .collect();
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries
}

fn content(repository: &Repository, id: Oid, mode: u32, path: &RepoPath) -> Result<Option<Content>, SourceError> {
    Ok(Some(match mode {
        0o160_000 => Content::Submodule(id.to_string()),
        0o120_000 => Content::Symlink(repository.blob(id, path)?),
        0o040_000 => return Ok(None),
        _ => Content::Bytes(repository.blob(id, path)?),
    }))
}

pub(super) fn not_fetched(path: &RepoPath, source: GitError) -> SourceError {
    let why = format!("this partial clone lacks it, and fetching it failed: {source}");
    SourceError::Object { path: path.to_string(), why, missing: true }
}

pub(super) fn object_error(path: &str, error: &git2::Error) -> SourceError {
    let missing = error.code() == git2::ErrorCode::NotFound;
    SourceError::Object { path: path.to_owned(), why: error.message().trim_end_matches('.').to_owned(), missing }
}
