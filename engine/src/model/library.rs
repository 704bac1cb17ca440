//! Which models lie in the user's folder, and how do they get in and out?
#![expect(clippy::disallowed_methods, reason = "one of the modules that may use the file system")]

mod header;
mod hub;
mod part;
mod pull;

pub use header::About;
pub use part::Pulled;
pub use pull::{Limits, Source, pull};

use std::{
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Hears what is done, and how many bytes of how many it has come to.
pub type Told<'a> = dyn FnMut(&str, u64, u64) + 'a;

/// A file of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The name of the file.
    pub file: String,
    /// Where it is.
    pub path: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// What its header says.
    pub about: Option<About>,
    /// What is wrong with the header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<String>,
}

/// A model that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Imported {
    /// It, as it lies in the folder.
    pub entry: Entry,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Whether it shares its bytes on disk with the file that it was made from.
    pub is_linked: bool,
}

/// Why the folder cannot be used as it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LibraryError {
    /// There is no such model.
    #[error("there is no model `{name}` in `{}`", folder.display())]
    None {
        /// What was asked for.
        name: String,
        /// The folder.
        folder: PathBuf,
    },
    /// No model can be called that.
    #[error("`{0}` is no name for a model file: letters, digits and `-_.+` with `.gguf` at its end are")]
    Name(String),
    /// Another file of this name is there.
    #[error("`{}` is there already and is another file", .0.display())]
    There(PathBuf),
    /// It is no model, or none that is whole.
    #[error("`{file}` is no GGUF model: {why}")]
    NotAModel {
        /// Which.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// The disk says no.
    #[error("cannot {what} `{}`", path.display())]
    Disk {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It does not fit on the disk.
    #[error("`{}` has room for {} MB and {} MB are needed", folder.display(), room / 1_000_000, needed.div_ceil(1_000_000))]
    Full {
        /// The folder.
        folder: PathBuf,
        /// Bytes that are free.
        room: u64,
        /// Bytes that are missing from the model so far, and some to spare.
        needed: u64,
    },
    /// It cannot be fetched.
    #[error("cannot fetch `{from}`: {why}")]
    Fetch {
        /// From where.
        from: String,
        /// What happened, and what to do.
        why: String,
    },
    /// What came is not what should have come.
    #[error("`{from}` has the SHA-256 {found}, and it should be {expected}; what came was thrown away")]
    Sum {
        /// From where.
        from: String,
        /// Of what came.
        found: String,
        /// Of what should have come.
        expected: String,
    },
    /// Somebody else is at it.
    #[error("another process is fetching `{}`", .0.display())]
    Busy(PathBuf),
    /// Whoever asked no longer wants it; what came is kept for another time.
    #[error("stopped")]
    Stopped,
}

impl LibraryError {
    /// What to do, where there is something to do.
    pub fn advice(&self) -> Option<&'static str> {
        Some(match self {
            Self::None { .. } => "`apprentice model list` names those that are there",
            Self::There(_) => "remove it first with `apprentice model rm`, or give the file another name",
            Self::NotAModel { .. } => "take a `.gguf` file that llama.cpp could read; fetch it again if it is damaged",
            Self::Full { .. } => "free some space, or set APPRENTICE_MODELS to a folder on a larger disk",
            Self::Sum { .. } => "try again; if it happens again, the file there is damaged or not what it claims to be",
            Self::Busy(_) => "wait for it to end",
            Self::Name(_) | Self::Disk { .. } | Self::Fetch { .. } | Self::Stopped => return None,
        })
    }

    fn disk(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { what, path, source }
    }
}

/// Every GGUF file of the folder by name, read by its header only, and what came of files that are not whole yet. A folder
/// that is not there holds none.
///
/// # Errors
/// [`LibraryError::Disk`] when the folder cannot be read.
pub fn list(folder: &Path) -> Result<Vec<Entry>, LibraryError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(LibraryError::disk("read", folder))?,
    };
    let mut found: Vec<Entry> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter_map(|name| match name.strip_prefix('.').and_then(|name| name.strip_suffix(".part")) {
            Some(whole) => unfinished(folder, whole),
            None => check_name(&name).ok().and_then(|()| entry(&folder.join(&name)).ok()),
        })
        .collect();
    found.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(found)
}

/// One model of the folder, by its file's name with or without `.gguf`.
///
/// # Errors
/// [`LibraryError::None`] when it is not there, [`LibraryError::Name`] when no model can be called that.
pub fn show(folder: &Path, name: &str) -> Result<Entry, LibraryError> {
    let file = if name.to_ascii_lowercase().ends_with(".gguf") { name.to_owned() } else { format!("{name}.gguf") };
    check_name(&file)?;
    let found = entry(&folder.join(&file)).ok().or_else(|| unfinished(folder, &file));
    found.ok_or_else(|| LibraryError::None { name: name.to_owned(), folder: folder.to_owned() })
}

/// A model by its path; one that is a plain name and not in the current folder may be in the folder of models.
///
/// # Errors
/// [`LibraryError::None`] when it is in neither.
pub fn find(folder: &Path, file: &Path) -> Result<Entry, LibraryError> {
    let is_plain = file.components().count() == 1;
    let found = entry(file).ok().or_else(|| entry(&folder.join(file)).ok().filter(|_| is_plain));
    found.ok_or_else(|| LibraryError::None { name: file.display().to_string(), folder: folder.to_owned() })
}

/// Takes a model out of the folder, and what is there of an unfinished one of this name. What it was is handed back.
///
/// # Errors
/// As [`show`], and [`LibraryError::Disk`] when it cannot be removed.
pub fn remove(folder: &Path, name: &str) -> Result<Entry, LibraryError> {
    let entry = show(folder, name)?;
    fs::remove_file(&entry.path).map_err(LibraryError::disk("remove", &entry.path))?;
    part::forget(folder, &entry.file);
    Ok(entry)
}

