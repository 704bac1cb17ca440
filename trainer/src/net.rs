//! How does a model read, and how would each of its weights have to change? Forward and backward for llama, qwen2 and
//! qwen3.
//!
//! Candle keeps the graph. What costs most in it are operations of our own with their own backward: on the processor,
//! in 32 bits, they compute a layer in a dozen passes over memory; anywhere else, and in 64 bits, they are put together
//! from candle's own, which the tests hold them against.

mod decoder;
mod matrix;
mod op;

pub use decoder::{Batch, Decoder, Linear, MATRICES, NetError, Trained};

#[cfg(test)]
pub(crate) use decoder::tests::{metadata, small};
