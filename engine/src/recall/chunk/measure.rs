//! How long is each line, in tokens, and where may a text be cut?

use std::ops::Range;

use super::name;
use crate::source::SourceFile;

/// A sixteenth of a token, so that a blank line costs something and a file of them is cut too.
pub(super) type Cost = u32;

/// One token.
pub(super) const TOKEN: Cost = 16;

/// A piece is cut at this many tokens.
pub(super) const TARGET: Cost = 360 * TOKEN;

/// A chunk has at most this many: room for the end of what it is in.
pub(super) const LIMIT: Cost = 400 * TOKEN;

/// What a line costs, and how many of its bytes are kept: all of them, unless it alone is more than a piece may be.
///
/// The estimate was fitted to WordPiece (the vocabulary of MiniLM): a mark of punctuation is a token; a run of letters
/// and digits is one, and one more for about each three letters after the first five and each two digits after the first
/// two; a character outside of ASCII is one. Counted by the tokenizer, 95 of 100 chunks of code in each of fourteen
/// languages have fewer than 400 tokens; long JSON (410), dumps of SQL (451) and text without a grammar (513) are
/// underestimated most. A line costs at least a token for each sixteen bytes, so that a chunk is never more than 6,400
/// bytes.
pub(super) fn line(text: &str) -> (Cost, usize) {
    let (mut cost, mut run) = (0, 0u32);
    for (at, byte) in text.bytes().enumerate() {
        let was = run;
        run = if byte.is_ascii_alphanumeric() { run + 1 } else { 0 };
        cost += match byte {
            _ if run == 1 => TOKEN,
            b'0'..=b'9' if run > DIGITS => TOKEN / 2,
            _ if run > LETTERS => TOKEN * 5 / 16,
            _ if run > 0 => 0,
            b' ' | b'\t' | b'\r' | b'\n' => 0,
            0x80..=0xBF => 0,
            0xC0.. => {
                if was > 0 {
                    TOKEN / 2
                } else {
                    TOKEN
                }
            }
            _ => TOKEN,
        };
        if cost.max(at as u32 + 1) > TARGET {
            return (TARGET, name::floor(text, at));
        }
    }
    (cost.max(text.len() as u32), text.len())
}

/// About how many tokens a text has, however long it is.
pub(in crate::recall) fn tokens(text: &str) -> usize {
    let (mut rest, mut cost) = (text, 0);
    while !rest.is_empty() {
        let (more, kept) = line(rest);
        cost += more as usize;
        // A line that is cut is cut behind its first character.
        rest = rest.get(kept.max(1)..).unwrap_or("");
    }
    cost.div_ceil(TOKEN as usize)
}

/// Letters that are one token together.
const LETTERS: u32 = 5;

/// Digits that are.
const DIGITS: u32 = 2;

/// The lines of a file, numbered from 0, with what they cost.
pub(super) struct Measure {
    /// Cost of all lines before each.
    before: Vec<Cost>,
    looks: Vec<Look>,
}

/// What is on a line.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Blank,
    /// Punctuation alone.
    Marks,
    Words,
}

impl Measure {
    /// Reads every line once.
    pub(super) fn new(file: &SourceFile) -> Self {
        let count = file.lines.count() as usize;
        let (mut before, mut looks) = (Vec::with_capacity(count + 1), Vec::with_capacity(count));
        before.push(0);
        let mut sum: Cost = 0;
        for number in 0..count {
            let text = file.text.get(file.lines.range(number as u32 + 1)).unwrap_or("");
            sum = sum.saturating_add(line(text).0);
            before.push(sum);
            looks.push(look(text));
        }
        Self { before, looks }
    }

    /// How many lines there are.
    pub(super) fn count(&self) -> usize {
        self.looks.len()
    }

    /// What some lines cost together.
    pub(super) fn cost(&self, lines: &Range<usize>) -> Cost {
        self.before[lines.end] - self.before[lines.start.min(lines.end)]
    }

    /// What is on a line.
    pub(super) fn look(&self, line: usize) -> Look {
        self.looks[line]
    }

    /// The lines without blank ones at either end.
    pub(super) fn trim(&self, lines: Range<usize>) -> Range<usize> {
        let is_blank = |line: &usize| self.looks[*line] == Look::Blank;
        let start = lines.clone().find(|line| !is_blank(line)).unwrap_or(lines.end);
        let end = (start..lines.end).rev().find(|line| !is_blank(line)).map_or(start, |last| last + 1);
        start..end
    }

    /// Cuts lines into pieces that fit, where the fewest parts of the code are cut through and blank lines help.
    ///
    /// `depth` says for each line how many nodes go on from the line before it.
    pub(super) fn split(&self, lines: Range<usize>, depth: &[u32]) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let mut rest = self.trim(lines);
        while !rest.is_empty() {
            let at = self.cut(&rest, depth);
            pieces.push(self.trim(rest.start..at));
            rest = self.trim(at..rest.end);
        }
        pieces
    }

    /// Where the first piece of some lines ends.
    fn cut(&self, lines: &Range<usize>, depth: &[u32]) -> usize {
        let total = self.cost(lines);
        if total <= TARGET {
            return lines.end;
        }
        let most = TARGET.min(total - (TARGET / 4).min(total / 4));
        let least = if total < 2 * TARGET { (total - TARGET).max(TARGET / 4) } else { TARGET / 3 };
        let place = |cost: Cost| self.before.partition_point(|&before| before < self.before[lines.start] + cost);
        let window = place(least).max(lines.start + 1)..=place(most + 1).saturating_sub(1).max(lines.start + 1);
        let score = |&at: &usize| {
            let after_blank = self.looks[at - 1] == Look::Blank;
            (2 * depth.get(at).copied().unwrap_or(0) + u32::from(!after_blank), std::cmp::Reverse(at))
        };
        window.filter(|&at| at < lines.end).min_by_key(score).unwrap_or(lines.start + 1)
    }
}

fn look(line: &str) -> Look {
    if line.bytes().any(|byte| byte.is_ascii_alphanumeric() || byte >= 0x80) {
        Look::Words
    } else if line.trim().is_empty() {
        Look::Blank
    } else {
        Look::Marks
    }
}
