//! Which lines of a file?

use std::ops::RangeInclusive;

/// A set of 1-based line numbers, kept as ordered, disjoint, non-adjacent ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LineSet {
    ranges: Vec<(u32, u32)>,
}

impl LineSet {
    /// Every line.
    pub fn all() -> Self {
        Self { ranges: vec![(1, u32::MAX)] }
    }

    /// Adds a line at or after every line already in the set.
    ///
    /// # Panics
    /// In debug builds, when lines come out of order.
    pub fn push(&mut self, line: u32) {
        match self.ranges.last_mut() {
            Some((_, last)) if line <= last.saturating_add(1) => {
                debug_assert!(line >= *last, "lines are pushed in order");
                *last = line.max(*last);
            }
            _ => self.ranges.push((line, line)),
        }
    }

    /// Whether `line` is in the set.
    pub fn contains(&self, line: u32) -> bool {
        self.intersects(&(line..=line))
    }

    /// Whether any of `lines` is in the set. Logarithmic in the number of ranges.
    pub fn intersects(&self, lines: &RangeInclusive<u32>) -> bool {
        let at = self.ranges.partition_point(|&(_, last)| last < *lines.start());
        self.ranges.get(at).is_some_and(|&(first, _)| first <= *lines.end())
    }

    /// Whether all of `lines` are in the set.
    pub fn covers(&self, lines: &RangeInclusive<u32>) -> bool {
        let at = self.ranges.partition_point(|&(_, last)| last < *lines.start());
        self.ranges.get(at).is_some_and(|&(first, last)| first <= *lines.start() && last >= *lines.end())
    }

    /// The lines in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let (mut a, mut b) = (self.ranges.iter().peekable(), other.ranges.iter().peekable());
        let mut ranges = Vec::new();
        while let (Some(&&(a_first, a_last)), Some(&&(b_first, b_last))) = (a.peek(), b.peek()) {
            let (first, last) = (a_first.max(b_first), a_last.min(b_last));
            if first <= last {
                ranges.push((first, last));
            }
            if a_last < b_last {
                a.next()
            } else {
                b.next()
            };
        }
        Self { ranges }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// How many lines there are.
    pub fn len(&self) -> u64 {
        self.ranges.iter().map(|&(first, last)| u64::from(last - first) + 1).sum()
    }

    /// The ranges in order, both ends inclusive.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u32>> + '_ {
        self.ranges.iter().map(|&(first, last)| first..=last)
    }
}

impl FromIterator<u32> for LineSet {
    fn from_iter<I: IntoIterator<Item = u32>>(lines: I) -> Self {
        let mut lines: Vec<u32> = lines.into_iter().collect();
        lines.sort_unstable();
        let mut set = Self::default();
        lines.into_iter().for_each(|line| set.push(line));
        set
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn behaves_as_a_set_of_numbers(a in prop::collection::btree_set(1u32..60, 0..30),
                                       b in prop::collection::btree_set(1u32..60, 0..30),
                                       from in 1u32..60, more in 0u32..10) {
            let (set_a, set_b): (LineSet, LineSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            let range = from..=from + more;
            prop_assert_eq!(set_a.intersects(&range), range.clone().any(|n| a.contains(&n)));
            prop_assert_eq!(set_a.covers(&range), range.clone().all(|n| a.contains(&n)));
            prop_assert_eq!(set_a.len() as usize, a.len());
            let both: BTreeSet<u32> = set_a.intersection(&set_b).ranges().flatten().collect();
            prop_assert_eq!(both, a.intersection(&b).copied().collect::<BTreeSet<_>>());
        }
    }
}
