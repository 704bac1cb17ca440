//! Which texts are read together? One after the other, without padding; and what several begin with, once.
//!
//! Questions that differ in their last part alone are most of what an adapter is taught. What they have in common is laid
//! down once, and each goes on from there: every token sees the same as if it stood in a text of its own, so sums of
//! losses and their gradients are the same (tree attention, as in arXiv 2305.09781, here with a backward pass).

use std::ops::Range;

/// Tokens that texts have in common at least, to be read once.
const SHARED: usize = 16;

/// A stretch of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// Its tokens.
    pub length: usize,
    /// The piece before it in its text, by its place among the pieces; none where a text begins.
    pub after: Option<usize>,
}

/// Texts that are read together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// The tokens of all pieces, one after the other.
    pub tokens: Vec<u32>,
    /// What they are pieces of; each comes after the one that it goes on from.
    pub pieces: Vec<Piece>,
    /// Which rows are asked what comes next, and what does.
    pub targets: Vec<(usize, u32)>,
}

impl Batch {
    /// Adds a text of which every token but the first is asked for.
    pub fn read(&mut self, text: &[u32]) {
        self.put(text, 1, (0, None));
    }

    /// Texts, and from which token on each is asked for (at least 1): what they begin with is read once. Gives the
    /// targets of each.
    pub fn shared(texts: &[(&[u32], usize)]) -> (Self, Vec<Range<usize>>) {
        let (mut batch, mut targets) = (Self::default(), vec![0..0; texts.len()]);
        batch.lay(texts, (0..texts.len()).collect(), (0, None), &mut targets);
        (batch, targets)
    }

    /// Takes all texts out.
    pub fn clear(&mut self) {
        self.tokens.clear();
        self.pieces.clear();
        self.targets.clear();
    }

    /// Lays down those of the texts that are the same up to `from`, which is the end of the piece `after`.
    fn lay(
        &mut self,
        texts: &[(&[u32], usize)],
        which: Vec<usize>,
        (from, after): (usize, Option<usize>),
        targets: &mut [Range<usize>],
    ) {
        // Who asks for a token is in a piece of its text alone: others ask there for other tokens.
        let sharable = |at: usize| &texts[at].0[from..(texts[at].1 - 1).max(from)];
        let mut alike: Vec<Vec<usize>> = Vec::new();
        for at in which {
            let begins = |other: &Vec<usize>| common(sharable(at), sharable(other[0])) >= SHARED;
            match alike.iter_mut().find(|others| begins(others)) {
                Some(others) => others.push(at),
                None => alike.push(vec![at]),
            }
        }
        for others in alike {
            if let &[one] = &others[..] {
                let (text, asked) = texts[one];
                targets[one] = self.put(text, asked, (from, after));
                continue;
            }
            let first = sharable(others[0]);
            let length = others.iter().map(|&at| common(first, sharable(at))).min().unwrap_or(0);
            self.tokens.extend(&first[..length]);
            self.pieces.push(Piece { length, after });
            self.lay(texts, others, (from + length, Some(self.pieces.len() - 1)), targets);
        }
    }

    /// The rest of a text, and what is asked for of it.
    fn put(&mut self, text: &[u32], asked: usize, (from, after): (usize, Option<usize>)) -> Range<usize> {
        let (row, first) = (self.tokens.len(), self.targets.len());
        self.tokens.extend(&text[from..]);
        self.pieces.push(Piece { length: text.len() - from, after });
        self.targets.extend((asked..text.len()).map(|at| (row + at - 1 - from, text[at])));
        first..self.targets.len()
    }
}

/// Tokens with which both begin.
fn common(one: &[u32], other: &[u32]) -> usize {
    one.iter().zip(other).take_while(|(a, b)| a == b).count()
}

/// Where pieces lie, and what each sees.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// The first row and the length of each piece.
    own: Vec<(usize, usize)>,
    after: Vec<Option<usize>>,
}

impl Places {
    pub(super) fn new(pieces: &[Piece]) -> Self {
        let mut from = 0;
        let own = pieces.iter().map(|piece| {
            from += piece.length;
            (from - piece.length, piece.length)
        });
        Self { own: own.collect(), after: pieces.iter().map(|piece| piece.after).collect() }
    }

    pub(super) fn len(&self) -> usize {
        self.own.len()
    }

    /// The first row and the length of a piece.
    pub(super) fn own(&self, piece: usize) -> (usize, usize) {
        self.own[piece]
    }

    /// Those of the pieces of a text up to this one, in the text's order.
    pub(super) fn seen(&self, piece: usize) -> Vec<(usize, usize)> {
        let mut seen: Vec<_> =
            std::iter::successors(Some(piece), |&at| self.after[at]).map(|at| self.own[at]).collect();
        seen.reverse();
        seen
    }

    /// Tokens of a text before this piece of it.
    pub(super) fn before(&self, piece: usize) -> usize {
        self.seen(piece).iter().map(|(_, length)| length).sum::<usize>() - self.own[piece].1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A text that ends with a piece.
    fn whole(batch: &Batch, piece: usize) -> Vec<u32> {
        let seen = Places::new(&batch.pieces).seen(piece);
        seen.iter().flat_map(|&(from, length)| batch.tokens[from..from + length].to_vec()).collect()
    }

    proptest! {
        #[test]
        fn every_text_is_there_and_asked_for_what_it_would_be_alone(
            texts in prop::collection::vec((prop::collection::vec(0u32..3, 2..80), 1usize..80), 1..12),
            beginning in prop::collection::vec(0u32..3, 0..60),
        ) {
            let texts: Vec<(Vec<u32>, usize)> = texts.into_iter().enumerate().map(|(n, (text, asked))| {
                let text = if n % 3 == 0 { text } else { [&beginning[..], &text].concat() };
                let asked = asked.min(text.len() - 1);
                (text, asked)
            }).collect();
            let given: Vec<(&[u32], usize)> = texts.iter().map(|(text, asked)| (&text[..], *asked)).collect();
            let (batch, targets) = Batch::shared(&given);
            let places = Places::new(&batch.pieces);
            prop_assert!(batch.tokens.len() <= texts.iter().map(|(text, _)| text.len()).sum());
            for ((text, asked), targets) in texts.iter().zip(&targets) {
                let row = batch.targets[targets.start].0;
                let piece = (0..places.len()).rfind(|&at| places.own(at).0 <= row).unwrap();
                prop_assert_eq!(&whole(&batch, piece), text);
                let wanted: Vec<u32> = text[*asked..].to_vec();
                let found: Vec<u32> = batch.targets[targets.clone()].iter().map(|(_, token)| *token).collect();
                prop_assert_eq!(found, wanted);
                prop_assert_eq!(row - places.own(piece).0 + places.before(piece), asked - 1);
            }
        }
    }

    #[test]
    fn what_texts_begin_with_is_read_once() {
        let text = |middle: u32, end: u32| -> Vec<u32> {
            let same = (0..100).collect::<Vec<u32>>();
            [same, vec![middle; 30], vec![end; 20]].concat()
        };
        let texts = [text(200, 1), text(200, 2), text(201, 3)];
        let given: Vec<(&[u32], usize)> = texts.iter().map(|text| (&text[..], 135)).collect();
        let (batch, _) = Batch::shared(&given);
        assert_eq!(batch.tokens.len(), 100 + 30 + 20 + 20 + 50);
        let after: Vec<Option<usize>> = batch.pieces.iter().map(|piece| piece.after).collect();
        assert_eq!(after, [None, Some(0), Some(1), Some(1), Some(0)]);
    }
}
