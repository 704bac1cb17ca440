//! How does a model learn from rows? An adapter laid over it is taught to say answers, or to prefer some to others.

use std::{ops::Range, path::Path};

use candle_core::{DType, Tensor, Var, backprop::GradStore};

use crate::{
    adapter::{Adapter, AdapterError},
    base::{Base, BaseError},
    learn::{self, Task},
    net::{self, Batch, Decoder, NetError, Pass, Trained},
    objective::{self, Preference},
    rows::{Lesson, Row, Rows, RowsError, Text},
};

/// What is learned from rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// To say their answers.
    Say,
    /// To prefer the good ones.
    Prefer(Preference),
}

/// A model, an adapter and rows to teach it.
pub struct Tuning {
    decoder: Decoder,
    /// What was learned before.
    first: Option<Adapter>,
    adapter: Adapter,
    goal: Goal,
    rows: Vec<Row>,
    names: Vec<String>,
    held_out: Vec<Row>,
    /// What the texts of each row were worth to the base, in nats; of rows, then of what is held out.
    before: [Vec<Vec<f64>>; 2],
    digest: String,
    tokens: usize,
    recomputes: bool,
}

/// Why it cannot be taught.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The base cannot be used.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// The base cannot be computed.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The rows cannot be used.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// The adapter cannot be used.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// A row is of another kind.
    #[error("the row `{row}` cannot be learned from in this way: {needs}")]
    Kind {
        /// Its name.
        row: String,
        /// What would be needed.
        needs: &'static str,
    },
}

/// What an adapter is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Its rank.
    pub rank: usize,
    /// What it is multiplied with, times the rank.
    pub alpha: f64,
    /// Decides its first numbers.
    pub seed: u64,
}

impl Tuning {
    /// Loads the base, lays a new adapter over it, and hears what the base thinks of the rows where that matters. With
    /// `from`, the base is the model with that adapter.
    ///
    /// # Errors
    /// [`TuneError`].
    pub fn new(
        base: &Base,
        (rows, held_out): (Rows, Option<Rows>),
        goal: Goal,
        (size, from): (Size, Option<&Path>),
        tokens: usize,
    ) -> Result<Self, TuneError> {
        let mut decoder = Decoder::load(base, Trained::Nothing, net::KIND, &net::device().map_err(NetError::from)?)?;
        // What was learned before is part of what it is compared with.
        let first = from.map(|folder| Adapter::open(folder, decoder.shape())).transpose()?;
        if let Some(first) = &first {
            first.merge_into(&mut decoder)?;
        }
        let adapter = Adapter::new(&mut decoder, size.rank, size.alpha, size.seed)?;
        let parts = [
            base.digest().map_err(NetError::Base)?,
            rows.digest.clone(),
            held_out.as_ref().map(|held| held.digest.clone()).unwrap_or_default(),
        ];
        let digest = format!("{parts:?} {goal:?} {size:?} {:?} {tokens}", from.map(Path::to_path_buf));
        let held_out = held_out.map(|held| held.rows).unwrap_or_default();
        Ok(Self { first, ..Self::of(decoder, adapter, (rows.rows, held_out), goal, (tokens, digest))? })
    }

    /// Of a model with an adapter over it, and rows; for preferences, hears what the base thinks of them.
    fn of(
        decoder: Decoder,
        adapter: Adapter,
        (rows, held_out): (Vec<Row>, Vec<Row>),
        goal: Goal,
        (tokens, digest): (usize, String),
    ) -> Result<Self, TuneError> {
        rows.iter().chain(&held_out).try_for_each(|row| goal.check(row))?;
        let names = rows.iter().map(|row| row.id.clone()).collect();
        let mut tuning = Self {
            decoder,
            first: None,
            adapter,
            goal,
            rows,
            names,
            held_out,
            before: Default::default(),
            digest,
            tokens,
            recomputes: false,
        };
        if let Goal::Prefer(_) = goal {
            tuning.before = [tuning.heard(&tuning.rows)?, tuning.heard(&tuning.held_out)?];
        }
        Ok(tuning)
    }

    /// The same with layers computed again on the way back, [`Decoder::learn`]: what is learned is the same.
    pub fn recomputing(self, recomputes: bool) -> Self {
        Self { recomputes, ..self }
    }

    /// What was learned, together with what had been learned before.
    ///
    /// # Errors
    /// [`TuneError::Adapter`].
    pub fn adapter(&self) -> Result<Adapter, TuneError> {
        match &self.first {
            None => Ok(self.adapter.clone()),
            Some(first) => Ok(first.joined(&self.adapter)?),
        }
    }

