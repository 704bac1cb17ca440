//! `lora train`, `lora import` and `prefer`: an adapter is taught, or taken over.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use trainer::{
    adapter::Adapter,
    base::Base,
    learn::{self, Settings},
    net::{Decoder, Trained},
    objective::Preference,
    rows::Reader,
    tune::{Goal, Size, Tuning},
};

use super::progress::Progress;
use crate::args::{By, How, Lora, Prefer, Train, What};

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
    let mut progress = Progress::new().context("interrupts cannot be heard")?;
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
