//! What are weights multiplied with? Numbers in 8 bits, with one scale for 32 of them.

use pulp::Arch;

/// Numbers of a block.
pub(super) const BLOCK: usize = 32;

/// A block of activations.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(super) struct Block {
    /// Four numbers each, the first in the lowest byte.
    pub(super) quants: [i32; 8],
    /// The sums of the first and of the second 16.
    pub(super) halves: [i32; 2],
    pub(super) scale: f32,
    /// The sum of all numbers, scaled.
    pub(super) sum: f32,
}

/// Blocks of a row: an even number.
pub(super) fn blocks(columns: usize) -> usize {
    columns.div_ceil(BLOCK).next_multiple_of(2)
}

/// Quantizes a row; what is left of its blocks is zero.
pub(super) fn quantize(row: &[f32], blocks: &mut [Block]) {
    blocks[row.len().div_ceil(BLOCK)..].fill(Block::default());
    Arch::new().dispatch(|| {
        for (values, block) in row.chunks(BLOCK).zip(blocks) {
            match values.try_into() {
                Ok(values) => *block = one(values),
                Err(_) => {
                    let mut filled = [0.0; BLOCK];
                    filled[..values.len()].copy_from_slice(values);
                    *block = one(&filled);
                }
            }
        }
    });
}

#[inline(always)]
fn one(values: &[f32; BLOCK]) -> Block {
    // Adding this leaves the nearest whole number in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let mut lanes = [0_f32; 16];
    for lane in 0..16 {
        let (a, b) = (values[lane].abs(), values[lane + 16].abs());
        lanes[lane] = if a > b { a } else { b };
    }
    let most = lanes.iter().fold(0_f32, |most, &value| if value > most { value } else { most });
    let scale = most / 127.0;
    let inverse = if most > 0.0 { 127.0 / most } else { 0.0 };
    let mut whole = [0_i32; BLOCK];
    for n in 0..BLOCK {
        whole[n] = (values[n] * inverse + ROUND).to_bits() as i32 - ROUND.to_bits() as i32;
    }
    // What is no number gives nonsense here, and no panic: it is noticed in what the model says.
    let sum = |part: &[i32]| part.iter().fold(0_i32, |sum, &value| sum.wrapping_add(value));
    let halves = [sum(&whole[..16]), sum(&whole[16..])];
    let mut bytes = [0_u8; BLOCK];
    for n in 0..BLOCK {
        bytes[n] = whole[n] as u8;
    }
    let quants = std::array::from_fn(|n| {
        i32::from_le_bytes([bytes[4 * n], bytes[4 * n + 1], bytes[4 * n + 2], bytes[4 * n + 3]])
    });
    Block { quants, halves, scale, sum: scale * halves[0].wrapping_add(halves[1]) as f32 }
}
