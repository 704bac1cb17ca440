//! What does a token see of those before it? Attention over the cache, a tile of keys at a time (arXiv 2205.14135).
#![expect(clippy::needless_range_loop, reason = "kernels walk through several arrays side by side")]

use std::ops::Range;

use half::{f16, slice::HalfFloatSliceExt};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{
    cache::{Head, LANES},
    device::is_own,
    kernel::exp,
    tiles,
};

/// Keys of a tile.
const TILE: usize = 64;

/// Rows of queries that are attended to together.
const ROWS: usize = 4;

/// Components that are summed up together; heads are filled up to a multiple of it.
const WIDE: usize = 32;

/// Tokens whose queries go through a head together.
const TOKENS: usize = 64;

/// Fewest keys for which a thread is worth its while.
const KEYS: usize = 256;

/// The heads of the queries, `[tokens, stride]`, those of the first token at position `past`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queries<'a> {
    pub(super) rows: &'a [f32],
    pub(super) stride: usize,
    /// Components of a head.
    pub(super) size: usize,
    /// Heads that share a key.
    pub(super) group: usize,
    pub(super) past: usize,
    /// Keys that a token sees, its own included; `usize::MAX` for all.
    pub(super) sight: usize,
    /// What scores are multiplied with.
    pub(super) scale: f32,
}

/// One head of keys, some tokens, and some keys.
struct Job {
    head: usize,
    tokens: Range<usize>,
    keys: Range<usize>,
}

/// What the queries of a job saw: `[tokens · group]` of each.
struct Seen {
    most: Vec<f32>,
    sums: Vec<f32>,
    /// `[tokens · group, wide]`.
    values: Vec<f32>,
}

/// Lets each token see those before it and itself; the result goes to `context`: `[tokens, heads · group · size]`.
pub(super) fn attend(layer: &[Head], queries: Queries<'_>, context: &mut [f32]) {
    let width = layer.len() * queries.group * queries.size;
    let tokens = context.len() / width;
    let jobs = jobs(layer.len(), tokens, queries.past);
    let seen: Vec<Seen> = match jobs.len() {
        1 => jobs.iter().map(|job| see(&layer[job.head], queries, job)).collect(),
        _ => jobs.par_iter().with_max_len(1).map(|job| see(&layer[job.head], queries, job)).collect(),
    };
    let mut all = jobs.iter().zip(&seen).peekable();
    while let Some((job, seen)) = all.next() {
        let mut parts = vec![seen];
        while let Some((_, seen)) = all.next_if(|(next, _)| next.keys.start > 0) {
            parts.push(seen);
        }
        merge(job, &parts, queries, width, context);
    }
}

/// Splits the work; jobs for several ranges of keys of the same tokens follow one another.
fn jobs(heads: usize, tokens: usize, past: usize) -> Vec<Job> {
    let shares = match tokens {
        0..ROWS => (rayon::current_num_threads() * 2).div_ceil(heads).min((past + tokens).div_ceil(KEYS)),
        _ => 1,
    };
    let mut jobs = Vec::new();
    // The last tokens see most: they come first.
    for first in (0..tokens).step_by(TOKENS).rev() {
        let tokens = first..(first + TOKENS).min(tokens);
        let keys = past + tokens.end;
        let each = keys.div_ceil(shares).next_multiple_of(TILE);
        for (head, start) in (0..heads).flat_map(|head| (0..keys).step_by(each).map(move |start| (head, start))) {
            jobs.push(Job { head, tokens: tokens.clone(), keys: start..(start + each).min(keys) });
        }
    }
    jobs
}

