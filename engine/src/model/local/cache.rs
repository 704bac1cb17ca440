//! What has been read so far? Keys and values of every layer, and the tokens that they stand for.

use half::{f16, slice::HalfFloatSliceExt};

/// Keys that lie together, so that a register holds the same component of several.
pub(super) const LANES: usize = 16;

/// Tokens for which room is made at once.
const STEP: usize = 256;

/// Keys and values of the tokens read so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Cache {
    pub(super) tokens: Vec<u32>,
    pub(super) layers: Vec<Layer>,
}

/// Those of one layer, by head.
pub(super) type Layer = Vec<Head>;

/// Those of one head, in half precision.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    /// `[tokens / LANES, size, LANES]`.
    pub(super) keys: Vec<f16>,
    /// `[tokens, size]`.
    pub(super) values: Vec<f16>,
}

impl Cache {
    /// An empty one.
    pub(super) fn new(layers: usize, heads: usize) -> Self {
        Self { tokens: Vec::new(), layers: vec![vec![Head::default(); heads]; layers] }
    }

    /// Forgets all but the first tokens; `size` is that of a head.
    pub(super) fn truncate(&mut self, tokens: usize, size: usize) {
        self.tokens.truncate(tokens);
        for head in self.layers.iter_mut().flatten() {
            head.keys.truncate(tokens.div_ceil(LANES) * LANES * size);
            head.values.truncate(tokens * size);
        }
    }

    /// How many tokens at the beginning are those of a text.
    pub(super) fn common(&self, tokens: &[u32]) -> usize {
        self.tokens.iter().zip(tokens).take_while(|(a, b)| a == b).count()
    }
}

impl Head {
    /// Adds a token: its key and its value.
    pub(super) fn push(&mut self, key: &[f32], value: &[f32]) {
        let size = key.len();
        let (token, at) = (self.values.len() / size, self.values.len());
        if token.is_multiple_of(STEP) {
            self.keys.reserve_exact(STEP * size);
            self.values.reserve_exact(STEP * size);
        }
        self.values.resize(at + size, f16::ZERO);
        self.values[at..].convert_from_f32_slice(value);
        let block = token / LANES * LANES * size;
        if self.keys.len() == block {
            self.keys.resize(block + LANES * size, f16::ZERO);
        }
        for (column, &value) in self.keys[block..].chunks_exact_mut(LANES).zip(key) {
            column[token % LANES] = f16::from_f32(value);
        }
    }
}
