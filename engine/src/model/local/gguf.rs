//! What does a GGUF file hold? Its metadata and where its tensors lie, checked against its length before it is trusted.
//!
//! The format is that of ggml's `docs/gguf.md`, versions 2 and 3, little-endian. Candle's own reader is not used: it
//! believes what a file says about itself.
#![expect(clippy::disallowed_methods, reason = "the one module that opens the files of local models")]

use std::{borrow::Cow, collections::HashMap, fs, fs::File, ops::Range, path::Path};

use candle_core::{
    Device, Shape,
    quantized::{GgmlDType, QStorage, QTensor, gguf_file::Value},
};
use memmap2::Mmap;

/// What a file says about its model, by key.
pub type Metadata = HashMap<String, Value>;

/// A file in the address space.
#[derive(Debug)]
pub struct Gguf {
    file: File,
    map: Mmap,
    /// What it says about the model.
    pub metadata: Metadata,
    /// Where its tensors lie, by name.
    pub tensors: HashMap<String, Tensor>,
}

/// Where a tensor lies: rows of `columns` numbers each.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// How its numbers are packed.
    pub kind: GgmlDType,
    /// Rows: all dimensions but the first of ggml's, multiplied.
    pub rows: usize,
    /// Numbers of a row: the first of ggml's dimensions.
    pub columns: usize,
    /// Its dimensions in the order of the file, the fastest first.
    pub sizes: Vec<usize>,
    place: Range<usize>,
}

/// Values that a file may hold in its metadata; the largest vocabularies have a million, with their merges. One takes 32
/// bytes of memory, however few it has in the file.
const MOST_VALUES: usize = 4 << 20;

/// Tensors that a file may have.
const MOST_TENSORS: u64 = 1 << 16;

/// Bytes of a tensor that its file's digest takes in.
const SAMPLE: usize = 4096;

/// Arrays that may lie in one another.
const MOST_DEPTH: usize = 4;

impl Gguf {
    /// Opens a file and reads its header. Its tensors stay where they are.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn open(path: &Path) -> Result<Self, String> {
        let about = fs::metadata(path).map_err(|why| why.to_string())?;
        if !about.is_file() {
            return Err("it is no file".into());
        }
        let file = File::open(path).map_err(|why| why.to_string())?;
        let map = map(&file).map_err(|why| why.to_string())?;
        let (metadata, tensors) = header(&map)?;
        Ok(Self { file, map, metadata, tensors })
    }

    /// Maps the file anew, so that what was read of it no longer counts as memory of this process.
    pub(super) fn forget(&mut self) -> Result<(), String> {
        let length = self.map.len();
        self.map = map(&self.file).map_err(|why| why.to_string())?;
        if self.map.len() == length { Ok(()) } else { Err("somebody has changed it while it was read".into()) }
    }

    /// Digests the header and some bytes of each tensor: files of two trainings differ in all of them, and gigabytes
    /// are not read for a name.
    pub fn digest(&self, digest: &mut blake3::Hasher) {
        let mut places: Vec<_> = self.tensors.values().map(|tensor| tensor.place.clone()).collect();
        places.sort_by_key(|place| place.start);
        let header = places.first().map_or(self.map.len(), |place| place.start);
        digest.update(&self.map[..header]);
        for place in places {
            digest.update(&self.map[place.start..place.end.min(place.start + SAMPLE)]);
        }
    }

    /// Where a tensor lies that must have this shape.
    ///
    /// # Errors
    /// When it has no such tensor, or one of another shape.
    pub fn tensor(&self, name: &str, rows: usize, columns: usize) -> Result<&Tensor, String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("it has no tensor `{name}`"))?;
        if (tensor.rows, tensor.columns) != (rows, columns) {
            let (has, had) = (tensor.rows, tensor.columns);
            return Err(format!("its tensor `{name}` is {has} by {had}, and {rows} by {columns} is needed"));
        }
        Ok(tensor)
    }

    /// The bytes of a tensor's rows.
    pub fn bytes(&self, tensor: &Tensor, rows: Range<usize>) -> &[u8] {
        let stride = tensor.stride();
        &self.map[tensor.place.clone()][rows.start * stride..rows.end * stride]
    }

    /// A tensor's rows as numbers: `[rows, columns]`.
    ///
    /// # Errors
    /// What candle says of its bytes.
    pub fn floats(&self, tensor: &Tensor, rows: Range<usize>) -> Result<Vec<f32>, String> {
        let shape = (rows.len(), tensor.columns);
        let read = || {
            quantized(self.bytes(tensor, rows), tensor.kind, shape.into(), &Device::Cpu)?
                .dequantize(&Device::Cpu)?
                .flatten_all()?
                .to_vec1()
        };
        read().map_err(|why: candle_core::Error| why.to_string())
    }

    /// A tensor of one row, where the file has it.
    ///
    /// # Errors
    /// When it has another shape, or holds what is no number.
    pub fn row(&self, name: &str, columns: usize) -> Result<Option<Vec<f32>>, String> {
        if !self.tensors.contains_key(name) {
            return Ok(None);
        }
        let values = self.floats(self.tensor(name, 1, columns)?, 0..1)?;
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(Some(values)),
            false => Err(format!("its tensor `{name}` holds what is no number")),
        }
    }
}