/// Puts together what the queries of a job saw in several ranges of keys.
fn merge(job: &Job, parts: &[&Seen], queries: Queries<'_>, width: usize, context: &mut [f32]) {
    let Queries { size, group, .. } = queries;
    let wide = size.next_multiple_of(WIDE);
    for (n, token) in job.tokens.clone().enumerate() {
        for head in 0..group {
            let row = n * group + head;
            let out = &mut context[token * width + (job.head * group + head) * size..][..size];
            let most = parts.iter().fold(f32::NEG_INFINITY, |most, part| most.max(part.most[row]));
            let weights = parts.iter().map(|part| exp(part.most[row] - most));
            let sum: f32 = parts.iter().zip(weights.clone()).map(|(part, weight)| part.sums[row] * weight).sum();
            out.fill(0.0);
            for (part, weight) in parts.iter().zip(weights) {
                let weight = weight / sum;
                for (out, value) in out.iter_mut().zip(&part.values[row * wide..]) {
                    *out += weight * value;
                }
            }
        }
    }
}

fn see(head: &Head, queries: Queries<'_>, job: &Job) -> Seen {
    let Queries { rows, stride, size, group, .. } = queries;
    let count = job.tokens.len() * group;
    let mut scaled = Vec::with_capacity(count * size);
    for token in job.tokens.clone() {
        let row = &rows[token * stride + job.head * group * size..][..group * size];
        scaled.extend(row.iter().map(|value| value * queries.scale));
    }
    let wide = size.next_multiple_of(WIDE);
    let mut seen =
        Seen { most: vec![f32::NEG_INFINITY; count], sums: vec![0.0; count], values: vec![0.0; count * wide] };
    let mut tile = KeyTile { size, wide, keys: vec![0.0; TILE * size], values: vec![0.0; TILE * wide], count: 0 };
    let first = (queries.past + job.tokens.start + 1).saturating_sub(queries.sight).max(job.keys.start);
    for start in (first / TILE * TILE..job.keys.end).step_by(TILE) {
        tile.load(head, start..(start + TILE).min(job.keys.end));
        let sees = |row: usize| {
            let position = queries.past + job.tokens.start + row / group;
            let from = (position + 1).saturating_sub(queries.sight).saturating_sub(start).min(TILE);
            from..(position + 1).saturating_sub(start).min(tile.count)
        };
        Arch::new().dispatch(Look { tile: &tile, queries: &scaled, seen: &mut seen, sees });
    }
    seen
}

/// Some keys and values of a head.
struct KeyTile {
    size: usize,
    wide: usize,
    /// `[TILE / LANES, size, LANES]`.
    keys: Vec<f32>,
    /// `[TILE, wide]`.
    values: Vec<f32>,
    count: usize,
}

impl KeyTile {
    fn load(&mut self, head: &Head, range: Range<usize>) {
        self.count = range.len();
        let keys = range.start * self.size..range.end.next_multiple_of(LANES) * self.size;
        widen(&head.keys[keys.clone()], &mut self.keys[..keys.len()]);
        if self.size == self.wide {
            let values = range.start * self.size..range.end * self.size;
            widen(&head.values[values.clone()], &mut self.values[..values.len()]);
            return;
        }
        for (value, room) in range.zip(self.values.chunks_exact_mut(self.wide)) {
            widen(&head.values[value * self.size..][..self.size], &mut room[..self.size]);
        }
    }
}

fn widen(from: &[f16], to: &mut [f32]) {
    if is_own() { tiles::widen(from, to) } else { from.convert_to_f32_slice(to) }
}

/// All queries of a job look at one tile; `sees` says which of its keys are visible.
struct Look<'a, F> {
    tile: &'a KeyTile,
    queries: &'a [f32],
    seen: &'a mut Seen,
    sees: F,
}

