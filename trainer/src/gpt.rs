//! What does a model learn that has read nothing but this corpus? A llama, trained from nothing, with words of its own.
//!
//! Kept as a folder as Hugging Face keeps models, so that everything that reads such folders reads it: `gguf convert`, `lora
//! train`, `transformers`.

mod folder;
mod lines;
mod words;

use std::cell::RefCell;

use candle_core::{DType, Tensor, Var, backprop::GradStore, quantized::gguf_file::Value};
use engine::model::local::{gguf::Metadata, shape::Shape};

pub use folder::save;
pub use lines::lines;
pub use words::{Words, WordsError};

use crate::{
    adapter::uniform,
    corpus,
    learn::Task,
    net::{self, Batch, Decoder, NetError, Pass, Trained},
};

/// How large a model is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Components of a token between layers: a multiple of 256, or its weights cannot be packed as K-quants.
    pub width: usize,
    /// Blocks of attention and feed-forward.
    pub layers: usize,
    /// Heads of queries, into which the width is divided.
    pub heads: usize,
    /// Heads of keys and values.
    pub key_heads: usize,
    /// Components between gate and down projection: a multiple of 256.
    pub inner: usize,
    /// Tokens that are read at once.
    pub window: usize,
    /// Decides the first weights.
    pub seed: u64,
}

const EPSILON: f32 = 1e-5;

/// The base of the angles of rotation.
const ROTATION: f32 = 10_000.0;

impl Plan {
    /// What its GGUF file would say, for so many tokens.
    fn metadata(&self) -> Metadata {
        let count =
            |key: &str, value: usize| (format!("llama.{key}"), Value::U32(u32::try_from(value).unwrap_or(u32::MAX)));
        Metadata::from([
            ("general.architecture".to_owned(), Value::String("llama".to_owned())),
            count("embedding_length", self.width),
            count("block_count", self.layers),
            count("feed_forward_length", self.inner),
            count("context_length", self.window),
            count("attention.head_count", self.heads),
            count("attention.head_count_kv", self.key_heads),
            ("llama.attention.layer_norm_rms_epsilon".to_owned(), Value::F32(EPSILON)),
            ("llama.rope.freq_base".to_owned(), Value::F32(ROTATION)),
        ])
    }

    /// A model of these sizes for so many tokens, with weights drawn from a normal distribution of 0.02, those that write
    /// into the stream narrower by the root of how many do (GPT-2). Embedding and head are one.
    ///
    /// # Errors
    /// [`NetError`] when the sizes fit no model.
    pub fn begin(&self, words: usize) -> Result<Decoder, NetError> {
        let shape = Shape::of(&self.metadata(), words, &|_| Ok(None)).map_err(NetError::Base)?;
        if !self.width.is_multiple_of(self.heads.max(1)) {
            return Err(NetError::Base(format!("{} cannot be divided into {} heads", self.width, self.heads)));
        }
        let narrow = 0.02 / (2.0 * self.layers as f32).sqrt();
        let source = |name: &str, (rows, columns): (usize, usize)| {
            Ok(match name {
                "output.weight" => None,
                name if name.ends_with(".bias") || name.contains("_q_norm") || name.contains("_k_norm") => None,
                name if name.contains("norm") => Some(vec![1.0; columns]),
                name if name.contains("attn_output") || name.contains("ffn_down") => {
                    Some(normal(name, self.seed, rows * columns, narrow))
                }
                name => Some(normal(name, self.seed, rows * columns, 0.02)),
            })
        };
        Decoder::build(shape, &source, Trained::All, (net::KIND, &net::device()?))
    }
}

/// Numbers of a normal distribution (Box and Muller, 1958) that depend on a name and a seed alone.
fn normal(name: &str, seed: u64, count: usize, width: f32) -> Vec<f32> {
    let drawn: Vec<f32> = uniform(name, seed, count.next_multiple_of(2)).collect();
    let pair = |two: &[f32]| {
        let (a, b) = (f64::from(two[0]).mul_add(0.5, 0.5).max(1e-12), f64::from(two[1]) * std::f64::consts::PI);
        let far = (-2.0 * a.ln()).sqrt();
        [(far * b.cos()) as f32 * width, (far * b.sin()) as f32 * width]
    };
    let mut all: Vec<f32> = drawn.chunks_exact(2).flat_map(pair).collect();
    all.truncate(count);
    all
}

