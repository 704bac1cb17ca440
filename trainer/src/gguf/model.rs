//! How does a model get into a file of another type, with some of its weights replaced?

use std::{io::Write, path::Path};

use candle_core::quantized::{GgmlDType, gguf_file::Value};

use super::{
    encode::encode,
    file::{self, Entry, WriteError, ordered},
    mix::{self, FileType, Model},
};
use crate::base::Base;

/// Numbers that are in memory at once.
const PIECE: usize = 1 << 22;

/// Of which version the formats of quantized tensors are (`general.quantization_version`).
const QUANTIZATION: u32 = 2;

/// New numbers for a tensor, `[rows, columns]`; nothing for those that stay; or why they cannot be had.
pub type Changed<'a> = dyn Fn(&str) -> Result<Option<Vec<f32>>, String> + Sync + 'a;

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Bytes of the file.
    pub bytes: u64,
    /// Tensors in it.
    pub tensors: usize,
    /// Those of them that were taken over byte for byte.
    pub copied: usize,
    /// Those of them that `changed` gave.
    pub changed: usize,
    /// Those of them that had been rounded to another type before, so that they are now rounded twice.
    pub twice: usize,
}

/// Writes a model with most of its weights packed as `to`: those that `changed` gives are new, those that are of the
/// right type already are copied, all others packed anew. `extra` is said of the model beside what its base says, or in
/// place of it. The same model gives the same bytes.
///
/// # Errors
/// [`WriteError`]; what was at `out` before is then still there.
pub fn write_model(
    base: &Base,
    to: FileType,
    out: &Path,
    changed: &Changed<'_>,
    extra: &[(String, Value)],
) -> Result<Written, WriteError> {
    let entries = entries(base, to)?;
    let metadata = metadata(base, to, &entries, extra);
    let mut written = Written { bytes: 0, tensors: entries.len(), copied: 0, changed: 0, twice: 0 };
    let bytes = file::write(out, &metadata, &entries, &mut |entry, out| {
        let new = changed(&entry.name).map_err(|why| WriteError::Source { name: entry.name.clone(), why })?;
        written.changed += usize::from(new.is_some());
        match new {
            Some(numbers) => replace(entry, &numbers, out),
            None => match base.packed(&entry.name).filter(|(kind, _)| *kind == entry.kind) {
                Some((_, bytes)) => {
                    written.copied += 1;
                    put(out, bytes)
                }
                None => {
                    let is_rounded = base.packed(&entry.name).is_some_and(|(kind, _)| kind.block_size() > 1);
                    written.twice += usize::from(is_rounded && entry.kind.block_size() > 1);
                    convert(base, entry, out)
                }
            },
        }
    })?;
    Ok(Written { bytes, ..written })
}

fn entries(base: &Base, to: FileType) -> Result<Vec<Entry>, WriteError> {
    let shape = base.shape().map_err(WriteError::Model)?;
    let is_tied = base.size("output.weight").is_none();
    let model = Model { architecture: &shape.architecture, layers: shape.layers, is_tied };
    let mut names: Vec<&str> = base.names().collect();
    names.sort_by_key(|name| place(name));
    let entry = |name: &str| {
        let sizes = base.sizes(name).unwrap_or_default();
        Entry { name: name.to_owned(), kind: mix::kind(to, name, &sizes, model), sizes }
    };
    Ok(names.into_iter().map(entry).collect())
}

/// Where a tensor comes in a file: embeddings first, then layer for layer, then what comes after.
pub fn place(name: &str) -> (u8, usize, &str) {
    let layer = name.strip_prefix("blk.").and_then(|rest| rest.split_once('.'));
    match layer.and_then(|(layer, part)| Some((layer.parse().ok()?, part))) {
        Some((layer, part)) => (1, layer, part),
        None if name.starts_with("token_embd") || name.starts_with("rope_") => (0, 0, name),
        None => (2, 0, name),
    }
}

fn metadata(base: &Base, to: FileType, entries: &[Entry], extra: &[(String, Value)]) -> Vec<(String, Value)> {
    let mut all = base.metadata().clone();
    // How the base's own file was laid out.
    all.retain(|key, _| {
        key != "general.alignment" && key != "general.quantization_version" && !key.starts_with("split.")
    });
    all.insert("general.file_type".into(), Value::U32(to.number()));
    if entries.iter().any(|entry| entry.kind.block_size() > 1) {
        all.insert("general.quantization_version".into(), Value::U32(QUANTIZATION));
    }
    all.extend(extra.iter().cloned());
    ordered(&all)
}

fn replace(entry: &Entry, numbers: &[f32], out: &mut dyn Write) -> Result<(), WriteError> {
    let wanted = entry.sizes.iter().product::<usize>();
    if numbers.len() != wanted {
        let why = format!("{} numbers came for it, and it has {wanted}", numbers.len());
        return Err(WriteError::Source { name: entry.name.clone(), why });
    }
    let columns = entry.sizes.first().copied().unwrap_or(1).max(1);
    numbers.chunks(columns * rows_at_once(columns)).try_for_each(|piece| pack(entry, piece, out))
}

fn convert(base: &Base, entry: &Entry, out: &mut dyn Write) -> Result<(), WriteError> {
    let (rows, columns) = base.size(&entry.name).unwrap_or_default();
    let at_once = rows_at_once(columns);
    for from in (0..rows).step_by(at_once) {
        let piece = base.rows(&entry.name, from..rows.min(from + at_once));
        pack(entry, &piece.map_err(|why| WriteError::Source { name: entry.name.clone(), why })?, out)?;
    }
    Ok(())
}

fn rows_at_once(columns: usize) -> usize {
    (PIECE / columns.max(1)).max(1)
}

/// A whole number of rows.
fn pack(entry: &Entry, numbers: &[f32], out: &mut dyn Write) -> Result<(), WriteError> {
    let bytes = encode(entry.kind, numbers).map_err(|why| WriteError::Numbers { name: entry.name.clone(), why })?;
    put(out, &bytes)
}

fn put(out: &mut dyn Write, bytes: &[u8]) -> Result<(), WriteError> {
    out.write_all(bytes).map_err(|source| WriteError::File { file: String::new(), source })
}

/// How many tensors of a model are of each type.
pub fn kinds(base: &Base) -> Vec<(GgmlDType, usize)> {
    let mut kinds: Vec<(GgmlDType, usize)> = Vec::new();
    for kind in base.names().filter_map(|name| base.kind(name)) {
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    kinds.sort_by_key(|&(kind, count)| (std::cmp::Reverse(count), format!("{kind:?}")));
    kinds
}
