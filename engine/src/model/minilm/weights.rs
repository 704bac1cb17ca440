//! What numbers does a safetensors file hold? Read in one pass, checked, and named by their digest.
//!
//! The format: a u64 (little-endian) of header bytes, a JSON header `name → {dtype, shape, data_offsets}`, the data.

use std::{collections::HashMap, io::Read};

use serde::Deserialize;

/// The tensors of a file by name, and the digest of all its bytes.
#[derive(Debug)]
pub(super) struct Weights {
    tensors: HashMap<String, Tensor>,
    /// BLAKE3 of the file, in hexadecimal.
    pub(super) digest: String,
}

#[derive(Debug)]
struct Tensor {
    shape: Vec<usize>,
    values: Vec<f32>,
}

#[derive(Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// Longest header that is read, in bytes.
const MOST_HEADER: u64 = 16 << 20;

/// Bytes that are read at once; a multiple of a number's four.
const PIECE: usize = 256 << 10;

impl Weights {
    /// Reads the tensors whose names are wanted from a file of `length` bytes.
    pub(super) fn read(file: impl Read, length: u64, wanted: impl Fn(&str) -> bool) -> Result<Self, String> {
        let mut file = Source { file, digest: blake3::Hasher::new(), at: 0, piece: vec![0; PIECE] };
        let header = header(&mut file, length)?;
        let start = file.at;
        let mut tensors = HashMap::new();
        for (name, entry) in header {
            let (from, to) = entry.place(&name, length - start)?;
            if !wanted(&name) {
                continue;
            }
            if entry.dtype != "F32" {
                return Err(format!("its tensor `{name}` is of type {}, and F32 is needed", entry.dtype));
            }
            let gap = (start + from).checked_sub(file.at);
            file.skip(gap.ok_or_else(|| format!("its tensor `{name}` overlaps another"))?)?;
            tensors.insert(name, Tensor { values: file.numbers(to - from)?, shape: entry.shape });
        }
        file.skip(length - file.at)?;
        Ok(Self { tensors, digest: file.digest.finalize().to_hex().to_string() })
    }

    /// Takes a tensor out, which must have this shape.
    pub(super) fn take(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.remove(name).ok_or_else(|| format!("it has no tensor `{name}`"))?;
        if tensor.shape != shape {
            return Err(format!("its tensor `{name}` has the shape {:?}, and {shape:?} is needed", tensor.shape));
        }
        Ok(tensor.values)
    }
}

/// The entries in the order of their places.
fn header(file: &mut Source<impl Read>, length: u64) -> Result<Vec<(String, Entry)>, String> {
    let mut bytes = [0; 8];
    file.fill(&mut bytes)?;
    let count = u64::from_le_bytes(bytes);
    if count > MOST_HEADER.min(length.saturating_sub(8)) || length < 8 {
        return Err("it is not a safetensors file".into());
    }
    let mut text = vec![0; count as usize];
    file.fill(&mut text)?;
    let mut all: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(|error| format!("its header is not JSON: {error}"))?;
    all.remove("__metadata__");
    let entry = |(name, value)| {
        let entry = serde_json::from_value(value).map_err(|error| format!("its tensor `{name}`: {error}"))?;
        Ok((name, entry))
    };
    let mut entries: Vec<(String, Entry)> = all.into_iter().map(entry).collect::<Result<_, String>>()?;
    entries.sort_by(|a, b| (a.1.data_offsets, &a.0).cmp(&(b.1.data_offsets, &b.0)));
    Ok(entries)
}

impl Entry {
    /// First and past-the-last byte, within `length` bytes of data.
    fn place(&self, name: &str, length: u64) -> Result<(u64, u64), String> {
        let (from, to) = self.data_offsets;
        if from > to || to > length {
            return Err(format!("it is cut off: its tensor `{name}` lies beyond its end"));
        }
        let count = self.shape.iter().try_fold(4_u64, |count, &size| count.checked_mul(size as u64));
        if self.dtype == "F32" && count != Some(to - from) {
            return Err(format!("its tensor `{name}` has not as many numbers as its shape says"));
        }
        Ok((from, to))
    }
}

