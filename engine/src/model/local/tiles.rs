//! How are quantized weights multiplied fast? Sixteen rows lie side by side, so that one instruction of AVX-512 VNNI
//! multiplies four numbers of each.
//!
//! Weights keep the bits that they have in their file (the formats are those of ggml's `ggml-common.h`): a tile takes 5
//! bits a weight for Q4_0 and Q4_1, 4.6 for Q4_K, 6.6 for Q6_K, 8.5 for Q8_0. All other formats become Q8_0. What they
//! are multiplied with is quantized too, to 8 bits with one scale for 32 numbers.
#![expect(clippy::needless_range_loop, reason = "kernels walk through several arrays side by side")]

use std::{arch::x86_64::*, ops::Range};

use candle_core::quantized::GgmlDType;
use half::{f16, slice::HalfFloatSliceExt};
use pulp::bytemuck::cast;
use rayon::prelude::*;

use super::{
    block::{BLOCK, Block, blocks},
    gguf::{Gguf, Tensor},
};

/// Rows of weights side by side.
pub(super) const TILE: usize = 16;

/// Blocks of ggml's K formats.
const SUPER: usize = 8;

/// Whether this processor can do it.
pub(super) fn available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vnni")
        && is_x86_feature_detected!("avx512vl")
}

/// Writes numbers of half precision with single precision.
#[expect(unsafe_code, reason = "what a processor can do is known only when it runs")]
pub(super) fn widen(from: &[f16], to: &mut [f32]) {
    if !is_x86_feature_detected!("avx512f") {
        return from.convert_to_f32_slice(to);
    }
    // SAFETY: the feature was found just now.
    unsafe { widen_512(from, to) }
}

#[target_feature(enable = "avx512f")]
fn widen_512(from: &[f16], to: &mut [f32]) {
    let ((from, rest), (to, room)) = (from.as_chunks::<TILE>(), to.as_chunks_mut::<TILE>());
    for (from, to) in from.iter().zip(to) {
        let mut bits = [0_u16; TILE];
        for n in 0..TILE {
            bits[n] = from[n].to_bits();
        }
        *to = cast(_mm512_cvtph_ps(cast(bits)));
    }
    rest.convert_to_f32_slice(&mut room[..rest.len()]);
}

/// A matrix of weights: `[rows, columns]`.
#[derive(Debug)]
pub(super) struct Tiles {
    pub(super) rows: usize,
    /// Blocks of a row of what it is multiplied with.
    blocks: usize,
    /// Blocks of a row of weights that lie together.
    parts: usize,
    format: Format,
}

/// One number for each row of a tile.
type Halves = [u16; TILE];
type Bytes = [u8; TILE];

/// Four numbers of each row of a tile for each of the lines.
type Lines<const N: usize> = [__m512i; N];

#[derive(Debug)]
enum Format {
    /// Scale and least value of each block, in half precision.
    Four(Vec<(Lines<4>, [Halves; 2])>),
    /// Scales and least values in 6 bits, and what both are multiplied with.
    FourK(Vec<FourK>),
    /// Scales of 16 numbers in 8 bits, and what they are multiplied with.
    Six(Vec<Six>),
    /// The scales of two blocks, so that no room is lost between; numbers are stored 128 too high.
    Eight(Vec<Eight>),
}

// In the order in which they are read, so that memory is read straight on.

#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Eight {
    scales: [Halves; 2],
    lines: [Lines<8>; 2],
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct FourK {
    factors: [Halves; 2],
    scales: [[Bytes; 2]; SUPER],
    lines: [Lines<4>; SUPER],
}

#[derive(Debug, Clone, Copy)]
#[repr(C)]
struct Six {
    factor: Halves,
    scales: [[[i8; TILE]; 2]; SUPER],
    lines: [(Lines<4>, Lines<2>); SUPER],
}

