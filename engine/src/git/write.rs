//! How does a fix get into the index and the work tree without losing a byte of either?
//!
//! The fix is made on the index's content. The same step is then merged into the work tree's file, whose unstaged
//! edits stay as they are; where the two meet, neither is touched. The work tree's file is replaced by a rename and
//! the index by git's own lock-and-rename, in that order, so that a process killed at any moment leaves each of them
//! whole: with the fix, or without it.
#![expect(clippy::disallowed_methods, reason = "the one module that writes into the work tree")]

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use git2::{IndexEntry, MergeFileInput};

use super::{Repository, RepositoryError};
use crate::source::RepoPath;

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
    /// [`RepositoryError`] when the index cannot be read or written; work tree files may have been written by then,
    /// and hold the fix as an unstaged edit.
    pub fn land(&self, files: &[StagedFile]) -> Result<Vec<Landing>, RepositoryError> {
        let work_dir = self.work_dir()?.to_owned();
        self.refuse_lock()?;
        let scratch = self.git_dir.join("apprentice/tmp");
        let mut landings = Vec::with_capacity(files.len());
        let mut staged = Vec::new();
        for file in files {
            let landing = match self.entry_if_unchanged(file)? {
                None => Err("the index changed while it was reviewed".to_owned()),
                Some(entry) => self.write_work_tree(&work_dir, &scratch, file).map(|()| staged.push((entry, file))),
            };
            landings.push(landing.map_or_else(Landing::Left, |()| Landing::Landed));
        }
        if !staged.is_empty() {
            self.write_index(&staged)?;
        }
        Ok(landings)
    }

    /// Puts fixes into the work tree alone, for reviews of the work tree.
    ///
    /// # Errors
    /// [`RepositoryError::Bare`].
    pub fn land_in_work_tree(&self, files: &[StagedFile]) -> Result<Vec<Landing>, RepositoryError> {
        let work_dir = self.work_dir()?.to_owned();
        let scratch = self.git_dir.join("apprentice/tmp");
        let write = |file: &StagedFile| match fs::read(work_dir.join(&file.path)) {
            Ok(bytes) if bytes == file.before => {
                replace(&work_dir.join(&file.path), &scratch, &file.before, &file.after)
            }
            Ok(_) => Err("the file changed while it was reviewed".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        Ok(files.iter().map(|file| write(file).map_or_else(Landing::Left, |()| Landing::Landed)).collect())
    }

    /// Where the index cannot be written, the work tree is not written either.
    fn refuse_lock(&self) -> Result<(), RepositoryError> {
        let git = self.git();
        let index = self.index(&git)?;
        let mut lock = index.path().map_or_else(|| self.git_dir.join("index"), Path::to_owned).into_os_string();
        lock.push(".lock");
        let lock = PathBuf::from(lock);
        if fs::symlink_metadata(&lock).is_ok() { Err(RepositoryError::Locked { path: lock }) } else { Ok(()) }
    }

    fn entry_if_unchanged(&self, file: &StagedFile) -> Result<Option<IndexEntry>, RepositoryError> {
        let git = self.git();
        let mut index = self.index(&git)?;
        let failed = |error: git2::Error| RepositoryError::index(self.git_dir.join("index"), error);
        index.read(true).map_err(failed)?;
        let entry = index.get_path(file.path.as_ref(), 0);
        Ok(entry.filter(|entry| git.find_blob(entry.id).is_ok_and(|blob| blob.content() == file.before)))
    }

    fn write_work_tree(&self, work_dir: &Path, scratch: &Path, file: &StagedFile) -> Result<(), String> {
        let full = work_dir.join(&file.path);
        for name in ["filter", "working-tree-encoding", "ident"] {
            if self.attribute(&file.path, name).is_some() {
                return Err(format!("git's `{name}` attribute rewrites it on checkout"));
            }
        }
        let meta = match fs::symlink_metadata(&full) {
            Ok(meta) => meta,
            // Deleted in the work tree only: that deletion is an unstaged edit too, and stays.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.to_string()),
        };
        if !meta.is_file() {
            return Err("in the work tree it is not a regular file".into());
        }
        let there = fs::read(&full).map_err(|error| error.to_string())?;
        let merged = merge(&file.before, &there, &file.after)
            .ok_or("unstaged edits in the work tree meet the fix; nothing was touched")?;
        replace(&full, scratch, &there, &merged)
    }

    fn write_index(&self, staged: &[(IndexEntry, &StagedFile)]) -> Result<(), RepositoryError> {
        let git = self.git();
        let failed = |error: git2::Error| RepositoryError::index(self.git_dir.join("index"), error);
        let current = self.index(&git)?;
        let waiting = current.path().and_then(|path| self.waiting_index(path));
        let mut indexes = vec![current];
        indexes.extend(waiting.map(|path| git2::Index::open(&path)).transpose().map_err(failed)?);
        for index in &mut indexes {
            index.read(true).map_err(failed)?;
            for (entry, file) in staged {
                let id = git.blob(&file.after).map_err(failed)?;
                let size = u32::try_from(file.after.len()).unwrap_or(0);
                // Zero times make git compare the content itself the next time it looks.
                let zero = git2::IndexTime::new(0, 0);
                let entry = IndexEntry {
                    id,
                    file_size: size,
                    ctime: zero,
                    mtime: zero,
                    path: entry.path.clone(),
                    ..copy(entry)
                };
                index.add(&entry).map_err(failed)?;
            }
            index.write().map_err(failed)?;
        }
        Ok(())
    }

    /// `git commit PATH` commits from a temporary index and holds the real one, already written, as `index.lock`
    /// until the commit is made. A fix has to be in both, or it would seem undone afterwards.
    fn waiting_index(&self, current: &Path) -> Option<PathBuf> {
        let temporary = current.file_name()?.to_str()?.starts_with("next-index-");
        let waiting = self.git_dir.join("index.lock");
        (temporary && waiting.is_file()).then_some(waiting)
    }
}

fn copy(entry: &IndexEntry) -> IndexEntry {
    IndexEntry {
        ctime: entry.ctime,
        mtime: entry.mtime,
        dev: entry.dev,
        ino: entry.ino,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        file_size: entry.file_size,
        id: entry.id,
        flags: entry.flags,
        flags_extended: entry.flags_extended,
        path: entry.path.clone(),
    }
}

/// The work tree's bytes with the step from `before` to `after` made in them, or `None` where both touch the same
/// lines. A work tree with CRLF over an index with LF (`core.autocrlf`, `eol=crlf`) is merged as LF and written back
/// as CRLF.
pub(super) fn merge(before: &[u8], there: &[u8], after: &[u8]) -> Option<Vec<u8>> {
    if there == before {
        return Some(after.to_vec());
    }
    if is_all_crlf(there) && memchr::memmem::find(before, b"\r\n").is_none() {
        return Some(with_crlf(&merge_lines(before, &without_crlf(there), after)?));
    }
    merge_lines(before, there, after)
}

fn merge_lines(before: &[u8], there: &[u8], after: &[u8]) -> Option<Vec<u8>> {
    if there == before {
        return Some(after.to_vec());
    }
    // `merge_file` is the one call that does not start libgit2 by itself.
    let _started = git2::Config::new().ok()?;
    let input = |content| {
        let mut input = MergeFileInput::new();
        input.content(content);
        input
    };
    let merged = git2::merge_file(&input(before), &input(there), &input(after), None).ok()?;
    merged.is_automergeable().then(|| merged.content().to_vec())
}

fn is_all_crlf(bytes: &[u8]) -> bool {
    let lf = memchr::memchr_iter(b'\n', bytes).count();
    lf > 0 && lf == memchr::memmem::find_iter(bytes, b"\r\n").count()
}

fn without_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        if !(byte == b'\r' && bytes.get(at + 1) == Some(&b'\n')) {
            out.push(byte);
        }
    }
    out
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for &byte in bytes {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

/// Replaces a file whole or not at all, keeping its permissions, unless it changed since it was read.
fn replace(full: &Path, scratch: &Path, read: &[u8], write: &[u8]) -> Result<(), String> {
    if read == write {
        return Ok(());
    }
    let words = |error: io::Error| error.to_string();
    fs::create_dir_all(scratch).map_err(words)?;
    let permissions = fs::metadata(full).map_err(words)?.permissions();
    let neighbor = full.parent().unwrap_or(full);
    // The scratch folder lies in the git directory, so that a killed process leaves nothing in the work tree; a work
    // tree on another file system than its git directory needs a neighbor instead.
    let written = |folder: &Path| -> io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::Builder::new().prefix(".apprentice-").tempfile_in(folder)?;
        io::Write::write_all(&mut file, write)?;
        file.as_file().sync_all()?;
        fs::set_permissions(file.path(), permissions.clone())?;
        Ok(file)
    };
    let unchanged = || fs::read(full).is_ok_and(|now| now == read);
    let changed = "the file changed while it was being fixed; nothing was touched";
    let file = written(scratch).map_err(words)?;
    if !unchanged() {
        return Err(changed.into());
    }
    match file.persist(full) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::CrossesDevices => {
            let file = written(neighbor).map_err(words)?;
            if !unchanged() {
                return Err(changed.into());
            }
            file.persist(full).map(|_| ()).map_err(|error| words(error.error))
        }
        Err(error) => Err(words(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unstaged_edits_stay_beside_the_fix() {
        let merged = merge(b"a\nb\nc\nd\n", b"a!\nb\nc\nd\nnew\n", b"a\nb\nC\nd\n").unwrap();
        assert_eq!(merged, b"a!\nb\nC\nd\nnew\n");
        assert_eq!(merge(b"a\nb\nc\n", b"a\nmine\nc\n", b"a\nfixed\nc\n"), None);
    }

    #[test]
    fn a_crlf_work_tree_over_an_lf_index_stays_crlf() {
        assert_eq!(merge(b"a\nb\nc\n", b"a\r\nb\r\nc\r\n", b"a\nB\nc\n").unwrap(), b"a\r\nB\r\nc\r\n");
        assert_eq!(
            merge(b"a\nb\nc\nd\n", b"a\r\nb\r\nc\r\nmine\r\n", b"A\nb\nc\nd\n").unwrap(),
            b"A\r\nb\r\nc\r\nmine\r\n"
        );
    }

    proptest! {
        #[test]
        fn crlf_there_and_back(text in "[a-c\n]{0,40}") {
            let crlf = with_crlf(text.as_bytes());
            prop_assert_eq!(without_crlf(&crlf), text.as_bytes());
        }

        /// Every line that only the work tree has is still there afterwards.
        #[test]
        fn no_unstaged_line_is_lost(lines in prop::collection::vec("[a-d]{1,3}", 1..12), at in 0usize..12, fixed in 0usize..12) {
            let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
            let mut there = lines.clone();
            there.insert(at.min(lines.len()), "UNSTAGED".into());
            let mut after = lines.clone();
            let fixed = fixed.min(lines.len() - 1);
            after[fixed] = "FIXED".into();
            if let Some(merged) = merge(&text(&lines), &text(&there), &text(&after)) {
                let merged = String::from_utf8(merged).unwrap();
                prop_assert!(merged.contains("UNSTAGED\n") && merged.contains("FIXED\n"), "{}", merged);
                prop_assert_eq!(merged.lines().count(), lines.len() + 1);
            }
        }
    }
}
