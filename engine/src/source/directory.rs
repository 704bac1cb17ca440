//! A directory on disk, git or not.
#![expect(clippy::disallowed_methods, reason = "one of the modules that may read the file system")]

use std::{fs, io, path::PathBuf};

use super::{Content, RepoPath, SourceError, Sources};

/// The files under a root, read as they are now. `.gitignore` and `.ai_coder_ignore` are honoured when listing.
#[derive(Debug, Clone)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Nothing is read until asked.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }
}

impl Sources for Directory {
    fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError> {
        let full = self.root.join(path);
        let failed = |source| SourceError::Io { path: path.to_string(), source };
        let meta = match fs::symlink_metadata(&full) {
            Ok(meta) => meta,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        if meta.is_symlink() {
            let target = fs::read_link(&full).map_err(failed)?;
            return Ok(Some(Content::Symlink(target.into_os_string().into_encoded_bytes().into())));
        }
        if !meta.is_file() {
            return Ok(None);
        }
        Ok(Some(Content::Bytes(fs::read(&full).map_err(failed)?.into())))
    }

    fn list(&self) -> Result<Vec<RepoPath>, SourceError> {
        let mut walk = ignore::WalkBuilder::new(&self.root);
        walk.hidden(false).require_git(false).filter_entry(|entry| entry.file_name() != ".git");
        let mut paths = Vec::new();
        for entry in walk.build().flatten() {
            if entry.file_type().is_some_and(|kind| kind.is_file() || kind.is_symlink())
                && let Ok(relative) = entry.path().strip_prefix(&self.root)
                && let Ok(path) = RepoPath::new(relative.as_os_str().as_encoded_bytes())
            {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }
}
