//! The `apprentice` command.

mod args;
mod eval;
mod files;
mod review;
mod rules;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let args = args::Args::parse();
    let done = match args.command {
        args::Command::Review(args) => review::run(&args),
        args::Command::Rules(args) => rules::run(&args),
        args::Command::Eval(args) => eval::run(&args),
    };
    done.unwrap_or_else(|error| {
        anstream::eprintln!("{}", explain(&error));
        ExitCode::from(2)
    })
}

/// An error as a person reads it: what failed, then each cause on a line of its own.
fn explain(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text.push_str(&format!("\n  because: {cause}"));
    }
    text
}
