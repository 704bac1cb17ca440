//! What is this model? What it was made from, its digests, its scores, and where it is served: beside the file, for
//! people and for programs.

use std::path::{Path, PathBuf};

use engine::model::local::gguf::{self, Gguf};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::files::{self, Digests};

/// Bytes that a card may have.
const MOST: u64 = 4 << 20;

/// A model's card.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Card {
    /// The version of this form: 1.
    pub version: u32,
    /// The file's name, without its folder.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// 64 hex digits.
    pub sha256: String,
    /// 64 hex digits.
    pub blake3: String,
    /// As `llama`.
    pub architecture: String,
    /// Numbers in all its tensors.
    pub parameters: u64,
    /// How most of its weights are stored, as `Q4K`.
    pub stored: String,
    /// The license that the file names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// What it was made from.
    #[serde(default)]
    pub parents: Vec<Parent>,
    /// What it was trained on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Data>,
    /// How it was trained: settings and curves in short, as whoever trained it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training: Option<Value>,
    /// What its last exam says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exam: Option<Value>,
    /// The name by which a server answers with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub served_as: Option<String>,
    /// How that server's answer compares with the engine's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parity: Option<Parity>,
}

/// A model or adapter that another was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// What it is called.
    pub name: String,
    /// BLAKE3 of its file, 64 hex digits; empty where only its name is known.
    #[serde(default)]
    pub blake3: String,
}

/// What a model was trained on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Data {
    /// BLAKE3 of the manifest, 64 hex digits.
    pub manifest: String,
    /// What the manifest counts, in its own words.
    pub counts: Value,
}

/// How the server's answer compares with the engine's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parity {
    /// Tokens of the question as the engine counts them.
    pub question: usize,
    /// As the server does; none where it does not say.
    pub counted: Option<usize>,
    /// Tokens of the answer.
    pub tokens: usize,
    /// How many of them the engine finds the likeliest, too, after the same tokens.
    pub same: usize,
    /// How far below the engine's likeliest token the server's lies in logits, on average.
    pub behind: f32,
    /// The same at the most.
    pub furthest: f32,
}

/// Why there is no card.
#[derive(Debug, thiserror::Error)]
pub enum CardError {
    /// The file cannot be read, or the card not be written.
    #[error("cannot use `{file}`")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no model.
    #[error("`{file}` is no model: {why}")]
    Model {
        /// Which.
        file: String,
        /// Why.
        why: String,
    },
    /// The card or the manifest cannot be read.
    #[error("`{file}` cannot be read: {why}; remove it if it is not needed")]
    Form {
        /// Which.
        file: String,
        /// Why.
        why: String,
    },
}

impl Card {
    /// The card of a file: the one that lies beside it if it is about these very bytes, else a new one. `told` hears
    /// how many of its bytes are read.
    ///
    /// # Errors
    /// [`CardError`].
    pub fn of(file: &Path, told: &dyn Fn(u64, u64)) -> Result<Self, CardError> {
        let digests = files::digests(file, told).map_err(|source| failed(file, source))?;
        match Self::beside(file)? {
            Some(card) if card.blake3 == digests.blake3 => Ok(card),
            _ => Self::new(file, digests),
        }
    }

    /// The card that lies beside a file, whatever it is about.
    ///
    /// # Errors
    /// [`CardError::Form`] when it is none.
    pub fn beside(file: &Path) -> Result<Option<Self>, CardError> {
        let path = path(file, "card.json");
        let Some(text) = files::text(&path, MOST).map_err(|source| failed(&path, source))? else { return Ok(None) };
        let wrong = |why: serde_json::Error| CardError::Form { file: path.display().to_string(), why: why.to_string() };
        serde_json::from_str(&text).map(Some).map_err(wrong)
    }

    fn new(file: &Path, digests: Digests) -> Result<Self, CardError> {
        let wrong = |why| CardError::Model { file: file.display().to_string(), why };
        let gguf = Gguf::open(file).map_err(wrong)?;
        let text = |key: &str| gguf::text(&gguf.metadata, key).map(str::to_owned);
        let numbers = gguf.tensors.values().map(|tensor| tensor.rows as u64 * tensor.columns as u64).sum();
        Ok(Self {
            version: 1,
            file: file.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            bytes: digests.bytes,
            sha256: digests.sha256,
            blake3: digests.blake3,
            architecture: text("general.architecture").unwrap_or_default(),
            parameters: numbers,
            stored: stored(&gguf),
            license: text("general.license"),
            parents: parents(&gguf),
            data: None,
            training: None,
            exam: None,
            served_as: None,
            parity: None,
        })
    }

    /// The same, made from these.
    #[must_use]
    pub fn made_from(mut self, parents: Vec<Parent>) -> Self {
        self.parents = parents;
        self
    }

