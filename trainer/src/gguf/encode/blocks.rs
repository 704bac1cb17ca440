//! How are 32 weights packed with a scale of their own?
//!
//! Formats of ggml (`ggml-common.h`).

use half::f16;

use super::{
    eight::{Bounds, nearest},
    fit::{Group, Line, Steps},
};

const SIZE: usize = 32;

/// Q8_0: a scale, then whole numbers of 8 bits.
#[inline(always)]
pub(super) fn q8_0(x: &[f32; SIZE]) -> [u8; 34] {
    let most = x.iter().fold(0_f32, |most, x| if x.abs() > most { x.abs() } else { most });
    let (half, scale) = half(most / 127.0);
    let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
    let mut block = [0; 34];
    block[..2].copy_from_slice(&half);
    for n in 0..SIZE {
        block[2 + n] = nearest(x[n] * inverse, Bounds { low: -127.0, high: 127.0 }) as i8 as u8;
    }
    block
}

/// Q4_0: a scale, then whole numbers of 4 bits, 8 too large; the second 16 in the upper halves of the bytes.
#[inline(always)]
pub(super) fn q4_0(x: &[f32; SIZE]) -> [u8; 18] {
    let (scale, whole) = scaled(x, Bounds { low: -8.0, high: 7.0 });
    let mut block = [0; 18];
    block[..2].copy_from_slice(&scale);
    pack_nibbles(&whole, &mut block[2..]);
    block
}

/// Q5_0: as Q4_0, 16 too large, the fifth bits before the others.
#[inline(always)]
pub(super) fn q5_0(x: &[f32; SIZE]) -> [u8; 22] {
    let (scale, whole) = scaled(x, Bounds { low: -16.0, high: 15.0 });
    let mut block = [0; 22];
    block[..2].copy_from_slice(&scale);
    block[2..6].copy_from_slice(&fifth_bits(&whole).to_le_bytes());
    pack_nibbles(&whole, &mut block[6..]);
    block
}

/// Q5_1: a scale and the least weight, then whole numbers as in Q5_0.
#[inline(always)]
pub(super) fn q5_1(x: &[f32; SIZE]) -> [u8; 24] {
    let group = Group::new(x);
    let line = group.line(31.0, Steps { first: -0.5, size: 0.1, eights: 2 }, f32::INFINITY);
    let (scale, least) = (half(line.scale), half(line.least));
    let whole = group.whole(Line { scale: scale.1, least: least.1 }, Bounds { low: 0.0, high: 31.0 });
    let mut block = [0; 24];
    block[..2].copy_from_slice(&scale.0);
    block[2..4].copy_from_slice(&least.0);
    block[4..8].copy_from_slice(&fifth_bits(&whole).to_le_bytes());
    pack_nibbles(&whole, &mut block[8..]);
    block
}

/// A scale, and whole numbers from the lowest on.
#[inline(always)]
fn scaled(x: &[f32; SIZE], bounds: Bounds) -> ([u8; 2], [u8; SIZE]) {
    let group = Group::new(x);
    let (half, scale) = half(group.scale(bounds));
    (half, group.whole(Line { scale, least: 0.0 }, bounds))
}

/// A number in half precision: its bytes, and what it is then.
#[inline(always)]
fn half(number: f32) -> ([u8; 2], f32) {
    let half = f16::from_f32(number);
    (half.to_le_bytes(), half.to_f32())
}

#[inline(always)]
fn pack_nibbles(whole: &[u8; SIZE], bytes: &mut [u8]) {
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = whole[n] & 15 | whole[n + SIZE / 2] << 4;
    }
}

#[inline(always)]
fn fifth_bits(whole: &[u8; SIZE]) -> u32 {
    whole.iter().enumerate().fold(0, |bits, (n, &whole)| bits | u32::from(whole >> 4) << n)
}
