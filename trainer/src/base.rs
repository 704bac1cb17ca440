//! Which model do we start from? Its metadata and weights, named and laid out as in GGUF, wherever they come from.

use std::path::Path;

use engine::model::local::{
    gguf::{Gguf, Metadata},
    shape::Shape,
};

/// A model to train, merge or convert.
#[derive(Debug)]
pub struct Base {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Gguf(Gguf),
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    /// It cannot be opened, or is not what it should be.
    #[error("the model `{file}` cannot be used: {why}")]
    File {
        /// Its path.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Base {
    /// Opens a GGUF file.
    ///
    /// # Errors
    /// [`BaseError::File`].
    pub fn open(path: &Path) -> Result<Self, BaseError> {
        let failed = |why| BaseError::File { file: path.display().to_string(), why };
        Ok(Self { source: Source::Gguf(Gguf::open(path).map_err(failed)?) })
    }

    /// What it says of itself, with ggml's keys.
    pub fn metadata(&self) -> &Metadata {
        match &self.source {
            Source::Gguf(file) => &file.metadata,
        }
    }

    /// The names of its tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        match &self.source {
            Source::Gguf(file) => file.tensors.keys().map(String::as_str),
        }
    }

    /// Rows and columns of a tensor, where it has one of this name.
    pub fn size(&self, name: &str) -> Option<(usize, usize)> {
        match &self.source {
            Source::Gguf(file) => file.tensors.get(name).map(|tensor| (tensor.rows, tensor.columns)),
        }
    }

    /// The numbers of a tensor: `[rows, columns]`.
    ///
    /// # Errors
    /// When it has none of this name, or its bytes cannot be read.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>, String> {
        match &self.source {
            Source::Gguf(file) => {
                let tensor = file.tensors.get(name).ok_or_else(|| format!("it has no tensor `{name}`"))?;
                file.floats(tensor, 0..tensor.rows)
            }
        }
    }

    /// A digest of its header and of some bytes of each tensor: of two trainings it is never the same.
    pub fn digest(&self) -> String {
        let mut digest = blake3::Hasher::new();
        match &self.source {
            Source::Gguf(file) => file.digest(&mut digest),
        }
        digest.finalize().to_hex().to_string()
    }

    /// Its sizes.
    ///
    /// # Errors
    /// What is missing or fits no model that is known.
    pub fn shape(&self) -> Result<Shape, String> {
        let words = self.size("token_embd.weight").map_or(0, |(rows, _)| rows);
        Shape::of(self.metadata(), words, &|pairs| match self.size("rope_freqs.weight") {
            None => Ok(None),
            Some(size) if size == (1, pairs) => self.floats("rope_freqs.weight").map(Some),
            Some(_) => Err(format!("its tensor `rope_freqs.weight` does not have {pairs} numbers")),
        })
    }
}
