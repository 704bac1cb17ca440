//! What does all-MiniLM-L6-v2 make of a text? Its own files, computed here by candle.

mod encoder;
mod kernel;
mod weights;

use std::{fs::File, io::Read, ops::Range, path::Path};

use rayon::prelude::*;
use tokenizers::{Tokenizer, TruncationParams};

use super::{EmbedError, Embedder, Passage};
use encoder::{Encoder, Shape};
use weights::Weights;

/// Tokens of a text that are looked at, the two that mark its ends included.
const MOST_TOKENS: usize = 128;

/// Bytes of a text that are looked at: more than enough for that many tokens of anything a person reads.
const MOST_BYTES: usize = 16 << 10;

/// Tokens that go through the encoder together.
const PACK: usize = 512;

/// all-MiniLM-L6-v2 in memory, 87 MiB. Can be asked by several threads at once; a call also spreads over all threads
/// of rayon's pool by itself when it has more than about ten passages.
pub struct MiniLm {
    name: String,
    tokenizer: Tokenizer,
    encoder: Encoder,
    width: usize,
}

/// The files of a model.
const FILES: [&str; 3] = ["config.json", "tokenizer.json", "model.safetensors"];

impl MiniLm {
    /// Reads `config.json`, `tokenizer.json` and `model.safetensors` from a folder.
    ///
    /// # Errors
    /// [`EmbedError::Files`] when one is missing or is not this model's.
    pub fn open(folder: &Path) -> Result<Self, EmbedError> {
        read(folder).map_err(|why| EmbedError::Files { folder: folder.to_owned(), why })
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>, EmbedError> {
        let encoding = self.tokenizer.encode_fast(start(text), true).map_err(|error| self.failed(&*error))?;
        Ok(encoding.get_ids().to_vec())
    }

    fn encode(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let tokens: Vec<Vec<u32>> = texts.par_iter().map(|text| self.tokens(text)).collect::<Result<_, _>>()?;
        let lengths: Vec<usize> = tokens.iter().map(Vec::len).collect();
        let vectors = packs(&lengths).into_par_iter().map(|pack| {
            let texts: Vec<&[u32]> = tokens[pack].iter().map(|text| &text[..]).collect();
            self.encoder.encode(&texts).map_err(|error| self.failed(&error))
        });
        Ok(vectors.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> EmbedError {
        EmbedError::Compute { name: self.name.clone(), why: why.to_string() }
    }
}

/// The first bytes of a text, whole characters.
fn start(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST_BYTES)]
}

/// Neighbors that go through the encoder together: of about as many tokens each, at most [`PACK`] where a text is not
/// longer by itself.
fn packs(lengths: &[usize]) -> Vec<Range<usize>> {
    let mut packs: Vec<Range<usize>> = Vec::new();
    let mut held = 0;
    for (n, &length) in lengths.iter().enumerate() {
        match packs.last_mut() {
            Some(pack) if held + length <= PACK => pack.end = n + 1,
            _ => {
                packs.push(n..n + 1);
                held = 0;
            }
        }
        held += length;
    }
    packs
}

fn read(folder: &Path) -> Result<MiniLm, String> {
    let shape: Shape = serde_json::from_slice(&bytes(folder, FILES[0])?).map_err(|error| format!("{error}"))?;
    shape.check()?;
    let mut tokenizer = Tokenizer::from_bytes(bytes(folder, FILES[1])?).map_err(|error| format!("{error}"))?;
    let truncation = TruncationParams { max_length: MOST_TOKENS, ..TruncationParams::default() };
    tokenizer.with_truncation(Some(truncation)).map_err(|error| format!("{error}"))?.with_padding(None);
    let file = File::open(folder.join(FILES[2])).map_err(|error| format!("{error}"))?;
    let length = file.metadata().map_err(|error| format!("{error}"))?.len();
    let mut weights = Weights::read(file, length, Encoder::needs)?;
    let width = shape.width;
    let encoder = Encoder::new(shape, &mut weights)?;
    let name = format!("all-MiniLM-L6-v2@{}", &weights.digest[..12]);
    Ok(MiniLm { name, tokenizer, encoder, width })
}

fn bytes(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let mut all = Vec::new();
    File::open(folder.join(name)).and_then(|mut f| f.read_to_end(&mut all)).map_err(|error| format!("{error}"))?;
    Ok(all)
}

impl Embedder for MiniLm {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.width
    }

    fn passages(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let texts: Vec<String> = passages.iter().map(text).collect();
        self.encode(&texts)
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        Ok(self.encode(&[text.to_owned()])?.pop().unwrap_or_default())
    }
}

/// The parts of a passage that say something, one behind the other.
fn text(passage: &Passage<'_>) -> String {
    let parts = [passage.title, passage.doc, passage.body];
    parts.into_iter().filter(|part| !part.is_empty()).map(start).collect::<Vec<_>>().join("\n")
}
