//! Where do the weights of a folder lie? In one file of safetensors or several, with an index.
//!
//! The format is that of the crate `safetensors`. What a header says is compared with the file's length before it is
//! believed; the crate itself would want the whole file in memory for that.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use half::{bf16, f16};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use serde::Deserialize;

use crate::files::{self, Shelf};

/// Bytes of a header that are read: the format's own limit.
const MOST_HEADER: u64 = 100_000_000;

/// Bytes of an index that are read.
const MOST_INDEX: u64 = 64 << 20;

/// Files that a model may have.
const MOST_FILES: usize = 1024;

/// Tensors in several files.
#[derive(Debug)]
pub(super) struct Shards {
    files: Vec<Shelf>,
    /// By the name that the hub has for them.
    pub(super) tensors: HashMap<String, Lying>,
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
pub(super) struct Lying {
    file: usize,
    /// Of its first byte.
    offset: u64,
    /// Its dimensions, the slowest first.
    pub(super) sizes: Vec<usize>,
    /// What its numbers are.
    pub(super) numbers: Numbers,
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    F32,
    F16,
    Bf16,
}

impl Numbers {
    fn of(dtype: Dtype) -> Option<Self> {
        match dtype {
            Dtype::F32 => Some(Self::F32),
            Dtype::F16 => Some(Self::F16),
            Dtype::BF16 => Some(Self::Bf16),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        if self == Self::F32 { 4 } else { 2 }
    }
}

/// The file that says which tensor is where.
#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

impl Shards {
    /// Finds the tensors of a folder.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        let named = |why: String| format!("model.safetensors.index.json: {why}");
        let index = files::read_small(&folder.join("model.safetensors.index.json"), MOST_INDEX);
        let Some(index) = index.map_err(|why| named(why.to_string()))? else {
            return Self::read(folder, &["model.safetensors".to_owned()]);
        };
        let index: Index = serde_json::from_slice(&index).map_err(|why| named(why.to_string()))?;
        let mut names: Vec<String> = index.weight_map.values().cloned().collect();
        names.sort();
        names.dedup();
        let shards = Self::read(folder, &names)?;
        match index.weight_map.keys().find(|name| !shards.tensors.contains_key(*name)) {
            Some(name) => Err(format!("its index has the tensor `{name}`, and no file does: download it again")),
            None => Ok(shards),
        }
    }

    fn read(folder: &Path, names: &[String]) -> Result<Self, String> {
        if names.len() > MOST_FILES {
            return Err(format!("its weights lie in {} files", names.len()));
        }
        let mut shards = Self { files: Vec::new(), tensors: HashMap::new() };
        for name in names {
            // What is not beside the index is none of this model's.
            if name.contains(['/', '\\', ':']) || !name.ends_with(".safetensors") {
                return Err(format!("its index names `{name}`, which is no file of weights beside it"));
            }
            shards.add(&folder.join(name)).map_err(|why| format!("{name}: {why}"))?;
        }
        Ok(shards)
    }

    fn add(&mut self, path: &Path) -> Result<(), String> {
        let file = Shelf::open(path).map_err(|why| why.to_string())?;
        let (header, start) = header(&file)?;
        let about: Metadata = serde_json::from_slice(&header).map_err(|why| format!("its header is damaged: {why}"))?;
        for (name, info) in about.tensors() {
            let lying = self.lying(info, start, file.length()).map_err(|why| format!("its tensor `{name}` {why}"))?;
            if self.tensors.insert(name.clone(), lying).is_some() {
                return Err(format!("its tensor `{name}` is in another file, too"));
            }
        }
        self.files.push(file);
        Ok(())
    }

    /// Where a tensor of the next file lies.
    fn lying(&self, info: &TensorInfo, start: u64, length: u64) -> Result<Lying, String> {
        let numbers = Numbers::of(info.dtype)
            .ok_or_else(|| format!("is of the type {:?}, and only F32, F16 and BF16 are known", info.dtype))?;
        let (from, to) = info.data_offsets;
        let count = info.shape.iter().try_fold(numbers.bytes(), |count, &size| count.checked_mul(size));
        if count.is_none() || count != to.checked_sub(from) {
            return Err(format!("has the dimensions {:?} and other bytes than these", info.shape));
        }
        match start.checked_add(to as u64) {
            Some(end) if end <= length => {
                Ok(Lying { file: self.files.len(), offset: start + from as u64, sizes: info.shape.clone(), numbers })
            }
            _ => Err("lies beyond the end of the file: it is cut off, download it again".into()),
        }
    }

    /// Some rows of a tensor, from one on.
    pub(super) fn rows(&self, of: &Lying, columns: usize, row: usize, rows: usize) -> Result<Vec<f32>, String> {
        let file = self.files.get(of.file).ok_or("its file is gone")?;
        let size = of.numbers.bytes();
        let mut bytes = vec![0; rows * columns * size];
        let offset = of.offset + (row * columns * size) as u64;
        file.read_at(offset, &mut bytes).map_err(|why| why.to_string())?;
        Ok(match of.numbers {
            Numbers::F32 => each(&bytes, f32::from_le_bytes),
            Numbers::F16 => each(&bytes, |bytes| f16::from_le_bytes(bytes).to_f32()),
            Numbers::Bf16 => each(&bytes, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        })
    }
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|&bytes| read(bytes)).collect()
}

/// The header without its length, and where the data begin.
fn header(file: &Shelf) -> Result<(Vec<u8>, u64), String> {
    let cut_off = |_| "it ends in its header: it is cut off, download it again".to_owned();
    let mut length = [0; 8];
    file.read_at(0, &mut length).map_err(cut_off)?;
    let bytes = u64::from_le_bytes(length);
    if bytes > MOST_HEADER || bytes + 8 > file.length() {
        return Err(format!("its header is said to have {bytes} bytes: it is cut off, or no file of safetensors"));
    }
    let mut header = vec![0; bytes as usize];
    file.read_at(8, &mut header).map_err(cut_off)?;
    Ok((header, bytes + 8))
}
