//! Where does the index lie, and who may write it?
#![expect(clippy::disallowed_methods, reason = "one of the modules that may use the file system")]

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
};

use super::error::IndexError;

/// The folder of an index: `lock`, `current`, and a folder for each generation.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

/// One index that was begun from nothing: `store.db` and `words/`. It is made beside the one that answers, and takes its
/// place when `current` names it; so whatever ends a build, the last good index answers, and no words are ever read with
/// a store that they were not made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generation(PathBuf);

impl Generation {
    pub(super) fn store(&self) -> PathBuf {
        self.0.join("store.db")
    }

    pub(super) fn words(&self) -> PathBuf {
        self.0.join("words")
    }

    /// Whether something was written that is not in the store itself yet.
    pub(super) fn has_log(&self) -> bool {
        fs::metadata(self.0.join("store.db-wal")).is_ok_and(|log| log.len() > 0)
    }

    /// Whether its parts are there.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] names what is missing.
    pub(super) fn check(&self) -> Result<(), IndexError> {
        let missing = [self.store(), self.words().join("meta.json")].into_iter().find(|part| !part.is_file());
        missing.map_or(Ok(()), |part| Err(IndexError::Damaged { why: format!("`{}` is missing", part.display()) }))
    }
}

/// The file that names the generation that answers.
const CURRENT: &str = "current";

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

    /// The index that answers; none where none was built.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when what names it cannot be understood.
    pub(super) fn current(&self) -> Result<Option<Generation>, IndexError> {
        let path = self.0.join(CURRENT);
        let named = match fs::read(&path) {
            Ok(bytes) => String::from_utf8(bytes).ok().and_then(|text| text.trim().parse::<u64>().ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(IndexError::Io { what: "read", path, source }),
        };
        let damaged = || IndexError::Damaged { why: format!("`{}` names no index", path.display()) };
        named.map(|number| Some(self.generation(number))).ok_or_else(damaged)
    }

    fn generation(&self, number: u64) -> Generation {
        Generation(self.0.join(number.to_string()))
    }

    /// The numbers of all generations that are there, finished or not.
    fn numbers(&self) -> Vec<u64> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// An empty generation beside the one that answers.
    pub(super) fn begin(&self, _: &Lock) -> Result<Generation, IndexError> {
        let current = self.current().ok().flatten();
        self.keep_only(current.as_ref());
        let generation = self.generation(self.numbers().into_iter().max().unwrap_or(0) + 1);
        self.create(&generation.words())?;
        Ok(generation)
    }

    /// Makes a generation the one that answers, in one step, and takes the others away.
    pub(super) fn publish(&self, _: &Lock, generation: &Generation) -> Result<(), IndexError> {
        let path = self.0.join(CURRENT);
        let name = generation.0.file_name().unwrap_or_default().as_encoded_bytes();
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".current").tempfile_in(&self.0)?;
            file.write_all(name)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|source| IndexError::Io { what: "write", path: path.clone(), source })?;
        self.keep_only(Some(generation));
        Ok(())
    }

    /// Takes away a generation that came to nothing.
    pub(super) fn discard(&self, _: &Lock, generation: &Generation) {
        // What cannot be removed now is removed when the next one begins.
        let _ = fs::remove_dir_all(&generation.0);
    }

    fn keep_only(&self, kept: Option<&Generation>) {
        let others = self.numbers().into_iter().map(|number| self.generation(number));
        for other in others.filter(|other| Some(other) != kept) {
            // Somebody may still read it, and some systems then refuse; it goes when the next one begins.
            let _ = fs::remove_dir_all(&other.0);
        }
    }

    /// Makes the folder and takes the right to write in it.
    pub(super) fn lock(&self, wait: Wait) -> Result<Lock, IndexError> {
        self.create(&self.0)?;
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

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        fn size(folder: &Path) -> u64 {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            let one = |entry: fs::DirEntry| match entry.metadata() {
                Ok(meta) if meta.is_dir() => size(&entry.path()),
                Ok(meta) => meta.len(),
                Err(_) => 0,
            };
            entries.map(one).sum()
        }
        size(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_answers_when_it_is_named_and_not_before() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(&place.path().join("index"));
        assert_eq!(folder.current().unwrap(), None);
        let lock = folder.lock(Wait::Never).unwrap();
        let first = folder.begin(&lock).unwrap();
        assert_eq!(folder.current().unwrap(), None);
        folder.publish(&lock, &first).unwrap();
        let second = folder.begin(&lock).unwrap();
        assert_ne!(first, second);
        assert_eq!(folder.current().unwrap(), Some(first.clone()));
        // Ended here, the next one begins without what was left.
        fs::write(second.store(), "half").unwrap();
        let third = folder.begin(&lock).unwrap();
        assert!(first.words().is_dir() && !third.store().exists());
        folder.publish(&lock, &third).unwrap();
        assert_eq!((folder.current().unwrap(), first.words().exists()), (Some(third), false));
    }

    #[test]
    fn a_name_that_is_none_is_damage_and_missing_parts_are() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        for garbage in [&b""[..], b"none", b"\xff", b"-1", b"../7"] {
            fs::write(place.path().join(CURRENT), garbage).unwrap();
            assert!(matches!(folder.current(), Err(IndexError::Damaged { .. })), "{garbage:?}");
        }
        fs::write(place.path().join(CURRENT), "7\n").unwrap();
        let generation = folder.current().unwrap().unwrap();
        assert!(generation.check().unwrap_err().to_string().contains("store.db` is missing"));
    }

    #[test]
    fn one_writes_at_a_time_and_is_named() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path());
        let lock = folder.lock(Wait::Never).unwrap();
        assert!(matches!(folder.lock(Wait::Never), Err(IndexError::Busy)));
        assert_eq!(folder.writer(), Some(std::process::id()));
        drop(lock);
        assert_eq!(folder.writer(), None);
        folder.lock(Wait::Never).map(drop).unwrap();
    }
}
