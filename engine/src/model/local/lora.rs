//! What does an adapter add to a matrix of weights? A product of two thin ones (LoRA, arXiv 2106.09685).

use std::path::Path;

use super::{
    gguf::{self, Gguf},
    kernel::dot,
};

/// What is added to the product with one matrix: `scale · B(A x)`.
#[derive(Debug, Clone)]
pub(super) struct Adapter {
    /// `[rank, columns]`.
    a: Vec<f32>,
    /// `[rows, rank]`.
    b: Vec<f32>,
    rank: usize,
    scale: f32,
}

/// A file of adapters, as llama.cpp's `convert_lora_to_gguf.py` writes it.
#[derive(Debug)]
pub(super) struct Adapters {
    pub(super) file: Gguf,
    alpha: f32,
}

impl Adapters {
    /// Opens a file that adapts a model of this architecture.
    pub(super) fn open(path: &Path, architecture: &str) -> Result<Self, String> {
        let file = Gguf::open(path)?;
        let text = |key| gguf::text(&file.metadata, key).unwrap_or_default();
        if (text("general.type"), text("adapter.type")) != ("adapter", "lora") {
            return Err("it is no LoRA adapter".into());
        }
        if text("general.architecture") != architecture {
            let other = text("general.architecture");
            return Err(format!("it adapts a model of the architecture `{other}`, and this one is `{architecture}`"));
        }
        let alpha = gguf::float(&file.metadata, "adapter.lora.alpha")?.unwrap_or(0.0);
        match file.tensors.keys().find(|name| !is_adapted(name)) {
            Some(name) => Err(format!("its tensor `{name}` adapts what cannot be adapted here")),
            None => Ok(Self { file, alpha }),
        }
    }

    /// What it adds to a matrix, if anything.
    pub(super) fn of(&self, name: &str, rows: usize, columns: usize) -> Result<Option<Adapter>, String> {
        let names = [format!("{name}.lora_a"), format!("{name}.lora_b")];
        let Some(rank) = self.file.tensors.get(&names[0]).map(|tensor| tensor.rows) else {
            return match self.file.tensors.contains_key(&names[1]) {
                true => Err(format!("it has no tensor `{}`", names[0])),
                false => Ok(None),
            };
        };
        let matrix = |name: &str, rows, columns| self.file.floats(self.file.tensor(name, rows, columns)?, 0..rows);
        let (a, b) = (matrix(&names[0], rank, columns)?, matrix(&names[1], rows, rank)?);
        let scale = if self.alpha == 0.0 { 1.0 } else { self.alpha / rank as f32 };
        Ok(Some(Adapter { a, b, rank, scale }))
    }
}

/// Whether a tensor of this name adapts what can be adapted: a matrix of a layer.
fn is_adapted(name: &str) -> bool {
    let Some(name) = name.strip_suffix(".lora_a").or_else(|| name.strip_suffix(".lora_b")) else { return false };
    let parts: Vec<&str> = name.split('.').collect();
    let known = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
    matches!(parts[..], ["blk", layer, part, "weight"] if layer.parse::<u32>().is_ok() && known.contains(&part))
}

impl Adapter {
    /// Adds to a row of products what belongs to the row of the input.
    pub(super) fn add(&self, row: &[f32], products: &mut [f32]) {
        let thin: Vec<f32> = self.a.chunks_exact(row.len()).map(|a| self.scale * dot(a, row)).collect();
        for (product, b) in products.iter_mut().zip(self.b.chunks_exact(self.rank)) {
            *product += dot(b, &thin);
        }
    }
}
