//! `lora train`, `lora import` and `prefer`: an adapter is taught, or taken over.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use trainer::{
    adapter::Adapter,
    base::Base,
    learn::{self, Settings},
    net::{Decoder, Trained},
    objective::Preference,
    rows::Reader,
    tune::{Goal, Size, Tuning},
};

use super::steps::Steps;

#[derive(Debug, Subcommand)]
pub(crate) enum Lora {
    /// Lay an adapter over a model and teach it the answers of rows.
    Train(Train),
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
    /// An adapter to go on from, as PEFT keeps it.
    #[arg(long)]
    pub(crate) adapter: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct How {
    /// The adapter's rank.
    #[arg(long, default_value_t = 16)]
    pub(crate) rank: usize,
    /// What it is multiplied with, times its rank.
    #[arg(long, default_value_t = 32.0)]
    pub(crate) alpha: f64,
    /// How often every row is read.
    #[arg(long, default_value_t = 2)]
    pub(crate) epochs: usize,
    /// Rows of a step.
    #[arg(long, default_value_t = 16)]
    pub(crate) batch: usize,
    /// Tokens of the longest row; longer ones are left out and counted.
    #[arg(long, default_value_t = 2048)]
    pub(crate) longest: usize,
    /// Tokens that are in memory at once.
    #[arg(long, default_value_t = 2048)]
    pub(crate) tokens: usize,
    /// The share of steps in which the learning rate rises.
    #[arg(long, default_value_t = 0.05)]
    pub(crate) warmup: f64,
    /// The norm to which gradients are cut.
    #[arg(long, default_value_t = 1.0)]
    pub(crate) clip: f64,
    /// Weight decay.
    #[arg(long, default_value_t = 0.0)]
    pub(crate) decay: f64,
    /// Steps from one look at what is held out to the next.
    #[arg(long, default_value_t = 10)]
    pub(crate) check_every: usize,
    /// Looks without anything better after which it ends.
    #[arg(long, default_value_t = 3)]
    pub(crate) patience: usize,
    /// Steps from one checkpoint to the next.
    #[arg(long, default_value_t = 10)]
    pub(crate) keep_every: usize,
    /// Decides the first numbers of the adapter and the order of rows.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

pub(crate) fn run(given: &Lora) -> Result<ExitCode> {
    match given {
        Lora::Train(Train { what, how, rate }) => teach(what, how, *rate, Goal::Say),
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
    teach(what, how, *rate, Goal::Prefer(preference))
}

fn teach(what: &What, how: &How, rate: f64, goal: Goal) -> Result<ExitCode> {
    let base = Base::open(&what.base)?;
    let reader = Reader::new(base.metadata())?;
    let longest = how.longest.min(how.tokens);
    let rows = reader.read(&what.data, longest)?;
    let valid = what.valid.as_ref().map(|valid| reader.read(valid, longest)).transpose()?;
    let too_long = rows.too_long + valid.as_ref().map_or(0, |valid| valid.too_long);
    let (many, held) = (rows.rows.len(), valid.as_ref().map_or(0, |valid| valid.rows.len()));
    anstream::eprintln!(
        "{many} rows to learn from, {held} held out, {too_long} left out for more than {longest} tokens"
    );
    let size = Size { rank: how.rank, alpha: how.alpha, seed: how.seed };
    let tuning = Tuning::new(&base, (rows, valid), goal, (size, what.adapter.as_deref()), how.tokens)?;
    let settings = Settings {
        rate,
        warmup: how.warmup,
        epochs: how.epochs,
        batch: how.batch,
        tokens: how.tokens,
        clip: how.clip,
        decay: how.decay,
        check_every: how.check_every,
        patience: how.patience,
        keep_every: how.keep_every,
        seed: how.seed,
    };
    let mut progress = Steps::new().context("interrupts cannot be heard")?;
    let learned = learn::learn(&tuning, &settings, &what.output, &mut |step| progress.step(step))?;
    progress.end();
    if learned.is_stopped {
        anstream::eprintln!("stopped after step {}; the same command goes on from there", learned.steps);
        return Ok(ExitCode::from(130));
    }
    tuning.adapter().save(&what.output, tuning.decoder().shape(), &what.base.display().to_string())?;
    let early = if learned.is_early { ", ended early" } else { "" };
    anstream::println!("{} steps{early}, {:.0} tokens/s", learned.steps, progress.speed());
    if let (Some(before), Some(after)) = (learned.before, learned.after) {
        anstream::println!("held-out loss {before:.4} before, {after:.4} after step {}", learned.best);
    }
    anstream::println!("the adapter is in {}", what.output.display());
    Ok(ExitCode::SUCCESS)
}
