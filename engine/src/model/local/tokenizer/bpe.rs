//! How does byte-pair encoding take a word apart? Neighbours are joined in the order in which the merges were learned.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::{
    Metadata,
    split::{self, Letters, Splitter},
    vocabulary::{self, Kind, Vocabulary},
};

/// No token, and no neighbour.
const NONE: u32 = u32::MAX;

pub(super) struct Bpe {
    splitter: Splitter,
    merges: Merges,
    letters: Letters,
    /// The token of each byte, or [`NONE`].
    bytes: [u32; 256],
    /// Ids by text where they are asked for; tokens first, then what only merges name.
    ids: HashMap<Box<[u8]>, u32>,
    tokens: u32,
    takes_whole_words: bool,
}

/// What two neighbours make, and how early: for each left one the right ones, ascending.
struct Merges {
    starts: Vec<u32>,
    merges: Vec<Merge>,
}

#[derive(Clone, Copy)]
struct Merge {
    right: u32,
    rank: u32,
    made: u32,
}

/// A piece of a word; one of no length is gone.
#[derive(Clone, Copy)]
struct Piece {
    id: u32,
    from: u32,
    len: u32,
    before: u32,
    after: u32,
}

/// Two neighbours that could be joined; the lowest rank comes first, then the leftmost.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Join {
    rank: u32,
    left: u32,
    right: u32,
    made: u32,
    /// What they were when they were found.
    ids: (u32, u32),
}

/// Room for one word after the other.
#[derive(Default)]
struct Desk {
    pieces: Vec<Piece>,
    joins: BinaryHeap<Reverse<Join>>,
}

impl Bpe {
    pub(super) fn new(vocabulary: &Vocabulary<'_>, metadata: &Metadata) -> Result<Self, String> {
        let pre = &vocabulary.pre;
        let mut ids = ids(vocabulary, pre.letters);
        let key = "tokenizer.ggml.merges";
        let lines = vocabulary::list(metadata, key).ok_or_else(|| format!("it has no merges (`{key}`)"))?;
        let lines: Option<Vec<&str>> = lines.iter().map(vocabulary::as_text).collect();
        let lines = lines.ok_or_else(|| format!("its merges (`{key}`) are not texts"))?;
        let merges = Merges::new(&lines, pre.letters, &mut ids);
        let bytes = bytes(vocabulary, pre.letters, &ids);
        let needs_ids = pre.takes_whole_words || pre.letters == Letters::Chars;
        if !needs_ids {
            ids = HashMap::new();
        }
        let (letters, takes_whole_words) = (pre.letters, pre.takes_whole_words);
        let splitter = Splitter::new(pre)?;
        Ok(Self { splitter, merges, letters, bytes, ids, tokens: vocabulary.texts.len() as u32, takes_whole_words })
    }

    /// Adds the tokens of a text.
    pub(super) fn encode(&self, text: &str, tokens: &mut Vec<u32>) {
        let mut desk = Desk::default();
        let spaced = (self.letters == Letters::Chars).then(|| text.replace(' ', "▁"));
        self.splitter.split(spaced.as_deref().unwrap_or(text), &mut |word| self.word(word, &mut desk, tokens));
    }

    fn word(&self, word: &str, desk: &mut Desk, tokens: &mut Vec<u32>) {
        // Gemma 4 has tokens for several line ends that no merge makes.
        let is_lines = || self.letters == Letters::Chars && word.bytes().all(|byte| byte == b'\n');
        let whole = if self.takes_whole_words || is_lines() { self.ids.get(word.as_bytes()) } else { None };
        if let Some(&id) = whole.filter(|id| **id < self.tokens) {
            return tokens.push(id);
        }
        self.lay_out(word, desk);
        while let Some(Reverse(join)) = desk.joins.pop() {
            if desk.unite(&join) {
                let Piece { before, after, .. } = desk.pieces[join.left as usize];
                self.look(desk, before, join.left);
                self.look(desk, join.left, after);
            }
        }
        for piece in desk.pieces.iter().filter(|piece| piece.len > 0) {
            if piece.id < self.tokens {
                tokens.push(piece.id);
            } else {
                let bytes = &word.as_bytes()[piece.from as usize..][..piece.len as usize];
                tokens.extend(bytes.iter().map(|byte| self.bytes[*byte as usize]).filter(|&id| id != NONE));
            }
        }
    }

    fn lay_out(&self, word: &str, desk: &mut Desk) {
        desk.pieces.clear();
        desk.joins.clear();
        match self.letters {
            Letters::Bytes => {
                for byte in word.bytes() {
                    desk.push(self.bytes[byte as usize], 1);
                }
            }
            Letters::Chars => {
                for c in word.chars() {
                    let mut room = [0; 4];
                    let id = self.ids.get(c.encode_utf8(&mut room).as_bytes());
                    desk.push(id.copied().unwrap_or(NONE), c.len_utf8() as u32);
                }
            }
        }
        if let Some(last) = desk.pieces.last_mut() {
            last.after = NONE;
        }
        for right in 1..desk.pieces.len() as u32 {
            self.look(desk, right - 1, right);
        }
    }

