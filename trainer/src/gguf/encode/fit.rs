//! Which whole numbers, scaled and shifted, are nearest to some weights?
//!
//! Weighted least squares over a search of the scale, as ggml's encoders of the K formats have it (`ggml-quants.c`,
//! without an importance matrix), and once more around what was found. Eight candidates are compared side by side, one a
//! lane, so that the same numbers come out on every processor.
#![expect(clippy::needless_range_loop, reason = "lanes of several arrays side by side")]

use super::eight::{Bounds, Eight, nearest};

/// `scale · n + least` stands for a weight, with `n` whole.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Line {
    pub(super) scale: f32,
    pub(super) least: f32,
}

/// Scales that are tried, in eights: those that spread the weights over `most + first`, and `size` more with each step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Steps {
    pub(super) first: f32,
    pub(super) size: f32,
    pub(super) eights: u32,
}

/// Some weights of a row, how much each counts, and the sums that no line changes.
pub(super) struct Group<const N: usize> {
    x: [f32; N],
    counts: [f32; N],
    count: f32,
    sum: f32,
    squares: f32,
}

/// What whole numbers sum up to: themselves, their squares, their products with the weights.
#[derive(Clone, Copy)]
pub(super) struct Sums<T> {
    pub(super) whole: T,
    pub(super) squares: T,
    pub(super) product: T,
}

impl Sums<Eight> {
    #[inline(always)]
    fn lane(&self, lane: usize) -> Sums<f32> {
        Sums { whole: self.whole.0[lane], squares: self.squares.0[lane], product: self.product.0[lane] }
    }
}

impl<const N: usize> Group<N> {
    /// Weights of which larger ones count for more: `|x|` and the root of the mean square.
    #[inline(always)]
    pub(super) fn new(x: &[f32; N]) -> Self {
        let typical = (x.iter().map(|x| x * x).sum::<f32>() / N as f32).sqrt();
        let mut group = Self { x: *x, counts: [0.0; N], count: 0.0, sum: 0.0, squares: 0.0 };
        for (&x, counts) in x.iter().zip(&mut group.counts) {
            *counts = typical + x.abs();
            group.count += *counts;
            group.sum += *counts * x;
            group.squares += *counts * x * x;
        }
        group
    }

    /// The sums of the whole numbers nearest on eight lines.
    #[inline(always)]
    pub(super) fn sums(&self, inverse: Eight, least: Eight, bounds: Bounds) -> Sums<Eight> {
        let zero = Eight::all(0.0);
        let mut sums = Sums { whole: zero, squares: zero, product: zero };
        for n in 0..N {
            let x = Eight::all(self.x[n]);
            let whole = ((x - least) * inverse).nearest(bounds);
            let counted = Eight::all(self.counts[n]) * whole;
            sums.whole = sums.whole + counted;
            sums.squares = sums.squares + counted * whole;
            sums.product = sums.product + counted * x;
        }
        sums
    }

    /// The sums of the squares of what is between weights and lines, each counted.
    #[inline(always)]
    pub(super) fn errors(&self, scale: Eight, least: Eight, sums: &Sums<Eight>) -> Eight {
        let two = Eight::all(2.0);
        let with_scale = scale * (scale * sums.squares - two * sums.product + two * least * sums.whole);
        let with_least = least * (least * Eight::all(self.count) - Eight::all(2.0 * self.sum));
        Eight::all(self.squares) + with_scale + with_least
    }

    /// The line with numbers up to `most` that comes nearest, and begins at `highest` or below.
    #[inline(always)]
    pub(super) fn line(&self, most: f32, steps: Steps, highest: f32) -> Line {
        let (mut low, mut high) = (highest, f32::MIN);
        for &x in &self.x {
            low = if x < low { x } else { low };
            high = if x > high { x } else { high };
        }
        if high <= low {
            return Line { scale: 0.0, least: low };
        }
        let mut best = (Line { scale: (high - low) / most, least: low }, f32::INFINITY);
        let bounds = Bounds { low: 0.0, high: most };
        for eight in 0..steps.eights {
            let spread = Eight::steps(most + steps.first + steps.size * (8 * eight) as f32, steps.size);
            best = self.fitted(spread * Eight::all(1.0 / (high - low)), low, bounds, highest, best);
        }
        let around = Eight::steps(1.0 - 4.0 * FINE / most, FINE / most);
        let inverse = around * Eight::all(1.0 / best.0.scale);
        self.fitted(inverse, best.0.least, bounds, highest, best).0
    }

