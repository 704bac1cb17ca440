//! Where does the trainer read and write? The one module of it that touches the file system.
#![expect(clippy::disallowed_methods, reason = "the trainer's one module for the file system")]

use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
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
        let new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        Ok(Self { out: io::BufWriter::new(new) })
    }

    /// Puts it in its place, whole and on disk, in one step.
    ///
    /// # Errors
    /// As the system says; what was there before is still there.
    pub fn finish(self, path: &Path) -> io::Result<()> {
        let new = self.out.into_inner().map_err(io::IntoInnerError::into_error)?;
        new.as_file().sync_all()?;
        new.persist(path).map_err(|error| error.error)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
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

/// The bytes of a file that has no more than so many; nothing when there is no such file.
///
/// # Errors
/// As the system says, or that it is larger.
pub fn read_small(path: &Path, most: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(io::Error::other(format!("it is larger than {most} bytes"))),
        false => Ok(Some(bytes)),
    }
}

/// A file that is read here and there, by several threads.
#[derive(Debug)]
pub struct Shelf {
    file: Mutex<fs::File>,
    length: u64,
}

impl Shelf {
    /// Opens a file.
    ///
    /// # Errors
    /// As the system says, or that it is no file.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = fs::File::open(path)?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        Ok(Self { file: Mutex::new(file), length: about.len() })
    }

    /// Its bytes, when it was opened.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Fills `bytes` with what lies at an offset.
    ///
    /// # Errors
    /// As the system says; also when the file ends before.
    pub fn read_at(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(offset))?;
        file.read_exact(bytes)
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

/// A file to which lines are added.
///
/// # Errors
/// As the system says.
pub fn append(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).open(path)
}
