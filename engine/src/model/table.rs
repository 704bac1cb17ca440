//! What does a text mean, by the words in it alone? A table of word vectors, compiled in.
//!
//! A static embedding (Model2Vec kind): the vector of a text is the weighted sum of the rows of its tokens, brought to
//! length one. docs/embedding.md says how the table was made and how good it is.
//!
//! The file, little-endian: `APEMBED1` · u32 dimensions · u32 tokens · f32 alpha · f32 weight of title, doc and body ·
//! u32 bytes of strings · u32 offsets\[tokens + 1\] · strings sorted by their bytes, following pieces spelled `##` ·
//! zeros up to a multiple of 64 · f32 scales\[tokens\] · zeros up to a multiple of 64 · i8 rows\[tokens\]\[dimensions\].

use std::{cell::RefCell, collections::HashMap};

use super::{EmbedError, Embedder, Passage};
use crate::source::words;

static BUILTIN: &[u8] = include_bytes!("../../../config/embedding.bin");

/// Words of the body beyond these change little.
const MOST_BODY_WORDS: usize = 400;

/// Longer words are cut, in characters.
const MOST_CHARACTERS: usize = 40;

/// A table of word vectors. Making one reads nothing but the header.
#[derive(Debug, Clone)]
pub struct Table {
    name: String,
    dimensions: usize,
    alpha: f32,
    weights: [f32; 3],
    offsets: &'static [u8],
    strings: &'static [u8],
    scales: &'static [u8],
    rows: &'static [u8],
}

/// Why some bytes are no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an embedding table: {0}")]
pub struct TableError(&'static str);

impl Table {
    /// The table that is compiled in.
    #[expect(clippy::expect_used, reason = "the compiled-in table is read by a test and cannot change at run time")]
    pub fn builtin() -> Self {
        Self::read(BUILTIN).expect("config/embedding.bin is a table")
    }

    /// Reads the header and checks that every part has the length it says.
    ///
    /// # Errors
    /// [`TableError`] when it is something else, or cut off.
    pub fn read(bytes: &'static [u8]) -> Result<Self, TableError> {
        let mut rest = Reader { bytes, at: 0 };
        if rest.take(8)? != b"APEMBED1" {
            return Err(TableError("it does not start with APEMBED1"));
        }
        let (dimensions, tokens) = (rest.number()?, rest.number()?);
        let alpha = rest.float()?;
        let weights = [rest.float()?, rest.float()?, rest.float()?];
        let string_bytes = rest.number()?;
        let offsets = rest.take((tokens + 1) * 4)?;
        let strings = rest.take(string_bytes)?;
        rest.align();
        let scales = rest.take(tokens * 4)?;
        rest.align();
        let rows = rest.take(tokens.checked_mul(dimensions).ok_or(TableError("it is too large"))?)?;
        let digest = blake3::hash(bytes).to_hex();
        let name = format!("static-{}", &digest[..12]);
        Ok(Self { name, dimensions, alpha, weights, offsets, strings, scales, rows })
    }
}

struct Reader {
    bytes: &'static [u8],
    at: usize,
}

impl Reader {
    fn take(&mut self, length: usize) -> Result<&'static [u8], TableError> {
        let end = self.at.checked_add(length).ok_or(TableError("it is too large"))?;
        let part = self.bytes.get(self.at..end).ok_or(TableError("it ends too soon"))?;
        self.at = end;
        Ok(part)
    }

    fn number(&mut self) -> Result<usize, TableError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }

    fn float(&mut self) -> Result<f32, TableError> {
        let bytes = self.take(4)?;
        Ok(f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(64);
    }
}

