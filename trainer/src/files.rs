//! Where does the trainer read and write? The one module of it that touches the file system.
#![expect(clippy::disallowed_methods, reason = "the trainer's one module for the file system")]

use std::{
    fs,
    io::{self, BufRead as _, Read as _, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use sha2::Digest as _;

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
pub fn reader(path: &Path) -> io::Result<io::BufReader<fs::File>> {
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
pub struct Claim {
    _file: fs::File,
}

impl Claim {
    /// Takes the right to write into a folder, which is made; none where another process has it. What processes that were
    /// killed were writing is taken away.
    ///
    /// # Errors
    /// As the system says.
    pub fn take(folder: &Path) -> io::Result<Option<Self>> {
        let Lock::Held(file) = lock(&folder.join(".lock"))? else { return Ok(None) };
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
        let mut new = tempfile::Builder::new();
        // As any new file: the process's umask decides who else may read it.
        #[cfg(unix)]
        new.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        Ok(Self { out: io::BufWriter::new(new.prefix(DRAFT).tempfile_in(folder)?) })
    }

    /// Brings what was written to the disk, so that only the name is missing.
    ///
    /// # Errors
    /// As the system says.
    pub fn settle(&mut self) -> io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().as_file().sync_all()
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
pub fn replace(path: &Path, write: impl FnOnce(&mut Draft) -> io::Result<()>) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut draft = Draft::begin(folder)?;
    write(&mut draft)?;
    draft.finish(path)
}

/// A file to which lines are added.
///
/// # Errors
/// As the system says.
pub fn record(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().create(true).append(true).open(path)
}

/// A file to be read.
///
/// # Errors
/// As the system says.
pub fn open(path: &Path) -> io::Result<fs::File> {
    fs::File::open(path)
}

/// A file's text, of at most so many bytes; none where there is no such file.
///
/// # Errors
/// As the system says, and where it is longer or no UTF-8.
pub fn text(path: &Path, most: u64) -> io::Result<Option<String>> {
    let text = read_small(path, most)?.map(String::from_utf8).transpose();
    text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Hands over the lines of a file with their numbers, from 1 on, until `line` fails. A line of more than `most` bytes
/// is an error, so that a file without lines does not fill the memory.
///
/// # Errors
/// As the system says, or as `line` does.
pub fn lines<E: From<io::Error>>(
    path: &Path,
    most: u64,
    line: &mut dyn FnMut(usize, &str) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = io::BufReader::new(fs::File::open(path)?);
    for number in 1.. {
        let mut text = String::new();
        if reader.by_ref().take(most + 1).read_line(&mut text)? == 0 {
            break;
        }
        if text.len() as u64 > most {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("line {number} is too long")).into());
        }
        line(number, text.trim_end_matches(['\n', '\r']))?;
    }
    Ok(())
}

/// Adds a line to a file, on disk when this returns.
///
/// # Errors
/// As the system says.
pub fn append(path: &Path, line: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())?;
    file.sync_data()
}

/// The files of a folder and of those below it, at most `depth` deep, in order. Links are not followed.
///
/// # Errors
/// As the system says.
pub fn below(folder: &Path, depth: usize) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() {
            found.push(entry.path());
        } else if kind.is_dir() && depth > 0 {
            found.extend(below(&entry.path(), depth - 1)?);
        }
    }
    found.sort();
    Ok(found)
}

/// A file under another name: the same bytes on disk where the system can, a copy elsewhere.
///
/// # Errors
/// As the system says.
pub fn link(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::hard_link(from, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(_) => replace(to, |out| io::copy(&mut fs::File::open(from)?, out).map(drop)),
        Ok(()) => Ok(()),
    }
}

/// When a file was last written to; none where it is not there.
pub fn modified(path: &Path) -> Option<std::time::SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// A path without links and detours; as it was where it leads nowhere.
pub fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Length and digests of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digests {
    /// Its length.
    pub bytes: u64,
    /// 64 hex digits.
    pub sha256: String,
    /// 64 hex digits.
    pub blake3: String,
}

/// Reads a file once for its digests; `told` hears how many of its bytes are read.
///
/// # Errors
/// As the system says.
pub fn digests(path: &Path, told: &dyn Fn(u64, u64)) -> io::Result<Digests> {
    let mut file = fs::File::open(path)?;
    let all = file.metadata()?.len();
    let (mut sha256, mut blake3) = (sha2::Sha256::new(), blake3::Hasher::new());
    let (mut buffer, mut bytes) = (vec![0; 1 << 20], 0);
    loop {
        let count = file.read(&mut buffer)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        sha256.update(read);
        blake3.update(read);
        bytes += count as u64;
        told(bytes, all);
    }
    Ok(Digests { bytes, sha256: hex::encode(sha256.finalize()), blake3: blake3.finalize().to_hex().to_string() })
}

/// The key in a file that only its owner may read; it is made of these bytes where there is none.
///
/// # Errors
/// As the system says, and where the file is no key.
pub fn key(path: &Path, fresh: [u8; 32]) -> io::Result<[u8; 32]> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Ok(mut file) => {
            file.write_all(&fresh)?;
            file.sync_all()?;
            Ok(fresh)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "it is no key of 32 bytes; remove it");
            <[u8; 32]>::try_from(fs::read(path)?).map_err(wrong)
        }
        Err(error) => Err(error),
    }
}

/// Whether this process may do what only one may.
#[derive(Debug)]
pub enum Lock {
    /// It may, for as long as this file is open.
    Held(fs::File),
    /// Another does: its process, as it wrote it there.
    Taken(Option<String>),
}

/// Takes a lock, if nobody has it. The system gives it back when the process ends, however it does.
///
/// # Errors
/// As the system says.
pub fn lock(path: &Path) -> io::Result<Lock> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0)?;
            file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
            Ok(Lock::Held(file))
        }
        Err(fs::TryLockError::WouldBlock) => {
            let mut who = String::new();
            file.take(64).read_to_string(&mut who)?;
            Ok(Lock::Taken(Some(who.trim().to_owned()).filter(|who| !who.is_empty())))
        }
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

/// A new file, with the folders it lies in; what was there before is gone.
///
/// # Errors
/// As the system says.
pub fn create(path: &Path) -> io::Result<fs::File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::File::create(path)
}
