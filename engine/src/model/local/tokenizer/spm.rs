//! How does SentencePiece take a text apart? Neighbours that make the likeliest token are joined first; what is left
//! over is spelled out in bytes.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BinaryHeap, HashMap},
};

use candle_core::quantized::gguf_file::Value;

use super::{
    Metadata,
    vocabulary::{self, Kind, Vocabulary},
};

/// Bytes of the longest token that is joined together; real ones stay far below.
const MOST_BYTES: usize = 512;

const NONE: u32 = u32::MAX;

pub(super) struct Spm {
    tokens: HashMap<Box<str>, (u32, f32)>,
    longest: usize,
    /// The token of each byte, or [`NONE`].
    bytes: [u32; 256],
    puts_space: bool,
}

/// A piece of the text; one of no length is gone.
struct Piece {
    from: u32,
    len: u32,
    before: u32,
    after: u32,
}

/// Two neighbours that could be joined; the greatest comes first.
struct Join {
    score: f32,
    left: Reverse<u32>,
    right: u32,
    len: u32,
}

impl Ord for Join {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(self.left.cmp(&other.left))
    }
}

impl PartialOrd for Join {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Join {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Join {}

impl Spm {
    /// Control and byte tokens are left out: no text is ever joined to one.
    pub(super) fn new(vocabulary: &Vocabulary<'_>, metadata: &Metadata) -> Self {
        let scores = vocabulary::list(metadata, "tokenizer.ggml.scores").unwrap_or_default();
        let score = |id: usize| scores.get(id).map_or(0.0, as_score);
        let is_piece = |kind| matches!(kind, Kind::Normal | Kind::User | Kind::Unused);
        let pieces = (0..vocabulary.texts.len())
            .filter(|&id| is_piece(vocabulary.kinds[id]) && (1..=MOST_BYTES).contains(&vocabulary.texts[id].len()));
        let tokens: HashMap<Box<str>, (u32, f32)> =
            pieces.map(|id| (vocabulary.texts[id].into(), (id as u32, score(id)))).collect();
        let puts_space = metadata.get("tokenizer.ggml.add_space_prefix").and_then(|value| value.to_bool().ok());
        Self {
            longest: tokens.keys().map(|text| text.len()).max().unwrap_or(0),
            bytes: bytes(vocabulary, metadata),
            tokens,
            puts_space: puts_space.unwrap_or(true),
        }
    }

    /// Adds the tokens of a text. `is_first`: whether the space that begins a text comes before it.
    pub(super) fn encode(&self, text: &str, is_first: bool, tokens: &mut Vec<u32>) {
        let mut spelled = String::with_capacity(text.len() + 8);
        if is_first && self.puts_space {
            spelled.push('▁');
        }
        spelled.extend(text.chars().map(|c| if c == ' ' { '▁' } else { c }));
        let mut pieces = pieces(&spelled);
        let mut joins = BinaryHeap::new();
        for right in 1..pieces.len() as u32 {
            self.look(&spelled, &pieces, right - 1, right, &mut joins);
        }
        while let Some(join) = joins.pop() {
            if unite(&mut pieces, &join) {
                let (before, after) = (pieces[join.left.0 as usize].before, pieces[join.left.0 as usize].after);
                self.look(&spelled, &pieces, before, join.left.0, &mut joins);
                self.look(&spelled, &pieces, join.left.0, after, &mut joins);
            }
        }
        for piece in pieces.iter().filter(|piece| piece.len > 0) {
            self.close(&spelled[piece.from as usize..][..piece.len as usize], tokens);
        }
    }

    fn look(&self, text: &str, pieces: &[Piece], left: u32, right: u32, joins: &mut BinaryHeap<Join>) {
        if left == NONE || right == NONE {
            return;
        }
        let (first, second) = (&pieces[left as usize], &pieces[right as usize]);
        let len = first.len + second.len;
        if len as usize > self.longest {
            return;
        }
        if let Some(&(_, score)) = self.tokens.get(&text[first.from as usize..][..len as usize]) {
            joins.push(Join { score, left: Reverse(left), right, len });
        }
    }

    fn close(&self, piece: &str, tokens: &mut Vec<u32>) {
        match self.tokens.get(piece) {
            Some(&(id, _)) => tokens.push(id),
            None => tokens.extend(piece.bytes().map(|byte| self.bytes[byte as usize]).filter(|&id| id != NONE)),
        }
    }
}

/// One piece a character.
fn pieces(text: &str) -> Vec<Piece> {
    let chars = text.char_indices().zip(0_u32..);
    let mut pieces: Vec<Piece> = chars
        .map(|((from, c), at)| Piece {
            from: from as u32,
            len: c.len_utf8() as u32,
            before: at.checked_sub(1).unwrap_or(NONE),
            after: at + 1,
        })
        .collect();
    if let Some(last) = pieces.last_mut() {
        last.after = NONE;
    }
    pieces
}

/// Whether the two were still as they had been, and are one now.
fn unite(pieces: &mut [Piece], join: &Join) -> bool {
    let (left, right) = (join.left.0 as usize, join.right as usize);
    if pieces[left].len == 0 || pieces[right].len == 0 || pieces[left].len + pieces[right].len != join.len {
        return false;
    }
    pieces[left].len = join.len;
    pieces[right].len = 0;
    let after = pieces[right].after;
    pieces[left].after = after;
    if after != NONE {
        pieces[after as usize].before = join.left.0;
    }
    true
}

/// Byte tokens; where there is none, the token for what is unknown.
fn bytes(vocabulary: &Vocabulary<'_>, metadata: &Metadata) -> [u32; 256] {
    let unknown = vocabulary::number(metadata, "tokenizer.ggml.unknown_token_id").unwrap_or(0);
    let mut bytes = [if (unknown as usize) < vocabulary.texts.len() { unknown } else { NONE }; 256];
    for (id, text) in vocabulary.texts.iter().enumerate() {
        if let (Kind::Byte, Some(byte)) = (vocabulary.kinds[id], vocabulary::byte(text)) {
            bytes[byte as usize] = id as u32;
        }
    }
    bytes
}

fn as_score(value: &Value) -> f32 {
    match *value {
        Value::F32(score) => score,
        Value::I32(score) => score as f32,
        _ => 0.0,
    }
}
