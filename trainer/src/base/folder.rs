//! Which of ggml's tensors is which of a folder's, and how do its rows lie?
//!
//! Names and layout are those of `transformers` on the one side (llama, qwen2, qwen3), of llama.cpp's converter on the
//! other. ggml's llama turns neighboring components of a head together, `transformers` those that are half a head apart:
//! the rows of queries and keys change places (llama.cpp, `LlamaModel.permute`).

use std::{collections::HashMap, ops::Range, path::Path};

use candle_core::quantized::{GgmlDType, gguf_file::Value};
use engine::model::local::gguf::Metadata;

use super::{
    config::Config,
    shards::{Lying, Numbers, Shards},
    words,
};
use crate::files;

/// Bytes of config.json that are read.
const MOST_CONFIG: u64 = 4 << 20;

/// A model in a folder.
#[derive(Debug)]
pub(super) struct Folder {
    shards: Shards,
    /// What it would say as a GGUF file.
    pub(super) metadata: Metadata,
    /// By the names of ggml.
    pub(super) tensors: HashMap<String, Tensor>,
}

/// A tensor as ggml has it.
#[derive(Debug)]
pub(super) struct Tensor {
    /// Its dimensions, the fastest first.
    pub(super) sizes: Vec<usize>,
    from: From,
}

#[derive(Debug)]
enum From {
    /// As it lies there.
    Rows(Lying),
    /// With the rows of so many heads in another order.
    Heads(Lying, usize),
    Made(Vec<f32>),
}

impl Tensor {
    /// How its numbers are packed.
    pub(super) fn kind(&self) -> GgmlDType {
        match &self.from {
            From::Rows(lying) | From::Heads(lying, _) => match lying.numbers {
                Numbers::F32 => GgmlDType::F32,
                Numbers::F16 => GgmlDType::F16,
                Numbers::Bf16 => GgmlDType::BF16,
            },
            From::Made(_) => GgmlDType::F32,
        }
    }
}

impl Folder {
    /// Opens a folder. Its weights stay where they are.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        let named = |why: String| format!("config.json: {why}");
        let config = files::read_small(&folder.join("config.json"), MOST_CONFIG);
        let config = config.map_err(|why| named(why.to_string()))?.ok_or("it has no config.json")?;
        let config = Config::read(&config).map_err(named)?;
        let mut shards = Shards::open(folder)?;
        let mut tensors = HashMap::new();
        for (name, lying) in std::mem::take(&mut shards.tensors) {
            tensors.extend(translated(&config, &name, lying)?);
        }
        if let Some(factors) = config.factors().map_err(named)? {
            let made = Tensor { sizes: vec![factors.len()], from: From::Made(factors) };
            tensors.insert("rope_freqs.weight".to_owned(), made);
        }
        if let Some(name) = needed(&config).into_iter().find(|name| !tensors.contains_key(name)) {
            return Err(format!("it has no tensor that would be `{name}`: files are missing, download it again"));
        }
        let mut metadata = Metadata::new();
        let text = |text: &str| Value::String(text.to_owned());
        metadata.insert("general.architecture".into(), text(&config.model_type));
        metadata.insert("general.type".into(), text("model"));
        metadata.insert("general.name".into(), text(&folder.file_name().unwrap_or_default().to_string_lossy()));
        config.describe(&mut metadata).map_err(named)?;
        words::describe(folder, &config, &mut metadata)?;
        Ok(Self { shards, metadata, tensors })
    }

    /// Some rows of a tensor.
    pub(super) fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, String> {
        let tensor = self.tensors.get(name).ok_or_else(|| format!("it has no tensor `{name}`"))?;
        let columns = tensor.sizes.first().copied().unwrap_or(0);
        let height = tensor.sizes.get(1).copied();
        match (&tensor.from, height) {
            (From::Rows(lying), _) => self.shards.rows(lying, columns, rows.start, rows.len()),
            (From::Heads(lying, heads), Some(height)) => {
                let row = |row| self.shards.rows(lying, columns, old_row(row, height / heads), 1);
                Ok(rows.map(row).collect::<Result<Vec<_>, _>>()?.concat())
            }
            // The numbers of a bias are as rows of one number.
            (From::Heads(lying, heads), None) => {
                let row = |row| self.shards.rows(lying, 1, old_row(row, columns / heads), 1);
                Ok((0..columns).map(row).collect::<Result<Vec<_>, _>>()?.concat())
            }
            (From::Made(numbers), _) => Ok(numbers.clone()),
        }
    }
}

