//! What do two edits of the same file amount to, one after the other?

use std::collections::BTreeMap;

use super::{Hunk, Line, LineRange, Tag};

/// The hunks from before `first` to after `second`, or `None` where `second` does not follow from `first`: they
/// disagree about a line between them, or their line numbers do not add up.
pub(super) fn compose(first: &[Hunk], second: &[Hunk]) -> Option<Vec<Hunk>> {
    let mut slots = BTreeMap::new();
    read_first(first, &mut slots)?;
    read_second(second, &mut slots)?;
    let mut composer = Composer::default();
    for (middle, slot) in slots {
        composer.slot(middle, slot)?;
    }
    composer.close()?;
    ends_once(&composer.hunks).then_some(composer.hunks)
}

/// Whether a line without a newline is the last of its version, as it must be: else one edit has the text end where
/// the other still has lines.
fn ends_once(hunks: &[Hunk]) -> bool {
    let (mut is_last_old, mut is_last_new) = (true, true);
    hunks.iter().rev().flat_map(|hunk| hunk.lines.iter().rev()).all(|Line { tag, bytes }| {
        let is_last = (*tag == Tag::Added || is_last_old) && (*tag == Tag::Removed || is_last_new);
        is_last_old &= *tag == Tag::Added;
        is_last_new &= *tag == Tag::Removed;
        is_last || bytes.ends_with(b"\n")
    })
}

/// A line of the middle version, and what is beside it only before or only after.
#[derive(Default)]
struct Slot {
    /// Its bytes; unknown where the slot is only the place before a line.
    bytes: Option<Vec<u8>>,
    is_new: bool,
    is_dropped: bool,
    removed_before: Vec<Line>,
    added_before: Vec<Line>,
}

fn read_first(hunks: &[Hunk], slots: &mut BTreeMap<u32, Slot>) -> Option<()> {
    for hunk in hunks {
        let mut middle = hunk.new.begin();
        for line in &hunk.lines {
            let slot: &mut Slot = slots.entry(middle).or_default();
            if line.tag == Tag::Removed {
                slot.removed_before.push(line.clone());
            } else {
                slot.bytes = Some(line.bytes.clone());
                slot.is_new = line.tag == Tag::Added;
                middle = middle.checked_add(1)?;
            }
        }
    }
    Some(())
}

fn read_second(hunks: &[Hunk], slots: &mut BTreeMap<u32, Slot>) -> Option<()> {
    for hunk in hunks {
        let mut middle = hunk.old.begin();
        for line in &hunk.lines {
            let slot = slots.entry(middle).or_default();
            if line.tag == Tag::Added {
                slot.added_before.push(line.clone());
                continue;
            }
            if slot.bytes.as_ref().is_some_and(|bytes| *bytes != line.bytes) {
                return None;
            }
            slot.bytes = Some(line.bytes.clone());
            slot.is_dropped = line.tag == Tag::Removed;
            middle = middle.checked_add(1)?;
        }
    }
    Some(())
}

#[derive(Default)]
struct Composer {
    hunks: Vec<Hunk>,
    lines: Vec<Line>,
    /// The middle line the open hunk began at, and the one it would go on at.
    open: Option<(u32, u32)>,
    /// How many lines the old and the new version have beyond the middle one, up to where the open hunk began.
    old_surplus: i64,
    new_surplus: i64,
}

impl Composer {
    fn slot(&mut self, middle: u32, slot: Slot) -> Option<()> {
        if self.open.is_some_and(|(_, next)| next != middle) {
            self.close()?;
        }
        let (begun, _) = self.open.unwrap_or((middle, middle));
        self.lines.extend(slot.removed_before);
        self.lines.extend(slot.added_before);
        let Some(bytes) = slot.bytes else {
            self.open = Some((begun, middle));
            return self.close();
        };
        self.open = Some((begun, middle.checked_add(1)?));
        let tag = match (slot.is_new, slot.is_dropped) {
            (false, false) => Tag::Context,
            (true, false) => Tag::Added,
            (false, true) => Tag::Removed,
            (true, true) => return Some(()),
        };
        self.lines.push(Line { tag, bytes });
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let Some((begun, next)) = self.open.take() else { return Some(()) };
        let lines = std::mem::take(&mut self.lines);
        let count = |without: Tag| lines.iter().filter(|line| line.tag != without).count() as i64;
        let (old, new, middle) = (count(Tag::Added), count(Tag::Removed), i64::from(next - begun));
        let hunk = Hunk {
            old: LineRange::from_begin(i64::from(begun) + self.old_surplus, old)?,
            new: LineRange::from_begin(i64::from(begun) + self.new_surplus, new)?,
            lines,
        };
        self.old_surplus += old - middle;
        self.new_surplus += new - middle;
        if hunk.lines.iter().any(|line| line.tag != Tag::Context) {
            self.hunks.push(hunk);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::apply::*, *};
    use crate::change::diff::tests::hunks_between;

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec("[ab]{0,2}", 0..14).prop_map(|lines| lines.join("\n").into_bytes())
    }

    proptest! {
        #[test]
        fn composing_is_applying_one_after_the_other(a in text(), b in text(), c in text(), context in 0usize..4) {
            let (first, second) = (hunks_between(&a, &b, context), hunks_between(&b, &c, context));
            let both = compose(&first, &second).expect("they follow from each other");
            prop_assert_eq!(apply_hunks(&a, &both).unwrap(), c.clone());
            prop_assert_eq!(revert_hunks(&c, &both).unwrap(), a);
        }
    }

    #[test]
    fn edits_that_do_not_follow_are_refused() {
        let (first, second) = (hunks_between(b"a\nb\n", b"a\nc\n", 3), hunks_between(b"x\ny\n", b"x\nz\n", 3));
        assert_eq!(compose(&first, &second), None);
    }
}
