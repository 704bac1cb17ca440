//! What could be done? A model is asked, its answer is read strictly, and what it says is held against the text.
//!
//! One module a step: [`Excerpt`] is what is asked about, `budget` fits what helps into the window, `prompt` puts the
//! question, `decode` reads the answer, `anchor` finds the place it means, `mend` makes edits of it, and whoever asks
//! proves them. An answer that does not hold goes back to the model with what is wrong with it.

mod anchor;
mod budget;
mod cache;
pub mod clean;
mod decode;
mod excerpt;
pub mod lesson;
mod mend;
mod prompt;
mod prompts;
mod words;

use std::{
    borrow::Cow,
    sync::{Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

pub use anchor::{Anchor, Fit, Lost};
pub use cache::Answers;
pub use decode::{Change, Message, Remark, Weight, changes_schema, message_schema, remarks_schema, words_schema};
pub use excerpt::{Excerpt, Shown};
pub use mend::NoEdit;
pub use prompt::{Kind, Nonce, Piece};
pub use prompts::{NAMES as PROMPTS, PromptError, Prompts, Task};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    edit::Fix,
    model::chat::{Model, ModelError, Request, Role, Turn, Usage},
    notice::Notice,
    patch::{Unproven, VerifiedPatch},
    source::SourceFile,
};

/// How much may be asked.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most tokens of one answer.
    pub answer: usize,
    /// How long one answer may take.
    pub time: Duration,
    /// How often one question is asked in all, the first time included.
    pub passes: usize,
}

/// A model with everything that one run of questions shares.
pub struct Suggester<'a> {
    model: &'a dyn Model,
    answers: Option<&'a Answers>,
    prompts: Cow<'a, Prompts>,
    nonce: Nonce,
    limits: Limits,
    stop: &'a AtomicBool,
    spent: Mutex<Spent>,
}

/// What a run of questions took.
#[derive(Debug, Clone, Default)]
pub struct Spent {
    /// The model.
    pub model: String,
    /// Questions that the model was asked.
    pub asked: usize,
    /// Questions that had been answered before.
    pub kept: usize,
    /// Tokens.
    pub usage: Usage,
    /// Answers that were not the JSON that was asked for.
    pub malformed: usize,
    /// What the reader should know, each thing once.
    pub notices: Vec<Notice>,
}

/// Tokens that a chat template puts around a turn, at most.
const TURN: usize = 16;

/// Why there is no usable answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// The model gave none.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// It gave one, and it is not of the form that was asked for.
    #[error("{0}")]
    Malformed(String),
    /// It repeated the fence, as one does that follows what stands inside it. Nothing it says is used.
    #[error("the answer repeats the marker that fences what strangers wrote; it was thrown away")]
    Betrayed,
    /// What must be shown does not fit into the window.
    #[error("it does not fit into the model's window of {window} tokens")]
    TooLong {
        /// What fits.
        window: usize,
    },
}

/// What a model found in an excerpt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it says, with words that may be shown.
    pub remark: Remark,
    /// Where it is.
    pub anchor: Anchor,
}

/// The answer to a review of one excerpt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// What has a place in the excerpt.
    pub found: Vec<Found>,
    /// Why others have none.
    pub lost: Vec<Lost>,
    /// Pieces of evidence that had no room.
    pub left_out: usize,
}

/// What came of asking for a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mended {
    /// The proven patch.
    pub patch: Option<VerifiedPatch>,
    /// What was wrong with each attempt, in order.
    pub issues: Vec<String>,
    /// Why the last attempt is no patch, where it could be tried.
    pub unproven: Option<Unproven>,
}

/// Proves a fix.
pub type Prove<'p> = &'p mut dyn FnMut(&Fix) -> Result<VerifiedPatch, Unproven>;

impl<'a> Suggester<'a> {
    /// A run of questions to this model.
    ///
    /// # Errors
    /// When the system gives no random bits for the fence.
    pub fn new(
        model: &'a dyn Model,
        answers: Option<&'a Answers>,
        limits: Limits,
        stop: &'a AtomicBool,
    ) -> Result<Self, String> {
        let spent = Mutex::new(Spent { model: model.name().to_owned(), ..Spent::default() });
        Ok(Self { model, answers, prompts: Cow::default(), nonce: Nonce::new()?, limits, stop, spent })
    }

    /// The same, asking in these words.
    #[must_use]
    pub fn in_words(self, prompts: &'a Prompts) -> Self {
        Self { prompts: Cow::Borrowed(prompts), ..self }
    }

    /// The model.
    pub fn model(&self) -> &dyn Model {
        self.model
    }

