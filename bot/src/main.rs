//! The `apprentice-bot` command.

mod args;
mod bot;
mod checkout;
mod clock;
mod door;
mod env;
mod event;
mod files;
mod forge;
mod github;
mod harvest;
mod inforce;
mod ledger;
mod metrics;
mod oneshot;
mod order;
mod queue;
mod review;
mod say;
mod serve;
mod settings;
mod setup;
mod talk;
mod token;
mod worker;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use args::{Args, Command};
use clap::Parser as _;

/// Reviews make and drop many small things on several threads at once.
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
    let settings = settings::File::read(args.config.as_deref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    match &args.command {
        Command::Serve => runtime.block_on(serve::run(settings, args.config.as_deref())),
        Command::ReviewPr(given) => runtime.block_on(oneshot::run(settings, given)),
        Command::Setup(given) => runtime.block_on(setup::run(&settings, given)),
        Command::Redeliver(given) => redeliver(&settings, given),
        Command::Replay(given) => replay(&settings, given),
        Command::Token { command: args::Token::Check } => runtime.block_on(token::check(&settings)),
    }
}

/// Lists what was given up, or has it tried again. A server that runs takes it up within seconds.
fn redeliver(settings: &settings::File, given: &args::Redeliver) -> Result<ExitCode> {
    use queue::Queue as _;
    let queue = queue::Sqlite::attach(&settings.server.state.join("state.db")).context("cannot open the queue")?;
    if given.id.is_none() && !given.all {
        for letter in queue.dead()? {
            let at = clock::iso(letter.at);
            anstream::println!(
                "{:>6}  {at}  {} {}, {} tries: {}",
                letter.id,
                letter.kind,
                letter.place,
                letter.attempts,
                letter.why
            );
        }
        return Ok(ExitCode::SUCCESS);
    }
    let many = queue.revive(given.id, clock::now())?;
    anstream::println!("{many} task{} will be tried again", if many == 1 { "" } else { "s" });
    Ok(if many == 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Says what a delivery would be queued as.
fn replay(settings: &settings::File, given: &args::Replay) -> Result<ExitCode> {
    let body = files::read_text(&given.file)?;
    match event::parse(&given.event, body.as_bytes(), &settings.github.name)? {
        event::Event::Ignored(why) => anstream::println!("ignored: {why}"),
        event::Event::Tasks(tasks) => {
            for task in tasks {
                anstream::println!("{}", serde_json::to_string(&task)?);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// An error as a person reads it: what failed, and each cause on a line of its own.
fn explain(error: &anyhow::Error) -> String {
    let mut causes = error.chain().map(ToString::to_string);
    let mut text = format!("error: {}", causes.next().unwrap_or_default());
    causes.for_each(|cause| text += &format!("\n  because: {cause}"));
    text
}
