//! Whom do we ask? Models behind traits: those that turn a text into a vector, and those that answer in words.

pub mod adapters;
mod address;
pub mod chat;
pub mod choice;
mod estimate;
pub mod library;
pub mod local;
pub mod minilm;
pub mod ollama;
pub mod openai;
pub mod scripted;
mod stream;
pub mod table;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    config::{EmbedderSpec, ModelSpec},
    notice::{self, Notice},
    source::words,
};
pub use address::one_line;
use chat::{Model, ModelError};

/// A text to find again, in the parts that a reader would weigh differently.
#[derive(Debug, Clone, Copy, Default)]
pub struct Passage<'a> {
    /// What it is called: symbol path, or headings.
    pub title: &'a str,
    /// What people say of it: doc comment, or prose.
    pub doc: &'a str,
    /// The code itself.
    pub body: &'a str,
}

impl Passage<'_> {
    /// The parts as one text, for a model that reads texts whole: the words of the title, what is said, the code.
    /// docs/benchmarks.md compares it with other orders.
    pub fn text(&self) -> String {
        let title = words(self.title).map(|word| &self.title[word]).collect::<Vec<_>>().join(" ");
        let parts = [&*title, self.doc, self.body].into_iter().filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join("\n")
    }
}

/// The first bytes of a text, at most so many, as whole characters.
fn beginning(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or(0)]
}

/// Turns texts into vectors of length one, so that texts of like meaning lie close (cosine).
pub trait Embedder: Send + Sync {
    /// Names the vectors: those of two embedders may be compared if and only if their names are equal.
    fn name(&self) -> &str;

    /// Components of a vector.
    fn dimensions(&self) -> usize;

    /// Whether a vector takes microseconds, so that it need not be put off or kept for later.
    fn is_instant(&self) -> bool {
        false
    }

    /// One vector a passage, in order: `[passages, dimensions]`.
    ///
    /// # Errors
    /// [`EmbedError`] when the model cannot be asked.
    fn passages(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<f32>>, EmbedError>;

    /// The vector of a question: `[dimensions]`.
    ///
    /// # Errors
    /// [`EmbedError`] when the model cannot be asked.
    fn query(&self, text: &str) -> Result<Vec<f32>, EmbedError>;
}

/// Where models are and what may be asked.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The user's folder of models.
    pub models: PathBuf,
    /// The address of the Ollama server.
    pub ollama: String,
    /// Whether an address that is not this machine may be asked.
    pub allow_remote: bool,
    /// LoRA adapters laid over a model in a file.
    pub adapters: Vec<PathBuf>,
    /// Where one that was learned may be taken from, where none are named; none where no such one is wanted.
    pub learned: Option<adapters::Shelves>,
    /// Tokens that question and answer may have together; 0 for what the model was made for, at most [`MOST_WINDOW`].
    pub window: usize,
    /// What is shown to servers that speak OpenAI's protocol, where they want a key.
    pub key: Option<Key>,
}

/// A key that is shown to a server and to nobody else.
#[derive(Clone)]
pub struct Key(String);

impl Key {
    /// This key.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    fn secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A larger window is taken only when it is asked for: its memory grows with it.
pub const MOST_WINDOW: usize = 16_384;

/// The model that is meant, ready to be asked; `None` where none is.
///
/// # Errors
/// [`ModelError`] when its file or its server is not there, or it may not be asked.
pub fn open(spec: &ModelSpec, access: &Access) -> Result<Option<Opened>, ModelError> {
    let plain = |model: Arc<dyn Model>| Some(Opened { model, notices: Vec::new() });
    Ok(match spec {
        ModelSpec::None => None,
        ModelSpec::Auto => return choice::open(access),
        ModelSpec::File(file) => Some(open_file(file, access)?),
        ModelSpec::Ollama(name) => plain(Arc::new(ollama::Chat::connect(name, access)?)),
        ModelSpec::OpenAi { address, model } => {
            let model = openai::OpenAi::connect(address, model.as_deref(), access)?;
            let notices = model.notices().to_vec();
            Some(Opened { model: Arc::new(model), notices })
        }
        ModelSpec::Scripted(file) => plain(Arc::new(scripted::Scripted::open(file)?)),
    })
}

/// A model that is ready to be asked.
pub struct Opened {
    /// Itself.
    pub model: Arc<dyn Model>,
    /// What the reader should know of it: which was chosen and why, what its server does not say.
    pub notices: Vec<Notice>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").field("model", &self.model.name()).field("notices", &self.notices).finish()
    }
}

/// The model in a file; a name without a folder that is not here may be in the folder of models.
fn open_file(file: &Path, access: &Access) -> Result<Opened, ModelError> {
    let found = found(file, access);
    let adapters::Chosen { adapter, mut notices } = adapter_of(file, access);
    let opened = |adapters: &[PathBuf]| local::Local::open(&found, adapters, access.window);
    let Some(adapter) = adapter else {
        return Ok(Opened { model: Arc::new(opened(&access.adapters)?), notices });
    };
    let model = match opened(&[adapter]) {
        Ok(model) => model,
        Err(why) => {
            let model = opened(&[])?;
            let what = format!("it cannot be laid over the model, which is asked as it is: {}", notice::chain(&why));
            // Not taken after all.
            notices.pop();
            notices.push(Notice::skipped("adapters", what));
            model
        }
    };
    Ok(Opened { model: Arc::new(model), notices })
}

/// Which adapter would be laid over the model in a file, if any; nothing of it is opened.
pub fn adapter_of(file: &Path, access: &Access) -> adapters::Chosen {
    let shelves = access.learned.as_ref().filter(|_| access.adapters.is_empty());
    shelves.map(|shelves| shelves.choose(&found(file, access))).unwrap_or_default()
}

fn found(file: &Path, access: &Access) -> PathBuf {
    let is_name = file.parent().is_some_and(|folder| folder.as_os_str().is_empty());
    if is_name && !file.exists() { access.models.join(file) } else { file.to_owned() }
}

/// The embedder that is meant, ready to be asked.
///
/// # Errors
/// [`EmbedError`] when its files or its server are not there, or it may not be asked.
pub fn embedder(spec: &EmbedderSpec, access: &Access) -> Result<Arc<dyn Embedder>, EmbedError> {
    Ok(match spec {
        EmbedderSpec::Static => Arc::new(table::Table::builtin()),
        EmbedderSpec::MiniLm(folder) => {
            let folder = folder.clone().unwrap_or_else(|| access.models.join("all-MiniLM-L6-v2"));
            Arc::new(minilm::MiniLm::open(&folder)?)
        }
        EmbedderSpec::Ollama(name) => Arc::new(ollama::Ollama::connect(name, access)?),
    })
}

/// Why an embedder gives no vectors.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file of the model is missing or not what it should be.
    #[error("cannot use the model in `{}`: {why}", folder.display())]
    Files {
        /// The model's folder.
        folder: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The model broke while it was computing.
    #[error("the model `{name}` failed: {why}")]
    Compute {
        /// Which.
        name: String,
        /// How.
        why: String,
    },
    /// The server cannot be reached, refused, or gave nonsense.
    #[error("no vectors from `{address}`: {why}")]
    Server {
        /// Where it was asked.
        address: String,
        /// What happened, and what to do.
        why: String,
    },
    /// The address is not this machine, and that was not allowed.
    #[error("`{address}` is not this machine, and `model.allow_remote` is not set: nothing was sent")]
    Remote {
        /// The address.
        address: String,
    },
}