impl Tensor {
    /// Bytes of a row.
    pub fn stride(&self) -> usize {
        self.columns / self.kind.block_size() * self.kind.type_size()
    }
}

/// Bytes as a tensor of candle's.
pub(super) fn quantized(bytes: &[u8], kind: GgmlDType, shape: Shape, at: &Device) -> candle_core::Result<QTensor> {
    QTensor::new(QStorage::from_data(Cow::Borrowed(bytes), at, kind)?, shape)
}

/// A whole number of the metadata.
///
/// # Errors
/// When it is something else, or counts nothing that a model has.
pub fn whole(metadata: &Metadata, key: &str) -> Result<Option<usize>, String> {
    let number = match metadata.get(key) {
        None => return Ok(None),
        Some(&Value::U8(n)) => Some(u64::from(n)),
        Some(&Value::U16(n)) => Some(u64::from(n)),
        Some(&Value::U32(n)) => Some(u64::from(n)),
        Some(&Value::U64(n)) => Some(n),
        Some(&Value::I32(n)) => u64::try_from(n).ok(),
        Some(&Value::I64(n)) => u64::try_from(n).ok(),
        Some(_) => None,
    };
    // What is larger counts nothing that a model has.
    let number = number.filter(|&number| number < 1 << 32).and_then(|number| usize::try_from(number).ok());
    number.map(Some).ok_or_else(|| format!("`{key}` is no number that it can be"))
}

/// A number of the metadata.
///
/// # Errors
/// When it is something else.
pub fn float(metadata: &Metadata, key: &str) -> Result<Option<f32>, String> {
    let number = match metadata.get(key) {
        None => return Ok(None),
        Some(&Value::F32(number)) => number,
        Some(&Value::F64(number)) => number as f32,
        Some(_) => f32::NAN,
    };
    if number.is_finite() { Ok(Some(number)) } else { Err(format!("`{key}` is no number")) }
}

/// A text of the metadata.
pub fn text<'a>(metadata: &'a Metadata, key: &str) -> Option<&'a str> {
    metadata.get(key).and_then(|value| value.to_string().ok()).map(String::as_str)
}

#[expect(unsafe_code, reason = "a file can be mapped in no other way, and weights are too large to be read twice")]
fn map(file: &File) -> std::io::Result<Mmap> {
    // SAFETY: the map is only read. Whoever writes into or shortens a model's file while it is in use can make this
    // process read other bytes or end it; the same is true of every program that maps its models.
    unsafe { Mmap::map(file) }
}

fn header(bytes: &[u8]) -> Result<(Metadata, HashMap<String, Tensor>), String> {
    let mut reader = Reader { bytes, at: 0, values: MOST_VALUES };
    if reader.take(4)? != b"GGUF" {
        return Err("it is no GGUF file".into());
    }
    let version = reader.u32()?;
    if !(2..=3).contains(&version) {
        return Err(format!("it is a GGUF file of version {version}, and only 2 and 3 are known"));
    }
    let (tensors, values) = (reader.u64()?, reader.u64()?);
    if tensors > MOST_TENSORS {
        return Err(format!("it says that it has {tensors} tensors"));
    }
    let mut metadata = Metadata::new();
    for _ in 0..values {
        let key = reader.text()?;
        let kind = reader.u32()?;
        metadata.insert(key, reader.value(kind, 0)?);
    }
    let infos = (0..tensors).map(|_| Info::read(&mut reader)).collect::<Result<Vec<_>, _>>()?;
    let alignment = whole(&metadata, "general.alignment")?.unwrap_or(32);
    if !alignment.is_power_of_two() || !(4..=1 << 20).contains(&alignment) {
        return Err(format!("its alignment is {alignment}"));
    }
    let data = reader.at.next_multiple_of(alignment);
    let place = |info: Info| info.place(data, bytes.len());
    Ok((metadata, infos.into_iter().map(place).collect::<Result<_, _>>()?))
}

/// An entry of the list of tensors.
struct Info {
    name: String,
    sizes: Vec<u64>,
    kind: u32,
    offset: u64,
}

