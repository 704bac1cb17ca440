//! How well does search answer labelled questions?
//!
//! What is measured is what ships: the corpus is cut, masked, indexed and searched by `recall` itself. A document is as
//! good as its best chunk. Of each question's ranking:
//!
//! - MRR@10: 1 / rank of the first relevant document, 0 when it is not among ten (Voorhees, TREC-8 question answering,
//!   1999; cut at ten as MS MARCO does).
//! - nDCG@10: Σ 1 / log2(1 + rank) over relevant documents among ten, over the most that could be (Järvelin and
//!   Kekäläinen, TOIS 2002, with gains of 0 and 1).
//! - recall@5: the part of the relevant documents that is among five (`recall_5` of trec_eval).
//!
//! Each is the mean over questions. `mrr_at_10_low` and `_high` hold 95 of 100 means of questions drawn again with
//! repetition (percentile bootstrap, Efron 1979).

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::atomic::AtomicBool,
};

use serde::Deserialize;

use super::{EvalError, Score};
use crate::{
    model::Embedder,
    notice::Notice,
    recall::{
        Chunked, Hit, IndexError, Place, Searcher, chunk,
        document::{self, Format},
        search::{Features, Query, Weights},
        update::{self, Item, Library, Options, Wait},
    },
    secret,
    source::{Language, RepoPath, SourceFile},
};

/// A question and the numbers of the documents that answer it, other fields ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct Question {
    /// Words, identifiers, or a piece of code.
    pub query: String,
    /// The `idx` of each document that answers.
    pub relevant_idx: Vec<u64>,
}

/// A document of the corpus, other fields ignored.
#[derive(Debug, Clone, Deserialize)]
struct Document {
    idx: u64,
    /// Source code.
    code: Option<String>,
    /// Prose in Markdown.
    #[serde(alias = "doc")]
    text: Option<String>,
    path: Option<String>,
    #[serde(default)]
    title: String,
    language: Option<String>,
}

/// Questions and the documents that answer them.
pub struct Cases {
    /// In the order of the data.
    pub questions: Vec<Question>,
    corpus: Corpus,
}

impl Cases {
    /// Reads two files of JSON lines: questions `{query, relevant_idx}`, and documents `{idx, code}` or `{idx, text}`,
    /// each with `path`, `title` and `language` where it has them. Code without a path or a language is Python.
    ///
    /// # Errors
    /// [`EvalError`] for a row that cannot be read, a number given twice, and an answer that is not in the corpus.
    pub fn read(questions: &str, corpus: &str) -> Result<Self, EvalError> {
        let questions: Vec<Question> = rows(questions)?;
        let documents: Vec<Document> = rows(corpus)?;
        if questions.is_empty() || documents.is_empty() {
            return Err(EvalError::Empty);
        }
        let corpus = Corpus::new(documents)?;
        for (line, question) in (1..).zip(&questions) {
            let missing = question.relevant_idx.iter().find(|idx| !corpus.indices.contains(idx));
            if question.relevant_idx.is_empty() {
                return Err(EvalError::Row { line, why: "`relevant_idx` names no document".into() });
            }
            if let Some(idx) = missing {
                return Err(EvalError::Row { line, why: format!("document {idx} is not in the corpus") });
            }
        }
        Ok(Self { questions, corpus })
    }

    /// Indexes the corpus in an empty folder.
    ///
    /// # Errors
    /// [`IndexError`] when the folder cannot be written or the embedder fails.
    pub fn index(&self, folder: &Path, embedder: &dyn Embedder) -> Result<Searcher, IndexError> {
        let stop = AtomicBool::new(false);
        let options = Options { embedder, wait: Wait::UntilFree, anew: false, progress: &|_, _, _| (), stop: &stop };
        update::update(folder, &[&self.corpus], &options)?;
        Searcher::open(folder, &[self.corpus.name()])
    }

    /// The number of the document that a hit is a piece of.
    pub fn document(&self, hit: &Hit) -> Option<u64> {
        self.corpus.indices.get(*self.corpus.places.get(&hit.place)?).copied()
    }
}

fn rows<Row: for<'de> Deserialize<'de>>(jsonl: &str) -> Result<Vec<Row>, EvalError> {
    let lines = (1..).zip(jsonl.lines()).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(line, text)| serde_json::from_str(text).map_err(|error| EvalError::Row { line, why: error.to_string() }))
        .collect()
}

