//! Which sizes has the model in a file? As its metadata says.
//!
//! Keys have the names of ggml's `docs/gguf.md`.

use candle_core::quantized::gguf_file::Value;

use super::{
    gguf::{Gguf, Metadata, float, text, whole},
    kernel::{Gate, Pairs, Rope},
};

/// What tells one model from another.
#[derive(Debug, Clone)]
pub struct Shape {
    /// ggml's name of its kind: `llama`, `qwen2`, `qwen3`, `gemma3`.
    pub architecture: String,
    /// Tokens that it knows.
    pub words: usize,
    /// Tokens that it was trained to read at once.
    pub window: usize,
    /// Components of a token between layers.
    pub width: usize,
    /// Blocks of attention and feed-forward.
    pub layers: usize,
    /// Heads of queries.
    pub heads: usize,
    /// Heads of keys and values; each serves as many heads of queries.
    pub key_heads: usize,
    /// Components of a head.
    pub size: usize,
    /// Components between gate and down projection.
    pub inner: usize,
    /// What stands at the gate.
    pub gate: Gate,
    /// What embeddings are multiplied with.
    pub embedding_scale: f32,
    /// What the products of queries and keys are multiplied with.
    pub scale: f32,
    /// The one for all layers, or the one for those that see all and the one for those that do not.
    pub ropes: Vec<Rope>,
    /// Tokens that layers with a narrow sight see, and every which layer sees all.
    narrow: Option<(usize, usize)>,
    /// What is added to the mean square before its root is taken.
    pub epsilon: f32,
}

/// Architectures that are known.
const KNOWN: &str = "llama, qwen2, qwen3 and gemma3";

/// Layers that a model may have, and components of a head.
const MOST: usize = 4096;

impl Shape {
    /// Reads the sizes, which are not yet compared with the tensors.
    pub(super) fn new(file: &Gguf) -> Result<Self, String> {
        let words = file.tensors.get("token_embd.weight").map_or(0, |tensor| tensor.rows);
        Self::of(&file.metadata, words, &|pairs| file.row("rope_freqs.weight", pairs))
    }

    /// The sizes of a model that knows so many tokens, as its metadata say. `factors` gives the tensor
    /// `rope_freqs.weight` of so many numbers, where there is one.
    ///
    /// # Errors
    /// What is missing or fits no model that is known, in words.
    pub fn of(
        metadata: &Metadata,
        words: usize,
        factors: &dyn Fn(usize) -> Result<Option<Vec<f32>>, String>,
    ) -> Result<Self, String> {
        let architecture = text(metadata, "general.architecture").ok_or("it does not say its architecture")?;
        let keys = Keys { metadata, architecture };
        if !matches!(architecture, "llama" | "qwen2" | "qwen3" | "gemma3") {
            return Err(format!("it is of the architecture `{architecture}`, and only {KNOWN} are known"));
        }
        if keys.count("expert_count", Some(0))? > 0 {
            return Err("it is a mixture of experts, which is not known".into());
        }
        let is_gemma = architecture == "gemma3";
        let (width, heads) = (keys.count("embedding_length", None)?, keys.count("attention.head_count", None)?);
        let key_heads = keys.count("attention.head_count_kv", Some(heads))?;
        let size = keys.count("attention.key_length", width.checked_div(heads))?;
        let narrow = keys.count("attention.sliding_window", Some(0))?;
        let shape = Self {
            architecture: architecture.to_owned(),
            words,
            window: keys.count("context_length", None)?,
            width,
            layers: keys.count("block_count", None)?,
            heads,
            key_heads,
            size,
            inner: keys.count("feed_forward_length", None)?,
            gate: if is_gemma { Gate::Gelu } else { Gate::Silu },
            embedding_scale: if is_gemma { (width as f32).sqrt() } else { 1.0 },
            scale: 1.0 / (size as f32).sqrt(),
            ropes: Vec::new(),
            narrow: (is_gemma && narrow > 0).then_some((narrow, 6)),
            epsilon: keys.number("attention.layer_norm_rms_epsilon", None)?,
        };
        shape.check(keys.count("attention.value_length", Some(size))?)?;
        Ok(Self { ropes: shape.ropes(factors, keys)?, ..shape })
    }

    fn check(&self, value_size: usize) -> Result<(), String> {
        let sizes =
            [self.words, self.window, self.width, self.layers, self.heads, self.key_heads, self.size, self.inner];
        let fits = !sizes.contains(&0) && self.heads.is_multiple_of(self.key_heads) && self.size.is_multiple_of(2);
        if !fits || value_size != self.size || self.size > MOST || self.layers > MOST || self.heads > MOST {
            return Err("it has sizes that fit no such model".into());
        }
        Ok(())
    }

