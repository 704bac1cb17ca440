//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Args as Arguments, Parser, Subcommand};

use crate::lessons;

/// Turns answers into lessons, lessons into weights, and weights into models that Ollama serves.
#[derive(Debug, Parser)]
#[command(name = "apprentice-trainer", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what a model is made of.
    Show {
        /// A GGUF file, or a folder as Hugging Face keeps models.
        model: PathBuf,
    },
    /// Teach an adapter what to say.
    #[command(subcommand)]
    Lora(Lora),
    /// Teach an adapter which answers are better.
    Prefer(Prefer),
    Lessons(lessons::Lessons),
}

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

#[derive(Debug, Arguments)]
pub(crate) struct Train {
    #[command(flatten)]
    pub(crate) what: What,
    #[command(flatten)]
    pub(crate) how: How,
    /// The highest learning rate.
    #[arg(long, default_value_t = 2e-4)]
    pub(crate) rate: f64,
}

#[derive(Debug, Arguments)]
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

#[derive(Debug, Arguments)]
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

#[derive(Debug, Arguments)]
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
