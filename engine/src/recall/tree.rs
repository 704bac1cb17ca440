//! Which files of a work tree, or of a commit, are indexed, and how are they cut?

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::{
    chunk::{self, Chunked},
    document::{self, Format},
    error::IndexError,
    store::Place,
    update::{Item, Library},
};
use crate::{
    config::{Config, ConfigError},
    git::{CommitId, Listed, Repository},
    notice::{self, Notice},
    secret,
    source::{Ignored, RepoPath, SourceFile, Unreadable},
};

/// The files of a work tree that git does not ignore, as they are on disk; or those of one commit.
pub struct Tree {
    repository: Arc<Repository>,
    name: String,
    /// The commit; none for the work tree.
    commit: Option<CommitId>,
    left_out: GlobSet,
    ignored: Ignored,
    most_bytes: u64,
    listed: OnceLock<HashMap<RepoPath, Listed>>,
}

/// Commits whose dates are looked at to tell which files are worked on now.
const MOST_COMMITS: usize = 500;

impl Tree {
    /// The work tree of a repository, without what its configuration and `.ai_coder_ignore` leave out.
    ///
    /// # Errors
    /// [`ConfigError::Glob`] for a glob that is not one.
    pub fn new(repository: Arc<Repository>, config: &Config, ignored: Ignored) -> Result<Self, ConfigError> {
        let files = &config.files;
        let mut left_out = GlobSetBuilder::new();
        for glob in [&files.exclude, &files.generated, &files.vendored, &config.recall.exclude].into_iter().flatten() {
            let bad = |error: globset::Error| ConfigError::Glob { glob: glob.clone(), why: error.kind().to_string() };
            left_out.add(Glob::new(glob).map_err(bad)?);
        }
        let bad = |error: globset::Error| ConfigError::Glob { glob: String::new(), why: error.kind().to_string() };
        Ok(Self {
            name: name(&repository),
            commit: None,
            repository,
            left_out: left_out.build().map_err(bad)?,
            ignored,
            most_bytes: config.recall.max_file_bytes,
            listed: OnceLock::new(),
        })
    }

    /// The same of a commit's files, in a view of this name.
    #[must_use]
    pub fn at(self, commit: CommitId, name: &str) -> Self {
        Self { commit: Some(commit), name: name.to_owned(), ..self }
    }

    fn listing(&self) -> Result<Vec<Listed>, IndexError> {
        Ok(match &self.commit {
            Some(commit) => self.repository.listing_of(commit, self.most_bytes)?,
            None => self.repository.listing(self.most_bytes)?,
        })
    }

    fn is_wanted(&self, path: &RepoPath) -> bool {
        !self.left_out.is_match(path) && self.ignored.pattern(path).is_none()
    }
}

/// The name of a work tree's view: its own git directory below the common one; empty for the main work tree.
pub fn name(repository: &Repository) -> String {
    let own = repository.git_dir().strip_prefix(repository.common_dir()).unwrap_or(repository.git_dir());
    own.to_string_lossy().trim_matches('/').to_owned()
}

impl Library for Tree {
    fn name(&self) -> &str {
        &self.name
    }

    fn items(&self) -> Result<Vec<Item>, IndexError> {
        let listed: HashMap<RepoPath, Listed> = self
            .listing()?
            .into_iter()
            .filter(|listed| self.is_wanted(&listed.path))
            .map(|listed| (listed.path.clone(), listed))
            .collect();
        let listed = self.listed.get_or_init(|| listed);
        let item = |listed: &Listed| Item {
            place: Place::File(listed.path.clone()),
            content: listed.content.to_vec(),
            title: String::new(),
        };
        let mut items: Vec<Item> = listed.values().map(item).collect();
        items.sort_by(|a, b| a.place.cmp(&b.place));
        Ok(items)
    }

    fn chunks(&self, item: &Item) -> Result<Option<Chunked>, Notice> {
        let Place::File(path) = &item.place else { return Ok(None) };
        let Some(listed) = self.listed.get().and_then(|listed| listed.get(path)) else { return Ok(None) };
        let read = self.repository.content(listed);
        let failed = |error| Notice::failure(path, format!("not indexed: {}", notice::chain(&error)));
        let Some(bytes) = read.map_err(failed)? else {
            return Err(Notice::note(path, "changed while it was read; the next update takes it"));
        };
        match Format::of_path(path).filter(|&format| format != Format::Html) {
            Some(Format::Pdf) => Ok(None),
            Some(format) => document(format, path, &bytes),
            None => Ok(code(path, bytes)),
        }
    }

    /// A linked work tree has its folder below the common one until it is removed or pruned.
    fn is_gone(&self, view: &str) -> bool {
        view.starts_with("worktrees/") && !self.repository.common_dir().join(view).is_dir()
    }

    fn recent(&self, since: Option<&str>) -> Option<(String, Vec<(String, i64)>)> {
        // A mirror has no history to tell from.
        let head = self.repository.head().filter(|_| self.commit.is_none())?;
        if since == Some(&head) {
            return Some((head, Vec::new()));
        }
        let recent = self.repository.recent(MOST_COMMITS, since).ok()?;
        Some((head, recent.into_iter().map(|(path, time)| (path.to_string(), time)).collect()))
    }
}

/// A document without its secrets, cut into sections.
fn document(format: Format, path: &RepoPath, bytes: &[u8]) -> Result<Option<Chunked>, Notice> {
    let text = String::from_utf8_lossy(bytes);
    let masked = secret::mask(&text);
    match document::sections(format, masked.as_bytes()) {
        Ok(chunked) => Ok(Some(chunked)),
        Err(error) => Err(Notice::skipped(path, format!("not indexed: {error}"))),
    }
}

/// A source file without its secrets, cut into definitions; none for what is no text.
fn code(path: &RepoPath, bytes: Arc<[u8]>) -> Option<Chunked> {
    let file = match SourceFile::new(path.clone(), bytes, u64::MAX) {
        Ok(file) => file,
        Err(Unreadable::Binary | Unreadable::Utf16 | Unreadable::LfsPointer | Unreadable::TooLarge { .. }) => {
            return None;
        }
    };
    let masked = match secret::mask(&file.text) {
        std::borrow::Cow::Borrowed(_) => return Some(chunk::code(&file)),
        std::borrow::Cow::Owned(masked) => masked,
    };
    let masked = SourceFile::new(path.clone(), masked.into_bytes().into(), u64::MAX).ok()?;
    Some(chunk::code(&masked))
}
