//! Where does the trainer read and write? The one module of it that touches the file system.
#![expect(clippy::disallowed_methods, reason = "the trainer's one module for the file system")]

use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// The bytes of a file.
///
/// # Errors
/// As the system says.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
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

/// Whether there is a folder of this name.
pub fn is_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|about| about.is_dir())
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
    let mut new = tempfile::Builder::new();
    // As any new file: the process's umask decides who else may read it.
    #[cfg(unix)]
    new.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let new = new.prefix(".new-").tempfile_in(folder)?;
    let mut out = io::BufWriter::new(new.as_file());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    new.as_file().sync_all()?;
    new.persist(path).map_err(|error| error.error)?;
    fs::File::open(folder).and_then(|folder| folder.sync_all())
}
