//! How is an adapter written as a file that llama.cpp and the engine lay over a model?
//!
//! As llama.cpp's `convert_lora_to_gguf.py` does: two thin matrices for each of the base's, named after it.

use std::path::Path;

use candle_core::quantized::{GgmlDType, gguf_file::Value};

use super::{
    encode::encode,
    file::{self, Entry, WriteError, ordered},
};

/// What is added to a matrix of the base: `alpha / rank · B A`.
#[derive(Debug, Clone)]
pub struct Thin<'a> {
    /// The base's tensor, with ggml's name and layout: `blk.0.attn_q.weight`.
    pub name: &'a str,
    /// Rows of A, columns of B.
    pub rank: usize,
    /// `[rank, columns]`.
    pub a: &'a [f32],
    /// `[rows, rank]`.
    pub b: &'a [f32],
}

/// Writes an adapter for a model of this architecture, in single precision. `extra` is said of it besides.
///
/// # Errors
/// [`WriteError`]; what was at `out` before is then still there.
pub fn write_adapter(
    out: &Path,
    architecture: &str,
    alpha: f32,
    parts: &[Thin<'_>],
    extra: &[(String, Value)],
) -> Result<u64, WriteError> {
    let text = |text: &str| Value::String(text.to_owned());
    let own = [
        ("general.architecture".to_owned(), text(architecture)),
        ("general.type".to_owned(), text("adapter")),
        ("general.file_type".to_owned(), Value::U32(0)),
        ("adapter.type".to_owned(), text("lora")),
        ("adapter.lora.alpha".to_owned(), Value::F32(alpha)),
    ];
    let metadata = own.into_iter().chain(extra.iter().cloned()).collect();
    let (mut entries, mut data) = (Vec::new(), Vec::new());
    for part in parts {
        let (columns, rows) = part.sizes()?;
        for (half, sizes, numbers) in [("a", [columns, part.rank], part.a), ("b", [part.rank, rows], part.b)] {
            let name = format!("{}.lora_{half}", part.name);
            entries.push(Entry { name, sizes: sizes.to_vec(), kind: GgmlDType::F32 });
            data.push(numbers);
        }
    }
    let mut data = data.into_iter();
    file::write(out, &ordered(&metadata), &entries, &mut |entry, out| {
        let numbers = data.next().unwrap_or_default();
        let bytes = encode(entry.kind, numbers);
        let bytes = bytes.map_err(|why| WriteError::Numbers { name: entry.name.clone(), why })?;
        out.write_all(&bytes).map_err(|source| WriteError::File { file: String::new(), source })
    })
}

impl Thin<'_> {
    /// Columns of A and rows of B.
    fn sizes(&self) -> Result<(usize, usize), WriteError> {
        let fits = |numbers: &[f32]| self.rank > 0 && !numbers.is_empty() && numbers.len().is_multiple_of(self.rank);
        match fits(self.a) && fits(self.b) {
            true => Ok((self.a.len() / self.rank, self.b.len() / self.rank)),
            false => Err(WriteError::Source {
                name: self.name.to_owned(),
                why: format!("{} and {} numbers are no matrices of rank {}", self.a.len(), self.b.len(), self.rank),
            }),
        }
    }
}
