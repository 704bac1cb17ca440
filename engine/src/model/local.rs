//! What does a model in a GGUF file answer? Computed on this machine, by nobody else.

mod answer;
mod attention;
mod block;
mod cache;
mod device;
pub mod gguf;
mod grammar;
mod kernel;
mod linear;
mod lora;
mod sampler;
pub mod shape;
pub mod template;
#[cfg(target_arch = "x86_64")]
mod tiles;
#[cfg(not(target_arch = "x86_64"))]
#[path = "local/no_tiles.rs"]
mod tiles;
pub mod tokenizer;
mod transformer;
mod weights;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, Instant},
};

use super::{
    MOST_WINDOW,
    chat::{Answer, Model, ModelError, Request, Turn},
};
use cache::Cache;
use gguf::Gguf;
use grammar::Grammars;
pub use kernel::{Gate, Pairs, Rope, exp};
use template::Template;
use tokenizer::{Tokenizer, wrong};
use transformer::{Room, Transformer, Want};

/// Tokens that are read at once; between, it is asked whether to go on.
const CHUNK: usize = 256;

/// A model of a file, in memory: llama, qwen2, qwen3 or gemma3, in any of ggml's formats that candle reads.
///
/// Answers one question at a time, on all threads of rayon's pool. What a question has in common with the one before,
/// from its beginning on, is not read again.
pub struct Local {
    name: String,
    window: usize,
    model: Transformer,
    tokenizer: Arc<Tokenizer>,
    template: Template,
    grammars: Grammars,
    state: Mutex<State>,
}

/// By what a model's name knows the weights of its file: 64 hex digits of the header and of some bytes of each tensor,
/// of which the name of a model without adapters has the first twelve.
///
/// # Errors
/// What is wrong with the file, in words.
pub fn digest(file: &Path) -> Result<String, String> {
    let mut digest = blake3::Hasher::new();
    Gguf::open(file)?.digest(&mut digest);
    Ok(digest.finalize().to_hex().to_string())
}

/// What was read last, and room to read on.
#[derive(Debug)]
struct State {
    cache: Cache,
    room: Room,
}

impl Local {
    /// Opens a GGUF file, with LoRA adapters laid over it, for questions and answers of `window` tokens together; 0 for
    /// what the model was made for, at most [`MOST_WINDOW`].
    ///
    /// # Errors
    /// [`ModelError::File`] when it is not there, not what it should be, or of an unknown architecture.
    pub fn open(file: &Path, adapters: &[PathBuf], window: usize) -> Result<Self, ModelError> {
        let failed = |why| ModelError::File { file: file.display().to_string(), why };
        let gguf = Gguf::open(file).map_err(failed)?;
        let tokenizer = Arc::new(Tokenizer::new(&gguf.metadata)?);
        let template = Template::new(&gguf.metadata)?;
        let (model, digest) = weights::load(gguf, adapters).map_err(failed)?;
        if tokenizer.len() > model.shape.words {
            let (known, words) = (model.shape.words, tokenizer.len());
            return Err(failed(format!("its vocabulary has {words} tokens, and its weights know {known}")));
        }
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        let made_for = model.shape.window;
        Ok(Self {
            name: format!("{stem}@{digest}"),
            window: if window == 0 { made_for.min(MOST_WINDOW) } else { window.min(made_for) },
            state: Mutex::new(State { cache: model.cache(), room: Room::default() }),
            grammars: Grammars::new(Arc::clone(&tokenizer))?,
            tokenizer,
            template,
            model,
        })
    }

    /// The logits after each token of a text, `[tokens, words]`: for measurements.
    ///
    /// # Errors
    /// [`ModelError`] when the model breaks.
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<f32>, ModelError> {
        let mut state = self.state();
        state.keep(self, 0);
        let mut all = Vec::new();
        for chunk in tokens.chunks(CHUNK) {
            all.extend_from_slice(state.read(self, chunk, Want::All)?);
        }
        Ok(all)
    }

    /// What each token after the first `known` costs, in nats, given those before it: for measurements.
    ///
    /// # Errors
    /// [`ModelError`] when the model breaks, the text is longer than its window, or a token is none of its own.
    pub fn losses(&self, tokens: &[u32], known: usize) -> Result<Vec<f32>, ModelError> {
        if tokens.len() > self.window {
            return Err(ModelError::TooLong { tokens: tokens.len(), window: self.window });
        }
        let mut state = self.state();
        let known = known.max(1);
        let reused = state.reuse(self, &tokens[..known.min(tokens.len())]);
        let mut losses = Vec::with_capacity(tokens.len().saturating_sub(known));
        let mut at = reused;
        while at + 1 < tokens.len() {
            // Up to the last token that is known, nothing is to be foretold.
            let (to, want) = match at + 1 < known {
                true => ((at + CHUNK).min(known - 1), Want::None),
                false => ((at + CHUNK).min(tokens.len() - 1), Want::All),
            };
            let logits = state.read(self, &tokens[at..to], want)?;
            if want == Want::All {
                let rows = logits.chunks(self.model.shape.words);
                losses.extend(rows.zip(&tokens[at + 1..]).map(|(row, &next)| loss(row, next)));
            }
            at = to;
        }
        match losses.iter().all(|loss| loss.is_finite()) {
            true => Ok(losses),
            false => Err(wrong("a token that it does not know was to be foretold")),
        }
    }