impl Tiles {
    /// Lays the rows of a tensor out anew.
    pub(super) fn new(file: &Gguf, tensor: &Tensor) -> Result<Self, String> {
        let each = Source { file, tensor };
        let format = match tensor.kind {
            GgmlDType::Q4_0 => Format::Four(each.tiles(|tile, block| four(tile, block, 18))?),
            GgmlDType::Q4_1 => Format::Four(each.tiles(|tile, block| four(tile, block, 20))?),
            GgmlDType::Q4K => Format::FourK(each.tiles(four_k)?),
            GgmlDType::Q6K => Format::Six(each.tiles(six)?),
            GgmlDType::Q8_0 => Format::Eight(each.pairs()?),
            _ => Format::Eight(each.requantized()?),
        };
        let parts = match &format {
            Format::Four(tiles) => tiles.len(),
            Format::FourK(tiles) => tiles.len(),
            Format::Six(tiles) => tiles.len(),
            Format::Eight(tiles) => tiles.len(),
        };
        let parts = parts / tensor.rows.div_ceil(TILE);
        Ok(Self { rows: tensor.rows, blocks: blocks(tensor.columns), parts, format })
    }

    /// Multiplies some of the tiles with rows of activations, `[rows, blocks]`; `put` is told the row, the first
    /// column, and the products with the tile.
    pub(super) fn multiply(&self, tiles: Range<usize>, acts: &[Block], put: impl FnMut(usize, usize, &[f32; TILE])) {
        self.go(tiles, acts, put);
    }

