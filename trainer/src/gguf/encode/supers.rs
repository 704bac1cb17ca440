//! How are 256 weights packed, in groups with small scales that have a scale in common?
//!
//! The K formats of ggml (`ggml-common.h`).

use half::f16;

use super::{
    eight::{Bounds, Eight},
    fit::{Group, Line, Steps, Sums},
};

const SIZE: usize = 256;

/// Groups of Q4_K and Q5_K, and of Q6_K.
const LINES: usize = 8;
const SCALES: usize = 16;

/// What a scale in 6 bits goes up to.
const CODES: f32 = 63.0;

/// Times that what the small scales have in common is fitted to them.
const ROUNDS: usize = 2;

/// Eight groups, each with its line: `scale · code · n - least · least_code`.
struct Lines {
    scale: f16,
    least: f16,
    codes: [[f32; 2]; LINES],
    error: f32,
    /// What would have to be solved for the best scale and least in common.
    common: Common,
}

/// A least squares problem: the sums of the squares of two, of their product, and of their products with the weights.
#[derive(Default)]
struct Common {
    scale: f32,
    both: f32,
    least: f32,
    with_scale: f32,
    with_least: f32,
}

impl Lines {
    /// The line of a group.
    #[inline(always)]
    fn of(&self, group: usize) -> Line {
        let [code, least] = self.codes[group];
        Line { scale: self.scale.to_f32() * code, least: -self.least.to_f32() * least }
    }
}

#[inline(always)]
fn lines(groups: &[Group<32>; LINES], most: f32, steps: Steps) -> Lines {
    let mut wanted = [Line::default(); LINES];
    let (mut scale, mut least) = (0_f32, 0_f32);
    for n in 0..LINES {
        wanted[n] = groups[n].line(most, steps, 0.0);
        scale = if wanted[n].scale > scale { wanted[n].scale } else { scale };
        least = if -wanted[n].least > least { -wanted[n].least } else { least };
    }
    let mut best = coded(groups, &wanted, most, f16::from_f32(scale / CODES), f16::from_f32(least / CODES));
    for _ in 0..ROUNDS {
        let Some((scale, least)) = best.common.solve() else { break };
        let found = coded(groups, &wanted, most, scale, least);
        if found.error >= best.error {
            break;
        }
        best = found;
    }
    best
}

/// The lines in 6 bits each that come nearest, of those around the ones wanted.
#[inline(always)]
fn coded(groups: &[Group<32>; LINES], wanted: &[Line; LINES], most: f32, scale: f16, least: f16) -> Lines {
    let mut found = Lines { scale, least, codes: [[0.0; 2]; LINES], error: 0.0, common: Common::default() };
    let (scale, least) = (scale.to_f32(), least.to_f32());
    for (n, group) in groups.iter().enumerate() {
        let (scales, leasts) = (around(wanted[n].scale, scale, [0.0, 1.0]), around(-wanted[n].least, least, LEASTS));
        let (mut first, mut second) = ([0.0; 8], [0.0; 8]);
        for lane in 0..8 {
            (first[lane], second[lane]) = (scales[lane % 2], leasts[lane / 2]);
        }
        let [scales, leasts] = [Eight(first) * Eight::all(scale), Eight(second) * Eight::all(-least)];
        let (lane, error, sums) = group.best(scales, leasts, Bounds { low: 0.0, high: most });
        found.codes[n] = [first[lane], second[lane]];
        found.error += error;
        found.common.add(first[lane], -second[lane], sums, group);
    }
    found
}

/// What is added to the whole number below what the least weight would have for a code.
const LEASTS: [f32; 4] = [-1.0, 0.0, 1.0, 2.0];

/// Codes around the one wanted.
#[inline(always)]
fn around<const N: usize>(wanted: f32, unit: f32, steps: [f32; N]) -> [f32; N] {
    let below = if unit > 0.0 { (wanted / unit).floor() } else { 0.0 };
    let mut codes = steps;
    for code in &mut codes {
        *code = (below + *code).clamp(0.0, CODES);
    }
    codes
}

impl Common {
    #[inline(always)]
    fn add(&mut self, code: f32, least: f32, sums: Sums<f32>, group: &Group<32>) {
        let (count, sum) = group.count_and_sum();
        self.scale += code * code * sums.squares;
        self.both += code * least * sums.whole;
        self.least += least * least * count;
        self.with_scale += code * sums.product;
        self.with_least += least * sum;
    }

    #[inline(always)]
    fn solve(&self) -> Option<(f16, f16)> {
        let apart = self.scale * self.least - self.both * self.both;
        let scale = (self.with_scale * self.least - self.with_least * self.both) / apart;
        let least = (self.scale * self.with_least - self.both * self.with_scale) / apart;
        (apart > 0.0 && scale > 0.0 && least >= 0.0).then(|| (f16::from_f32(scale), f16::from_f32(least)))
    }
}

#[inline(always)]
fn groups<const N: usize, const G: usize>(x: &[f32; SIZE]) -> [Group<N>; G] {
    std::array::from_fn(
        #[inline(always)]
        |group| {
            let mut of = [0.0; N];
            of.copy_from_slice(&x[group * N..][..N]);
            Group::new(&of)
        },
    )
}

