//! How is a model asked that a server makes of a file? Template, system prompt and parameters, and the Modelfile that
//! says them.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::PublishError;
use crate::files;

/// How a model is asked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Settings {
    /// In Go's form.
    pub(super) template: String,
    /// Said where a conversation has no system turn.
    pub(super) system: String,
    /// `stop`, `num_ctx`, `temperature` and the like.
    pub(super) parameters: Map<String, Value>,
}

impl Settings {
    /// A reviewer's: it always takes the likeliest token, and ends at these texts.
    pub(super) fn new(template: String, stops: Vec<String>) -> Self {
        let mut parameters = Map::new();
        parameters.insert("temperature".into(), json!(0));
        if !stops.is_empty() {
            parameters.insert("stop".into(), json!(stops));
        }
        Self { template, system: String::new(), parameters }
    }

    /// What `/api/show` says of a model. Its parameters are lines of a name and a value; a name may occur often.
    pub(super) fn shown(template: &str, system: &str, lines: &str) -> Self {
        let mut parameters = Map::new();
        for (name, value) in lines.lines().filter_map(|line| line.trim().split_once(char::is_whitespace)) {
            let value = value.trim();
            // Texts stand in quotes, numbers and words do not.
            let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
            match (name, parameters.get_mut(name)) {
                ("stop", Some(Value::Array(stops))) => stops.push(value),
                ("stop", _) => drop(parameters.insert(name.into(), json!([value]))),
                _ => drop(parameters.insert(name.into(), value)),
            }
        }
        Self { template: template.to_owned(), system: system.to_owned(), parameters }
    }

    /// Whether it is said how many tokens question and answer may have together.
    pub(super) fn has_window(&self) -> bool {
        self.parameters.contains_key("num_ctx")
    }

    /// Sets how many tokens question and answer may have together.
    pub(super) fn set_window(&mut self, tokens: usize) {
        self.parameters.insert("num_ctx".into(), json!(tokens));
    }

    /// The Modelfile for a file in the same folder (Ollama, docs/modelfile.mdx).
    pub(super) fn modelfile(&self, file: &str) -> String {
        let mut text = format!("FROM ./{file}\nTEMPLATE {}\n", quoted(&self.template));
        if !self.system.is_empty() {
            text.push_str(&format!("SYSTEM {}\n", quoted(&self.system)));
        }
        for (name, value) in &self.parameters {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            text.extend(values.iter().map(|value| format!("PARAMETER {name} {value}\n")));
        }
        text
    }
}

/// Writes the Modelfile beside the weights: `model.gguf` gets `model.Modelfile`.
pub(super) fn write(file: &Path, settings: &Settings) -> Result<PathBuf, PublishError> {
    let path = file.with_extension("Modelfile");
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let text = settings.modelfile(&name);
    files::replace(&path, |out| std::io::Write::write_all(out, text.as_bytes()))
        .map_err(|source| PublishError::Write { file: path.display().to_string(), source })?;
    Ok(path)
}

/// A text in the quotes that it does not hold itself.
fn quoted(text: &str) -> String {
    if text.contains("\"\"\"") { Value::from(text).to_string() } else { format!("\"\"\"{text}\"\"\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modelfile_says_everything() {
        let mut settings = Settings::new("{{ .Prompt }}\n".into(), vec!["<|im_end|>".into(), "\"".into()]);
        settings.system = "Be \"brief\".".into();
        settings.set_window(2048);
        insta::assert_snapshot!(settings.modelfile("model.gguf"), @r#"
        FROM ./model.gguf
        TEMPLATE """{{ .Prompt }}
        """
        SYSTEM """Be "brief"."""
        PARAMETER temperature 0
        PARAMETER stop "<|im_end|>"
        PARAMETER stop "\""
        PARAMETER num_ctx 2048
        "#);
    }

    #[test]
    fn what_an_installed_model_shows_is_taken_over() {
        let lines =
            "stop                           \"<|im_start|>\"\nstop  \"<|im_end|>\"\ntemperature   0.5\nx y z\nodd";
        let settings = Settings::shown("T", "S", lines);
        assert_eq!(
            Value::Object(settings.parameters),
            json!({ "stop": ["<|im_start|>", "<|im_end|>"], "temperature": 0.5, "x": "y z" })
        );
    }
}
