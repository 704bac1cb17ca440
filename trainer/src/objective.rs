//! What is a model to become better at? Losses from the surprise of answers.
//!
//! Held against TRL's own (`trl/trainer/{dpo,kto}_trainer.py`) on the same numbers: benches/objectives.py.

use candle_core::{Result, Tensor};

/// What is compared with what the model said before it was trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preference {
    /// Chosen against rejected answers to the same question (DPO, arXiv 2305.18290); `noise` is the share of pairs that
    /// are thought to be the wrong way round (robust DPO, arXiv 2403.00409).
    Dpo {
        /// How far the model may go from where it was: the larger the less.
        beta: f64,
        /// From 0 to below one half.
        noise: f64,
    },
    /// Good and bad answers, each for itself (KTO, arXiv 2402.01306).
    Kto {
        /// As above.
        beta: f64,
        /// How much good answers count.
        good: f64,
        /// How much bad answers count.
        bad: f64,
    },
    /// The same without the estimate of the divergence, so that an answer can be learned alone (APO-zero, arXiv
    /// 2408.06266).
    ApoZero {
        /// As above.
        beta: f64,
    },
}

/// `log σ(x)`, which does not overflow: `-m - log(e^-m + e^(-x-m))` with any `m` near the larger exponent.
///
/// Not by the smaller of `x` and 0, whose slope candle counts twice where they are equal, as they are before the first step.
fn log_sigmoid(x: &Tensor) -> Result<Tensor> {
    let most = x.neg()?.relu()?.detach();
    let sum = (most.neg()?.exp()? + (x + &most)?.neg()?.exp()?)?;
    (sum.log()? + most)?.neg()
}

fn sigmoid(x: &Tensor) -> Result<Tensor> {
    log_sigmoid(x)?.exp()
}

/// The loss of each pair, `[pairs]`, of how much likelier than before each chosen and each rejected answer has become, in
/// nats.
///
/// # Errors
/// As candle says.
pub fn dpo(chosen: &Tensor, rejected: &Tensor, beta: f64, noise: f64) -> Result<Tensor> {
    let apart = ((chosen - rejected)? * beta)?;
    let right = (log_sigmoid(&apart)? * -(1.0 - noise))?;
    let wrong = (log_sigmoid(&apart.neg()?)? * noise)?;
    (right + wrong)? / (1.0 - 2.0 * noise)
}

/// The loss of each answer, `[answers]`, of how much likelier than before it has become, which of them are good, and how
/// much likelier answers to other questions have become, which is not learned from.
///
/// # Errors
/// As candle says.
pub fn kto(likelier: &Tensor, good: &[bool], divergence: f64, (beta, weights): (f64, (f64, f64))) -> Result<Tensor> {
    let signs: Vec<f32> = good.iter().map(|good| if *good { 1.0 } else { -1.0 }).collect();
    let signs = Tensor::new(signs, likelier.device())?.to_dtype(likelier.dtype())?;
    let weights: Vec<f64> = good.iter().map(|good| if *good { weights.0 } else { weights.1 }).collect();
    let weights = Tensor::new(weights, likelier.device())?.to_dtype(likelier.dtype())?;
    sigmoid(&(((likelier - divergence.max(0.0))? * signs)? * -beta)?)? * weights
}

/// The loss of each answer, `[answers]`.
///
/// # Errors
/// As candle says.
pub fn apo_zero(likelier: &Tensor, good: &[bool], beta: f64) -> Result<Tensor> {
    let signs: Vec<f32> = good.iter().map(|good| if *good { -1.0 } else { 1.0 }).collect();
    let signs = Tensor::new(signs, likelier.device())?.to_dtype(likelier.dtype())?;
    sigmoid(&((likelier * signs)? * beta)?)
}

#[cfg(test)]
mod tests;
