//! The `apprentice` command.

mod args;
mod config;
mod doctor;
mod env;
mod eval;
mod files;
mod hook;
mod ignore;
mod linters;
mod review;
mod rules;
mod setup;

use std::{io::Write as _, process::ExitCode};

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use args::{Args, Command};

/// Compiling rules and matching them makes and drops many small things on several threads at once.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    match args.color {
        args::Color::Auto => {}
        args::Color::Always => anstream::ColorChoice::Always.write_global(),
        args::Color::Never => anstream::ColorChoice::Never.write_global(),
    }
    run(&args).unwrap_or_else(|error| {
        anstream::eprintln!("{}", explain(&error));
        ExitCode::from(2)
    })
}

fn run(args: &Args) -> Result<ExitCode> {
    if let Some(folder) = &args.directory {
        env::enter(folder).with_context(|| format!("cannot enter `{}`", folder.display()))?;
    }
    match &args.command {
        Command::Review(review) => review::run(args, review),
        Command::Hook(hook) => hook::run(args, hook),
        Command::Rules(rules) => rules::run(args, rules),
        Command::Linters(linters) => linters::run(args, linters),
        Command::Ignore(ignore) => ignore::run(args, ignore),
        Command::Config(config) => config::run(args, config),
        Command::Doctor => doctor::run(args),
        Command::Eval(eval) => eval::run(args, eval),
        Command::Completions { shell } => {
            clap_complete::generate(*shell, &mut Args::command(), "apprentice", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Args::command()).render(&mut page)?;
            std::io::stdout().write_all(&page)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// An error as a person reads it: what failed, each cause on a line of its own, and what to do.
fn explain(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    let known = error.chain().find_map(|cause| cause.downcast_ref::<engine::git::RepositoryError>());
    if let Some(advice) = known.and_then(engine::git::RepositoryError::advice) {
        text.push_str(&format!("\n  try: {advice}"));
    }
    text
}
