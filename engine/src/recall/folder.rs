//! Where does the index lie, and who may write it?
#![expect(clippy::disallowed_methods, reason = "one of the modules that may use the file system")]

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use super::error::IndexError;

/// The folder of an index: `lock`, `store.db` and `words/`.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// Whether to wait for another writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until it is done.
    UntilFree,
    /// Not at all.
    Never,
}

/// The right to write; ends with the process, whatever ends it.
pub(super) struct Lock {
    _file: File,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }

    pub(super) fn words(&self) -> PathBuf {
        self.0.join("words")
    }

    /// Whether something was built here, by whichever version.
    pub(super) fn is_there(&self) -> bool {
        self.store().is_file() && self.words().join("meta.json").is_file()
    }

    /// Makes the folder and takes the right to write in it.
    pub(super) fn lock(&self, wait: Wait) -> Result<Lock, IndexError> {
        self.create(&self.0)?;
        self.create(&self.words())?;
        let path = self.0.join("lock");
        let failed = |source| IndexError::Io { what: "write", path: path.clone(), source };
        let open = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path);
        let mut file = open.map_err(failed)?;
        match wait {
            Wait::UntilFree => file.lock().map_err(failed)?,
            Wait::Never => match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(IndexError::Busy),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            },
        }
        // Who writes, for whoever waits; not needed for the lock itself.
        let say = |file: &mut File| -> io::Result<()> {
            file.set_len(0)?;
            file.rewind()?;
            write!(file, "{}", std::process::id())
        };
        say(&mut file).map_err(failed)?;
        Ok(Lock { _file: file })
    }

    /// The process that writes now, if one does.
    pub(super) fn writer(&self) -> Option<u32> {
        let mut file = File::open(self.0.join("lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {}
            _ => return None,
        }
        let mut text = String::new();
        file.read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    }

    fn create(&self, path: &Path) -> Result<(), IndexError> {
        fs::create_dir_all(path).map_err(|source| IndexError::Io { what: "make", path: path.to_owned(), source })
    }

    /// Takes everything away but the lock, which the caller holds.
    pub(super) fn clear(&self, _: &Lock) -> Result<(), IndexError> {
        let gone = |path: PathBuf, done: io::Result<()>| match done {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(IndexError::Io { what: "remove", path, source })
            }
            _ => Ok(()),
        };
        for name in ["store.db", "store.db-wal", "store.db-shm", "store.db-journal"] {
            let path = self.0.join(name);
            gone(path.clone(), fs::remove_file(&path))?;
        }
        gone(self.words(), fs::remove_dir_all(self.words()))?;
        self.create(&self.words())
    }

    /// Whether this process may write here. A folder on a read-only disk, or somebody else's, can still be read.
    pub(super) fn can_write(&self) -> bool {
        OpenOptions::new().append(true).open(self.store()).is_ok()
            && tempfile::Builder::new().prefix(".try").tempfile_in(&self.0).is_ok()
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        let size = |folder: &Path| -> u64 {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file).map(|meta| meta.len()).sum()
        };
        size(&self.0) + size(&self.words())
    }
}
