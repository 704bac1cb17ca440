//! Which adapter is taken for which language and project, and how does one become it? A list beside the adapters'
//! files, replaced whole; the engine reads it at each load (`engine::model::adapters`).
//!
//! Invariant: a file comes onto a shelf through [`promote`], which takes an [`Exam`] that was passed on this very model
//! with this very adapter; [`rollback`] brings back one that came there so.

use std::path::{Path, PathBuf};

use engine::model::{
    adapters::{Entry, Key, Place, Shelf},
    local,
};

use crate::{
    exam::{Exam, together},
    files,
    promotion::{Home, PromotionError, failed, reasons},
};

/// Bytes that an adapter may have.
const MOST: u64 = 4 << 30;

/// What lies on the shelf of a folder of private state.
///
/// # Errors
/// [`PromotionError::State`] where the list is none of ours: it is never written over.
pub fn read(home: &Home) -> Result<Shelf, PromotionError> {
    let file = || Shelf::list(home.folder()).display().to_string();
    Shelf::read(home.folder()).map_err(|why| PromotionError::State { file: file(), why })
}

/// The file of the adapter that is taken for a key over this model (BLAKE3 of its file), if there is one: what the next
/// one is held against.
///
/// # Errors
/// [`PromotionError::State`].
pub fn incumbent(home: &Home, key: Key, base: &str) -> Result<Option<PathBuf>, PromotionError> {
    let shelf = read(home)?;
    let served = shelf.served(key).filter(|entry| entry.base == base);
    Ok(served.map(|entry| entry.file(home.folder(), key)))
}

/// What is promoted, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// What it is for.
    pub key: Key,
    /// The model's file.
    pub base: &'a Path,
    /// The adapter's file.
    pub adapter: &'a Path,
}

/// Makes an adapter that passed its exam the one that is taken for a key; what was taken is kept as the one before.
///
/// # Errors
/// [`PromotionError`]; then the same adapters are taken as before.
pub fn promote(home: &Home, candidate: Candidate<'_>, exam: &Exam, at: u64) -> Result<Place, PromotionError> {
    let Candidate { key, base, adapter } = candidate;
    let told = |all| format!("adapter {key}: {}", reasons(exam, all));
    if !exam.is_passed() {
        home.tell(at, "refused", exam.artefact(), told(false))?;
        return Err(PromotionError::NotPassed(reasons(exam, false)));
    }
    let bytes = files::read_small(adapter, MOST).and_then(|bytes| bytes.ok_or(std::io::ErrorKind::NotFound.into()));
    let bytes = bytes.map_err(|source| failed(adapter, source))?;
    let of_base = files::digests(base, &|_, _| {}).map_err(|source| failed(base, source))?.blake3;
    let blake3 = blake3::hash(&bytes).to_hex().to_string();
    if together(&of_base, &blake3) != exam.artefact() {
        return Err(PromotionError::Other(adapter.display().to_string()));
    }
    let model = local::digest(base).map_err(|why| failed(base, std::io::Error::other(why)))?;
    let entry = Entry { blake3, base: of_base, model, exam: exam.digest(), at };

    let _claim = claim(home)?;
    let mut shelf = read(home)?;
    let place = shelf.adapters.entry(key.to_string()).or_default();
    let is_same = |one: &&Entry| (&one.blake3, &one.base) == (&entry.blake3, &entry.base);
    if place.served.as_ref().filter(is_same).is_none() {
        let now = match &place.served {
            Some(served) if served.base == entry.base => together(&served.base, &served.blake3),
            _ => entry.base.clone(),
        };
        if now != exam.against() {
            return Err(PromotionError::Outdated(exam.against().to_owned()));
        }
        place.previous = place.served.take();
    }
    let file = entry.file(home.folder(), key);
    files::replace(&file, |out| std::io::Write::write_all(out, &bytes)).map_err(|source| failed(&file, source))?;
    place.served = Some(entry);
    let place = place.clone();
    put(home, &shelf)?;
    home.tell(at, "promoted", exam.artefact(), told(true))?;
    clear(home, &shelf);
    Ok(place)
}

/// Takes again for a key what was taken before, or none if there was none; what is taken now becomes the one before.
///
/// # Errors
/// [`PromotionError::NoPrevious`] where there is nothing at all, and [`PromotionError::Other`] where the file of the
/// one before is no longer what it was.
pub fn rollback(home: &Home, key: Key, why: &str, at: u64) -> Result<Place, PromotionError> {
    if read(home)?.adapters.is_empty() {
        return Err(PromotionError::NoPrevious);
    }
    let _claim = claim(home)?;
    let mut shelf = read(home)?;
    let place = shelf.adapters.get_mut(&key.to_string()).ok_or(PromotionError::NoPrevious)?;
    if let Some(previous) = &place.previous {
        let file = previous.file(home.folder(), key);
        let found = files::digests(&file, &|_, _| {}).map_err(|source| failed(&file, source))?;
        if found.blake3 != previous.blake3 {
            return Err(PromotionError::Other(file.display().to_string()));
        }
    }
    std::mem::swap(&mut place.served, &mut place.previous);
    let place = place.clone();
    put(home, &shelf)?;
    let digest = place.served.as_ref().map(|entry| together(&entry.base, &entry.blake3)).unwrap_or_default();
    home.tell(at, "rolled back", &digest, format!("adapter {key}: {why}"))?;
    Ok(place)
}

/// The right to write on a shelf, which is made.
fn claim(home: &Home) -> Result<files::Claim, PromotionError> {
    let folder = Shelf::folder(home.folder());
    let claim = files::Claim::take(&folder).map_err(|source| failed(&folder, source))?;
    claim.ok_or_else(|| failed(&folder, std::io::Error::other("another process writes there: wait until it is done")))
}

fn put(home: &Home, shelf: &Shelf) -> Result<(), PromotionError> {
    let (path, text) = (Shelf::list(home.folder()), serde_json::to_string_pretty(shelf).unwrap_or_default() + "\n");
    files::replace(&path, |out| std::io::Write::write_all(out, text.as_bytes())).map_err(|source| failed(&path, source))
}

/// Removes adapters that are neither taken nor were just before. One that cannot be removed costs room, and no more.
fn clear(home: &Home, shelf: &Shelf) {
    let mut kept = Vec::new();
    for (key, place) in &shelf.adapters {
        let Ok(key) = key.parse::<Key>() else { return };
        kept.extend([&place.served, &place.previous].into_iter().flatten().map(|entry| entry.file(home.folder(), key)));
    }
    for file in files::below(&Shelf::folder(home.folder()), 0).unwrap_or_default() {
        if file.extension().is_some_and(|extension| extension == "gguf") && !kept.contains(&file) {
            let _ = files::remove(&file);
        }
    }
}

#[cfg(test)]
mod tests;