    #[expect(unsafe_code, reason = "what a processor can do is known only when it runs")]
    fn go(&self, tiles: Range<usize>, acts: &[Block], put: impl FnMut(usize, usize, &[f32; TILE])) {
        // SAFETY: tiles are made only where `available` has found each of these features.
        unsafe { self.multiply_512(tiles, acts, put) }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
    fn multiply_512(&self, tiles: Range<usize>, acts: &[Block], mut put: impl FnMut(usize, usize, &[f32; TILE])) {
        let rows = acts.len() / self.blocks;
        for tile in tiles {
            let mut row = 0;
            while row < rows {
                let put = |n: usize, sums: &[f32; TILE]| put(row + n, tile * TILE, sums);
                row += match rows - row {
                    MOST.. => self.part::<MOST>(tile, &acts[row * self.blocks..], put),
                    4.. => self.part::<4>(tile, &acts[row * self.blocks..], put),
                    2.. => self.part::<2>(tile, &acts[row * self.blocks..], put),
                    _ => self.part::<1>(tile, &acts[row * self.blocks..], put),
                }
            }
        }
    }

    /// One tile with `M` rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
    #[inline]
    fn part<const M: usize>(&self, tile: usize, acts: &[Block], mut put: impl FnMut(usize, &[f32; TILE])) -> usize {
        let mut rows: [&[Block]; M] = [&[]; M];
        for (n, row) in rows.iter_mut().enumerate() {
            *row = &acts[n * self.blocks..][..self.blocks];
        }
        let here = tile * self.parts..(tile + 1) * self.parts;
        let sums = match &self.format {
            Format::Four(tiles) => multiply_four(&tiles[here], rows),
            Format::FourK(tiles) => multiply_four_k(&tiles[here], rows),
            Format::Six(tiles) => multiply_six(&tiles[here], rows),
            Format::Eight(tiles) => multiply_eight(&tiles[here], rows),
        };
        for (n, sums) in sums.into_iter().enumerate() {
            put(n, &cast(sums));
        }
        M
    }
}

/// Rows that are multiplied together.
const MOST: usize = 8;

/// The integer sums of a block of 32.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn dots<const N: usize>(start: __m512i, lines: &[__m512i; N], quants: &[i32]) -> __m512i {
    let mut sum = start;
    for n in 0..N {
        sum = _mm512_dpbusd_epi32(sum, lines[n], _mm512_set1_epi32(quants[n]));
    }
    sum
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn nibbles(lines: &Lines<4>) -> Lines<8> {
    let mask = _mm512_set1_epi8(15);
    let mut wide = [_mm512_setzero_si512(); 8];
    for n in 0..4 {
        wide[2 * n] = _mm512_and_si512(lines[n], mask);
        wide[2 * n + 1] = _mm512_and_si512(_mm512_srli_epi16::<4>(lines[n]), mask);
    }
    wide
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn halves(halves: &Halves) -> __m512 {
    _mm512_cvtph_ps(cast(*halves))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn multiply_four<const M: usize>(tile: &[(Lines<4>, [Halves; 2])], acts: [&[Block]; M]) -> [__m512; M] {
    let (mut sums, mut least_sums) = ([_mm512_setzero_ps(); M], [_mm512_setzero_ps(); M]);
    let acts = acts.map(|row| &row[..tile.len()]);
    for (n, (lines, [scale, least])) in tile.iter().enumerate() {
        let (lines, scale, least) = (nibbles(lines), halves(scale), halves(least));
        for row in 0..M {
            let act = &acts[row][n];
            let sum = _mm512_cvtepi32_ps(dots(_mm512_setzero_si512(), &lines, &act.quants));
            sums[row] = _mm512_fmadd_ps(sum, _mm512_mul_ps(scale, _mm512_set1_ps(act.scale)), sums[row]);
            least_sums[row] = _mm512_fmadd_ps(least, _mm512_set1_ps(act.sum), least_sums[row]);
        }
    }
    for row in 0..M {
        sums[row] = _mm512_add_ps(sums[row], least_sums[row]);
    }
    sums
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn multiply_four_k<const M: usize>(tile: &[FourK], acts: [&[Block]; M]) -> [__m512; M] {
    let mut sums = [_mm512_setzero_ps(); M];
    let acts = acts.map(|row| row.as_chunks::<SUPER>().0).map(|row| &row[..tile.len()]);
    for (n, tile) in tile.iter().enumerate() {
        let factors = [halves(&tile.factors[0]), halves(&tile.factors[1])];
        for block in 0..SUPER {
            let lines = nibbles(&tile.lines[block]);
            let [scale, least] = tile.scales[block];
            let scale = _mm512_mul_ps(factors[0], _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(cast(scale))));
            let least = _mm512_mul_ps(factors[1], _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(cast(least))));
            for row in 0..M {
                let act = &acts[row][n][block];
                let sum = _mm512_cvtepi32_ps(dots(_mm512_setzero_si512(), &lines, &act.quants));
                sums[row] = _mm512_fnmadd_ps(least, _mm512_set1_ps(act.sum), sums[row]);
                sums[row] = _mm512_fmadd_ps(sum, _mm512_mul_ps(scale, _mm512_set1_ps(act.scale)), sums[row]);
            }
        }
    }
    sums
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn multiply_six<const M: usize>(tile: &[Six], acts: [&[Block]; M]) -> [__m512; M] {
    let mut sums = [_mm512_setzero_ps(); M];
    let acts = acts.map(|row| row.as_chunks::<SUPER>().0).map(|row| &row[..tile.len()]);
    for (n, tile) in tile.iter().enumerate() {
        let factor = halves(&tile.factor);
        for block in 0..SUPER {
            let (low, high) = &tile.lines[block];
            let (first, second) = six_bits(low, high);
            let [a, b] = tile.scales[block];
            let a = _mm512_mul_ps(factor, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(cast(a))));
            let b = _mm512_mul_ps(factor, _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(cast(b))));
            for row in 0..M {
                let act = &acts[row][n][block];
                let scale = _mm512_set1_ps(act.scale);
                let start = |half: usize| _mm512_set1_epi32(act.halves[half].wrapping_mul(-32));
                let sum = _mm512_cvtepi32_ps(dots(start(0), &first, &act.quants[..4]));
                sums[row] = _mm512_fmadd_ps(sum, _mm512_mul_ps(a, scale), sums[row]);
                let sum = _mm512_cvtepi32_ps(dots(start(1), &second, &act.quants[4..]));
                sums[row] = _mm512_fmadd_ps(sum, _mm512_mul_ps(b, scale), sums[row]);
            }
        }
    }
    sums
}

/// The first and the second 16 numbers of a block.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn six_bits(low: &Lines<4>, high: &Lines<2>) -> (Lines<4>, Lines<4>) {
    let low = nibbles(low);
    let (first, second) = (upper(high[0]), upper(high[1]));
    let mut both = [[_mm512_setzero_si512(); 4]; 2];
    for n in 0..4 {
        both[0][n] = _mm512_or_si512(low[n], first[n]);
        both[1][n] = _mm512_or_si512(low[4 + n], second[n]);
    }
    (both[0], both[1])
}

