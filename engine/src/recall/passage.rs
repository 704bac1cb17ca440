//! What of a chunk is turned into a vector?

use std::collections::HashSet;

use super::chunk::{Chunk, Kind};

/// The parts of a chunk that an embedder reads.
pub(super) struct Parts {
    title: String,
    doc: String,
    body: String,
}

impl Parts {
    /// A section is prose under its headings; code stands under its symbol, with what is said of it apart.
    pub(super) fn of(chunk: &Chunk, place: &str) -> Self {
        let stem = place.rsplit('/').next().unwrap_or(place).split('.').next().unwrap_or_default();
        let title = match chunk.symbol.as_slice() {
            [] => stem.to_owned(),
            symbol => symbol.join(" "),
        };
        let body = if chunk.kind == Kind::Section { String::new() } else { without_doc(chunk) };
        Self { title, doc: chunk.doc.clone(), body }
    }

    pub(super) fn passage(&self) -> crate::model::Passage<'_> {
        crate::model::Passage { title: &self.title, doc: &self.doc, body: &self.body }
    }

    /// Equal for equal parts.
    pub(super) fn hash(&self) -> [u8; 16] {
        let mut hasher = blake3::Hasher::new();
        for part in [&self.title, &self.doc, &self.body] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mut short = [0; 16];
        short.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        short
    }
}

/// The lines of a chunk that say nothing of what its doc comment says.
fn without_doc(chunk: &Chunk) -> String {
    if chunk.doc.is_empty() {
        return chunk.text.clone();
    }
    let doc: HashSet<&str> = chunk.doc.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let says_it = |line: &str| {
        let bare = line.trim().trim_start_matches(['/', '*', '#', '!', '"', '\'', '-', 'r']).trim();
        let bare = bare.trim_end_matches("*/").trim_end_matches(['"', '\'']).trim();
        bare.is_empty() && !line.trim().is_empty() && !line.contains(char::is_alphanumeric) || doc.contains(bare)
    };
    let mut body = String::with_capacity(chunk.text.len());
    for line in chunk.text.lines().filter(|line| !says_it(line)) {
        body.push_str(line);
        body.push('\n');
    }
    body
}
