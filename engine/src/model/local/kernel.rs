//! How are the steps between two matrix products computed, so that they cost next to nothing?

use pulp::Arch;
use rayon::prelude::*;

/// Independent partial sums of a reduction, as the order of a float sum is fixed.
const LANES: usize = 32;

/// Fewest rows for which threads are worth their while.
const MANY: usize = 16;

/// Does something with each row, which is told its number.
pub(super) fn each_row(rows: &mut [f32], width: usize, each: impl Fn(usize, &mut [f32]) + Sync) {
    if rows.len() < MANY * width {
        rows.chunks_mut(width).enumerate().for_each(|(n, row)| each(n, row));
    } else {
        rows.par_chunks_mut(width).with_min_len(MANY / 2).enumerate().for_each(|(n, row)| each(n, row));
    }
}

/// The sum of the products of two rows.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    Arch::new().dispatch(|| {
        let mut lanes = [0.0; LANES];
        let ((a, rest_a), (b, rest_b)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
        for (a, b) in a.iter().zip(b) {
            for lane in 0..LANES {
                lanes[lane] += a[lane] * b[lane];
            }
        }
        lanes.iter().sum::<f32>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f32>()
    })
}

/// Root mean square normalization (arXiv 1910.07467).
#[derive(Debug, Clone)]
pub(super) struct Norm {
    pub(super) scale: Vec<f32>,
    pub(super) epsilon: f32,
}

impl Norm {
    /// Normalizes a row into another.
    pub(super) fn apply(&self, row: &[f32], out: &mut [f32]) {
        let factor = self.factor(row);
        Arch::new().dispatch(|| {
            for ((out, value), scale) in out.iter_mut().zip(row).zip(&self.scale) {
                *out = value * factor * scale;
            }
        });
    }

    /// Normalizes a row in its place.
    pub(super) fn apply_here(&self, row: &mut [f32]) {
        let factor = self.factor(row);
        row.iter_mut().zip(&self.scale).for_each(|(value, scale)| *value *= factor * scale);
    }

    fn factor(&self, row: &[f32]) -> f32 {
        1.0 / (dot(row, row) / row.len() as f32 + self.epsilon).sqrt()
    }
}

/// Adds one row to another.
pub(super) fn add(row: &mut [f32], more: &[f32]) {
    Arch::new().dispatch(|| row.iter_mut().zip(more).for_each(|(value, more)| *value += more));
}

/// What a gate does with its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// `x / (1 + e^-x)`.
    Silu,
    /// The Gaussian error linear unit, by its approximation with the hyperbolic tangent.
    Gelu,
}

impl Gate {
    /// The gated values: those of `up` times what the gate makes of `gate`.
    pub(super) fn apply(self, gate: &[f32], up: &[f32], out: &mut [f32]) {
        Arch::new().dispatch(|| match self {
            Self::Silu => gated(gate, up, out, |x| x),
            // tanh(y) = 2 / (1 + e^-2y) - 1, so that 0.5 x (1 + tanh y) = x / (1 + e^-2y).
            Self::Gelu => gated(gate, up, out, |x| 1.595_769 * x * (1.0 + 0.044_715 * x * x)),
        });
    }
}

#[inline(always)]
fn gated(gate: &[f32], up: &[f32], out: &mut [f32], inner: impl Fn(f32) -> f32) {
    for ((out, &gate), up) in out.iter_mut().zip(gate).zip(up) {
        *out = gate / (1.0 + exp(-inner(gate))) * up;
    }
}

/// `e^x`; off by 2e-7 of the value, and bounded so that it stays a number.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // Adding this leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = (x * std::f32::consts::LOG2_E).clamp(-126.0, 126.0);
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    let power = 1.000_000_1
        + f * (0.693_146_94 + f * (0.240_221_22 + f * (0.055_507_425 + f * (0.009_675_46 + f * 0.001_326_697_1))));
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// Rotary positions (arXiv 2104.09864).
#[derive(Debug, Clone)]
pub struct Rope {
    /// The angle of each pair for one token.
    pub angles: Vec<f64>,
    /// What the rotated values are multiplied with.
    pub factor: f64,
    /// Which components are rotated together.
    pub pairs: Pairs,
}

/// Which components are rotated together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairs {
    /// Neighbors.
    Near,
    /// Those of the first and the second half.
    Far,
}

impl Rope {
    /// Cosine and sine of each pair for one token.
    pub fn turns(&self, position: usize) -> impl Iterator<Item = [f32; 2]> {
        self.angles.iter().map(move |angle| {
            let (sine, cosine) = (position as f64 * angle).sin_cos();
            [(cosine * self.factor) as f32, (sine * self.factor) as f32]
        })
    }

    /// Rotates a head by the turns of its token.
    pub fn rotate(&self, head: &mut [f32], turns: &[[f32; 2]]) {
        let mut turn = |a: usize, b: usize, [cosine, sine]: [f32; 2]| {
            let (x, y) = (head[a], head[b]);
            (head[a], head[b]) = (x * cosine - y * sine, x * sine + y * cosine);
        };
        for (n, &by) in turns.iter().enumerate() {
            match self.pairs {
                Pairs::Near => turn(2 * n, 2 * n + 1, by),
                Pairs::Far => turn(n, n + turns.len(), by),
            }
        }
    }
}