/// Q4_K: two scales, the codes of the lines, and whole numbers of 4 bits, those of two groups in a byte each.
#[inline(always)]
pub(super) fn q4_k(x: &[f32; SIZE]) -> [u8; 144] {
    let groups = groups::<32, LINES>(x);
    let lines = lines(&groups, 15.0, Steps { first: -1.0, size: 0.1, eights: 3 });
    let mut block = [0; 144];
    block[..16].copy_from_slice(&head(&lines));
    for pair in 0..LINES / 2 {
        let [low, high] =
            [2 * pair, 2 * pair + 1].map(|n| groups[n].whole(lines.of(n), Bounds { low: 0.0, high: 15.0 }));
        for n in 0..32 {
            block[16 + 32 * pair + n] = low[n] | high[n] << 4;
        }
    }
    block
}

/// Q5_K: as Q4_K, with the fifth bits before: bit `group` of byte `n`.
#[inline(always)]
pub(super) fn q5_k(x: &[f32; SIZE]) -> [u8; 176] {
    let groups = groups::<32, LINES>(x);
    let lines = lines(&groups, 31.0, Steps { first: -0.5, size: 0.1, eights: 2 });
    let mut block = [0; 176];
    block[..16].copy_from_slice(&head(&lines));
    for pair in 0..LINES / 2 {
        let [low, high] =
            [2 * pair, 2 * pair + 1].map(|n| groups[n].whole(lines.of(n), Bounds { low: 0.0, high: 31.0 }));
        for n in 0..32 {
            block[16 + n] |= low[n] >> 4 << (2 * pair) | high[n] >> 4 << (2 * pair + 1);
            block[48 + 32 * pair + n] = low[n] & 15 | high[n] << 4;
        }
    }
    block
}

/// Both scales and the codes, 6 bits each: of the first four groups in the lower bits of four bytes each, of the others
/// in four more bytes and what was left over.
#[inline(always)]
fn head(lines: &Lines) -> [u8; 16] {
    let mut head = [0; 16];
    head[..2].copy_from_slice(&lines.scale.to_le_bytes());
    head[2..4].copy_from_slice(&lines.least.to_le_bytes());
    let codes = lines.codes.map(|codes| codes.map(|code| code as u8));
    for n in 0..4 {
        let ([scale, least], [later, later_least]) = (codes[n], codes[n + 4]);
        head[4 + n] = scale | later >> 4 << 6;
        head[8 + n] = least | later_least >> 4 << 6;
        head[12 + n] = later & 15 | later_least << 4;
    }
    head
}

/// Q6_K: the lower 4 bits of whole numbers 32 too large, their upper 2 bits, a scale of 8 bits for each group, and what
/// these are multiplied with.
#[inline(always)]
pub(super) fn q6_k(x: &[f32; SIZE]) -> [u8; 210] {
    let groups = groups::<16, SCALES>(x);
    let Scales { unit, codes, .. } = scales(&groups);
    let mut whole = [0_u8; SIZE];
    for (n, group) in groups.iter().enumerate() {
        let line = Line { scale: unit.to_f32() * codes[n], least: 0.0 };
        whole[16 * n..][..16].copy_from_slice(&group.whole(line, SIX));
    }
    let mut block = [0; 210];
    for part in 0..2 {
        let quarter = |q: usize, n: usize| whole[128 * part + 32 * q + n];
        for n in 0..32 {
            block[64 * part + n] = quarter(0, n) & 15 | quarter(2, n) << 4;
            block[64 * part + 32 + n] = quarter(1, n) & 15 | quarter(3, n) << 4;
            let upper = |q: usize| quarter(q, n) >> 4 << (2 * q);
            block[128 + 32 * part + n] = upper(0) | upper(1) | upper(2) | upper(3);
        }
    }
    for n in 0..SCALES {
        block[192 + n] = codes[n] as i8 as u8;
    }
    block[208..].copy_from_slice(&unit.to_le_bytes());
    block
}

/// Whole numbers of 6 bits.
const SIX: Bounds = Bounds { low: -32.0, high: 31.0 };

/// Groups with the codes of their scales.
struct Scales {
    unit: f16,
    codes: [f32; SCALES],
    error: f32,
    /// What the codes would best be multiplied with.
    best: f32,
}

#[inline(always)]
fn scales(groups: &[Group<16>; SCALES]) -> Scales {
    let mut wanted = [0.0; SCALES];
    let mut far = 0_f32;
    for n in 0..SCALES {
        wanted[n] = groups[n].scale(SIX);
        far = if wanted[n].abs() > far.abs() { wanted[n] } else { far };
    }
    // The largest has the code -128, as one number more is below 0 than above.
    let mut best = coded_scales(groups, &wanted, f16::from_f32(far / -128.0));
    for _ in 0..ROUNDS {
        let found = coded_scales(groups, &wanted, f16::from_f32(best.best));
        if found.error >= best.error {
            break;
        }
        best = found;
    }
    best
}

/// The scales in 8 bits each that come nearest, of those around the ones wanted.
#[inline(always)]
fn coded_scales(groups: &[Group<16>; SCALES], wanted: &[f32; SCALES], unit: f16) -> Scales {
    let mut found = Scales { unit, codes: [0.0; SCALES], error: 0.0, best: 0.0 };
    let unit = unit.to_f32();
    let inverse = if unit != 0.0 { 1.0 / unit } else { 0.0 };
    let (mut squares, mut product) = (0.0, 0.0);
    for (n, group) in groups.iter().enumerate() {
        let middle = (wanted[n] * inverse).floor();
        let codes = Eight::steps(middle - 3.0, 1.0).nearest(Bounds { low: -128.0, high: 127.0 });
        let (lane, error, sums) = group.best(codes * Eight::all(unit), Eight::all(0.0), SIX);
        let code = codes.0[lane];
        found.codes[n] = code;
        found.error += error;
        squares += code * code * sums.squares;
        product += code * sums.product;
    }
    found.best = if squares > 0.0 { product / squares } else { unit };
    found
}
