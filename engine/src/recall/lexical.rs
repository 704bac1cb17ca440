//! Which chunks hold these words? A tantivy index over symbol, path, signature, doc and body, each with its weight.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use tantivy::{
    Index, IndexReader, IndexWriter, ReloadPolicy, TantivyDocument, Term,
    collector::{FilterCollector, TopDocs},
    query::{BooleanQuery, BoostQuery, Occur, Query, TermQuery},
    schema::{FAST, Field, INDEXED, IndexRecordOption, Schema, TextFieldIndexing, TextOptions},
    tokenizer::{Language, Stemmer, TextAnalyzer, TokenizerManager},
};

use super::{
    chunk::{Chunk, Kind},
    error::IndexError,
    store::{Place, UnitId, chunk_id, unit_of},
    tokens::Split,
    twin,
};

/// How much a word weighs by where it stands: learned by `benches/learn_fusion.py`, see docs/benchmarks.md.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// In the symbol path or the headings.
    pub symbol: f32,
    /// In the file's path.
    pub path: f32,
    /// In the signature.
    pub signature: f32,
    /// In the doc comment or the prose.
    pub doc: f32,
    /// In the code.
    pub body: f32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { symbol: 0.7, path: 1.0, signature: 1.0, doc: 1.0, body: 2.0 }
    }
}

impl Weights {
    /// One field alone, in the order above; to learn what each tells.
    pub fn only(self, field: usize) -> Self {
        let alone = |at: usize| f32::from(u8::from(at == field));
        Self { symbol: alone(0), path: alone(1), signature: alone(2), doc: alone(3), body: alone(4) }
    }
}

#[derive(Clone, Copy)]
struct Fields {
    id: Field,
    unit: Field,
    symbol: Field,
    path: Field,
    signature: Field,
    doc: Field,
    body: Field,
    calls: Field,
    bands: Field,
}

impl Fields {
    fn schema() -> (Schema, Self) {
        let mut schema = Schema::builder();
        let text = |tokenizer: &str, record| {
            let indexing = TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(record);
            TextOptions::default().set_indexing_options(indexing)
        };
        let code = || text("code", IndexRecordOption::WithFreqs);
        let fields = Self {
            id: schema.add_u64_field("id", FAST),
            unit: schema.add_u64_field("unit", INDEXED),
            symbol: schema.add_text_field("symbol", code()),
            path: schema.add_text_field("path", code()),
            signature: schema.add_text_field("signature", code()),
            doc: schema.add_text_field("doc", text("prose", IndexRecordOption::WithFreqs)),
            body: schema.add_text_field("body", code()),
            calls: schema.add_text_field("calls", text("raw", IndexRecordOption::Basic)),
            bands: schema.add_u64_field("bands", INDEXED),
        };
        (schema.build(), fields)
    }
}

fn tokenizers() -> TokenizerManager {
    // tantivy asks for its own default even where a field has no text.
    let manager = TokenizerManager::default();
    manager.register("code", TextAnalyzer::from(Split::default()));
    manager.register("prose", TextAnalyzer::builder(Split::words()).filter(Stemmer::new(Language::English)).build());
    manager
}

/// What is derived from the store: words by chunk.
pub(super) struct Words {
    index: Index,
    fields: Fields,
}

impl Words {
    /// Makes an empty one in an empty folder.
    pub(super) fn create(folder: &Path) -> Result<Self, IndexError> {
        let (schema, fields) = Fields::schema();
        let index = Index::builder()
            .schema(schema)
            .tokenizers(tokenizers())
            .create_in_dir(folder)
            .map_err(IndexError::words)?;
        Ok(Self { index, fields })
    }

    /// Opens what is there, for writing.
    pub(super) fn open(folder: &Path) -> Result<Self, IndexError> {
        Self::known(Index::open_in_dir(folder).map_err(IndexError::words)?)
    }

    /// Opens what is there, writing nothing: not even a lock.
    pub(super) fn open_read_only(folder: &Path) -> Result<Self, IndexError> {
        Self::known(Index::open(super::read_only::ReadOnly::open(folder)?).map_err(IndexError::words)?)
    }

