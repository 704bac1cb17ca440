//! What is a row times a matrix of weights? By our own tiles where the processor can, by candle elsewhere.

use candle_core::{Module, Tensor as Values, quantized::QMatMul};
use rayon::prelude::*;

use super::{
    block::{Block, blocks, quantize},
    device::{device, is_own},
    gguf::{Gguf, Tensor, quantized},
    kernel::each_row,
    lora::Adapter,
    tiles::{TILE, Tiles},
};

/// Matrices that are multiplied with the same rows, their products side by side.
#[derive(Debug)]
pub(super) struct Linear {
    parts: Vec<Part>,
    columns: usize,
    pub(super) rows: usize,
}

#[derive(Debug)]
struct Part {
    weights: Weights,
    rows: usize,
    bias: Option<Vec<f32>>,
    adapters: Vec<Adapter>,
}

#[derive(Debug)]
enum Weights {
    Tiles(Tiles),
    Candle(QMatMul),
}

/// A matrix of a file, its bias, and what adapters add to it.
pub(super) type Source<'a> = (&'a Tensor, Option<Vec<f32>>, Vec<Adapter>);

/// Rows to be multiplied: `[rows, columns]`.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) values: Vec<f32>,
    blocks: Vec<Block>,
    columns: usize,
}

/// Fewest rows for which each thread reads all weights, instead of some weights for all rows.
const MANY: usize = 16;

impl Input {
    /// Fills in rows of so many columns, each by `fill`, which is told its number.
    pub(super) fn fill(&mut self, rows: usize, columns: usize, fill: impl Fn(usize, &mut [f32]) + Sync) {
        let blocks = if is_own() { blocks(columns) } else { 0 };
        self.columns = columns;
        self.values.resize(rows * columns, 0.0);
        self.blocks.resize(rows * blocks, Block::default());
        if blocks == 0 {
            return each_row(&mut self.values, columns, fill);
        }
        let each = |(n, (row, blocks)): (usize, (&mut [f32], &mut [Block]))| {
            fill(n, row);
            quantize(row, blocks);
        };
        if rows < MANY {
            self.values.chunks_mut(columns).zip(self.blocks.chunks_mut(blocks)).enumerate().for_each(each);
        } else {
            let parts = self.values.par_chunks_mut(columns).zip(self.blocks.par_chunks_mut(blocks));
            parts.enumerate().with_min_len(8).for_each(each);
        }
    }
}

