//! Where does the trainer read and write? The one module of it that touches the file system.
#![expect(clippy::disallowed_methods, reason = "the trainer's one module for the file system")]

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The bytes of a file.
///
/// # Errors
/// As the system says.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// A file to be read from its beginning on.
///
/// # Errors
/// As the system says.
pub fn open(path: &Path) -> io::Result<io::BufReader<fs::File>> {
    fs::File::open(path).map(io::BufReader::new)
}

/// Whether there is anything at this path.
pub fn exists(path: &Path) -> bool {
    path.exists()
}

/// Whether there is a folder at this path.
pub fn is_folder(path: &Path) -> bool {
    path.is_dir()
}

/// How many bytes a file has.
///
/// # Errors
/// As the system says.
pub fn length(path: &Path) -> io::Result<u64> {
    fs::symlink_metadata(path).map(|about| about.len())
}

/// The names in a folder that are UTF-8, in order.
///
/// # Errors
/// As the system says.
pub fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// The path with all links resolved.
///
/// # Errors
/// As the system says: when there is nothing.
pub fn canonical(path: &Path) -> io::Result<PathBuf> {
    fs::canonicalize(path)
}

/// Takes a file away; one that is not there is no error.
///
/// # Errors
/// As the system says.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// What names of files that are being written begin with.
const DRAFT: &str = ".new-";

/// The right to write into a folder; ends with the process, whatever ends it.
#[derive(Debug)]
pub struct Lock {
    _file: fs::File,
}

impl Lock {
    /// Takes the right to write into a folder, which is made; none where another process has it. What processes that were
    /// killed were writing is taken away.
    ///
    /// # Errors
    /// As the system says.
    pub fn take(folder: &Path) -> io::Result<Option<Self>> {
        fs::create_dir_all(folder)?;
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(".lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
        for name in names(folder)?.iter().filter(|name| name.starts_with(DRAFT)) {
            remove(&folder.join(name))?;
        }
        Ok(Some(Self { _file: file }))
    }
}

/// A file that is being written beside the place where it will lie. Dropped, it is gone.
#[derive(Debug)]
pub struct Draft {
    out: io::BufWriter<tempfile::NamedTempFile>,
}

impl Draft {
    /// Begins one in a folder, which is made.
    ///
    /// # Errors
    /// As the system says.
    pub fn begin(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let new = tempfile::Builder::new().prefix(DRAFT).tempfile_in(folder)?;
        Ok(Self { out: io::BufWriter::new(new) })
    }

    /// Puts it in its place on the same disk, whole and safe, in one step; the folder it lies in is made.
    ///
    /// # Errors
    /// As the system says; what was there before is still there.
    pub fn finish(self, path: &Path) -> io::Result<()> {
        let new = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        new.as_file().sync_all()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        new.persist(path).map_err(|error| error.error)?;
        fs::File::open(folder).and_then(|folder| folder.sync_all())
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Puts a file in place of another, whole or not at all: written beside it, on disk before it gets its name.
///
/// # Errors
/// As the system says; what was there before is still there.
pub fn replace(path: &Path, write: impl FnOnce(&mut io::BufWriter<&fs::File>) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
    let mut out = io::BufWriter::new(new.as_file());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder).and_then(|folder| folder.sync_all())
}