impl Table {
    /// The tokens of a word: its own, or those of the longest pieces it is made of. A character that no piece holds
    /// is left out.
    fn tokens_of(&self, word: &str) -> Vec<u32> {
        let lower: String = word.chars().take(MOST_CHARACTERS).flat_map(char::to_lowercase).collect();
        if let Some(token) = self.find(&lower) {
            return vec![token];
        }
        let mut tokens = Vec::new();
        let mut rest = lower.as_str();
        let mut piece = String::new();
        while !rest.is_empty() {
            let prefix = if rest.len() == lower.len() { "" } else { "##" };
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8()).rev();
            let found = ends.into_iter().find_map(|end| {
                piece.clear();
                piece.push_str(prefix);
                piece.push_str(&rest[..end]);
                self.find(&piece).map(|token| (token, end))
            });
            let end = found.map_or_else(|| rest.chars().next().map_or(0, char::len_utf8), |(_, end)| end);
            tokens.extend(found.map(|(token, _)| token));
            rest = &rest[end..];
        }
        tokens
    }

    fn count(&self) -> usize {
        self.offsets.len() / 4 - 1
    }

    fn string(&self, token: usize) -> &[u8] {
        let at = |n: usize| {
            let bytes = &self.offsets[n * 4..n * 4 + 4];
            u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize
        };
        self.strings.get(at(token)..at(token + 1)).unwrap_or_default()
    }

    fn find(&self, word: &str) -> Option<u32> {
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low.midpoint(high);
            match self.string(middle).cmp(word.as_bytes()) {
                std::cmp::Ordering::Equal => return Some(middle as u32),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// How often each token occurs in a text.
    fn counts(&self, text: &str, most_words: usize) -> HashMap<u32, u32> {
        let mut counts = HashMap::new();
        MEMO.with_borrow_mut(|memo| {
            if memo.0 != self.strings.as_ptr() as usize || memo.1.len() > MOST_REMEMBERED {
                *memo = (self.strings.as_ptr() as usize, HashMap::new());
            }
            for range in words(text).take(most_words) {
                let word = &text[range];
                if !memo.1.contains_key(word) {
                    memo.1.insert(word.into(), self.tokens_of(word));
                }
                for &token in memo.1.get(word).into_iter().flatten() {
                    *counts.entry(token).or_insert(0) += 1;
                }
            }
        });
        counts
    }

    fn add(&self, text: &str, most_words: usize, weight: f32, sum: &mut [f32]) {
        let mut counts: Vec<(u32, u32)> = self.counts(text, most_words).into_iter().collect();
        // Sums of floats depend on their order, and a text has one vector.
        counts.sort_unstable();
        for (token, count) in counts {
            let at = token as usize;
            let scale = &self.scales[at * 4..at * 4 + 4];
            let scale = f32::from_le_bytes([scale[0], scale[1], scale[2], scale[3]]);
            let factor = weight * scale * (count as f32).powf(self.alpha);
            let row = &self.rows[at * self.dimensions..(at + 1) * self.dimensions];
            for (sum, &value) in sum.iter_mut().zip(row) {
                *sum += factor * f32::from(value as i8);
            }
        }
    }
}

/// Brings a vector to length one; a vector of zeros stays.
pub(crate) fn normalize(vector: &mut [f32]) {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if length > 0.0 {
        vector.iter_mut().for_each(|value| *value /= length);
    }
}

/// Words whose tokens are remembered, a thread.
const MOST_REMEMBERED: usize = 200_000;

type Memo = (usize, HashMap<Box<str>, Vec<u32>>);

thread_local! {
    static MEMO: RefCell<Memo> = RefCell::new((0, HashMap::new()));
}

impl Embedder for Table {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn is_instant(&self) -> bool {
        true
    }

    fn passages(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let vector = |passage: &Passage<'_>| {
            let mut sum = vec![0.0; self.dimensions];
            self.add(passage.title, usize::MAX, self.weights[0], &mut sum);
            self.add(passage.doc, usize::MAX, self.weights[1], &mut sum);
            self.add(passage.body, MOST_BODY_WORDS, self.weights[2], &mut sum);
            normalize(&mut sum);
            sum
        };
        Ok(passages.iter().map(vector).collect())
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let mut sum = vec![0.0; self.dimensions];
        self.add(text, usize::MAX, 1.0, &mut sum);
        normalize(&mut sum);
        Ok(sum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_lies_near_what_it_means() {
        let table = Table::builtin();
        let near = |a: &str, b: &str| {
            let (a, b) = (table.query(a).unwrap(), table.query(b).unwrap());
            a.iter().zip(&b).map(|(a, b)| a * b).sum::<f32>()
        };
        assert!(near("delete a file", "removeFile") > near("delete a file", "parse_json"));
        assert!(near("", "x").abs() < 1e-6);
    }

    #[derive(serde::Deserialize)]
    struct Golden {
        text: String,
        tokens: Vec<String>,
        vector: Vec<f32>,
    }

    /// The texts, tokens and vectors that the recipe wrote down when it made the table.
    #[test]
    fn tokens_and_vectors_are_those_of_the_recipe() {
        let table = Table::builtin();
        let lines = include_str!("../../../scripts/embedding/golden.jsonl").lines();
        let goldens: Vec<Golden> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(goldens.len() >= 60);
        for golden in goldens {
            let tokens: Vec<String> = words(&golden.text)
                .flat_map(|range| table.tokens_of(&golden.text[range]))
                .map(|token| String::from_utf8(table.string(token as usize).to_vec()).unwrap())
                .collect();
            assert_eq!(tokens, golden.tokens, "{:?}", golden.text);
            let vector = table.query(&golden.text).unwrap();
            let far = vector.iter().zip(&golden.vector).map(|(a, b)| (a - b).abs()).fold(0.0_f32, f32::max);
            assert!(far < 1e-4, "{:?}: {far}", golden.text);
        }
    }

    #[test]
    fn what_is_no_table_is_refused() {
        assert!(Table::read(b"something else").is_err());
        assert!(Table::read(&BUILTIN[..BUILTIN.len() - 1]).is_err());
    }
}
