//! How does it learn? Step by step, in an order that the seed decides, and so that it can be stopped at any moment and go on
//! as if it had not been.

mod checkpoint;
mod curve;
mod optimizer;

use std::path::{Path, PathBuf};

use candle_core::{Tensor, Var, backprop::GradStore};
use serde::{Deserialize, Serialize};

pub use checkpoint::CheckpointError;
pub use curve::{Curve, Point};
use optimizer::Optimizer;

use crate::{files, net::NetError};

/// How it is learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The highest learning rate.
    pub rate: f64,
    /// The share of steps in which it rises to that; afterwards it falls along a cosine to a hundredth of it.
    pub warmup: f64,
    /// How often every row is read.
    pub epochs: usize,
    /// Rows of a step.
    pub batch: usize,
    /// Tokens that are in memory at once: a step's rows are taken in parts of at most so many.
    pub tokens: usize,
    /// The norm to which gradients are cut.
    pub clip: f64,
    /// Weight decay, decoupled (AdamW, arXiv 1711.05101).
    pub decay: f64,
    /// Steps from one look at what is held out to the next.
    pub check_every: usize,
    /// Looks without anything better after which it ends.
    pub patience: usize,
    /// Steps from one checkpoint to the next.
    pub keep_every: usize,
    /// Decides the order of rows.
    pub seed: u64,
}

/// What is to be learned.
pub trait Task {
    /// What may be changed.
    fn variables(&self) -> Vec<(String, Var)>;

    /// A name for each row; a row's place in an epoch depends on its name and the seed.
    fn rows(&self) -> &[String];

    /// Tokens of a row.
    fn tokens(&self, row: usize) -> usize;

    /// Tokens that some rows take together in memory; fewer than those of each where they have some in common.
    fn room(&self, rows: &[usize]) -> usize {
        rows.iter().map(|&row| self.tokens(row)).sum()
    }

    /// What a row's loss is divided by, together with those of the other rows of its step.
    fn weight(&self, row: usize) -> f64;

    /// The loss of some rows, summed up and multiplied with `scale`, and its gradients by what may be changed.
    ///
    /// # Errors
    /// [`NetError`].
    fn learn(&self, rows: &[usize], scale: f64) -> Result<(Tensor, GradStore), NetError>;

    /// The mean loss of what is held out; none where nothing is.
    ///
    /// # Errors
    /// [`NetError`].
    fn held_out(&self) -> Result<Option<f64>, NetError>;

    /// Names everything that decides what is learned, besides the settings: a checkpoint of other data is not gone on with.
    fn digest(&self) -> String;
}

/// Where it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Steps done.
    pub step: usize,
    /// Steps in all.
    pub of: usize,
    /// The mean loss of its rows.
    pub loss: f64,
    /// The mean loss of what is held out, where it was looked at.
    pub held_out: Option<f64>,
    /// The norm of its gradients before they were cut.
    pub norm: f64,
    /// The learning rate.
    pub rate: f64,
    /// Tokens that were read.
    pub tokens: usize,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    On,
    /// Write a checkpoint and stop.
    Stop,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learned {
    /// Steps that were done.
    pub steps: usize,
    /// The mean loss of what is held out, before.
    pub before: Option<f64>,
    /// The same at its best, which is what is kept.
    pub after: Option<f64>,
    /// The step at which it was.
    pub best: usize,
    /// Whether it ended early, because nothing got better.
    pub is_early: bool,
    /// Whether it was stopped before its end; it goes on from its checkpoint when it is started again.
    pub is_stopped: bool,
}

/// Why it cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum LearnError {
    /// The model cannot be computed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// A loss was no number.
    #[error(
        "the loss at step {step} is no number, and nothing was changed by it: take a lower learning rate than {rate:.1e}, \
         or leave out the rows it was at ({rows}); the checkpoint before it is still there"
    )]
    NotANumber {
        /// The step.
        step: usize,
        /// The learning rate.
        rate: f64,
        /// Names of the rows.
        rows: String,
    },
    /// The checkpoint cannot be read or written.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Another process trains there.
    #[error("another training is at work in `{0}`: wait for it, or take another folder")]
    Taken(PathBuf),
    /// The folder cannot be written to.
    #[error("`{0}` cannot be written to")]
    Folder(PathBuf, #[source] std::io::Error),
    /// The record of losses cannot be written.
    #[error("`{0}` cannot be written")]
    Curve(PathBuf, #[source] std::io::Error),
}

impl From<candle_core::Error> for LearnError {
    fn from(error: candle_core::Error) -> Self {
        Self::Net(error.into())
    }
}

/// Learns, keeping checkpoints and the record of losses in `folder`, and goes on from a checkpoint that is there. `watch`
/// is told of each step. At the end the variables have the values that were best on what is held out.
///
/// # Errors
/// [`LearnError`]; the last checkpoint is whole, whatever happens.
pub fn learn(
    task: &dyn Task,
    settings: &Settings,
    folder: &Path,
    watch: &mut dyn FnMut(Step) -> Flow,
) -> Result<Learned, LearnError> {
    let claim = files::Claim::take(folder).map_err(|error| LearnError::Folder(folder.to_owned(), error))?;
    let _claim = claim.ok_or_else(|| LearnError::Taken(folder.to_owned()))?;
    let variables = task.variables();
    let mut run =
        Run { task, settings, optimizer: Optimizer::new(&variables)?, variables, progress: Progress::default() };
    let digest = run.digest();
    let file = folder.join("checkpoint.safetensors");
    let mut curve = match checkpoint::read(&file, &digest, &mut run.optimizer)? {
        Some(progress) => {
            run.progress = progress;
            run.optimizer.put(&run.variables)?;
            Curve::open(folder, run.progress.step)?
        }
        None => {
            run.progress.before = task.held_out()?;
            run.progress.after = run.progress.before;
            Curve::open(folder, 0)?
        }
    };
    let of = settings.epochs * run.each_epoch();
    while run.progress.step < of && !run.is_stuck() {
        let step = run.step(of)?;
        curve.add(step)?;
        let stops = watch(step) == Flow::Stop;
        if stops || run.progress.step.is_multiple_of(settings.keep_every.max(1)) {
            checkpoint::write(&file, &digest, &run.optimizer, &run.progress)?;
            curve.draw()?;
        }
        if stops {
            return Ok(run.learned(of, true));
        }
    }
    checkpoint::write(&file, &digest, &run.optimizer, &run.progress)?;
    curve.draw()?;
    run.optimizer.put_best(&run.variables)?;
    Ok(run.learned(of, false))
}

/// How far it came.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Progress {
    step: usize,
    before: Option<f64>,
    after: Option<f64>,
    best: usize,
    /// Looks since then.
    worse: usize,
}

