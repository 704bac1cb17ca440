//! Which model do we start from? Its metadata and weights, named and laid out as in GGUF, wherever they come from.

mod config;
mod folder;
mod shards;
mod words;

use std::{ops::Range, path::Path};

use candle_core::quantized::GgmlDType;
use engine::model::local::{
    gguf::{Gguf, Metadata},
    shape::Shape,
};
use folder::Folder;

use crate::files;

/// A model to train, merge or convert.
#[derive(Debug)]
pub struct Base {
    source: Source,
}

#[derive(Debug)]
enum Source {
    Gguf(Gguf),
    Folder(Folder),
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
    /// Opens a GGUF file, or a folder as the Hugging Face hub has it: config.json, the weights as safetensors,
    /// tokenizer.json.
    ///
    /// # Errors
    /// [`BaseError::File`].
    pub fn open(path: &Path) -> Result<Self, BaseError> {
        let failed = |why| BaseError::File { file: path.display().to_string(), why };
        let source = match files::is_folder(path) {
            true => Folder::open(path).map(Source::Folder),
            false => Gguf::open(path).map(Source::Gguf),
        };
        Ok(Self { source: source.map_err(failed)? })
    }

    /// What it says of itself, with ggml's keys.
    pub fn metadata(&self) -> &Metadata {
        match &self.source {
            Source::Gguf(file) => &file.metadata,
            Source::Folder(folder) => &folder.metadata,
        }
    }

    /// The names of its tensors, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (file, folder) = match &self.source {
            Source::Gguf(file) => (Some(file.tensors.keys()), None),
            Source::Folder(folder) => (None, Some(folder.tensors.keys())),
        };
        file.into_iter().flatten().chain(folder.into_iter().flatten()).map(String::as_str)
    }

    /// The dimensions of a tensor, the fastest first, where it has one of this name.
    pub fn sizes(&self, name: &str) -> Option<Vec<usize>> {
        match &self.source {
            Source::Gguf(file) => file.tensors.get(name).map(|tensor| tensor.sizes.clone()),
            Source::Folder(folder) => folder.tensors.get(name).map(|tensor| tensor.sizes.clone()),
        }
    }

    /// Rows and columns of a tensor, where it has one of this name.
    pub fn size(&self, name: &str) -> Option<(usize, usize)> {
        let sizes = self.sizes(name)?;
        let (&columns, others) = sizes.split_first()?;
        Some((others.iter().product(), columns))
    }

    /// How the numbers of a tensor are packed, where it has one of this name.
    pub fn kind(&self, name: &str) -> Option<GgmlDType> {
        match &self.source {
            Source::Gguf(file) => file.tensors.get(name).map(|tensor| tensor.kind),
            Source::Folder(folder) => folder.tensors.get(name).map(|tensor| tensor.kind()),
        }
    }

    /// How the numbers of a tensor are packed, and their bytes, where they lie as ggml has them.
    pub fn packed(&self, name: &str) -> Option<(GgmlDType, &[u8])> {
        match &self.source {
            Source::Gguf(file) => {
                let tensor = file.tensors.get(name)?;
                Some((tensor.kind, file.bytes(tensor, 0..tensor.rows)))
            }
            Source::Folder(_) => None,
        }
    }

    /// The numbers of a tensor: `[rows, columns]`.
    ///
    /// # Errors
    /// When it has none of this name, or its bytes cannot be read.
    pub fn floats(&self, name: &str) -> Result<Vec<f32>, String> {
        self.rows(name, 0..self.size(name).map_or(0, |(rows, _)| rows))
    }

    /// The numbers of some rows of a tensor: `[rows, columns]`.
    ///
    /// # Errors
    /// When it has none of this name, or not so many rows, or its bytes cannot be read.
    pub fn rows(&self, name: &str, rows: Range<usize>) -> Result<Vec<f32>, String> {
        let (all, _) = self.size(name).ok_or_else(|| format!("it has no tensor `{name}`"))?;
        if rows.start > rows.end || rows.end > all {
            return Err(format!("its tensor `{name}` has {all} rows, and {rows:?} were asked for"));
        }
        match &self.source {
            Source::Gguf(file) => match file.tensors.get(name) {
                Some(tensor) => file.floats(tensor, rows),
                None => Err(format!("it has no tensor `{name}`")),
            },
            Source::Folder(folder) => folder.rows(name, rows),
        }
    }

    /// A digest of its tensors' names, sizes and first rows: of two trainings it is never the same.
    ///
    /// # Errors
    /// When a tensor cannot be read.
    pub fn digest(&self) -> Result<String, String> {
        let mut digest = blake3::Hasher::new();
        let mut names: Vec<&str> = self.names().collect();
        names.sort_unstable();
        for name in names {
            digest.update(format!("{name} {:?} {:?}", self.sizes(name), self.kind(name)).as_bytes());
            let first = self.rows(name, 0..1)?;
            for number in first {
                digest.update(&number.to_le_bytes());
            }
        }
        Ok(digest.finalize().to_hex().to_string())
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
