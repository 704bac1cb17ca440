//! Which token of one function is which of the other, when names may differ?

use std::{collections::HashMap, ops::Range};

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::body::{Class, Token};

/// How two sequences of tokens lie beside each other.
#[derive(Debug)]
pub(crate) struct Alignment {
    /// For each token of the first, its place in the second, where it has one there.
    pub(crate) place: Vec<Option<usize>>,
    /// Lengths of both.
    lengths: (usize, usize),
    /// Tokens that have a place.
    same: usize,
    /// Names that have a place, and those of them that are the same name there.
    names: (usize, usize),
}

impl Alignment {
    /// Tokens in common over tokens of either, names that stand for each other counted as the same; from 0 to 1.
    pub(crate) fn similarity(&self) -> f64 {
        let all = self.lengths.0 + self.lengths.1 - self.same;
        if all == 0 { 1.0 } else { self.same as f64 / all as f64 }
    }

    /// The share of names that are the same in both; from 0 to 1.
    pub(crate) fn own_names(&self) -> f64 {
        if self.names.0 == 0 { 1.0 } else { self.names.1 as f64 / self.names.0 as f64 }
    }
}

/// Lays two sequences beside each other. A name stands for another where it mostly does.
pub(crate) fn align(a: &[Token], b: &[Token]) -> Alignment {
    let keys = |tokens: &[Token]| tokens.iter().map(Token::key).collect::<Vec<u64>>();
    let mut place = vec![None; a.len()];
    let mut renamed: Vec<(usize, usize)> = Vec::new();
    for op in capture_diff_slices(Algorithm::Myers, &keys(a), &keys(b)) {
        match op {
            DiffOp::Equal { old_index, new_index, len } => {
                (0..len).for_each(|step| place[old_index + step] = Some(new_index + step));
            }
            DiffOp::Replace { old_index, old_len, new_index, new_len } if old_len == new_len => {
                let pairs = (0..old_len).map(|step| (old_index + step, new_index + step));
                renamed.extend(pairs.filter(|&(i, j)| a[i].shape == b[j].shape));
            }
            _ => {}
        }
    }
    let stands_for = substitution(a, b, &place, &renamed);
    for (i, j) in renamed {
        if a[i].class != Class::Name || stands_for.get(&a[i].word) == Some(&b[j].word) {
            place[i] = Some(j);
        }
    }
    let placed = || place.iter().enumerate().filter_map(|(i, j)| Some((&a[i], &b[(*j)?])));
    let names = || placed().filter(|(a, _)| a.class == Class::Name);
    Alignment {
        lengths: (a.len(), b.len()),
        same: placed().count(),
        names: (names().count(), names().filter(|(a, b)| a.word == b.word).count()),
        place,
    }
}

/// Which name of the second each name of the first stands for: the one it meets most, itself included.
fn substitution(a: &[Token], b: &[Token], place: &[Option<usize>], renamed: &[(usize, usize)]) -> HashMap<u64, u64> {
    let equal = place.iter().enumerate().filter_map(|(i, j)| Some((i, (*j)?)));
    let mut votes: HashMap<(u64, u64), u32> = HashMap::new();
    for (i, j) in equal.chain(renamed.iter().copied()).filter(|&(i, _)| a[i].class == Class::Name) {
        *votes.entry((a[i].word, b[j].word)).or_default() += 1;
    }
    let mut best: HashMap<u64, (u32, u64)> = HashMap::new();
    for (&(from, to), &count) in &votes {
        let entry = best.entry(from).or_default();
        *entry = (*entry).max((count, to));
    }
    best.into_iter().map(|(from, (_, to))| (from, to)).collect()
}

/// An edit between two versions of a function, in tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk {
    /// What is taken away, as places in the old version.
    pub(crate) old: Range<usize>,
    /// What is put in, as places in the new version.
    pub(crate) new: Range<usize>,
}

/// How a function was edited: literals count as they are written.
pub(crate) fn hunks(old: &[Token], new: &[Token]) -> Vec<Hunk> {
    let words = |tokens: &[Token]| tokens.iter().map(|token| token.word).collect::<Vec<u64>>();
    let ops = capture_diff_slices(Algorithm::Myers, &words(old), &words(new));
    let edits = ops.into_iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
    edits.map(|op| Hunk { old: op.old_range(), new: op.new_range() }).collect()
}