/// The documents, each under a place of its own.
struct Corpus {
    documents: Vec<Document>,
    indices: Vec<u64>,
    places: HashMap<Place, usize>,
}

impl Corpus {
    fn new(documents: Vec<Document>) -> Result<Self, EvalError> {
        let indices: Vec<u64> = documents.iter().map(|document| document.idx).collect();
        let mut places = HashMap::new();
        let mut seen = std::collections::HashSet::new();
        for (at, document) in documents.iter().enumerate() {
            let line = at + 1;
            if !seen.insert(document.idx) {
                return Err(EvalError::Row { line, why: format!("document {} is there twice", document.idx) });
            }
            let place = place(at, document).map_err(|why| EvalError::Row { line, why })?;
            places.insert(place, at);
        }
        Ok(Self { documents, indices, places })
    }
}

/// Where a document is said to lie: its path, or a file name of its language, in a folder of its own.
fn place(at: usize, document: &Document) -> Result<Place, String> {
    let extension = match (&document.language, &document.code) {
        (_, None) => "md",
        (None, Some(_)) => "py",
        (Some(name), Some(_)) => {
            name.parse::<Language>().map_err(|_| format!("`{name}` is no language known here"))?.extension()
        }
    };
    let folder = letters(at);
    let path = match &document.path {
        Some(path) => format!("{folder}/{path}"),
        None => format!("{folder}.{extension}"),
    };
    RepoPath::new(path).map(Place::File).map_err(|error| format!("`path`: {error}"))
}

/// A number as consonants, so that no question holds it as a word.
fn letters(mut number: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz";
    let mut name = String::from("q");
    for _ in 0..6 {
        name.push(char::from(LETTERS[number % LETTERS.len()]));
        number /= LETTERS.len();
    }
    name
}

impl Library for Corpus {
    fn name(&self) -> &str {
        "eval"
    }

    fn items(&self) -> Result<Vec<Item>, IndexError> {
        let item = |(place, &at): (&Place, &usize)| Item {
            place: place.clone(),
            content: at.to_le_bytes().to_vec(),
            title: self.documents[at].title.clone(),
        };
        Ok(self.places.iter().map(item).collect())
    }

    fn chunks(&self, item: &Item) -> Result<Option<Chunked>, Notice> {
        let Place::File(path) = &item.place else { return Ok(None) };
        let Some(document) = self.places.get(&item.place).map(|&at| &self.documents[at]) else { return Ok(None) };
        if let Some(code) = &document.code {
            let masked = secret::mask(code).into_owned();
            let file = SourceFile::new(path.clone(), masked.into_bytes().into(), u64::MAX);
            return Ok(file.ok().map(|file| chunk::code(&file)));
        }
        let text = document.text.as_deref().unwrap_or_default();
        let sections = document::sections(Format::Markdown, secret::mask(text).as_bytes());
        sections.map(Some).map_err(|error| Notice::failure(path, format!("not indexed: {error}")))
    }

    fn recent(&self, _: Option<&str>) -> Option<(String, Vec<(String, i64)>)> {
        None
    }
}

