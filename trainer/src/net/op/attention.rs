//! Which earlier tokens does a token look at? Causal attention within each text of a batch (arXiv 1706.03762), with fewer
//! heads of keys than of queries where the model has fewer (arXiv 2305.13245).
//!
//! Texts lie one after the other without padding, and none sees another; what several begin with is there once, and each
//! sees it. Scores are computed by blocks of queries against the keys up to them and never kept: the backward pass
//! computes them again from the logarithm of their sum (Dao, arXiv 2205.14135). Work grows with the square of each
//! text's length, memory with its length.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp3, D, Error, Layout, Result, Shape, Tensor};
use engine::model::local::exp;
use pulp::Arch;
use rayon::prelude::*;

use super::{
    super::{
        batch::Places,
        matrix::{Matrix, Threads, multiply},
    },
    floats, is_ours, like, made,
    norm::sum,
    with,
};

/// How heads lie in a row of queries, keys or values, and what pieces a batch has.
#[derive(Debug, Clone)]
pub(in super::super) struct Heads {
    /// Heads of queries.
    pub(in super::super) queries: usize,
    /// Heads of keys and values.
    pub(in super::super) keys: usize,
    /// Components of a head.
    pub(in super::super) size: usize,
    /// What scores are multiplied with.
    pub(in super::super) scale: f32,
    /// Where the pieces of texts lie.
    pub(in super::super) places: Arc<Places>,
}

/// Queries that are looked at together.
const BLOCK: usize = 64;

/// `q`: `[tokens, queries · size]`, `k` and `v`: `[tokens, keys · size]`; gives `[tokens, queries · size]`.
pub(in super::super) fn attend(q: &Tensor, k: &Tensor, v: &Tensor, heads: &Heads) -> Result<Tensor> {
    match is_ours(q) {
        true => q.apply_op3(k, v, Attention { heads: heads.clone(), sums: OnceLock::new() }),
        false => heads.composed(q, k, v),
    }
}

impl Heads {
    /// Piece by piece, with all scores of a piece at once.
    fn composed(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let mut all = Vec::new();
        for piece in 0..self.places.len() {
            let (own, seen) = (self.places.own(piece), self.places.seen(piece));
            let (before, length) = (self.places.before(piece), own.1);
            let heads = |x: &Tensor, parts: &[(usize, usize)], count: usize| -> Result<Tensor> {
                let parts: Vec<Tensor> =
                    parts.iter().map(|&(from, many)| x.narrow(0, from, many)).collect::<Result<_>>()?;
                let x = Tensor::cat(&parts, 0)?;
                let tokens = x.dim(0)?;
                let x = x.reshape((tokens, count, self.size))?.transpose(0, 1)?.contiguous()?;
                let x = x.unsqueeze(1)?.expand((count, self.queries / count, tokens, self.size))?;
                x.reshape((self.queries, tokens, self.size))
            };
            let (q, k, v) = (heads(q, &[own], self.queries)?, heads(k, &seen, self.keys)?, heads(v, &seen, self.keys)?);
            let known = before + length;
            let is_seen = |a: usize, b: usize| if b > before + a { f32::NEG_INFINITY } else { 0.0 };
            let unseen = (0..length).flat_map(|a| (0..known).map(move |b| is_seen(a, b)));
            let unseen = Tensor::from_iter(unseen, q.device())?.reshape((length, known))?.to_dtype(q.dtype())?;
            let scores = (q.matmul(&k.t()?)? * f64::from(self.scale))?.broadcast_add(&unseen)?;
            let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
            let weights = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
            let seen = weights.matmul(&v)?.transpose(0, 1)?.contiguous()?;
            all.push(seen.reshape((length, self.queries * self.size))?);
        }
        Tensor::cat(&all, 0)
    }

    /// Each piece with each head of keys.
    fn tasks(&self) -> Vec<Task> {
        let pieces = 0..self.places.len();
        let task = |piece: usize, head| Task { own: self.places.own(piece), seen: self.places.seen(piece), head };
        pieces.flat_map(|piece| (0..self.keys).map(move |head| task(piece, head))).collect()
    }

    /// Some rows of one head.
    fn part<'a>(&self, x: &'a [f32], (from, count): (usize, usize), head: usize, heads: usize) -> Matrix<'a> {
        let step = heads * self.size;
        Matrix::part(&x[from * step + head * self.size..], (count, self.size), step)
    }

    /// The keys or values that a task sees, one after the other.
    fn gathered(&self, x: &[f32], task: &Task) -> Vec<f32> {
        let step = self.keys * self.size;
        let rows = task.seen.iter().flat_map(|&(from, length)| from..from + length);
        rows.flat_map(|row| &x[row * step + task.head * self.size..][..self.size]).copied().collect()
    }

    fn groups(&self, head: usize) -> std::ops::Range<usize> {
        let each = self.queries / self.keys;
        head * each..(head + 1) * each
    }
}