    fn look(&self, desk: &mut Desk, left: u32, right: u32) {
        if left == NONE || right == NONE {
            return;
        }
        let ids = (desk.pieces[left as usize].id, desk.pieces[right as usize].id);
        if let Some(merge) = self.merges.get(ids.0, ids.1) {
            desk.joins.push(Reverse(Join { rank: merge.rank, left, right, made: merge.made, ids }));
        }
    }
}

impl Desk {
    fn push(&mut self, id: u32, len: u32) {
        let at = self.pieces.len() as u32;
        let from = self.pieces.last().map_or(0, |last| last.from + last.len);
        self.pieces.push(Piece { id, from, len, before: at.checked_sub(1).unwrap_or(NONE), after: at + 1 });
    }

    /// Whether the two were still as they had been, and are one now.
    fn unite(&mut self, join: &Join) -> bool {
        let (left, right) = (self.pieces[join.left as usize], self.pieces[join.right as usize]);
        if left.len == 0 || right.len == 0 || (left.id, right.id) != join.ids || left.after != join.right {
            return false;
        }
        let len = left.len + right.len;
        self.pieces[join.left as usize] = Piece { id: join.made, len, after: right.after, ..left };
        self.pieces[join.right as usize].len = 0;
        if right.after != NONE {
            self.pieces[right.after as usize].before = join.left;
        }
        true
    }
}

impl Merges {
    /// Texts that are no token get ids after the tokens.
    fn new(lines: &[&str], letters: Letters, ids: &mut HashMap<Box<[u8]>, u32>) -> Self {
        let mut next = ids.values().max().map_or(0, |last| last + 1);
        let mut id = |text: &[u8]| match ids.get(text) {
            Some(&id) => id,
            None => {
                ids.insert(text.into(), next);
                next += 1;
                next - 1
            }
        };
        let mut all: Vec<(u32, Merge)> = Vec::with_capacity(lines.len());
        for (line, rank) in lines.iter().zip(0_u32..) {
            let Some((mut left, right)) = halves(line, letters) else { continue };
            let (left_id, right) = (id(&left), (id(&right), right));
            left.extend(right.1);
            all.push((left_id, Merge { right: right.0, rank, made: id(&left) }));
        }
        all.sort_by_key(|(left, merge)| (*left, merge.right, merge.rank));
        all.dedup_by_key(|(left, merge)| (*left, merge.right));
        let mut starts = vec![0_u32; next as usize + 1];
        for (left, _) in &all {
            starts[*left as usize + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Self { starts, merges: all.into_iter().map(|(_, merge)| merge).collect() }
    }

    fn get(&self, left: u32, right: u32) -> Option<Merge> {
        let left = left as usize;
        let (from, to) = (*self.starts.get(left)?, *self.starts.get(left.checked_add(1)?)?);
        let merges = &self.merges[from as usize..to as usize];
        merges.binary_search_by_key(&right, |merge| merge.right).ok().map(|at| merges[at])
    }
}

/// The two sides of a merge, as plain bytes.
fn halves(line: &str, letters: Letters) -> Option<(Vec<u8>, Vec<u8>)> {
    let first = line.chars().next()?.len_utf8();
    let space = first + line[first..].find(' ')?;
    let (left, right) = (&line[..space], &line[space + 1..]);
    match letters {
        Letters::Bytes => Some((split::unspelled(left)?, split::unspelled(right)?)),
        Letters::Chars => Some((left.into(), right.into())),
    }
}

/// Ids of the tokens that words are made of, by what they stand for.
fn ids(vocabulary: &Vocabulary<'_>, letters: Letters) -> HashMap<Box<[u8]>, u32> {
    let is_word = |kind| match letters {
        Letters::Bytes => matches!(kind, Kind::Normal | Kind::Unused),
        Letters::Chars => matches!(kind, Kind::Normal | Kind::Unused | Kind::User),
    };
    let words = (0..vocabulary.texts.len()).filter(|&id| is_word(vocabulary.kinds[id]));
    let spelled = words.filter_map(|id| {
        let text = vocabulary.texts[id];
        let plain = if letters == Letters::Bytes { split::unspelled(text)? } else { text.into() };
        Some((plain.into_boxed_slice(), id as u32))
    });
    let mut ids: HashMap<Box<[u8]>, u32> = spelled.collect();
    // So that what is counted on from the last one is no token of any kind.
    ids.insert(Box::default(), vocabulary.texts.len() as u32);
    ids
}

fn bytes(vocabulary: &Vocabulary<'_>, letters: Letters, ids: &HashMap<Box<[u8]>, u32>) -> [u32; 256] {
    let mut bytes = [NONE; 256];
    for byte in 0..=255_u8 {
        if let (Letters::Bytes, Some(&id)) = (letters, ids.get(&[byte][..])) {
            bytes[byte as usize] = id;
        }
    }
    for (id, text) in vocabulary.texts.iter().enumerate() {
        if let (Letters::Chars, Kind::Byte, Some(byte)) = (letters, vocabulary.kinds[id], vocabulary::byte(text)) {
            bytes[byte as usize] = id as u32;
        }
    }
    bytes
}
