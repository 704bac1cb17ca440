//! `merge`: a model and what was learned on top of it become one file.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Args;
use trainer::{
    adapter::Adapter,
    base::Base,
    gguf::{
        adapter::{Thin, write_adapter},
        mix::FileType,
        model,
    },
};

/// Write a model with an adapter merged into it, or the adapter alone, as a GGUF file.
#[derive(Debug, Args)]
pub(crate) struct Merge {
    /// The model: a GGUF file, or a folder as Hugging Face keeps models.
    base: PathBuf,
    /// The adapter, as PEFT keeps it.
    #[arg(long)]
    adapter: PathBuf,
    /// What most of the weights are packed as: F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_K_S, Q4_K_M or Q4_K_S.
    #[arg(long = "type", value_name = "TYPE", default_value = "Q4_K_M", conflicts_with = "alone")]
    kind: FileType,
    /// Write the adapter alone, for llama.cpp's `--lora` and for `apprentice`.
    #[arg(long)]
    alone: bool,
    /// The file to write. What is there is replaced when all of the new one is on the disk.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

pub(crate) fn run(given: &Merge) -> Result<ExitCode> {
    let base = Base::open(&given.base)?;
    let shape = base.shape().map_err(anyhow::Error::msg)?;
    let adapter = Adapter::open(&given.adapter, &shape)?;
    if given.alone {
        let numbers = adapter.numbers()?;
        let parts: Vec<Thin<'_>> = numbers.iter().map(|(name, a, b)| Thin { name, rank: adapter.rank, a, b }).collect();
        let bytes = write_adapter(&given.output, &shape.architecture, adapter.alpha as f32, &parts, &[])?;
        anstream::println!(
            "{}: {} matrices of rank {}, {:.1} MB",
            given.output.display(),
            parts.len(),
            adapter.rank,
            bytes as f64 / 1e6
        );
        return Ok(ExitCode::SUCCESS);
    }
    adapter.check(&base)?;
    let merged = |name: &str| adapter.merged(&base, name).ok().flatten();
    let written = model::write_model(&base, given.kind, &given.output, &merged, &[])
        .with_context(|| format!("cannot write `{}`", given.output.display()))?;
    let (size, model::Written { changed, tensors, .. }) = (written.bytes as f64 / 1e6, written);
    anstream::println!(
        "{}: {}, {size:.1} MB, {changed} of {tensors} tensors changed",
        given.output.display(),
        given.kind
    );
    Ok(ExitCode::SUCCESS)
}
