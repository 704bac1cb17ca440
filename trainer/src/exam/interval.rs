//! By how much do two models differ, and how sure is that? Paired bootstrap (Efron; for systems on the same questions:
//! Koehn 2004, "Statistical significance tests for machine translation evaluation").

use serde::{Deserialize, Serialize};

/// Samples that are drawn.
const DRAWS: usize = 2_000;

/// A difference and the 95 % interval of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// On the questions as they are.
    pub value: f64,
    /// 2.5 % of the samples lie below.
    pub low: f64,
    /// 2.5 % of the samples lie above.
    pub high: f64,
}

impl Interval {
    /// The interval of a figure over questions `0..count`, drawn anew with replacement. The draws are the same in every
    /// run.
    pub(super) fn of(count: usize, figure: &dyn Fn(&[usize]) -> f64) -> Self {
        let whole: Vec<usize> = (0..count).collect();
        let value = figure(&whole);
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut drawn: Vec<f64> = (0..if count == 0 { 0 } else { DRAWS })
            .map(|_| figure(&whole.iter().map(|_| random.below(count)).collect::<Vec<_>>()))
            .collect();
        drawn.sort_by(f64::total_cmp);
        let at = |share: f64| drawn.get((drawn.len() as f64 * share) as usize).copied().unwrap_or(value);
        Self { value, low: at(0.025), high: at(0.975) }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `count`, which is not 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64], drawn: &[usize]) -> f64 {
        drawn.iter().map(|&at| values[at]).sum::<f64>() / drawn.len() as f64
    }

    #[test]
    fn an_interval_is_as_wide_as_theory_says() {
        let values: Vec<f64> = (0..400).map(|n| f64::from(n % 2)).collect();
        let found = Interval::of(values.len(), &|drawn| mean(&values, drawn));
        // The mean of 400 coins: 0.5 ± 1.96 · 0.5 / 20.
        assert_eq!(found.value, 0.5);
        assert!((found.low - 0.451).abs() < 0.006 && (found.high - 0.549).abs() < 0.006, "{found:?}");
        assert_eq!(found, Interval::of(values.len(), &|drawn| mean(&values, drawn)), "the same in every run");
    }

    #[test]
    fn little_is_not_sure() {
        let few = Interval::of(4, &|drawn| mean(&[1.0, 1.0, 1.0, -1.0], drawn));
        assert!(few.low < 0.0 && few.high > 0.5, "{few:?}");
        assert_eq!(Interval::of(0, &|_| 0.0), Interval { value: 0.0, low: 0.0, high: 0.0 });
    }
}