    /// The best line for the whole numbers that are nearest on each of eight; `best` unless one is better.
    #[inline(always)]
    fn fitted(&self, inverse: Eight, least: f32, bounds: Bounds, highest: f32, best: (Line, f32)) -> (Line, f32) {
        let sums = self.sums(inverse, Eight::all(least), bounds);
        let (count, sum) = (Eight::all(self.count), Eight::all(self.sum));
        let apart = count * sums.squares - sums.whole * sums.whole;
        let scale = (count * sums.product - sum * sums.whole) / apart;
        let least = (sums.squares * sum - sums.whole * sums.product) / apart;
        // One that begins too high goes through `highest`, which is 0 or no bound at all.
        let through = sums.product / sums.squares;
        let (scale, least) = (scale.where_above(least, highest, through), least.at_most(highest));
        let errors = self.errors(scale, least, &sums);
        match errors.lowest() {
            (lane, error) if error < best.1 && scale.0[lane] > 0.0 => {
                (Line { scale: scale.0[lane], least: least.0[lane] }, error)
            }
            _ => best,
        }
    }

    /// The whole numbers nearest on a line, from the lowest on.
    #[inline(always)]
    pub(super) fn whole(&self, line: Line, bounds: Bounds) -> [u8; N] {
        let inverse = if line.scale != 0.0 { 1.0 / line.scale } else { 0.0 };
        let mut whole = [0; N];
        for n in 0..N {
            whole[n] = (nearest((self.x[n] - line.least) * inverse, bounds) - bounds.low) as u8;
        }
        whole
    }

    /// Which of eight lines comes nearest: its lane, its error and its sums.
    #[inline(always)]
    pub(super) fn best(&self, scale: Eight, least: Eight, bounds: Bounds) -> (usize, f32, Sums<f32>) {
        let sums = self.sums(scale.inverse(), least, bounds);
        let (lane, error) = self.errors(scale, least, &sums).lowest();
        (lane, error, sums.lane(lane))
    }

    /// The scale, of either sign, that comes nearest.
    #[inline(always)]
    pub(super) fn scale(&self, bounds: Bounds) -> f32 {
        let far = self.x.iter().fold(0_f32, |far, &x| if x.abs() > far.abs() { x } else { far });
        if far == 0.0 {
            return 0.0;
        }
        let mut best = (far / bounds.low, f32::MIN);
        for eight in 0..3 {
            let spread = Eight::steps(bounds.low + 1.2 - 0.8 * eight as f32, -0.1);
            best = self.scaled(spread * Eight::all(1.0 / far), bounds, best);
        }
        let around = Eight::steps(1.0 + 4.0 * FINE / bounds.low, -FINE / bounds.low);
        self.scaled(around * Eight::all(1.0 / best.0), bounds, best).0
    }

    /// The best scale for the whole numbers nearest to each of eight, and what it takes from the error.
    #[inline(always)]
    fn scaled(&self, inverse: Eight, bounds: Bounds, best: (f32, f32)) -> (f32, f32) {
        let sums = self.sums(inverse, Eight::all(0.0), bounds);
        let scale = sums.product / sums.squares;
        let (lane, loss) = (Eight::all(0.0) - scale * sums.product).lowest();
        if -loss > best.1 { (scale.0[lane], -loss) } else { best }
    }

    /// What all weights count together, and multiplied with themselves.
    #[inline(always)]
    pub(super) fn count_and_sum(&self) -> (f32, f32) {
        (self.count, self.sum)
    }
}

/// How far apart the scales of the second search are, in whole numbers at the far end.
const FINE: f32 = 0.04;
