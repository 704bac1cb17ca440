//! The `apprentice-trainer` command.

mod args;
mod front;

use std::{path::Path, process::ExitCode};

use anyhow::{Context as _, Result};
use args::{Args, Command};
use clap::Parser as _;
use trainer::base::Base;

/// A step of training makes and drops large buffers; they are kept for the next one instead of going back to the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    run(&args).unwrap_or_else(|error| {
        anstream::eprintln!("{}", explain(&error));
        ExitCode::from(2)
    })
}

fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Show { model } => show(model),
        Command::Lora(given) => front::lora::run(given),
        Command::Prefer(given) => front::lora::prefer(given),
        Command::Corpus(given) => front::corpus::run(given),
        Command::Lessons(given) => front::lessons::run(given),
        Command::Gpt(given) => front::gpt::run(given),
        Command::Merge(given) => front::merge::run(given),
        Command::Gguf(given) => front::gguf::run(given),
        Command::Publish(given) => front::publish::run(given),
        Command::Evaluate(given) => front::exam::evaluate(given),
        Command::Promote(given) => front::exam::promote(given),
        Command::Rollback(given) => front::exam::rollback(given),
        Command::Status(given) => front::exam::status(given),
        Command::Sleep(given) => front::night::run(given),
    }
}

/// Says what a model is made of.
fn show(model: &Path) -> Result<ExitCode> {
    let base = Base::open(model)?;
    let shape = base.shape().map_err(anyhow::Error::msg).context("this model cannot be trained")?;
    let numbers: usize = base.names().filter_map(|name| base.size(name)).map(|(rows, columns)| rows * columns).sum();
    anstream::println!("architecture   {}", shape.architecture);
    anstream::println!("parameters     {:.1} million", numbers as f64 / 1e6);
    anstream::println!("layers         {}, {} wide, {} inside", shape.layers, shape.width, shape.inner);
    anstream::println!("heads          {} of {}, {} of keys", shape.heads, shape.size, shape.key_heads);
    anstream::println!("vocabulary     {} tokens", shape.words);
    anstream::println!("window         {} tokens", shape.window);
    Ok(ExitCode::SUCCESS)
}

/// An error as a person reads it: what failed, and each cause on a line of its own.
fn explain(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    text
}
