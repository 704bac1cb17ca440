//! Which file, seen from the root of the repository?

use std::{borrow::Borrow, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// A path relative to the repository's root: UTF-8, `/` between parts, never absolute, never `..`.
///
/// Everything that joins a `RepoPath` to a directory relies on this, so the only way to make one is
/// [`RepoPath::new`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepoPath(Arc<str>);

/// Why some bytes are not a [`RepoPath`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// Not UTF-8; shown with each odd byte escaped.
    #[error("the name `{0}` is not UTF-8")]
    NotUtf8(String),
    /// Empty, absolute, or with a `.`, `..` or `.git` part: it could name something outside the tree.
    #[error("`{0}` does not stay inside the repository")]
    Escapes(String),
}

impl RepoPath {
    /// A checked path.
    ///
    /// # Errors
    /// [`InvalidPath`] for bytes that are not UTF-8 and for paths that could leave the repository.
    pub fn new(bytes: impl AsRef<[u8]>) -> Result<Self, InvalidPath> {
        let bytes = bytes.as_ref();
        let text = std::str::from_utf8(bytes).map_err(|_| InvalidPath::NotUtf8(bytes.escape_ascii().to_string()))?;
        let bad_part = |part: &str| {
            part.is_empty() || part == "." || part == ".." || part.eq_ignore_ascii_case(".git") || part.contains('\0')
        };
        if text.split('/').any(bad_part) {
            return Err(InvalidPath::Escapes(text.escape_default().to_string()));
        }
        Ok(Self(text.into()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last part.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// What follows the last dot of the file name, without the dot.
    pub fn extension(&self) -> Option<&str> {
        let (stem, extension) = self.file_name().rsplit_once('.')?;
        (!stem.is_empty()).then_some(extension)
    }

    /// Everything before the last `/`; empty at the root.
    pub fn parent(&self) -> &str {
        self.0.rsplit_once('/').map_or("", |(parent, _)| parent)
    }
}

impl TryFrom<String> for RepoPath {
    type Error = InvalidPath;
    fn try_from(text: String) -> Result<Self, InvalidPath> {
        Self::new(text)
    }
}

impl From<RepoPath> for String {
    fn from(path: RepoPath) -> Self {
        path.0.as_ref().to_owned()
    }
}

impl Borrow<str> for RepoPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<std::path::Path> for RepoPath {
    fn as_ref(&self) -> &std::path::Path {
        self.0.as_ref().as_ref()
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_whatever_could_leave_the_repository() {
        for bad in ["", "/etc/passwd", "a/../b", "./a", "a//b", "a/", ".git/config", "a/.GIT/x", "a\0b"] {
            assert!(RepoPath::new(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(RepoPath::new(b"caf\xe9"), Err(InvalidPath::NotUtf8(shown)) if shown == r"caf\xe9"));
    }

    #[test]
    fn splits_into_parts() {
        let path = RepoPath::new("src/a b/main.test.rs").unwrap();
        assert_eq!((path.file_name(), path.extension(), path.parent()), ("main.test.rs", Some("rs"), "src/a b"));
        assert_eq!(RepoPath::new(".gitignore").unwrap().extension(), None);
    }
}
