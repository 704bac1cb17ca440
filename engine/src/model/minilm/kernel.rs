//! How are the steps between two matrix products computed, so that they cost next to nothing?
//!
//! All of it is plain loops over rows, compiled several times and chosen at run time by what the processor can do
//! (`pulp`); the loops keep sums in as many lanes as the widest registers have, as the order of a float sum is fixed.

use pulp::{Arch, Simd, WithSimd};

/// Independent partial sums of a reduction.
pub(super) const LANES: usize = 32;

/// Rows of queries that are attended to together.
const ROWS: usize = 4;

/// Adds a bias to each row: `[rows, bias]`.
pub(super) fn add_bias(rows: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(|| {
        for row in rows.chunks_exact_mut(bias.len()) {
            row.iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
        }
    });
}

/// Adds a bias to each row, then applies the Gaussian error linear unit: `[rows, bias]`.
pub(super) fn gelu(rows: &mut [f32], bias: &[f32]) {
    Arch::new().dispatch(|| {
        for row in rows.chunks_exact_mut(bias.len()) {
            for (value, bias) in row.iter_mut().zip(bias) {
                let x = *value + bias;
                // Far below, where nothing is left, an error must not be multiplied.
                *value = x.max(-LAST) * (0.5 + half_erf(x));
            }
        }
    });
}

/// Beyond this, the error function is 1 as far as a float can tell.
const LAST: f32 = 5.4;

/// `erf(x / √2) / 2`, as an odd rational function fitted to it on ±[`LAST`]; off by 1e-7.
#[inline(always)]
fn half_erf(x: f32) -> f32 {
    let x = x.clamp(-LAST, LAST);
    let t = x * x;
    let above =
        0.398_941_73 + t * (0.054_897_76 + t * (0.005_906_166 + t * (0.000_373_077_58 + t * 0.000_006_762_274)));
    let below = 1.0
        + t * (0.304_265_9
            + t * (0.040_531_963 + t * (0.003_046_505_2 + t * (0.000_133_871_83 + t * 0.000_000_563_357_4))));
    x * above / below
}

/// Scale and shift of a layer normalization.
#[derive(Debug)]
pub(super) struct Norm {
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    pub(super) epsilon: f32,
}

/// Adds a bias and the rows that went in before, then brings each row to mean 0 and variance 1: `[rows, bias]`.
pub(super) fn add_and_normalize(rows: &mut [f32], before: &[f32], bias: &[f32], norm: &Norm) {
    let width = bias.len();
    Arch::new().dispatch(|| {
        for (row, before) in rows.chunks_exact_mut(width).zip(before.chunks_exact(width)) {
            for ((value, before), bias) in row.iter_mut().zip(before).zip(bias) {
                *value += before + bias;
            }
            normalize(row, norm);
        }
    });
}

/// Brings each row to mean 0 and variance 1, scaled and shifted.
pub(super) fn normalize_rows(rows: &mut [f32], norm: &Norm) {
    Arch::new().dispatch(|| rows.chunks_exact_mut(norm.scale.len()).for_each(|row| normalize(row, norm)));
}

#[inline(always)]
fn normalize(row: &mut [f32], norm: &Norm) {
    let width = row.len() as f32;
    let mean = sum(row, |value| value) / width;
    let variance = sum(row, |value| (value - mean) * (value - mean)) / width;
    let factor = 1.0 / (variance + norm.epsilon).sqrt();
    for ((value, scale), shift) in row.iter_mut().zip(&norm.scale).zip(&norm.shift) {
        *value = (*value - mean) * factor * scale + shift;
    }
}

#[inline(always)]
fn sum(row: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (parts, rest) = row.as_chunks::<LANES>();
    for part in parts {
        for lane in 0..LANES {
            lanes[lane] += of(part[lane]);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|&value| of(value)).sum::<f32>()
}

/// `e^x` for `x` up to 0; off by 2e-7 of the value.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding this leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let x = (x * std::f32::consts::LOG2_E).max(-126.0);
    let shifted = x + ROUND;
    let f = x - (shifted - ROUND);
    let power = 1.000_000_1
        + f * (0.693_146_94 + f * (0.240_221_22 + f * (0.055_507_425 + f * (0.009_675_46 + f * 0.001_326_697_1))));
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// Turns scores into shares that add up to 1.
#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let mut most = [f32::NEG_INFINITY; LANES];
    let (parts, rest) = scores.as_chunks::<LANES>();
    for part in parts {
        for lane in 0..LANES {
            most[lane] = if part[lane] > most[lane] { part[lane] } else { most[lane] };
        }
    }
    let most = most.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = exp(*score - most));
    let factor = 1.0 / sum(scores, |score| score);
    scores.iter_mut().for_each(|score| *score *= factor);
}

