//! How does a BERT encoder turn tokens into one vector? (Devlin et al. 2018; mean pooling as in Reimers and Gurevych
//! 2019.)
//!
//! The texts of a call lie one behind the other in one matrix, `[tokens, width]`, so that no product is spent on
//! padding; only attention knows where a text ends.

use candle_core::{CpuStorage, DType, Device, Error, InplaceOp1, InplaceOp2, Layout, Result, Tensor};
use serde::Deserialize;

use super::{
    kernel::{self, Norm},
    weights::Weights,
};
use crate::model::table;

/// The sizes of an encoder, as its `config.json` has them.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Shape {
    model_type: String,
    hidden_act: String,
    #[serde(default = "absolute")]
    position_embedding_type: String,
    #[serde(rename = "hidden_size")]
    pub(super) width: usize,
    #[serde(rename = "intermediate_size")]
    inner: usize,
    #[serde(rename = "num_hidden_layers")]
    layers: usize,
    #[serde(rename = "num_attention_heads")]
    heads: usize,
    #[serde(rename = "vocab_size")]
    pub(super) words: usize,
    #[serde(rename = "max_position_embeddings")]
    pub(super) positions: usize,
    layer_norm_eps: f32,
}

fn absolute() -> String {
    "absolute".into()
}

impl Shape {
    /// Whether this encoder can be computed here.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        let is = (&*self.model_type, &*self.hidden_act, &*self.position_embedding_type);
        if is != ("bert", "gelu", "absolute") {
            return Err(format!("it describes another kind of model: {is:?}"));
        }
        let sizes = [self.width, self.inner, self.layers, self.heads, self.words, self.positions];
        let is_sound = sizes.iter().all(|&size| (1..=1 << 20).contains(&size))
            && self.width.is_multiple_of(self.heads)
            && (self.width / self.heads).is_multiple_of(kernel::LANES);
        if is_sound { Ok(()) } else { Err(format!("it has sizes that fit no such model: {sizes:?}")) }
    }
}

/// An encoder in memory.
#[derive(Debug)]
pub(super) struct Encoder {
    pub(super) shape: Shape,
    /// `[words, width]`
    words: Vec<f32>,
    /// `[positions, width]`, that of the first kind of text added.
    positions: Vec<f32>,
    norm: Norm,
    layers: Vec<Layer>,
}

#[derive(Debug)]
struct Layer {
    /// Query, key and value side by side.
    attention: Linear,
    attended: Linear,
    attended_norm: Norm,
    up: Linear,
    down: Linear,
    down_norm: Norm,
}

#[derive(Debug)]
struct Linear {
    /// `[in, out]`: gemm reads it as it lies, which for few rows is three times as fast as `[out, in]`.
    weight: Tensor,
    bias: Vec<f32>,
}

impl Encoder {
    /// Whether a tensor of the file is one of the encoder's.
    pub(super) fn needs(name: &str) -> bool {
        name.starts_with("e") && name != "embeddings.position_ids"
    }

    /// Takes the tensors that it is made of.
    pub(super) fn new(shape: Shape, weights: &mut Weights) -> std::result::Result<Self, String> {
        let width = shape.width;
        let words = weights.take("embeddings.word_embeddings.weight", &[shape.words, width])?;
        let mut positions = weights.take("embeddings.position_embeddings.weight", &[shape.positions, width])?;
        let kinds = weights.take("embeddings.token_type_embeddings.weight", &[2, width])?;
        kernel::add_bias(&mut positions, &kinds[..width]);
        let norm = norm(weights, "embeddings.LayerNorm", &shape)?;
        let layers = (0..shape.layers).map(|n| layer(weights, n, &shape)).collect::<std::result::Result<_, _>>()?;
        Ok(Self { shape, words, positions, norm, layers })
    }

    /// One vector of length one a text: `[texts, width]`. Each text has at least one token, at most as many as there
    /// are positions, and none beyond the words.
    pub(super) fn encode(&self, texts: &[&[u32]]) -> Result<Vec<Vec<f32>>> {
        let lengths: Vec<usize> = texts.iter().map(|text| text.len()).collect();
        let mut rows = self.embed(texts)?;
        for layer in &self.layers {
            rows = layer.forward(rows, &lengths, &self.shape)?;
        }
        let rows = rows.flatten_all()?.to_vec1::<f32>()?;
        let mut rest = &rows[..];
        let pooled = lengths.iter().map(|&length| {
            let (own, others) = rest.split_at(length * self.shape.width);
            rest = others;
            pool(own, self.shape.width)
        });
        Ok(pooled.collect())
    }

    fn embed(&self, texts: &[&[u32]]) -> Result<Tensor> {
        let width = self.shape.width;
        let count = texts.iter().map(|text| text.len()).sum::<usize>();
        let mut rows = Vec::with_capacity(count * width);
        for text in texts {
            for (&token, position) in text.iter().zip(self.positions.chunks_exact(width)) {
                let word = &self.words[token as usize * width..][..width];
                rows.extend(word.iter().zip(position).map(|(word, position)| word + position));
            }
        }
        kernel::normalize_rows(&mut rows, &self.norm);
        Tensor::from_vec(rows, (count, width), &Device::Cpu)
    }
}