    /// The same, trained on what a manifest lists.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn trained_on(mut self, manifest: &Path) -> Result<Self, CardError> {
        let bytes = files::read(manifest).map_err(|source| failed(manifest, source))?;
        let value: Value = serde_json::from_slice(&bytes)
            .map_err(|why| CardError::Form { file: manifest.display().to_string(), why: why.to_string() })?;
        let counts = value.get("rows").cloned().unwrap_or_default();
        self.data = Some(Data { manifest: blake3::hash(&bytes).to_hex().to_string(), counts });
        Ok(self)
    }

    /// The same, served under this name.
    #[must_use]
    pub fn published(mut self, name: &str, parity: Option<&Parity>) -> Self {
        (self.served_as, self.parity) = (Some(name.to_owned()), parity.cloned());
        self
    }

    /// Writes `NAME.card.json` and `NAME.card.md` beside the file; gives the path of the latter.
    ///
    /// # Errors
    /// [`CardError::File`].
    pub fn write_beside(&self, file: &Path) -> Result<PathBuf, CardError> {
        let (json, markdown) = (path(file, "card.json"), path(file, "card.md"));
        let text = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        for (path, text) in [(&json, &text), (&markdown, &self.in_words())] {
            files::replace(path, |out| std::io::Write::write_all(out, text.as_bytes()))
                .map_err(|source| failed(path, source))?;
        }
        Ok(markdown)
    }

    /// The card in Markdown.
    pub fn in_words(&self) -> String {
        let mut text = format!(
            "# {}\n\n- {} parameters in {:.1} MB, architecture `{}`, most weights as {}\n\
             - SHA-256 `{}`\n- BLAKE3 `{}`\n",
            self.file,
            count(self.parameters),
            self.bytes as f64 / 1e6,
            self.architecture,
            self.stored,
            self.sha256,
            self.blake3
        );
        let mut line = |name: &str, value: String| text.push_str(&format!("- {name}: {value}\n"));
        line("License", self.license.clone().unwrap_or_else(|| "the file names none".into()));
        for parent in &self.parents {
            let digest = if parent.blake3.is_empty() { String::new() } else { format!(", BLAKE3 `{}`", parent.blake3) };
            line("Made from", format!("{}{digest}", parent.name));
        }
        match &self.data {
            Some(data) => line("Trained on", format!("manifest `{}`, {}", data.manifest, plain(&data.counts))),
            None => line("Trained on", "not known".into()),
        }
        if let Some(training) = &self.training {
            line("Training", plain(training));
        }
        if let Some(name) = &self.served_as {
            line("Served as", format!("`{name}`"));
        }
        if let Some(parity) = &self.parity {
            let Parity { tokens, same, furthest, .. } = parity;
            line(
                "Server against engine",
                format!("{same} of {tokens} tokens equal, the others at most {furthest:.2} logits below"),
            );
        }
        text.push_str("\n## Exam\n\n");
        text.push_str(&self.exam.as_ref().map_or_else(|| "None was taken.\n".to_owned(), scores));
        text
    }
}

/// What an exam says, as a list.
fn scores(exam: &Value) -> String {
    let mut text = String::new();
    for (name, value) in exam.as_object().into_iter().flatten() {
        text.push_str(&format!("- {}: {}\n", name.replace('_', " "), plain(value)));
    }
    text
}

/// A value in a line.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "not measured".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => format!("{float:.4}"),
            _ => number.to_string(),
        },
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join("; "),
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| format!("{} {}", name.replace('_', " "), plain(value));
            fields.iter().map(field).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

/// A large number as people say it.
fn count(number: u64) -> String {
    match number {
        0..1_000_000 => number.to_string(),
        1_000_000..1_000_000_000 => format!("{:.1} million", number as f64 / 1e6),
        _ => format!("{:.2} billion", number as f64 / 1e9),
    }
}

/// `model.gguf` has the card `model.card.json`.
fn path(file: &Path, extension: &str) -> PathBuf {
    file.with_extension(extension)
}

fn failed(file: &Path, source: std::io::Error) -> CardError {
    CardError::File { file: file.display().to_string(), source }
}

/// How most of the numbers are stored.
fn stored(gguf: &Gguf) -> String {
    let mut kinds: Vec<(String, u64)> = Vec::new();
    for tensor in gguf.tensors.values() {
        let (name, numbers) = (format!("{:?}", tensor.kind), tensor.rows as u64 * tensor.columns as u64);
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, all)) => *all += numbers,
            None => kinds.push((name, numbers)),
        }
    }
    kinds.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    kinds.into_iter().next().map(|(name, _)| name).unwrap_or_default()
}

/// What the file says it was made from (`general.base_model.*`).
fn parents(gguf: &Gguf) -> Vec<Parent> {
    let count = gguf::whole(&gguf.metadata, "general.base_model.count").ok().flatten().unwrap_or(0);
    let name = |n: usize| gguf::text(&gguf.metadata, &format!("general.base_model.{n}.name"));
    let parent = |name: &str| Parent { name: name.to_owned(), blake3: String::new() };
    (0..count.min(16)).filter_map(name).map(parent).collect()
}
