//! Which earlier tokens does a token look at? Causal attention within each text of a batch (arXiv 1706.03762), with fewer
//! heads of keys than of queries where the model has fewer (arXiv 2305.13245).
//!
//! Texts lie one after the other without padding, and none sees another. Scores are computed by blocks of queries against
//! the keys up to them and never kept: the backward pass computes them again from the logarithm of their sum (Dao,
//! arXiv 2205.14135). Work grows with the square of each text's length, memory with its length.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp3, D, Error, Layout, Result, Shape, Tensor};
use engine::model::local::exp;
use pulp::Arch;
use rayon::prelude::*;

use super::{
    super::matrix::{Matrix, Threads, multiply},
    floats, is_ours, like, made,
    norm::sum,
    with,
};

/// How heads lie in a row of queries, keys or values, and which texts a batch has.
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
    /// Tokens of each text.
    pub(in super::super) lengths: Arc<[usize]>,
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
    /// Text by text, with all scores of a text at once.
    fn composed(&self, q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
        let (mut from, mut all) = (0, Vec::new());
        for &length in self.lengths.iter() {
            let heads = |x: &Tensor, count: usize| -> Result<Tensor> {
                let x =
                    x.narrow(0, from, length)?.reshape((length, count, self.size))?.transpose(0, 1)?.contiguous()?;
                let (copies, count) = (self.queries / count, count);
                let x = x.unsqueeze(1)?.expand((count, copies, length, self.size))?;
                x.reshape((self.queries, length, self.size))
            };
            let (q, k, v) = (heads(q, self.queries)?, heads(k, self.keys)?, heads(v, self.keys)?);
            let unseen =
                (0..length).flat_map(|a| (0..length).map(move |b| if b > a { f32::NEG_INFINITY } else { 0.0 }));
            let unseen = Tensor::from_iter(unseen, q.device())?.reshape((length, length))?.to_dtype(q.dtype())?;
            let scores = (q.matmul(&k.t()?)? * f64::from(self.scale))?.broadcast_add(&unseen)?;
            let scores = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?.detach())?.exp()?;
            let weights = scores.broadcast_div(&scores.sum_keepdim(D::Minus1)?)?;
            let seen = weights.matmul(&v)?.transpose(0, 1)?.contiguous()?;
            all.push(seen.reshape((length, self.queries * self.size))?);
            from += length;
        }
        Tensor::cat(&all, 0)
    }

    /// Each text with each head of keys: where the text begins, its length, the head.
    fn tasks(&self) -> Vec<(usize, usize, usize)> {
        let mut from = 0;
        let mut tasks = Vec::new();
        for &length in self.lengths.iter() {
            tasks.extend((0..self.keys).map(|head| (from, length, head)));
            from += length;
        }
        tasks
    }

    /// The queries of a text's block by one head.
    fn part<'a>(&self, x: &'a [f32], (from, count): (usize, usize), head: usize, heads: usize) -> Matrix<'a> {
        let step = heads * self.size;
        Matrix::part(&x[from * step + head * self.size..], (count, self.size), step)
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

/// What one task made: its text, its head of keys, and the rows of each of its heads of queries one after the other.
struct Seen {
    rows: Vec<f32>,
    sums: Vec<f32>,
}

impl Attention {
    fn see(&self, (q, k, v): (&[f32], &[f32], &[f32]), (from, length, head): (usize, usize, usize)) -> Seen {
        let Heads { queries, keys, size, scale, .. } = self.heads;
        let group = self.heads.groups(head);
        let mut seen = Seen { rows: vec![0.0; group.len() * length * size], sums: vec![0.0; group.len() * length] };
        let mut scores = vec![0.0; BLOCK * length];
        for (n, query) in group.enumerate() {
            for start in (0..length).step_by(BLOCK) {
                let (count, known) = (BLOCK.min(length - start), (start + BLOCK).min(length));
                let scores = &mut scores[..count * known];
                let q = self.heads.part(q, (from + start, count), query, queries);
                let k = self.heads.part(k, (from, known), head, keys);
                multiply(scores, (q, k.turned()), false, scale, Threads::One);
                let at = n * length + start;
                soften(scores, known, start, &mut seen.sums[at..at + count]);
                let v = self.heads.part(v, (from, known), head, keys);
                let rows = &mut seen.rows[at * size..(at + count) * size];
                multiply(rows, (Matrix::new(scores, known), v), false, 1.0, Threads::One);
            }
        }
        seen
    }

