//! What can a model put into words? A change summed up, a commit's message, a finding explained, a question answered.

use std::time::Duration;

use super::{Adviser, Engine};
use crate::{
    change::Versions,
    notice::Notice,
    recall::Hit,
    review::{Review, Reviewed},
    source::SourceFile,
    suggest::{Excerpt, Kind, Limits, Message, NoAnswer, Piece, Suggester, Task},
};

/// Why nothing is put into words.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    /// No model is configured.
    #[error("no model is configured: use --model, or set `model.name`")]
    NoModel,
    /// There is nothing to put into words.
    #[error("there is nothing to tell: {0}")]
    Nothing(&'static str),
    /// The system gives no random bits for the fence.
    #[error("{0}")]
    NoNonce(String),
    /// The model gave no usable answer.
    #[error("the model gave no usable answer{}", lines(notices))]
    NoAnswer {
        /// Why.
        #[source]
        why: NoAnswer,
        /// What the reader should know all the same: what left this machine.
        notices: Vec<Notice>,
    },
}

fn lines(notices: &[Notice]) -> String {
    notices.iter().map(|notice| format!("; {}: {}", notice.about, notice.what)).collect()
}

/// Words with what the reader should know of them.
pub type Told<T> = Result<(T, Vec<Notice>), Untold>;

impl Engine {
    /// What a change does, for its reviewer. `intent` is what its author says about it; may be empty.
    ///
    /// # Errors
    /// [`Untold`] without a model, a change, or a usable answer.
    pub fn summarize(&self, versions: &Versions, intent: &str) -> Told<String> {
        let (must, beside) = self.material(versions, intent)?;
        self.with(|suggester| suggester.tell(Task::Summarize, must, beside))
    }

    /// A message for the commit that makes a change, in the manner of `earlier` subjects.
    ///
    /// # Errors
    /// [`Untold`] without a model, a change, or a usable answer.
    pub fn message(&self, versions: &Versions, earlier: &[String]) -> Told<Message> {
        let (must, mut beside) = self.material(versions, "")?;
        if !earlier.is_empty() {
            let title = "subjects of earlier commits".to_owned();
            beside.push(Piece { kind: Kind::Document, title, text: earlier.join("\n"), value: 0.5 });
        }
        self.with(|suggester| suggester.message(must, beside))
    }

    /// What a finding means where it is.
    ///
    /// # Errors
    /// [`Untold`] without a model or a usable answer.
    pub fn explain(&self, review: &Review, reviewed: &Reviewed) -> Told<String> {
        let finding = &reviewed.finding;
        let file = review.file(&finding.path).ok_or(Untold::Nothing("the file of the finding was not read"))?;
        let lines = finding.span.lines();
        let excerpt = Excerpt::around(file, *lines.start(), *lines.end());
        let text = format!("{}\n{}\n", finding.what, finding.why);
        let asked = Piece { kind: Kind::Finding, title: finding.check.to_string(), text, value: 1.0 };
        let places = finding.because.iter().filter_map(|place| {
            let file = review.file(&place.path)?;
            let text =
                format!("{}\n{}", place.note, Excerpt::around(file, place.span.from.line, place.span.to.line).text());
            Some(Piece { kind: Kind::Code, title: place.path.to_string(), text, value: 0.8 })
        });
        let beside = places.collect();
        self.with(|suggester| suggester.tell(Task::Explain, vec![Piece::change(&excerpt), asked], beside))
    }

    /// The answer to a question about the repository from what a search found for it, best first.
    ///
    /// # Errors
    /// [`Untold`] without a model, an answer of the search, or a usable one of the model.
    pub fn ask(&self, question: &str, hits: &[Hit]) -> Told<String> {
        if hits.is_empty() {
            return Err(Untold::Nothing("the index knows nothing about it"));
        }
        let best = hits[0].score.max(f32::MIN_POSITIVE);
        let piece = |hit: &Hit| {
            let place = format!("{}:{}", hit.place.as_str(), hit.chunk.lines.0);
            Piece { kind: Kind::Code, title: place, text: hit.chunk.text.clone(), value: (hit.score / best).max(0.05) }
        };
        let asked = Piece { kind: Kind::Question, title: String::new(), text: question.to_owned(), value: 1.0 };
        let beside = hits.iter().map(piece).collect();
        self.with(|suggester| suggester.tell(Task::Ask, vec![asked], beside))
    }

    /// The answer to a question about a change from the change itself.
    ///
    /// # Errors
    /// [`Untold`] without a model, a change, or a usable answer.
    pub fn ask_about(&self, versions: &Versions, question: &str) -> Told<String> {
        let (mut must, beside) = self.material(versions, "")?;
        must.push(Piece { kind: Kind::Question, title: String::new(), text: question.to_owned(), value: 1.0 });
        self.with(|suggester| suggester.tell(Task::Ask, must, beside))
    }

    /// How much may be asked.
    pub(super) fn limits(&self) -> Limits {
        Limits {
            answer: self.config.suggest.max_answer_tokens as usize,
            time: Duration::from_secs(self.config.model.timeout_seconds),
            passes: self.config.suggest.max_passes as usize,
        }
    }

    fn with<T>(&self, ask: impl FnOnce(&Suggester<'_>) -> Result<T, NoAnswer>) -> Told<T> {
        let Adviser { model, answers, prompts, stop, progress } = self.adviser.as_ref().ok_or(Untold::NoModel)?;
        let suggester = Suggester::new(&**model, answers.as_ref(), self.limits(), stop).map_err(Untold::NoNonce)?;
        let suggester = suggester.in_words(prompts);
        progress("the answer", 0, 1);
        let told = ask(&suggester);
        progress("", 0, 0);
        let notices = suggester.spent().notices;
        match told {
            Ok(told) => Ok((told, notices)),
            Err(why) => Err(Untold::NoAnswer { why, notices }),
        }
    }

    /// The files of a change, and its stretches as far as they fit.
    fn material(&self, versions: &Versions, intent: &str) -> Result<(Vec<Piece>, Vec<Piece>), Untold> {
        let change = &versions.change;
        if change.files.is_empty() {
            return Err(Untold::Nothing("the change is empty"));
        }
        let line = |file: &crate::change::FileChange| format!("{} {}\n", word(file.status), file.path);
        let text = change.files.iter().take(200).map(line).collect();
        let mut must = vec![Piece { kind: Kind::Files, title: String::new(), text, value: 1.0 }];
        if !intent.trim().is_empty() {
            must.push(Piece { kind: Kind::Intent, title: String::new(), text: intent.to_owned(), value: 1.0 });
        }
        let mut beside = Vec::new();
        for file in &change.files {
            let Ok(Some(text)) = self.read(file, &file.path, &*versions.new) else { continue };
            beside.extend(Excerpt::of(file, &text).iter().map(|excerpt| weighed(excerpt, &text)));
        }
        Ok((must, beside))
    }
}

/// Code is worth more than what a program wrote or what only describes it.
fn weighed(excerpt: &Excerpt, file: &SourceFile) -> Piece {
    let value = if file.language.is_some() { 1.0 } else { 0.4 };
    Piece { value, ..Piece::change(excerpt) }
}

fn word(status: crate::change::Status) -> &'static str {
    use crate::change::Status::{Added, Copied, Deleted, Kind, Mode, Modified, Renamed, Whole};
    match status {
        Added => "new",
        Modified => "changed",
        Deleted => "deleted",
        Renamed => "renamed",
        Copied => "copied",
        Mode => "mode changed",
        Kind => "kind changed",
        Whole => "whole",
    }
}
