//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use trainer::gguf::mix::FileType;

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
    /// Write models as GGUF files, and look into such files.
    Gguf {
        #[command(subcommand)]
        command: GgufCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum GgufCommand {
    /// Write a model as a GGUF file that llama.cpp, Ollama and `apprentice` read.
    Convert {
        /// A GGUF file, or a folder as the Hugging Face hub has it (config.json, *.safetensors, tokenizer.json).
        base: PathBuf,
        /// What most of the weights are packed as: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q4_K_M or Q4_K_S.
        #[arg(long = "type", value_name = "TYPE", default_value = "Q4_K_M")]
        kind: FileType,
        /// The file to write. What is there is replaced when all of the new one is on the disk.
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Say what a model says of itself, and how its tensors are packed.
    Show {
        /// A GGUF file, or a folder as the Hugging Face hub has it.
        model: PathBuf,
    },
}
