//! Which vectors lie near? A scan over bytes in memory, exact enough to find what an exact scan would.
//!
//! Each vector of length one is kept as one byte a component with a factor of its own. The scan reads all of them (time
//! grows with their number, nothing is built and nothing goes stale); the best few are compared again in f32.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{
    code::encode,
    error::IndexError,
    store::{Store, UnitId, chunk_id},
};

/// The codes of every chunk in view, side by side.
pub(super) struct Codes {
    dimensions: usize,
    ids: Vec<u64>,
    factors: Vec<f32>,
    codes: Vec<i8>,
    at: HashMap<u64, u32>,
}

impl Codes {
    /// Reads the codes of these units; a unit whose vectors are still to be made has none.
    pub(super) fn load(store: &Store, units: &[UnitId], dimensions: usize) -> Result<Self, IndexError> {
        let mut loaded =
            Self { dimensions, ids: Vec::new(), factors: Vec::new(), codes: Vec::new(), at: HashMap::new() };
        let sql = "SELECT codes FROM code WHERE unit = ?1";
        let mut statement = store.connection.prepare_cached(sql).map_err(IndexError::store)?;
        for &unit in units {
            let mut rows = statement.query([unit]).map_err(IndexError::store)?;
            if let Some(row) = rows.next().map_err(IndexError::store)? {
                let bytes = row.get_ref(0).map_err(IndexError::store)?;
                loaded.push(unit, bytes.as_blob().unwrap_or_default());
            }
        }
        Ok(loaded)
    }

    fn push(&mut self, unit: UnitId, bytes: &[u8]) {
        for (ordinal, one) in bytes.chunks_exact(4 + self.dimensions).enumerate() {
            let (factor, codes) = one.split_at(4);
            self.ids.push(chunk_id(unit, ordinal));
            self.factors.push(f32::from_le_bytes([factor[0], factor[1], factor[2], factor[3]]));
            self.codes.extend(codes.iter().map(|&byte| byte as i8));
        }
    }

    /// The `most` chunks whose vectors lie nearest, as (chunk, cosine), nearest first.
    pub(super) fn nearest(&self, query: &[f32], most: usize) -> Vec<(u64, f32)> {
        if query.len() != self.dimensions || self.ids.is_empty() {
            return Vec::new();
        }
        let (factor, query) = quantized(query);
        let score = |at: usize| {
            let code = &self.codes[at * self.dimensions..(at + 1) * self.dimensions];
            dot(&query, code) as f32 * factor * self.factors[at]
        };
        let per_thread = 4096;
        let blocks: Vec<usize> = (0..self.ids.len()).step_by(per_thread).collect();
        let mut best: Vec<(f32, usize)> = blocks
            .par_iter()
            .flat_map_iter(|&from| {
                let to = (from + per_thread).min(self.ids.len());
                let mut block: Vec<(f32, usize)> = (from..to).map(|at| (score(at), at)).collect();
                keep_best(&mut block, most);
                block
            })
            .collect();
        keep_best(&mut best, most);
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.into_iter().map(|(score, at)| (self.ids[at], score)).collect()
    }

    /// The cosine of some chunk with the query; none where the chunk has no vector.
    pub(super) fn cosine(&mut self, query: &[f32], chunk: u64) -> Option<f32> {
        if self.at.is_empty() {
            self.at = self.ids.iter().enumerate().map(|(at, &id)| (id, at as u32)).collect();
        }
        let at = *self.at.get(&chunk)? as usize;
        let code = self.codes.get(at * self.dimensions..(at + 1) * self.dimensions)?;
        let sum: f32 = code.iter().zip(query).map(|(&code, value)| f32::from(code) * value).sum();
        Some(sum * self.factors[at])
    }
}

fn quantized(query: &[f32]) -> (f32, Vec<i8>) {
    let encoded = encode(query);
    let (factor, codes) = encoded.split_at(4);
    let factor = f32::from_le_bytes([factor[0], factor[1], factor[2], factor[3]]);
    (factor, codes.iter().map(|&byte| byte as i8).collect())
}

fn keep_best(scored: &mut Vec<(f32, usize)>, most: usize) {
    if scored.len() > most && most > 0 {
        scored.select_nth_unstable_by(most - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        scored.truncate(most);
    }
}

/// The sum of products of two rows of bytes, with the widest instructions this processor has.
#[multiversion::multiversion(targets("x86_64+avx512f+avx512bw", "x86_64+avx2", "aarch64+neon"))]
fn dot(a: &[i8], b: &[i8]) -> i32 {
    a.iter().zip(b).map(|(&a, &b)| i32::from(i16::from(a) * i16::from(b))).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(vectors: &[Vec<f32>]) -> Codes {
        let dimensions = vectors[0].len();
        let mut codes =
            Codes { dimensions, ids: Vec::new(), factors: Vec::new(), codes: Vec::new(), at: HashMap::new() };
        codes.push(1, &vectors.iter().flat_map(|vector| encode(vector)).collect::<Vec<u8>>());
        codes
    }

    fn unit(mut vector: Vec<f32>) -> Vec<f32> {
        crate::model::table::normalize(&mut vector);
        vector
    }

    proptest! {
        #[test]
        fn a_code_is_close_to_its_vector(vector in prop::collection::vec(-1.0_f32..1.0, 64), other in prop::collection::vec(-1.0_f32..1.0, 64)) {
            let (vector, other) = (unit(vector), unit(other));
            let exact: f32 = vector.iter().zip(&other).map(|(a, b)| a * b).sum();
            let mut codes = codes(&[vector]);
            let (_, found) = codes.nearest(&other, 1)[0];
            prop_assert!((found - exact).abs() < 0.02);
            prop_assert!((codes.cosine(&other, chunk_id(1, 0)).unwrap() - exact).abs() < 0.02);
        }

        #[test]
        fn the_nearest_come_first(vectors in prop::collection::vec(prop::collection::vec(-1.0_f32..1.0, 32), 1..40)) {
            let vectors: Vec<_> = vectors.into_iter().map(unit).collect();
            let found = codes(&vectors).nearest(&vectors[0], 10);
            prop_assert!(found.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            prop_assert!(found.iter().any(|&(id, _)| id == chunk_id(1, 0)));
        }
    }
}
