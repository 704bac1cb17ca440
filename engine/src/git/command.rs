//! What does the git command say, where libgit2 cannot? Indexes it does not know, objects that must be fetched.
//!
//! The one module that starts git. It never writes the index: optional locks are off, and only reading commands run.
#![expect(clippy::disallowed_methods, reason = "the one module that starts git")]

use std::process::{Command, Stdio};

use super::{Repository, error::GitError, objects::Entry};
use crate::{
    change::{FileChange, Status, diff::parse},
    notice::Notice,
    source::RepoPath,
};

/// So that the output depends on no one's configuration, and no program is run that it names.
const DIFF: [&str; 13] = [
    "diff",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--full-index",
    "--find-renames",
    "--find-copies",
    "--src-prefix=a/",
    "--dst-prefix=b/",
    "--submodule=short",
    "--no-relative",
    "--unified=3",
    "--inter-hunk-context=0",
];

impl Repository {
    fn command(&self, arguments: &[&str]) -> Result<Vec<u8>, GitError> {
        let mut command = Command::new("git");
        command.args(["--no-optional-locks", "--no-pager", "-c", "core.fsmonitor=false"]).args(arguments);
        command.env("GIT_DIR", &self.git_dir).env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C").stdin(Stdio::null());
        if let Some(work_dir) = &self.work_dir {
            command.env("GIT_WORK_TREE", work_dir).current_dir(work_dir);
        }
        let output = command.output().map_err(|error| GitError(format!("the git command does not start: {error}")))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let lines = said.lines().map(|line| line.trim_start_matches("fatal: ").trim_start_matches("error: "));
        Err(GitError(lines.filter(|line| !line.is_empty()).take(3).collect::<Vec<_>>().join("; ")))
    }

    /// The files that differ between two sides, as `git diff` is told them.
    pub(super) fn command_diff(&self, sides: &[&str]) -> Result<(Vec<FileChange>, Vec<Notice>), GitError> {
        Ok(parse(&self.command(&[&DIFF, sides, &["--"]].concat())?))
    }

    /// Every entry of the index; folders of a sparse index as the files below them.
    pub(super) fn command_entries(&self) -> Result<Vec<Entry>, GitError> {
        let listed = self.command(&["ls-files", "--stage", "-z"])?;
        let mut entries: Vec<Entry> = listed.split(|&byte| byte == 0).filter_map(entry).collect();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(entries)
    }

    /// Files of the work tree that the index does not have and that are not ignored, as added.
    pub(super) fn command_untracked(&self) -> Result<Vec<FileChange>, GitError> {
        let listed = self.command(&["ls-files", "--others", "--exclude-standard", "-z"])?;
        let paths = listed.split(|&byte| byte == 0).filter_map(|path| RepoPath::new(path).ok());
        Ok(paths.map(|path| FileChange { status: Status::Added, ..FileChange::whole(path, None) }).collect())
    }

    /// Has git fetch what a partial clone lacks for reading this. In other repositories nothing is done.
    pub(super) fn fetch_for(&self, reading: &[&str]) -> Result<(), GitError> {
        if !self.is_partial() {
            return Ok(());
        }
        self.command(reading).map(drop)
    }

    /// Has git fetch one object that a partial clone lacks.
    pub(super) fn fetch_object(&self, id: &str) -> Result<(), GitError> {
        self.fetch_for(&["cat-file", "-e", id])
    }
}

/// `MODE ID STAGE<tab>PATH`; none for an unmerged path and for one that is not UTF-8.
fn entry(line: &[u8]) -> Option<Entry> {
    let tab = memchr::memchr(b'\t', line)?;
    let mut words = std::str::from_utf8(&line[..tab]).ok()?.split(' ');
    let (mode, id, stage) = (words.next()?, words.next()?, words.next()?);
    let mode = u32::from_str_radix(mode, 8).ok()?;
    (stage == "0").then_some(())?;
    Some((RepoPath::new(&line[tab + 1..]).ok()?, git2::Oid::from_str(id).ok()?, mode))
}
