//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::front::{
    corpus::Corpus,
    gguf::Gguf,
    lessons::Lessons,
    lora::{Lora, Prefer},
    merge::Merge,
};

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
        /// A GGUF file, or a folder as Hugging Face keeps models.
        model: PathBuf,
    },
    Corpus(Corpus),
    Lessons(Lessons),
    /// Teach an adapter what to say.
    #[command(subcommand)]
    Lora(Lora),
    /// Teach an adapter which answers are better.
    Prefer(Prefer),
    Merge(Merge),
    /// Write models as GGUF files, and look into such files.
    #[command(subcommand)]
    Gguf(Gguf),
}