    fn ropes(
        &self,
        factors: &dyn Fn(usize) -> Result<Option<Vec<f32>>, String>,
        keys: Keys<'_>,
    ) -> Result<Vec<Rope>, String> {
        let pairs = if self.architecture == "llama" { Pairs::Near } else { Pairs::Far };
        let turned = keys.count("rope.dimension_count", Some(self.size))?;
        if turned > self.size || !turned.is_multiple_of(2) || turned == 0 || turned != self.size && pairs == Pairs::Far
        {
            return Err(format!("it rotates {turned} of the {} components of a head", self.size));
        }
        let base = keys.number("rope.freq_base", Some(10_000.0))?;
        let plain = |base: f32| -> Vec<f64> {
            (0..turned / 2).map(|n| f64::from(base).powf(-2.0 * n as f64 / turned as f64)).collect()
        };
        let mut rope = Rope { angles: plain(base), factor: 1.0, pairs };
        if let Some(factors) = factors(turned / 2)? {
            rope.angles.iter_mut().zip(factors).for_each(|(angle, factor)| *angle /= f64::from(factor));
        }
        keys.stretch(&mut rope, base)?;
        let mut ropes = vec![rope];
        if self.narrow.is_some() {
            let base = keys.number("rope.freq_base_swa", Some(10_000.0))?;
            ropes.push(Rope { angles: plain(base), factor: 1.0, pairs });
        }
        Ok(ropes)
    }

    /// Which rope a layer has, and how many tokens it sees.
    pub fn sight(&self, layer: usize) -> (usize, usize) {
        match self.narrow {
            Some((tokens, every)) if !(layer + 1).is_multiple_of(every) => (1, tokens),
            _ => (0, usize::MAX),
        }
    }
}

/// The keys of an architecture.
#[derive(Clone, Copy)]
struct Keys<'a> {
    metadata: &'a Metadata,
    architecture: &'a str,
}

impl Keys<'_> {
    fn name(self, key: &str) -> String {
        format!("{}.{key}", self.architecture)
    }

    fn count(self, key: &str, otherwise: Option<usize>) -> Result<usize, String> {
        let key = self.name(key);
        // Some converters write one number for each layer.
        if let Some(Value::Array(values)) = self.metadata.get(&key) {
            let all: Vec<u64> = values.iter().filter_map(|value| value.to_u64().ok()).collect();
            return match all[..] {
                [first, ..] if all.len() == values.len() && all.iter().all(|&n| n == first) && first < 1 << 32 => {
                    Ok(first as usize)
                }
                _ => Err(format!("`{key}` is not the same for all layers, which is not known")),
            };
        }
        whole(self.metadata, &key)?.or(otherwise).ok_or_else(|| format!("it does not say `{key}`"))
    }

    fn number(self, key: &str, otherwise: Option<f32>) -> Result<f32, String> {
        let key = self.name(key);
        let number = float(self.metadata, &key)?.or(otherwise);
        number.filter(|&number| number > 0.0).ok_or_else(|| format!("it does not say `{key}`"))
    }

    /// Slows a rope down for more tokens than the model was first trained with.
    fn stretch(self, rope: &mut Rope, base: f32) -> Result<(), String> {
        let factor = f64::from(self.number("rope.scaling.factor", Some(1.0))?);
        match text(self.metadata, &self.name("rope.scaling.type")) {
            None | Some("none") => {}
            Some("linear") => rope.angles.iter_mut().for_each(|angle| *angle /= factor),
            Some("yarn") => {
                let first = self.count("rope.scaling.original_context_length", None)?;
                yarn(rope, f64::from(base), factor, first as f64);
                let attention = self.number("rope.scaling.attn_factor", Some(1.0))?;
                rope.factor *= f64::from(attention) * (1.0 + 0.1 * factor.ln());
            }
            Some(other) => return Err(format!("it scales positions by `{other}`, which is not known")),
        }
        Ok(())
    }
}

/// Slows down the pairs that turn less than once in the first window, and not those that turn often (arXiv 2309.00071).
fn yarn(rope: &mut Rope, base: f64, factor: f64, window: f64) {
    let pairs = rope.angles.len() as f64;
    // The pair that turns so often in the window.
    let pair = |turns: f64| pairs * (window / (turns * std::f64::consts::TAU)).ln() / base.ln();
    let (low, high) = (pair(32.0).floor().max(0.0), pair(1.0).ceil().min(2.0 * pairs - 1.0));
    for (n, angle) in rope.angles.iter_mut().enumerate() {
        let slow = ((n as f64 - low) / (high - low).max(0.001)).clamp(0.0, 1.0);
        *angle *= 1.0 - slow + slow / factor;
    }
}