struct Run<'a> {
    task: &'a dyn Task,
    settings: &'a Settings,
    variables: Vec<(String, Var)>,
    optimizer: Optimizer,
    progress: Progress,
}

impl Run<'_> {
    fn digest(&self) -> String {
        let settings = format!("{:?}", self.settings);
        blake3::hash(format!("{settings}\n{}", self.task.digest()).as_bytes()).to_hex().to_string()
    }

    fn each_epoch(&self) -> usize {
        self.task.rows().len().div_ceil(self.settings.batch.max(1))
    }

    fn is_stuck(&self) -> bool {
        self.progress.worse >= self.settings.patience.max(1)
    }

    fn learned(&self, of: usize, is_stopped: bool) -> Learned {
        let Progress { step, before, after, best, .. } = self.progress;
        Learned { steps: step, before, after, best, is_early: !is_stopped && step < of, is_stopped }
    }

    fn step(&mut self, of: usize) -> Result<Step, LearnError> {
        let step = self.progress.step;
        let rate = self.rate(step, of);
        let rows = self.rows_of(step);
        let weight: f64 = rows.iter().map(|&row| self.task.weight(row)).sum();
        let mut loss = 0.0;
        self.optimizer.begin();
        for part in parts(&rows, self.settings.tokens, &|rows| self.task.room(rows)) {
            let (one, grads) = self.task.learn(&part, 1.0 / weight.max(1e-12))?;
            let value = f64::from(one.to_dtype(candle_core::DType::F32)?.to_scalar::<f32>()?);
            if !value.is_finite() {
                let names: Vec<&str> = part.iter().map(|&row| &*self.task.rows()[row]).collect();
                return Err(LearnError::NotANumber { step, rate, rows: names.join(", ") });
            }
            loss += value;
            self.optimizer.take(&self.variables, &grads)?;
        }
        let norm = self.optimizer.step(rate, self.settings.clip, self.settings.decay, &self.variables)?;
        if !norm.is_finite() {
            let names: Vec<&str> = rows.iter().map(|&row| &*self.task.rows()[row]).collect();
            return Err(LearnError::NotANumber { step, rate, rows: names.join(", ") });
        }
        self.progress.step += 1;
        let held_out = self.look(of)?;
        let tokens = rows.iter().map(|&row| self.task.tokens(row)).sum();
        Ok(Step { step: self.progress.step, of, loss, held_out, norm, rate, tokens })
    }

    /// Looks at what is held out, where it is time, and keeps what is best.
    fn look(&mut self, of: usize) -> Result<Option<f64>, LearnError> {
        let step = self.progress.step;
        if !step.is_multiple_of(self.settings.check_every.max(1)) && step != of {
            return Ok(None);
        }
        let Some(loss) = self.task.held_out()? else {
            self.optimizer.keep_best();
            self.progress.best = step;
            return Ok(None);
        };
        if self.progress.after.is_none_or(|best| loss < best) {
            self.progress = Progress { after: Some(loss), best: step, worse: 0, ..self.progress.clone() };
            self.optimizer.keep_best();
        } else {
            self.progress.worse += 1;
        }
        Ok(Some(loss))
    }

    fn rate(&self, step: usize, of: usize) -> f64 {
        let Settings { rate, warmup, .. } = *self.settings;
        let rises = (warmup * of as f64).ceil();
        let step = step as f64;
        if step < rises {
            return rate * (step + 1.0) / rises;
        }
        let done = (step - rises) / (of as f64 - rises).max(1.0);
        rate * (0.01 + 0.99 * 0.5 * (1.0 + (std::f64::consts::PI * done).cos()))
    }

    /// The rows of a step: each epoch has an order of its own.
    fn rows_of(&self, step: usize) -> Vec<usize> {
        let (each, batch) = (self.each_epoch(), self.settings.batch.max(1));
        let epoch = step / each;
        let names = self.task.rows();
        let lot = |row: &usize| {
            *blake3::hash(format!("{}\n{epoch}\n{}", self.settings.seed, names[*row]).as_bytes()).as_bytes()
        };
        let mut all: Vec<usize> = (0..names.len()).collect();
        all.sort_by_cached_key(lot);
        all.into_iter().skip(step % each * batch).take(batch).collect()
    }
}

/// Rows in parts that take at most so many tokens together; a row that takes more is a part by itself.
pub(crate) fn parts(rows: &[usize], most: usize, room: &dyn Fn(&[usize]) -> usize) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for &row in rows {
        match parts.last_mut() {
            Some(part) => {
                part.push(row);
                if room(part) > most {
                    part.pop();
                    parts.push(vec![row]);
                }
            }
            None => parts.push(vec![row]),
        }
    }
    parts
}

#[cfg(test)]
mod tests;
