//! `gpt train` and `gpt surprise`: a model is trained from nothing, and asked what it would not have written.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use trainer::{
    base::Base,
    corpus, files,
    gpt::{self, Plan, Reading, Words},
    learn,
    net::{self, Decoder, Trained},
};

use super::steps::{Pace, Steps};

#[derive(Debug, Subcommand)]
pub(crate) enum Gpt {
    /// Train a small llama on a corpus, from nothing, with words of its own.
    Train(Train),
    /// Say how much each line of a file surprises a model, in nats.
    Surprise {
        /// A GGUF file, or a folder as `gpt train` leaves it.
        model: PathBuf,
        /// The file.
        file: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// The corpus, as `corpus build` leaves it.
    #[arg(long)]
    corpus: PathBuf,
    /// The folder for the model, checkpoints and losses.
    #[arg(long)]
    output: PathBuf,
    /// Words it has at most.
    #[arg(long, default_value_t = 8192)]
    words: usize,
    /// Components of a token between layers: a multiple of 256, to be packed as K-quants.
    #[arg(long, default_value_t = 256)]
    width: usize,
    /// Blocks of attention and feed-forward.
    #[arg(long, default_value_t = 6)]
    layers: usize,
    /// Heads of queries.
    #[arg(long, default_value_t = 8)]
    heads: usize,
    /// Heads of keys and values.
    #[arg(long, default_value_t = 4)]
    key_heads: usize,
    /// Components between gate and down projection.
    #[arg(long, default_value_t = 768)]
    inner: usize,
    /// Tokens that are read at once.
    #[arg(long, default_value_t = 512)]
    window: usize,
    /// Documents of a hundred that are held out.
    #[arg(long, default_value_t = 5)]
    held_out: u64,
    /// The highest learning rate.
    #[arg(long, default_value_t = 2e-3)]
    rate: f64,
    /// How often everything is read.
    #[arg(long, default_value_t = 1)]
    epochs: usize,
    /// Weight decay.
    #[arg(long, default_value_t = 0.1)]
    decay: f64,
    #[command(flatten)]
    pace: Pace,
}

pub(crate) fn run(given: &Gpt) -> Result<ExitCode> {
    match given {
        Gpt::Train(given) => train(given),
        Gpt::Surprise { model, file } => {
            let base = Base::open(model)?;
            let bytes = files::read(file).with_context(|| format!("cannot read `{}`", file.display()))?;
            let text = String::from_utf8(bytes).with_context(|| format!("`{}` is no text", file.display()))?;
            let tokenizer = engine::model::local::tokenizer::Tokenizer::new(base.metadata())?;
            let decoder = Decoder::load(&base, Trained::Nothing, net::KIND, &net::device()?)?;
            for (line, nats) in text.lines().zip(gpt::lines(&decoder, &tokenizer, &text)?) {
                anstream::println!("{nats:7.1}  {}", line.escape_debug());
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn train(given: &Train) -> Result<ExitCode> {
    let Train { width, layers, heads, key_heads, inner, window, .. } = *given;
    let plan = Plan { width, layers, heads, key_heads, inner, window, seed: given.pace.seed };
    if window < 2 || given.pace.tokens < window {
        bail!(
            "a window of {window} tokens does not fit into the {} that are in memory at once (`--tokens`)",
            given.pace.tokens
        );
    }
    let words = words(given)?;
    let mut failed = None;
    let documents = corpus::documents(&given.corpus)?.map_while(|document| match document {
        Ok(document) => match words.encode(&document.text) {
            Ok(tokens) => Some((document.id, tokens)),
            Err(error) => {
                failed = Some(anyhow::Error::from(error));
                None
            }
        },
        Err(error) => {
            failed = Some(error.into());
            None
        }
    });
    let reading = Reading::new(plan, &words, documents, (given.held_out, given.pace.tokens))?;
    let reading = reading.recomputing(given.pace.recompute);
    if let Some(error) = failed {
        return Err(error);
    }
    let (learned, held) = reading.amount();
    if learned == 0 {
        bail!("the corpus `{}` holds nothing to learn from", given.corpus.display());
    }
    anstream::eprintln!("{} words, {learned} tokens to learn from, {held} held out", words.len());
    let settings = given.pace.settings(given.rate, given.epochs, given.decay);
    let mut steps = Steps::new().context("interrupts cannot be heard")?;
    let learned = learn::learn(&reading, &settings, &given.output, &mut |step| steps.step(step))?;
    steps.end();
    if learned.is_stopped {
        anstream::eprintln!("stopped after step {}; the same command goes on from there", learned.steps);
        return Ok(ExitCode::from(130));
    }
    gpt::save(reading.decoder(), &words, &given.output).context("the model cannot be written")?;
    anstream::println!("{} steps, {:.0} tokens/s", learned.steps, steps.speed());
    if let (Some(before), Some(after)) = (learned.before, learned.after) {
        anstream::println!("held-out loss {before:.4} before, {after:.4} after step {}", learned.best);
    }
    anstream::println!("the model is in {}", given.output.display());
    Ok(ExitCode::SUCCESS)
}

/// The words in the folder of the run, or new ones: a run that goes on has the same.
fn words(given: &Train) -> Result<Words> {
    let path = given.output.join("tokenizer.json");
    if files::exists(&path) {
        return Ok(Words::open(&path)?);
    }
    let texts = corpus::documents(&given.corpus)?.filter_map(|document| document.ok().map(|document| document.text));
    let words = Words::learn(texts, given.words)?;
    words.save(&path)?;
    Ok(words)
}