impl Linear {
    /// One of several matrices of a file, all with as many columns; each with its bias and what adapters add to it.
    pub(super) fn new(file: &Gguf, parts: Vec<Source<'_>>) -> Result<Self, String> {
        let columns = parts.first().map_or(0, |part| part.0.columns);
        let part = |(tensor, bias, adapters): Source<'_>| {
            Ok(Part { weights: Weights::new(file, tensor)?, rows: tensor.rows, bias, adapters })
        };
        let parts: Vec<Part> = parts.into_iter().map(part).collect::<Result<_, String>>()?;
        Ok(Self { columns, rows: parts.iter().map(|part| part.rows).sum(), parts })
    }

    /// Multiplies: `[rows of the input, rows of the matrices]`.
    pub(super) fn forward(&self, input: &Input, out: &mut Vec<f32>) -> Result<(), String> {
        debug_assert_eq!(input.columns, self.columns);
        let count = input.values.len() / self.columns;
        out.resize(count * self.rows, 0.0);
        if !is_own() {
            self.by_candle(input, count, out)?;
        } else if count >= MANY {
            self.by_rows(input, count, out);
        } else {
            self.by_tiles(input, count, out);
        }
        self.finish(input, out);
        Ok(())
    }

    fn tiles(&self) -> impl Iterator<Item = (&Tiles, usize)> {
        let mut at = 0;
        self.parts.iter().filter_map(move |part| {
            at += part.rows;
            match &part.weights {
                Weights::Tiles(tiles) => Some((tiles, at - part.rows)),
                Weights::Candle(_) => None,
            }
        })
    }

    /// Each thread takes some rows of the input.
    fn by_rows(&self, input: &Input, count: usize, out: &mut [f32]) {
        let each = count.div_ceil(rayon::current_num_threads()).next_multiple_of(8);
        let blocks = blocks(self.columns);
        let parts = out.par_chunks_mut(each * self.rows).zip(input.blocks.par_chunks(each * blocks));
        parts.for_each(|(out, acts)| {
            for (tiles, at) in self.tiles() {
                tiles.multiply(0..tiles.rows.div_ceil(TILE), acts, |row, column, sums| {
                    let room = &mut out[row * self.rows + at + column..][..TILE.min(tiles.rows - column)];
                    room.copy_from_slice(&sums[..room.len()]);
                });
            }
        });
    }

    /// Each thread takes some tiles, which it writes one after the other: `[tiles, rows of the input, TILE]`.
    fn by_tiles(&self, input: &Input, count: usize, out: &mut [f32]) {
        let total: usize = self.tiles().map(|(tiles, _)| tiles.rows.div_ceil(TILE)).sum();
        if count == 1 && total * TILE == self.rows {
            return self.some_tiles(input, count, out);
        }
        let mut products = vec![0.0; total * count * TILE];
        self.some_tiles(input, count, &mut products);
        let mut products = products.chunks_exact(TILE);
        for (tiles, at) in self.tiles() {
            for column in (0..tiles.rows).step_by(TILE) {
                for (row, sums) in products.by_ref().take(count).enumerate() {
                    let room = &mut out[row * self.rows + at + column..][..TILE.min(tiles.rows - column)];
                    room.copy_from_slice(&sums[..room.len()]);
                }
            }
        }
    }

    fn some_tiles(&self, input: &Input, count: usize, products: &mut [f32]) {
        let size = count * TILE;
        let each = (products.len() / size).div_ceil(rayon::current_num_threads() * SHARES);
        products.par_chunks_mut(each * size).enumerate().for_each(|(n, products)| {
            let (mut first, end) = (n * each, n * each + products.len() / size);
            let mut before = 0;
            for (tiles, _) in self.tiles() {
                let tiles_here = tiles.rows.div_ceil(TILE);
                let range = first..end.min(before + tiles_here);
                if !range.is_empty() {
                    first = range.end;
                    tiles.multiply(range.start - before..range.end - before, &input.blocks, |row, column, sums| {
                        let at = (before + column / TILE - n * each) * size + row * TILE;
                        products[at..][..TILE].copy_from_slice(sums);
                    });
                }
                before += tiles_here;
            }
        });
    }

    fn by_candle(&self, input: &Input, count: usize, out: &mut [f32]) -> Result<(), String> {
        let mut at = 0;
        for part in &self.parts {
            if let Weights::Candle(matrix) = &part.weights {
                let multiply = || {
                    let rows = Values::from_slice(&input.values, (count, self.columns), device())?;
                    matrix.forward(&rows)?.flatten_all()?.to_vec1::<f32>()
                };
                let products = multiply().map_err(|why: candle_core::Error| why.to_string())?;
                for (products, out) in products.chunks_exact(part.rows).zip(out.chunks_exact_mut(self.rows)) {
                    out[at..][..part.rows].copy_from_slice(products);
                }
            }
            at += part.rows;
        }
        Ok(())
    }

    /// Adds biases and adapters.
    fn finish(&self, input: &Input, out: &mut [f32]) {
        if self.parts.iter().all(|part| part.bias.is_none() && part.adapters.is_empty()) {
            return;
        }
        each_row(out, self.rows, |n, mut out| {
            let row = &input.values[n * self.columns..][..self.columns];
            for part in &self.parts {
                let (here, rest) = out.split_at_mut(part.rows);
                out = rest;
                for (value, bias) in here.iter_mut().zip(part.bias.iter().flatten()) {
                    *value += bias;
                }
                part.adapters.iter().for_each(|adapter| adapter.add(row, here));
            }
        });
    }
}

/// Shares of the tiles that each thread gets, so that none waits long for another.
const SHARES: usize = 4;

impl Weights {
    fn new(file: &Gguf, tensor: &Tensor) -> Result<Self, String> {
        if is_own() {
            return Ok(Self::Tiles(Tiles::new(file, tensor)?));
        }
        let make = || {
            let bytes = file.bytes(tensor, 0..tensor.rows);
            let matrix = quantized(bytes, tensor.kind, (tensor.rows, tensor.columns).into(), device())?;
            QMatMul::from_qtensor(matrix)
        };
        let matrix = make().map_err(|why: candle_core::Error| why.to_string())?;
        Ok(Self::Candle(matrix))
    }
}