/// Takes a file in: linked where that can be, else copied; whole or not at all.
///
/// # Errors
/// [`LibraryError::NotAModel`] when it is no GGUF file, [`LibraryError::There`] when another of its name is there,
/// [`LibraryError::Full`] and [`LibraryError::Disk`] when it cannot be kept.
pub fn import(folder: &Path, file: &Path, stop: &AtomicBool, told: &mut Told<'_>) -> Result<Imported, LibraryError> {
    let real = fs::canonicalize(file).map_err(LibraryError::disk("read", file))?;
    let name = real.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
    check_name(&name)?;
    let about = header::read(&real).map_err(|why| LibraryError::NotAModel { file: name.clone(), why })?;
    drop(about);
    let sha256 = sum(&real, stop, told)?;
    let target = folder.join(&name);
    if target.exists() {
        let is_same = fs::canonicalize(&target).is_ok_and(|target| target == real);
        if !is_same && sum(&target, stop, told)? != sha256 {
            return Err(LibraryError::There(target));
        }
        return Ok(Imported { entry: entry(&target)?, sha256, is_linked: false });
    }
    fs::create_dir_all(folder).map_err(LibraryError::disk("make", folder))?;
    let is_linked = fs::hard_link(&real, &target).is_ok();
    if !is_linked {
        copy(&real, &target, stop, told)?;
    }
    Ok(Imported { entry: entry(&target)?, sha256, is_linked })
}

/// Copies to a neighbor first; a copy that fails leaves nothing behind.
fn copy(from: &Path, to: &Path, stop: &AtomicBool, told: &mut Told<'_>) -> Result<(), LibraryError> {
    let folder = to.parent().unwrap_or(Path::new("."));
    let all = fs::metadata(from).map_err(LibraryError::disk("read", from))?.len();
    check_room(folder, all)?;
    let neighbor = tempfile::Builder::new().prefix(".import-").tempfile_in(folder);
    let mut neighbor = neighbor.map_err(LibraryError::disk("write to", folder))?;
    let source = File::open(from).map_err(LibraryError::disk("read", from))?;
    pieces(source, from, stop, |piece, done| {
        told("copying", done, all);
        neighbor.write_all(piece).map_err(LibraryError::disk("write", to))
    })?;
    neighbor.as_file().sync_all().map_err(LibraryError::disk("write", to))?;
    let kept = neighbor.persist_noclobber(to).map_err(|error| error.error);
    kept.map(drop).map_err(LibraryError::disk("write", to))
}

fn entry(path: &Path) -> Result<Entry, LibraryError> {
    let about = fs::metadata(path).map_err(LibraryError::disk("read", path))?;
    if !about.is_file() {
        return Err(LibraryError::disk("read", path)(io::ErrorKind::InvalidInput.into()));
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (known, wrong) = match header::read(path) {
        Ok(known) => (Some(known), None),
        Err(why) => (None, Some(why)),
    };
    Ok(Entry { file, path: path.to_owned(), bytes: about.len(), about: known, wrong })
}

/// What came of a file that is not whole yet, under the name that it will have.
fn unfinished(folder: &Path, file: &str) -> Option<Entry> {
    check_name(file).ok()?;
    let part = entry(&part::part_path(folder, file)).ok()?;
    let wrong = Some("it is not whole yet; pulling it again goes on".to_owned());
    Some(Entry { file: file.to_owned(), about: None, wrong, ..part })
}

/// A plain name of a visible file: it may come from an address.
fn check_name(name: &str) -> Result<(), LibraryError> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte));
    let is_model = name.len() > 5 && name.len() <= 200 && name.to_ascii_lowercase().ends_with(".gguf");
    if is_plain && is_model && !name.starts_with('.') { Ok(()) } else { Err(LibraryError::Name(name.to_owned())) }
}

/// The SHA-256 of a file in hex.
fn sum(path: &Path, stop: &AtomicBool, told: &mut Told<'_>) -> Result<String, LibraryError> {
    let file = File::open(path).map_err(LibraryError::disk("read", path))?;
    let all = file.metadata().map_or(0, |about| about.len());
    let mut hasher = Sha256::new();
    pieces(file, path, stop, |piece, done| {
        told("checking", done, all);
        hasher.update(piece);
        Ok(())
    })?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Reads a file piece by piece while nobody says stop.
fn pieces(
    mut file: File,
    path: &Path,
    stop: &AtomicBool,
    mut each: impl FnMut(&[u8], u64) -> Result<(), LibraryError>,
) -> Result<(), LibraryError> {
    let (mut buffer, mut done) = (vec![0; 1 << 20], 0);
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(LibraryError::Stopped);
        }
        let count = file.read(&mut buffer).map_err(LibraryError::disk("read", path))?;
        if count == 0 {
            return Ok(());
        }
        done += count as u64;
        each(&buffer[..count], done)?;
    }
}

/// What is left free beside a model, in bytes.
const SPARE: u64 = 16 << 20;

/// An error where so many bytes more do not fit; where the system does not say, it is found out by writing.
fn check_room(folder: &Path, bytes: u64) -> Result<(), LibraryError> {
    let needed = bytes.saturating_add(SPARE);
    match room(folder) {
        Some(room) if room < needed => Err(LibraryError::Full { folder: folder.to_owned(), room, needed }),
        _ => Ok(()),
    }
}

#[cfg(unix)]
fn room(folder: &Path) -> Option<u64> {
    let about = rustix::fs::statvfs(folder).ok()?;
    about.f_bavail.checked_mul(about.f_frsize)
}

#[cfg(not(unix))]
fn room(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests;
