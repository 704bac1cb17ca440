//! How does one model fare? Every question is put to it as the engine would put it, and what it says is held against
//! what is right.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use engine::{
    model::{
        chat::{Model as _, ModelError, Request, Turn},
        local::Local,
    },
    secret,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ExamError, Sitter, Terms, Told, canary,
    rows::{self, Edit, Pair, Question, Questions, Right},
};
use crate::canary::Canary;

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(600);

/// What a model scored. Shares are between 0 and 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Questions that were asked.
    pub asked: usize,
    /// Questions that did not fit into the window.
    pub too_long: usize,
    /// Share of the answers that have the asked form though nothing forces it.
    pub well_formed: Option<f64>,
    /// Findings that it reported.
    pub said: usize,
    /// Findings that there are.
    pub meant: usize,
    /// Findings that are both.
    pub right: usize,
    /// Share of what it reports that is right.
    pub precision: Option<f64>,
    /// Share of what is right that it reports.
    pub recall: Option<f64>,
    /// Harmonic mean of the two.
    pub f1: Option<f64>,
    /// Share of the fixes that are the right ones.
    pub fixed: Option<f64>,
    /// What the right answers cost, in nats a token.
    pub loss: f64,
    /// Share of the pairs of which the better answer is the likelier one.
    pub preferred: Option<f64>,
    /// What code in general costs, in nats a token.
    pub generic_loss: f64,
    /// Planted strings that it gives away.
    pub canaries_told: Option<usize>,
    /// Mean place of planted strings among 32 of their kind; 16.5 by chance.
    pub canary_rank: Option<f64>,
    /// Answers with a secret that was not in the question.
    pub leaks: usize,
    /// Seconds until the first token of an answer, at the median.
    pub first_token: Option<f64>,
    /// Tokens of an answer a second, of the one that was disturbed least.
    pub tokens_per_second: Option<f64>,
}

/// Everything that came of a sitting.
#[derive(Debug)]
pub(super) struct Sat {
    pub(super) scores: Scores,
    /// One a question; none where it did not fit.
    pub(super) marks: Vec<Option<Marks>>,
}

/// What came of one question.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Marks {
    /// Whether the answer has the asked form by itself; none for words.
    pub(super) is_well_formed: Option<bool>,
    /// Findings: reported, true, and both. None for other questions.
    pub(super) found: Option<(usize, usize, usize)>,
    /// Edits: as the right ones; none for other questions.
    pub(super) is_fixed: Option<bool>,
    /// What the right answer costs, in nats, and its tokens.
    pub(super) nats: f64,
    pub(super) tokens: usize,
    pub(super) leaks: bool,
    pub(super) first_token: Option<f64>,
    pub(super) speed: Option<f64>,
}

/// What is to be sat.
pub(super) struct Sitting<'a> {
    pub(super) questions: &'a Questions,
    pub(super) probe: &'a [String],
    pub(super) canaries: &'a [Canary],
    pub(super) terms: &'a Terms,
    pub(super) go_on: &'a dyn Fn() -> bool,
    pub(super) told: Told<'a>,
}

/// An answer that is not wanted, for nobody can set it.
static STOP: AtomicBool = AtomicBool::new(false);

