//! What does a folder's config.json say about its model, and which of ggml's keys is that?

use candle_core::quantized::gguf_file::Value;
use engine::model::local::gguf::Metadata;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

/// What is read of config.json; what is absent is as in `transformers`.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Config {
    /// The architecture.
    pub(super) model_type: String,
    /// Components between layers.
    #[serde(rename = "hidden_size")]
    pub(super) width: usize,
    /// Blocks of attention and feed-forward.
    #[serde(rename = "num_hidden_layers")]
    pub(super) layers: usize,
    /// Heads of queries.
    #[serde(rename = "num_attention_heads")]
    pub(super) heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    /// Components between gate and down projection.
    #[serde(rename = "intermediate_size")]
    pub(super) inner: usize,
    /// Tokens that the weights know.
    #[serde(rename = "vocab_size")]
    pub(super) words: usize,
    max_position_embeddings: usize,
    rms_norm_eps: f64,
    rope_theta: Option<f64>,
    rope_scaling: Option<Map<String, Json>>,
    /// Where `transformers` 5 has what was `rope_theta` and `rope_scaling`.
    rope_parameters: Option<Map<String, Json>>,
    tie_word_embeddings: Option<bool>,
    hidden_act: Option<String>,
    use_sliding_window: Option<bool>,
    quantization_config: Option<Json>,
    /// The token that begins a text, where the tokenizer does not say.
    pub(super) bos_token_id: Option<Json>,
    /// The one that ends it, or several.
    pub(super) eos_token_id: Option<Json>,
    /// The one that fills up.
    pub(super) pad_token_id: Option<Json>,
}

/// Tokens, layers and components that a model may have: more is a mistake.
const MOST: usize = 1 << 22;

/// Keys of a rope's scaling that say something to every reader.
const PLAIN: [&str; 5] = ["type", "rope_type", "factor", "original_max_position_embeddings", "rope_theta"];

/// Those that must have these values, as there is no key that every reader knows for others.
const USUAL: [(&str, f64); 2] = [("beta_fast", 32.0), ("beta_slow", 1.0)];