    /// Gradients of one task: of its heads of queries one after the other, of its keys, of its values.
    fn back(&self, given: &Given<'_>, (from, length, head): (usize, usize, usize)) -> [Vec<f32>; 3] {
        let Heads { queries, keys, size, scale, .. } = self.heads;
        let group = self.heads.groups(head);
        let [mut to_q, mut to_k, mut to_v] =
            [vec![0.0; group.len() * length * size], vec![0.0; length * size], vec![0.0; length * size]];
        let (mut weights, mut grads) = (vec![0.0; BLOCK * length], vec![0.0; BLOCK * length]);
        for (n, query) in group.enumerate() {
            for start in (0..length).step_by(BLOCK) {
                let (count, known) = (BLOCK.min(length - start), (start + BLOCK).min(length));
                let (weights, grads) = (&mut weights[..count * known], &mut grads[..count * known]);
                let of = |x, heads, head| self.heads.part(x, (from + start, count), head, heads);
                let upto = |x| self.heads.part(x, (from, known), head, keys);
                let (q, k, v, grad) =
                    (of(given.q, queries, query), upto(given.k), upto(given.v), of(given.grad, queries, query));
                multiply(weights, (q, k.turned()), false, scale, Threads::One);
                multiply(grads, (grad, v.turned()), false, 1.0, Threads::One);
                for row in 0..count {
                    let token = from + start + row;
                    let seen = token * queries + query;
                    let (weights, grads) = (&mut weights[row * known..][..known], &mut grads[row * known..][..known]);
                    again(weights, grads, (given.sums[seen], given.along[seen], scale), start + row + 1);
                }
                let (weights, grads) = (Matrix::new(weights, known), Matrix::new(grads, known));
                let at = (n * length + start) * size;
                multiply(&mut to_q[at..at + count * size], (grads, k), false, 1.0, Threads::One);
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

/// Puts what tasks made for heads, `[heads][length, size]` each, where it belongs: `[tokens, heads · size]`.
fn put(out: &mut [f32], made: &[(usize, usize, usize, &[f32])], (heads, size): (usize, usize)) {
    for &(from, length, first, rows) in made {
        for (n, rows) in rows.chunks_exact(length * size).enumerate() {
            for (token, row) in rows.chunks_exact(size).enumerate() {
                out[((from + token) * heads + first + n) * size..][..size].copy_from_slice(row);
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
        let seen: Vec<Seen> = tasks.par_iter().map(|&task| self.see((q, k, v), task)).collect();
        let (mut out, mut sums) = (vec![0.0; q.len()], vec![0.0; q.len() / size]);
        let place = |task: &(usize, usize, usize)| (task.0, task.1, self.heads.groups(task.2).start);
        let rows: Vec<_> = tasks
            .iter()
            .zip(&seen)
            .map(|(task, seen)| {
                let (from, length, first) = place(task);
                (from, length, first, &*seen.rows)
            })
            .collect();
        put(&mut out, &rows, (queries, size));
        let totals: Vec<_> = tasks
            .iter()
            .zip(&seen)
            .map(|(task, seen)| {
                let (from, length, first) = place(task);
                (from, length, first, &*seen.sums)
            })
            .collect();
        put(&mut sums, &totals, (queries, 1));
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
            let made: Vec<[Vec<f32>; 3]> = tasks.par_iter().map(|&task| self.back(&given, task)).collect();
            let of = |which: usize, is_query: bool| -> Vec<(usize, usize, usize, &[f32])> {
                let each = tasks.iter().zip(&made).map(|(&(from, length, head), made)| {
                    let first = if is_query { self.heads.groups(head).start } else { head };
                    (from, length, first, &*made[which])
                });
                each.collect()
            };
            put(&mut to_q, &of(0, true), (queries, size));
            put(&mut to_k, &of(1, false), (keys, size));
            put(&mut to_v, &of(2, false), (keys, size));
        })?;
        Ok((Some(like(to_q, q)?), Some(like(to_k, k)?), Some(like(to_v, v)?)))
    }
}