/// Lets each token of one text look at all others.
///
/// `rows` holds query, key and value of each token side by side: `[tokens, 3 · width]`; the result goes to `context`:
/// `[tokens, width]`. A head has `width / heads` components, a multiple of [`LANES`].
pub(super) fn attend(rows: &[f32], context: &mut [f32], width: usize, heads: usize) {
    let size = width / heads;
    for head in 0..heads {
        Arch::new().dispatch(Head { rows, context, width, size, at: head * size });
    }
}

/// The part of one head: its components are `at..at + size` of the `width` that a token has.
struct Head<'a> {
    rows: &'a [f32],
    context: &'a mut [f32],
    width: usize,
    size: usize,
    at: usize,
}

impl WithSimd for Head<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { rows, context, width, size, at } = self;
        let step = 2 * S::F32_LANES;
        let (stride, tokens) = (3 * width, context.len() / width);
        let padded = tokens.next_multiple_of(step);
        let keys = transposed_keys(&rows[width + at..], stride, size, padded);
        let values = &rows[2 * width + at..];
        let mut scores = vec![0.0; ROWS * padded];
        for first in (0..tokens).step_by(ROWS) {
            // Where fewer rows are left, the last is computed more than once.
            let which: [usize; ROWS] = std::array::from_fn(|row| (first + row).min(tokens - 1));
            let queries = which.map(|row| &rows[row * stride + at..][..size]);
            for column in (0..padded).step_by(step) {
                let tile = product(simd, queries, &keys[column..], padded);
                (0..ROWS).for_each(|row| store(simd, &mut scores[row * padded + column..], tile[row]));
            }
            scores.chunks_exact_mut(padded).for_each(|scores| softmax(&mut scores[..tokens]));
            let shares: [&[f32]; ROWS] = std::array::from_fn(|row| &scores[row * padded..][..tokens]);
            for column in (0..size).step_by(step) {
                let tile = product(simd, shares, &values[column..], stride);
                (0..ROWS).for_each(|row| store(simd, &mut context[which[row] * width + at + column..], tile[row]));
            }
        }
    }
}

/// The keys as columns, `[size, padded]`, already divided by the root of the size of a head.
#[inline(always)]
fn transposed_keys(keys: &[f32], stride: usize, size: usize, padded: usize) -> Vec<f32> {
    let scale = 1.0 / (size as f32).sqrt();
    let mut columns = vec![0.0; size * padded];
    for (token, key) in keys.chunks(stride).enumerate() {
        for (component, value) in key[..size].iter().enumerate() {
            columns[component * padded + token] = value * scale;
        }
    }
    columns
}

/// Two registers' worth of columns of a matrix product: `[ROWS, k] · [k, stride]`.
#[inline(always)]
fn product<S: Simd>(simd: S, left: [&[f32]; ROWS], right: &[f32], stride: usize) -> [[S::f32s; 2]; ROWS] {
    let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
    let count = left[0].len();
    let left = left.map(|row| &row[..count]);
    for k in 0..count {
        let columns = S::as_simd_f32s(&right[k * stride..][..2 * S::F32_LANES]).0;
        let columns = [columns[0], columns[1]];
        for row in 0..ROWS {
            let factor = simd.splat_f32s(left[row][k]);
            sums[row][0] = simd.mul_add_e_f32s(factor, columns[0], sums[row][0]);
            sums[row][1] = simd.mul_add_e_f32s(factor, columns[1], sums[row][1]);
        }
    }
    sums
}

