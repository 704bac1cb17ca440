//! Which texts does a model learn to read from? Repositories, folders, documents and answers, cleaned, each said once.
//!
//! A corpus is a folder: `sources.json` says where texts come from, `documents-*.jsonl` hold them, one JSON object a line
//! (`id`, `path`, `language`, `licence`, `text`), and `manifest.json` names the files with their hashes and says what was
//! left out. Invariants: the same sources make the same bytes; a build that is cut off leaves the last one whole; a text
//! without a permissive licence is in it only where somebody said so; no secret and no person is in a text. Besides the
//! texts at hand about 800 bytes of each document are held at once, and at most so many documents are taken.

mod clean;
mod licence;
mod shard;
mod source;
mod twin;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use engine::source::RepoPath;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{files, personal::Scrubber};
use clean::Cleaned;
pub use clean::PROSE;
pub use shard::{Documents, Shard};
use source::{Item, Open};
pub use source::{Kind, Source};
use twin::{Shape, Twins};

/// Files read at once.
const BATCH: usize = 64;

/// One text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The BLAKE3 hash of the text, its first 32 hex digits.
    pub id: String,
    /// Its source's name, and where it is in it.
    pub path: String,
    /// The language's name, or [`PROSE`].
    pub language: String,
    /// An SPDX expression; `own` where whoever added the source said that licences do not matter.
    pub licence: String,
    /// What it says.
    pub text: String,
}

/// How a corpus is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Whether to take everything, whatever its licence.
    pub any_licence: bool,
    /// The most documents.
    pub most_documents: usize,
}

/// So many of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Amount {
    /// Documents.
    pub documents: u64,
    /// Their bytes; those of files as they lie there for what was left out.
    pub bytes: u64,
}

/// What was built, of what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Changed when a corpus is written in another form.
    pub version: u32,
    /// How it was built.
    pub settings: Settings,
    /// Of what, in order.
    pub sources: Vec<SourceOf>,
    /// Everything.
    pub all: Amount,
    /// By language.
    pub languages: BTreeMap<String, Amount>,
    /// By licence.
    pub licences: BTreeMap<String, Amount>,
    /// What is not in it, by reason.
    pub left_out: BTreeMap<String, Amount>,
    /// The files, in order.
    pub files: Vec<Shard>,
}

/// A source as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceOf {
    /// What paths begin with.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The commit of a repository, else the BLAKE3 hash of everything that was read.
    pub state: String,
    /// Whether licences do not matter in it.
    pub any_licence: bool,
}

