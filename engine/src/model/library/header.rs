//! What does a GGUF file say of itself, read from its beginning only? Source: ggml's docs/gguf.md, versions 2 and 3.
//!
//! The file is hostile: every length is held against what is left of a budget of bytes before it is believed.
#![expect(clippy::disallowed_methods, reason = "reads the beginnings of the files in the user's folder of models")]

use std::{
    fs::File,
    io::{self, BufReader, Read as _},
    path::Path,
};

use serde::Serialize;

/// What is told of a model.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct About {
    /// What its makers call it.
    pub name: Option<String>,
    /// `model`, or `adapter` for a LoRA.
    pub kind: Option<String>,
    /// As `qwen2`.
    pub architecture: String,
    /// As `Q4_K_M`; `unknown` where the file says nothing.
    pub quantization: String,
    /// Tokens that it was made for.
    pub context: Option<u64>,
    /// How its makers name its size, as `1.5B`.
    pub size: Option<String>,
    /// How many tensors it has.
    pub tensors: u64,
}

/// Longest header: vocabularies are some megabytes long.
const MOST: u64 = 256 << 20;
/// Longest text that is kept, in bytes.
const MOST_TEXT: u64 = 400;
/// Most pairs.
const MOST_PAIRS: u64 = 65_536;

/// Reads the header.
pub(super) fn read(path: &Path) -> Result<About, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    Reader { left: length.min(MOST), is_cut: length > MOST, inner: BufReader::new(file) }.about()
}

struct Reader {
    inner: BufReader<File>,
    left: u64,
    /// Whether the file goes on after what may be read.
    is_cut: bool,
}

/// What is kept of a value.
enum Value {
    Number(u64),
    Text(String),
    Other,
}

impl Reader {
    fn about(&mut self) -> Result<About, String> {
        if self.bytes::<4>()? != *b"GGUF" {
            return Err("it does not begin as one".to_owned());
        }
        match self.number(4)? {
            2 | 3 => {}
            version => return Err(format!("its version is {version}, and 2 and 3 are known")),
        }
        let (tensors, pairs) = (self.number(8)?, self.number(8)?);
        if pairs > MOST_PAIRS {
            return Err(format!("it claims {pairs} properties"));
        }
        let mut about = About { tensors, quantization: "unknown".to_owned(), ..About::default() };
        for _ in 0..pairs {
            let key = self.text()?;
            let kind = self.number(4)?;
            let value = self.value(kind)?;
            about.take(&key, value);
        }
        if about.architecture.is_empty() { Err("it names no architecture".to_owned()) } else { Ok(about) }
    }

    fn value(&mut self, kind: u64) -> Result<Value, String> {
        Ok(match kind {
            8 => Value::Text(self.text()?),
            9 => {
                self.skip_array()?;
                Value::Other
            }
            4 | 5 => Value::Number(self.number(4)?),
            10 | 11 => Value::Number(self.number(8)?),
            other => {
                self.skip(width(other)?)?;
                Value::Other
            }
        })
    }

    fn skip_array(&mut self) -> Result<(), String> {
        let (kind, count) = (self.number(4)?, self.number(8)?);
        match kind {
            9 => Err("it has arrays within arrays".to_owned()),
            8 => (0..count).try_for_each(|_| {
                let length = self.number(8)?;
                self.skip(length)
            }),
            other => self.skip(width(other)?.checked_mul(count).ok_or_else(|| self.ended())?),
        }
    }

    /// A text; nothing of one that is too long to be told.
    fn text(&mut self) -> Result<String, String> {
        let length = self.number(8)?;
        if length > MOST_TEXT {
            self.skip(length)?;
            return Ok(String::new());
        }
        let mut bytes = vec![0; length as usize];
        self.fill(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
    }

    /// An unsigned number of four or eight bytes, the least of them first.
    fn number(&mut self, width: usize) -> Result<u64, String> {
        if width == 4 { Ok(u32::from_le_bytes(self.bytes()?).into()) } else { Ok(u64::from_le_bytes(self.bytes()?)) }
    }

    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        self.spend(bytes.len() as u64)?;
        self.inner.read_exact(bytes).map_err(|error| in_words(&error))
    }

    fn skip(&mut self, count: u64) -> Result<(), String> {
        self.spend(count)?;
        let count = i64::try_from(count).map_err(|_| self.ended())?;
        self.inner.seek_relative(count).map_err(|error| in_words(&error))
    }

    fn spend(&mut self, count: u64) -> Result<(), String> {
        self.left = self.left.checked_sub(count).ok_or_else(|| self.ended())?;
        Ok(())
    }

    fn ended(&self) -> String {
        if self.is_cut { format!("its header is longer than {} MiB", MOST >> 20) } else { "it is cut off".to_owned() }
    }
}

fn in_words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::UnexpectedEof { "it is cut off".to_owned() } else { error.to_string() }
}

/// Bytes of a value of the types that have a fixed width.
fn width(kind: u64) -> Result<u64, String> {
    match kind {
        0 | 1 | 7 => Ok(1),
        2 | 3 => Ok(2),
        4..=6 => Ok(4),
        10..=12 => Ok(8),
        other => Err(format!("it has a property of the unknown type {other}")),
    }
}

impl About {
    fn take(&mut self, key: &str, value: Value) {
        match (key, value) {
            ("general.name", Value::Text(text)) => self.name = Some(text),
            ("general.type", Value::Text(text)) => self.kind = Some(text),
            ("general.architecture", Value::Text(text)) => self.architecture = text,
            ("general.size_label", Value::Text(text)) => self.size = Some(text),
            ("general.file_type", Value::Number(number)) => self.quantization = quantization(number),
            (key, Value::Number(number)) if key.ends_with(".context_length") => self.context = Some(number),
            _ => {}
        }
    }
}

/// llama.cpp's `llama_ftype` by its number.
#[rustfmt::skip]
const QUANTIZATIONS: [(u64, &str); 35] = [
    (0, "F32"), (1, "F16"), (2, "Q4_0"), (3, "Q4_1"), (7, "Q8_0"), (8, "Q5_0"), (9, "Q5_1"), (10, "Q2_K"),
    (11, "Q3_K_S"), (12, "Q3_K_M"), (13, "Q3_K_L"), (14, "Q4_K_S"), (15, "Q4_K_M"), (16, "Q5_K_S"), (17, "Q5_K_M"),
    (18, "Q6_K"), (19, "IQ2_XXS"), (20, "IQ2_XS"), (21, "Q2_K_S"), (22, "IQ3_XS"), (23, "IQ3_XXS"), (24, "IQ1_S"),
    (25, "IQ4_NL"), (26, "IQ3_S"), (27, "IQ3_M"), (28, "IQ2_S"), (29, "IQ2_M"), (30, "IQ4_XS"), (31, "IQ1_M"),
    (32, "BF16"), (36, "TQ1_0"), (37, "TQ2_0"), (38, "MXFP4_MOE"), (39, "NVFP4"), (40, "Q1_0"),
];

fn quantization(number: u64) -> String {
    // llama.cpp sets this bit where it guessed.
    let number = number & !1024;
    let known = QUANTIZATIONS.iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("type {number}"), |(_, name)| (*name).to_owned())
}
