//! What does a matrix of weights make of each row? `x Wᵀ + b`, and what an adapter adds: `scale · (x Aᵀ) Bᵀ` (LoRA,
//! arXiv 2106.09685).
//!
//! Where the weights are frozen no gradient of them is computed: a third of the work, and a buffer of their size.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor};

use super::{
    super::matrix::{Matrix, Threads, multiply},
    floats, is_ours, like, made, with,
};

/// `x`: `[tokens, columns]`, `weight`: `[rows, columns]`; gives `[tokens, rows]`. Gradients flow to `x` alone.
pub(in super::super) fn frozen(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    match is_ours(x) {
        true => x.apply_op1(Frozen(weight.clone())),
        false => x.matmul(&weight.detach().t()?),
    }
}

/// The same with gradients to the weights, too.
pub(in super::super) fn trained(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    match is_ours(x) {
        true => x.apply_op2(weight, Free),
        false => x.matmul(&weight.t()?),
    }
}

/// The same with frozen weights and an adapter: `a` is `[rank, columns]`, `b` is `[rows, rank]`. Gradients flow to `x`,
/// `a` and `b`.
pub(in super::super) fn adapted(x: &Tensor, weight: &Tensor, (a, b): (&Tensor, &Tensor), scale: f64) -> Result<Tensor> {
    if is_ours(x) {
        return x.apply_op3(a, b, Adapted { weight: weight.clone(), scale: scale as f32 });
    }
    let plain = x.matmul(&weight.detach().t()?)?;
    plain + (x.matmul(&a.t()?)?.matmul(&b.t()?)? * scale)?
}

struct Frozen(Tensor);

impl CustomOp1 for Frozen {
    fn name(&self) -> &'static str {
        "frozen linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = self.0.dims2()?;
        let x = floats(x, layout)?;
        let mut out = vec![0.0; x.len() / columns * rows];
        with([&self.0], |[weight]| forward(&mut out, (x, weight), columns))?;
        made(out, (x.len() / columns, rows))
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (rows, columns) = self.0.dims2()?;
        let mut out = vec![0.0; x.elem_count()];
        with([&self.0, grad], |[weight, grad]| {
            multiply(&mut out, (Matrix::new(grad, rows), Matrix::new(weight, columns)), false, 1.0, Threads::All);
        })?;
        like(out, x).map(Some)
    }
}

fn forward(out: &mut [f32], (x, weight): (&[f32], &[f32]), columns: usize) {
    multiply(out, (Matrix::new(x, columns), Matrix::new(weight, columns).turned()), false, 1.0, Threads::All);
}

struct Free;

impl CustomOp2 for Free {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, l1: &Layout, weight: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = l2.shape().dims2()?;
        let (x, weight) = (floats(x, l1)?, floats(weight, l2)?);
        let mut out = vec![0.0; x.len() / columns * rows];
        forward(&mut out, (x, weight), columns);
        made(out, (x.len() / columns, rows))
    }

    fn bwd(&self, x: &Tensor, weight: &Tensor, _: &Tensor, grad: &Tensor) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (rows, columns) = weight.dims2()?;
        let (mut to_x, mut to_weight) = (vec![0.0; x.elem_count()], vec![0.0; weight.elem_count()]);
        with([x, weight, grad], |[x, weight, grad]| {
            let grad = Matrix::new(grad, rows);
            multiply(&mut to_x, (grad, Matrix::new(weight, columns)), false, 1.0, Threads::All);
            multiply(&mut to_weight, (grad.turned(), Matrix::new(x, columns)), false, 1.0, Threads::All);
        })?;
        Ok((Some(like(to_x, x)?), Some(like(to_weight, weight)?)))
    }
}

struct Adapted {
    weight: Tensor,
    scale: f32,
}

impl CustomOp3 for Adapted {
    fn name(&self) -> &'static str {
        "adapted linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        l1: &Layout,
        a: &CpuStorage,
        l2: &Layout,
        b: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, columns) = self.weight.dims2()?;
        let rank = l2.shape().dims2()?.0;
        let (x, a, b) = (floats(x, l1)?, floats(a, l2)?, floats(b, l3)?);
        let tokens = x.len() / columns;
        let (mut out, mut thin) = (vec![0.0; tokens * rows], vec![0.0; tokens * rank]);
        with([&self.weight], |[weight]| forward(&mut out, (x, weight), columns))?;
        forward(&mut thin, (x, a), columns);
        let second = (Matrix::new(&thin, rank), Matrix::new(b, rank).turned());
        multiply(&mut out, second, true, self.scale, Threads::All);
        made(out, (tokens, rows))
    }

    fn bwd(
        &self,
        x: &Tensor,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (rows, columns) = self.weight.dims2()?;
        let (rank, tokens) = (a.dim(0)?, x.dim(0)?);
        let (mut to_x, mut to_a, mut to_b) =
            (vec![0.0; tokens * columns], vec![0.0; rank * columns], vec![0.0; rows * rank]);
        with([x, a, b, &self.weight, grad], |[x, a, b, weight, grad]| {
            let (x, a, b, grad) =
                (Matrix::new(x, columns), Matrix::new(a, columns), Matrix::new(b, rank), Matrix::new(grad, rows));
            let (mut thin, mut back) = (vec![0.0; tokens * rank], vec![0.0; tokens * rank]);
            multiply(&mut thin, (x, a.turned()), false, 1.0, Threads::All);
            multiply(&mut to_b, (grad.turned(), Matrix::new(&thin, rank)), false, self.scale, Threads::All);
            multiply(&mut back, (grad, b), false, self.scale, Threads::All);
            let back = Matrix::new(&back, rank);
            multiply(&mut to_a, (back.turned(), x), false, 1.0, Threads::All);
            multiply(&mut to_x, (grad, Matrix::new(weight, columns)), false, 1.0, Threads::All);
            multiply(&mut to_x, (back, a), true, 1.0, Threads::All);
        })?;
        Ok((Some(like(to_x, x)?), Some(like(to_a, a)?), Some(like(to_b, b)?)))
    }
}
