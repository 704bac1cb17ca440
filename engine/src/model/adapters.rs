//! Which adapter is laid over a model in a file? One that passed its exam on this very model: of this project and this
//! language, else of less.
//!
//! A folder of private state has a shelf: `adapters/adapters.json` and a file for each adapter that it names. Only
//! `apprentice-trainer promote` writes there, and only what passed an exam; what does not fit is passed over and told.
#![expect(clippy::disallowed_methods, reason = "reads the shelves of adapters that the trainer wrote")]

mod language;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

pub use language::{Spoken, of_change, of_project};

use super::local;
use crate::{notice::Notice, source::Language};

/// Bytes that a shelf's list may have.
const MOST: u64 = 1 << 20;

/// The version of the list that this program reads and writes.
const VERSION: u32 = 1;

/// What an adapter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Changes that are mostly in this language.
    Language(Language),
    /// Every change.
    General,
}

impl Key {
    /// The key of a language. TypeScript with JSX is TypeScript.
    pub fn of(language: Language) -> Self {
        Self::Language(if language == Language::Tsx { Language::TypeScript } else { language })
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Language(language) => language.fmt(f),
            Self::General => f.write_str("general"),
        }
    }
}

impl FromStr for Key {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "general" => Ok(Self::General),
            text => text.parse().map(Self::of).map_err(|why| format!("{why}; `general` is for all")),
        }
    }
}

/// The list of a shelf, as `adapters.json` has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shelf {
    /// 1.
    pub version: u32,
    /// What is there, by [`Key`].
    pub adapters: BTreeMap<String, Place>,
}

/// What is there for one key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// What is taken.
    pub served: Option<Entry>,
    /// What was taken before.
    pub previous: Option<Entry>,
}

/// An adapter that passed its exam.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// BLAKE3 of its file, 64 hex digits.
    pub blake3: String,
    /// BLAKE3 of the model's file, 64 hex digits.
    pub base: String,
    /// [`local::digest`] of the model's file: what can be told from it without reading gigabytes.
    pub model: String,
    /// BLAKE3 of the record of its exam.
    pub exam: String,
    /// When it was promoted, in seconds since 1970.
    pub at: u64,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { version: VERSION, adapters: BTreeMap::new() }
    }
}

impl Shelf {
    /// Where the shelf of a folder of private state is.
    pub fn folder(state: &Path) -> PathBuf {
        state.join("adapters")
    }

    /// Where the list of such a shelf is.
    pub fn list(state: &Path) -> PathBuf {
        Self::folder(state).join("adapters.json")
    }

    /// The list of a folder's shelf; empty where it has none.
    ///
    /// # Errors
    /// Why it cannot be used, in words.
    pub fn read(state: &Path) -> Result<Self, String> {
        let path = Self::list(state);
        let wrong = |why: &dyn fmt::Display| format!("`{}` is no list of adapters: {why}", path.display());
        let about = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            about => about.map_err(|error| wrong(&error))?,
        };
        if !about.is_file() || about.len() > MOST {
            return Err(wrong(&"it is no file of less than a megabyte"));
        }
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        let shelf: Self = serde_json::from_str(&text).map_err(|error| wrong(&error))?;
        match shelf.version {
            VERSION => Ok(shelf),
            other => Err(wrong(&format!("it is of version {other}, and this program reads version {VERSION}"))),
        }
    }

    /// What is taken for a key.
    pub fn served(&self, key: Key) -> Option<&Entry> {
        self.adapters.get(&key.to_string())?.served.as_ref()
    }
}

impl Entry {
    /// Where its file is on the shelf of a folder of private state. Its name has its digest: a new one never takes the
    /// place of one that is in use, and whatever ends a promotion, the list names a file that is whole.
    pub fn file(&self, state: &Path, key: Key) -> PathBuf {
        let digest: String = self.blake3.chars().filter(char::is_ascii_hexdigit).take(16).collect();
        Shelf::folder(state).join(format!("{key}.{digest}.gguf"))
    }
}

/// Where adapters may be taken from, and for what.
#[derive(Debug, Clone, Default)]
pub struct Shelves {
    /// The project's folder of private state, where there is one: asked first.
    pub project: Option<PathBuf>,
    /// The user's folder of private state, where there is one.
    pub user: Option<PathBuf>,
    /// What is spoken here, where that is known.
    pub language: Option<Spoken>,
}