/// The upper two of six bits, for four lines.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn upper(bits: __m512i) -> Lines<4> {
    let mask = _mm512_set1_epi8(0x30);
    [
        _mm512_and_si512(_mm512_slli_epi16::<4>(bits), mask),
        _mm512_and_si512(_mm512_slli_epi16::<2>(bits), mask),
        _mm512_and_si512(bits, mask),
        _mm512_and_si512(_mm512_srli_epi16::<2>(bits), mask),
    ]
}

#[target_feature(enable = "avx512f,avx512bw,avx512vnni,avx512vl")]
#[inline]
fn multiply_eight<const M: usize>(tile: &[Eight], acts: [&[Block]; M]) -> [__m512; M] {
    let mut sums = [_mm512_setzero_ps(); M];
    let acts = acts.map(|row| row.as_chunks::<2>().0).map(|row| &row[..tile.len()]);
    for (n, tile) in tile.iter().enumerate() {
        for block in 0..2 {
            let scale = halves(&tile.scales[block]);
            for row in 0..M {
                let act = &acts[row][n][block];
                let start = _mm512_set1_epi32(act.halves[0].wrapping_add(act.halves[1]).wrapping_mul(-128));
                let sum = _mm512_cvtepi32_ps(dots(start, &tile.lines[block], &act.quants));
                sums[row] = _mm512_fmadd_ps(sum, _mm512_mul_ps(scale, _mm512_set1_ps(act.scale)), sums[row]);
            }
        }
    }
    sums
}

/// A tensor to be laid out.
struct Source<'a> {
    file: &'a Gguf,
    tensor: &'a Tensor,
}

/// The rows of one tile; rows that the tensor lacks are empty.
type Rows<'a> = [&'a [u8]; TILE];

impl Source<'_> {
    fn rows(&self, tile: usize) -> Rows<'_> {
        let row = |row: usize| match row < self.tensor.rows {
            true => self.file.bytes(self.tensor, row..row + 1),
            false => &[],
        };
        std::array::from_fn(|n| row(tile * TILE + n))
    }

    fn tiles<T: Send + Clone>(&self, make: impl Fn(&Rows<'_>, usize) -> T + Sync) -> Result<Vec<T>, String> {
        let count = self.tensor.columns / self.tensor.kind.block_size();
        let tiles = self.tensor.rows.div_ceil(TILE);
        let parts = (0..tiles * count).into_par_iter().with_min_len(count);
        Ok(parts.map(|n| make(&self.rows(n / count), n % count)).collect())
    }

    /// Rows of Q8_0, two blocks together.
    fn pairs(&self) -> Result<Vec<Eight>, String> {
        let count = (self.tensor.columns / BLOCK).div_ceil(2);
        let tiles = self.tensor.rows.div_ceil(TILE);
        let parts = (0..tiles * count).into_par_iter().with_min_len(count);
        Ok(parts.map(|n| eight(&self.rows(n / count), n % count)).collect())
    }

    fn requantized(&self) -> Result<Vec<Eight>, String> {
        let (rows, columns) = (self.tensor.rows, self.tensor.columns);
        let tile = |tile: usize| {
            let first = tile * TILE;
            let values = self.file.floats(self.tensor, first..(first + TILE).min(rows))?;
            let blocks: Vec<Vec<[u8; 34]>> = values.chunks(columns).map(to_q8_0).collect();
            let rows: [&[u8]; TILE] = std::array::from_fn(|n| blocks.get(n).map_or(&[][..], |row| row.as_flattened()));
            let pairs = columns.div_ceil(BLOCK).div_ceil(2);
            Ok((0..pairs).map(|pair| eight(&rows, pair)).collect::<Vec<_>>())
        };
        let tiles: Vec<Vec<_>> = (0..rows.div_ceil(TILE)).into_par_iter().map(tile).collect::<Result<_, String>>()?;
        Ok(tiles.into_iter().flatten().collect())
    }
}