#[inline(always)]
fn store<S: Simd>(_: S, to: &mut [f32], values: [S::f32s; 2]) {
    S::as_mut_simd_f32s(&mut to[..2 * S::F32_LANES]).0.copy_from_slice(&values);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random, the same each time.
    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|n| ((n * 7919 + 13) % 1000) as f32 / 250.0 - 2.0).collect()
    }

    fn close(ours: &[f32], exact: &[f64], bound: f64) {
        for (n, (ours, exact)) in ours.iter().zip(exact).enumerate() {
            assert!((f64::from(*ours) - exact).abs() <= bound, "{n}: {ours} instead of {exact}");
        }
        assert_eq!(ours.len(), exact.len());
    }

    #[test]
    fn the_error_function_is_as_exact_as_a_float_needs() {
        // erf by its series, which converges quickly up to 4.
        let erf = |x: f64| {
            let terms = (0..120).scan(x, |term, n| {
                let now = *term / f64::from(2 * n + 1);
                *term *= -x * x / f64::from(n + 1);
                Some(now)
            });
            terms.sum::<f64>() * std::f64::consts::FRAC_2_SQRT_PI
        };
        let inputs: Vec<f32> = (-500..=500).map(|n| n as f32 / 100.0).collect();
        let exact: Vec<f64> =
            inputs.iter().map(|&x| 0.5 * f64::from(x) * (1.0 + erf(f64::from(x) / std::f64::consts::SQRT_2))).collect();
        let mut ours = inputs;
        gelu(&mut ours, &[0.0]);
        close(&ours, &exact, 2e-6);
        let mut far = [-1e9, -20.0, 20.0, 1e9];
        gelu(&mut far, &[0.0]);
        assert!(far[0].abs() < 2e-6 && far[1].abs() < 2e-6, "{far:?}");
        assert!((far[2] / 20.0 - 1.0).abs() < 1e-6 && (far[3] / 1e9 - 1.0).abs() < 1e-6, "{far:?}");
    }

    #[test]
    fn shares_are_those_of_the_exponential() {
        let mut ours = numbers(77).iter().map(|x| x * 20.0).collect::<Vec<f32>>();
        let powers: Vec<f64> = ours.iter().map(|&x| f64::from(x).exp()).collect();
        let all: f64 = powers.iter().sum();
        softmax(&mut ours);
        close(&ours, &powers.iter().map(|power| power / all).collect::<Vec<_>>(), 1e-6);
        let mut extreme = [f32::MIN, 3.0, -1e30];
        softmax(&mut extreme);
        assert_eq!(extreme[1], 1.0);
    }

    #[test]
    fn a_row_is_normalized_with_what_was_before() {
        let (rows, before, bias) = (numbers(80), numbers(160)[80..].to_vec(), numbers(200)[160..].to_vec());
        let norm = Norm { scale: numbers(40), shift: numbers(44)[4..].to_vec(), epsilon: 1e-12 };
        let mut ours = rows.clone();
        add_and_normalize(&mut ours, &before, &bias, &norm);
        let sums: Vec<f64> = (0..80).map(|n| f64::from(rows[n] + before[n] + bias[n % 40])).collect();
        let exact = sums.chunks(40).flat_map(|row| {
            let mean = row.iter().sum::<f64>() / 40.0;
            let deviation = (row.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / 40.0).sqrt();
            let scaled =
                |(n, x): (usize, &f64)| (x - mean) / deviation * f64::from(norm.scale[n]) + f64::from(norm.shift[n]);
            row.iter().enumerate().map(scaled).collect::<Vec<_>>()
        });
        close(&ours, &exact.collect::<Vec<_>>(), 1e-5);
    }

    /// Attention by its formula.
    fn attention(rows: &[f32], tokens: usize, width: usize, heads: usize) -> Vec<f64> {
        let size = width / heads;
        let at = |part: usize, token: usize, component: usize| f64::from(rows[(token * 3 + part) * width + component]);
        let mut context = vec![0.0; tokens * width];
        for (token, head) in (0..tokens).flat_map(|token| (0..heads).map(move |head| (token, head * size))) {
            let dot = |other| (head..head + size).map(|c| at(0, token, c) * at(1, other, c)).sum::<f64>();
            let powers: Vec<f64> = (0..tokens).map(|other| (dot(other) / (size as f64).sqrt()).exp()).collect();
            let all: f64 = powers.iter().sum();
            for c in head..head + size {
                let seen = (0..tokens).map(|other| powers[other] / all * at(2, other, c)).sum();
                context[token * width + c] = seen;
            }
        }
        context
    }

    #[test]
    fn attention_is_what_its_formula_says_for_any_number_of_tokens() {
        for tokens in [1, 2, 3, 5, 31, 32, 33, 70] {
            let rows: Vec<f32> = numbers(tokens * 3 * 128).iter().map(|x| x / 2.0).collect();
            let mut ours = vec![f32::NAN; tokens * 128];
            attend(&rows, &mut ours, 128, 2);
            close(&ours, &attention(&rows, tokens, 128, 2), 1e-4);
        }
    }
}