/// A way of ranking, for comparison.
type Ranking = (&'static str, fn(&Features, &Weights) -> f32);

/// Each from the candidates of both searches.
const RANKINGS: [Ranking; 5] = [
    ("lexical", |found, _| found.words),
    ("embedder", |found, _| found.meaning),
    ("reciprocal ranks", |found, _| found.ranks),
    ("fused", |found, weights| {
        Features { words: found.words, meaning: found.meaning, code: found.code, ..Features::default() }
            .score(&weights.features)
    }),
    (SHIPPED, |found, weights| found.score(&weights.features)),
];

const SHIPPED: &str = "fused and re-ranked";

/// Indexes the corpus in a folder of its own inside `temporary`, asks every question and scores the rankings; `macro`
/// is what ships.
///
/// # Errors
/// [`EvalError`] for rows that cannot be read, and when the index or the embedder fails.
pub fn score(questions: &str, corpus: &str, temporary: &Path, embedder: &dyn Embedder) -> Result<Score, EvalError> {
    let cases = Cases::read(questions, corpus)?;
    let io = |source| IndexError::Io { what: "make a folder in", path: temporary.to_owned(), source };
    let folder = tempfile::Builder::new().prefix("apprentice-eval-").tempdir_in(temporary).map_err(io)?;
    let folder = folder.path().canonicalize().map_err(io)?;
    let searcher = cases.index(&folder, embedder)?;
    let weights = Weights::default();
    let mut measured: BTreeMap<&str, Vec<Measures>> = BTreeMap::new();
    for question in &cases.questions {
        let query = Query { text: &question.query, most: usize::MAX, from: None, weights };
        let hits = searcher.search(&query, embedder)?;
        let found: Vec<(u64, Features)> =
            hits.iter().filter_map(|hit| Some((cases.document(hit)?, hit.features))).collect();
        for (name, score) in RANKINGS {
            let scored = found.iter().map(|(document, features)| (*document, score(features, &weights)));
            let ranking = ranking(scored.collect());
            measured.entry(name).or_default().push(Measures::of(&ranking, &question.relevant_idx));
        }
    }
    let by_source: BTreeMap<String, _> =
        measured.into_iter().map(|(name, measures)| (name.to_owned(), summary(&measures))).collect();
    let mut mean = by_source.get(SHIPPED).cloned().unwrap_or_default();
    mean.retain(|key, _| ["mrr_at_10", "ndcg_at_10", "recall_at_5"].contains(key));
    Ok(Score {
        kind: "retrieval",
        rows: cases.questions.len(),
        mean,
        by_source,
        by_check: BTreeMap::new(),
        model: None,
    })
}

/// The documents by their best chunk, best first; those that score alike in order of their numbers.
fn ranking(chunks: Vec<(u64, f32)>) -> Vec<u64> {
    let mut best: BTreeMap<u64, f32> = BTreeMap::new();
    for (document, score) in chunks {
        best.entry(document).and_modify(|best| *best = best.max(score)).or_insert(score);
    }
    let mut ranking: Vec<(u64, f32)> = best.into_iter().collect();
    ranking.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranking.into_iter().map(|(document, _)| document).collect()
}

/// What one question's ranking is worth, each from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measures {
    mrr: f64,
    ndcg: f64,
    recall: f64,
}

impl Measures {
    fn of(ranking: &[u64], relevant: &[u64]) -> Self {
        let is_relevant = |document: &u64| relevant.contains(document);
        let gain = |rank: usize| 1.0 / (rank as f64 + 1.0).log2();
        let ranks: Vec<usize> =
            (1..=10).zip(ranking).filter(|(_, document)| is_relevant(document)).map(|(rank, _)| rank).collect();
        let ideal: f64 = (1..=relevant.len().min(10)).map(gain).sum();
        let within_five = ranks.iter().filter(|&&rank| rank <= 5).count();
        Self {
            mrr: ranks.first().map_or(0.0, |&rank| 1.0 / rank as f64),
            ndcg: ranks.iter().map(|&rank| gain(rank)).sum::<f64>() / ideal,
            recall: within_five as f64 / relevant.len() as f64,
        }
    }
}

fn summary(measures: &[Measures]) -> BTreeMap<&'static str, f64> {
    let mean = |value: fn(&Measures) -> f64| measures.iter().map(value).sum::<f64>() / measures.len() as f64;
    let mrr: Vec<f64> = measures.iter().map(|measures| measures.mrr).collect();
    let (low, high) = interval(&mrr);
    BTreeMap::from([
        ("mrr_at_10", mean(|measures| measures.mrr)),
        ("mrr_at_10_low", low),
        ("mrr_at_10_high", high),
        ("ndcg_at_10", mean(|measures| measures.ndcg)),
        ("recall_at_5", mean(|measures| measures.recall)),
    ])
}

