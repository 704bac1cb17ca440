//! What is a layer made of? Operations that know their own backward.
//!
//! Each is a function on tensors. On the processor and in 32 bits it is one pass through [`Cpu`] kernels; elsewhere it is
//! put together from candle's operations, so that it runs on any device and can be checked in 64 bits.

pub(super) mod attention;
pub(super) mod linear;
pub(super) mod loss;
pub(super) mod norm;
pub(super) mod rope;
pub(super) mod swiglu;

#[cfg(test)]
mod tests;

use candle_core::{CpuStorage, DType, Error, Layout, Result, Shape, Storage, Tensor};

/// Whether our own kernels take these numbers.
fn is_ours(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && tensor.dtype() == DType::F32
}

/// Numbers that lie one after the other.
fn floats<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (from, to) = layout.contiguous_offsets().ok_or_else(|| Error::Msg("numbers lie apart".into()))?;
    Ok(&storage.as_slice::<f32>()?[from..to])
}

/// Lets `read` see the numbers of tensors.
fn with<const N: usize, R>(tensors: [&Tensor; N], read: impl FnOnce([&[f32]; N]) -> R) -> Result<R> {
    let tensors: Vec<Tensor> = tensors.into_iter().map(Tensor::contiguous).collect::<Result<_>>()?;
    let guards: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[f32]; N] = [&[]; N];
    for (slice, (storage, layout)) in slices.iter_mut().zip(&guards) {
        match &**storage {
            Storage::Cpu(storage) => *slice = floats(storage, layout)?,
            _ => return Err(Error::Msg("numbers on another device".into())),
        }
    }
    Ok(read(slices))
}

/// What a kernel made.
fn made(values: Vec<f32>, shape: impl Into<Shape>) -> Result<(CpuStorage, Shape)> {
    Ok((CpuStorage::F32(values), shape.into()))
}

/// A tensor of what a kernel made, of the same shape as another.
fn like(values: Vec<f32>, other: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(values, other.shape(), other.device())
}
