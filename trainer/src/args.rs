//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::{corpus, lessons};

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
    Corpus(corpus::Corpus),
    Lessons(lessons::Lessons),
}