/// Why there is no corpus.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// Nothing can be learned from it.
    #[error("cannot add `{path}`: {why}")]
    NoSource {
        /// What was given.
        path: String,
        /// Why.
        why: String,
    },
    /// A source that was added cannot be read.
    #[error("cannot read the source `{path}`: {why}")]
    Source {
        /// Its path.
        path: String,
        /// Why.
        why: String,
    },
    /// Nothing was added.
    #[error("`{0}` has no sources: `apprentice-trainer corpus add` adds some")]
    Empty(String),
    /// Nothing was built.
    #[error("`{0}` holds no corpus: `apprentice-trainer corpus build` makes one")]
    Unbuilt(String),
    /// Another process writes there.
    #[error("another process is building `{0}`: wait until it is done")]
    Busy(String),
    /// A file is not what was written.
    #[error("`{file}` is damaged, build the corpus again: {why}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The file system refused.
    #[error("cannot use `{file}`")]
    Io {
        /// The file.
        file: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

/// The file of sources.
const SOURCES: &str = "sources.json";
/// The file that names the others.
const MANIFEST: &str = "manifest.json";
/// Changed when a corpus is written in another form.
const VERSION: u32 = 1;

/// The sources of a corpus; none where there is no corpus.
///
/// # Errors
/// [`CorpusError`] when the list cannot be read.
pub fn sources(folder: &Path) -> Result<Vec<Source>, CorpusError> {
    Ok(read_json(&folder.join(SOURCES))?.unwrap_or_default())
}

/// Adds a source, or says something else of one that is there.
///
/// # Errors
/// [`CorpusError`] when there is nothing to learn from at this path.
pub fn add(folder: &Path, path: &Path, any_licence: bool) -> Result<Source, CorpusError> {
    let new = Source::at(path, any_licence)?;
    let mut all = sources(folder)?;
    match all.iter_mut().find(|source| source.path == new.path) {
        Some(known) => known.clone_from(&new),
        None => all.push(new.clone()),
    }
    write_json(folder, SOURCES, &all)?;
    Ok(new)
}

/// What is in a corpus.
///
/// # Errors
/// [`CorpusError::Unbuilt`] where nothing was built.
pub fn manifest(folder: &Path) -> Result<Manifest, CorpusError> {
    read_json(&folder.join(MANIFEST))?.ok_or_else(|| CorpusError::Unbuilt(folder.display().to_string()))
}

/// The documents of a corpus, in order, each file held against its hash.
///
/// # Errors
/// [`CorpusError::Unbuilt`] where nothing was built.
pub fn documents(folder: &Path) -> Result<Documents, CorpusError> {
    Ok(Documents::new(folder, manifest(folder)?.files))
}

/// Whether a document is only examined by, and nothing is taught by it: five of a hundred, by their names.
pub fn is_held_out(id: &str) -> bool {
    lot(id) < 5
}

/// A number below 100 that belongs to a name.
pub fn lot(name: &str) -> u64 {
    let hash = blake3::hash(name.as_bytes());
    hash.as_bytes().iter().take(8).fold(0, |sum: u64, byte| sum << 8 | u64::from(*byte)) % 100
}

/// Told after each batch: the source's name, files done, and files in all.
pub type Progress<'p> = &'p mut dyn FnMut(&str, usize, usize);

/// Builds a corpus of its sources.
///
/// # Errors
/// [`CorpusError`]; what was built before is then still there.
pub fn build(folder: &Path, settings: Settings, progress: Progress<'_>) -> Result<Manifest, CorpusError> {
    let sources = sources(folder)?;
    if sources.is_empty() {
        return Err(CorpusError::Empty(folder.display().to_string()));
    }
    let lock =
        files::Claim::take(folder).map_err(|source| CorpusError::Io { file: folder.display().to_string(), source })?;
    let _lock = lock.ok_or_else(|| CorpusError::Busy(folder.display().to_string()))?;
    let mut build = Build {
        settings,
        scrubber: Scrubber::default(),
        twins: Twins::default(),
        shards: shard::Writer::new(folder),
        manifest: Manifest {
            version: VERSION,
            settings,
            sources: Vec::new(),
            all: Amount::default(),
            languages: BTreeMap::new(),
            licences: BTreeMap::new(),
            left_out: BTreeMap::new(),
            files: Vec::new(),
        },
    };
    for source in &sources {
        build.source(source, progress)?;
    }
    let Build { shards, mut manifest, .. } = build;
    manifest.files = shards.finish()?;
    write_json(folder, MANIFEST, &manifest)?;
    shard::sweep(folder, &manifest.files)?;
    Ok(manifest)
}

/// A build on its way.
struct Build {
    settings: Settings,
    scrubber: Scrubber,
    twins: Twins,
    shards: shard::Writer,
    manifest: Manifest,
}

/// A text with what it was made of, before it is known whether it is new.
struct Read {
    path: String,
    bytes: u64,
    hash: Option<blake3::Hash>,
    text: Result<(Cleaned, String, Shape), String>,
}

impl Build {
    fn source(&mut self, source: &Source, progress: Progress<'_>) -> Result<(), CorpusError> {
        let open = source::open(source)?;
        for (why, bytes) in &open.left_out {
            self.leave_out(why, *bytes);
        }
        let is_free = source.any_licence || self.settings.any_licence || source.kind == Kind::Answers;
        let mut state = blake3::Hasher::new();
        for (at, batch) in open.items.chunks(BATCH).enumerate() {
            progress(&open.name, at * BATCH, open.items.len());
            let scrubber = &self.scrubber;
            let read: Vec<Read> = batch.par_iter().map(|item| read(item, &open, is_free, scrubber)).collect();
            for one in read {
                let hash = one.hash.unwrap_or(blake3::Hash::from_bytes([0; 32]));
                state.update(one.path.as_bytes()).update(hash.as_bytes());
                self.take(&open.name, one)?;
            }
        }
        let state = open.state.clone().unwrap_or_else(|| state.finalize().to_hex().to_string());
        let any_licence = is_free;
        self.manifest.sources.push(SourceOf { name: open.name, kind: source.kind, state, any_licence });
        Ok(())
    }

    fn take(&mut self, name: &str, read: Read) -> Result<(), CorpusError> {
        let (cleaned, licence, shape) = match read.text {
            Err(why) => {
                self.leave_out(&why, read.bytes);
                return Ok(());
            }
            Ok(_) if self.manifest.all.documents >= self.settings.most_documents as u64 => {
                self.leave_out("beyond the most documents", read.bytes);
                return Ok(());
            }
            Ok(text) => text,
        };
        if let Err(why) = self.twins.take(shape) {
            self.leave_out(why, read.bytes);
            return Ok(());
        }
        let Cleaned { language, text, .. } = cleaned;
        let id = blake3::hash(text.as_bytes()).to_hex().chars().take(32).collect();
        let document = Document { id, path: format!("{name}/{}", read.path), language, licence, text };
        let bytes = document.text.len() as u64;
        let add = |amount: &mut Amount| (amount.documents, amount.bytes) = (amount.documents + 1, amount.bytes + bytes);
        add(&mut self.manifest.all);
        add(self.manifest.languages.entry(document.language.clone()).or_default());
        add(self.manifest.licences.entry(document.licence.clone()).or_default());
        self.shards.put(&document)
    }

    fn leave_out(&mut self, why: &str, bytes: u64) {
        let amount = self.manifest.left_out.entry(why.to_owned()).or_default();
        amount.documents += 1;
        amount.bytes += bytes;
    }
}

/// Reads one item, cleans it, and looks at its licence.
fn read(item: &Item, open: &Open, is_free: bool, scrubber: &Scrubber) -> Read {
    match item {
        Item::Text(path, text) => {
            let cleaned = clean::told(text, scrubber).map_err(str::to_owned);
            let text = cleaned.and_then(|cleaned| licensed(cleaned, None, is_free));
            let path = scrubber.scrub(path).into_owned();
            Read { path, bytes: item.bytes(), hash: Some(blake3::hash(item.text().as_bytes())), text }
        }
        Item::File(path, bytes) if *bytes > most_bytes(path) => {
            Read { path: path.to_string(), bytes: *bytes, hash: None, text: Err("too large".into()) }
        }
        Item::File(path, bytes) => {
            let found: Option<Arc<[u8]>> = open.read(path);
            let hash = found.as_deref().map(blake3::hash);
            let cleaned = match &found {
                Some(found) => clean::clean(path, found, scrubber),
                None => Err("no file (a link, a submodule), or it cannot be read"),
            };
            let licence = open.licences.of_path(path);
            let text = cleaned.map_err(str::to_owned).and_then(|cleaned| licensed(cleaned, licence, is_free));
            Read { path: path.to_string(), bytes: *bytes, hash, text }
        }
    }
}

/// The most bytes of a file that are looked at.
fn most_bytes(path: &RepoPath) -> u64 {
    let document = engine::recall::document::Format::of_path(path).map(|format| format.most_bytes());
    document.unwrap_or(clean::LONGEST).min(8 << 20)
}

fn licensed(cleaned: Cleaned, folder: Option<&str>, is_free: bool) -> Result<(Cleaned, String, Shape), String> {
    let found = cleaned.licence.as_deref().or(folder);
    let licence = match found {
        Some(licence) if is_free || licence::is_permissive(licence) => licence.to_owned(),
        Some(licence) => return Err(format!("licence: {licence}")),
        None if is_free => "own".to_owned(),
        None => return Err("licence: none was found".into()),
    };
    let shape = Shape::of(&cleaned.text);
    Ok((cleaned, licence, shape))
}

impl Item {
    fn text(&self) -> &str {
        match self {
            Self::File(..) => "",
            Self::Text(_, text) => text,
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::File(_, bytes) => *bytes,
            Self::Text(_, text) => text.len() as u64,
        }
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, CorpusError> {
    if !files::exists(path) {
        return Ok(None);
    }
    let file = || path.display().to_string();
    let bytes = files::read(path).map_err(|source| CorpusError::Io { file: file(), source })?;
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| CorpusError::Damaged { file: file(), why: error.to_string() })
}

fn write_json(folder: &Path, name: &str, value: &impl Serialize) -> Result<(), CorpusError> {
    let path: PathBuf = folder.join(name);
    let written = serde_json::to_string_pretty(value)
        .map_err(io::Error::from)
        .and_then(|text| files::replace(&path, |out| io::Write::write_all(out, (text + "\n").as_bytes())));
    written.map_err(|source| CorpusError::Io { file: path.display().to_string(), source })
}

#[cfg(test)]
mod tests;
