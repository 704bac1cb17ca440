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
