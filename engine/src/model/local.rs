//! What does a model in a file of this machine say? GGUF files of llama, qwen2, qwen3 and gemma3, computed here.

mod attention;
mod block;
mod cache;
mod device;
mod gguf;
mod kernel;
mod linear;
mod lora;
mod tiles;
mod transformer;
mod weights;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::chat::ModelError;
use cache::Cache;
use gguf::Gguf;
use transformer::{Room, Transformer, Want};

/// Tokens that are read at once.
const CHUNK: usize = 256;

/// A model of a file, in memory.
pub struct Local {
    name: String,
    window: usize,
    model: Transformer,
    state: Mutex<State>,
}

/// What was read last, and room to read on.
struct State {
    cache: Cache,
    room: Room,
}

impl Local {
    /// Opens a GGUF file, with LoRA adapters laid over it, for questions and answers of `window` tokens together; 0 for
    /// what the model was made for, at most [`super::MOST_WINDOW`].
    ///
    /// # Errors
    /// [`ModelError::File`] when it is not there, not what it should be, or of an unknown architecture.
    pub fn open(file: &Path, adapters: &[PathBuf], window: usize) -> Result<Self, ModelError> {
        let failed = |why| ModelError::File { file: file.display().to_string(), why };
        let model = Gguf::open(file).and_then(|gguf| weights::load(gguf, adapters)).map_err(failed)?;
        let made_for = model.shape.window;
        let window = if window == 0 { made_for.min(super::MOST_WINDOW) } else { window.min(made_for) };
        let cache = Cache::new(model.shape.layers, model.shape.key_heads);
        let state = Mutex::new(State { cache, room: Room::default() });
        Ok(Self { name: file.display().to_string(), window, model, state })
    }

    /// The logits after each token of a text, `[tokens, words]`: for measurements.
    ///
    /// # Errors
    /// [`ModelError`] when there are more than fit, or the model breaks.
    pub fn logits(&self, tokens: &[u32]) -> Result<Vec<f32>, ModelError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { cache, room } = &mut *state;
        cache.truncate(0, self.model.shape.size);
        let mut all = Vec::new();
        for chunk in tokens.chunks(CHUNK) {
            let why = |why| ModelError::Broken { name: self.name.clone(), tokens: 0, why };
            all.extend_from_slice(self.model.read(chunk, cache, room, Want::All).map_err(why)?);
        }
        Ok(all)
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("name", &self.name).finish_non_exhaustive()
    }
}
