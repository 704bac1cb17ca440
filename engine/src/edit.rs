//! What would change? The smallest vocabulary for rewriting a file.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// How far a fix may be trusted before anyone has looked at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Applicability {
    /// Correct programs keep their meaning, or get exactly the meaning that was intended.
    Safe,
    /// Likely right; a person looks first.
    Unsafe,
}

/// Bytes of one file replaced by text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Edit {
    /// First byte replaced, 0-based.
    pub start: usize,
    /// One past the last byte replaced; equal to `start` for an insertion.
    pub end: usize,
    /// What stands there afterwards.
    pub text: String,
}

impl Edit {
    /// Replaces a range.
    pub fn replace(range: Range<usize>, text: impl Into<String>) -> Self {
        Self { start: range.start, end: range.end, text: text.into() }
    }

    /// Removes a range.
    pub fn delete(range: Range<usize>) -> Self {
        Self::replace(range, "")
    }

    /// Puts text before the byte at `at`.
    pub fn insert(at: usize, text: impl Into<String>) -> Self {
        Self::replace(at..at, text)
    }
}

/// Edits of one file that belong together: all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// How far to trust it.
    pub applicability: Applicability,
    /// The edits, ordered and disjoint once through [`Fix::new`].
    edits: Vec<Edit>,
}

impl Fix {
    /// A fix that keeps what correct programs do.
    ///
    /// # Errors
    /// [`Overlap`] when two edits touch the same bytes.
    pub fn safe(edits: Vec<Edit>) -> Result<Self, Overlap> {
        Self::new(Applicability::Safe, edits)
    }

    /// A fix that a person should look at first.
    ///
    /// # Errors
    /// [`Overlap`] when two edits touch the same bytes.
    pub fn unsafe_(edits: Vec<Edit>) -> Result<Self, Overlap> {
        Self::new(Applicability::Unsafe, edits)
    }

    /// A fix from edits in any order.
    ///
    /// # Errors
    /// [`Overlap`] when two edits touch the same bytes, or insert at the same place.
    pub fn new(applicability: Applicability, mut edits: Vec<Edit>) -> Result<Self, Overlap> {
        edits.sort();
        edits.dedup();
        match edits.windows(2).find(|pair| conflicts(&pair[0], &pair[1])) {
            Some(pair) => Err(Overlap { at: pair[1].start }),
            None => Ok(Self { applicability, edits }),
        }
    }

    /// The edits, ordered and disjoint.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }
}

/// Two edits of one fix that cannot both be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two edits meet at byte {at}")]
pub struct Overlap {
    /// Where the second one starts.
    pub at: usize,
}

/// Why edits do not fit a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// A range lies outside the text, or ends before it starts.
    #[error("bytes {start}..{end} are not inside a text of {len} bytes")]
    OutOfRange {
        /// First byte of the edit.
        start: usize,
        /// Its end.
        end: usize,
        /// The text's length.
        len: usize,
    },
    /// Two edits meet.
    #[error(transparent)]
    Overlap(#[from] Overlap),
}

/// Whether the two, ordered by start, cannot both be made.
pub fn conflicts(a: &Edit, b: &Edit) -> bool {
    let (a, b) = if (a.start, a.end) <= (b.start, b.end) { (a, b) } else { (b, a) };
    b.start < a.end || (a.start == b.start && (a.end == b.end || a.start == a.end))
}

/// The text with ordered, disjoint edits made. Linear in the length of the result.
///
/// # Errors
/// [`EditError`] when an edit lies outside the text or meets its neighbor.
pub fn apply(text: &[u8], edits: &[Edit]) -> Result<Vec<u8>, EditError> {
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for edit in edits {
        if edit.start > edit.end || edit.end > text.len() {
            return Err(EditError::OutOfRange { start: edit.start, end: edit.end, len: text.len() });
        }
        if edit.start < done {
            return Err(Overlap { at: edit.start }.into());
        }
        out.extend_from_slice(&text[done..edit.start]);
        out.extend_from_slice(edit.text.as_bytes());
        done = edit.end;
    }
    out.extend_from_slice(&text[done..]);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_made_in_order_of_place() {
        let fix = Fix::safe(vec![Edit::replace(4..7, "two"), Edit::insert(0, ">"), Edit::delete(7..8)]).unwrap();
        assert_eq!(apply(b"one 222 three", fix.edits()).unwrap(), b">one twothree");
    }

    #[test]
    fn edits_that_meet_are_refused() {
        assert!(Fix::safe(vec![Edit::replace(0..3, "a"), Edit::replace(2..4, "b")]).is_err());
        assert!(Fix::safe(vec![Edit::insert(2, "a"), Edit::insert(2, "b")]).is_err());
        assert!(Fix::safe(vec![Edit::replace(0..2, "a"), Edit::replace(2..4, "b")]).is_ok());
        assert!(apply(b"abc", &[Edit::delete(2..9)]).is_err());
    }
}
