//! Which model is meant to turn texts into vectors?

use std::{fmt, path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which embedder is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum EmbedderSpec {
    /// The table compiled in.
    #[default]
    Static,
    /// all-MiniLM-L6-v2 from this folder, or from the user's folder of models.
    MiniLm(Option<PathBuf>),
    /// A model of an Ollama server.
    Ollama(String),
}

impl FromStr for EmbedderSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "static" => Ok(Self::Static),
            None if text == "minilm" => Ok(Self::MiniLm(None)),
            Some(("minilm", folder)) if !folder.is_empty() => Ok(Self::MiniLm(Some(folder.into()))),
            Some(("ollama", name)) if !name.is_empty() => Ok(Self::Ollama(name.to_owned())),
            _ => Err(format!("`{text}` is no embedder: use static, minilm, minilm:FOLDER or ollama:NAME")),
        }
    }
}

impl TryFrom<String> for EmbedderSpec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<EmbedderSpec> for String {
    fn from(spec: EmbedderSpec) -> Self {
        spec.to_string()
    }
}

impl fmt::Display for EmbedderSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static => f.write_str("static"),
            Self::MiniLm(None) => f.write_str("minilm"),
            Self::MiniLm(Some(folder)) => write!(f, "minilm:{}", folder.display()),
            Self::Ollama(name) => write!(f, "ollama:{name}"),
        }
    }
}
