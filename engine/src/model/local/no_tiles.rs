//! What where no kernel of ours can run? The same names, never used: candle multiplies.

use std::ops::Range;

use half::{f16, slice::HalfFloatSliceExt};

use super::{
    block::Block,
    gguf::{Gguf, Tensor},
};

/// Rows of weights side by side.
pub(super) const TILE: usize = 16;

/// Never.
pub(super) fn available() -> bool {
    false
}

/// Writes numbers of half precision with single precision.
pub(super) fn widen(from: &[f16], to: &mut [f32]) {
    from.convert_to_f32_slice(to);
}

/// A matrix that there is none of.
#[derive(Debug)]
pub(super) struct Tiles {
    pub(super) rows: usize,
}

impl Tiles {
    /// Always an error.
    pub(super) fn new(_: &Gguf, _: &Tensor) -> Result<Self, String> {
        Err("this processor has no kernel for it".into())
    }

    /// Nothing.
    pub(super) fn multiply(&self, _: Range<usize>, _: &[Block], _: impl FnMut(usize, usize, &[f32; TILE])) {}
}
