//! What does a reply look like to the classifier? A fixed number of small numbers.

use std::sync::LazyLock;

use super::{
    clean::{self, Prose},
    words::{Hit, WORDS},
};
use crate::model::{Embedder, table::Table};

static TABLE: LazyLock<Table> = LazyLock::new(Table::builtin);

/// Weight of the lexicon beside the vectors of length one, so that one penalty fits all.
const LEXICON_SCALE: f32 = 0.3;

/// Numbers a group of the lexicon gives: plain or negated × anywhere, first sentence, last sentence, at all.
const PER_GROUP: usize = 8;

/// Numbers that describe the shape.
const SHAPES: usize = 18;

/// A reply taken apart.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) prose: Prose,
    pub(super) sentences: Vec<Vec<String>>,
    /// A sentence each.
    pub(super) hits: Vec<Vec<Hit>>,
}

impl Parts {
    pub(super) fn of(markdown: &str) -> Self {
        let prose = clean::prose(markdown);
        let sentences = WORDS.sentences(&prose.text);
        let hits = sentences.iter().map(|sentence| WORDS.hits(sentence)).collect();
        Self { prose, sentences, hits }
    }

    /// How often words of a group occur, negated ones left out.
    pub(super) fn count(&self, group: &str) -> usize {
        let group = WORDS.group(group);
        self.hits.iter().flatten().filter(|hit| Some(hit.group) == group && !hit.negated).count()
    }
}

/// How many numbers [`features`] gives.
pub(super) fn count() -> usize {
    WORDS.groups.len() * PER_GROUP + SHAPES + 2 * TABLE.dimensions()
}

/// The numbers of a reply: hits in the lexicon, its shape, the mean word vectors of all of it and of its first sentence.
pub(super) fn features(parts: &Parts) -> Vec<f32> {
    let mut numbers = lexical(parts);
    numbers.extend(shape(parts));
    numbers.extend(vector(&parts.sentences));
    numbers.extend(vector(parts.sentences.get(..1).unwrap_or_default()));
    numbers
}

fn lexical(parts: &Parts) -> Vec<f32> {
    let mut counts = vec![[0_u16; PER_GROUP]; WORDS.groups.len()];
    let last = parts.hits.len().saturating_sub(1);
    for (at, hits) in parts.hits.iter().enumerate() {
        for hit in hits {
            let Some(counts) = counts.get_mut(hit.group) else { continue };
            let (sign, _) = counts.as_chunks_mut::<4>();
            let Some([all, first, end, any]) = sign.get_mut(usize::from(hit.negated)) else { continue };
            *all = all.saturating_add(1);
            *first = first.saturating_add(u16::from(at == 0));
            *end = end.saturating_add(u16::from(at == last));
            *any = 1;
        }
    }
    counts.iter().flatten().map(|&count| LEXICON_SCALE * f32::from(count).ln_1p()).collect()
}

fn shape(parts: &Parts) -> [f32; SHAPES] {
    let prose = &parts.prose;
    let is_word = |word: &&String| word.starts_with(char::is_alphabetic);
    let words = parts.sentences.iter().flatten().filter(is_word).count();
    let signs = |sign: char| share(prose.text.matches(sign).count(), 3);
    let shouted = prose.text.split(|c: char| !c.is_alphabetic()).filter(|word| is_shouted(word)).count();
    let is = |it: bool| if it { 1.0 } else { 0.0 };
    [
        (words.max(1) as f32).ln_1p() / 5.0,
        (parts.sentences.len() as f32).ln_1p() / 3.0,
        signs('!'),
        signs('?'),
        share(prose.code, 4),
        share(prose.quotes, 3),
        share(prose.links, 3),
        share(prose.mentions, 3),
        share(prose.references, 3),
        share(prose.boxes, 3),
        share(prose.headings, 3),
        is(prose.struck > 0),
        shouted as f32 / words.max(1) as f32,
        is(prose.text.contains("...") || prose.text.contains('…')),
        is(words < 6),
        is(words < 20),
        is(words > 60),
        is(words > 120),
    ]
}

/// Up to `most`, as a share of it.
fn share(count: usize, most: usize) -> f32 {
    count.min(most) as f32 / most as f32
}

fn is_shouted(word: &str) -> bool {
    word.len() > 2 && word.chars().all(char::is_uppercase)
}

/// The mean word vector, of length one; zeros where no word is known.
fn vector(sentences: &[Vec<String>]) -> Vec<f32> {
    let is_word = |word: &&String| word.starts_with(char::is_alphabetic);
    let words: Vec<&str> = sentences.iter().flatten().filter(is_word).map(String::as_str).collect();
    TABLE.query(&words.join(" ")).unwrap_or_else(|_| vec![0.0; TABLE.dimensions()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_gives_the_same_number_of_finite_numbers() {
        for text in ["", "👍", "Thanks!", "```\ncode", &"WHY?! ".repeat(3000), "\u{0}\u{200d}"] {
            let numbers = features(&Parts::of(text));
            assert_eq!(numbers.len(), count(), "{text:?}");
            assert!(numbers.iter().all(|number| number.is_finite() && number.abs() <= 4.0), "{text:?}");
        }
    }

    #[test]
    fn where_a_word_stands_and_what_turns_it_is_told_apart() {
        let of = |text: &str| features(&Parts::of(text));
        assert_ne!(of("Thanks. It is broken."), of("It is broken. Thanks."));
        assert_ne!(lexical(&Parts::of("bad")), lexical(&Parts::of("not bad")));
        assert_eq!(of("thanks `a`"), of("thanks `b`"));
    }
}