impl Info {
    fn read(reader: &mut Reader<'_>) -> Result<Self, String> {
        let name = reader.text()?;
        let sizes = reader.u32()?;
        if !(1..=4).contains(&sizes) {
            return Err(format!("its tensor `{name}` has {sizes} dimensions"));
        }
        let sizes = (0..sizes).map(|_| reader.u64()).collect::<Result<_, _>>()?;
        Ok(Self { name, sizes, kind: reader.u32()?, offset: reader.u64()? })
    }

    fn place(self, data: usize, length: usize) -> Result<(String, Tensor), String> {
        let Self { name, sizes, kind, offset } = self;
        let kind = dtype(kind).ok_or_else(|| format!("its tensor `{name}` is of the unknown type {kind}"))?;
        let wrong = |why: &str| format!("its tensor `{name}` {why}");
        let size = |n: u64| usize::try_from(n).ok().filter(|&n| n > 0);
        let columns = size(sizes[0]).filter(|columns| columns.is_multiple_of(kind.block_size()));
        let columns = columns.ok_or_else(|| wrong("has rows that its type cannot have"))?;
        let rows = sizes[1..].iter().try_fold(1_usize, |rows, &n| rows.checked_mul(size(n)?));
        let stride = (columns / kind.block_size()).checked_mul(kind.type_size());
        let start = usize::try_from(offset).ok().and_then(|offset| data.checked_add(offset));
        let length_of = |rows: usize| rows.checked_mul(stride?);
        let end = start.zip(rows).and_then(|(start, rows)| start.checked_add(length_of(rows)?));
        let (Some(rows), Some(start), Some(end)) = (rows, start, end.filter(|&end| end <= length)) else {
            return Err(wrong("lies beyond the end of the file: it is cut off, download it again"));
        };
        if !start.is_multiple_of(4) {
            return Err(wrong("does not lie where a tensor may"));
        }
        let sizes = sizes.iter().map(|&n| n as usize).collect();
        Ok((name, Tensor { kind, rows, columns, sizes, place: start..end }))
    }
}

/// ggml's numbers for the types of tensors.
fn dtype(number: u32) -> Option<GgmlDType> {
    Some(match number {
        0 => GgmlDType::F32,
        1 => GgmlDType::F16,
        2 => GgmlDType::Q4_0,
        3 => GgmlDType::Q4_1,
        6 => GgmlDType::Q5_0,
        7 => GgmlDType::Q5_1,
        8 => GgmlDType::Q8_0,
        10 => GgmlDType::Q2K,
        11 => GgmlDType::Q3K,
        12 => GgmlDType::Q4K,
        13 => GgmlDType::Q5K,
        14 => GgmlDType::Q6K,
        30 => GgmlDType::BF16,
        _ => return None,
    })
}

/// Reads on, never beyond the end.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Values that may still come.
    values: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64) -> Result<&'a [u8], String> {
        let end = usize::try_from(count).ok().and_then(|count| self.at.checked_add(count));
        let taken = end.and_then(|end| self.bytes.get(self.at..end)).ok_or("it ends in its header")?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let bytes = self.take(N as u64)?;
        bytes.try_into().map_err(|_| "it ends in its header".to_owned())
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<String, String> {
        let length = self.u64()?;
        Ok(String::from_utf8_lossy(self.take(length)?).into_owned())
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<Value, String> {
        self.values = self.values.checked_sub(1).ok_or("its metadata has too many values")?;
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.array()?)),
            1 => Value::I8(i8::from_le_bytes(self.array()?)),
            2 => Value::U16(u16::from_le_bytes(self.array()?)),
            3 => Value::I16(i16::from_le_bytes(self.array()?)),
            4 => Value::U32(self.u32()?),
            5 => Value::I32(i32::from_le_bytes(self.array()?)),
            6 => Value::F32(f32::from_le_bytes(self.array()?)),
            7 => Value::Bool(self.array::<1>()? != [0]),
            8 => Value::String(self.text()?),
            9 => self.values(depth)?,
            10 => Value::U64(self.u64()?),
            11 => Value::I64(i64::from_le_bytes(self.array()?)),
            12 => Value::F64(f64::from_le_bytes(self.array()?)),
            _ => return Err(format!("its metadata has a value of the unknown type {kind}")),
        })
    }

    fn values(&mut self, depth: usize) -> Result<Value, String> {
        if depth == MOST_DEPTH {
            return Err("its metadata has arrays too deep in one another".into());
        }
        let (kind, count) = (self.u32()?, self.u64()?);
        Ok(Value::Array((0..count).map(|_| self.value(kind, depth + 1)).collect::<Result<_, _>>()?))
    }
}
