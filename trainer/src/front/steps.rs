//! How far is it? A bar with the loss and the time that is left, on a terminal; and whether somebody wants it to stop.

use std::{
    io::IsTerminal as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use trainer::learn::{Flow, Settings, Step};

/// How steps follow each other.
#[derive(Debug, Args)]
pub(crate) struct Pace {
    /// Rows of a step.
    #[arg(long, default_value_t = 16)]
    pub(super) batch: usize,
    /// Tokens that are in memory at once.
    #[arg(long, default_value_t = 2048)]
    pub(super) tokens: usize,
    /// Keep only what goes into each layer, and compute layers again on the way back: far less memory, a third more time.
    #[arg(long)]
    pub(super) recompute: bool,
    /// The share of steps in which the learning rate rises.
    #[arg(long, default_value_t = 0.05)]
    warmup: f64,
    /// The norm to which gradients are cut.
    #[arg(long, default_value_t = 1.0)]
    clip: f64,
    /// Steps from one look at what is held out to the next.
    #[arg(long, default_value_t = 10)]
    check_every: usize,
    /// Looks without anything better after which it ends.
    #[arg(long, default_value_t = 3)]
    patience: usize,
    /// Steps from one checkpoint to the next.
    #[arg(long, default_value_t = 10)]
    keep_every: usize,
    /// Decides the first numbers and the order of rows.
    #[arg(long, default_value_t = 0)]
    pub(super) seed: u64,
}

impl Pace {
    pub(super) fn settings(&self, rate: f64, epochs: usize, decay: f64) -> Settings {
        let Self { batch, tokens, warmup, clip, check_every, patience, keep_every, seed, .. } = *self;
        Settings { rate, warmup, epochs, batch, tokens, clip, decay, check_every, patience, keep_every, seed }
    }
}

pub(super) struct Steps {
    bar: Option<ProgressBar>,
    stops: Arc<AtomicBool>,
    started: Instant,
    tokens: usize,
    held_out: Option<f64>,
}

impl Steps {
    /// From now on, an interrupt is a wish to stop after the step.
    pub(super) fn new() -> std::io::Result<Self> {
        let stops = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // The second one ends it at once: a checkpoint is whole at any time.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&stops))?;
            signal_hook::flag::register(signal, Arc::clone(&stops))?;
        }
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = "{bar:30} {pos}/{len} {msg}, {eta} left";
            ProgressBar::new(0)
                .with_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()))
        });
        Ok(Self { bar, stops, started: Instant::now(), tokens: 0, held_out: None })
    }

    pub(super) fn step(&mut self, step: Step) -> Flow {
        self.tokens += step.tokens;
        self.held_out = step.held_out.or(self.held_out);
        if let Some(bar) = &self.bar {
            bar.set_length(step.of as u64);
            bar.set_position(step.step as u64);
            let held = self.held_out.map(|loss| format!(", held out {loss:.3}")).unwrap_or_default();
            bar.set_message(format!("loss {:.3}{held}, {:.0} tokens/s", step.loss, self.speed()));
        } else if let Some(loss) = step.held_out {
            anstream::eprintln!("step {} of {}: loss {:.3}, held out {loss:.3}", step.step, step.of, step.loss);
        }
        if self.stops.load(Ordering::Relaxed) { Flow::Stop } else { Flow::On }
    }

    /// Tokens a second.
    pub(super) fn speed(&self) -> f64 {
        self.tokens as f64 / self.started.elapsed().as_secs_f64()
    }

    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
