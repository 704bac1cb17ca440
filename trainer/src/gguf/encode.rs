//! How are numbers packed as ggml packs them, and as near as it comes or nearer?
//!
//! Formats are those of ggml's `ggml-common.h`; to decode them is the engine's.

mod blocks;
mod eight;
mod fit;
mod supers;

use candle_core::quantized::GgmlDType;
use half::{bf16, f16};
use pulp::Arch;
use rayon::prelude::*;

/// Numbers that a thread packs at once.
const MANY: usize = 1 << 14;

/// Why numbers cannot be packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Nobody needs to write this type.
    #[error("nothing is written as {0:?}")]
    Kind(GgmlDType),
    /// They fill no whole blocks.
    #[error("{numbers} numbers do not fill blocks of {block}")]
    Count {
        /// How many they are.
        numbers: usize,
        /// How many a block has.
        block: usize,
    },
    /// One is infinite or none at all.
    #[error("they hold what is no number: the training that made them has failed, or the file is damaged")]
    NoNumber,
    /// One is beyond half precision, which all scales have.
    #[error("they hold a number above 65504, which only F32 and BF16 can keep")]
    TooLarge,
}

/// Packs numbers, on all threads.
///
/// # Errors
/// [`EncodeError`]: nothing is packed as what it is not.
#[expect(clippy::redundant_closure, reason = "a function's own name is called, not inlined into the widest vectors")]
pub fn encode(kind: GgmlDType, numbers: &[f32]) -> Result<Vec<u8>, EncodeError> {
    check(kind, numbers)?;
    let mut bytes = vec![0; numbers.len() / kind.block_size() * kind.type_size()];
    let out = bytes.as_mut_slice();
    match kind {
        GgmlDType::F32 => pack(
            numbers,
            out,
            #[inline(always)]
            |&[x]: &[f32; 1]| x.to_le_bytes(),
        ),
        GgmlDType::F16 => pack(
            numbers,
            out,
            #[inline(always)]
            |&[x]: &[f32; 1]| f16::from_f32(x).to_le_bytes(),
        ),
        GgmlDType::BF16 => pack(
            numbers,
            out,
            #[inline(always)]
            |&[x]: &[f32; 1]| bf16::from_f32(x).to_le_bytes(),
        ),
        GgmlDType::Q4_0 => pack(
            numbers,
            out,
            #[inline(always)]
            |x| blocks::q4_0(x),
        ),
        GgmlDType::Q5_0 => pack(
            numbers,
            out,
            #[inline(always)]
            |x| blocks::q5_0(x),
        ),
        GgmlDType::Q5_1 => pack(
            numbers,
            out,
            #[inline(always)]
            |x| blocks::q5_1(x),
        ),
        GgmlDType::Q8_0 => pack(
            numbers,
            out,
            #[inline(always)]
            |x| blocks::q8_0(x),
        ),
        GgmlDType::Q4K => pack(
            numbers,
            out,
            #[inline(always)]
            |x| supers::q4_k(x),
        ),
        GgmlDType::Q5K => pack(
            numbers,
            out,
            #[inline(always)]
            |x| supers::q5_k(x),
        ),
        GgmlDType::Q6K => pack(
            numbers,
            out,
            #[inline(always)]
            |x| supers::q6_k(x),
        ),
        _ => return Err(EncodeError::Kind(kind)),
    }
    Ok(bytes)
}

fn check(kind: GgmlDType, numbers: &[f32]) -> Result<(), EncodeError> {
    let block = kind.block_size();
    if !numbers.len().is_multiple_of(block) {
        return Err(EncodeError::Count { numbers: numbers.len(), block });
    }
    let most = match kind {
        GgmlDType::F32 | GgmlDType::BF16 => f32::MAX,
        _ => f32::from(f16::MAX),
    };
    let fits = |numbers: &[f32]| numbers.iter().all(|number| number.abs() <= most);
    if numbers.par_chunks(MANY).all(fits) {
        return Ok(());
    }
    let is_finite = numbers.iter().all(|number| number.is_finite());
    Err(if is_finite { EncodeError::TooLarge } else { EncodeError::NoNumber })
}

/// Packs block for block, in the widest vectors that this processor has.
fn pack<const N: usize, const B: usize>(numbers: &[f32], bytes: &mut [u8], one: impl Fn(&[f32; N]) -> [u8; B] + Sync) {
    let (blocks, _) = numbers.as_chunks::<N>();
    let (out, _) = bytes.as_chunks_mut::<B>();
    let many = MANY / N;
    blocks.par_chunks(many).zip(out.par_chunks_mut(many)).for_each(|(blocks, out)| {
        Arch::new().dispatch(
            #[inline(always)]
            || {
                blocks.iter().zip(out).for_each(
                    #[inline(always)]
                    |(block, out)| *out = one(block),
                )
            },
        );
    });
}
