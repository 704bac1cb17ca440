//! Where does the trainer read and write? The one module of it that touches the file system.
#![expect(clippy::disallowed_methods, reason = "the trainer's one module for the file system")]

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

/// The bytes of a file.
///
/// # Errors
/// As the system says.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    fs::read(path)
}

/// The bytes of a file that is no longer than `most`.
///
/// # Errors
/// As the system says, or that it is longer.
pub fn read_at_most(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let length = fs::metadata(path)?.len();
    if length > most {
        return Err(io::Error::other(format!("it has {length} bytes, and at most {most} are read")));
    }
    fs::read(path)
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

/// A file to be read line by line.
///
/// # Errors
/// As the system says.
pub fn lines(path: &Path) -> io::Result<io::BufReader<fs::File>> {
    fs::File::open(path).map(io::BufReader::new)
}

/// A file to which lines are added.
///
/// # Errors
/// As the system says.
pub fn append(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).open(path)
}

/// Whether there is something of this name.
pub fn exists(path: &Path) -> bool {
    path.exists()
}
