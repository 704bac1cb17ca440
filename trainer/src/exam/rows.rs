//! What is asked in an exam, and what would be right? The part of the lessons that nobody was trained on.

use std::path::{Path, PathBuf};

use engine::{
    model::chat::{Role, Turn},
    suggest::{self, Remark},
};
use serde::Deserialize;
use serde_json::Value;

use super::{ExamError, Terms, failed};
use crate::files;

/// Longest line, in bytes.
const MOST_LINE: u64 = 4 << 20;

/// Bytes of all lines together.
const MOST: usize = 512 << 20;

/// The questions of an exam.
#[derive(Debug)]
pub(super) struct Questions {
    /// BLAKE3 of all that were there, asked or not.
    pub(super) digest: String,
    /// Those that are asked.
    pub(super) asked: Vec<Question>,
    /// Pairs of answers, of which the first is better.
    pub(super) pairs: Vec<Pair>,
}

/// A question with its right answer.
#[derive(Debug, Clone)]
pub(super) struct Question {
    pub(super) turns: Vec<Turn>,
    pub(super) answer: String,
    pub(super) right: Right,
}

/// What would be right.
#[derive(Debug, Clone)]
pub(super) enum Right {
    /// These findings, by what they quote.
    Review(Vec<String>),
    /// These edits.
    Fix(Vec<Edit>),
    /// Words: only what they cost is measured.
    Words,
}

/// A question with a better and a worse answer.
#[derive(Debug, Clone)]
pub(super) struct Pair {
    pub(super) turns: Vec<Turn>,
    pub(super) chosen: String,
    pub(super) rejected: String,
}

/// The answer to a review, in the form that the engine reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Remarks {
    findings: Vec<Remark>,
}

/// The answer to a question for a fix, in the form that the engine reads.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    #[expect(dead_code, reason = "it must be there, and says nothing that is measured")]
    explanation: String,
    edits: Vec<Edit>,
}

/// Lines to be replaced.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    pub(super) quote: String,
    pub(super) replacement: String,
}

/// A line, in TRL's conversational forms.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    messages: Vec<Turn>,
    #[serde(default)]
    prompt: Vec<Turn>,
    #[serde(default)]
    chosen: Vec<Turn>,
    #[serde(default)]
    rejected: Vec<Turn>,
}

/// Reads every `valid.jsonl` of a folder.
pub(super) fn read(folder: &Path, terms: &Terms) -> Result<Questions, ExamError> {
    let files = held_out(folder)?;
    let (mut digest, mut read) = (blake3::Hasher::new(), 0);
    let (mut asked, mut pairs) = (Vec::new(), Vec::new());
    for file in &files {
        files::lines::<Wrong>(file, MOST_LINE, &mut |number, text| {
            let wrong = |why: &str| Wrong::Row(number, why.to_owned());
            digest.update(text.as_bytes()).update(b"\n");
            read += text.len();
            if read > MOST {
                return Err(wrong("there are more than 512 MB of them"));
            }
            if !text.trim().is_empty() {
                let line = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
                take(line, &mut asked, &mut pairs).map_err(wrong)?;
            }
            Ok(())
        })
        .map_err(|wrong| wrong.of(file))?;
    }
    if asked.is_empty() {
        return Err(ExamError::NoRows(folder.display().to_string()));
    }
    let digest = digest.finalize().to_hex().to_string();
    let asked = some(asked, terms.rows, |question| &question.answer);
    Ok(Questions { digest, asked, pairs: some(pairs, terms.rows, |pair| &pair.chosen) })
}

/// What is wrong with a file.
enum Wrong {
    File(std::io::Error),
    Row(usize, String),
}

impl From<std::io::Error> for Wrong {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl Wrong {
    fn of(self, file: &Path) -> ExamError {
        match self {
            Self::File(source) => failed(file, source),
            Self::Row(line, why) => ExamError::Row { file: file.display().to_string(), line, why },
        }
    }
}

fn held_out(folder: &Path) -> Result<Vec<PathBuf>, ExamError> {
    let all = files::below(folder, 2).map_err(|source| failed(folder, source))?;
    Ok(all.into_iter().filter(|path| path.file_name().is_some_and(|name| name == "valid.jsonl")).collect())
}

/// Adds what a line says. Rows of other kinds have no right answer to be held against.
fn take(line: Line, asked: &mut Vec<Question>, pairs: &mut Vec<Pair>) -> Result<(), &'static str> {
    let text = |turns: &[Turn]| turns.first().map(|turn| turn.text.clone());
    if let (Some(chosen), Some(rejected)) = (text(&line.chosen), text(&line.rejected)) {
        pairs.push(Pair { turns: line.prompt, chosen, rejected });
        return Ok(());
    }
    let mut turns = line.messages;
    let Some(last) = turns.pop() else { return Ok(()) };
    if last.role != Role::Assistant || turns.is_empty() {
        return Err("its messages do not end with the answer to a question");
    }
    let right = right(&last.text);
    asked.push(Question { turns, answer: last.text, right });
    Ok(())
}

/// What an answer says, by its form.
fn right(answer: &str) -> Right {
    match (remarks(answer), edits(answer)) {
        (Some(quotes), _) => Right::Review(quotes),
        (_, Some(edits)) => Right::Fix(edits),
        _ => Right::Words,
    }
}

/// What the findings of an answer quote; none where it is not of that form.
pub(super) fn remarks(answer: &str) -> Option<Vec<String>> {
    let Remarks { findings } = serde_json::from_str(answer.trim()).ok()?;
    Some(findings.into_iter().map(|finding| finding.quote).collect())
}

/// The edits of an answer; none where it is not of that form.
pub(super) fn edits(answer: &str) -> Option<Vec<Edit>> {
    let Changes { edits, .. } = serde_json::from_str(answer.trim()).ok()?;
    Some(edits)
}

impl Right {
    /// The form in which the engine would ask for the answer; none for words.
    pub(super) fn schema(&self) -> Option<Value> {
        match self {
            Self::Review(_) => Some(suggest::remarks_schema()),
            Self::Fix(_) => Some(suggest::changes_schema()),
            Self::Words => None,
        }
    }
}

/// So many of them, always the same ones of the same data.
fn some<T>(all: Vec<T>, most: usize, text: impl Fn(&T) -> &String) -> Vec<T> {
    let mut numbered: Vec<(blake3::Hash, usize, T)> = all
        .into_iter()
        .enumerate()
        .map(|(at, one)| (blake3::hash(format!("{at}\0{}", text(&one)).as_bytes()), at, one))
        .collect();
    numbered.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    numbered.truncate(most);
    numbered.sort_by_key(|(_, at, _)| *at);
    numbered.into_iter().map(|(_, _, one)| one).collect()
}
