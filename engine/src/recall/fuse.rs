//! In which order are the hits told? Words and meaning are weighed together with what suits code.
//!
//! Ranks alone lose how sure each search was (reciprocal-rank fusion of a weak and a strong list is worse than the strong
//! one), so the score is a weighted sum of features, each about between 0 and 1. The weights are learned on questions;
//! docs/benchmarks.md says on which and what each brings.

use std::collections::HashSet;

use super::{chunk::Kind, store::Row};
use crate::source::words;

/// What is known of a chunk that may answer a question, each about between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Features {
    /// BM25 over the best BM25 of this question.
    pub words: f32,
    /// Cosine of the vectors.
    pub meaning: f32,
    /// `1 / (60 + rank)` of both searches, times 30: reciprocal-rank fusion.
    pub ranks: f32,
    /// 1 when the question holds the chunk's own name as an identifier of several words, 3 when that is all that is asked.
    pub name: f32,
    /// Part of the words of the symbol that the question holds.
    pub symbol: f32,
    /// Part of the question's words that the symbol, the path or the signature holds.
    pub covered: f32,
    /// 1 for a definition or a section, 0 for what stands between them.
    pub definition: f32,
    /// 1 for a test.
    pub test: f32,
    /// 1 for a further part of a long definition.
    pub part: f32,
    /// 1 for a file changed today, falling by half each ninety days.
    pub recent: f32,
    /// How much of the path is that of the change; 0 without a change.
    pub near: f32,
    /// `words` again where the question is code, whose words are meant as they stand; 0 for a question in prose.
    pub code: f32,
}

/// What each feature weighs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights(pub [f32; COUNT]);

/// How many features there are.
const COUNT: usize = 12;

impl Default for Weights {
    /// docs/benchmarks.md has the figures. `benches/learn_fusion.py` left words, meaning and parts: ranks, symbol,
    /// covered and definition brought nothing. How much words and code weigh was chosen by us from its table. Names,
    /// tests, recent and near are judged: the questions say next to nothing of them.
    fn default() -> Self {
        Self([0.1, 1.0, 0.0, 0.2, 0.0, 0.0, 0.0, -0.05, -0.05, 0.02, 0.1, 0.3])
    }
}

impl Features {
    /// The features in the order of [`Weights`].
    pub fn values(&self) -> [f32; COUNT] {
        let Self { words, meaning, ranks, name, symbol, covered, definition, test, part, recent, near, code } = *self;
        [words, meaning, ranks, name, symbol, covered, definition, test, part, recent, near, code]
    }

    /// The weighted sum.
    pub fn score(&self, weights: &Weights) -> f32 {
        self.values().iter().zip(&weights.0).map(|(value, weight)| value * weight).sum()
    }
}

/// A question, taken apart once.
pub(super) struct Question {
    words: HashSet<String>,
    identifiers: HashSet<String>,
    is_code: bool,
}

impl Question {
    pub(super) fn new(text: &str) -> Self {
        let identifiers = crate::source::identifiers(text).map(|range| text[range].to_owned()).collect();
        Self { words: lower_words(text), identifiers, is_code: is_code(text) }
    }

    /// [`Features::code`] for a chunk whose words fit so well.
    pub(super) fn code(&self, words: f32) -> f32 {
        if self.is_code { words } else { 0.0 }
    }

    /// [`Features::name`]: how surely it asks for this very name. A name that is one plain word (`file`, `get`) may be meant as that word, and
    /// code holds the names of what it calls.
    fn name(&self, name: &str) -> f32 {
        match !self.is_code && self.identifiers.contains(name) {
            true if self.identifiers.len() == 1 => 3.0,
            true if words(name).nth(1).is_some() => 1.0,
            _ => 0.0,
        }
    }

    /// The features that the text of a chunk tells by itself.
    pub(super) fn features(&self, row: &Row) -> Features {
        let chunk = &row.chunk;
        let symbol = lower_words(&chunk.symbol.join(" "));
        let mut all = lower_words(row.place.as_str());
        all.extend(lower_words(&chunk.signature));
        all.extend(symbol.iter().cloned());
        let part = |of: usize, all: usize| if all == 0 { 0.0 } else { of as f32 / all as f32 };
        Features {
            name: if chunk.kind == Kind::Section { 0.0 } else { self.name(chunk.name()) },
            symbol: part(symbol.intersection(&self.words).count(), symbol.len()),
            covered: part(all.intersection(&self.words).count(), self.words.len()),
            definition: f32::from(u8::from(!matches!(chunk.kind, Kind::Module | Kind::Window))),
            test: f32::from(u8::from(is_test(row.place.as_str()))),
            part: f32::from(u8::from(chunk.part > 0)),
            ..Features::default()
        }
    }
}

/// Whether a question is a piece of code: several lines, or more marks than a call in prose has.
fn is_code(text: &str) -> bool {
    text.trim().lines().nth(1).is_some() || text.matches(['(', ')', '{', '}', '[', ']', ';', '=']).nth(3).is_some()
}

fn lower_words(text: &str) -> HashSet<String> {
    words(text).map(|range| text[range].to_lowercase()).collect()
}

/// Whether a path is that of a test, by the words in it.
pub(super) fn is_test(path: &str) -> bool {
    words(path).any(|range| {
        ["test", "tests", "testing", "spec", "specs"].iter().any(|word| path[range.clone()].eq_ignore_ascii_case(word))
    })
}

/// How much of their folders two paths share, from 0 to 1; the same file is 1.
pub(super) fn nearness(a: &str, b: &str) -> f32 {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('/').collect(), b.split('/').collect());
    let shared = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    shared as f32 / a.len().max(b.len()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_word_is_a_name_only_when_it_is_all_that_is_asked() {
        let names = |question: &str, name: &str| Question::new(question).name(name) > 0.0;
        assert!(names("where is parse_header called", "parse_header") && names("getURL", "getURL"));
        assert!(names("read", "read") && !names("how to read a file", "read"));
        assert!(!names("x = read_all(path(y))", "read_all"));
        assert!(!names("parse header", "parse_header") && !names("", ""));
        let name = |question: &str| Question::new(question).name("parse_header");
        assert!(name("parse_header") > name("where is parse_header called"));
    }

    #[test]
    fn code_is_known_by_its_marks() {
        assert!(is_code("def f(a):\n    return a") && is_code("let x = f(y);"));
        assert!(!is_code("what does f() return\n") && !is_code("slug is {\"title\"}"));
    }

    #[test]
    fn tests_are_known_by_their_paths() {
        for path in ["tests/a.py", "src/test_b.py", "x/FooTest.java", "a.spec.ts"] {
            assert!(is_test(path), "{path}");
        }
        assert!(!is_test("src/contest.py") && !is_test("latest/a.rs"));
    }

    #[test]
    fn nearness_counts_shared_folders() {
        assert_eq!((nearness("a/b/c", "a/b/c"), nearness("a/b", "c/d")), (1.0, 0.0));
        assert!(nearness("a/b/c.rs", "a/b/d.rs") > nearness("a/b/c.rs", "a/x/d.rs"));
    }
}