struct Attention {
    heads: Heads,
    /// The logarithm of each query's sum, `[tokens, queries]`.
    sums: OnceLock<Vec<f32>>,
}

/// A piece of a text by one head of keys, and what it sees: the first row and the length of each.
struct Task {
    own: (usize, usize),
    seen: Vec<(usize, usize)>,
    head: usize,
}

/// What one task made: its piece, its head of keys, and the rows of each of its heads of queries one after the other.
struct Seen {
    rows: Vec<f32>,
    sums: Vec<f32>,
}

impl Attention {
    fn see(&self, (q, k, v): (&[f32], &[f32], &[f32]), task: &Task) -> Seen {
        let Heads { queries, size, scale, .. } = self.heads;
        let (group, (from, length)) = (self.heads.groups(task.head), task.own);
        let (k, v) = (self.heads.gathered(k, task), self.heads.gathered(v, task));
        let before = k.len() / size - length;
        let mut seen = Seen { rows: vec![0.0; group.len() * length * size], sums: vec![0.0; group.len() * length] };
        let mut scores = vec![0.0; BLOCK * (before + length)];
        for (n, query) in group.enumerate() {
            for start in (0..length).step_by(BLOCK) {
                let count = BLOCK.min(length - start);
                let known = before + start + count;
                let scores = &mut scores[..count * known];
                let q = self.heads.part(q, (from + start, count), query, queries);
                let upto = |x| Matrix::part(x, (known, size), size);
                multiply(scores, (q, upto(&k).turned()), false, scale, Threads::One);
                let at = n * length + start;
                soften(scores, known, before + start, &mut seen.sums[at..at + count]);
                let rows = &mut seen.rows[at * size..(at + count) * size];
                multiply(rows, (Matrix::new(scores, known), upto(&v)), false, 1.0, Threads::One);
            }
        }
        seen
    }

    /// Gradients of one task: of its heads of queries one after the other, of the keys and the values that it sees.
    fn back(&self, given: &Given<'_>, task: &Task) -> [Vec<f32>; 3] {
        let Heads { queries, size, scale, .. } = self.heads;
        let (group, (from, length)) = (self.heads.groups(task.head), task.own);
        let (k, v) = (self.heads.gathered(given.k, task), self.heads.gathered(given.v, task));
        let before = k.len() / size - length;
        let [mut to_q, mut to_k, mut to_v] =
            [vec![0.0; group.len() * length * size], vec![0.0; k.len()], vec![0.0; v.len()]];
        let [mut weights, mut grads] = [vec![0.0; BLOCK * (before + length)], vec![0.0; BLOCK * (before + length)]];
        for (n, query) in group.enumerate() {
            for start in (0..length).step_by(BLOCK) {
                let count = BLOCK.min(length - start);
                let known = before + start + count;
                let (weights, grads) = (&mut weights[..count * known], &mut grads[..count * known]);
                let of = |x| self.heads.part(x, (from + start, count), query, queries);
                let upto = |x| Matrix::part(x, (known, size), size);
                let (q, grad) = (of(given.q), of(given.grad));
                multiply(weights, (q, upto(&k).turned()), false, scale, Threads::One);
                multiply(grads, (grad, upto(&v).turned()), false, 1.0, Threads::One);
                for row in 0..count {
                    let seen = (from + start + row) * queries + query;
                    let (weights, grads) = (&mut weights[row * known..][..known], &mut grads[row * known..][..known]);
                    again(weights, grads, (given.sums[seen], given.along[seen], scale), before + start + row + 1);
                }
                let (weights, grads) = (Matrix::new(weights, known), Matrix::new(grads, known));
                let at = (n * length + start) * size;
                multiply(&mut to_q[at..at + count * size], (grads, upto(&k)), false, 1.0, Threads::One);
                multiply(&mut to_k[..known * size], (grads.turned(), q), true, 1.0, Threads::One);
                multiply(&mut to_v[..known * size], (weights.turned(), grad), true, 1.0, Threads::One);
            }
        }
        [to_q, to_k, to_v]
    }
}

struct Given<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    grad: &'a [f32],
    sums: &'a [f32],
    /// The product of each query's result with its gradient, `[tokens, queries]`.
    along: &'a [f32],
}

