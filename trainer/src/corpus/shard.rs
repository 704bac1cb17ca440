//! How do documents lie on disk? In files of one JSON object a line, named by what they hold.

use std::{
    io::{BufRead as _, Read as _, Write as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{CorpusError, Document};
use crate::files::{self, Draft};

/// A file is begun anew after so many bytes.
const MOST: u64 = 64 << 20;
/// The longest line that is read, in bytes: a document is at most 8 MiB, each byte at most six in JSON.
const LONGEST: u64 = 64 << 20;
/// What file names begin with.
const PREFIX: &str = "documents-";

/// A file of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Its name.
    pub name: String,
    /// Its lines.
    pub documents: u64,
    /// Its length.
    pub bytes: u64,
    /// The BLAKE3 hash of its bytes.
    pub blake3: String,
}

/// Writes documents.
pub(super) struct Writer {
    folder: PathBuf,
    current: Option<Current>,
    done: Vec<Shard>,
}

struct Current {
    draft: Draft,
    hasher: blake3::Hasher,
    documents: u64,
    bytes: u64,
}

impl Writer {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), current: None, done: Vec::new() }
    }

    pub(super) fn put(&mut self, document: &Document) -> Result<(), CorpusError> {
        let failed = |source| CorpusError::Io { file: self.folder.display().to_string(), source };
        let line = serde_json::to_string(document).map_err(|error| failed(error.into()))? + "\n";
        if self.current.is_none() {
            let draft = Draft::begin(&self.folder).map_err(failed)?;
            self.current = Some(Current { draft, hasher: blake3::Hasher::new(), documents: 0, bytes: 0 });
        }
        if let Some(current) = &mut self.current {
            current.draft.write_all(line.as_bytes()).map_err(failed)?;
            current.hasher.update(line.as_bytes());
            current.documents += 1;
            current.bytes += line.len() as u64;
        }
        if self.current.as_ref().is_some_and(|current| current.bytes >= MOST) { self.end() } else { Ok(()) }
    }

    fn end(&mut self) -> Result<(), CorpusError> {
        let Some(Current { draft, hasher, documents, bytes }) = self.current.take() else { return Ok(()) };
        let blake3 = hasher.finalize().to_hex().to_string();
        let short: String = blake3.chars().take(12).collect();
        // By its content: a build that is cut off overwrites nothing that the last one's manifest names.
        let name = format!("{PREFIX}{:05}-{short}.jsonl", self.done.len());
        let path = self.folder.join(&name);
        draft.finish(&path).map_err(|source| CorpusError::Io { file: path.display().to_string(), source })?;
        self.done.push(Shard { name, documents, bytes, blake3 });
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<Vec<Shard>, CorpusError> {
        self.end()?;
        Ok(self.done)
    }
}

/// Takes away files of documents that are not among these.
pub(super) fn sweep(folder: &Path, kept: &[Shard]) -> Result<(), CorpusError> {
    let failed = |source| CorpusError::Io { file: folder.display().to_string(), source };
    for name in files::names(folder).map_err(failed)? {
        let is_old =
            name.starts_with(PREFIX) && name.ends_with(".jsonl") && kept.iter().all(|shard| shard.name != name);
        if is_old {
            files::remove(&folder.join(name)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Reads documents, one after another.
pub struct Documents {
    folder: PathBuf,
    shards: std::vec::IntoIter<Shard>,
    current: Option<Reader>,
}

struct Reader {
    shard: Shard,
    file: std::io::BufReader<std::fs::File>,
    hasher: blake3::Hasher,
    line: Vec<u8>,
    number: u64,
}

impl Documents {
    pub(super) fn new(folder: &Path, shards: Vec<Shard>) -> Self {
        Self { folder: folder.to_owned(), shards: shards.into_iter(), current: None }
    }

    fn read(&mut self) -> Result<Option<Document>, CorpusError> {
        loop {
            if let Some(reader) = &mut self.current {
                if let Some(document) = reader.read()? {
                    return Ok(Some(document));
                }
                self.current = None;
            }
            let Some(shard) = self.shards.next() else { return Ok(None) };
            let path = self.folder.join(&shard.name);
            let file = files::reader(&path);
            let file = file.map_err(|source| CorpusError::Io { file: path.display().to_string(), source })?;
            self.current = Some(Reader { shard, file, hasher: blake3::Hasher::new(), line: Vec::new(), number: 0 });
        }
    }
}

impl Reader {
    fn read(&mut self) -> Result<Option<Document>, CorpusError> {
        let damaged = |why: String| CorpusError::Damaged { file: self.shard.name.clone(), why };
        self.line.clear();
        let read = (&mut self.file).take(LONGEST).read_until(b'\n', &mut self.line);
        if read.map_err(|error| damaged(error.to_string()))? == 0 {
            let is_whole = self.hasher.finalize().to_hex().as_str() == self.shard.blake3;
            return if is_whole { Ok(None) } else { Err(damaged("its bytes are not those that were written".into())) };
        }
        self.number += 1;
        self.hasher.update(&self.line);
        let document = serde_json::from_slice(&self.line);
        document.map(Some).map_err(|error| damaged(format!("line {}: {error}", self.number)))
    }
}

impl Iterator for Documents {
    type Item = Result<Document, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.read().transpose();
        if matches!(read, Some(Err(_))) {
            // After damage nothing that follows can be trusted.
            (self.shards, self.current) = (Vec::new().into_iter(), None);
        }
        read
    }
}