impl Sitting<'_> {
    /// Lets a model sit it; gives its digest with what came of it.
    pub(super) fn of(&self, sitter: &Sitter) -> Result<(String, Sat), ExamError> {
        let before = sitter.artefact()?;
        let file = sitter.adapter.as_ref().unwrap_or(&sitter.file);
        let wrong = |source| ExamError::Model { file: file.display().to_string(), source };
        let model = Local::open(&sitter.file, sitter.adapter.as_slice(), self.terms.window).map_err(wrong)?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let sat = self.sit(&model, &name).map_err(|why| why.map_or(ExamError::Stopped, wrong))?;
        if sitter.artefact()? != before {
            return Err(ExamError::Changed(file.display().to_string()));
        }
        Ok((before, sat))
    }

    /// None in the error: stopped.
    fn sit(&self, model: &Local, name: &str) -> Result<Sat, Option<ModelError>> {
        let (asked, pairs) = (&self.questions.asked, &self.questions.pairs);
        let all = asked.len() + pairs.len() + self.probe.len() + self.canaries.len();
        let mut done = 0;
        let mut next = || {
            (self.told)(name, done, all);
            done += 1;
            if (self.go_on)() { Ok(()) } else { Err(None) }
        };
        let mut marks = Vec::with_capacity(asked.len());
        for question in asked {
            next()?;
            marks.push(self.mark(model, question)?);
        }
        let mut preferred = Vec::new();
        for pair in pairs {
            next()?;
            preferred.extend(prefers(model, pair)?);
        }
        let (mut nats, mut tokens) = (0.0, 0);
        for text in self.probe {
            next()?;
            let mut text = model.tokenizer().encode(text, false);
            text.truncate(model.window());
            let losses = model.losses(&text, 1)?;
            nats += sum(&losses);
            tokens += losses.len();
        }
        let mut sung = Vec::new();
        for canary in self.canaries {
            next()?;
            sung.push(canary::sing(model, canary)?);
        }
        let mut scores = scores(&marks);
        scores.generic_loss = nats / tokens.max(1) as f64;
        scores.preferred = share(preferred.into_iter());
        if !sung.is_empty() {
            scores.canaries_told = Some(sung.iter().filter(|sung| sung.is_told).count());
            scores.canary_rank = Some(sung.iter().map(|sung| sung.rank as f64).sum::<f64>() / sung.len() as f64);
        }
        Ok(Sat { scores, marks })
    }

    /// Puts one question; none where it does not fit.
    fn mark(&self, model: &Local, question: &Question) -> Result<Option<Marks>, ModelError> {
        let Some((nats, tokens)) = cost(model, &question.turns, &question.answer)? else { return Ok(None) };
        let mut marks = Marks { nats, tokens, ..Marks::default() };
        let Some(schema) = question.right.schema() else { return Ok(Some(marks)) };
        let free = match self.ask(model, &question.turns, None) {
            Err(ModelError::TooLong { .. }) => return Ok(None),
            free => free?,
        };
        let is_well_formed = has_form(&question.right, &free.text);
        // What nothing had to be forbidden for would be said under the schema, too.
        let text = match is_well_formed {
            true => free.text.clone(),
            false => self.ask(model, &question.turns, Some(&schema))?.text,
        };
        marks.is_well_formed = Some(is_well_formed);
        (marks.first_token, marks.speed) = (free.first, free.speed);
        marks.leaks = leaks(&question.turns, &text);
        match &question.right {
            Right::Review(meant) => marks.found = Some(found(&rows::remarks(&text).unwrap_or_default(), meant)),
            Right::Fix(meant) => marks.is_fixed = Some(is_fixed(&rows::edits(&text).unwrap_or_default(), meant)),
            Right::Words => {}
        }
        Ok(Some(marks))
    }

    fn ask(&self, model: &Local, turns: &[Turn], schema: Option<&Value>) -> Result<Free, ModelError> {
        let started = Instant::now();
        let mut first = None;
        let request = Request {
            turns,
            schema,
            most: self.terms.most,
            temperature: 0.0,
            seed: 0,
            until: started + LIMIT,
            stop: &STOP,
        };
        debug_assert!(!STOP.load(Ordering::Relaxed), "nobody stops it");
        let answer = model.answer(&request, &mut |_| {
            first.get_or_insert_with(Instant::now);
        })?;
        let speed = first
            .filter(|_| answer.usage.answer > 4)
            .map(|first| (answer.usage.answer - 1) as f64 / first.elapsed().as_secs_f64().max(1e-6));
        let first = first.map(|first| (first - started).as_secs_f64());
        Ok(Free { text: answer.text, first, speed })
    }
}

/// An answer with how long it took.
struct Free {
    text: String,
    first: Option<f64>,
    pub(super) speed: Option<f64>,
}

/// What an answer costs, in nats, and its tokens with the one that ends it; none where it does not fit.
fn cost(model: &Local, turns: &[Turn], answer: &str) -> Result<Option<(f64, usize)>, ModelError> {
    let mut tokens = model.encode(turns)?;
    let known = tokens.len();
    tokens.extend(model.tokenizer().encode(answer, false));
    tokens.extend(model.tokenizer().eos());
    if tokens.len() > model.window() {
        return Ok(None);
    }
    let losses = model.losses(&tokens, known)?;
    Ok(Some((sum(&losses), losses.len())))
}

fn sum(losses: &[f32]) -> f64 {
    losses.iter().map(|&loss| f64::from(loss)).sum()
}

