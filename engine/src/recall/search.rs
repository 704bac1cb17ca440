//! What answers this question? One reader of the index: by words, by meaning, by name.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::OptionalExtension as _;
use serde::Serialize;

use super::{
    chunk::{Chunk, Kind},
    error::IndexError,
    folder::{Folder, Generation},
    fuse::{self, Question},
    lexical::{self, InView, Words, WordsReader},
    store::{self, Place, Row, Store, UnitId, unit_of},
    twin,
    vector::Codes,
};
use crate::{model::Embedder, source::RepoPath};

pub use super::fuse::Features;

/// A question with what is known of who asks.
#[derive(Debug, Clone, Default)]
pub struct Query<'a> {
    /// The question: words, identifiers, or a piece of code.
    pub text: &'a str,
    /// The most answers.
    pub most: usize,
    /// The file from which it is asked, where there is one.
    pub from: Option<&'a str>,
    /// How each search and feature weighs.
    pub weights: Weights,
}

/// How each search and feature weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weights {
    /// A word by the field it stands in.
    pub fields: lexical::Weights,
    /// A hit by what is known of it.
    pub features: fuse::Weights,
}

/// A piece that answers.
#[derive(Debug, Clone, Serialize)]
pub struct Hit {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// What the document calls itself; empty for files.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub title: String,
    /// The piece.
    #[serde(flatten)]
    pub chunk: Chunk,
    /// The score it was ranked by; only good for comparing hits of one question.
    pub score: f32,
    /// What the score is made of.
    #[serde(skip)]
    pub features: Features,
    /// BM25 over the fields as they weigh; 0 when the chunk was not among the best by words.
    #[serde(skip)]
    pub bm25: f32,
}

/// Chunks with what they scored, best first.
type Scored = Vec<(u64, f32)>;

/// How many each search brings to the fusion.
const CANDIDATES: usize = 100;

/// Chunks compared again in f32 after the scan.
const RERANKED: usize = 50;

/// An index opened for reading, as it was at that moment.
pub struct Searcher {
    store: Mutex<Store>,
    words: WordsReader,
    units: Vec<UnitId>,
    view: InView,
    codes: Mutex<Option<Codes>>,
    dimensions: usize,
    embedder: String,
}

