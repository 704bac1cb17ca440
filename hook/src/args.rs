//! What can be asked on the command line?

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// A code reviewer that lives in git and says only what it can prove.
#[derive(Parser)]
#[command(name = "apprentice", version, propagate_version = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Review what is staged, or another change.
    Review(Review),
    /// The rules: list, explain, test.
    Rules(Rules),
    /// Measure Apprentice on labelled cases (JSON lines; a row's fields tell its kind).
    Eval(Eval),
}

#[derive(clap::Args)]
pub(crate) struct Rules {
    #[command(subcommand)]
    pub(crate) command: RulesCommand,
}

#[derive(Subcommand)]
pub(crate) enum RulesCommand {
    /// Name every rule with its severity, category and what it finds.
    List,
    /// Tell what a rule finds, why it matters and how it looks.
    Explain {
        /// The rule's id, such as `python/yaml-load-unsafe`.
        id: String,
    },
    /// Hold rules against their own examples: the built-in ones, or those in files and folders.
    Test {
        /// Rule files or folders of them.
        paths: Vec<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(crate) struct Eval {
    /// JSON lines of labelled cases.
    #[arg(long, value_name = "FILE")]
    pub(crate) data: PathBuf,
    /// More rules: files or folders.
    #[arg(long, value_name = "PATH")]
    pub(crate) rules: Vec<PathBuf>,
    /// How to write the score.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(clap::Args)]
pub(crate) struct Review {
    /// Only these files and folders.
    pub(crate) paths: Vec<PathBuf>,
    /// The index against HEAD (the default).
    #[arg(long, group = "what")]
    pub(crate) staged: bool,
    /// The work tree against the index, untracked files included.
    #[arg(long, group = "what")]
    pub(crate) worktree: bool,
    /// One commit against its parent.
    #[arg(long, group = "what", value_name = "REV")]
    pub(crate) commit: Option<String>,
    /// What B has that its merge base with A has not.
    #[arg(long, group = "what", value_name = "A..B")]
    pub(crate) range: Option<String>,
    /// Every file as it is on disk.
    #[arg(long, group = "what")]
    pub(crate) all: bool,
    /// How to write the review.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}
