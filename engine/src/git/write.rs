//! How does a fix get into the index and the work tree without losing a byte of either?
//!
//! The fix is made on the index's content. The same step is then merged into the work tree's file, whose unstaged
//! edits stay as they are; where the two meet, neither is touched.
//!
//! Everything that can fail is done aside first: new files and the new index are written into a folder of the git
//! directory. Then each work tree file is replaced by a rename, and the index last by git's own lock-and-rename. A
//! process killed at any moment leaves each of them whole, with the fix or without it; a fix that is in the work tree
//! only is an unstaged edit, and the next run merges it with itself.
#![expect(clippy::disallowed_methods, reason = "the one module that writes into the work tree")]

mod merge;
mod staging;
mod workbench;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::{Repository, RepositoryError};
use crate::source::RepoPath;
use staging::Swap;
use workbench::Workbench;

/// A file of the index before and after a fix.
#[derive(Debug, Clone)]
pub struct StagedFile {
    /// Where it is.
    pub path: RepoPath,
    /// The bytes that were reviewed.
    pub before: Vec<u8>,
    /// The bytes with the fix.
    pub after: Vec<u8>,
}

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    /// The index and the work tree have the fix.
    Landed,
    /// Nothing was touched, for this reason.
    Left(String),
}

impl Repository {
    /// Puts fixes into the index and, merged with whatever is unstaged there, into the work tree. Each file is
    /// decided for itself; the answers are in the order of `files`.
    ///
    /// # Errors
    /// [`RepositoryError::Locked`], [`RepositoryError::Write`] and [`RepositoryError::Index`] before anything was
    /// touched; [`RepositoryError::HalfWay`] when the work tree's files have the fixes and the index does not.
    pub fn land(&self, files: &[StagedFile]) -> Result<Vec<Landing>, RepositoryError> {
        let work_dir = self.work_dir()?.to_owned();
        let mut swap = Swap::new(self)?;
        let bench = Workbench::open(&self.git_dir, &swap.lock_path())?;
        swap.refuse_if_locked()?;
        let unchanged = swap.unchanged(files)?;
        let plan = |(file, unchanged): (&StagedFile, bool)| match unchanged {
            false => Err(INDEX_CHANGED.to_owned()),
            true => self.may_rewrite(&file.path).and_then(|()| step_in_work_tree(&work_dir, &bench, file)),
        };
        let steps: Vec<Result<Step, String>> = files.iter().zip(unchanged).map(plan).collect();
        let planned: Vec<&StagedFile> =
            files.iter().zip(&steps).filter(|(_, step)| step.is_ok()).map(|(f, _)| f).collect();
        if !planned.is_empty() {
            swap.prepare(&bench, &planned)?;
        }
        checkpoint("prepared");
        let landings: Vec<Landing> = steps.into_iter().map(|step| landing(step.and_then(Step::take))).collect();
        let landed: Vec<&StagedFile> =
            files.iter().zip(&landings).filter(|(_, landing)| **landing == Landing::Landed).map(|(f, _)| f).collect();
        if landed.is_empty() {
            return Ok(landings);
        }
        checkpoint("work-tree");
        let in_index = swap.commit(&bench, &landed).map_err(|error| RepositoryError::HalfWay(Box::new(error)))?;
        Ok(told_apart(files, landings, &in_index))
    }

    /// Puts fixes into the work tree alone, for reviews of the work tree.
    ///
    /// # Errors
    /// [`RepositoryError::Bare`], and [`RepositoryError::Write`] where the git directory cannot be written.
    pub fn land_in_work_tree(&self, files: &[StagedFile]) -> Result<Vec<Landing>, RepositoryError> {
        let work_dir = self.work_dir()?.to_owned();
        let bench = Workbench::open(&self.git_dir, &self.git_dir.join("index.lock"))?;
        let step = |file: &StagedFile| {
            let full = inside(&work_dir, &file.path)?;
            let there = fs::read(&full).map_err(|error| error.to_string())?;
            if there != file.before {
                return Err("the file changed while it was reviewed".to_owned());
            }
            Step::replacing(full, there, &file.after, &bench)
        };
        let steps: Vec<_> = files.iter().map(step).collect();
        Ok(steps.into_iter().map(|step| landing(step.and_then(Step::take))).collect())
    }

    /// Attributes by which git stores other bytes than it checks out; the step cannot be made in both alike.
    fn may_rewrite(&self, path: &RepoPath) -> Result<(), String> {
        let rewrites = |name: &&&str| self.attribute(path, name).is_some();
        match ["filter", "working-tree-encoding", "ident"].iter().find(rewrites) {
            Some(name) => Err(format!("git's `{name}` attribute rewrites it on checkout; make the fix by hand")),
            None => Ok(()),
        }
    }
}

const INDEX_CHANGED: &str = "the index changed while it was reviewed; run the command again";

fn landing(done: Result<(), String>) -> Landing {
    done.map_or_else(Landing::Left, |()| Landing::Landed)
}