    /// What was spent so far.
    pub fn spent(&self) -> Spent {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is wrong with the lines of an excerpt that the change touches.
    ///
    /// # Errors
    /// [`NoAnswer`] when the model gives no usable answer.
    pub fn review(&self, excerpt: &Excerpt, beside: Vec<Piece>) -> Result<Read, NoAnswer> {
        let (turns, left_out) = self.put(Task::Review, vec![Piece::change(excerpt)], beside, self.limits.answer)?;
        let answer: decode::Remarks = self.ask(Task::Review, turns, &remarks_schema())?;
        let mut read = Read { left_out, ..Read::default() };
        for remark in answer.findings {
            match anchor::locate(&remark.quote, excerpt) {
                Ok(anchor) => read.found.push(Found { remark: shown(remark), anchor }),
                Err(lost) => read.lost.push(lost),
            }
        }
        Ok(read)
    }

    /// Tries the replacement that came with a remark.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence for the model.
    pub fn try_out(&self, file: &SourceFile, excerpt: &Excerpt, remark: &Remark, prove: Prove<'_>) -> Tried {
        let Some(replacement) = &remark.replacement else { return Tried::None };
        let change = decode::Change { quote: remark.quote.clone(), replacement: replacement.clone() };
        attempt(file, excerpt, &[change], prove)
    }

    /// Asks for a patch of a finding until one is proven, no progress is made, or the passes are used up. `finding`
    /// tells what is to be mended; `excerpt` is the code.
    ///
    /// # Errors
    /// [`NoAnswer`] when the model gives no usable answer at the first pass.
    pub fn mend(
        &self,
        file: &SourceFile,
        excerpt: &Excerpt,
        finding: Piece,
        beside: Vec<Piece>,
        prove: Prove<'_>,
    ) -> Result<Mended, NoAnswer> {
        // Every pass adds an answer and what is wrong with it.
        let room = self.limits.answer * self.limits.passes.max(1);
        let (mut turns, _) = self.put(Task::Fix, vec![Piece::change(excerpt), finding], beside, room)?;
        let mut mended = Mended { patch: None, issues: Vec::new(), unproven: None };
        let mut last = None;
        for pass in 0..self.limits.passes.max(1) {
            let text = match self.say(&turns, Some(&changes_schema())) {
                Err(error) if pass == 0 => return Err(error),
                Err(_) => break,
                Ok(text) => text,
            };
            let tried = match self.read::<decode::Changes>(&text) {
                Ok(changes) if changes.edits.is_empty() => break,
                Ok(changes) => attempt(file, excerpt, &changes.edits, prove),
                Err(why) => Tried::Wrong(why),
            };
            let issue = match tried {
                Tried::Proven(patch) => {
                    mended.patch = Some(patch);
                    mended.unproven = None;
                    return Ok(mended);
                }
                Tried::Unproven(why) => {
                    let issue = why.to_string();
                    mended.unproven = Some(why);
                    issue
                }
                Tried::Wrong(why) => why,
                Tried::None => break,
            };
            let is_stuck = last.as_ref() == Some(&text) || mended.issues.last() == Some(&issue);
            mended.issues.push(issue);
            if is_stuck {
                break;
            }
            turns.push(Turn::new(Role::Assistant, clean::clean(&text)));
            turns.push(prompt::again(&self.prompts, &self.nonce, Task::Fix, &mended.issues[mended.issues.len() - 1..]));
            last = Some(text);
        }
        Ok(mended)
    }

    /// An answer in words that may be shown, to any task that is answered in words.
    ///
    /// # Errors
    /// [`NoAnswer`] when the model gives no usable answer.
    pub fn tell(&self, task: Task, must: Vec<Piece>, beside: Vec<Piece>) -> Result<String, NoAnswer> {
        let (turns, _) = self.put(task, must, beside, self.limits.answer)?;
        let answer: decode::Words = self.ask(task, turns, &words_schema())?;
        Ok(words::harmless(&answer.answer, 2400))
    }

    /// The message of a commit.
    ///
    /// # Errors
    /// [`NoAnswer`] when the model gives no usable answer.
    pub fn message(&self, must: Vec<Piece>, beside: Vec<Piece>) -> Result<Message, NoAnswer> {
        let (turns, _) = self.put(Task::Message, must, beside, self.limits.answer)?;
        let message: Message = self.ask(Task::Message, turns, &message_schema())?;
        let subject = words::one_line(&message.subject, 72);
        let body: Vec<String> = message.body.lines().map(|line| words::one_line(line, 200)).collect();
        // A line that begins with `#` would be cut as a comment by git.
        let plain = |line: &String| match line.strip_prefix('#') {
            Some(rest) => rest.trim_start_matches(['#', ' ']).to_owned(),
            None => line.trim_end().to_owned(),
        };
        let body = body.iter().map(plain).collect::<Vec<_>>().join("\n");
        Ok(Message { subject: subject.trim_start_matches('#').trim().to_owned(), body: body.trim().to_owned() })
    }

    /// The turns of a question: what must be in it, then what fits beside it. What must be and does not fit is an error,
    /// never cut.
    fn put(
        &self,
        task: Task,
        must: Vec<Piece>,
        beside: Vec<Piece>,
        answer: usize,
    ) -> Result<(Vec<Turn>, usize), NoAnswer> {
        let window = self.model.window();
        let size = |turns: &[Turn]| turns.iter().map(|turn| self.model.count(&turn.text) + TURN).sum::<usize>();
        let bare = size(&prompt::question(&self.prompts, &self.nonce, task, &must)) + answer;
        let Some(room) = window.checked_sub(bare) else { return Err(NoAnswer::TooLong { window }) };
        // Fences are half of what a small piece takes. Where two pieces meet, one token may become two.
        let count = |piece: &Piece| self.model.count(&prompt::fenced(&self.nonce, piece)) + 2;
        let fitted = budget::fit(beside, room, &count);
        let mut pieces = fitted.taken;
        pieces.extend(must);
        Ok((prompt::question(&self.prompts, &self.nonce, task, &pieces), fitted.left))
    }

    /// Asks, and asks again when the answer is not of the form that was asked for.
    fn ask<T: DeserializeOwned>(&self, task: Task, mut turns: Vec<Turn>, schema: &Value) -> Result<T, NoAnswer> {
        let mut last: Option<String> = None;
        loop {
            let text = self.say(&turns, Some(schema))?;
            match self.read(&text) {
                Ok(read) => return Ok(read),
                Err(why) => {
                    let asked = turns.len() / 2;
                    if asked >= self.limits.passes.max(1) || last.as_ref() == Some(&text) {
                        return Err(NoAnswer::Malformed(why));
                    }
                    turns.push(Turn::new(Role::Assistant, clean::clean(&text)));
                    turns.push(prompt::again(&self.prompts, &self.nonce, task, &[why]));
                    last = Some(text);
                }
            }
        }
    }

    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, String> {
        decode::read(text).inspect_err(|_| self.spend(|spent| spent.malformed += 1))
    }

    /// One answer, from what was kept where it was asked before.
    fn say(&self, turns: &[Turn], schema: Option<&Value>) -> Result<String, NoAnswer> {
        let request = Request {
            turns,
            schema,
            most: self.limits.answer,
            temperature: 0.0,
            seed: 0,
            until: Instant::now() + self.limits.time,
            stop: self.stop,
        };
        let key = cache::key(self.model.name(), &request, &|text| self.nonce.hide(text));
        if let Some(kept) = self.answers.and_then(|answers| answers.get(&key)) {
            self.spend(|spent| spent.kept += 1);
            return Ok(kept);
        }
        let answer = self.model.answer(&request, &mut |_| {});
        self.note(self.model.unanswered());
        let answer = match answer {
            Err(ModelError::TooLong { window, .. }) => return Err(NoAnswer::TooLong { window }),
            other => other?,
        };
        self.spend(|spent| {
            spent.asked += 1;
            spent.usage += answer.usage;
        });
        self.note(answer.notices);
        if words::betrays(&self.nonce, &answer.text) {
            return Err(NoAnswer::Betrayed);
        }
        if let (true, Some(answers)) = (answer.is_whole, self.answers) {
            answers.put(&key, &answer.text);
        }
        Ok(answer.text)
    }

    /// Keeps what the reader should know, each thing once.
    fn note(&self, notices: Vec<Notice>) {
        self.spend(|spent| {
            for notice in notices {
                if !spent.notices.contains(&notice) {
                    spent.notices.push(notice);
                }
            }
        });
    }

    fn spend(&self, change: impl FnOnce(&mut Spent)) {
        change(&mut self.spent.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// What came of one attempt at a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// Nothing was to be tried.
    None,
    /// It holds.
    Proven(VerifiedPatch),
    /// It could be tried and does not hold.
    Unproven(Unproven),
    /// It is no edit of the text.
    Wrong(String),
}

fn attempt(file: &SourceFile, excerpt: &Excerpt, changes: &[decode::Change], prove: Prove<'_>) -> Tried {
    match mend::fix(file, excerpt, changes) {
        Err(why) => Tried::Wrong(why.to_string()),
        Ok(fix) => match prove(&fix) {
            Ok(patch) => Tried::Proven(patch),
            Err(why) => Tried::Unproven(why),
        },
    }
}

/// A remark with words that may be shown.
fn shown(remark: Remark) -> Remark {
    let problem = words::one_line(&remark.problem, 160);
    let problem = problem.trim_end_matches('.').to_owned();
    Remark { problem, why: words::one_line(&remark.why, 400), ..remark }
}

#[cfg(test)]
mod tests;
