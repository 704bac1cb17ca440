//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Args as Group, Parser, Subcommand};
use trainer::publish::Name;

/// Turns answers into lessons, lessons into weights, and weights into models that Ollama serves.
#[derive(Debug, Parser)]
#[command(name = "apprentice-trainer", version, about)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say what a model is made of.
    Show {
        /// A GGUF file.
        model: PathBuf,
    },
    /// Make an Ollama server answer with a model, once it has shown that it can.
    ///
    /// The file is sent and tried as NAME:candidate-…; then NAME:latest becomes NAME:previous, and the candidate
    /// NAME:latest. Whatever fails on the way, the server answers as before.
    Publish(Publish),
}

/// What is published, and how it is asked.
#[derive(Debug, Group)]
pub(crate) struct Publish {
    /// A GGUF file.
    #[arg(required_unless_present = "rollback")]
    pub(crate) file: Option<PathBuf>,
    /// What the model is called there, without a tag.
    #[arg(long, required_unless_present = "rollback")]
    pub(crate) name: Option<Name>,
    /// The address of the server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:11434")]
    pub(crate) server: String,
    /// Send the model to another machine, if the server is one.
    #[arg(long)]
    pub(crate) allow_remote: bool,
    /// An installed model of which template, parameters and system prompt are taken.
    #[arg(long, value_name = "NAME")]
    pub(crate) base: Option<String>,
    /// A file with a template in Go's form, instead of the one derived from the model's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) template: Option<PathBuf>,
    /// A file with the system prompt for conversations that have none.
    #[arg(long, value_name = "FILE")]
    pub(crate) system: Option<PathBuf>,
    /// Tokens that question and answer may have together [default: what the model has, at most 8192].
    #[arg(long, value_name = "TOKENS", default_value_t = 0, hide_default_value = true)]
    pub(crate) window: usize,
    /// Only see that the new model answers; do not hold what it says against what the engine makes of the same file.
    #[arg(long)]
    pub(crate) no_parity: bool,
    /// Give NAME:latest back to what had it before.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "name", "base", "template", "system", "window", "no_parity"])]
    pub(crate) rollback: Option<Name>,
}