impl<F: Fn(usize) -> Range<usize>> WithSimd for Look<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { tile, queries, seen, sees } = self;
        let count = seen.most.len();
        for first in (0..count).step_by(ROWS) {
            // Where fewer rows are left, the last is computed more than once and kept once.
            let which: [usize; ROWS] = std::array::from_fn(|row| (first + row).min(count - 1));
            let real = ROWS.min(count - first);
            let visible = which.map(&sees);
            if visible.iter().all(Range::is_empty) {
                continue;
            }
            let rows = which.map(|row| &queries[row * tile.size..][..tile.size]);
            let mut scores = [[0.0; TILE]; ROWS];
            for column in (0..tile.count.next_multiple_of(LANES)).step_by(LANES) {
                score(simd, rows, &tile.keys[column * tile.size..][..LANES * tile.size], &mut scores, column);
            }
            let mut fade = [1.0; ROWS];
            for row in 0..real {
                fade[row] = weigh(&mut scores[row], &visible[row], which[row], seen);
            }
            for column in (0..tile.wide).step_by(2 * S::F32_LANES) {
                let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
                for row in 0..ROWS {
                    let old = S::as_simd_f32s(&seen.values[which[row] * tile.wide + column..][..2 * S::F32_LANES]).0;
                    let fade = simd.splat_f32s(fade[row]);
                    sums[row] = [simd.mul_f32s(old[0], fade), simd.mul_f32s(old[1], fade)];
                }
                for key in 0..tile.count {
                    let value = S::as_simd_f32s(&tile.values[key * tile.wide + column..][..2 * S::F32_LANES]).0;
                    let value = [value[0], value[1]];
                    for row in 0..ROWS {
                        let weight = simd.splat_f32s(scores[row][key]);
                        sums[row][0] = simd.mul_add_e_f32s(weight, value[0], sums[row][0]);
                        sums[row][1] = simd.mul_add_e_f32s(weight, value[1], sums[row][1]);
                    }
                }
                for row in 0..real {
                    let out = &mut seen.values[which[row] * tile.wide + column..][..2 * S::F32_LANES];
                    S::as_mut_simd_f32s(out).0.copy_from_slice(&sums[row]);
                }
            }
        }
    }
}

/// The products of some queries with [`LANES`] keys.
#[inline(always)]
fn score<S: Simd>(simd: S, rows: [&[f32]; ROWS], keys: &[f32], scores: &mut [[f32; TILE]; ROWS], column: usize) {
    let size = rows[0].len();
    let rows = rows.map(|row| &row[..size]);
    for lane in (0..LANES).step_by(S::F32_LANES) {
        // Two sums each, so that one product need not wait for the one before.
        let mut sums = [[simd.splat_f32s(0.0); 2]; ROWS];
        for part in 0..size / 2 {
            for odd in 0..2 {
                let at = 2 * part + odd;
                let keys = S::as_simd_f32s(&keys[at * LANES + lane..][..S::F32_LANES]).0[0];
                for row in 0..ROWS {
                    sums[row][odd] = simd.mul_add_e_f32s(simd.splat_f32s(rows[row][at]), keys, sums[row][odd]);
                }
            }
        }
        for row in 0..ROWS {
            let out = &mut scores[row][column + lane..][..S::F32_LANES];
            S::as_mut_simd_f32s(out).0[0] = simd.add_f32s(sums[row][0], sums[row][1]);
        }
    }
}

/// Turns scores into weights relative to the largest so far; gives what older ones are to be multiplied with.
#[inline(always)]
fn weigh(scores: &mut [f32; TILE], visible: &Range<usize>, row: usize, seen: &mut Seen) -> f32 {
    if visible.is_empty() {
        scores.fill(0.0);
        return 1.0;
    }
    scores[..visible.start].fill(f32::NEG_INFINITY);
    scores[visible.end..].fill(f32::NEG_INFINITY);
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for part in scores.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            lanes[lane] = if part[lane] > lanes[lane] { part[lane] } else { lanes[lane] };
        }
    }
    let most = lanes.into_iter().fold(seen.most[row], f32::max);
    // Nothing but what is no number: keep it out of the exponent.
    let most = if most == f32::NEG_INFINITY { 0.0 } else { most };
    let mut sums = [0.0; LANES];
    for part in scores.as_chunks_mut::<LANES>().0 {
        for lane in 0..LANES {
            let hidden = part[lane] == f32::NEG_INFINITY;
            part[lane] = if hidden { 0.0 } else { exp(part[lane] - most) };
            sums[lane] += part[lane];
        }
    }
    let fade = if seen.most[row] == f32::NEG_INFINITY { 0.0 } else { exp(seen.most[row] - most) };
    seen.most[row] = most;
    seen.sums[row] = seen.sums[row] * fade + sums.iter().sum::<f32>();
    fade
}
