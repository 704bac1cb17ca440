//! Where in its text does a token stand? Its heads are rotated by it (RoPE, arXiv 2104.09864).

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Result, Shape, Tensor};
use engine::model::local::{Pairs, Rope};
use pulp::Arch;
use rayon::prelude::*;

use super::{super::batch::Places, floats, is_ours, like, made, with};

/// Cosines and sines of the tokens of a batch.
#[derive(Debug, Clone)]
pub(in super::super) struct Turns(Arc<Table>);

#[derive(Debug)]
struct Table {
    /// `[tokens, pairs]`.
    cosines: Vec<f32>,
    sines: Vec<f32>,
    pairs: usize,
    which: Pairs,
}

/// Tokens that one thread takes at once.
const TOKENS: usize = 16;

impl Turns {
    /// Those of pieces, each of which goes on where the one before it in its text ends.
    pub(in super::super) fn new(rope: &Rope, places: &Places) -> Self {
        let pairs = rope.angles.len();
        let stretches: Vec<(usize, usize)> =
            (0..places.len()).map(|piece| (places.before(piece), places.own(piece).1)).collect();
        let longest = stretches.iter().map(|(before, length)| before + length).max().unwrap_or(0);
        let turns: Vec<[f32; 2]> = (0..longest).flat_map(|position| rope.turns(position)).collect();
        let all = || stretches.iter().flat_map(|(before, length)| &turns[before * pairs..(before + length) * pairs]);
        let cosines = all().map(|turn| turn[0]).collect();
        Self(Arc::new(Table { cosines, sines: all().map(|turn| turn[1]).collect(), pairs, which: rope.pairs }))
    }

    /// Rotates heads of `size` components: `[tokens, heads · size]`.
    pub(in super::super) fn rotate(&self, x: &Tensor, size: usize) -> Result<Tensor> {
        match is_ours(x) {
            true => x.apply_op1(Rotate { turns: self.clone(), size, back: false }),
            false => self.composed(x, size),
        }
    }

    fn composed(&self, x: &Tensor, size: usize) -> Result<Tensor> {
        let Table { pairs, which, .. } = *self.0;
        let (tokens, width) = x.dims2()?;
        let table = |values: &[f32]| -> Result<Tensor> {
            let all = Tensor::from_slice(values, (tokens, pairs), &Device::Cpu)?.to_dtype(DType::F64)?;
            all.to_dtype(x.dtype())?.to_device(x.device())
        };
        let (cosines, sines) = (table(&self.0.cosines)?, table(&self.0.sines)?);
        let heads = x.reshape((tokens, width / size, size))?;
        let turned = heads.narrow(2, 0, 2 * pairs)?;
        let (split, at) = match which {
            Pairs::Near => ((tokens, width / size, pairs, 2), 3),
            Pairs::Far => ((tokens, width / size, 2, pairs), 2),
        };
        let split = turned.reshape(split)?;
        let (a, b) = (split.narrow(at, 0, 1)?.squeeze(at)?, split.narrow(at, 1, 1)?.squeeze(at)?);
        let (cosines, sines) = (cosines.unsqueeze(1)?, sines.unsqueeze(1)?);
        let first = (a.broadcast_mul(&cosines)? - b.broadcast_mul(&sines)?)?;
        let second = (a.broadcast_mul(&sines)? + b.broadcast_mul(&cosines)?)?;
        let turned = Tensor::stack(&[first, second], at)?.reshape((tokens, width / size, 2 * pairs))?;
        let all = match 2 * pairs == size {
            true => turned,
            false => Tensor::cat(&[turned, heads.narrow(2, 2 * pairs, size - 2 * pairs)?], 2)?,
        };
        all.reshape((tokens, width))
    }
}

struct Rotate {
    turns: Turns,
    size: usize,
    /// By the same angles in the other direction: what a rotation is the gradient of.
    back: bool,
}

impl Rotate {
    fn run(&self, x: &[f32], width: usize) -> Vec<f32> {
        let Table { cosines, sines, pairs, which } = &*self.turns.0;
        let mut out = x.to_vec();
        let sign = if self.back { -1.0 } else { 1.0 };
        out.par_chunks_mut(width * TOKENS).enumerate().for_each(|(n, rows)| {
            Arch::new().dispatch(|| {
                for (token, row) in rows.chunks_exact_mut(width).enumerate() {
                    let at = (n * TOKENS + token) * pairs;
                    let (cosines, sines) = (&cosines[at..at + pairs], &sines[at..at + pairs]);
                    for head in row.chunks_exact_mut(self.size) {
                        turn(&mut head[..2 * pairs], (cosines, sines), *which, sign);
                    }
                }
            });
        });
        out
    }
}

#[inline(always)]
fn turn(head: &mut [f32], (cosines, sines): (&[f32], &[f32]), which: Pairs, sign: f32) {
    match which {
        Pairs::Near => {
            for ((pair, c), s) in head.chunks_exact_mut(2).zip(cosines).zip(sines) {
                let (a, b, s) = (pair[0], pair[1], s * sign);
                pair[0] = a * c - b * s;
                pair[1] = a * s + b * c;
            }
        }
        Pairs::Far => {
            let (first, second) = head.split_at_mut(cosines.len());
            for (((a, b), c), s) in first.iter_mut().zip(second).zip(cosines).zip(sines) {
                let (x, y, s) = (*a, *b, s * sign);
                *a = x * c - y * s;
                *b = x * s + y * c;
            }
        }
    }
}

impl CustomOp1 for Rotate {
    fn name(&self) -> &'static str {
        "rope"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.shape().dims2()?.1;
        made(self.run(floats(x, layout)?, width), layout.shape())
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let back = Self { turns: self.turns.clone(), size: self.size, back: !self.back };
        let width = x.dims2()?.1;
        let out = with([grad], |[grad]| back.run(grad, width))?;
        like(out, x).map(Some)
    }
}
