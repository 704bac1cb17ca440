//! Which lines would be replaced by what? A proven patch as one of GitHub's suggestion blocks.
//!
//! A block replaces exactly the lines of its comment ("Incorporating feedback in your pull request"). What a block cannot
//! say exactly is not made one.

use engine::{
    patch::VerifiedPatch,
    report::markdown,
    secret,
    source::{Newline, SourceFile},
};

/// The most lines that a block replaces or brings.
const MOST_LINES: usize = 60;

/// Whole lines of the new version, replaced by others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    /// The first line replaced, 1-based.
    pub(crate) from: u32,
    /// The last line replaced.
    pub(crate) to: u32,
    /// What stands there instead, with line endings; empty when the lines go.
    pub(crate) text: String,
}

impl Offer {
    /// The patch as a block; `None` where a block would not do exactly the same.
    pub(crate) fn of(patch: &VerifiedPatch, file: &SourceFile) -> Option<Self> {
        let after = String::from_utf8(patch.apply(&file.bytes).ok()?).ok()?;
        // Bytes that are no UTF-8, and line endings that a web form changes, cannot travel through a comment.
        if file.text.as_bytes() != &*file.bytes || file.newline() != Newline::Lf || after.contains('\r') {
            return None;
        }
        let offer = Self::between(&file.text, &after)?;
        let is_whole = apply_block(&file.text, offer.from, offer.to, &offer.text) == after;
        // What is a secret is not repeated.
        (is_whole && matches!(secret::mask(&offer.text), std::borrow::Cow::Borrowed(_))).then_some(offer)
    }

    fn between(before: &str, after: &str) -> Option<Self> {
        let (old, new): (Vec<&str>, Vec<&str>) =
            (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
        let first = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
        let most = old.len().min(new.len()) - first;
        let last = old.iter().rev().zip(new.iter().rev()).take(most).take_while(|(a, b)| a == b).count();
        let (mut start, mut old_end, mut new_end) = (first, old.len() - last, new.len() - last);
        if start == old_end {
            // An insertion needs a line to hang on: the one before, or the first.
            if start > 0 {
                start -= 1;
            } else if old_end < old.len() {
                old_end += 1;
                new_end += 1;
            } else {
                return None;
            }
        }
        let text = new.get(start..new_end)?.concat();
        // A last line without its ending cannot be told from one with it.
        let ends_well = |lines: &[&str]| lines.iter().all(|line| line.ends_with('\n'));
        let fits = ends_well(&old[start..old_end]) && ends_well(&new[start..new_end]);
        let is_short = (old_end - start).max(new_end - start) <= MOST_LINES;
        (fits && is_short).then_some(Self { from: start as u32 + 1, to: old_end as u32, text })
    }

    /// The block.
    pub(crate) fn block(&self) -> String {
        let fence = markdown::fence(&self.text);
        format!("{fence}suggestion\n{}{fence}", self.text)
    }
}

/// A text with lines `from` to `to` replaced, as GitHub does it when someone commits a suggestion.
pub(crate) fn apply_block(text: &str, from: u32, to: u32, block: &str) -> String {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (from, to) = ((from as usize).saturating_sub(1).min(lines.len()), (to as usize).min(lines.len()));
    format!("{}{block}{}", lines[..from].concat(), lines[to.max(from)..].concat())
}