/// A row in ggml's format Q8_0.
fn to_q8_0(row: &[f32]) -> Vec<[u8; 34]> {
    let block = |values: &[f32]| {
        let most = values.iter().fold(0_f32, |most, value| most.max(value.abs()));
        let scale = most / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let mut bytes = [0; 34];
        bytes[..2].copy_from_slice(&f16::from_f32(scale).to_le_bytes());
        for (byte, value) in bytes[2..].iter_mut().zip(values) {
            *byte = (value * inverse).round() as i8 as u8;
        }
        bytes
    };
    row.chunks(BLOCK).map(block).collect()
}

fn half(bytes: &[u8]) -> u16 {
    u16::from_le_bytes([bytes[0], bytes[1]])
}

/// Lays numbers below 16 of each row side by side: byte `j` of line `g` holds numbers `8g + j` and `8g + j + 4`.
fn low_lines(values: &[[u8; BLOCK]; TILE]) -> Lines<4> {
    let line = |group: usize| {
        let mut line = [0_u8; 64];
        for (row, values) in values.iter().enumerate() {
            for j in 0..4 {
                line[row * 4 + j] = (values[group * 8 + j] & 15) | (values[group * 8 + j + 4] & 15) << 4;
            }
        }
        cast(line)
    };
    std::array::from_fn(line)
}

fn four(rows: &Rows<'_>, block: usize, stride: usize) -> (Lines<4>, [Halves; 2]) {
    let (mut values, mut scales) = ([[0; BLOCK]; TILE], [[0; TILE]; 2]);
    for (n, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        let bytes = &row[block * stride..][..stride];
        scales[0][n] = half(bytes);
        scales[1][n] = match stride {
            20 => half(&bytes[2..]),
            _ => f16::from_f32(f16::from_bits(half(bytes)).to_f32() * -8.0).to_bits(),
        };
        for (j, byte) in bytes[stride - 16..].iter().enumerate() {
            (values[n][j], values[n][j + 16]) = (byte & 15, byte >> 4);
        }
    }
    (low_lines(&values), scales)
}

fn four_k(rows: &Rows<'_>, block: usize) -> FourK {
    let mut values = [[[0; BLOCK]; TILE]; SUPER];
    let (mut scales, mut factors) = ([[[0; TILE]; 2]; SUPER], [[0; TILE]; 2]);
    for (n, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        let bytes = &row[block * 144..][..144];
        (factors[0][n], factors[1][n]) = (half(bytes), half(&bytes[2..]));
        for sub in 0..SUPER {
            (scales[sub][0][n], scales[sub][1][n]) = scale_and_least(&bytes[4..16], sub);
            for (j, byte) in bytes[16 + sub / 2 * 32..][..32].iter().enumerate() {
                values[sub][n][j] = if sub.is_multiple_of(2) { byte & 15 } else { byte >> 4 };
            }
        }
    }
    FourK { lines: values.map(|values| low_lines(&values)), scales, factors }
}

/// Scale and least value of a block in 6 bits each, as ggml packs them.
fn scale_and_least(bytes: &[u8], sub: usize) -> (u8, u8) {
    match sub {
        0..4 => (bytes[sub] & 63, bytes[sub + 4] & 63),
        _ => {
            let (low, a, b) = (bytes[sub + 4], bytes[sub - 4], bytes[sub]);
            (low & 15 | (a >> 6) << 4, low >> 4 | (b >> 6) << 4)
        }
    }
}

fn six(rows: &Rows<'_>, block: usize) -> Six {
    let mut values = [[[0; BLOCK]; TILE]; SUPER];
    let (mut scales, mut factor) = ([[[0; TILE]; 2]; SUPER], [0; TILE]);
    for (n, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_empty()) {
        let bytes = &row[block * 210..][..210];
        factor[n] = half(&bytes[208..]);
        for sub in 0..SUPER {
            // Half of the block, and a quarter of that half.
            let (part, quarter) = (sub / 4, sub % 4);
            for j in 0..BLOCK {
                let low = bytes[part * 64 + quarter % 2 * 32 + j] >> (quarter / 2 * 4) & 15;
                let high = bytes[128 + part * 32 + j] >> (quarter * 2) & 3;
                values[sub][n][j] = low | high << 4;
            }
            for (half, scales) in scales[sub].iter_mut().enumerate() {
                scales[n] = bytes[192 + sub * 2 + half] as i8;
            }
        }
    }
    Six { lines: values.map(|values| (low_lines(&values), high_lines(&values))), scales, factor }
}

