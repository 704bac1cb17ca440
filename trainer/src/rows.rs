//! Which texts are to be learned? Rows of JSONL in the forms that TRL reads, made into tokens as the model is asked.

mod generic;

use std::{
    io::{self, BufRead},
    path::Path,
};

use engine::model::{
    chat::{Role, Turn},
    local::{gguf::Metadata, template::Template, tokenizer::Tokenizer},
};
use serde::Deserialize;

use crate::files;
pub use generic::mix;

/// A text with an answer: the tokens of both, and where the answer begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Question and answer, with the token that ends it.
    pub tokens: Vec<u32>,
    /// The first token of the answer.
    pub answer: usize,
}

/// A row that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Names it, and decides its place in a shuffle: its own `id`, or a digest of what it says.
    pub id: String,
    /// How much it counts, from 0 to 1.
    pub weight: f64,
    /// What is to be learned from it.
    pub lesson: Lesson,
}

/// What is to be learned from a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lesson {
    /// To say this.
    Say(Text),
    /// To rather say the first than the second.
    Prefer(Text, Text),
    /// To say this more often, or less often.
    Judge(Text, bool),
}

/// Why rows cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The file cannot be read.
    #[error("the rows in `{0}` cannot be read")]
    File(String, #[source] io::Error),
    /// A line is not what it should be.
    #[error("line {line} of `{file}` is no row to learn from: {why}")]
    Row {
        /// The file.
        file: String,
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The model cannot be asked.
    #[error("the model cannot be asked")]
    Model(#[from] engine::model::chat::ModelError),
    /// A corpus cannot be mixed in.
    #[error("the corpus `{folder}` cannot be mixed in: {why}")]
    Corpus {
        /// Its folder.
        folder: String,
        /// Why not.
        why: String,
    },
    /// Nothing is left.
    #[error("`{file}` has no row of at most {longest} tokens to learn from")]
    Empty {
        /// The file.
        file: String,
        /// The longest that is taken.
        longest: usize,
    },
}

/// Rows, and how many were too long.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// In the file's order.
    pub rows: Vec<Row>,
    /// Rows of more tokens than may be, which were left out: an answer is never cut.
    pub too_long: usize,
    /// Of the file's bytes.
    pub digest: String,
}

impl Rows {
    /// Leaves so many at most, always the same: those whose names' hashes are the least.
    pub fn some(&mut self, most: usize) {
        if self.rows.len() > most {
            self.rows.sort_by_cached_key(|row| *blake3::hash(row.id.as_bytes()).as_bytes());
            self.rows.truncate(most);
            self.digest.push_str(&format!(" {most}"));
        }
    }
}

/// Makes tokens of questions and answers, as a model of these metadata is asked.
pub struct Reader {
    tokenizer: Tokenizer,
    template: Template,
}

/// The longest line of a file of rows, in bytes.
const LONGEST_LINE: u64 = 4 << 20;

#[derive(Deserialize)]
struct Said {
    role: String,
    content: String,
}

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    weight: Option<f64>,
    #[serde(default)]
    messages: Option<Vec<Said>>,
    #[serde(default)]
    prompt: Option<Vec<Said>>,
    #[serde(default)]
    completion: Option<Vec<Said>>,
    #[serde(default)]
    label: Option<bool>,
    #[serde(default)]
    chosen: Option<Vec<Said>>,
    #[serde(default)]
    rejected: Option<Vec<Said>>,
}

impl Reader {
    /// For the model of these metadata.
    ///
    /// # Errors
    /// [`RowsError::Model`] when its tokenizer or its template is not known.
    pub fn new(metadata: &Metadata) -> Result<Self, RowsError> {
        Ok(Self { tokenizer: Tokenizer::new(metadata)?, template: Template::new(metadata)? })
    }