    /// The tokens of a whole question as the model reads it, up to where the answer begins.
    ///
    /// # Errors
    /// [`ModelError`] when its template does not take these turns.
    pub fn encode(&self, turns: &[Turn]) -> Result<Vec<u32>, ModelError> {
        self.template.encode(&self.tokenizer, turns)
    }

    /// Its tokens.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How long it takes to read tokens and to add `most` of the likeliest, whatever they are: for measurements.
    ///
    /// # Errors
    /// [`ModelError`] when the model breaks.
    pub fn time(&self, tokens: &[u32], most: usize) -> Result<Timing, ModelError> {
        let mut state = self.state();
        let started = Instant::now();
        let reused = state.reuse(self, tokens);
        let likeliest = |logits: &[f32]| sampler::Sampler::new(0.0, 0).pick(logits);
        let mut next = likeliest(state.read_prompt(self, &tokens[reused..], || Ok(()))?);
        let first_token = started.elapsed();
        let started = Instant::now();
        let mut answer = vec![next];
        while answer.len() < most {
            next = likeliest(state.read(self, &[next], Want::Last)?);
            answer.push(next);
        }
        Ok(Timing { reused, first_token, others: started.elapsed(), answer })
    }

    /// What was read last. Where a panic left it half changed, it is emptied.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            self.state.clear_poison();
            let mut state = poisoned.into_inner();
            *state = State { cache: self.model.cache(), room: Room::default() };
            state
        })
    }
}

/// What a token costs, in nats, where these are the logits; infinite where it is none of them.
fn loss(logits: &[f32], token: u32) -> f32 {
    let Some(own) = logits.get(token as usize) else { return f32::INFINITY };
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    (sum.ln() - f64::from(own - most)) as f32
}

/// What [`Local::time`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timing {
    /// Tokens that had been read before.
    pub reused: usize,
    /// From the question to the first token of the answer.
    pub first_token: Duration,
    /// For the other tokens.
    pub others: Duration,
    /// The tokens.
    pub answer: Vec<u32>,
}

impl State {
    /// Forgets all but the first tokens.
    fn keep(&mut self, of: &Local, tokens: usize) {
        self.cache.truncate(tokens, of.model.shape.size);
    }

    /// Keeps what a question has in common with what was read, but for its last token; gives how many tokens that is.
    fn reuse(&mut self, of: &Local, tokens: &[u32]) -> usize {
        let reused = self.cache.common(tokens).min(tokens.len().saturating_sub(1));
        self.keep(of, reused);
        reused
    }

    /// Reads on; gives the logits that are wanted.
    fn read(&mut self, of: &Local, tokens: &[u32], want: Want) -> Result<&[f32], ModelError> {
        let before = self.cache.tokens.len();
        let failed = |why| ModelError::Broken { name: of.name.clone(), tokens: 0, why };
        // On a thread of the pool, or each step would be handed over to it and waited for.
        let Self { cache, room } = self;
        if let Err(why) = rayon::scope(|_| of.model.read(tokens, cache, room, want)) {
            // Some layers have read on and others have not.
            self.keep(of, before);
            return Err(failed(why));
        }
        let logits = self.room.logits(want);
        match logits.iter().any(|logit| logit.is_nan()) {
            true => Err(failed("its weights give what is no number: the file is damaged".into())),
            false => Ok(logits),
        }
    }

    /// Reads a question on in pieces; gives the logits after its last token.
    fn read_prompt(
        &mut self,
        of: &Local,
        tokens: &[u32],
        go_on: impl Fn() -> Result<(), ModelError>,
    ) -> Result<&[f32], ModelError> {
        let last = tokens.len().saturating_sub(1) / CHUNK * CHUNK;
        for chunk in tokens[..last].chunks(CHUNK) {
            go_on()?;
            self.read(of, chunk, Want::None)?;
        }
        go_on()?;
        self.read(of, &tokens[last..], Want::Last)
    }
}

impl Model for Local {
    fn name(&self) -> &str {
        &self.name
    }

    fn window(&self) -> usize {
        self.window
    }

    fn count(&self, text: &str) -> usize {
        self.tokenizer.encode(text, false).len()
    }

    fn answer(&self, request: &Request<'_>, told: &mut dyn FnMut(&str)) -> Result<Answer, ModelError> {
        answer::answer(self, request, told)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("name", &self.name).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