    /// The model.
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// The surprise of each held-out row's answer in nats a token, without and with the adapter: `[rows]` each.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn compared(&self) -> Result<Vec<(f64, f64)>, NetError> {
        let of = |row: &Row| -> Result<(f64, f64), NetError> {
            let texts: Vec<&Text> = row.texts().take(1).collect();
            let tokens = texts[0].answered() as f64;
            Ok((-self.said(&texts, Pass::Base)?[0] / tokens, -self.said(&texts, Pass::Hear)?[0] / tokens))
        };
        self.held_out.iter().map(of).collect()
    }

    /// What the texts of each row are worth to the base, in nats.
    fn heard(&self, rows: &[Row]) -> Result<Vec<Vec<f64>>, NetError> {
        let every: Vec<usize> = (0..rows.len()).collect();
        let of = |part: &[usize]| part.iter().map(|&row| &rows[row]).collect::<Vec<_>>();
        let mut heard = Vec::new();
        for part in learn::parts(&every, self.tokens, &|part| room(&of(part))) {
            let part = of(&part);
            let mut said =
                self.said(&part.iter().flat_map(|row| row.texts()).collect::<Vec<_>>(), Pass::Base)?.into_iter();
            heard.extend(part.iter().map(|row| said.by_ref().take(row.texts().count()).collect()));
        }
        Ok(heard)
    }

    /// How likely the answers of texts are, in nats: `[texts]`.
    fn said(&self, texts: &[&Text], pass: Pass) -> Result<Vec<f64>, NetError> {
        let values = self.likely(texts, pass)?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        Ok(values)
    }

    fn likely(&self, texts: &[&Text], pass: Pass) -> Result<Tensor, NetError> {
        let (batch, targets) = batch(texts);
        summed(&self.decoder.surprise(&batch, pass)?, &targets)
    }

    /// The loss of each row, `[rows]`, of how likely their texts are, `[texts]`.
    fn losses(&self, rows: &[&Row], before: &[&Vec<f64>], likely: &Tensor) -> Result<Tensor, NetError> {
        let Goal::Prefer(preference) = self.goal else { return Ok(likely.neg()?) };
        let before: Vec<f32> = before.iter().flat_map(|each| each.iter().map(|x| *x as f32)).collect();
        let likelier = (likely - Tensor::new(before, likely.device())?)?;
        let good: Vec<bool> = rows.iter().map(|row| matches!(row.lesson, Lesson::Judge(_, true))).collect();
        Ok(match preference {
            Preference::Dpo { beta, noise } => {
                let pairs = likelier.reshape((rows.len(), 2))?;
                let side = |at| pairs.narrow(1, at, 1)?.squeeze(1);
                objective::dpo(&side(0)?, &side(1)?, beta, noise)?
            }
            Preference::Kto { beta, good: wanted, bad } => {
                let texts: Vec<&Text> = rows.iter().flat_map(|row| row.texts()).collect();
                objective::kto(&likelier, &good, self.divergence(&texts)?, (beta, (wanted, bad)))?
            }
            Preference::ApoZero { beta } => objective::apo_zero(&likelier, &good, beta)?,
        })
    }

    /// How much likelier answers to other questions have become: each question with the next one's answer.
    fn divergence(&self, texts: &[&Text]) -> Result<f64, NetError> {
        if texts.len() < 2 {
            return Ok(0.0);
        }
        let crossed = texts.iter().zip(texts.iter().cycle().skip(1)).map(|(one, next)| {
            let tokens = one.tokens[..one.answer].iter().chain(&next.tokens[next.answer..]).copied().collect();
            Text { tokens, answer: one.answer }
        });
        let crossed: Vec<Text> = crossed.collect();
        let crossed: Vec<&Text> = crossed.iter().collect();
        let (now, before) = (self.said(&crossed, Pass::Hear)?, self.said(&crossed, Pass::Base)?);
        Ok(now.iter().zip(&before).map(|(now, before)| now - before).sum::<f64>() / crossed.len() as f64)
    }

    fn weight_of(&self, row: &Row) -> f64 {
        match self.goal {
            Goal::Say => row.weight * row.texts().map(Text::answered).sum::<usize>() as f64,
            Goal::Prefer(_) => row.weight,
        }
    }

    fn weighed(&self, rows: &[&Row], before: &[&Vec<f64>], likely: &Tensor) -> Result<Tensor, NetError> {
        let weights: Vec<f32> = rows.iter().map(|row| row.weight as f32).collect();
        let losses = self.losses(rows, before, likely)?;
        let weights = Tensor::new(weights, losses.device())?;
        Ok((losses * weights)?.sum_all()?)
    }
}

