//! How surprising was each token that came next? Its negative log-likelihood, in nats.
//!
//! Logits of a whole batch would be the largest thing in memory, so they are made some rows at a time. What a row's
//! hidden state would have to change is known as soon as its logits are, and is kept instead of them.

use std::sync::OnceLock;

use candle_core::{CpuStorage, CustomOp2, D, Error, Layout, Result, Shape, Tensor};
use engine::model::local::exp;
use pulp::Arch;
use rayon::prelude::*;

use super::{
    super::matrix::{Matrix, Threads, multiply},
    attention::largest,
    floats, is_ours, like, made,
    norm::sum,
    with,
};

/// Rows whose logits are in memory at once.
const ROWS: usize = 128;

/// `hidden`: `[rows, width]`, `head`: `[words, width]`, the token that came after each row; gives `[rows]`. Gradients flow
/// to `hidden`, and to `head` where it is trained.
pub(in super::super) fn surprise(hidden: &Tensor, head: &Tensor, targets: &[u32]) -> Result<Tensor> {
    if is_ours(hidden) {
        let op = Surprise {
            targets: targets.to_vec(),
            trains: head.track_op(),
            learns: hidden.track_op(),
            back: OnceLock::new(),
        };
        return hidden.apply_op2(head, op);
    }
    let head = if head.track_op() { head.clone() } else { head.detach() };
    let logits = hidden.matmul(&head.t()?)?;
    let most = logits.max_keepdim(D::Minus1)?.detach();
    let sums = (logits.broadcast_sub(&most)?.exp()?.sum_keepdim(D::Minus1)?.log()? + most)?;
    let at = Tensor::from_slice(targets, (targets.len(), 1), hidden.device())?;
    (sums - logits.gather(&at, 1)?)?.squeeze(1)
}

struct Surprise {
    targets: Vec<u32>,
    trains: bool,
    learns: bool,
    /// What one more nat of each row's surprise says of its hidden state: `[rows, width]`.
    back: OnceLock<Vec<f32>>,
}

impl Surprise {
    /// Puts the surprise of each row into `out` and leaves `p - 1[target]` in `logits`.
    fn read(&self, logits: &mut [f32], words: usize, (out, targets): (&mut [f32], &[u32])) {
        let rows = logits.par_chunks_exact_mut(words).zip(out.par_iter_mut()).zip(targets.par_iter());
        rows.for_each(|((logits, out), &target)| {
            Arch::new().dispatch(|| {
                let most = largest(logits);
                let wanted = logits[target as usize];
                logits.iter_mut().for_each(|logit| *logit = exp(*logit - most));
                let all = sum(logits.iter().copied());
                let by = 1.0 / all;
                logits.iter_mut().for_each(|logit| *logit *= by);
                *out = most + all.ln() - wanted;
            });
            logits[target as usize] -= 1.0;
        });
    }
}

impl CustomOp2 for Surprise {
    fn name(&self) -> &'static str {
        "surprise"
    }

    fn cpu_fwd(&self, hidden: &CpuStorage, l1: &Layout, head: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (words, width) = l2.shape().dims2()?;
        let (hidden, head) = (floats(hidden, l1)?, floats(head, l2)?);
        if self.targets.iter().any(|&target| target as usize >= words) {
            return Err(Error::Msg(format!("a token is beyond the {words} that the model knows")));
        }
        let mut out = vec![0.0; self.targets.len()];
        let mut back = vec![0.0; if self.learns { hidden.len() } else { 0 }];
        let mut logits = vec![0.0; ROWS.min(self.targets.len()) * words];
        for (n, (targets, out)) in self.targets.chunks(ROWS).zip(out.chunks_mut(ROWS)).enumerate() {
            let logits = &mut logits[..targets.len() * words];
            let here = n * ROWS * width..(n * ROWS + targets.len()) * width;
            let rows = Matrix::new(&hidden[here.clone()], width);
            multiply(logits, (rows, Matrix::new(head, width).turned()), false, 1.0, Threads::All);
            self.read(logits, words, (out, targets));
            if self.learns {
                let grads = (Matrix::new(logits, words), Matrix::new(head, width));
                multiply(&mut back[here], grads, false, 1.0, Threads::All);
            }
        }
        let _ = self.back.set(back);
        made(out, self.targets.len())
    }

    fn bwd(
        &self,
        hidden: &Tensor,
        head: &Tensor,
        _: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (words, width) = head.dims2()?;
        let back = self.back.get().ok_or_else(|| Error::Msg("backward before forward".into()))?;
        let mut to_head = vec![0.0; if self.trains { words * width } else { 0 }];
        let mut to_hidden = back.clone();
        with([hidden, head, grad], |[hidden, head, grad]| {
            to_hidden.par_chunks_mut(width).zip(grad).for_each(|(row, by)| row.iter_mut().for_each(|x| *x *= by));
            if self.trains {
                self.to_head(&mut to_head, (hidden, head, grad), width);
            }
        })?;
        let to_head = if self.trains { Some(like(to_head, head)?) } else { None };
        let to_hidden = if self.learns { Some(like(to_hidden, hidden)?) } else { None };
        Ok((to_hidden, to_head))
    }
}

impl Surprise {
    /// The logits once more, for the gradient of the head.
    fn to_head(&self, out: &mut [f32], (hidden, head, grad): (&[f32], &[f32], &[f32]), width: usize) {
        let words = head.len() / width;
        let mut logits = vec![0.0; ROWS.min(self.targets.len()) * words];
        let mut unread = [0.0; ROWS];
        for (n, (targets, grad)) in self.targets.chunks(ROWS).zip(grad.chunks(ROWS)).enumerate() {
            let logits = &mut logits[..targets.len() * words];
            let rows = Matrix::new(&hidden[n * ROWS * width..(n * ROWS + targets.len()) * width], width);
            multiply(logits, (rows, Matrix::new(head, width).turned()), false, 1.0, Threads::All);
            self.read(logits, words, (&mut unread[..targets.len()], targets));
            logits.par_chunks_exact_mut(words).zip(grad).for_each(|(row, by)| row.iter_mut().for_each(|x| *x *= by));
            multiply(out, (Matrix::new(logits, words).turned(), rows), true, 1.0, Threads::All);
        }
    }
}
