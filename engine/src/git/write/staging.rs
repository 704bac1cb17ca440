//! How does a new index take the place of the old one, and nobody else's?

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use git2::{Index, IndexEntry, IndexTime};

use super::{
    Repository, RepositoryError, StagedFile, checkpoint,
    workbench::{NEW_INDEX, Workbench},
};
use crate::source::RepoPath;

/// One replacement of the index: prepared aside, then put in place under git's own lock.
pub(super) struct Swap<'r> {
    repository: &'r Repository,
    path: PathBuf,
    /// The index's bytes that the prepared one was made from.
    base: Vec<u8>,
    /// The files that are in the prepared index.
    prepared: Vec<RepoPath>,
}

/// Another process may hold the lock for the moment it takes to write an index.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

impl<'r> Swap<'r> {
    pub(super) fn new(repository: &'r Repository) -> Result<Self, RepositoryError> {
        let path = {
            let git = repository.git();
            let index = repository.index(&git)?;
            index.path().map_or_else(|| repository.git_dir.join("index"), Path::to_owned)
        };
        Ok(Self { repository, path, base: Vec::new(), prepared: Vec::new() })
    }

    /// Where git keeps others from writing this index.
    pub(super) fn lock_path(&self) -> PathBuf {
        with_suffix(&self.path, ".lock")
    }

    pub(super) fn refuse_if_locked(&self) -> Result<(), RepositoryError> {
        let path = self.lock_path();
        if fs::symlink_metadata(&path).is_ok() { Err(RepositoryError::Locked { path }) } else { Ok(()) }
    }

    /// For each file, whether the index still has the bytes that were reviewed.
    pub(super) fn unchanged(&self, files: &[StagedFile]) -> Result<Vec<bool>, RepositoryError> {
        let index = open(&self.path)?;
        Ok(files.iter().map(|file| self.entry(&index, file).is_some()).collect())
    }

    fn entry(&self, index: &Index, file: &StagedFile) -> Option<IndexEntry> {
        let git = self.repository.git();
        let entry = index.get_path(file.path.as_ref(), 0)?;
        git.find_blob(entry.id).is_ok_and(|blob| blob.content() == file.before).then_some(entry)
    }

    /// Writes the blobs and, aside, the new index.
    pub(super) fn prepare(&mut self, bench: &Workbench, files: &[&StagedFile]) -> Result<(), RepositoryError> {
        let failed = |source| RepositoryError::Write { path: self.path.clone(), source };
        self.base = fs::read(&self.path).map_err(failed)?;
        let aside = bench.folder.join(NEW_INDEX);
        fs::write(&aside, &self.base).map_err(failed)?;
        self.prepared = self.add(&aside, files, &self.path)?;
        fs::File::open(&aside).and_then(|file| file.sync_all()).map_err(failed)
    }

    /// Puts the fixed files into the index at `path`, and gives it the permissions and the time of the one it is
    /// `like`; says which of the files it still had unchanged.
    ///
    /// Git trusts an entry whose file is older than the index and looks into those that are not. A younger index
    /// would make it trust files that were edited within the moment they were staged, so the time stays.
    fn add(&self, path: &Path, files: &[&StagedFile], like: &Path) -> Result<Vec<RepoPath>, RepositoryError> {
        let unwritten = |source| RepositoryError::Write { path: self.path.clone(), source };
        let like = fs::metadata(like).map_err(unwritten)?;
        let failed = |error: git2::Error| RepositoryError::WriteIndex { path: self.path.clone(), source: error.into() };
        let mut index = open(path)?;
        let mut added = Vec::new();
        for file in files {
            let Some(entry) = self.entry(&index, file) else { continue };
            let id = self.repository.git().blob(&file.after).map_err(failed)?;
            let file_size = u32::try_from(file.after.len()).unwrap_or(0);
            // Zero times make git compare the content itself the next time it looks.
            let never = IndexTime::new(0, 0);
            index.add(&IndexEntry { id, file_size, ctime: never, mtime: never, ..entry }).map_err(failed)?;
            added.push(file.path.clone());
        }
        index.write().map_err(failed)?;
        let keep = |file: fs::File| {
            file.set_modified(like.modified()?).and_then(|()| file.set_permissions(like.permissions()))
        };
        fs::OpenOptions::new().write(true).open(path).and_then(keep).map_err(unwritten)?;
        Ok(added)
    }

    /// Puts the prepared index in place, and says which files are in it. Made anew where the index changed since it
    /// was prepared or where not all of it is wanted.
    pub(super) fn commit(mut self, bench: &Workbench, files: &[&StagedFile]) -> Result<Vec<RepoPath>, RepositoryError> {
        if self.prepared.len() != files.len() {
            self.prepare(bench, files)?;
        }
        for _ in 0..TRIES {
            let lock = self.take_lock(&bench.folder.join(NEW_INDEX))?;
            checkpoint("locked");
            let replaced = self.replace_with(&lock, files);
            if !matches!(replaced, Ok(true)) {
                fs::remove_file(&lock).map_err(|source| RepositoryError::Write { path: lock, source })?;
            }
            if replaced? {
                self.reload()?;
                return Ok(self.prepared);
            }
            self.prepare(bench, files)?;
        }
        Err(RepositoryError::Locked { path: self.lock_path() })
    }

    /// False, and nothing done, when the index is not the one that the new one was made from.
    fn replace_with(&self, lock: &Path, files: &[&StagedFile]) -> Result<bool, RepositoryError> {
        let failed = |source| RepositoryError::Write { path: self.path.clone(), source };
        if fs::read(&self.path).map_err(failed)? != self.base {
            return Ok(false);
        }
        self.write_waiting(files)?;
        fs::rename(lock, &self.path).map_err(failed)?;
        checkpoint("index");
        Ok(true)
    }

    /// Makes the lock file, which is the new index already: a second name of the one that waits, or a copy where a
    /// file cannot have two names.
    fn take_lock(&self, new: &Path) -> Result<PathBuf, RepositoryError> {
        let lock = self.lock_path();
        for _ in 0..TRIES {
            match fs::hard_link(new, &lock).or_else(|error| copy_if_unsupported(error, new, &lock)) {
                Ok(()) => return Ok(lock),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => thread::sleep(PAUSE),
                Err(source) => return Err(RepositoryError::Write { path: lock, source }),
            }
        }
        Err(RepositoryError::Locked { path: lock })
    }

    /// `git commit PATH` commits from a temporary index and holds the real one, already written, as `index.lock`
    /// until the commit is made. A fix has to be in both, or it would seem undone afterwards.
    fn write_waiting(&self, files: &[&StagedFile]) -> Result<(), RepositoryError> {
        let is_temporary = self.path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("next-index-"));
        let waiting = self.repository.git_dir.join("index.lock");
        if is_temporary && waiting.is_file() {
            self.add(&waiting, files, &waiting)?;
        }
        Ok(())
    }

    /// Lets the open repository see the new index.
    fn reload(&self) -> Result<(), RepositoryError> {
        let git = self.repository.git();
        let failed = |error: git2::Error| RepositoryError::index(self.path.clone(), error);
        self.repository.index(&git)?.read(true).map_err(failed)
    }
}

fn open(path: &Path) -> Result<Index, RepositoryError> {
    Index::open(path).map_err(|error| RepositoryError::index(path.to_owned(), error))
}

fn copy_if_unsupported(error: io::Error, new: &Path, lock: &Path) -> io::Result<()> {
    if !matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) {
        return Err(error);
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(lock)?;
    io::Write::write_all(&mut file, &fs::read(new)?)?;
    file.sync_all()
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
