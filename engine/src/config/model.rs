//! Which model is meant to answer?

use std::{fmt, path::PathBuf, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which model is meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum ModelSpec {
    /// None: rules and linters alone.
    #[default]
    None,
    /// Ollama if it runs and has a fitting model, else a file of the user's folder of models, else none.
    Auto,
    /// A GGUF file; one without a folder may be in the user's folder of models.
    File(PathBuf),
    /// A model of an Ollama server.
    Ollama(String),
    /// A model of a server that speaks OpenAI's protocol: its base address and, where it has several, the model's name.
    OpenAi {
        /// For example `http://127.0.0.1:8080/v1`.
        address: String,
        /// What follows `#`.
        model: Option<String>,
    },
    /// Answers from a file of JSON lines; see `engine::model::scripted`.
    Scripted(PathBuf),
}

impl ModelSpec {
    /// Whether a repository may ask for it: nothing that names a file or an address of somebody's machine.
    pub fn is_impersonal(&self) -> bool {
        matches!(self, Self::None | Self::Auto | Self::Ollama(_))
    }
}

impl FromStr for ModelSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no model: use none, auto, FILE.gguf, ollama:NAME, scripted:FILE, or the address of a server \
                 (http://HOST:PORT/v1#NAME)"
            )
        };
        match text {
            "none" => return Ok(Self::None),
            "auto" => return Ok(Self::Auto),
            _ => {}
        }
        if text.starts_with("http://") || text.starts_with("https://") {
            let (address, model) = match text.split_once('#') {
                Some((address, model)) => (address, Some(model).filter(|model| !model.is_empty())),
                None => (text, None),
            };
            return Ok(Self::OpenAi { address: address.to_owned(), model: model.map(str::to_owned) });
        }
        match text.split_once(':') {
            Some(("ollama", name)) if !name.is_empty() => Ok(Self::Ollama(name.to_owned())),
            Some(("scripted", file)) if !file.is_empty() => Ok(Self::Scripted(file.into())),
            _ if text.to_ascii_lowercase().ends_with(".gguf") => Ok(Self::File(text.into())),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for ModelSpec {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ModelSpec> for String {
    fn from(spec: ModelSpec) -> Self {
        spec.to_string()
    }
}

impl fmt::Display for ModelSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Auto => f.write_str("auto"),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Ollama(name) => write!(f, "ollama:{name}"),
            Self::OpenAi { address, model: None } => f.write_str(address),
            Self::OpenAi { address, model: Some(model) } => write!(f, "{address}#{model}"),
            Self::Scripted(file) => write!(f, "scripted:{}", file.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_written_as_it_is_read() {
        for text in [
            "none",
            "auto",
            "a/b.gguf",
            "ollama:qwen2.5-coder:1.5b",
            "http://127.0.0.1:8080/v1",
            "https://x/v1#coder",
            "scripted:a.jsonl",
        ] {
            assert_eq!(text.parse::<ModelSpec>().unwrap().to_string(), text);
        }
        for text in ["", "ollama:", "gpt", "scripted:", "file.bin"] {
            assert!(text.parse::<ModelSpec>().unwrap_err().contains("none, auto, FILE.gguf"), "{text}");
        }
    }
}