/// The upper two of six bits: line `h` holds those of lines `4h` to `4h + 3` of four numbers each.
fn high_lines(values: &[[u8; BLOCK]; TILE]) -> Lines<2> {
    let line = |half: usize| {
        let mut line = [0_u8; 64];
        for (row, values) in values.iter().enumerate() {
            for n in 0..16 {
                line[row * 4 + n % 4] |= values[half * 16 + n] >> 4 << (n / 4 * 2);
            }
        }
        cast(line)
    };
    std::array::from_fn(line)
}

fn eight(rows: &Rows<'_>, pair: usize) -> Eight {
    let (mut lines, mut scales) = ([[[128_u8; 64]; 8]; 2], [[0; TILE]; 2]);
    for (n, row) in rows.iter().enumerate() {
        for (block, bytes) in row.as_chunks::<34>().0.iter().skip(pair * 2).take(2).enumerate() {
            scales[block][n] = half(bytes);
            for (j, byte) in bytes[2..].iter().enumerate() {
                lines[block][j / 4][n * 4 + j % 4] = byte.wrapping_add(128);
            }
        }
    }
    Eight { lines: lines.map(|lines| lines.map(cast)), scales }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            block::quantize,
            gguf::Metadata,
            tests::{file, numbers, tensor},
        },
        *,
    };

    #[test]
    fn products_are_those_of_the_numbers_in_the_file_in_each_format() {
        if !available() {
            return eprintln!("skipped: this processor does not have AVX-512 VNNI");
        }
        let (rows, columns) = (40, 512);
        use GgmlDType::*;
        for kind in [Q4_0, Q4_1, Q4K, Q6K, Q8_0, Q5_0, Q5_1, Q2K, Q3K, Q5K, F16, BF16, F32] {
            let mut number = numbers(7);
            let weights = tensor((0..rows * columns).map(|_| number()).collect(), &[rows, columns], kind);
            let bytes = file(&Metadata::new(), &vec![("a".into(), weights)]);
            let folder = tempfile::TempDir::new().unwrap();
            let path = folder.path().join("a.gguf");
            #[expect(clippy::disallowed_methods, reason = "a test writes the file that it reads")]
            std::fs::write(&path, bytes).unwrap();
            let gguf = Gguf::open(&path).unwrap();
            let source = gguf.tensor("a", rows, columns).unwrap();
            let exact = gguf.floats(source, 0..rows).unwrap();
            let tiles = Tiles::new(&gguf, source).unwrap();
            // Whole numbers of which one is 127 lose nothing when they are quantized.
            for count in [1, 3, 15] {
                let mut acts = vec![Block::default(); count * blocks(columns)];
                let mut values = vec![0.0; count * columns];
                values.iter_mut().enumerate().for_each(|(n, value)| *value = ((n * 37) % 255) as f32 - 127.0);
                values.iter_mut().step_by(BLOCK).for_each(|value| *value = 127.0);
                for (row, acts) in values.chunks(columns).zip(acts.chunks_mut(blocks(columns))) {
                    quantize(row, acts);
                }
                // Formats that are not laid out as they are lose a little.
                let bound = if matches!(kind, Q4_0 | Q4_1 | Q4K | Q6K | Q8_0) { 1e-5 } else { 1e-2 };
                tiles.multiply(0..rows.div_ceil(TILE), &acts, |row, column, sums| {
                    for (n, &sum) in sums.iter().enumerate().take(rows.saturating_sub(column)) {
                        let (a, b) = (&exact[(column + n) * columns..][..columns], &values[row * columns..][..columns]);
                        let products = || a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
                        let (product, length) =
                            (products().sum::<f64>(), products().map(|x| x * x).sum::<f64>().sqrt());
                        let off = (f64::from(sum) - product).abs() / length;
                        assert!(off < bound * 10.0, "{kind:?} row {row} column {}: off by {off}", column + n);
                    }
                });
            }
        }
    }
}