/// An adapter that may be the one.
struct Candidate<'a> {
    state: &'a Path,
    key: Key,
    entry: Entry,
    whose: &'static str,
}

/// What is laid over a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The adapter's file; none for the model as it is.
    pub adapter: Option<PathBuf>,
    /// Which was taken and why, and what was passed over.
    pub notices: Vec<Notice>,
}

impl Shelves {
    /// What may be laid over a model, the best first: this project's for the language, this project's, then the user's.
    fn candidates(&self) -> (Vec<Candidate<'_>>, Vec<Notice>) {
        let (mut candidates, mut notices) = (Vec::new(), Vec::new());
        let keys = self.language.iter().map(|spoken| Key::of(spoken.language)).chain([Key::General]);
        let keys: Vec<Key> = keys.collect();
        for (state, whose) in [(&self.project, "this project's"), (&self.user, "the user's")] {
            let Some(state) = state else { continue };
            match Shelf::read(state) {
                Ok(shelf) => candidates.extend(
                    keys.iter()
                        .filter_map(|&key| Some(Candidate { state, key, entry: shelf.served(key)?.clone(), whose })),
                ),
                Err(why) => notices.push(
                    Notice::skipped("adapters", format!("none of {whose} was looked at: {why}"))
                        .advise("put the list aside, and promote again"),
                ),
            }
        }
        (candidates, notices)
    }

    /// What tells apart two choices over the same model: equal where the same adapters may be taken in the same order.
    pub fn mark(&self) -> String {
        let (candidates, notices) = self.candidates();
        let marks = candidates.iter().map(|one| format!("{}.{} ", one.key, one.entry.blake3));
        marks.chain(notices.into_iter().map(|notice| notice.what)).collect()
    }

    /// The adapter to lay over the model in a file, if one of these passed its exam on it.
    pub fn choose(&self, model: &Path) -> Chosen {
        let (candidates, mut notices) = self.candidates();
        if candidates.is_empty() {
            return Chosen { adapter: None, notices };
        }
        // Whoever opens it says what is wrong with it.
        let Ok(digest) = local::digest(model) else { return Chosen { adapter: None, notices } };
        for one in candidates {
            let about = format!("adapter {}", one.key);
            match one.check(&digest) {
                Ok(adapter) => {
                    let what = format!("{} was laid over the model: {}", one.whose, self.because(one.key));
                    notices.push(Notice::note(about, what).advise("`model.learned_adapters = false` takes none"));
                    return Chosen { adapter: Some(adapter), notices };
                }
                Err(Misfit::Model) => {
                    let what = format!("{} was passed over: its exam was on another model", one.whose);
                    notices
                        .push(Notice::note(about, what).advise("`apprentice-trainer evaluate` gives it one on this"));
                }
                Err(Misfit::File(why)) => {
                    let what = format!("{} was passed over: {why}", one.whose);
                    let advice = "`apprentice-trainer rollback --adapter` takes the one before, or none";
                    notices.push(Notice::skipped(about, what).advise(advice));
                }
            }
        }
        Chosen { adapter: None, notices }
    }

    fn because(&self, key: Key) -> String {
        match (key, &self.language) {
            (Key::Language(_), Some(spoken)) => spoken.because.clone(),
            _ => "it is for every language".to_owned(),
        }
    }
}

/// Why an adapter is not the one.
enum Misfit {
    /// It is for another model.
    Model,
    /// Its file is not what passed the exam.
    File(String),
}

impl Candidate<'_> {
    /// Its file, if it is the one that passed the exam, on this model.
    fn check(&self, model: &str) -> Result<PathBuf, Misfit> {
        if self.entry.model != model {
            return Err(Misfit::Model);
        }
        let path = self.entry.file(self.state, self.key);
        let digest = digest(&path).map_err(|why| Misfit::File(format!("`{}`: {why}", path.display())))?;
        match digest == self.entry.blake3 {
            true => Ok(path),
            false => Err(Misfit::File("its file is not the one that passed the exam".into())),
        }
    }
}

/// BLAKE3 of everything in a file, 64 hex digits.
fn digest(path: &Path) -> io::Result<String> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut digest = blake3::Hasher::new();
    io::copy(&mut fs::File::open(path)?, &mut digest)?;
    Ok(digest.finalize().to_hex().to_string())
}

#[cfg(test)]
mod tests;