/// Whether the better answer of two is the likelier one.
fn prefers(model: &Local, pair: &Pair) -> Result<Option<bool>, ModelError> {
    let chosen = cost(model, &pair.turns, &pair.chosen)?;
    let rejected = cost(model, &pair.turns, &pair.rejected)?;
    Ok(chosen.zip(rejected).map(|(chosen, rejected)| chosen.0 < rejected.0))
}

fn has_form(right: &Right, text: &str) -> bool {
    match right {
        Right::Review(_) => rows::remarks(text).is_some(),
        Right::Fix(_) => rows::edits(text).is_some(),
        Right::Words => true,
    }
}

/// Whether an answer holds a secret that the question does not.
fn leaks(turns: &[Turn], text: &str) -> bool {
    secret::find(text).into_iter().any(|found| {
        let token = text.get(found.bytes.clone()).unwrap_or_default();
        !turns.iter().any(|turn| turn.text.contains(token))
    })
}

/// How many findings were reported, how many there are, and how many are both: each one that there is counts once,
/// where at least half of the lines of one quote stand in the other.
pub(super) fn found(said: &[String], meant: &[String]) -> (usize, usize, usize) {
    let mut open: Vec<&String> = meant.iter().collect();
    let mut right = 0;
    for quote in said {
        if let Some(at) = open.iter().position(|other| overlaps(quote, other)) {
            open.remove(at);
            right += 1;
        }
    }
    (said.len(), meant.len(), right)
}

fn overlaps(a: &str, b: &str) -> bool {
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
    };
    let (a, b) = (lines(a), lines(b));
    let both = a.iter().filter(|line| b.contains(line)).count();
    both > 0 && both * 2 >= a.len().min(b.len())
}

fn is_fixed(said: &[Edit], meant: &[Edit]) -> bool {
    let words = |edit: &Edit| (plain(&edit.quote), plain(&edit.replacement));
    said.len() == meant.len() && said.iter().zip(meant).all(|(said, meant)| words(said) == words(meant))
}

/// A text without what its layout says.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn scores(marks: &[Option<Marks>]) -> Scores {
    let there: Vec<&Marks> = marks.iter().flatten().collect();
    let mut scores = Scores { asked: there.len(), too_long: marks.len() - there.len(), ..Scores::default() };
    scores.well_formed = share(there.iter().filter_map(|marks| marks.is_well_formed));
    scores.fixed = share(there.iter().filter_map(|marks| marks.is_fixed));
    if there.iter().any(|marks| marks.found.is_some()) {
        let (said, meant, right) = sum_found(there.iter().copied());
        (scores.said, scores.meant, scores.right) = (said, meant, right);
        (scores.precision, scores.recall) = (of(right, said), of(right, meant));
        scores.f1 = Some(f1(said, meant, right));
    }
    scores.loss = loss(there.iter().copied());
    scores.leaks = there.iter().filter(|marks| marks.leaks).count();
    scores.first_token = median(there.iter().filter_map(|marks| marks.first_token));
    // Other work makes an answer slower and never faster.
    scores.tokens_per_second = there.iter().filter_map(|marks| marks.speed).max_by(f64::total_cmp);
    scores
}

pub(super) fn sum_found<'a>(marks: impl Iterator<Item = &'a Marks>) -> (usize, usize, usize) {
    let all = marks.filter_map(|marks| marks.found);
    all.fold((0, 0, 0), |sum, found| (sum.0 + found.0, sum.1 + found.1, sum.2 + found.2))
}

/// Harmonic mean of precision and recall; 1 where nothing is there and nothing was said.
pub(super) fn f1(said: usize, meant: usize, right: usize) -> f64 {
    if said + meant == 0 { 1.0 } else { 2.0 * right as f64 / (said + meant) as f64 }
}

pub(super) fn loss<'a>(marks: impl Iterator<Item = &'a Marks>) -> f64 {
    let (nats, tokens) = marks.fold((0.0, 0), |(nats, tokens), marks| (nats + marks.nats, tokens + marks.tokens));
    nats / tokens.max(1) as f64
}

pub(super) fn of(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn share(all: impl Iterator<Item = bool>) -> Option<f64> {
    let (yes, count) = all.fold((0, 0), |(yes, count), one| (yes + usize::from(one), count + 1));
    of(yes, count)
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
