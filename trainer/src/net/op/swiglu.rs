//! What is let through? `silu(gate) · up` (SwiGLU, arXiv 2002.05202).

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use engine::model::local::exp;
use pulp::Arch;
use rayon::prelude::*;

use super::{floats, is_ours, like, made, with};

/// Numbers that one thread takes at once.
const SHARE: usize = 1 << 14;

/// Both `[tokens, inner]`.
pub(in super::super) fn swiglu(gate: &Tensor, up: &Tensor) -> Result<Tensor> {
    match is_ours(gate) {
        true => gate.apply_op2(up, SwiGlu),
        false => gate.silu()? * up,
    }
}

struct SwiGlu;

#[inline(always)]
fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

impl CustomOp2 for SwiGlu {
    fn name(&self) -> &'static str {
        "swiglu"
    }

    fn cpu_fwd(&self, gate: &CpuStorage, l1: &Layout, up: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (gate, up) = (floats(gate, l1)?, floats(up, l2)?);
        let mut out = vec![0.0; gate.len()];
        let parts = out.par_chunks_mut(SHARE).zip(gate.par_chunks(SHARE)).zip(up.par_chunks(SHARE));
        parts.for_each(|((out, gate), up)| {
            Arch::new().dispatch(|| {
                out.iter_mut().zip(gate).zip(up).for_each(|((out, g), u)| *out = g * sigmoid(*g) * u);
            });
        });
        made(out, l1.shape())
    }

    fn bwd(&self, gate: &Tensor, up: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (mut to_gate, mut to_up) = (vec![0.0; gate.elem_count()], vec![0.0; gate.elem_count()]);
        with([gate, up, grad], |[gate, up, grad]| {
            let given = gate.par_chunks(SHARE).zip(up.par_chunks(SHARE)).zip(grad.par_chunks(SHARE));
            let parts = to_gate.par_chunks_mut(SHARE).zip(to_up.par_chunks_mut(SHARE)).zip(given);
            parts.for_each(|((to_gate, to_up), ((gate, up), grad))| {
                Arch::new().dispatch(|| {
                    let given = gate.iter().zip(up).zip(grad);
                    for ((to_gate, to_up), ((g, u), d)) in to_gate.iter_mut().zip(to_up).zip(given) {
                        let s = sigmoid(*g);
                        *to_up = d * g * s;
                        *to_gate = d * u * s * (1.0 + g * (1.0 - s));
                    }
                });
            });
        })?;
        Ok((Some(like(to_gate, gate)?), Some(like(to_up, up)?)))
    }
}
