//! A small model in a folder, as the Hugging Face hub has them, with weights of no meaning.
#![expect(clippy::disallowed_methods, reason = "a test makes its files")]

use std::{fs, path::Path};

use half::bf16;
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value as Json, json};
use tokenizers::{
    AddedToken, NormalizerWrapper, PostProcessorWrapper, Tokenizer, TokenizerBuilder,
    decoders::DecoderWrapper,
    models::bpe::{BPE, BpeTrainerBuilder},
    pre_tokenizers::{PreTokenizerWrapper, byte_level::ByteLevel},
};

/// What a folder's model is like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    pub(super) architecture: &'static str,
    pub(super) width: usize,
    pub(super) layers: usize,
    pub(super) heads: usize,
    pub(super) key_heads: usize,
    pub(super) size: usize,
    pub(super) inner: usize,
    pub(super) is_tied: bool,
    pub(super) dtype: Dtype,
}

/// Rows that fill the blocks of all types.
pub(super) const WIDE: Kind = Kind {
    architecture: "llama",
    width: 256,
    layers: 4,
    heads: 4,
    key_heads: 2,
    size: 64,
    inner: 512,
    is_tied: true,
    dtype: Dtype::F32,
};

/// Rows that fill blocks of 32 only, and heads that are not as wide together as the model.
pub(super) const NARROW: Kind = Kind {
    architecture: "llama",
    width: 96,
    layers: 3,
    heads: 4,
    key_heads: 1,
    size: 32,
    inner: 160,
    is_tied: false,
    dtype: Dtype::BF16,
};

/// Rows of the embeddings: more than there are tokens.
pub(super) const WORDS: usize = 640;

/// Numbers between -1 and 1 that look like chance, always the same.
pub(super) fn numbers(mut seed: u64) -> impl FnMut() -> f32 {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}

/// The tensors, with their names and dimensions.
pub(super) fn tensors(kind: Kind) -> Vec<(String, Vec<usize>)> {
    let Kind { width, size, heads, key_heads, inner, .. } = kind;
    let mut all = vec![("model.embed_tokens.weight".to_owned(), vec![WORDS, width])];
    all.push(("model.norm.weight".to_owned(), vec![width]));
    if !kind.is_tied {
        all.push(("lm_head.weight".to_owned(), vec![WORDS, width]));
    }
    for layer in 0..kind.layers {
        let mut add = |name: &str, sizes: &[usize]| all.push((format!("model.layers.{layer}.{name}"), sizes.to_vec()));
        add("input_layernorm.weight", &[width]);
        add("post_attention_layernorm.weight", &[width]);
        for (part, rows) in [("q", heads), ("k", key_heads), ("v", key_heads)] {
            add(&format!("self_attn.{part}_proj.weight"), &[rows * size, width]);
            if kind.architecture == "qwen2" {
                add(&format!("self_attn.{part}_proj.bias"), &[rows * size]);
            }
            if kind.architecture == "qwen3" && part != "v" {
                add(&format!("self_attn.{part}_norm.weight"), &[size]);
            }
        }
        add("self_attn.o_proj.weight", &[width, heads * size]);
        add("mlp.gate_proj.weight", &[inner, width]);
        add("mlp.up_proj.weight", &[inner, width]);
        add("mlp.down_proj.weight", &[width, inner]);
    }
    all
}

/// Numbers as a trained model might have them: norms around 1, larger ones rare.
pub(super) fn values(name: &str, sizes: &[usize]) -> Vec<f32> {
    let mut next = numbers(name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31) + u64::from(byte)));
    let count = sizes.iter().product();
    let columns = *sizes.last().expect("a dimension") as f32;
    (0..count)
        .map(|_| match name {
            _ if name.contains("norm") => 1.0 + 0.2 * next(),
            _ if name.ends_with("bias") => 0.1 * next(),
            _ => 3.0 * next().powi(3) / columns.sqrt(),
        })
        .collect()
}

/// Writes a model; `more` is put into its config.json.
pub(super) fn write(folder: &Path, kind: Kind, more: Json) {
    write_with(folder, kind, more, values);
}

