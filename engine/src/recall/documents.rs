//! Which documents are indexed? Those that people added, from the corpus.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, OnceLock, PoisonError},
};

use super::{
    chunk::Chunked,
    corpus::{Corpus, CorpusError},
    error::IndexError,
    store::Place,
    update::{Item, Library},
};
use crate::notice::{self, Notice};

/// The view of the documents, in which every work tree of the repository looks too.
pub const VIEW: &str = "documents";

/// The documents of a corpus. Where there is no corpus there are none.
pub struct Documents {
    corpus: Option<Mutex<Corpus>>,
    numbers: OnceLock<HashMap<[u8; 32], i64>>,
}

impl Documents {
    /// The corpus in a file, if there is one; with what its opening has to tell.
    ///
    /// # Errors
    /// [`CorpusError`] when there is one that cannot be used.
    pub fn open(path: &Path) -> Result<(Self, Option<Notice>), CorpusError> {
        let (corpus, notice) = Corpus::open_existing(path)?.unzip();
        Ok((Self { corpus: corpus.map(Mutex::new), numbers: OnceLock::new() }, notice.flatten()))
    }
}

impl Library for Documents {
    fn name(&self) -> &str {
        VIEW
    }

    fn items(&self) -> Result<Vec<Item>, IndexError> {
        let Some(corpus) = &self.corpus else { return Ok(Vec::new()) };
        let entries = corpus.lock().unwrap_or_else(PoisonError::into_inner).documents()?;
        self.numbers.get_or_init(|| entries.iter().map(|entry| (entry.hash, entry.id)).collect());
        let item = |entry: super::corpus::Entry| Item {
            place: Place::Document(entry.address),
            content: entry.hash.to_vec(),
            title: entry.title,
        };
        Ok(entries.into_iter().map(item).collect())
    }

    fn chunks(&self, item: &Item) -> Result<Option<Chunked>, Notice> {
        let number = |content: &[u8]| self.numbers.get()?.get(content).copied();
        let (Some(corpus), Some(number)) = (&self.corpus, number(&item.content)) else { return Ok(None) };
        let read = corpus.lock().unwrap_or_else(PoisonError::into_inner).chunks(number);
        let failed = |error| Notice::failure(item.place.as_str(), format!("not indexed: {}", notice::chain(&error)));
        read.map(Some).map_err(failed)
    }

    fn recent(&self, _: Option<&str>) -> Option<(String, Vec<(String, i64)>)> {
        None
    }
}
