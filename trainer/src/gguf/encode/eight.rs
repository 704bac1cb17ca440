//! How are eight numbers computed at once? Lane by lane, in any processor's own vectors.
#![expect(clippy::needless_range_loop, reason = "lanes of several arrays side by side")]

use std::ops::{Add, Div, Mul, Sub};

/// Eight numbers.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(super) struct Eight(pub(super) [f32; 8]);

impl Eight {
    #[inline(always)]
    fn zip(self, other: Self, with: impl Fn(f32, f32) -> f32) -> Self {
        let mut out = [0.0; 8];
        for lane in 0..8 {
            out[lane] = with(self.0[lane], other.0[lane]);
        }
        Self(out)
    }

    /// One number in all lanes.
    #[inline(always)]
    pub(super) fn all(value: f32) -> Self {
        Self([value; 8])
    }

    /// `first`, and `size` more in each next lane.
    #[inline(always)]
    pub(super) fn steps(first: f32, size: f32) -> Self {
        let lanes = Self([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        lanes * Self::all(size) + Self::all(first)
    }

    /// The nearest whole numbers within bounds.
    #[inline(always)]
    pub(super) fn nearest(self, bounds: Bounds) -> Self {
        self.zip(
            self,
            #[inline(always)]
            |value, _| nearest(value, bounds),
        )
    }

    /// `1 / x`, and 0 for 0.
    #[inline(always)]
    pub(super) fn inverse(self) -> Self {
        self.zip(
            self,
            #[inline(always)]
            |x, _| if x != 0.0 { 1.0 / x } else { 0.0 },
        )
    }

    /// Numbers no larger than this one.
    #[inline(always)]
    pub(super) fn at_most(self, highest: f32) -> Self {
        self.zip(
            self,
            #[inline(always)]
            |value, _| if value > highest { highest } else { value },
        )
    }

    /// The other where `of` is above a bound.
    #[inline(always)]
    pub(super) fn where_above(self, of: Self, bound: f32, other: Self) -> Self {
        let mut out = self.0;
        for lane in 0..8 {
            out[lane] = if of.0[lane] > bound { other.0[lane] } else { out[lane] };
        }
        Self(out)
    }

    /// The lane of the lowest number, and that number; infinity when there is none.
    #[inline(always)]
    pub(super) fn lowest(self) -> (usize, f32) {
        let mut best = (0, f32::INFINITY);
        for (lane, &value) in self.0.iter().enumerate() {
            best = if value < best.1 { (lane, value) } else { best };
        }
        best
    }
}

impl Add for Eight {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.zip(
            other,
            #[inline(always)]
            |a, b| a + b,
        )
    }
}

impl Sub for Eight {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.zip(
            other,
            #[inline(always)]
            |a, b| a - b,
        )
    }
}

impl Mul for Eight {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.zip(
            other,
            #[inline(always)]
            |a, b| a * b,
        )
    }
}

impl Div for Eight {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.zip(
            other,
            #[inline(always)]
            |a, b| a / b,
        )
    }
}

/// Whole numbers that a format has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) low: f32,
    pub(super) high: f32,
}

/// Adding this and taking it away again leaves the nearest whole number.
const ROUND: f32 = 12_582_912.0;

/// The nearest whole number that a format has.
#[inline(always)]
pub(super) fn nearest(value: f32, bounds: Bounds) -> f32 {
    let value = if value > bounds.low { value } else { bounds.low };
    let value = if value < bounds.high { value } else { bounds.high };
    (value + ROUND) - ROUND
}