impl Config {
    /// Reads config.json.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let config: Self = serde_json::from_slice(bytes).map_err(|why| why.to_string())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        let model = self.model_type.as_str();
        if !matches!(model, "llama" | "qwen2" | "qwen3") {
            let known = "only llama, qwen2 and qwen3 are read from a folder";
            return Err(format!("it is of the architecture `{model}`, and {known}; take it as GGUF"));
        }
        if let Some(act) = self.hidden_act.as_deref().filter(|&act| act != "silu") {
            return Err(format!("its gate is `{act}`, and only `silu` is known"));
        }
        if self.use_sliding_window == Some(true) {
            return Err("its layers see only some tokens (`use_sliding_window`), which is not known".into());
        }
        if self.quantization_config.is_some() {
            return Err("its weights are quantized (`quantization_config`): take those that are not".into());
        }
        if model == "qwen2" && self.heads.checked_mul(self.head_size()) != Some(self.width) {
            return Err("its heads are not as wide together as the model, which no qwen2 is".into());
        }
        let counts = [self.width, self.layers, self.heads, self.inner, self.words];
        let sizes = [self.max_position_embeddings, self.key_heads(), self.head_size()];
        match counts.iter().chain(&sizes).all(|size| (1..=MOST).contains(size)) {
            true => Ok(()),
            false => Err("it has sizes that fit no model".into()),
        }
    }

    /// Heads of keys and values.
    pub(super) fn key_heads(&self) -> usize {
        self.num_key_value_heads.unwrap_or(self.heads)
    }

    /// Components of a head.
    pub(super) fn head_size(&self) -> usize {
        self.head_dim.unwrap_or(self.width.checked_div(self.heads).unwrap_or(0))
    }

    /// Whether the embeddings are the output, too.
    pub(super) fn is_tied(&self) -> bool {
        self.tie_word_embeddings == Some(true)
    }

    /// Puts what ggml wants to know among the metadata.
    pub(super) fn describe(&self, metadata: &mut Metadata) -> Result<(), String> {
        let model = &self.model_type;
        let mut put = |key: &str, value| {
            metadata.insert(format!("{model}.{key}"), value);
        };
        let mut count = |key, count: usize| put(key, Value::U32(u32::try_from(count).unwrap_or(u32::MAX)));
        count("context_length", self.max_position_embeddings);
        count("embedding_length", self.width);
        count("block_count", self.layers);
        count("feed_forward_length", self.inner);
        count("attention.head_count", self.heads);
        count("attention.head_count_kv", self.key_heads());
        if self.head_dim.is_some() {
            count("attention.key_length", self.head_size());
            count("attention.value_length", self.head_size());
        }
        if model == "llama" {
            count("vocab_size", self.words);
            count("rope.dimension_count", self.head_size());
        }
        put("attention.layer_norm_rms_epsilon", Value::F32(self.rms_norm_eps as f32));
        put("rope.freq_base", Value::F32(self.rope_base() as f32));
        self.stretch(&mut put)
    }

    fn rope_base(&self) -> f64 {
        let new = self.rope_parameters.as_ref().and_then(|rope| rope.get("rope_theta")).and_then(Json::as_f64);
        new.or(self.rope_theta).unwrap_or(10_000.0)
    }

    /// How positions are scaled, and by what name.
    fn scaling(&self) -> Option<(&str, &Map<String, Json>)> {
        let scaling = self.rope_scaling.as_ref().or(self.rope_parameters.as_ref())?;
        let name = scaling.get("rope_type").or(scaling.get("type")).and_then(Json::as_str)?;
        (name != "default").then_some((name, scaling))
    }

    fn stretch(&self, put: &mut dyn FnMut(&str, Value)) -> Result<(), String> {
        let Some((name, scaling)) = self.scaling() else { return Ok(()) };
        match name {
            // Written as the tensor `rope_freqs.weight`.
            "llama3" => return Ok(()),
            "linear" => {}
            "yarn" => {
                let first = "original_max_position_embeddings";
                let first = positive(scaling, first, Some(self.max_position_embeddings as f64))?;
                put("rope.scaling.original_context_length", Value::U32(first as u32));
            }
            _ => return Err(format!("it scales positions by `{name}`, which is not known")),
        }
        let is_usual = |key: &str, value: &Json| USUAL.iter().any(|&(k, v)| k == key && value.as_f64() == Some(v));
        let is_known = |key: &str, value: &Json| value.is_null() || PLAIN.contains(&key) || is_usual(key, value);
        if let Some((key, value)) = scaling.iter().find(|(key, value)| !is_known(key, value)) {
            return Err(format!("`rope_scaling` has `{key}` = {value}, which is not known"));
        }
        put("rope.scaling.type", Value::String(name.to_owned()));
        put("rope.scaling.factor", Value::F32(positive(scaling, "factor", None)? as f32));
        Ok(())
    }

    /// What the angle of each pair is divided by, where positions are scaled as by Llama 3.1.
    pub(super) fn factors(&self) -> Result<Option<Vec<f32>>, String> {
        let Some(("llama3", scaling)) = self.scaling() else { return Ok(None) };
        let factor = positive(scaling, "factor", Some(8.0))?;
        let low = positive(scaling, "low_freq_factor", Some(1.0))?;
        let high = positive(scaling, "high_freq_factor", Some(4.0))?;
        let window = positive(scaling, "original_max_position_embeddings", Some(8192.0))?;
        if high <= low {
            return Err("`rope_scaling` has a `high_freq_factor` that is not above its `low_freq_factor`".into());
        }
        let (size, base) = (self.head_size(), self.rope_base());
        let of = |pair: usize| {
            let turns = window / (std::f64::consts::TAU * base.powf(2.0 * pair as f64 / size as f64));
            let smooth = ((turns - low) / (high - low)).clamp(0.0, 1.0);
            (1.0 / ((1.0 - smooth) / factor + smooth)) as f32
        };
        Ok(Some((0..size / 2).map(of).collect()))
    }
}

fn positive(of: &Map<String, Json>, key: &str, otherwise: Option<f64>) -> Result<f64, String> {
    let number = match of.get(key) {
        None => otherwise,
        Some(value) => value.as_f64(),
    };
    let number = number.filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("`rope_scaling` has no `{key}` that it can be"))
}