/// Makes weights of scores, row by row; what lies beyond a row's own token is zero.
fn soften(scores: &mut [f32], known: usize, start: usize, sums: &mut [f32]) {
    Arch::new().dispatch(|| {
        for (row, (scores, total)) in scores.chunks_exact_mut(known).zip(sums).enumerate() {
            let (seen, unseen) = scores.split_at_mut(start + row + 1);
            let most = largest(seen);
            seen.iter_mut().for_each(|score| *score = exp(*score - most));
            let all = sum(seen.iter().copied());
            let by = 1.0 / all;
            seen.iter_mut().for_each(|score| *score *= by);
            unseen.fill(0.0);
            *total = most + all.ln();
        }
    });
}

#[inline(always)]
pub(super) fn largest(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    for part in values.chunks(16) {
        lanes.iter_mut().zip(part).for_each(|(most, &value)| *most = if value > *most { value } else { *most });
    }
    lanes.iter().fold(f32::NEG_INFINITY, |most, &value| if value > most { value } else { most })
}

/// Makes weights of scores once more, and gradients of scores of the gradients of weights.
fn again(weights: &mut [f32], grads: &mut [f32], (sum, along, scale): (f32, f32, f32), seen: usize) {
    Arch::new().dispatch(|| {
        for (weight, grad) in weights[..seen].iter_mut().zip(&mut grads[..seen]) {
            *weight = exp(*weight - sum);
            *grad = *weight * (*grad - along) * scale;
        }
        weights[seen..].fill(0.0);
        grads[seen..].fill(0.0);
    });
}

/// Adds what tasks made of rows by heads, `[heads][rows, size]` each, where it belongs: `[tokens, heads · size]`.
fn add<'a>(
    out: &mut [f32],
    made: impl Iterator<Item = (&'a [(usize, usize)], usize, &'a [f32])>,
    (heads, size): (usize, usize),
) {
    for (stretches, first, values) in made {
        let rows: usize = stretches.iter().map(|(_, length)| length).sum();
        for (n, values) in values.chunks_exact((rows * size).max(1)).enumerate() {
            let rows = stretches.iter().flat_map(|&(from, length)| from..from + length);
            for (row, values) in rows.zip(values.chunks_exact(size)) {
                let out = &mut out[(row * heads + first + n) * size..][..size];
                out.iter_mut().zip(values).for_each(|(out, value)| *out += value);
            }
        }
    }
}

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        l1: &Layout,
        k: &CpuStorage,
        l2: &Layout,
        v: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Heads { queries, size, .. } = self.heads;
        let (q, k, v) = (floats(q, l1)?, floats(k, l2)?, floats(v, l3)?);
        let tasks = self.heads.tasks();
        let seen: Vec<Seen> = tasks.par_iter().map(|task| self.see((q, k, v), task)).collect();
        let (mut out, mut sums) = (vec![0.0; q.len()], vec![0.0; q.len() / size]);
        let done = || tasks.iter().zip(&seen).map(|(task, seen)| (task, self.heads.groups(task.head).start, seen));
        let own = |task| std::slice::from_ref(task);
        add(&mut out, done().map(|(task, first, seen)| (own(&task.own), first, &*seen.rows)), (queries, size));
        add(&mut sums, done().map(|(task, first, seen)| (own(&task.own), first, &*seen.sums)), (queries, 1));
        // A second pass through the same operation makes the same sums.
        let _ = self.sums.set(sums);
        made(out, l1.shape())
    }

    fn bwd(
        &self,
        q: &Tensor,
        k: &Tensor,
        v: &Tensor,
        out: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Heads { queries, keys, size, .. } = self.heads;
        let sums = self.sums.get().ok_or_else(|| Error::Msg("backward before forward".into()))?;
        let [mut to_q, mut to_k, mut to_v] =
            [vec![0.0; q.elem_count()], vec![0.0; k.elem_count()], vec![0.0; v.elem_count()]];
        with([q, k, v, out, grad], |[q, k, v, out, grad]| {
            let along = out.par_chunks(size).zip(grad.par_chunks(size));
            let along: Vec<f32> = along.map(|(out, grad)| sum(out.iter().zip(grad).map(|(a, b)| a * b))).collect();
            let given = Given { q, k, v, grad, sums, along: &along };
            let tasks = self.heads.tasks();
            let made: Vec<[Vec<f32>; 3]> = tasks.par_iter().map(|task| self.back(&given, task)).collect();
            let done = || tasks.iter().zip(&made);
            let first = |task: &Task| self.heads.groups(task.head).start;
            let own = |task| std::slice::from_ref(task);
            add(&mut to_q, done().map(|(task, made)| (own(&task.own), first(task), &*made[0])), (queries, size));
            add(&mut to_k, done().map(|(task, made)| (&*task.seen, task.head, &*made[1])), (keys, size));
            add(&mut to_v, done().map(|(task, made)| (&*task.seen, task.head, &*made[2])), (keys, size));
        })?;
        Ok((Some(like(to_q, q)?), Some(like(to_k, k)?), Some(like(to_v, v)?)))
    }
}
