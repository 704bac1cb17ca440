//! `merge`: a model and what was learned on top of it become one file.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result};
use clap::Args;
use trainer::{
    adapter::Adapter,
    base::Base,
    card::{Card, Parent},
    files,
    gguf::{
        adapter::{Thin, write_adapter},
        mix::FileType,
        model,
    },
};

use super::progress::Progress;

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
    /// The manifest of the lessons that the adapter was taught, for the model's card.
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
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
    let (progress, done, all) = (Progress::new(), AtomicUsize::new(0), base.names().count());
    let merged = |name: &str| {
        progress.count("merging", done.fetch_add(1, Ordering::Relaxed), all);
        adapter.merged(&base, name).map_err(|error| error.to_string())
    };
    let written = model::write_model(&base, given.kind, &given.output, &merged, &[])
        .with_context(|| format!("cannot write `{}`", given.output.display()))?;
    drop(progress);
    let (size, model::Written { changed, tensors, .. }) = (written.bytes as f64 / 1e6, written);
    anstream::println!(
        "{}: {}, {size:.1} MB, {changed} of {tensors} tensors changed",
        given.output.display(),
        given.kind
    );
    write_card(given)?;
    Ok(ExitCode::SUCCESS)
}

/// Says beside the file what it was made from.
fn write_card(given: &Merge) -> Result<()> {
    let parent = |path: &Path, file: &Path| -> Result<Parent> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let digests = files::exists(file).then(|| files::digests(file, &|_, _| {})).transpose();
        let digests = digests.with_context(|| format!("cannot read `{}`", file.display()))?;
        Ok(Parent { name, blake3: digests.map(|digests| digests.blake3).unwrap_or_default() })
    };
    // A folder of the hub has no one file that could name it.
    let of_base = if files::is_folder(&given.base) { Path::new("") } else { &given.base };
    let parents =
        vec![parent(&given.base, of_base)?, parent(&given.adapter, &given.adapter.join("adapter_model.safetensors"))?];
    let mut card = Card::of(&given.output, &|_, _| {})?.made_from(parents);
    if let Some(manifest) = &given.manifest {
        card = card.trained_on(manifest)?;
    }
    card.write_beside(&given.output)?;
    Ok(())
}