/// A model that reads a corpus.
pub struct Reading {
    decoder: Decoder,
    variables: Vec<(String, Var)>,
    names: Vec<String>,
    texts: Vec<Vec<u32>>,
    held_out: Vec<Vec<u32>>,
    tokens: usize,
    digest: String,
    /// The last batch, to be filled anew.
    room: RefCell<Batch>,
    recomputes: bool,
}

impl Reading {
    /// Cuts documents, `(name, tokens)`, into texts of at most a window; of each hundred documents `held_out` are kept back.
    /// `tokens`: how many are in memory at once.
    ///
    /// # Errors
    /// [`NetError`] when the sizes fit no model.
    pub fn new(
        plan: Plan,
        words: &Words,
        documents: impl Iterator<Item = (String, Vec<u32>)>,
        (held_out, tokens): (u64, usize),
    ) -> Result<Self, NetError> {
        let decoder = plan.begin(words.len())?;
        let variable = |(name, tensor): (String, Tensor)| Ok((name, Var::from_tensor(&tensor)?));
        let variables = decoder.variables().into_iter().map(variable).collect::<Result<_, NetError>>()?;
        let (mut names, mut texts, mut held) = (Vec::new(), Vec::new(), Vec::new());
        let mut digest = blake3::Hasher::new();
        digest.update(format!("{plan:?} {held_out} {}", words.len()).as_bytes());
        for (name, mut document) in documents {
            document.push(words.end());
            digest.update(name.as_bytes());
            document.iter().for_each(|token| {
                digest.update(&token.to_le_bytes());
            });
            let lot = corpus::lot(&name);
            // A piece's last token is the next one's first, so that every token but the first is asked for.
            for (n, from) in (0..document.len() - 1).step_by(plan.window - 1).enumerate() {
                let piece = document[from..(from + plan.window).min(document.len())].to_vec();
                if lot < held_out {
                    held.push(piece);
                } else {
                    names.push(format!("{name}#{n}"));
                    texts.push(piece);
                }
            }
        }
        let digest = digest.finalize().to_hex().to_string();
        let room = RefCell::default();
        Ok(Self { decoder, variables, names, texts, held_out: held, tokens, digest, room, recomputes: false })
    }

    /// The same with layers computed again on the way back, [`Decoder::learn`]: what is learned is the same.
    pub fn recomputing(self, recomputes: bool) -> Self {
        Self { recomputes, ..self }
    }

    /// The model.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Tokens to learn from, and held out.
    pub fn amount(&self) -> (usize, usize) {
        let count = |texts: &[Vec<u32>]| texts.iter().map(|text| text.len() - 1).sum();
        (count(&self.texts), count(&self.held_out))
    }

    fn surprise(&self, texts: &mut dyn Iterator<Item = &Vec<u32>>, pass: Pass) -> Result<Tensor, NetError> {
        let mut batch = self.room.borrow_mut();
        batch.clear();
        texts.for_each(|text| batch.read(text));
        Ok(self.decoder.surprise(&batch, pass)?.sum_all()?)
    }
}

impl Task for Reading {
    fn variables(&self) -> Vec<(String, Var)> {
        self.variables.clone()
    }

    fn rows(&self) -> &[String] {
        &self.names
    }

    fn tokens(&self, row: usize) -> usize {
        self.texts[row].len()
    }

    fn weight(&self, row: usize) -> f64 {
        (self.texts[row].len() - 1) as f64
    }

    fn learn(&self, rows: &[usize], scale: f64) -> Result<(Tensor, GradStore), NetError> {
        let mut texts = rows.iter().map(|&row| &self.texts[row]);
        if self.recomputes {
            let mut batch = Batch::default();
            texts.for_each(|text| batch.read(text));
            return self.decoder.learn(&batch, &|surprise| Ok((surprise.sum_all()? * scale)?));
        }
        let loss = (self.surprise(&mut texts, Pass::Learn)? * scale)?;
        let grads = loss.backward()?;
        Ok((loss, grads))
    }

    fn held_out(&self) -> Result<Option<f64>, NetError> {
        let (mut sum, mut count) = (0.0, 0);
        let mut rest = &self.held_out[..];
        while !rest.is_empty() {
            let mut tokens = 0;
            let fits = rest.iter().take_while(|text| {
                tokens += text.len();
                tokens <= self.tokens
            });
            let (texts, after) = rest.split_at(fits.count().max(1));
            sum += self.surprise(&mut texts.iter(), Pass::Hear)?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            count += texts.iter().map(|text| text.len() - 1).sum::<usize>();
            rest = after;
        }
        Ok((count > 0).then(|| sum / count as f64))
    }

    fn digest(&self) -> String {
        self.digest.clone()
    }
}

#[cfg(test)]
mod tests;