/// A file of which every byte that is read is digested.
struct Source<R> {
    file: R,
    digest: blake3::Hasher,
    at: u64,
    piece: Vec<u8>,
}

impl<R: Read> Source<R> {
    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.file.read_exact(bytes).map_err(|error| format!("it cannot be read: {error}"))?;
        self.digest.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Hands on the next bytes, piece by piece.
    fn pieces(&mut self, mut count: u64, mut each: impl FnMut(&[u8])) -> Result<(), String> {
        let mut piece = std::mem::take(&mut self.piece);
        while count > 0 {
            let part = &mut piece[..count.min(PIECE as u64) as usize];
            self.fill(part)?;
            each(part);
            count -= part.len() as u64;
        }
        self.piece = piece;
        Ok(())
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        self.pieces(count, |_| {})
    }

    fn numbers(&mut self, count: u64) -> Result<Vec<f32>, String> {
        let mut numbers = Vec::with_capacity(count as usize / 4);
        self.pieces(count, |piece| numbers.extend(piece.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four))))?;
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
    }

    fn read(bytes: &[u8]) -> Result<Weights, String> {
        Weights::read(bytes, bytes.len() as u64, |name| name != "other")
    }

    const HEADER: &str = r#"{"__metadata__":{"format":"pt"},"other":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},
        "b":{"dtype":"F32","shape":[1,2],"data_offsets":[12,20]},"a":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}"#;

    fn data() -> Vec<u8> {
        [&[0; 8][..], &1.5_f32.to_le_bytes(), &(-2.0_f32).to_le_bytes(), &0.25_f32.to_le_bytes(), &[7]].concat()
    }

    #[test]
    fn tensors_come_out_by_name_and_the_digest_is_that_of_the_file() {
        let bytes = file(HEADER, &data());
        let mut weights = read(&bytes).unwrap();
        assert_eq!(weights.digest, blake3::hash(&bytes).to_hex().as_str());
        assert_eq!(weights.take("b", &[2]).unwrap_err(), "its tensor `b` has the shape [1, 2], and [2] is needed");
        assert_eq!(weights.take("a", &[]).unwrap(), [1.5]);
        assert_eq!(weights.take("other", &[1]).unwrap_err(), "it has no tensor `other`");
        assert_eq!(read(&bytes).unwrap().take("b", &[1, 2]).unwrap(), [-2.0, 0.25]);
    }

    #[test]
    fn a_broken_file_is_refused() {
        let whole = file(HEADER, &data());
        for end in 0..whole.len() - 1 {
            assert!(read(&whole[..end]).is_err(), "cut at {end}");
        }
        assert_eq!(read(&[0xff; 64]).unwrap_err(), "it is not a safetensors file");
        let entry = |dtype: &str, shape: &str, offsets: &str| {
            let header = format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#);
            read(&file(&header, &[0; 8])).unwrap_err()
        };
        assert_eq!(entry("F16", "[4]", "[0,8]"), "its tensor `x` is of type F16, and F32 is needed");
        let wrong = "its tensor `x` has not as many numbers as its shape says";
        assert_eq!(entry("F32", "[3]", "[0,8]"), wrong);
        assert_eq!(entry("F32", "[4294967296,4294967296,4]", "[0,8]"), wrong);
        assert!(entry("F32", "[2]", "[8,16]").starts_with("it is cut off"));
        assert!(entry("F32", "[2]", "[8,0]").starts_with("it is cut off"));
        assert!(entry("F32", "[-1]", "[0,8]").contains("invalid value"));
        let overlap = r#"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#;
        assert_eq!(read(&file(overlap, &[0; 8])).unwrap_err(), "its tensor `y` overlaps another");
    }
}