/// Writes a model with these weights.
pub(super) fn write_with(folder: &Path, kind: Kind, more: Json, values: impl Fn(&str, &[usize]) -> Vec<f32>) {
    fs::create_dir_all(folder).unwrap();
    let tensors = tensors(kind);
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|(name, sizes)| bytes(&values(name, sizes), kind.dtype)).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, sizes), bytes)| {
        (name.as_str(), TensorView::new(kind.dtype, sizes.clone(), bytes).expect("a tensor"))
    });
    fs::write(folder.join("model.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    fs::write(folder.join("config.json"), config(kind, more).to_string()).unwrap();
    write_tokenizer(folder, "gpt-2");
}

pub(super) fn bytes(values: &[f32], dtype: Dtype) -> Vec<u8> {
    match dtype {
        Dtype::F32 => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => values.iter().flat_map(|&value| bf16::from_f32(value).to_le_bytes()).collect(),
    }
}

fn config(kind: Kind, more: Json) -> Json {
    let mut config = json!({
        "model_type": kind.architecture,
        "hidden_size": kind.width,
        "num_hidden_layers": kind.layers,
        "num_attention_heads": kind.heads,
        "num_key_value_heads": kind.key_heads,
        "head_dim": kind.size,
        "intermediate_size": kind.inner,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10_000.0,
        "vocab_size": WORDS,
        "tie_word_embeddings": kind.is_tied,
        "hidden_act": "silu",
        "eos_token_id": [2, 0],
    });
    if let Json::Object(more) = more {
        config.as_object_mut().expect("an object").extend(more);
    }
    config
}

/// Tokens with a meaning of their own.
const SPECIAL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// What the tokenizer is trained on.
const TEXT: &str = include_str!("../../../../README.md");

/// Writes a tokenizer that splits text as llama.cpp's `pre` says, trained on this project's own words.
pub(super) fn write_tokenizer(folder: &Path, pre: &str) -> Tokenizer {
    let mut tokenizer =
        TokenizerBuilder::<BPE, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>::new()
            .with_model(BPE::default())
            .with_pre_tokenizer(Some(split(pre)))
            .with_decoder(Some(ByteLevel::default().into()))
            .build()
            .unwrap();
    let special: Vec<AddedToken> = SPECIAL.iter().map(|&text| AddedToken::from(text, true)).collect();
    let mut trainer = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(600)
        .min_frequency(1)
        .special_tokens(special)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    tokenizer.train(&mut trainer, TEXT.lines()).unwrap();
    let path = folder.join("tokenizer.json");
    tokenizer.save(&path, false).unwrap();
    let mut json: Json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["model"]["ignore_merges"] = json!(pre == "llama-bpe");
    // One that a person added: no control token, and written out in text.
    json["added_tokens"].as_array_mut().expect("a list").push(json!({
        "id": 600, "content": "fn main()", "special": false, "normalized": false, "lstrip": false, "rstrip": false,
        "single_word": false,
    }));
    fs::write(&path, json.to_string()).unwrap();
    let named = json!({
        "bos_token": "<|im_start|>", "eos_token": {"content": "<|im_end|>"}, "pad_token": "<|im_end|>",
        "chat_template": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}",
    });
    fs::write(folder.join("tokenizer_config.json"), named.to_string()).unwrap();
    Tokenizer::from_file(path).unwrap()
}

/// Rules as the models have them in their tokenizer.json.
fn split(pre: &str) -> PreTokenizerWrapper {
    let ending = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|";
    let rest = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    let bytes =
        |own: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": own});
    let by = |numbers: &str| {
        let pattern = format!("{ending}{numbers}{rest}");
        let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
        json!({"type": "Sequence", "pretokenizers": [split, bytes(false)]})
    };
    let digits = json!({"type": "Digits", "individual_digits": true});
    let rule = match pre {
        "smollm" => json!({"type": "Sequence", "pretokenizers": [digits, bytes(true)]}),
        "llama-bpe" | "smaug-bpe" => by(r"\p{N}{1,3}"),
        "qwen2" => by(r"\p{N}"),
        _ => bytes(true),
    };
    serde_json::from_value(rule).unwrap()
}
