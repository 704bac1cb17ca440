//! How is a gradient followed? AdamW (arXiv 1711.05101), in 32 bits on the processor, wherever the model itself is and
//! whatever its numbers are.

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use rayon::prelude::*;

use crate::net::NetError;

const MEAN: f32 = 0.9;
const SQUARE: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Numbers that one thread takes at once.
const SHARE: usize = 1 << 14;

/// What is known of one variable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<f32>,
    /// The running mean of its gradients, and of their squares.
    pub(super) mean: Vec<f32>,
    pub(super) square: Vec<f32>,
    /// What it was when it was best.
    pub(super) best: Vec<f32>,
    grad: Vec<f32>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Optimizer {
    pub(super) slots: Vec<Slot>,
    /// Steps done.
    pub(super) steps: i32,
}

impl Optimizer {
    pub(super) fn new(variables: &[(String, Var)]) -> Result<Self, NetError> {
        let slot = |(name, var): &(String, Var)| -> Result<Slot, NetError> {
            let values = numbers(var.as_tensor())?;
            let nothing = vec![0.0; values.len()];
            Ok(Slot {
                name: name.clone(),
                shape: var.dims().to_vec(),
                best: values.clone(),
                mean: nothing.clone(),
                square: nothing.clone(),
                grad: nothing,
                values,
            })
        };
        Ok(Self { slots: variables.iter().map(slot).collect::<Result<_, _>>()?, steps: 0 })
    }

    pub(super) fn begin(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.grad.fill(0.0));
    }

    /// Adds the gradients of a part of a step.
    pub(super) fn take(&mut self, variables: &[(String, Var)], grads: &GradStore) -> Result<(), NetError> {
        for (slot, (_, var)) in self.slots.iter_mut().zip(variables) {
            if let Some(grad) = grads.get(var.as_tensor()) {
                let grad = numbers(grad)?;
                slot.grad.par_iter_mut().zip(grad).with_min_len(SHARE).for_each(|(sum, grad)| *sum += grad);
            }
        }
        Ok(())
    }

    /// Follows the gradients, cut to a norm; gives the norm they had. Where it is no number, nothing is changed.
    pub(super) fn step(
        &mut self,
        rate: f64,
        clip: f64,
        decay: f64,
        variables: &[(String, Var)],
    ) -> Result<f64, NetError> {
        // Summed up in a fixed order, so that a run can be repeated.
        let square = |slot: &Slot| {
            let parts: Vec<f64> =
                slot.grad.par_chunks(SHARE).map(|part| part.iter().map(|x| f64::from(*x).powi(2)).sum()).collect();
            parts.iter().sum::<f64>()
        };
        let norm = self.slots.iter().map(square).sum::<f64>().sqrt();
        if !norm.is_finite() {
            return Ok(norm);
        }
        self.steps += 1;
        let cut = if norm > clip { (clip / norm) as f32 } else { 1.0 };
        let (unbiased_mean, unbiased_square) = (1.0 - MEAN.powi(self.steps), 1.0 - SQUARE.powi(self.steps));
        let (rate, keep) = (rate as f32 / unbiased_mean, 1.0 - (rate * decay) as f32);
        for slot in &mut self.slots {
            // Only matrices are pulled towards nothing.
            let keep = if slot.shape.len() > 1 { keep } else { 1.0 };
            let of = slot.values.par_chunks_mut(SHARE).zip(slot.mean.par_chunks_mut(SHARE));
            let of = of.zip(slot.square.par_chunks_mut(SHARE)).zip(slot.grad.par_chunks(SHARE));
            of.for_each(|(((values, mean), square), grad)| {
                for (((value, mean), square), grad) in values.iter_mut().zip(mean).zip(square).zip(grad) {
                    let grad = grad * cut;
                    *mean = MEAN * *mean + (1.0 - MEAN) * grad;
                    *square = SQUARE * *square + (1.0 - SQUARE) * grad * grad;
                    *value = *value * keep - rate * *mean / ((*square / unbiased_square).sqrt() + EPSILON);
                }
            });
        }
        self.put(variables)?;
        Ok(norm)
    }

    /// Remembers the values as the best.
    pub(super) fn keep_best(&mut self) {
        self.slots.iter_mut().for_each(|slot| slot.best.copy_from_slice(&slot.values));
    }

    /// Puts the values into the model.
    pub(super) fn put(&self, variables: &[(String, Var)]) -> Result<(), NetError> {
        self.slots.iter().zip(variables).try_for_each(|(slot, (_, var))| set(var, &slot.values))
    }

    /// Puts the best values into the model.
    pub(super) fn put_best(&self, variables: &[(String, Var)]) -> Result<(), NetError> {
        self.slots.iter().zip(variables).try_for_each(|(slot, (_, var))| set(var, &slot.best))
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, NetError> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F32)?.to_device(&Device::Cpu)?.to_vec1()?)
}

fn set(var: &Var, values: &[f32]) -> Result<(), NetError> {
    let values = Tensor::from_slice(values, var.dims(), &Device::Cpu)?;
    Ok(var.set(&values.to_dtype(var.dtype())?.to_device(var.device())?)?)
}