    fn known(mut index: Index) -> Result<Self, IndexError> {
        let (schema, fields) = Fields::schema();
        if index.schema() != schema {
            return Err(IndexError::Foreign { why: "its fields differ".into() });
        }
        index.set_tokenizers(tokenizers());
        Ok(Self { index, fields })
    }

    /// Reads every byte and compares it with what was written.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] names a file that differs.
    pub(super) fn check(&self) -> Result<(), IndexError> {
        check(&self.index)
    }

    pub(super) fn writer(&self, bytes: usize) -> Result<WordsWriter<'_>, IndexError> {
        let writer = self.index.writer_with_num_threads(1, bytes).map_err(IndexError::words)?;
        Ok(WordsWriter { words: self, writer })
    }

    pub(super) fn reader(&self) -> Result<WordsReader, IndexError> {
        let builder = self.index.reader_builder().reload_policy(ReloadPolicy::Manual).doc_store_cache_num_blocks(0);
        let reader = guarded(|| builder.try_into().map_err(IndexError::words))?;
        Ok(WordsReader { fields: self.fields, index: self.index.clone(), reader })
    }
}

/// Adds and removes; nothing is seen before [`WordsWriter::commit`].
pub(super) struct WordsWriter<'a> {
    words: &'a Words,
    writer: IndexWriter,
}

impl WordsWriter<'_> {
    pub(super) fn add(&mut self, unit: UnitId, place: &Place, chunks: &[Chunk]) -> Result<(), IndexError> {
        for (ordinal, chunk) in chunks.iter().enumerate() {
            let document = self.document(unit, ordinal, place, chunk);
            self.writer.add_document(document).map_err(IndexError::words)?;
        }
        Ok(())
    }

    fn document(&self, unit: UnitId, ordinal: usize, place: &Place, chunk: &Chunk) -> TantivyDocument {
        let fields = &self.words.fields;
        let mut document = TantivyDocument::new();
        document.add_u64(fields.id, chunk_id(unit, ordinal));
        document.add_u64(fields.unit, unit as u64);
        document.add_text(fields.symbol, chunk.symbol.join(" "));
        document.add_text(fields.path, place.as_str());
        document.add_text(fields.signature, &chunk.signature);
        document.add_text(fields.doc, &chunk.doc);
        if chunk.kind != Kind::Section {
            document.add_text(fields.body, &chunk.text);
            for band in twin::bands(&chunk.text) {
                document.add_u64(fields.bands, band);
            }
        }
        for call in &chunk.calls {
            document.add_text(fields.calls, call);
        }
        document
    }

    pub(super) fn remove(&mut self, unit: UnitId) {
        self.writer.delete_term(Term::from_field_u64(self.words.fields.unit, unit as u64));
    }

    /// Makes everything seen, on disk.
    pub(super) fn commit(&mut self) -> Result<(), IndexError> {
        self.writer.commit().map(|_| ()).map_err(IndexError::words)
    }

    /// Waits for what tantivy does in the background.
    pub(super) fn finish(self) -> Result<(), IndexError> {
        self.writer.wait_merging_threads().map_err(IndexError::words)
    }
}

/// Asks.
pub(super) struct WordsReader {
    fields: Fields,
    index: Index,
    reader: IndexReader,
}

/// Says which units are in view.
pub(super) type InView = std::sync::Arc<dyn Fn(UnitId) -> bool + Send + Sync>;

impl WordsReader {
    /// The chunks in view that fit the words best, as (chunk, BM25 summed over the fields by weight), best first.
    pub(super) fn search(
        &self,
        words: &str,
        weights: &Weights,
        view: &InView,
        most: usize,
    ) -> Result<Vec<(u64, f32)>, IndexError> {
        let weighed = [
            (self.fields.symbol, weights.symbol),
            (self.fields.path, weights.path),
            (self.fields.signature, weights.signature),
            (self.fields.doc, weights.doc),
            (self.fields.body, weights.body),
        ];
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for (field, weight) in weighed.into_iter().filter(|&(_, weight)| weight > 0.0) {
            for term in self.terms(field, words)? {
                let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
                clauses.push((Occur::Should, Box::new(BoostQuery::new(Box::new(query), weight))));
            }
        }
        self.top(BooleanQuery::new(clauses), view, most)
    }