impl Layer {
    fn forward(&self, rows: Tensor, lengths: &[usize], shape: &Shape) -> Result<Tensor> {
        let context = Tensor::zeros(rows.shape(), DType::F32, &Device::Cpu)?;
        let parts = rows.matmul(&self.attention.weight)?;
        parts.inplace_op1(&InPlace(|parts: &mut [f32]| kernel::add_bias(parts, &self.attention.bias)))?;
        context.inplace_op2(
            &parts,
            &InPlaceWith(|context: &mut [f32], parts: &[f32]| attend(context, parts, lengths, shape)),
        )?;
        let attended = context.matmul(&self.attended.weight)?;
        let join = |norm, bias| {
            InPlaceWith(move |new: &mut [f32], old: &[f32]| kernel::add_and_normalize(new, old, bias, norm))
        };
        attended.inplace_op2(&rows, &join(&self.attended_norm, &self.attended.bias))?;
        let inner = attended.matmul(&self.up.weight)?;
        inner.inplace_op1(&InPlace(|inner: &mut [f32]| kernel::gelu(inner, &self.up.bias)))?;
        let out = inner.matmul(&self.down.weight)?;
        out.inplace_op2(&attended, &join(&self.down_norm, &self.down.bias))?;
        Ok(out)
    }
}

/// Attention within each text.
fn attend(context: &mut [f32], parts: &[f32], lengths: &[usize], shape: &Shape) {
    let mut first = 0;
    for length in lengths {
        let last = first + length;
        let parts = &parts[first * 3 * shape.width..last * 3 * shape.width];
        kernel::attend(parts, &mut context[first * shape.width..last * shape.width], shape.width, shape.heads);
        first = last;
    }
}

/// The mean of the rows, brought to length one.
fn pool(rows: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for row in rows.chunks_exact(width) {
        mean.iter_mut().zip(row).for_each(|(mean, value)| *mean += value);
    }
    table::normalize(&mut mean);
    mean
}

fn norm(weights: &mut Weights, name: &str, shape: &Shape) -> std::result::Result<Norm, String> {
    Ok(Norm {
        scale: weights.take(&format!("{name}.weight"), &[shape.width])?,
        shift: weights.take(&format!("{name}.bias"), &[shape.width])?,
        epsilon: shape.layer_norm_eps,
    })
}

fn layer(weights: &mut Weights, number: usize, shape: &Shape) -> std::result::Result<Layer, String> {
    let at = |part: &str| format!("encoder.layer.{number}.{part}");
    let (width, inner) = (shape.width, shape.inner);
    let parts = ["query", "key", "value"].map(|part| at(&format!("attention.self.{part}")));
    Ok(Layer {
        attention: linear(weights, &parts, width, width)?,
        attended: linear(weights, &[at("attention.output.dense")], width, width)?,
        attended_norm: norm(weights, &at("attention.output.LayerNorm"), shape)?,
        up: linear(weights, &[at("intermediate.dense")], width, inner)?,
        down: linear(weights, &[at("output.dense")], inner, width)?,
        down_norm: norm(weights, &at("output.LayerNorm"), shape)?,
    })
}

/// Some layers of the file, `[to, from]` each, side by side as one.
fn linear(weights: &mut Weights, names: &[String], from: usize, to: usize) -> std::result::Result<Linear, String> {
    let mut bias = Vec::with_capacity(names.len() * to);
    let mut weight = vec![0.0; from * names.len() * to];
    for (n, name) in names.iter().enumerate() {
        let own = weights.take(&format!("{name}.weight"), &[to, from])?;
        transpose_into(&own, from, &mut weight[n * to..], names.len() * to);
        bias.extend(weights.take(&format!("{name}.bias"), &[to])?);
    }
    let weight = Tensor::from_vec(weight, (from, names.len() * to), &Device::Cpu).map_err(|error| error.to_string())?;
    Ok(Linear { weight, bias })
}

/// Rows that are moved together, so that both matrices stay in the cache.
const BLOCK: usize = 16;

/// Writes rows of `width` numbers as columns of a matrix whose rows are `stride` apart.
fn transpose_into(rows: &[f32], width: usize, columns: &mut [f32], stride: usize) {
    for (block, rows) in rows.chunks(BLOCK * width).enumerate() {
        for component in 0..width {
            for (row, values) in rows.chunks_exact(width).enumerate() {
                columns[component * stride + block * BLOCK + row] = values[component];
            }
        }
    }
}

/// A step on the numbers of a tensor where they lie.
struct InPlace<F>(F);

impl<F: Fn(&mut [f32])> InplaceOp1 for InPlace<F> {
    fn name(&self) -> &'static str {
        "in-place"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout) -> Result<()> {
        let CpuStorage::F32(values) = storage else { return Err(Error::Msg("not of type f32".into())) };
        (self.0)(values);
        Ok(())
    }
}

/// A step on the numbers of a tensor where they lie, with those of another.
struct InPlaceWith<F>(F);

impl<F: Fn(&mut [f32], &[f32])> InplaceOp2 for InPlaceWith<F> {
    fn name(&self) -> &'static str {
        "in-place-with"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, _: &Layout, other: &CpuStorage, _: &Layout) -> Result<()> {
        let (CpuStorage::F32(values), CpuStorage::F32(other)) = (storage, other) else {
            return Err(Error::Msg("not of type f32".into()));
        };
        (self.0)(values, other);
        Ok(())
    }
}
