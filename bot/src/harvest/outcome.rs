//! What became of the lines of an offer, by content alone: titles and trailers of commits can be edited away.

use similar::{DiffOp, TextDiff};

/// A text this like the suggested one is the suggestion, edited.
const LIKE: f64 = 0.8;

/// What a later version has where an offer was made.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// What was suggested.
    Applied,
    /// Something like it.
    Edited {
        /// How like, 0 to 1.
        like: f64,
        /// The whole lines.
        text: String,
    },
    /// Something else than before and than suggested.
    Changed,
    /// What was there before.
    Same,
    /// The version that the offer was made on cannot be read.
    Unknown,
}

/// Compares the lines `lines` (1-based, inclusive) of `before` with where they are in `now`. Cost grows with the edit
/// distance of the two texts.
pub(super) fn outcome(before: &str, now: &str, (from, to): (u32, u32), suggested: Option<&str>) -> Outcome {
    let (from, to) = (from as usize - 1, to as usize);
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = now.split_inclusive('\n').collect();
    let Some(was) = old.get(from..to).map(|lines| lines.concat()) else { return Outcome::Unknown };
    let diff = TextDiff::configure().timeout(std::time::Duration::from_secs(5)).diff_slices(&old, &new);
    let (start, end) = (moved(diff.ops(), from, Edge::Start), moved(diff.ops(), to, Edge::End));
    let rest = new.get(start..).unwrap_or_default().concat();
    let region = new.get(start..end.max(start)).unwrap_or_default().concat();
    if let Some(suggested) = suggested {
        let is_there = rest.starts_with(suggested) && (suggested.starts_with(&was) || !rest.starts_with(&was));
        let is_gone = suggested.is_empty() && !region.is_empty();
        if is_there && !is_gone {
            return Outcome::Applied;
        }
    }
    if region == was {
        return Outcome::Same;
    }
    let like = |a: &str, b: &str| f64::from(TextDiff::from_chars(a, b).ratio());
    match suggested.filter(|text| !text.is_empty()).map(|text| (like(&region, text), like(&was, text))) {
        Some((now, then)) if now >= LIKE && now > then => Outcome::Edited { like: now, text: region },
        _ => Outcome::Changed,
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Edge {
    Start,
    End,
}

/// Where a boundary between lines of the old text is in the new one.
fn moved(ops: &[DiffOp], line: usize, edge: Edge) -> usize {
    let mut at = 0;
    for op in ops {
        let (old, new) = (op.old_range(), op.new_range());
        // A boundary that begins a stretch belongs to it; one that ends it, too.
        let is_inside = match edge {
            Edge::Start => old.contains(&line),
            Edge::End => old.start < line && line <= old.end,
        };
        if is_inside {
            return match (op, edge) {
                (DiffOp::Equal { .. }, _) => new.start + (line - old.start),
                (_, Edge::Start) => new.start,
                (_, Edge::End) => new.end,
            };
        }
        at = new.end;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "a\nb\nc\nd\ne\n";

    #[test]
    fn taken_as_it_is_anywhere() {
        assert_eq!(outcome(BEFORE, "a\nB\nc\nd\ne\n", (2, 2), Some("B\n")), Outcome::Applied);
        assert_eq!(outcome(BEFORE, "x\ny\na\nB\nC\nd\ne\n", (2, 3), Some("B\nC\n")), Outcome::Applied);
        assert_eq!(outcome(BEFORE, "a\nb\nc\nd\ne\n", (2, 2), Some("B\n")), Outcome::Same);
        assert_eq!(outcome(BEFORE, "n\na\nb\nc\nd\ne\n", (2, 2), Some("B\n")), Outcome::Same);
    }

    #[test]
    fn an_insertion_and_a_deletion() {
        assert_eq!(outcome(BEFORE, "a\nb\nnew\nc\nd\ne\n", (2, 2), Some("b\nnew\n")), Outcome::Applied);
        assert_eq!(outcome(BEFORE, BEFORE, (2, 2), Some("b\nnew\n")), Outcome::Same);
        assert_eq!(outcome(BEFORE, "a\nd\ne\n", (2, 3), Some("")), Outcome::Applied);
        assert_eq!(outcome(BEFORE, "a\nb\nd\ne\n", (2, 3), Some("b\n")), Outcome::Applied);
        assert_eq!(outcome(BEFORE, BEFORE, (2, 3), Some("b\n")), Outcome::Same);
    }

    #[test]
    fn edited_is_told_from_changed() {
        let was = "let total = items.len() as u32;\n";
        let offered = "let total = u32::try_from(items.len()).unwrap_or(u32::MAX);\n";
        let edited = "let total = u32::try_from(items.len()).unwrap_or(0);\n";
        assert!(
            matches!(outcome(was, edited, (1, 1), Some(offered)), Outcome::Edited { like, text } if like > 0.8 && like < 1.0 && text == edited)
        );
        assert_eq!(outcome(was, "todo();\n", (1, 1), Some(offered)), Outcome::Changed);
        assert_eq!(outcome(was, "todo();\n", (1, 1), None), Outcome::Changed);
    }
}
