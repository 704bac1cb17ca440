//! Which documents did people add, and what do they say? Kept in one file, for recall and for training alike.
//!
//! The file is SQLite. Its table `documents` holds one row a document: `address` (a path or a URL), `title`, `format`,
//! `text` (cleaned, secrets redacted, headings after `#`: see [`Document::text`]), `words`, `hash` (BLAKE3 of title and
//! text), `raw` (BLAKE3 of the bytes it was read from, by which a refresh knows what changed), `etag`, `last_modified`,
//! `fetched_at` (seconds since 1970) and `minhash`. A near-duplicate (Jaccard similarity of its runs of five words at
//! least 0.9) has a row without text that names the one it repeats, `duplicate_of`. Whoever wants a corpus to train on
//! reads `SELECT text FROM documents WHERE text IS NOT NULL`.
//!
//! Invariants: one document is one transaction, so a process that dies loses at most the one it was adding; the file is
//! never deleted, not even when it is damaged: it is the user's.

mod folder;
mod open;
mod put;
mod refresh;
mod site;
mod step;

pub use refresh::{Spec, SpecError, Wanted, add, refresh};
pub use step::{Changes, How, Progress};

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{
    chunk::Chunked,
    document::{Document, DocumentError},
};
use crate::notice::Notice;

/// The documents that people added.
#[derive(Debug)]
pub struct Corpus {
    db: Connection,
    path: PathBuf,
}

/// A place that documents came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its number.
    pub id: i64,
    /// A path or a URL, as it is asked for.
    pub spec: String,
    /// How many documents it has, near-duplicates not counted.
    pub documents: u64,
    /// How many near-duplicates of others.
    pub duplicates: u64,
    /// Words of its documents.
    pub words: u64,
    /// When it was read last, to its end, in seconds since 1970; none before that.
    pub refreshed: Option<i64>,
    settings: Wanted,
}

/// A document as the index sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; that of a document which was removed may come again.
    pub id: i64,
    /// A path or a URL.
    pub address: String,
    /// What it calls itself, else empty.
    pub title: String,
    /// BLAKE3 of title and text.
    pub hash: [u8; 32],
}

/// Why the corpus cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CorpusError {
    /// The database refused.
    #[error("cannot use the documents in `{}`", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: rusqlite::Error,
    },
    /// The database found itself damaged while it was in use.
    #[error("`{}` is damaged: move it aside and add the sources again; it is not deleted", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: rusqlite::Error,
    },
    /// Written by another version.
    #[error(
        "`{}` has format {found} and this program reads format {wanted}: use the version that wrote it, or move it aside \
         and add the sources again", path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format; 0 for a file that is not ours.
        found: i64,
        /// The format that is read.
        wanted: i64,
    },
    /// The file system refused.
    #[error("cannot use `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The site cannot be read at all.
    #[error(transparent)]
    Crawl(#[from] super::crawl::CrawlError),
    /// The only document that was asked for cannot be read.
    #[error("cannot read `{address}`")]
    Document {
        /// Its path.
        address: String,
        /// Why.
        #[source]
        source: DocumentError,
    },
    /// There is nothing to read.
    #[error("no documents under `{place}`: {why}")]
    Nothing {
        /// The place.
        place: String,
        /// What was looked for.
        why: String,
    },
}

impl Corpus {
    /// Opens the file, or makes it. One that is damaged is moved aside, and the notice says where to.
    ///
    /// # Errors
    /// [`CorpusError`] when it cannot be opened, or was written by another version.
    pub fn open(path: &Path) -> Result<(Self, Option<Notice>), CorpusError> {
        open::open(path)
    }

    /// The same, but none where there is no file.
    ///
    /// # Errors
    /// Those of [`Corpus::open`].
    pub fn open_existing(path: &Path) -> Result<Option<(Self, Option<Notice>)>, CorpusError> {
        path.exists().then(|| Self::open(path)).transpose()
    }

    /// Where documents came from, in the order in which they were added.
    ///
    /// # Errors
    /// [`CorpusError`] when the database refuses.
    pub fn sources(&self) -> Result<Vec<Source>, CorpusError> {
        let sql = "SELECT s.id, s.spec, s.settings, s.refreshed, count(d.text), count(d.duplicate_of),
                          coalesce(sum(d.words) FILTER (WHERE d.text IS NOT NULL), 0)
                   FROM sources s LEFT JOIN documents d ON d.source = s.id GROUP BY s.id ORDER BY s.id";
        let source = |row: &Row<'_>| {
            Ok(Source {
                id: row.get(0)?,
                spec: row.get(1)?,
                settings: serde_json::from_str(&row.get::<_, String>(2)?).unwrap_or_default(),
                refreshed: row.get(3)?,
                documents: row.get::<_, i64>(4)?.unsigned_abs(),
                duplicates: row.get::<_, i64>(5)?.unsigned_abs(),
                words: row.get::<_, i64>(6)?.unsigned_abs(),
            })
        };
        self.all(sql, params![], source)
    }

    /// Every document but near-duplicates, in the order of their numbers.
    ///
    /// # Errors
    /// [`CorpusError`] when the database refuses.
    pub fn documents(&self) -> Result<Vec<Entry>, CorpusError> {
        let sql = "SELECT id, address, title, hash FROM documents WHERE text IS NOT NULL ORDER BY id";
        let entry =
            |row: &Row<'_>| Ok(Entry { id: row.get(0)?, address: row.get(1)?, title: row.get(2)?, hash: row.get(3)? });
        self.all(sql, params![], entry)
    }

    /// What a document says; none where there is no such document, or it repeats another.
    ///
    /// # Errors
    /// [`CorpusError`] when the database refuses.
    pub fn document(&self, id: i64) -> Result<Option<Document>, CorpusError> {
        let sql = "SELECT title, text FROM documents WHERE id = ?1 AND text IS NOT NULL";
        let document = |row: &Row<'_>| Ok(Document::from_text(row.get::<_, String>(0)?, row.get_ref(1)?.as_str()?));
        self.told(self.db.query_row(sql, [id], document).optional())
    }

    /// The sections of a document. `lines` are those of its stored text.
    ///
    /// # Errors
    /// [`CorpusError`] when the database refuses.
    pub fn chunks(&self, id: i64) -> Result<Chunked, CorpusError> {
        Ok(self.document(id)?.map(|document| document.chunks()).unwrap_or_default())
    }

    /// Removes a source with its documents; what others had in common with them they keep. Whether there was such a one.
    ///
    /// # Errors
    /// [`CorpusError`] when the database refuses.
    pub fn remove(&mut self, spec: &str) -> Result<bool, CorpusError> {
        let done = put::remove_source(&mut self.db, spec);
        self.told(done)
    }

    fn all<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, CorpusError> {
        let rows = || self.db.prepare_cached(sql)?.query_map(values, read)?.collect();
        self.told(rows())
    }

    /// The answer of the database, with the file's name where it is an error.
    fn told<T>(&self, answer: rusqlite::Result<T>) -> Result<T, CorpusError> {
        answer.map_err(|source| open::error(&self.path, source))
    }
}
