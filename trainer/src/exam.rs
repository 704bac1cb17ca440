//! Is this model better than the one it is to replace? Measured on the very file that will be served, on questions that
//! it was not trained on, and decided with reasons.
//!
//! Invariant: an [`Exam`] comes from [`evaluate`], or from the record that it kept, under a seal that only this
//! machine's key makes; nothing else can promote a model.

mod canary;
mod compare;
mod interval;
mod probe;
mod rows;
mod sit;
#[cfg(test)]
pub(crate) mod tests;

use std::path::{Path, PathBuf};

use engine::model::chat::ModelError;
use serde::{Deserialize, Serialize};

use crate::files;
pub use compare::{Compared, Gate};
pub use interval::Interval;
pub use sit::Scores;

/// What an exam asks for, and what is good enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Questions that are asked at the most; of more, always the same are taken.
    pub rows: usize,
    /// Tokens of an answer at the most.
    pub most: usize,
    /// Tokens of question and answer together; longer ones are left out, and counted.
    pub window: usize,
    /// What has to become better.
    pub target: Target,
    /// How much precision and recall may fall, at the lower end of the interval.
    pub slack: f64,
    /// By how much the perplexity of code in general may rise.
    pub forgetting: f64,
    /// How many times slower it may answer.
    pub slower: f64,
    /// Fewer labelled questions tell nothing.
    pub fewest: usize,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            rows: 80,
            most: 256,
            window: 2_048,
            target: Target::F1,
            slack: 0.05,
            forgetting: 0.02,
            slower: 2.0,
            fewest: 20,
        }
    }
}

/// What has to become better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The harmonic mean of precision and recall of what it finds.
    F1,
    /// What the right answers cost, in nats a token.
    Loss,
}

/// What an exam is about.
#[derive(Debug, Clone)]
pub struct Paper {
    /// What would be served.
    pub own: Sitter,
    /// What is served now, or what training began from.
    pub against: Sitter,
    /// The folder with the questions, as `lessons build` writes it.
    pub data: PathBuf,
    /// Texts that are nobody's lessons, for what was forgotten: a corpus, or a file of one `{"text": …}` a line; without
    /// them the examples of the rules are taken.
    pub generic: Option<PathBuf>,
}

/// Who sits an exam.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sitter {
    /// The file of a model.
    pub file: PathBuf,
    /// An adapter (GGUF) that is laid over it.
    pub adapter: Option<PathBuf>,
}

impl From<PathBuf> for Sitter {
    fn from(file: PathBuf) -> Self {
        Self { file, adapter: None }
    }
}

impl Sitter {
    /// The digest by which an exam knows it: of a file alone its BLAKE3, of one with an adapter [`together`].
    ///
    /// # Errors
    /// [`ExamError::File`].
    pub fn artefact(&self) -> Result<String, ExamError> {
        let digest = |file: &Path| files::digests(file, &|_, _| {}).map_err(|why| failed(file, why));
        let base = digest(&self.file)?.blake3;
        match &self.adapter {
            None => Ok(base),
            Some(adapter) => Ok(together(&base, &digest(adapter)?.blake3)),
        }
    }
}

/// The digest of a model with an adapter laid over it, of the BLAKE3 digests of their files.
pub fn together(base: &str, adapter: &str) -> String {
    blake3::hash(format!("model {base} with adapter {adapter}").as_bytes()).to_hex().to_string()
}

/// What happens in an exam: who sits it, and how many questions of how many are done.
pub type Told<'a> = &'a dyn Fn(&str, usize, usize);

/// An exam that was taken on a file.
#[derive(Debug, Clone)]
pub struct Exam {
    record: Record,
}

/// What is kept of an exam.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Record {
    version: u32,
    /// What sat it.
    artefact: String,
    /// What it was held against.
    against: String,
    /// BLAKE3 of the questions.
    data: String,
    terms: Terms,
    scores: Scores,
    incumbent: Scores,
    compared: Compared,
    gates: Vec<Gate>,
}

/// Why there is no exam.
#[derive(Debug, thiserror::Error)]
pub enum ExamError {
    /// A file cannot be read or written.
    #[error("cannot use `{file}`")]
    File {
        /// Which.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the questions is not what it should be.
    #[error("line {line} of `{file}` is no question with its answer: {why}")]
    Row {
        /// Which file.
        file: String,
        /// Which line, from 1 on.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// A corpus cannot be read.
    #[error("the corpus `{folder}` tells nothing about what was forgotten: {why}")]
    Generic {
        /// Its folder.
        folder: String,
        /// Why not.
        why: String,
    },
    /// There is nothing to ask.
    #[error(
        "`{0}` holds no `valid.jsonl` with questions and answers: build it with `apprentice-trainer lessons build \
         --format trl --holdout 0.2`"
    )]
    NoRows(String),
    /// A model gives no answer.
    #[error("`{file}` cannot be examined")]
    Model {
        /// Which.
        file: String,
        /// Why.
        source: ModelError,
    },
    /// A file was changed during the exam.
    #[error("`{0}` was changed while it was examined: examine it again")]
    Changed(String),
    /// The record is not of this machine, or somebody changed it.
    #[error("the exam in `{0}` was not kept by this machine or has been changed: examine the model again")]
    Seal(String),
    /// There is no record of an exam.
    #[error("`{0}` has sat no exam: `apprentice-trainer evaluate` gives it one")]
    None(String),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
    /// Whoever asked no longer wants it.
    #[error("stopped")]
    Stopped,
}