/// Files whose index entry someone else replaced at the last moment did not land whole; say so.
fn told_apart(files: &[StagedFile], landings: Vec<Landing>, in_index: &[RepoPath]) -> Vec<Landing> {
    let words = "the index changed while the fix was made; the work tree has it as an unstaged edit";
    let tell = |(file, landing): (&StagedFile, Landing)| match landing {
        Landing::Landed if !in_index.contains(&file.path) => Landing::Left(words.into()),
        landing => landing,
    };
    files.iter().zip(landings).map(tell).collect()
}

/// What is to happen to one file of the work tree, ready to be taken.
enum Step {
    /// Nothing: it is not there, or it is as it should be.
    Stay,
    /// The new content waits beside and takes the place of what was read.
    Replace { full: PathBuf, read: Vec<u8>, waiting: NamedTempFile },
}

fn step_in_work_tree(work_dir: &Path, bench: &Workbench, file: &StagedFile) -> Result<Step, String> {
    let full = inside(work_dir, &file.path)?;
    let meta = match fs::symlink_metadata(&full) {
        Ok(meta) => meta,
        // Deleted in the work tree only: that deletion is an unstaged edit too, and stays.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Step::Stay);
        }
        Err(error) => return Err(error.to_string()),
    };
    if !meta.is_file() {
        return Err("in the work tree it is not a regular file; nothing was touched".into());
    }
    let there = fs::read(&full).map_err(|error| error.to_string())?;
    let merged = merge::merge(&file.before, &there, &file.after)
        .ok_or("unstaged edits in the work tree meet the fix; nothing was touched")?;
    if merged == there { Ok(Step::Stay) } else { Step::replacing(full, there, &merged, bench) }
}

/// The path in the work tree, unless it leads through a symbolic link and so maybe out of it.
fn inside(work_dir: &Path, path: &RepoPath) -> Result<PathBuf, String> {
    let full = work_dir.join(path);
    let folders = full.ancestors().skip(1).take_while(|folder| *folder != work_dir);
    let is_link = |folder: &Path| fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_symlink());
    match folders.into_iter().find(|folder| is_link(folder)) {
        Some(link) => Err(format!("`{}` is a symbolic link; nothing was touched", link.display())),
        None => Ok(full),
    }
}

impl Step {
    fn replacing(full: PathBuf, read: Vec<u8>, write: &[u8], bench: &Workbench) -> Result<Self, String> {
        let waiting = beside(&bench.folder, &full, write).map_err(|error| cannot_write(&full, &error))?;
        Ok(Self::Replace { full, read, waiting })
    }

    /// Puts the new content in place, unless the file changed since it was read.
    fn take(self) -> Result<(), String> {
        let Self::Replace { full, read, waiting } = self else { return Ok(()) };
        let unchanged = || match fs::read(&full) {
            Ok(now) if now == read => Ok(()),
            _ => Err("the file changed while it was being fixed; nothing was touched".to_owned()),
        };
        unchanged()?;
        checkpoint("before-rename");
        let failed = |error: &io::Error| cannot_write(&full, error);
        match waiting.persist(&full) {
            Ok(_) => Ok(()),
            // The bench lies in the git directory, so that a killed process leaves nothing in the work tree; a work
            // tree on another file system than its git directory needs a neighbor instead.
            Err(error) if error.error.kind() == io::ErrorKind::CrossesDevices => {
                let bytes = fs::read(error.file.path()).map_err(|error| failed(&error))?;
                let neighbor = beside(full.parent().unwrap_or(&full), &full, &bytes).map_err(|error| failed(&error))?;
                unchanged()?;
                neighbor.persist(&full).map(|_| ()).map_err(|error| failed(&error.error))
            }
            Err(error) => Err(failed(&error.error)),
        }
    }
}

fn cannot_write(full: &Path, error: &io::Error) -> String {
    // The error itself may name the file that waits, which nobody knows.
    format!("cannot replace `{}`: {}; nothing was touched", full.display(), error.kind())
}

/// A new file in `folder`, complete and on disk, with the permissions of the file it is to replace.
fn beside(folder: &Path, replaces: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let permissions = fs::metadata(replaces)?.permissions();
    let mut file = tempfile::Builder::new().prefix(".apprentice-").tempfile_in(folder)?;
    io::Write::write_all(&mut file, bytes)?;
    file.as_file().sync_all()?;
    fs::set_permissions(file.path(), permissions)?;
    Ok(file)
}

/// A place where tests let the process die: `APPRENTICE_ABORT_AT=name`, in debug builds only.
#[cfg(debug_assertions)]
fn checkpoint(name: &str) {
    if std::env::var_os("APPRENTICE_ABORT_AT").is_some_and(|wanted| wanted == name) {
        std::process::abort();
    }
}

#[cfg(not(debug_assertions))]
fn checkpoint(_: &str) {}