/// The middle 95 % of the means of 2,000 samples drawn with repetition; the same for the same values.
fn interval(values: &[f64]) -> (f64, f64) {
    const SAMPLES: usize = 2000;
    let mut state = 1_u64;
    let mut draw = || {
        // Knuth's MMIX generator: its upper bits are good enough to draw from a few hundred.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % values.len()
    };
    let mut means: Vec<f64> =
        (0..SAMPLES).map(|_| (0..values.len()).map(|_| values[draw()]).sum::<f64>() / values.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    (means[SAMPLES / 40], means[SAMPLES - 1 - SAMPLES / 40])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::Table;

    #[test]
    fn measures_are_those_worked_out_by_hand() {
        let of = |ranking: &[u64], relevant: &[u64]| {
            let Measures { mrr, ndcg, recall } = Measures::of(ranking, relevant);
            [mrr, ndcg, recall].map(|value| (value * 1e4).round() / 1e4)
        };
        assert_eq!(of(&[7, 8, 9], &[7]), [1.0, 1.0, 1.0]);
        // Rank 2: 1 / log2(3).
        assert_eq!(of(&[8, 7, 9], &[7]), [0.5, 0.6309, 1.0]);
        // Ranks 1 and 3 of two: (1 + 1 / 2) over (1 + 0.6309).
        assert_eq!(of(&[1, 9, 2], &[1, 2]), [1.0, 0.9197, 1.0]);
        // Rank 6 is beyond five, rank 11 beyond ten.
        assert_eq!(of(&[10, 11, 12, 13, 14, 1], &[1]), [0.1667, 0.3562, 0.0]);
        assert_eq!(of(&[10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 1], &[1]), [0.0, 0.0, 0.0]);
        assert_eq!(of(&[], &[1]), [0.0, 0.0, 0.0]);
        // More answers than can be among five.
        assert_eq!(of(&[1, 2, 3, 4, 5, 6], &[1, 2, 3, 4, 5, 6, 7, 8])[2], 0.625);
    }

    #[test]
    fn a_document_is_as_good_as_its_best_chunk() {
        assert_eq!(ranking(vec![(3, 0.2), (1, 0.5), (3, 0.9), (2, 0.5)]), [3, 1, 2]);
    }

    #[test]
    fn an_interval_holds_the_mean_and_narrows_with_more_questions() {
        let few: Vec<f64> = (0..20).map(|n| f64::from(n % 2)).collect();
        let many = few.repeat(50);
        let ((low, high), (lower, higher)) = (interval(&many), interval(&few));
        assert!(lower < low && low < 0.5 && 0.5 < high && high < higher, "{lower} {low} {high} {higher}");
        assert_eq!(interval(&[0.3; 10]).0, interval(&[0.3; 10]).1);
    }

    const CORPUS: &str = r#"
        {"idx": 10, "code": "def remove_file(path):\n    \"\"\"Delete a file from disk.\"\"\"\n    os.unlink(path)\n"}
        {"idx": 20, "code": "def parse_json(text):\n    return json.loads(text)\n"}
        {"idx": 30, "language": "go", "path": "pkg/sort.go", "code": "package pkg\n\nfunc SortDescending(a []int) {\n\tsort.Sort(a)\n}\n"}
    "#;

    fn scored(questions: &str) -> Result<Score, EvalError> {
        let folder = tempfile::tempdir().unwrap();
        score(questions, CORPUS, folder.path(), &Table::builtin())
    }

    #[test]
    fn a_small_corpus_is_indexed_and_asked() {
        let score = scored(
            r#"{"query": "how to delete a file", "relevant_idx": [10]}
               {"query": "SortDescending", "relevant_idx": [30]}
               {"query": "parse json string", "relevant_idx": [20], "split": "dev"}"#,
        )
        .unwrap();
        assert_eq!((score.kind, score.rows), ("retrieval", 3));
        assert_eq!(score.mean.keys().copied().collect::<Vec<_>>(), ["mrr_at_10", "ndcg_at_10", "recall_at_5"]);
        assert_eq!(score.mean["mrr_at_10"], 1.0, "{:?}", score.by_source);
        assert_eq!(score.by_source.len(), RANKINGS.len());
    }

    #[test]
    fn a_wrong_answer_costs() {
        let score = scored(r#"{"query": "parse json", "relevant_idx": [30]}"#).unwrap();
        assert!(score.mean["mrr_at_10"] < 1.0);
    }

    #[test]
    fn rows_that_make_no_sense_are_told_by_line() {
        let why = |questions: &str, corpus: &str| match Cases::read(questions, corpus) {
            Err(error) => error.to_string(),
            Ok(_) => String::new(),
        };
        let question = r#"{"query": "a", "relevant_idx": [1]}"#;
        let document = r#"{"idx": 1, "code": "x"}"#;
        assert_eq!(why(question, r#"{"idx": 2, "code": "x"}"#), "line 1: document 1 is not in the corpus");
        assert_eq!(why(question, &format!("{document}\n{document}")), "line 2: document 1 is there twice");
        assert!(why(question, r#"{"idx": 1, "code": "x", "language": "klingon"}"#).starts_with("line 1: `klingon`"));
        assert!(why("{}", document).starts_with("line 1: missing field `query`"));
        assert_eq!(why("", document), "there are no rows");
    }
}
