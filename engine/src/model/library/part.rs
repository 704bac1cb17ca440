//! What came of a file so far, and how does it become the whole?
#![expect(clippy::disallowed_methods, reason = "writes the models that are fetched")]

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, Write as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use reqwest::{
    StatusCode,
    blocking::Response,
    header::{self, HeaderMap},
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Entry, LibraryError, Told, entry, header as gguf, sum};
use crate::model::address::last_cause;

/// A model that is there now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pulled {
    /// It, as it lies in the folder.
    pub entry: Entry,
    /// Its SHA-256 in hex.
    pub sha256: String,
    /// Whether the source said which SHA-256 it must have.
    pub is_checked: bool,
    /// Whether it was there before.
    pub was_there: bool,
}

/// A file that is to be fetched.
pub(super) struct Wanted {
    pub(super) url: Url,
    pub(super) file: String,
    pub(super) bytes: Option<u64>,
    pub(super) sha256: Option<String>,
}

/// Why an attempt came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Attempt {
    /// Another may do better.
    #[error("{0}")]
    Again(String),
    /// No other will.
    #[error("{0}")]
    Never(String),
}

/// What came of a file so far.
pub(super) struct Part {
    pub(super) folder: PathBuf,
    path: PathBuf,
    file: File,
    pub(super) length: u64,
    origin: Origin,
}

/// Where a part came from, written beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    /// BLAKE3 of the address, which may hold a password.
    source: String,
    sha256: Option<String>,
    /// The strong `ETag` by which the server knows the file again.
    etag: Option<String>,
}

/// An address as it may be shown: without a password, and without what follows `?`, which may be a signature.
pub(super) fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    let _ = shown.set_password(None);
    let _ = shown.set_username("");
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

pub(super) fn part_path(folder: &Path, file: &str) -> PathBuf {
    folder.join(format!(".{file}.part"))
}

fn origin_path(folder: &Path, file: &str) -> PathBuf {
    folder.join(format!(".{file}.part.json"))
}

/// Drops what came of a file of this name.
pub(super) fn forget(folder: &Path, file: &str) {
    // There is mostly nothing to drop.
    let _ = fs::remove_file(part_path(folder, file));
    let _ = fs::remove_file(origin_path(folder, file));
}

impl Part {
    /// What came of it before, if it came from there; else nothing. Nobody else may have it open.
    pub(super) fn open(folder: &Path, wanted: &Wanted) -> Result<Self, LibraryError> {
        let path = part_path(folder, &wanted.file);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(LibraryError::disk("write", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LibraryError::Busy(folder.join(&wanted.file))),
            // Some file systems have no locks.
            Err(TryLockError::Error(_)) => {}
        }
        let length = file.metadata().map_err(LibraryError::disk("read", &path))?.len();
        let known = fs::read(origin_path(folder, &wanted.file)).ok();
        let known: Option<Origin> = known.and_then(|text| serde_json::from_slice(&text).ok());
        let source = blake3::hash(wanted.url.as_str().as_bytes()).to_string();
        let fresh = Origin { source, sha256: wanted.sha256.clone(), etag: None };
        let is_same =
            |known: &Origin| (&known.source, &known.sha256) == (&fresh.source, &fresh.sha256) && known.etag.is_some();
        let mut part = Self { folder: folder.to_owned(), path, file, length, origin: fresh.clone() };
        match known.filter(is_same) {
            Some(known) => part.origin = known,
            None => part.restart()?,
        }
        Ok(part)
    }

    /// What asks for the rest of the file that the part is of.
    pub(super) fn range(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let etag = self.origin.etag.as_ref().and_then(|etag| etag.parse().ok());
        if let (Some(etag), true) = (etag, self.length > 0)
            && let Ok(range) = format!("bytes={}-", self.length).parse()
        {
            headers.insert(header::RANGE, range);
            headers.insert(header::IF_RANGE, etag);
        }
        headers
    }