/// How likely the answers of texts are, in nats, `[texts]`, of the surprise of each target, `[targets]`, and which are whose.
fn summed(surprise: &Tensor, targets: &[Range<usize>]) -> Result<Tensor, NetError> {
    let all = surprise.elem_count();
    let mut owns = vec![0.0f32; targets.len() * all];
    for (row, targets) in owns.chunks_exact_mut(all.max(1)).zip(targets) {
        row[targets.clone()].fill(-1.0);
    }
    let owns = Tensor::from_vec(owns, (targets.len(), all), surprise.device())?.to_dtype(surprise.dtype())?;
    Ok(owns.matmul(&surprise.unsqueeze(1)?)?.squeeze(1)?)
}

impl Goal {
    fn check(self, row: &Row) -> Result<(), TuneError> {
        let kind = |needs| TuneError::Kind { row: row.id.clone(), needs };
        match (self, &row.lesson) {
            (Self::Say, Lesson::Say(_)) => Ok(()),
            (Self::Say, _) => Err(kind("only rows with one answer that is to be said can")),
            (Self::Prefer(Preference::Dpo { .. }), Lesson::Prefer(..)) => Ok(()),
            (Self::Prefer(Preference::Dpo { .. }), _) => Err(kind("it needs `chosen` and `rejected`")),
            (Self::Prefer(_), Lesson::Judge(..)) => Ok(()),
            (Self::Prefer(_), _) => Err(kind("it needs `completion` and `label`")),
        }
    }
}

/// Texts of which each token of the answers is asked for, and which targets are whose.
fn batch(texts: &[&Text]) -> (Batch, Vec<Range<usize>>) {
    Batch::shared(&texts.iter().map(|text| (&text.tokens[..], text.answer)).collect::<Vec<_>>())
}

/// Tokens that some rows take together.
fn room(rows: &[&Row]) -> usize {
    batch(&rows.iter().flat_map(|row| row.texts()).collect::<Vec<_>>()).0.tokens.len()
}

impl Task for Tuning {
    fn variables(&self) -> Vec<(String, Var)> {
        self.adapter.variables()
    }

    fn rows(&self) -> &[String] {
        &self.names
    }

    fn tokens(&self, row: usize) -> usize {
        self.rows[row].tokens()
    }

    fn room(&self, rows: &[usize]) -> usize {
        room(&rows.iter().map(|&row| &self.rows[row]).collect::<Vec<_>>())
    }

    fn weight(&self, row: usize) -> f64 {
        self.weight_of(&self.rows[row])
    }

    fn learn(&self, rows: &[usize], scale: f64) -> Result<(Tensor, GradStore), NetError> {
        let (nothing, [before, _]) = (Vec::new(), &self.before);
        let before: Vec<&Vec<f64>> = rows.iter().map(|&row| before.get(row).unwrap_or(&nothing)).collect();
        let rows: Vec<&Row> = rows.iter().map(|&row| &self.rows[row]).collect();
        let (batch, targets) = batch(&rows.iter().flat_map(|row| row.texts()).collect::<Vec<_>>());
        let loss = |surprise: Tensor| -> Result<Tensor, NetError> {
            Ok((self.weighed(&rows, &before, &summed(&surprise, &targets)?)? * scale)?)
        };
        if self.recomputes {
            return self.decoder.learn(&batch, &loss);
        }
        let loss = loss(self.decoder.surprise(&batch, Pass::Learn)?)?;
        let grads = loss.backward()?;
        Ok((loss, grads))
    }

    fn held_out(&self) -> Result<Option<f64>, NetError> {
        let (mut loss, mut weight, nothing) = (0.0, 0.0, Vec::new());
        let every: Vec<usize> = (0..self.held_out.len()).collect();
        let together = |rows: &[usize]| room(&rows.iter().map(|&row| &self.held_out[row]).collect::<Vec<_>>());
        for part in learn::parts(&every, self.tokens, &together) {
            let before: Vec<&Vec<f64>> = part.iter().map(|&at| self.before[1].get(at).unwrap_or(&nothing)).collect();
            let rows: Vec<&Row> = part.iter().map(|&at| &self.held_out[at]).collect();
            let likely = self.likely(&rows.iter().flat_map(|row| row.texts()).collect::<Vec<_>>(), Pass::Hear)?;
            loss += self.weighed(&rows, &before, &likely)?.to_dtype(DType::F64)?.to_scalar::<f64>()?;
            weight += rows.iter().map(|row| self.weight_of(row)).sum::<f64>();
        }
        Ok((weight > 0.0).then(|| loss / weight))
    }

    fn digest(&self) -> String {
        self.digest.clone()
    }
}

#[cfg(test)]
mod tests;
