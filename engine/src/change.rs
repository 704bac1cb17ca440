//! What was edited? Files and lines that differ between two versions.

mod apply;
mod compose;
pub mod diff;
mod lines;
pub mod resolve;

pub use apply::{Misfit, apply_hunks, revert_hunks};
pub use lines::LineSet;

use std::sync::Arc;

use serde::Serialize;

use crate::{
    notice::Notice,
    source::{BlobId, RepoPath, Sources},
};

/// A set of edits to read as one: what is staged, a commit, a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where it comes from.
    pub origin: Origin,
    /// The files it touches, by path, each at most once.
    pub files: Vec<FileChange>,
}

/// Where a [`Change`] comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Origin {
    /// The index against HEAD.
    Staged,
    /// The work tree against the index, untracked files included.
    Worktree,
    /// A commit against its parents.
    Commit {
        /// Its id.
        id: String,
    },
    /// What `head` has that the merge base with `base` has not.
    Range {
        /// The merge base's id.
        base: String,
        /// The head's id.
        head: String,
    },
    /// A unified diff from a file or a stream.
    Diff {
        /// The file's name, or `-`.
        name: String,
    },
    /// Every file as it is: all lines count as touched.
    All,
}

/// The two versions a [`Change`] stands between.
pub struct Versions {
    /// The change itself.
    pub change: Change,
    /// The older version; empty where there is none.
    pub old: Arc<dyn Sources>,
    /// The newer version.
    pub new: Arc<dyn Sources>,
    /// What could not be read.
    pub notices: Vec<Notice>,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is new.
    Added,
    /// Its content changed.
    Modified,
    /// It is gone; `path` is the path it had.
    Deleted,
    /// It moved, perhaps with edits; `old_path` is set.
    Renamed,
    /// It was made from another file that stays; `old_path` is set.
    Copied,
    /// Only its mode changed.
    Mode,
    /// It became another kind of thing (file, link, submodule).
    Kind,
    /// It is looked at as it is, with no older version to compare.
    Whole,
}

/// What sort of thing a path names, as git's tree entries tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A regular file of lines.
    Text,
    /// A regular file that git takes for binary.
    Binary,
    /// A symbolic link.
    Symlink,
    /// A submodule.
    Submodule,
    /// A text of which only the lines of a diff are known, each at its place; the others read as empty.
    Excerpt,
}

/// One file of a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Its path in the new version (in the old one when deleted).
    pub path: RepoPath,
    /// Its path in the old version where that differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_path: Option<RepoPath>,
    /// What happened.
    pub status: Status,
    /// What it is in the new version (in the old one when deleted).
    pub kind: Kind,
    /// Git's file mode before, for example `0o100644`; 0 where there was none.
    pub old_mode: u32,
    /// Git's file mode after; 0 where there is none.
    pub new_mode: u32,
    /// The old content's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_blob: Option<BlobId>,
    /// The new content's id; none for content that is not in git yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_blob: Option<BlobId>,
    /// The edits, in order of place. Empty for binary files and for [`Status::Whole`].
    #[serde(skip)]
    pub hunks: Vec<Hunk>,
    /// The lines of the new version that this change is answerable for.
    #[serde(skip)]
    pub touched: LineSet,
}

impl FileChange {
    /// A file looked at as it is.
    pub fn whole(path: RepoPath, blob: Option<BlobId>) -> Self {
        Self {
            path,
            old_path: None,
            status: Status::Whole,
            kind: Kind::Text,
            old_mode: 0,
            new_mode: 0o100_644,
            old_blob: None,
            new_blob: blob,
            hunks: Vec::new(),
            touched: LineSet::all(),
        }
    }

    /// Where the old version's content is.
    pub fn path_before(&self) -> &RepoPath {
        self.old_path.as_ref().unwrap_or(&self.path)
    }

    /// Whether there is an older version of the content to compare with.
    pub fn had_content(&self) -> bool {
        !matches!(self.status, Status::Added | Status::Whole)
    }

    /// Whether there is a newer version of the content to read.
    pub fn has_content(&self) -> bool {
        self.status != Status::Deleted
    }
}

/// A stretch of lines in one version, as a hunk header gives it: `start` is 1-based; with `count` 0 it names the
/// line before the gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct LineRange {
    /// 1-based first line.
    pub start: u32,
    /// How many lines.
    pub count: u32,
}

impl LineRange {
    /// The 1-based line that the range starts at; with `count` 0 the line after the gap.
    pub fn begin(self) -> u32 {
        if self.count == 0 { self.start.saturating_add(1) } else { self.start }
    }

    /// The 1-based line after the range.
    pub fn end(self) -> u32 {
        self.begin().saturating_add(self.count)
    }

    fn from_begin(begin: i64, count: i64) -> Option<Self> {
        let start = if count == 0 { begin.checked_sub(1)? } else { begin };
        (begin >= 1).then_some(Self { start: u32::try_from(start).ok()?, count: u32::try_from(count).ok()? })
    }
}

/// One edit with the lines around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// Its lines in the old version.
    pub old: LineRange,
    /// Its lines in the new version.
    pub new: LineRange,
    /// Context, removed and added lines in diff order.
    pub lines: Vec<Line>,
}

/// What a line of a hunk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// In both versions.
    Context,
    /// Only in the new version.
    Added,
    /// Only in the old version.
    Removed,
}

/// One line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Which version has it.
    pub tag: Tag,
    /// Its bytes with its line ending; without one only for a last line that has none.
    pub bytes: Vec<u8>,
}

/// The new version's added lines of some hunks.
pub fn added_lines(hunks: &[Hunk]) -> LineSet {
    let mut set = LineSet::default();
    for hunk in hunks {
        let mut line = hunk.new.start;
        for Line { tag, .. } in &hunk.lines {
            match tag {
                Tag::Added => {
                    set.push(line);
                    line += 1;
                }
                Tag::Context => line += 1,
                Tag::Removed => {}
            }
        }
    }
    set
}

/// The old version's removed lines of a hunk.
pub fn removed_lines(hunk: &Hunk) -> LineSet {
    let mut set = LineSet::default();
    let mut line = hunk.old.start;
    for Line { tag, .. } in &hunk.lines {
        match tag {
            Tag::Removed => {
                set.push(line);
                line += 1;
            }
            Tag::Context => line += 1,
            Tag::Added => {}
        }
    }
    set
}

/// The lines of `new` that are not in `old`, by a line diff (Myers).
pub fn touched_lines(old: &[u8], new: &[u8]) -> LineSet {
    let (old, new) = (lines_of(old), lines_of(new));
    let diff = similar::TextDiff::configure().diff_slices(&old, &new);
    let mut set = LineSet::default();
    for op in diff.ops() {
        if !matches!(op.tag(), similar::DiffTag::Equal | similar::DiffTag::Delete) {
            op.new_range().for_each(|line| set.push(line as u32 + 1));
        }
    }
    set
}

/// Lines with their endings, as git counts them: a lone carriage return ends none.
fn lines_of(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}