    /// Its tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Reads a file. Rows of more than `longest` tokens are counted and left out.
    ///
    /// # Errors
    /// [`RowsError`].
    pub fn read(&self, path: &Path, longest: usize) -> Result<Rows, RowsError> {
        let file = || path.display().to_string();
        let failed = |error| RowsError::File(file(), error);
        let mut lines = files::reader(path).map_err(failed)?;
        let (mut rows, mut digest, mut text, mut line) = (Rows::default(), blake3::Hasher::new(), String::new(), 0);
        loop {
            text.clear();
            line += 1;
            let wrong = |why: String| RowsError::Row { file: file(), line, why };
            let length = io::Read::take(&mut lines, LONGEST_LINE).read_line(&mut text).map_err(failed)?;
            if length == 0 {
                break;
            }
            if length as u64 == LONGEST_LINE {
                return Err(wrong(format!("it is longer than {} MB", LONGEST_LINE >> 20)));
            }
            digest.update(text.as_bytes());
            if text.trim().is_empty() {
                continue;
            }
            let parsed: Line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            let row = self.row(parsed, &text).map_err(wrong)?;
            if row.tokens() > longest { rows.too_long += 1 } else { rows.rows.push(row) }
        }
        rows.digest = digest.finalize().to_hex().to_string();
        match rows.rows.is_empty() {
            true => Err(RowsError::Empty { file: file(), longest }),
            false => Ok(rows),
        }
    }

    fn row(&self, line: Line, text: &str) -> Result<Row, String> {
        let weight = line.weight.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&weight) {
            return Err(format!("its weight is {weight}, and must be from 0 to 1"));
        }
        let lesson =
            match (line.messages, line.prompt) {
                (Some(mut messages), None) => {
                    let answer = messages.pop().ok_or("it has no messages")?;
                    Lesson::Say(self.text(&messages, &[answer])?)
                }
                (None, Some(prompt)) => match (line.chosen, line.rejected, line.completion, line.label) {
                    (Some(chosen), Some(rejected), None, None) => {
                        Lesson::Prefer(self.text(&prompt, &chosen)?, self.text(&prompt, &rejected)?)
                    }
                    (None, None, Some(completion), Some(good)) => Lesson::Judge(self.text(&prompt, &completion)?, good),
                    (None, None, Some(completion), None) => Lesson::Say(self.text(&prompt, &completion)?),
                    _ => return Err(
                        "beside `prompt` it needs `completion`, `completion` and `label`, or `chosen` and `rejected`"
                            .into(),
                    ),
                },
                _ => return Err("it needs `messages`, or `prompt` and what follows".into()),
            };
        let id = line.id.unwrap_or_else(|| blake3::hash(text.trim().as_bytes()).to_hex()[..16].to_owned());
        Ok(Row { id, weight, lesson })
    }

    fn text(&self, question: &[Said], answer: &[Said]) -> Result<Text, String> {
        let [answer] = answer else { return Err("an answer is one message".into()) };
        if answer.role != "assistant" {
            return Err(format!("its answer is by `{}`, and must be by `assistant`", answer.role));
        }
        let turn = |said: &Said| {
            let role = match &*said.role {
                "system" => Role::System,
                "user" => Role::User,
                "assistant" => Role::Assistant,
                other => return Err(format!("nobody is called `{other}`: `system`, `user` and `assistant` are known")),
            };
            Ok(Turn::new(role, said.content.clone()))
        };
        let turns = question.iter().map(turn).collect::<Result<Vec<_>, _>>()?;
        let mut tokens = self.template.encode(&self.tokenizer, &turns).map_err(|error| error.to_string())?;
        let begins = tokens.len();
        tokens.extend(self.tokenizer.encode(&answer.content, false));
        tokens.extend(self.tokenizer.eos());
        match begins {
            0 => Err("it asks nothing".into()),
            answer => Ok(Text { tokens, answer }),
        }
    }
}

impl Row {
    /// Tokens of its texts.
    pub fn tokens(&self) -> usize {
        self.texts().map(|text| text.tokens.len()).sum()
    }

    /// Its texts: one, or the chosen and the rejected one.
    pub fn texts(&self) -> impl Iterator<Item = &Text> {
        let (one, other) = match &self.lesson {
            Lesson::Say(text) | Lesson::Judge(text, _) => (text, None),
            Lesson::Prefer(chosen, rejected) => (chosen, Some(rejected)),
        };
        std::iter::once(one).chain(other)
    }
}

impl Text {
    /// Tokens of its answer.
    pub fn answered(&self) -> usize {
        self.tokens.len() - self.answer
    }
}
