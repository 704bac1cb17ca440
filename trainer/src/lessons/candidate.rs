//! What is remembered of an answer until it is known whether it is used? Little: the texts are read again.

use engine::{
    feedback::{Instead, Verdict},
    recall::minhash::{self, Signature},
    source,
};

use super::example::Deeds;

/// Words of a run that are compared at once.
const RUN: usize = 5;

/// One answer, or all the answers to one suggestion.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// Which input it is from.
    pub(super) input: usize,
    /// When it was given, milliseconds since 1970.
    pub(super) at: i64,
    pub(super) project: String,
    pub(super) language: String,
    /// The check; empty for another program's answer.
    pub(super) rule: String,
    /// Who answered, as hashes.
    pub(super) people: Vec<u64>,
    /// The same for what is about the very same code.
    pub(super) code: u64,
    /// The same for what would be a repetition if its code is alike.
    pub(super) gist: u64,
    /// Of the code.
    pub(super) signature: Signature,
    pub(super) from: From,
}

/// Where its text is.
#[derive(Debug, Clone)]
pub(super) enum From {
    Journal(Box<Answers>),
    /// The 1-based line of a file.
    Line(u64),
}

/// What is known of the answers to one suggestion.
#[derive(Debug, Clone)]
pub(super) struct Answers {
    /// The number of the material.
    pub(super) material: i64,
    pub(super) path: String,
    pub(super) verdict: Verdict,
    pub(super) deeds: Deeds,
    pub(super) instead: Option<Instead>,
    pub(super) because: Vec<i64>,
}

/// The signature of a text: of runs of its words, whatever is between them.
pub(super) fn signature(text: &str) -> Signature {
    let lower = text.to_lowercase();
    let words: Vec<&str> = source::words(&lower).filter_map(|word| lower.get(word)).collect();
    Signature::of(minhash::shingles(words, RUN))
}

/// One number for some texts.
pub(super) fn key(parts: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
    }
    let bytes = hasher.finalize();
    bytes.as_bytes().iter().take(8).fold(0, |key, byte| key << 8 | u64::from(*byte))
}

/// A text whose white space says nothing.
pub(super) fn folded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
