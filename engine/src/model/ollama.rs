//! What does a model of an Ollama server make of a text?

use super::{Access, EmbedError, Embedder, Passage};

/// An embedding model of an Ollama server.
pub struct Ollama;

impl Ollama {
    /// Asks the server for the model.
    ///
    /// # Errors
    /// [`EmbedError::Remote`] and [`EmbedError::Server`].
    pub fn connect(_: &str, access: &Access) -> Result<Self, EmbedError> {
        Err(EmbedError::Server { address: access.ollama.clone(), why: "this build cannot ask it yet".into() })
    }
}

impl Embedder for Ollama {
    fn name(&self) -> &str {
        "ollama"
    }

    fn dimensions(&self) -> usize {
        384
    }

    fn passages(&self, _: &[Passage<'_>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        Ok(Vec::new())
    }

    fn query(&self, _: &str) -> Result<Vec<f32>, EmbedError> {
        Ok(Vec::new())
    }
}
