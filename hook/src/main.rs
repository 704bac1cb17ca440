//! The `apprentice` command.

mod advice;
mod args;
mod background;
mod companion;
mod config;
mod docs;
mod doctor;
mod env;
mod eval;
mod feedback;
mod files;
mod hook;
mod ignore;
mod index;
mod interactive;
mod journal;
mod lessons;
mod linters;
mod model;
mod report;
mod review;
mod rules;
mod search;
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
        Command::Docs(docs) => docs::run(args, docs),
        Command::Doctor => doctor::run(args),
        Command::Bot { arguments } => companion::run("apprentice-bot", "bot", arguments),
        Command::Train { arguments } => companion::run("apprentice-trainer", "trainer", arguments),
        Command::Index(index) => index::run(args, index),
        Command::Search(search) => search::run(args, search),
        Command::Ask(ask) => advice::ask(args, ask),
        Command::Explain(explain) => advice::explain(args, explain),
        Command::Summarize(summarize) => advice::summarize(args, summarize),
        Command::Model(model) => model::run(args, model),
        Command::Feedback(feedback) => feedback::run(args, feedback),
        Command::Eval(eval) => eval::run(args, eval),
        Command::Lessons(given) => lessons::run(args, given),
        Command::Report(given) => report::run(args, given),
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
    let of_git =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<engine::git::RepositoryError>()?.advice();
    let of_index = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<engine::recall::IndexError>()?.advice().map(str::to_owned)
    };
    let of_library = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<engine::model::library::LibraryError>()?.advice().map(str::to_owned)
    };
    let advice = |cause| of_git(cause).or_else(|| of_index(cause)).or_else(|| of_library(cause));
    if let Some(advice) = error.chain().find_map(advice) {
        text.push_str(&format!("\n  try: {advice}"));
    }
    text
}
