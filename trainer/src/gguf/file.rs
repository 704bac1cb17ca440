//! What do the bytes of a GGUF file look like? Version 3, little-endian, as ggml's `docs/gguf.md` has it.
//!
//! The header says beforehand where each tensor will lie, so that one after the other is written and none is kept.

use std::{
    collections::HashSet,
    io::{self, Write},
    path::Path,
};

use candle_core::quantized::{GgmlDType, gguf_file::Value};
use engine::model::local::gguf::Metadata;

use super::encode::EncodeError;
use crate::files;

/// What a tensor's offset is a multiple of, in bytes.
const ALIGNMENT: u64 = 32;

/// Bytes of a tensor's name, with the zero that ends it in ggml (`GGML_MAX_NAME`).
const MOST_NAME: usize = 64;

/// Bytes of a key.
const MOST_KEY: usize = 65_535;

/// Dimensions of a tensor (`GGML_MAX_DIMS`).
const MOST_DIMENSIONS: usize = 4;

/// A tensor that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name in ggml.
    pub name: String,
    /// Its dimensions, the fastest first.
    pub sizes: Vec<usize>,
    /// How its numbers are packed.
    pub kind: GgmlDType,
}

/// Why a file could not be written. What was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The system says so.
    #[error("cannot write `{file}`: {source}")]
    File {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file of this format cannot hold it.
    #[error("a GGUF file cannot hold `{name}`: {why}")]
    Format {
        /// A tensor or a key.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The numbers of a tensor cannot be had.
    #[error("the tensor `{name}` cannot be read: {why}")]
    Source {
        /// The tensor.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// The numbers of a tensor cannot be packed.
    #[error("the tensor `{name}` cannot be written: {why}")]
    Numbers {
        /// The tensor.
        name: String,
        /// What is wrong with them.
        why: EncodeError,
    },
    /// The model is none that is known here.
    #[error("this model cannot be converted: {0}")]
    Model(String),
}

impl WriteError {
    fn format(name: &str, why: impl Into<String>) -> Self {
        Self::Format { name: name.to_owned(), why: why.into() }
    }
}

impl Entry {
    /// Bytes that its numbers take; nothing when its rows fill no whole blocks, or it is larger than any memory.
    pub fn bytes(&self) -> Option<u64> {
        let (first, others) = self.sizes.split_first()?;
        let blocks = first.is_multiple_of(self.kind.block_size()).then(|| first / self.kind.block_size())?;
        let rows = others.iter().try_fold(1_usize, |rows, &size| rows.checked_mul(size))?;
        u64::try_from(rows.checked_mul(blocks)?.checked_mul(self.kind.type_size())?).ok()
    }

    fn check(&self) -> Result<(), WriteError> {
        let wrong = |why: String| Err(WriteError::format(&self.name, why));
        if self.name.is_empty() || self.name.len() >= MOST_NAME || self.name.contains('\0') {
            return wrong(format!("a name has between 1 and {} bytes", MOST_NAME - 1));
        }
        if self.sizes.is_empty() || self.sizes.len() > MOST_DIMENSIONS || self.sizes.contains(&0) {
            return wrong(format!("it has the dimensions {:?}", self.sizes));
        }
        match self.bytes() {
            None => wrong(format!("{:?} cannot have the dimensions {:?}", self.kind, self.sizes)),
            Some(_) => Ok(()),
        }
    }
}

/// The order in which a file says what it is: in general, of its architecture, of its tokens, each by name.
pub fn ordered(metadata: &Metadata) -> Vec<(String, Value)> {
    let rank = |key: &str| match key {
        "general.architecture" => 0,
        _ if key.starts_with("general.") => 1,
        _ if key.starts_with("tokenizer.") => 3,
        _ => 2,
    };
    let mut values: Vec<_> = metadata.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
    values.sort_by(|(a, _), (b, _)| (rank(a), a).cmp(&(rank(b), b)));
    values
}

/// Writes a file, whole or not at all. `data` is asked for the bytes of each tensor, in the order of the entries.
///
/// # Errors
/// [`WriteError`]; also when `data` writes another number of bytes than the entry has.
pub fn write(
    path: &Path,
    metadata: &[(String, Value)],
    entries: &[Entry],
    data: &mut dyn FnMut(&Entry, &mut dyn Write) -> Result<(), WriteError>,
) -> Result<u64, WriteError> {
    let header = header(metadata, entries)?;
    let mut length = header.len() as u64;
    let mut failed = None;
    let written = files::replace(path, |out| {
        out.write_all(&header)?;
        for entry in entries {
            let mut counted = Counted { out, bytes: 0 };
            if let Err(why) = one(entry, &mut counted, data) {
                failed = Some(why);
                return Err(io::Error::other("a tensor is missing"));
            }
            length += counted.bytes + pad(counted.out, counted.bytes)?;
        }
        Ok(())
    });
    let named = |source| WriteError::File { file: path.display().to_string(), source };
    match (failed, written) {
        // What the system said of a write is about the file, not about the tensor.
        (Some(WriteError::File { source, .. }), _) => Err(named(source)),
        (Some(why), _) => Err(why),
        (None, Err(source)) => Err(named(source)),
        (None, Ok(())) => Ok(length),
    }
}

fn one(
    entry: &Entry,
    out: &mut Counted<'_>,
    data: &mut dyn FnMut(&Entry, &mut dyn Write) -> Result<(), WriteError>,
) -> Result<(), WriteError> {
    data(entry, out)?;
    match entry.bytes() {
        Some(bytes) if bytes == out.bytes => Ok(()),
        _ => Err(WriteError::format(&entry.name, format!("{} bytes are no tensor {:?}", out.bytes, entry.sizes))),
    }
}

fn header(metadata: &[(String, Value)], entries: &[Entry]) -> Result<Vec<u8>, WriteError> {
    let mut out = Vec::new();
    out.extend_from_slice(b"GGUF");
    out.extend_from_slice(&3_u32.to_le_bytes());
    out.extend_from_slice(&(entries.len() as u64).to_le_bytes());
    out.extend_from_slice(&(metadata.len() as u64).to_le_bytes());
    let mut keys = HashSet::new();
    for (key, value) in metadata {
        if key.is_empty() || key.len() > MOST_KEY || !keys.insert(key) {
            return Err(WriteError::format(key, "a key is there once, and has between 1 and 65535 bytes"));
        }
        put_text(&mut out, key);
        out.extend_from_slice(&kind_of(value).to_le_bytes());
        put(&mut out, value).map_err(|why| WriteError::format(key, why))?;
    }
    let mut names = HashSet::new();
    let mut offset = 0_u64;
    for entry in entries {
        entry.check()?;
        if !names.insert(&entry.name) {
            return Err(WriteError::format(&entry.name, "there are two of this name"));
        }
        put_entry(&mut out, entry, offset);
        offset += entry.bytes().unwrap_or_default().next_multiple_of(ALIGNMENT);
    }
    out.resize(out.len().next_multiple_of(ALIGNMENT as usize), 0);
    Ok(out)
}

fn put_entry(out: &mut Vec<u8>, entry: &Entry, offset: u64) {
    put_text(out, &entry.name);
    out.extend_from_slice(&(entry.sizes.len() as u32).to_le_bytes());
    for &size in &entry.sizes {
        out.extend_from_slice(&(size as u64).to_le_bytes());
    }
    out.extend_from_slice(&number_of(entry.kind).to_le_bytes());
    out.extend_from_slice(&offset.to_le_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u64).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put(out: &mut Vec<u8>, value: &Value) -> Result<(), &'static str> {
    match value {
        Value::U8(n) => out.push(*n),
        Value::I8(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::U16(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::I16(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::U32(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::I32(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::U64(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::I64(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::F32(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::F64(n) => out.extend_from_slice(&n.to_le_bytes()),
        Value::Bool(n) => out.push(u8::from(*n)),
        Value::String(text) => put_text(out, text),
        Value::Array(values) => {
            // Nobody can tell what an empty one was of.
            let kind = values.first().map_or(TEXT, kind_of);
            if values.iter().any(|value| kind_of(value) != kind) {
                return Err("an array has values of one type");
            }
            out.extend_from_slice(&kind.to_le_bytes());
            out.extend_from_slice(&(values.len() as u64).to_le_bytes());
            values.iter().try_for_each(|value| put(out, value))?;
        }
    }
    Ok(())
}

/// The type of a text.
const TEXT: u32 = 8;

fn kind_of(value: &Value) -> u32 {
    match value {
        Value::U8(_) => 0,
        Value::I8(_) => 1,
        Value::U16(_) => 2,
        Value::I16(_) => 3,
        Value::U32(_) => 4,
        Value::I32(_) => 5,
        Value::F32(_) => 6,
        Value::Bool(_) => 7,
        Value::String(_) => TEXT,
        Value::Array(_) => 9,
        Value::U64(_) => 10,
        Value::I64(_) => 11,
        Value::F64(_) => 12,
    }
}

/// ggml's number for a type of tensors.
fn number_of(kind: GgmlDType) -> u32 {
    match kind {
        GgmlDType::F32 => 0,
        GgmlDType::F16 => 1,
        GgmlDType::Q4_0 => 2,
        GgmlDType::Q4_1 => 3,
        GgmlDType::Q5_0 => 6,
        GgmlDType::Q5_1 => 7,
        GgmlDType::Q8_0 => 8,
        GgmlDType::Q8_1 => 9,
        GgmlDType::Q2K => 10,
        GgmlDType::Q3K => 11,
        GgmlDType::Q4K => 12,
        GgmlDType::Q5K => 13,
        GgmlDType::Q6K => 14,
        GgmlDType::Q8K => 15,
        GgmlDType::BF16 => 30,
    }
}

/// Fills up to the next multiple of the alignment; gives how many bytes that took.
fn pad(out: &mut dyn Write, bytes: u64) -> io::Result<u64> {
    let rest = bytes.next_multiple_of(ALIGNMENT) - bytes;
    out.write_all(&[0; ALIGNMENT as usize][..rest as usize])?;
    Ok(rest)
}

/// Counts what is written.
struct Counted<'a> {
    out: &'a mut dyn Write,
    bytes: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