    /// How long the whole file is, if the answer goes on where the part ends, or begins anew.
    pub(super) fn agree(&mut self, response: &Response, wanted: &Wanted) -> Result<Result<u64, Attempt>, LibraryError> {
        let text = |name| Some(response.headers().get(name)?.to_str().ok()?.trim().to_owned());
        let again = |why: String| Ok(Err(Attempt::Again(why)));
        let all = match response.status() {
            StatusCode::PARTIAL_CONTENT => match text(header::CONTENT_RANGE).as_deref().and_then(whole_of_range) {
                Some((first, all)) if first == self.length => all,
                _ => {
                    self.restart()?;
                    return again("it sent another part than it was asked for".to_owned());
                }
            },
            StatusCode::OK => {
                self.restart()?;
                self.origin.etag = text(header::ETAG).filter(|etag| etag.starts_with('"'));
                self.note()?;
                match response.content_length() {
                    Some(all) => all,
                    None => return Ok(Err(Attempt::Never("it does not say how long the file is".to_owned()))),
                }
            }
            StatusCode::RANGE_NOT_SATISFIABLE => {
                self.restart()?;
                return again("it does not have what was asked for".to_owned());
            }
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
                return again(format!("it answered {status}"));
            }
            status if status.is_server_error() => return again(format!("it answered {status}")),
            status => return Ok(Err(Attempt::Never(format!("it answered {status}")))),
        };
        match wanted.bytes {
            Some(bytes) if bytes != all => {
                Ok(Err(Attempt::Never(format!("it has {all} bytes, and it should have {bytes}"))))
            }
            _ => Ok(Ok(all)),
        }
    }

    /// Writes what comes, up to the length that was agreed on.
    pub(super) fn take(
        &mut self,
        mut response: Response,
        all: u64,
        stop: &AtomicBool,
        told: &mut Told<'_>,
    ) -> Result<Result<(), Attempt>, LibraryError> {
        self.file.seek(io::SeekFrom::Start(self.length)).map_err(LibraryError::disk("write", &self.path))?;
        let mut buffer = vec![0; 256 << 10];
        told("fetching", self.length, all);
        while self.length < all {
            if stop.load(Ordering::Relaxed) {
                return Err(LibraryError::Stopped);
            }
            let count = match response.read(&mut buffer) {
                Ok(0) => return Ok(Err(Attempt::Again("the connection broke".to_owned()))),
                Ok(count) => count.min(usize::try_from(all - self.length).unwrap_or(usize::MAX)),
                Err(error) => return Ok(Err(Attempt::Again(format!("the connection broke: {}", last_cause(&error))))),
            };
            self.file.write_all(&buffer[..count]).map_err(LibraryError::disk("write", &self.path))?;
            self.length += count as u64;
            told("fetching", self.length, all);
        }
        Ok(Ok(()))
    }

    /// Checks the whole and gives it its name.
    pub(super) fn finish(
        self,
        wanted: &Wanted,
        stop: &AtomicBool,
        told: &mut Told<'_>,
    ) -> Result<Pulled, LibraryError> {
        self.file.sync_all().map_err(LibraryError::disk("write", &self.path))?;
        let found = sum(&self.path, stop, told)?;
        if let Some(expected) = wanted.sha256.clone().filter(|expected| *expected != found) {
            forget(&self.folder, &wanted.file);
            return Err(LibraryError::Sum { from: shown(&wanted.url), found, expected });
        }
        if let Err(why) = gguf::read(&self.path) {
            forget(&self.folder, &wanted.file);
            return Err(LibraryError::NotAModel { file: shown(&wanted.url), why });
        }
        let target = self.folder.join(&wanted.file);
        fs::rename(&self.path, &target).map_err(LibraryError::disk("write", &target))?;
        forget(&self.folder, &wanted.file);
        let is_checked = wanted.sha256.is_some();
        Ok(Pulled { entry: entry(&target)?, sha256: found, is_checked, was_there: false })
    }

    fn restart(&mut self) -> Result<(), LibraryError> {
        self.file.set_len(0).map_err(LibraryError::disk("write", &self.path))?;
        (self.length, self.origin.etag) = (0, None);
        Ok(())
    }

    fn note(&self) -> Result<(), LibraryError> {
        let mut path = self.path.clone().into_os_string();
        path.push(".json");
        let text = serde_json::to_vec(&self.origin).unwrap_or_default();
        fs::write(&path, text).map_err(LibraryError::disk("write", Path::new(&path)))
    }
}

/// The first byte and the whole length of `bytes 7-99/100`.
fn whole_of_range(text: &str) -> Option<(u64, u64)> {
    let (range, all) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.parse().ok()?, all.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_or_none() {
        assert_eq!(whole_of_range("bytes 7-99/100"), Some((7, 100)));
        for nonsense in ["", "bytes */100", "bytes 7-99/*", "items 1-2/3", "bytes 7/9"] {
            assert_eq!(whole_of_range(nonsense), None, "{nonsense}");
        }
    }
}
