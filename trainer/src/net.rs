//! How does a model read, and how would each of its weights have to change? Forward and backward for llama, qwen2 and
//! qwen3.
//!
//! Candle keeps the graph. What costs most in it are operations of our own with their own backward: on the processor,
//! in 32 bits, they compute a layer in a dozen passes over memory; anywhere else, and in 64 bits, they are put together
//! from candle's own, which the tests hold them against.

mod batch;
mod decoder;
mod matrix;
mod op;

pub use batch::{Batch, Piece};
pub use decoder::{Decoder, Linear, MATRICES, NetError, Pass, Source, Trained};

/// The type of numbers that weights have while they are trained.
pub const KIND: candle_core::DType = candle_core::DType::F32;

/// Where models are trained: the first GPU where the feature `cuda` or `metal` is on, else the processor.
///
/// # Errors
/// When the GPU that the program was built for is not there.
pub fn device() -> candle_core::Result<candle_core::Device> {
    #[cfg(feature = "cuda")]
    return candle_core::Device::new_cuda(0);
    #[cfg(all(feature = "metal", not(feature = "cuda")))]
    return candle_core::Device::new_metal(0);
    #[cfg(not(any(feature = "cuda", feature = "metal")))]
    Ok(candle_core::Device::Cpu)
}

#[cfg(test)]
pub(crate) use decoder::tests::small;
