//! `lora train`, `lora import` and `prefer`: an adapter is taught, or taken over.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use trainer::{
    adapter::Adapter,
    base::Base,
    learn,
    net::{Decoder, Trained},
    objective::Preference,
    rows::{self, Reader},
    tune::{Goal, Size, Tuning},
};

use super::steps::{Pace, Steps};

#[derive(Debug, Subcommand)]
pub(crate) enum Lora {
    /// Lay an adapter over a model and teach it the answers of rows.
    Train(Box<Train>),
    /// Check an adapter that was trained elsewhere, and keep it as one of ours.
    Import {
        /// The model that it is for.
        base: PathBuf,
        /// A folder as PEFT keeps adapters.
        adapter: PathBuf,
        /// The folder to keep it in.
        #[arg(long)]
        output: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) how: How,
    /// The highest learning rate.
    #[arg(long, default_value_t = 2e-4)]
    pub(crate) rate: f64,
    /// A corpus of which some is mixed in, so that less is forgotten.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) corpus: Option<PathBuf>,
    /// Its share of the tokens that are asked for.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1, requires = "corpus", value_parser = share)]
    pub(crate) share: f64,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=0.9).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 0.9 is wanted".into()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Prefer {
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) how: How,
    /// How preferences are learned: from pairs (dpo), or from answers that are good or bad (kto, apo-zero).
    #[arg(long, value_enum, default_value_t = By::Kto)]
    pub(crate) by: By,
    /// The highest learning rate.
    #[arg(long, default_value_t = 5e-6)]
    pub(crate) rate: f64,
    /// How far the model may go from where it was: the larger the less.
    #[arg(long, default_value_t = 0.1)]
    pub(crate) beta: f64,
    /// The share of pairs that are thought to be the wrong way round.
    #[arg(long, default_value_t = 0.1)]
    pub(crate) noise: f64,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum By {
    Dpo,
    Kto,
    ApoZero,
}

#[derive(Debug, Args)]
pub(crate) struct What {
    /// The model: a GGUF file, or a folder as Hugging Face keeps models.
    pub(crate) base: PathBuf,
    /// Rows to learn from, as JSONL in TRL's forms.
    #[arg(long)]
    pub(crate) data: PathBuf,
    /// Rows that are held out: what is best on them is kept.
    #[arg(long)]
    pub(crate) valid: Option<PathBuf>,
    /// The folder for the adapter, checkpoints and losses.
    #[arg(long)]
    pub(crate) output: PathBuf,
    /// The most rows of them that are looked at.
    #[arg(long, value_name = "COUNT", default_value_t = 64)]
    pub(crate) looked_at: usize,
    /// An adapter to go on from, as PEFT keeps it.
    #[arg(long)]
    pub(crate) adapter: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct How {
    /// The adapter's rank.
    #[arg(long, default_value_t = 16)]
    rank: usize,
    /// What it is multiplied with, times its rank.
    #[arg(long, default_value_t = 32.0)]
    alpha: f64,
    /// Tokens of the longest row; longer ones are left out and counted.
    #[arg(long, default_value_t = 2048)]
    longest: usize,
    /// How often every row is read.
    #[arg(long, default_value_t = 2)]
    epochs: usize,
    /// Weight decay.
    #[arg(long, default_value_t = 0.0)]
    decay: f64,
    #[command(flatten)]
    pace: Pace,
}

pub(crate) fn run(given: &Lora) -> Result<ExitCode> {
    match given {
        Lora::Train(train) => {
            let Train { what, how, rate, corpus, share } = &**train;
            let mixed = corpus.as_deref().map(|corpus| (corpus, *share));
            teach(what, how, *rate, (Goal::Say, mixed))
        }
        Lora::Import { base, adapter, output } => {
            let base_model = Base::open(base)?;
            let mut decoder =
                Decoder::load(&base_model, Trained::Nothing, trainer::net::KIND, &trainer::net::device()?)?;
            let adapter = Adapter::open(adapter, decoder.shape())?;
            adapter.lay(&mut decoder)?;
            adapter.save(output, decoder.shape(), &base.display().to_string())?;
            anstream::println!(
                "{} matrices of rank {}, kept in {}",
                adapter.parts.len(),
                adapter.rank,
                output.display()
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}

pub(crate) fn prefer(given: &Prefer) -> Result<ExitCode> {
    let Prefer { what, how, by, rate, beta, noise } = given;
    let beta = *beta;
    let preference = match by {
        By::Dpo => Preference::Dpo { beta, noise: *noise },
        By::Kto => Preference::Kto { beta, good: 1.0, bad: 1.0 },
        By::ApoZero => Preference::ApoZero { beta },
    };
    teach(what, how, *rate, (Goal::Prefer(preference), None))
}

fn teach(what: &What, how: &How, rate: f64, (goal, mixed): (Goal, Option<(&Path, f64)>)) -> Result<ExitCode> {
    let base = Base::open(&what.base)?;
    let reader = Reader::new(base.metadata())?;
    let longest = how.longest.min(how.pace.tokens);
    let mut rows = reader.read(&what.data, longest)?;
    let mut valid = what.valid.as_ref().map(|valid| reader.read(valid, longest)).transpose()?;
    if let Some(valid) = &mut valid {
        valid.some(what.looked_at);
    }
    let too_long = rows.too_long + valid.as_ref().map_or(0, |valid| valid.too_long);
    let (many, held) = (rows.rows.len(), valid.as_ref().map_or(0, |valid| valid.rows.len()));
    anstream::eprintln!(
        "{many} rows to learn from, {held} held out, {too_long} left out for more than {longest} tokens"
    );
    if let Some((corpus, share)) = mixed {
        let added = rows::mix(&reader, &mut rows, corpus, share)?;
        anstream::eprintln!("{added} beginnings of documents mixed in");
    }
    let size = Size { rank: how.rank, alpha: how.alpha, seed: how.pace.seed };
    let tuning = Tuning::new(&base, (rows, valid), goal, (size, what.adapter.as_deref()), how.pace.tokens)?;
    let tuning = tuning.recomputing(how.pace.recompute);
    let settings = how.pace.settings(rate, how.epochs, how.decay);
    let mut progress = Steps::new().context("interrupts cannot be heard")?;
    let learned = learn::learn(&tuning, &settings, &what.output, &mut |step| progress.step(step))?;
    progress.end();
    if learned.is_stopped {
        anstream::eprintln!("stopped after step {}; the same command goes on from there", learned.steps);
        return Ok(ExitCode::from(130));
    }
    tuning.adapter()?.save(&what.output, tuning.decoder().shape(), &what.base.display().to_string())?;
    let early = if learned.is_early { ", ended early" } else { "" };
    anstream::println!("{} steps{early}, {:.0} tokens/s", learned.steps, progress.speed());
    if let (Some(before), Some(after)) = (learned.before, learned.after) {
        anstream::println!("held-out loss {before:.4} before, {after:.4} after step {}", learned.best);
    }
    anstream::println!("the adapter is in {}", what.output.display());
    Ok(ExitCode::SUCCESS)
}
