//! How are rows brought to one size? By their root mean square (RMSNorm, arXiv 1910.07467).

use candle_core::{CpuStorage, CustomOp2, D, Layout, Result, Shape, Tensor};
use pulp::Arch;
use rayon::prelude::*;

use super::{floats, is_ours, like, made, with};

/// Each row of `x`, `[rows, width]`, divided by its root mean square and multiplied with `scale`, `[width]`. Gradients of
/// the scale are computed where it is trained.
pub(in super::super) fn rms(x: &Tensor, scale: &Tensor, epsilon: f32) -> Result<Tensor> {
    if is_ours(x) {
        return x.apply_op2(scale, Rms { epsilon, trains: scale.is_variable() });
    }
    let mean = x.sqr()?.mean_keepdim(D::Minus1)?;
    x.broadcast_div(&(mean + f64::from(epsilon))?.sqrt()?)?.broadcast_mul(scale)
}

struct Rms {
    epsilon: f32,
    trains: bool,
}

/// Rows that one thread takes at once.
const ROWS: usize = 32;

/// One over the root mean square of a row.
#[inline(always)]
fn inverse(row: &[f32], epsilon: f32) -> f32 {
    1.0 / (sum(row.iter().map(|x| x * x)) / row.len() as f32 + epsilon).sqrt()
}

/// A sum in as many lanes as the widest registers have, as the order of a float sum is fixed.
#[inline(always)]
pub(super) fn sum(values: impl Iterator<Item = f32>) -> f32 {
    let mut lanes = [0.0f32; 16];
    for (n, value) in values.enumerate() {
        lanes[n % 16] += value;
    }
    lanes.iter().sum()
}

impl CustomOp2 for Rms {
    fn name(&self) -> &'static str {
        "rms norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, l1: &Layout, scale: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, scale) = (floats(x, l1)?, floats(scale, l2)?);
        let width = scale.len();
        let mut out = vec![0.0; x.len()];
        out.par_chunks_mut(width * ROWS).zip(x.par_chunks(width * ROWS)).for_each(|(out, x)| {
            Arch::new().dispatch(|| {
                for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                    let by = inverse(x, self.epsilon);
                    out.iter_mut().zip(x).zip(scale).for_each(|((out, x), scale)| *out = x * by * scale);
                }
            });
        });
        made(out, l1.shape())
    }

    fn bwd(&self, x: &Tensor, scale: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let width = scale.elem_count();
        let mut to_x = vec![0.0; x.elem_count()];
        let to_scale = with([x, scale, grad], |[x, scale, grad]| {
            let parts =
                to_x.par_chunks_mut(width * ROWS).zip(x.par_chunks(width * ROWS)).zip(grad.par_chunks(width * ROWS));
            let sums: Vec<Vec<f32>> = parts.map(|((to_x, x), grad)| self.back(to_x, (x, scale, grad))).collect();
            let mut total = vec![0.0; width];
            for sum in &sums {
                total.iter_mut().zip(sum).for_each(|(total, sum)| *total += sum);
            }
            total
        })?;
        let to_scale = if self.trains { Some(like(to_scale, scale)?) } else { None };
        Ok((Some(like(to_x, x)?), to_scale))
    }
}

impl Rms {
    /// Of `y = x r s`: `dx = r (g s - x r² mean(g s x))`; gives what these rows add to the gradient of the scale, where it
    /// is trained.
    fn back(&self, to_x: &mut [f32], (x, scale, grad): (&[f32], &[f32], &[f32])) -> Vec<f32> {
        let width = scale.len();
        let mut to_scale = vec![0.0; if self.trains { width } else { 0 }];
        Arch::new().dispatch(|| {
            let rows = to_x.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(grad.chunks_exact(width));
            for ((to_x, x), grad) in rows {
                let by = inverse(x, self.epsilon);
                let along = sum(grad.iter().zip(x).zip(scale).map(|((g, x), s)| g * x * s)) / width as f32;
                let pull = by * by * along;
                for (((to_x, x), g), s) in to_x.iter_mut().zip(x).zip(grad).zip(scale) {
                    *to_x = by * (g * s - x * pull);
                }
                for ((to, x), g) in to_scale.iter_mut().zip(x).zip(grad) {
                    *to += g * x * by;
                }
            }
        });
        to_scale
    }
}