impl Searcher {
    /// Opens the index in a folder for the views of these libraries.
    ///
    /// # Errors
    /// [`IndexError::None`] when none was built, [`IndexError::Foreign`] and [`IndexError::Damaged`] when it must be
    /// built anew.
    pub fn open(folder: &Path, libraries: &[&str]) -> Result<Self, IndexError> {
        let folder = Folder::new(folder);
        let mut tries = 0;
        loop {
            let generation = folder.current()?.ok_or_else(|| IndexError::None { folder: folder.path().to_owned() })?;
            match Self::of(&generation, libraries) {
                // A writer may have taken away just now what was about to be read.
                Err(IndexError::Damaged { .. } | IndexError::Store(_)) if tries < 5 => {
                    std::thread::sleep(Duration::from_millis(2 << tries));
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    fn of(generation: &Generation, libraries: &[&str]) -> Result<Self, IndexError> {
        generation.check()?;
        let store = Store::open_read_only(generation)?;
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok()).unwrap_or(0);
        let dimensions = number(store.meta("dimensions")?);
        let embedder = store.meta("embedder")?.unwrap_or_default();
        let units = store.members(libraries)?;
        let words = Words::open_read_only(&generation.words())?.reader()?;
        Ok(Self {
            view: in_view(&units),
            store: Mutex::new(store),
            words,
            units,
            codes: Mutex::new(None),
            dimensions,
            embedder,
        })
    }

    /// The name of the embedder that made the vectors.
    pub fn embedder(&self) -> &str {
        &self.embedder
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The best answers, best first.
    ///
    /// # Errors
    /// [`IndexError`] when the index or the embedder fails.
    pub fn search(&self, query: &Query<'_>, embedder: &dyn Embedder) -> Result<Vec<Hit>, IndexError> {
        let by_words = self.by_words(query)?;
        let (vector, by_meaning) = self.by_meaning(query.text, embedder)?;
        let mut found: HashMap<u64, Features> = HashMap::new();
        let best = by_words.first().map_or(1.0, |&(_, score)| score.max(f32::MIN_POSITIVE));
        for (rank, &(id, score)) in by_words.iter().enumerate() {
            let features = found.entry(id).or_default();
            features.words = score / best;
            features.ranks += 30.0 / (60.0 + rank as f32);
        }
        for (rank, &(id, cosine)) in by_meaning.iter().enumerate() {
            let features = found.entry(id).or_default();
            features.meaning = cosine;
            features.ranks += 30.0 / (60.0 + rank as f32);
        }
        self.complete_meaning(&vector, &mut found);
        self.ranked(query, found, best)
    }

    fn by_words(&self, query: &Query<'_>) -> Result<Vec<(u64, f32)>, IndexError> {
        self.words.search(query.text, &query.weights.fields, &self.view, CANDIDATES)
    }

    /// The vector of the question, and the chunks that lie nearest to it.
    fn by_meaning(&self, text: &str, embedder: &dyn Embedder) -> Result<(Vec<f32>, Scored), IndexError> {
        if embedder.name() != self.embedder {
            return Err(IndexError::Foreign {
                why: format!("its vectors are of `{}`, not of `{}`", self.embedder, embedder.name()),
            });
        }
        let vector = embedder.query(text)?;
        let mut nearest = self.nearest(&vector, CANDIDATES)?;
        let store = self.store();
        for (id, cosine) in nearest.iter_mut().take(RERANKED) {
            if let Some(exact) = store.exact(*id, self.dimensions)? {
                *cosine = exact.iter().zip(&vector).map(|(a, b)| a * b).sum();
            }
        }
        nearest.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        Ok((vector, nearest))
    }

    /// The chunks whose meaning is nearest, found as a search finds them: (chunk, cosine), nearest first.
    ///
    /// # Errors
    /// [`IndexError`] when the index or the embedder fails.
    pub fn meaning(&self, text: &str, embedder: &dyn Embedder, most: usize) -> Result<Vec<(u64, f32)>, IndexError> {
        let (_, mut nearest) = self.by_meaning(text, embedder)?;
        nearest.truncate(most);
        Ok(nearest)
    }

    /// The same by comparing every vector in f32; to measure what the scan over bytes misses.
    ///
    /// # Errors
    /// [`IndexError`] when the index or the embedder fails.
    pub fn meaning_exact(
        &self,
        text: &str,
        embedder: &dyn Embedder,
        most: usize,
    ) -> Result<Vec<(u64, f32)>, IndexError> {
        let query = embedder.query(text)?;
        let store = self.store();
        let mut all = Vec::new();
        for &unit in &self.units {
            for (ordinal, vector) in store.all_exact(unit, self.dimensions)?.into_iter().enumerate() {
                let cosine: f32 = vector.iter().zip(&query).map(|(a, b)| a * b).sum();
                all.push((store::chunk_id(unit, ordinal), cosine));
            }
        }
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        all.truncate(most);
        Ok(all)
    }

    fn nearest(&self, vector: &[f32], most: usize) -> Result<Vec<(u64, f32)>, IndexError> {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        if codes.is_none() {
            *codes = Some(Codes::load(&self.store(), &self.units, self.dimensions)?);
        }
        Ok(codes.as_ref().map(|codes| codes.nearest(vector, most)).unwrap_or_default())
    }

    /// The cosine of those that only the words brought.
    fn complete_meaning(&self, vector: &[f32], found: &mut HashMap<u64, Features>) {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(codes) = codes.as_mut() else { return };
        for (&id, features) in found.iter_mut().filter(|(_, features)| features.meaning == 0.0) {
            features.meaning = codes.cosine(vector, id).unwrap_or(0.0);
        }
    }

    fn ranked(&self, query: &Query<'_>, found: HashMap<u64, Features>, best: f32) -> Result<Vec<Hit>, IndexError> {
        let ids: Vec<u64> = found.keys().copied().collect();
        let question = Question::new(query.text);
        let store = self.store();
        let mut hits = Vec::with_capacity(ids.len());
        for row in store.rows(&ids)? {
            let known = found.get(&row.id).copied().unwrap_or_default();
            let own = question.features(&row);
            let features = Features {
                words: known.words,
                meaning: known.meaning,
                ranks: known.ranks,
                code: question.code(known.words),
                recent: self.recency(&store, &row)?,
                near: query.from.map_or(0.0, |from| fuse::nearness(from, row.place.as_str())),
                ..own
            };
            let score = features.score(&query.weights.features);
            hits.push((
                row.id,
                Hit {
                    place: row.place,
                    title: row.title,
                    chunk: row.chunk,
                    score,
                    features,
                    bm25: best * features.words,
                },
            ));
        }
        hits.sort_by(|a, b| b.1.score.total_cmp(&a.1.score).then(a.0.cmp(&b.0)));
        Ok(one_a_definition(hits.into_iter().map(|(_, hit)| hit), query.most))
    }

    fn recency(&self, store: &Store, row: &Row) -> Result<f32, IndexError> {
        let Place::File(path) = &row.place else { return Ok(0.0) };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64);
        let days = store.recent(path.as_str())?.map(|time| (now - time).max(0) as f32 / 86_400.0);
        Ok(days.map_or(0.0, |days| 0.5_f32.powf(days / 90.0)))
    }

    /// The chunks that define something of this name.
    ///
    /// # Errors
    /// [`IndexError`] when the index fails.
    pub fn definitions(&self, name: &str) -> Result<Vec<(Place, Chunk)>, IndexError> {
        let store = self.store();
        let ids: Vec<u64> = store.named(name)?.into_iter().filter(|&id| (self.view)(unit_of(id))).collect();
        Ok(store.rows(&ids)?.into_iter().filter(|row| row.chunk.part == 0).map(|row| (row.place, row.chunk)).collect())
    }

    /// The chunks that call something of this name.
    ///
    /// # Errors
    /// [`IndexError`] when the index fails.
    pub fn callers(&self, name: &str, most: usize) -> Result<Vec<(Place, Chunk)>, IndexError> {
        let mut ids = self.words.callers(name, &self.view, most)?;
        ids.sort_unstable();
        Ok(self.store().rows(&ids)?.into_iter().map(|row| (row.place, row.chunk)).collect())
    }

    /// Sections of documents whose words fit this name best.
    ///
    /// # Errors
    /// [`IndexError`] when the index fails.
    pub(super) fn sections(&self, name: &str, most: usize) -> Result<Vec<(Place, Chunk)>, IndexError> {
        let prose = lexical::Weights { symbol: 1.0, path: 0.0, signature: 0.0, doc: 1.0, body: 0.0 };
        let found = self.words.search(name, &prose, &self.view, most * 5)?;
        let ids: Vec<u64> = found.into_iter().map(|(id, _)| id).collect();
        let rows = self.store().rows(&ids)?.into_iter().filter(|row| row.chunk.kind == Kind::Section);
        Ok(rows.take(most).map(|row| (row.place, row.chunk)).collect())
    }

    /// Files with a piece that shares bands with this text, most alike first, each once.
    ///
    /// # Errors
    /// [`IndexError`] when the index fails.
    pub(super) fn alike(&self, text: &str, most: usize) -> Result<Vec<RepoPath>, IndexError> {
        let bands = twin::bands(text);
        if bands.is_empty() {
            return Ok(Vec::new());
        }
        let ids = self.words.alike(&bands, &self.view, most * 2)?;
        let mut paths: Vec<RepoPath> = Vec::new();
        for row in self.store().rows(&ids)? {
            match row.place {
                Place::File(path) if !paths.contains(&path) => paths.push(path),
                _ => {}
            }
        }
        paths.truncate(most);
        Ok(paths)
    }

    /// Reads everything, and checks that it is what was written, that every unit in view has its chunks, every chunk
    /// its words, and every unit all of its vectors: (chunks, words, vectors). Only a slow embedder may owe some.
    ///
    /// # Errors
    /// [`IndexError::Damaged`] when something is missing or differs.
    pub fn verify(&self) -> Result<(usize, usize, usize), IndexError> {
        self.words.check()?;
        let store = self.store();
        store.check()?;
        let may_owe = store.meta("instant")?.as_deref() != Some("1");
        let (mut chunks, mut vectors) = (0, 0);
        for &unit in &self.units {
            let (of_unit, with_vectors) = self.verify_unit(&store, unit)?;
            if with_vectors != of_unit && !(may_owe && with_vectors == 0) {
                return Err(damaged(format!("unit {unit} has {with_vectors} vectors for {of_unit} chunks")));
            }
            chunks += of_unit;
            vectors += with_vectors;
        }
        let words = self.words.count(&self.view)?;
        if words != chunks {
            return Err(damaged(format!("{words} of {chunks} chunks have their words")));
        }
        Ok((chunks, words, vectors))
    }

    /// How many chunks and vectors a unit in view has.
    fn verify_unit(&self, store: &Store, unit: UnitId) -> Result<(usize, usize), IndexError> {
        let sql =
            "SELECT chunks, settled, (SELECT count(*) FROM chunk WHERE id BETWEEN ?1 << 16 AND (?1 << 16) + 65535),
                          coalesce((SELECT length(codes) FROM code WHERE unit = ?1), 0),
                          coalesce((SELECT length(vectors) FROM exact WHERE unit = ?1), 0)
                   FROM unit WHERE id = ?1";
        let mut statement = store.connection.prepare_cached(sql).map_err(IndexError::store)?;
        let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<[i64; 5]> {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
        };
        let row = statement.query_row([unit], read).optional().map_err(IndexError::store)?;
        let [said, settled, there, codes, exact] =
            row.ok_or_else(|| damaged(format!("unit {unit} is in view and not there")))?;
        if said != there || settled != 1 {
            return Err(damaged(format!("unit {unit} has {there} of {said} chunks, settled {settled}")));
        }
        let (code, vector) = (self.dimensions as i64 + 4, self.dimensions as i64 * 4);
        let vectors = codes / code;
        if codes != vectors * code || exact != vectors * vector {
            return Err(damaged(format!("unit {unit} has {codes} bytes of codes and {exact} of vectors")));
        }
        Ok((there as usize, vectors as usize))
    }
}

fn damaged(why: String) -> IndexError {
    IndexError::Damaged { why }
}

/// The first hits, a definition or a line that was cut into parts only once.
fn one_a_definition(hits: impl Iterator<Item = Hit>, most: usize) -> Vec<Hit> {
    let mut told = std::collections::HashSet::new();
    let mut is_first = |hit: &Hit| {
        let chunk = &hit.chunk;
        let line = if chunk.symbol.is_empty() { chunk.lines.0 } else { 0 };
        told.insert((hit.place.clone(), chunk.symbol.clone(), chunk.signature.clone(), line))
    };
    hits.filter(|hit| is_first(hit)).take(most).collect()
}

/// A set of units as bits.
fn in_view(units: &[UnitId]) -> InView {
    let most = units.last().map_or(0, |&last| last as usize + 1);
    let mut bits = vec![0_u64; most.div_ceil(64)];
    for &unit in units {
        bits[unit as usize / 64] |= 1 << (unit % 64);
    }
    Arc::new(move |unit| {
        let unit = unit as usize;
        bits.get(unit / 64).is_some_and(|word| word >> (unit % 64) & 1 == 1)
    })
}
