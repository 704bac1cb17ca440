//! How is a model kept that was trained from nothing? As Hugging Face keeps a llama, with its rows in the published order.

use std::{borrow::Cow, collections::HashMap, io, io::Write as _, path::Path};

use candle_core::{DType, Device, Tensor};
use safetensors::{Dtype, View};
use serde_json::json;

use super::{EPSILON, ROTATION, Words};
use crate::{
    adapter::{published, rows_as_published},
    files,
    net::{Decoder, NetError},
};

struct Floats(Vec<usize>, Vec<u8>);

impl View for &Floats {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }
    fn shape(&self) -> &[usize] {
        &self.0
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.1)
    }
    fn data_len(&self) -> usize {
        self.1.len()
    }
}

/// Writes model and words into a folder: config.json, model.safetensors, tokenizer_config.json; `tokenizer.json` is there.
///
/// # Errors
/// As the system or candle says.
pub fn save(decoder: &Decoder, words: &Words, folder: &Path) -> Result<(), io::Error> {
    let shape = decoder.shape();
    let config = json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float32",
        "vocab_size": shape.words, "hidden_size": shape.width, "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers, "num_attention_heads": shape.heads, "num_key_value_heads": shape.key_heads,
        "head_dim": shape.size, "max_position_embeddings": shape.window, "rms_norm_eps": EPSILON,
        "rope_theta": ROTATION, "hidden_act": "silu", "tie_word_embeddings": true, "attention_bias": false,
        "bos_token_id": words.end(), "eos_token_id": words.end(),
    });
    let about = json!({ "bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "add_bos_token": false });
    let text = |name: &str, text: String| files::replace(&folder.join(name), |out| out.write_all(text.as_bytes()));
    let tensors = tensors(decoder).map_err(io::Error::other)?;
    let kind = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let bytes = safetensors::serialize(tensors.iter().map(|(name, floats)| (name, floats)), Some(kind));
    let bytes = bytes.map_err(io::Error::other)?;
    files::replace(&folder.join("model.safetensors"), |out| out.write_all(&bytes))?;
    text("tokenizer_config.json", format!("{about:#}\n"))?;
    text("config.json", format!("{config:#}\n"))
}

fn tensors(decoder: &Decoder) -> Result<Vec<(String, Floats)>, NetError> {
    let mut all = Vec::new();
    for (name, tensor) in decoder.variables() {
        let values = tensor.to_dtype(DType::F32)?.to_device(&Device::Cpu)?;
        let rows = rows_as_published(decoder.shape(), name.trim_end_matches(".weight"));
        let values = match rows {
            Some(rows) => {
                let rows: Vec<u32> = rows.into_iter().map(|row| row as u32).collect();
                values.index_select(&Tensor::new(rows, &Device::Cpu)?, 0)?
            }
            None => values,
        };
        let bytes = values.flatten_all()?.to_vec1::<f32>()?.into_iter().flat_map(f32::to_le_bytes).collect();
        all.push((name_as_published(&name), Floats(values.dims().to_vec(), bytes)));
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

fn name_as_published(name: &str) -> String {
    let bare = name.trim_end_matches(".weight");
    if let Some(part) = published(bare) {
        return format!("model.{part}.weight");
    }
    let of_layer = |part: &str| {
        let (layer, norm) = bare.strip_prefix("blk.")?.split_once('.')?;
        (norm == part).then(|| layer.to_owned())
    };
    match bare {
        "token_embd" => "model.embed_tokens.weight".to_owned(),
        "output_norm" => "model.norm.weight".to_owned(),
        _ => match (of_layer("attn_norm"), of_layer("ffn_norm")) {
            (Some(layer), _) => format!("model.layers.{layer}.input_layernorm.weight"),
            (_, Some(layer)) => format!("model.layers.{layer}.post_attention_layernorm.weight"),
            _ => name.to_owned(),
        },
    }
}
