//! What did this very tool say of these very bytes before?
#![expect(clippy::disallowed_methods, reason = "reads and writes the cache directory")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::diagnostic::Diagnostic;

/// Results by key, one small file each. What cannot be read or written is simply not cached.
pub(super) struct Cache {
    folder: PathBuf,
}

/// Everything a result depends on, hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u8; 32]);

/// Grows with the meaning of what is stored.
const VERSION: &[u8] = b"apprentice linter cache 1";

/// Results not written for this long are removed.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3_600);

impl Key {
    /// The key of these parts, in order. Each is preceded by its length, so that no two lists of parts meet.
    pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in [VERSION].into_iter().chain(parts) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Sixteen hex digits of it, for the name of a folder.
    pub(super) fn short(self) -> String {
        self.name()[..16].to_owned()
    }

    fn name(self) -> String {
        blake3::Hash::from(self.0).to_hex().to_string()
    }
}

impl Cache {
    /// The cache below a directory; nothing is touched yet.
    pub(super) fn new(cache_dir: &Path) -> Self {
        Self { folder: cache_dir.join("linters") }
    }

    fn path(&self, key: Key) -> PathBuf {
        let name = key.name();
        self.folder.join(&name[..2]).join(&name[2..])
    }

    pub(super) fn get(&self, key: Key) -> Option<Vec<Diagnostic>> {
        serde_json::from_slice(&fs::read(self.path(key)).ok()?).ok()
    }

    /// Stores a result: whole or not at all, whatever else writes there.
    pub(super) fn put(&self, key: Key, diagnostics: &[Diagnostic]) {
        let store = || -> io::Result<()> {
            let path = self.path(key);
            let folder = path.parent().unwrap_or(&self.folder);
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            serde_json::to_writer(&mut file, diagnostics)?;
            file.persist(path)?;
            Ok(())
        };
        // A cache that cannot be written costs time, not truth.
        let _ = store();
    }

    /// Removes old results; looks at most once a day.
    pub(super) fn trim(&self) {
        let stamp = self.folder.join("trimmed");
        if !self.folder.is_dir() || age(&stamp).is_some_and(|age| age < Duration::from_secs(24 * 3_600)) {
            return;
        }
        let _ = fs::write(&stamp, "");
        let shelves = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let entries = shelves.flat_map(|shelf| fs::read_dir(shelf).into_iter().flatten().flatten());
        for entry in entries {
            if age(&entry.path()).is_some_and(|age| age > KEPT) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn age(path: &Path) -> Option<Duration> {
    SystemTime::now().duration_since(fs::metadata(path).ok()?.modified().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_comes_back_for_the_same_parts_only() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let said = [Diagnostic { message: "x".into(), ..Diagnostic::default() }];
        cache.put(Key::of([&b"ab"[..], b"c"]), &said);
        assert_eq!(cache.get(Key::of([&b"ab"[..], b"c"])).unwrap(), said);
        assert_eq!(cache.get(Key::of([&b"a"[..], b"bc"])), None);
    }

    #[test]
    fn old_results_go() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let (old, young) = (Key::of([&b"old"[..]]), Key::of([&b"young"[..]]));
        cache.put(old, &[]);
        cache.put(young, &[]);
        let file = fs::File::options().write(true).open(cache.path(old)).unwrap();
        file.set_modified(SystemTime::now() - KEPT * 2).unwrap();
        cache.trim();
        assert_eq!((cache.get(old), cache.get(young)), (None, Some(Vec::new())));
    }
}