/// Lets a file and the one it is to replace sit the same exam.
///
/// # Errors
/// [`ExamError`]; a model that is worse is no error but an exam that was not passed.
pub fn evaluate(paper: &Paper, terms: &Terms, go_on: &dyn Fn() -> bool, told: Told<'_>) -> Result<Exam, ExamError> {
    let questions = rows::read(&paper.data, terms)?;
    let probe = probe::texts(paper.generic.as_deref())?;
    let canaries = canary::read(&paper.data)?;
    let sitting = sit::Sitting { questions: &questions, probe: &probe, canaries: &canaries, terms, go_on, told };
    let (artefact, own) = sitting.of(&paper.own)?;
    let (against, theirs) = sitting.of(&paper.against)?;
    let compared = compare::compare(&own, &theirs);
    let gates = compare::gates(&own.scores, &theirs.scores, &compared, terms, canaries.len());
    Ok(Exam {
        record: Record {
            version: 1,
            artefact,
            against,
            data: questions.digest,
            terms: terms.clone(),
            scores: own.scores,
            incumbent: theirs.scores,
            compared,
            gates,
        },
    })
}

impl Exam {
    /// What sat it, as [`Sitter::artefact`] tells it.
    pub fn artefact(&self) -> &str {
        &self.record.artefact
    }

    /// BLAKE3 of its record, 64 hex digits.
    pub fn digest(&self) -> String {
        let record = serde_json::to_string(&self.record).unwrap_or_default();
        blake3::hash(record.as_bytes()).to_hex().to_string()
    }

    /// BLAKE3 of the questions, 64 hex digits.
    pub fn data(&self) -> &str {
        &self.record.data
    }

    /// What it was held against, as [`Sitter::artefact`] tells it.
    pub fn against(&self) -> &str {
        &self.record.against
    }

    /// Whether everything was good enough.
    pub fn is_passed(&self) -> bool {
        self.record.gates.iter().all(|gate| gate.is_passed)
    }

    /// What was looked at, and what came of it.
    pub fn gates(&self) -> &[Gate] {
        &self.record.gates
    }

    /// What it scored.
    pub fn scores(&self) -> &Scores {
        &self.record.scores
    }

    /// What the other one scored.
    pub fn incumbent(&self) -> &Scores {
        &self.record.incumbent
    }

    /// How the two differ.
    pub fn compared(&self) -> &Compared {
        &self.record.compared
    }

    /// Everything, for a model card.
    pub fn to_value(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(&self.record).unwrap_or_default();
        if let Some(fields) = value.as_object_mut() {
            fields.insert("passed".into(), self.is_passed().into());
        }
        value
    }

    /// Keeps it in a folder of this machine, under its seal.
    ///
    /// # Errors
    /// [`ExamError::File`].
    pub fn keep(&self, folder: &Path) -> Result<(), ExamError> {
        let record = serde_json::to_string(&self.record).unwrap_or_default();
        let sealed = Sealed { seal: seal(folder, &record)?, record };
        let text = serde_json::to_string(&sealed).unwrap_or_default();
        let path = place(folder, self.artefact());
        files::replace(&path, |out| std::io::Write::write_all(out, text.as_bytes())).map_err(|why| failed(&path, why))
    }

    /// The exam that a file with these bytes sat last, as it was kept here.
    ///
    /// # Errors
    /// [`ExamError::None`], and [`ExamError::Seal`] where somebody has changed it.
    pub fn kept(folder: &Path, artefact: &str) -> Result<Self, ExamError> {
        let path = place(folder, artefact);
        let text = files::text(&path, 16 << 20).map_err(|why| failed(&path, why))?;
        let text = text.ok_or_else(|| ExamError::None(artefact.to_owned()))?;
        let wrong = || ExamError::Seal(path.display().to_string());
        let sealed: Sealed = serde_json::from_str(&text).map_err(|_| wrong())?;
        let expected = blake3::Hash::from_hex(seal(folder, &sealed.record)?).map_err(|_| wrong())?;
        let found = blake3::Hash::from_hex(&sealed.seal).map_err(|_| wrong())?;
        let record: Record = serde_json::from_str(&sealed.record).map_err(|_| wrong())?;
        if found != expected || record.artefact != artefact {
            return Err(wrong());
        }
        Ok(Self { record })
    }
}

/// A record that cannot be changed without this machine's key.
#[derive(Serialize, Deserialize)]
struct Sealed {
    seal: String,
    record: String,
}

fn seal(folder: &Path, record: &str) -> Result<String, ExamError> {
    let path = folder.join("exam.key");
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|error| ExamError::Random(error.to_string()))?;
    let key = files::key(&path, fresh).map_err(|why| failed(&path, why))?;
    Ok(blake3::keyed_hash(&key, record.as_bytes()).to_hex().to_string())
}

fn place(folder: &Path, artefact: &str) -> PathBuf {
    // The name of a file comes from digests only.
    let name: String = artefact.chars().filter(char::is_ascii_hexdigit).take(64).collect();
    folder.join("exams").join(format!("{name}.json"))
}

fn failed(file: &Path, source: std::io::Error) -> ExamError {
    ExamError::File { file: file.display().to_string(), source }
}
