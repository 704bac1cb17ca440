//! Which model is in a file? Its matrices laid out for this processor.
//!
//! Tensors have the names of ggml's `docs/gguf.md`.

use std::path::PathBuf;

use super::{
    gguf::Gguf,
    kernel::{Gate, Norm},
    linear::{Linear, Source},
    lora::{Adapter, Adapters},
    shape::Shape,
    transformer::{Layer, Transformer},
};

/// A model of a file, with adapters, and the digest of both.
pub(super) fn load(mut file: Gguf, adapters: &[PathBuf]) -> Result<(Transformer, String), String> {
    let shape = Shape::new(&file)?;
    let open = |path: &PathBuf| {
        Adapters::open(path, &shape.architecture).map_err(|why| format!("the adapter `{}`: {why}", path.display()))
    };
    let adapters = adapters.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut layers = Vec::new();
    for n in 0..shape.layers {
        layers.push(Loader { file: &file, shape: &shape, adapters: &adapters }.layer(n)?);
        file.forget()?;
    }
    let output = if file.tensors.contains_key("output.weight") { "output.weight" } else { "token_embd.weight" };
    let head = Linear::new(&file, vec![(file.tensor(output, shape.words, shape.width)?, None, Vec::new())])?;
    let loader = Loader { file: &file, shape: &shape, adapters: &adapters };
    let norm = loader.norm("output_norm.weight", shape.width)?;
    let mut digest = blake3::Hasher::new();
    file.digest(&mut digest);
    adapters.iter().for_each(|adapters| adapters.file.digest(&mut digest));
    let digest = digest.finalize().to_hex()[..12].to_owned();
    file.forget()?;
    Ok((Transformer { layers, head, norm, shape, file }, digest))
}

struct Loader<'a> {
    file: &'a Gguf,
    shape: &'a Shape,
    adapters: &'a [Adapters],
}

impl Loader<'_> {
    fn layer(&self, n: usize) -> Result<Layer, String> {
        let Shape { width, size, heads, key_heads, inner, .. } = *self.shape;
        let part = |name: &str, rows, columns| self.part(&format!("blk.{n}.{name}"), rows, columns);
        let linear = |parts: Vec<Source<'_>>| Linear::new(self.file, parts);
        let norm = |name: &str| self.norm(&format!("blk.{n}.{name}.weight"), width);
        let perhaps = |name: &str, width| self.norm_if_there(&format!("blk.{n}.{name}.weight"), width);
        let keys = |name: &str| part(name, key_heads * size, width);
        let (rope, sight) = self.shape.sight(n);
        let is_gemma = self.shape.gate == Gate::Gelu;
        let must = |name: &str| if is_gemma { norm(name).map(Some) } else { Ok(None) };
        Ok(Layer {
            before_attention: norm("attn_norm")?,
            looks: linear(vec![part("attn_q", heads * size, width)?, keys("attn_k")?, keys("attn_v")?])?,
            query_norm: perhaps("attn_q_norm", size)?,
            key_norm: perhaps("attn_k_norm", size)?,
            attended: linear(vec![part("attn_output", width, heads * size)?])?,
            after_attention: must("post_attention_norm")?,
            before_inner: norm("ffn_norm")?,
            inner: linear(vec![part("ffn_gate", inner, width)?, part("ffn_up", inner, width)?])?,
            outer: linear(vec![part("ffn_down", width, inner)?])?,
            after_inner: must("post_ffw_norm")?,
            rope,
            sight,
        })
    }

    fn part(&self, name: &str, rows: usize, columns: usize) -> Result<Source<'_>, String> {
        let weight = format!("{name}.weight");
        let tensor = self.file.tensor(&weight, rows, columns)?;
        let bias = self.file.row(&format!("{name}.bias"), rows)?;
        let found = self.adapters.iter().map(|adapters| adapters.of(&weight, rows, columns));
        let found: Vec<Option<Adapter>> =
            found.collect::<Result<_, _>>().map_err(|why| format!("an adapter: {why}"))?;
        Ok((tensor, bias, found.into_iter().flatten().collect()))
    }

    fn norm(&self, name: &str, width: usize) -> Result<Norm, String> {
        self.norm_if_there(name, width)?.ok_or_else(|| format!("it has no tensor `{name}`"))
    }

    fn norm_if_there(&self, name: &str, width: usize) -> Result<Option<Norm>, String> {
        let scale = self.file.row(name, width)?;
        Ok(scale.map(|scale| Norm { scale, epsilon: self.shape.epsilon }))
    }
}