    /// The terms of some words in a field, each once.
    fn terms(&self, field: Field, words: &str) -> Result<Vec<Term>, IndexError> {
        let mut analyzer = self.index.tokenizer_for_field(field).map_err(IndexError::words)?;
        let mut stream = analyzer.token_stream(words);
        let mut terms = Vec::new();
        while let Some(token) = stream.next() {
            let term = Term::from_field_text(field, &token.text);
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
        Ok(terms)
    }

    /// The chunks in view that call something of this name.
    pub(super) fn callers(&self, name: &str, view: &InView, most: usize) -> Result<Vec<u64>, IndexError> {
        let query = TermQuery::new(Term::from_field_text(self.fields.calls, name), IndexRecordOption::Basic);
        Ok(self.top(query, view, most)?.into_iter().map(|(id, _)| id).collect())
    }

    /// The chunks in view that share bands of their MinHash, the most bands first.
    pub(super) fn alike(&self, bands: &[u64], view: &InView, most: usize) -> Result<Vec<u64>, IndexError> {
        let clause = |&band: &u64| -> (Occur, Box<dyn Query>) {
            let term = Term::from_field_u64(self.fields.bands, band);
            (Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::Basic)))
        };
        let query = BooleanQuery::new(bands.iter().map(clause).collect());
        Ok(self.top(query, view, most)?.into_iter().map(|(id, _)| id).collect())
    }

    fn top(&self, query: impl Query, view: &InView, most: usize) -> Result<Vec<(u64, f32)>, IndexError> {
        guarded(|| self.top_unguarded(&query, view, most))
    }

    fn top_unguarded(&self, query: &dyn Query, view: &InView, most: usize) -> Result<Vec<(u64, f32)>, IndexError> {
        let searcher = self.reader.searcher();
        let view = std::sync::Arc::clone(view);
        let in_view = move |id: u64| view(unit_of(id));
        let collector =
            FilterCollector::new("id".to_owned(), in_view, TopDocs::with_limit(most.max(1)).order_by_score());
        let found = searcher.search(query, &collector).map_err(IndexError::words)?;
        let mut hits = Vec::with_capacity(found.len());
        for (score, address) in found {
            let segment = searcher.segment_reader(address.segment_ord);
            let ids = segment.fast_fields().u64("id").map_err(IndexError::words)?;
            hits.extend(ids.first(address.doc_id).map(|id| (id, score)));
        }
        Ok(hits)
    }

    /// Reads every byte and compares it with what was written.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] names a file that differs.
    pub(super) fn check(&self) -> Result<(), IndexError> {
        check(&self.index)
    }

    /// How many chunks the word index holds for these units; for checking that nothing is missing.
    pub(super) fn count(&self, view: &InView) -> Result<usize, IndexError> {
        let searcher = self.reader.searcher();
        let mut count = 0;
        for segment in searcher.segment_readers() {
            let ids = segment.fast_fields().u64("id").map_err(IndexError::words)?;
            let alive = segment.doc_ids_alive();
            count += alive.filter(|&doc| ids.first(doc).is_some_and(|id| view(unit_of(id)))).count();
        }
        Ok(count)
    }
}

fn check(index: &Index) -> Result<(), IndexError> {
    match index.validate_checksum().map_err(IndexError::words)?.into_iter().min() {
        None => Ok(()),
        Some(file) => Err(IndexError::Damaged { why: format!("`words/{}` is not what was written", file.display()) }),
    }
}

/// tantivy trusts the bytes it wrote, and panics on others.
fn guarded<T>(read: impl FnOnce() -> Result<T, IndexError>) -> Result<T, IndexError> {
    let panicked = |_| Err(IndexError::Damaged { why: "the words cannot be read".to_owned() });
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(panicked)
}
