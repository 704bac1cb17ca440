//! `apprentice-trainer lessons build`

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use engine::{model::adapters::Key, source::Language};
use trainer::lessons::{self, Format, Input, Manifest, Settings};

/// Makes training data of people's answers.
#[derive(Debug, Args)]
pub(crate) struct Lessons {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes rows for SFT, DPO and KTO, split into what is learned from and what is examined by.
    ///
    /// Answers that were forgotten are in no row: build again after `apprentice lessons forget`. docs/training-data.md
    /// tells the formats.
    Build(Build),
}

#[derive(Debug, Args)]
struct Build {
    /// A journal of answers: `.git/apprentice/state.db` of a repository, or a bot's; may be given several times.
    #[arg(long, value_name = "FILE", required_unless_present = "interactions")]
    journal: Vec<PathBuf>,
    /// Another program's questions and answers, one JSON object a line; may be given several times.
    #[arg(long, value_name = "FILE")]
    interactions: Vec<PathBuf>,
    /// For which trainer.
    #[arg(long, value_enum, default_value_t = Shape::Trl)]
    format: Shape,
    /// The folder to write to. What an earlier build left there is replaced.
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// The share of each project's answers that is held out to examine by: the newest.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = share)]
    holdout: f64,
    /// A project of which everything is held out; may be given several times.
    #[arg(long, value_name = "OWNER/NAME")]
    holdout_project: Vec<String>,
    /// No answers from before this day (UTC).
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    since: Option<i64>,
    /// Only answers from before this day (UTC).
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    until: Option<i64>,
    /// Only answers about this language, for an adapter of its own; may be given several times.
    #[arg(long, value_name = "NAME")]
    language: Vec<Language>,
    /// The most answers of one person about one rule; the newest count.
    #[arg(long, value_name = "N", default_value_t = 100)]
    most_of_one: usize,
    /// The most answers that are learned from: half of them the newest, the others of every project and rule in turn.
    #[arg(long, value_name = "N")]
    most: Option<usize>,
    /// Plant so many strings that nobody could know, for `evaluate` to see whether the model gives them away.
    #[arg(long, value_name = "N", default_value_t = 0)]
    canaries: usize,
    /// The model that the configurations for other trainers name.
    #[arg(long, value_name = "NAME", default_value = "HuggingFaceTB/SmolLM2-135M-Instruct")]
    base: String,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shape {
    /// TRL and Unsloth: sft/, dpo/ and kto/, and a configuration for `trl sft|dpo|kto`.
    Trl,
    /// Axolotl: the same folders, and its configurations.
    Axolotl,
    /// MLX-LM: rows for SFT alone, and its configuration.
    Mlx,
    /// Everything in two files, one form for all kinds.
    Jsonl,
}

impl From<Shape> for Format {
    fn from(shape: Shape) -> Self {
        match shape {
            Shape::Trl => Self::Trl,
            Shape::Axolotl => Self::Axolotl,
            Shape::Mlx => Self::Mlx,
            Shape::Jsonl => Self::Jsonl,
        }
    }
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to below 1 is wanted".into()),
    }
}

/// The first millisecond of a day.
fn day(text: &str) -> Result<i64, String> {
    let day: chrono::NaiveDate = text.parse().map_err(|_| "a day such as 2026-11-21 is wanted".to_owned())?;
    Ok(day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp_millis())
}

pub(crate) fn run(given: &Lessons) -> Result<ExitCode> {
    let Command::Build(build) = &given.command;
    for file in build.journal.iter().chain(&build.interactions) {
        if !trainer::files::exists(file) {
            return Err(anyhow!("there is no file `{}`", file.display()));
        }
    }
    let journals = build.journal.iter().cloned().map(Input::Journal);
    let inputs: Vec<Input> = journals.chain(build.interactions.iter().cloned().map(Input::Interactions)).collect();
    let settings = Settings {
        format: build.format.into(),
        holdout: build.holdout,
        holdout_projects: build.holdout_project.iter().cloned().collect(),
        since: build.since,
        until: build.until,
        languages: build.language.iter().map(|&language| Key::of(language).to_string()).collect(),
        most_of_one: build.most_of_one,
        most: build.most,
        canaries: build.canaries,
        base: build.base.clone(),
    };
    let manifest = lessons::build(&inputs, &settings, &build.output).context("no training data was made")?;
    tell(&manifest);
    Ok(ExitCode::SUCCESS)
}

/// What was made on stdout; what was left out, and why, beside it.
fn tell(manifest: &Manifest) {
    for (side, kinds) in &manifest.rows {
        let kinds: Vec<String> = kinds.iter().map(|(kind, rows)| format!("{rows} {kind}")).collect();
        anstream::println!("{side}: {}", kinds.join(", "));
    }
    anstream::eprintln!("of {} answer{}", manifest.answers, if manifest.answers == 1 { "" } else { "s" });
    for (why, many) in &manifest.left_out {
        anstream::eprintln!("left out: {many} ({why})");
    }
    if manifest.rows.is_empty() {
        anstream::eprintln!(
            "no rows: answers are kept by `apprentice review --interactive`, `feedback record`, the hook and the bot"
        );
    }
}