/// Where a row was before the halves of its head were interleaved.
fn old_row(row: usize, size: usize) -> usize {
    let (head, n) = (row / size, row % size);
    head * size + n % 2 * (size / 2) + n / 2
}

/// The tensor with ggml's name; nothing for what ggml does not keep.
fn translated(config: &Config, name: &str, lying: Lying) -> Result<Option<(String, Tensor)>, String> {
    if name.ends_with("rotary_emb.inv_freq") || name == "lm_head.weight" && config.is_tied() {
        return Ok(None);
    }
    let new = new_name(config, name).ok_or_else(|| format!("its tensor `{name}` is none that is known"))?;
    let wanted = dimensions(config, &new);
    if lying.sizes != wanted {
        return Err(format!("its tensor `{name}` has the dimensions {:?}, and {wanted:?} are needed", lying.sizes));
    }
    let from = match part(&new) {
        "attn_q" if config.model_type == "llama" => From::Heads(lying, config.heads),
        "attn_k" if config.model_type == "llama" => From::Heads(lying, config.key_heads()),
        _ => From::Rows(lying),
    };
    Ok(Some((new, Tensor { sizes: wanted.into_iter().rev().collect(), from })))
}

/// Parts of a layer, in `transformers` and in ggml.
const PARTS: [(&str, &str); 11] = [
    ("input_layernorm", "attn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.q_norm", "attn_q_norm"),
    ("self_attn.k_norm", "attn_k_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];

/// Whether a layer of such a model has this part of ggml's.
fn has(config: &Config, part: &str) -> bool {
    config.model_type == "qwen3" || !matches!(part, "attn_q_norm" | "attn_k_norm")
}

fn new_name(config: &Config, name: &str) -> Option<String> {
    match name {
        "model.embed_tokens.weight" => return Some("token_embd.weight".into()),
        "model.norm.weight" => return Some("output_norm.weight".into()),
        "lm_head.weight" => return Some("output.weight".into()),
        _ => {}
    }
    let (layer, rest) = name.strip_prefix("model.layers.")?.split_once('.')?;
    let (old, suffix) = rest.rsplit_once('.')?;
    let layer = layer.parse::<usize>().ok().filter(|&layer| layer < config.layers)?;
    let (_, new) = PARTS.iter().find(|(known, _)| *known == old)?;
    let fits = suffix == "weight" || suffix == "bias" && !new.ends_with("_norm");
    (fits && has(config, new)).then(|| format!("blk.{layer}.{new}.{suffix}"))
}

/// The part that a name of ggml's is about.
fn part(name: &str) -> &str {
    name.split('.').rev().nth(1).unwrap_or(name)
}

/// What a tensor of ggml's name must have, the slowest first.
fn dimensions(config: &Config, name: &str) -> Vec<usize> {
    let (queries, keys) = (config.heads * config.head_size(), config.key_heads() * config.head_size());
    let Config { width, inner, words, .. } = *config;
    let (rows, columns) = match part(name) {
        "token_embd" | "output" => (words, width),
        "attn_q" => (queries, width),
        "attn_k" | "attn_v" => (keys, width),
        "attn_output" => (width, queries),
        "ffn_gate" | "ffn_up" => (inner, width),
        "ffn_down" => (width, inner),
        "attn_q_norm" | "attn_k_norm" => return vec![config.head_size()],
        _ => return vec![width],
    };
    if name.ends_with(".bias") { vec![rows] } else { vec![rows, columns] }
}

/// What no model can do without.
fn needed(config: &Config) -> Vec<String> {
    let mut names = vec!["token_embd.weight".to_owned(), "output_norm.weight".to_owned()];
    if !config.is_tied() {
        names.push("output.weight".to_owned());
    }
    let parts = PARTS.iter().map(|(_, part)| *part).filter(|part| has(config, part));
    let mut suffixed: Vec<String> = parts.map(|part| format!("{part}.weight")).collect();
    if config.model_type == "qwen2" {
        suffixed.extend(["attn_q", "attn_k", "attn_v"].map(|part| format!("{part}.bias")));
    }
    let layers = (0..config.layers).flat_map(|layer| suffixed.iter().map(move |part| format!("blk.{layer}.{part}")));
    names.extend(layers);
    names
}
