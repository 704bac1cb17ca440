//! A tree of files that exists only in memory: tests, `eval`, and content under verification.

use std::collections::BTreeMap;

use super::{Content, RepoPath, SourceError, Sources};

/// Files by path.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub BTreeMap<RepoPath, std::sync::Arc<[u8]>>);

impl Memory {
    /// A tree of one file.
    pub fn of(path: RepoPath, bytes: impl Into<std::sync::Arc<[u8]>>) -> Self {
        Self(BTreeMap::from([(path, bytes.into())]))
    }
}

impl Sources for Memory {
    fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError> {
        Ok(self.0.get(path).cloned().map(Content::Bytes))
    }

    fn list(&self) -> Result<Vec<RepoPath>, SourceError> {
        Ok(self.0.keys().cloned().collect())
    }
}
