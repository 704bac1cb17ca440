//! How do two versions in git differ? libgit2's diff as a list of [`FileChange`].

use git2::{Delta, DiffFindOptions, DiffOptions};

use super::GitError;
use crate::{
    change::{self, FileChange, Hunk, Kind, Line, LineRange, LineSet, Status, Tag},
    notice::Notice,
    source::{BlobId, InvalidPath, RepoPath},
};

pub(super) fn options() -> DiffOptions {
    let mut options = DiffOptions::new();
    options.context_lines(3).indent_heuristic(true).ignore_submodules(false).include_typechange(true);
    options
}

/// Keeps, of each file, the lines that the diff against another parent touches too.
pub(super) fn narrow(files: &mut Vec<FileChange>, other: Vec<FileChange>) {
    let other: std::collections::HashMap<RepoPath, LineSet> =
        other.into_iter().map(|file| (file.path, file.touched)).collect();
    files.retain_mut(|file| match other.get(&file.path) {
        Some(touched) => {
            file.touched = file.touched.intersection(touched);
            true
        }
        None => false,
    });
}

/// The files of a libgit2 diff. Paths that are not UTF-8 become notices.
pub(super) fn read(
    mut diff: git2::Diff<'_>,
    leave_out: impl Fn(&[u8]) -> bool,
) -> Result<(Vec<FileChange>, Vec<Notice>), git2::Error> {
    let (mut files, mut notices) = (Vec::new(), Vec::new());
    if diff.deltas().any(|delta| delta.status() == Delta::Added)
        && let Err(error) = diff.find_similar(Some(DiffFindOptions::new().renames(true).copies(true).rename_limit(400)))
    {
        notices.push(Notice::note("git", format!("renames and copies were not looked for: {}", GitError::from(error))));
    }
    for at in 0..diff.deltas().len() {
        let Some(delta) = diff.get_delta(at) else { continue };
        if matches!(delta.status(), Delta::Unmodified | Delta::Ignored | Delta::Unreadable | Delta::Conflicted) {
            continue;
        }
        let bytes = delta.new_file().path_bytes().or_else(|| delta.old_file().path_bytes()).unwrap_or_default();
        if leave_out(bytes) {
            continue;
        }
        match read_delta(&diff, at, &delta) {
            Ok(Ok(file)) => files.push(file),
            Ok(Err(error)) => notices.push(unreadable(bytes, error)),
            Err(invalid) => notices.push(odd_path(bytes, &invalid)),
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((files, notices))
}

fn odd_path(bytes: &[u8], invalid: &InvalidPath) -> Notice {
    Notice::skipped(bytes.escape_ascii(), format!("not reviewed: {invalid}"))
}

fn unreadable(path: &[u8], error: git2::Error) -> Notice {
    let what = format!("not reviewed: git cannot read what changed: {}", GitError::from(error));
    Notice::failure(path.escape_ascii(), what).advise("git fsck says what else is damaged or missing")
}

type Delta2<'a> = git2::DiffDelta<'a>;

fn read_delta(
    diff: &git2::Diff<'_>,
    at: usize,
    delta: &Delta2<'_>,
) -> Result<Result<FileChange, git2::Error>, InvalidPath> {
    let (old, new) = (delta.old_file(), delta.new_file());
    let path = RepoPath::new(new.path_bytes().or_else(|| old.path_bytes()).unwrap_or_default())?;
    let old_path = RepoPath::new(old.path_bytes().unwrap_or_default()).ok().filter(|old| *old != path);
    let side = if delta.status() == Delta::Deleted { &old } else { &new };
    let blob = |file: &git2::DiffFile<'_>| (!file.id().is_zero()).then(|| BlobId(file.id().to_string()));
    let mode = |file: &git2::DiffFile<'_>| if file.exists() { u32::from(file.mode()) } else { 0 };
    let mut file = FileChange {
        status: status(delta, &old, &new),
        kind: kind(side.mode()),
        old_path: if matches!(delta.status(), Delta::Renamed | Delta::Copied) { old_path } else { None },
        path,
        old_mode: mode(&old),
        new_mode: mode(&new),
        old_blob: blob(&old),
        new_blob: blob(&new),
        hunks: Vec::new(),
        touched: LineSet::default(),
    };
    if file.kind != Kind::Text || !file.has_content() {
        return Ok(Ok(file));
    }
    let patch = match git2::Patch::from_diff(diff, at) {
        Ok(patch) => patch,
        Err(error) => return Ok(Err(error)),
    };
    // The flags are set only once libgit2 has loaded the content, which making the patch does.
    match patch {
        Some(patch) if patch.delta().flags().is_binary() => file.kind = Kind::Binary,
        Some(patch) => match read_hunks(&patch) {
            Ok(hunks) => file.hunks = hunks,
            Err(error) => return Ok(Err(error)),
        },
        None if diff.get_delta(at).is_some_and(|delta| delta.flags().is_binary()) => file.kind = Kind::Binary,
        None => {}
    }
    file.touched = change::added_lines(&file.hunks);
    Ok(Ok(file))
}

fn status(delta: &Delta2<'_>, old: &git2::DiffFile<'_>, new: &git2::DiffFile<'_>) -> Status {
    match delta.status() {
        Delta::Added | Delta::Untracked => Status::Added,
        Delta::Deleted => Status::Deleted,
        Delta::Renamed => Status::Renamed,
        Delta::Copied => Status::Copied,
        Delta::Typechange => Status::Kind,
        _ if old.id() == new.id() && old.mode() != new.mode() && !new.id().is_zero() => Status::Mode,
        _ => Status::Modified,
    }
}

fn kind(mode: git2::FileMode) -> Kind {
    match mode {
        git2::FileMode::Link => Kind::Symlink,
        git2::FileMode::Commit => Kind::Submodule,
        _ => Kind::Text,
    }
}

fn read_hunks(patch: &git2::Patch<'_>) -> Result<Vec<Hunk>, git2::Error> {
    let mut hunks = Vec::with_capacity(patch.num_hunks());
    for at in 0..patch.num_hunks() {
        let (header, count) = patch.hunk(at)?;
        let mut lines = Vec::with_capacity(count);
        for line in 0..count {
            let line = patch.line_in_hunk(at, line)?;
            let tag = match line.origin() {
                ' ' => Tag::Context,
                '+' => Tag::Added,
                '-' => Tag::Removed,
                // "\ No newline at end of file": libgit2 gives the line itself without one already.
                _ => continue,
            };
            lines.push(Line { tag, bytes: line.content().to_vec() });
        }
        hunks.push(Hunk {
            old: LineRange { start: header.old_start(), count: header.old_lines() },
            new: LineRange { start: header.new_start(), count: header.new_lines() },
            lines,
        });
    }
    Ok(hunks)
}
