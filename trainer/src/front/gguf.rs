//! How is a model written in another type, and what is in a file? The front end of `gguf`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context as _, Result};
use candle_core::quantized::gguf_file::Value;
use clap::Subcommand;
use trainer::{
    base::Base,
    gguf::{file::ordered, mix::FileType, model},
};

use super::progress::Progress;

/// Values of an array, and characters of a text, that are shown.
const SHOWN: usize = 3;
const SHOWN_TEXT: usize = 60;

#[derive(Debug, Subcommand)]
pub(crate) enum Gguf {
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

pub(crate) fn run(given: &Gguf) -> Result<ExitCode> {
    match given {
        Gguf::Convert { base, kind, output } => convert(base, *kind, output),
        Gguf::Show { model } => show(model),
    }
}

/// Writes a model in another type.
fn convert(from: &Path, kind: FileType, output: &Path) -> Result<ExitCode> {
    let base = Base::open(from)?;
    let (progress, done, all) = (Progress::new(), AtomicUsize::new(0), base.names().count());
    let as_it_is = |_: &str| {
        progress.count("writing", done.fetch_add(1, Ordering::Relaxed), all);
        Ok(None)
    };
    let written = model::write_model(&base, kind, output, &as_it_is, &[])
        .with_context(|| format!("cannot write `{}` as {kind}", from.display()))?;
    drop(progress);
    if written.twice > 0 {
        anstream::eprintln!(
            "note: {} tensors had been rounded to another type already and are rounded a second time; \
             what the model was first published as (F16, BF16 or F32) gives a better file",
            written.twice
        );
    }
    let size = written.bytes as f64 / 1e6;
    let model::Written { tensors, copied, .. } = written;
    anstream::println!("{}: {kind}, {size:.1} MB, {tensors} tensors, {copied} of them copied", output.display());
    Ok(ExitCode::SUCCESS)
}

/// Says what a model says of itself, and how its tensors are packed.
fn show(path: &Path) -> Result<ExitCode> {
    let base = Base::open(path)?;
    for (key, value) in ordered(base.metadata()) {
        anstream::println!("{} = {}", key.escape_debug(), brief(&value));
    }
    let mut names: Vec<&str> = base.names().collect();
    names.sort_by_key(|name| model::place(name));
    for name in names {
        let (sizes, kind) = (base.sizes(name).unwrap_or_default(), base.kind(name));
        let kind = kind.map(|kind| format!("{kind:?}")).unwrap_or_default();
        anstream::println!("{:<40} {kind:<5} {sizes:?}", name.escape_debug().to_string());
    }
    let kinds: Vec<String> = model::kinds(&base).iter().map(|(kind, count)| format!("{count} {kind:?}")).collect();
    anstream::println!("{}", kinds.join(", "));
    Ok(ExitCode::SUCCESS)
}

/// A value on one line, without what would move a terminal's cursor.
fn brief(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().count() > SHOWN_TEXT => {
            let begin: String = text.chars().take(SHOWN_TEXT).collect();
            format!("{begin:?}… ({} bytes)", text.len())
        }
        Value::String(text) => format!("{text:?}"),
        Value::Array(values) if values.len() > SHOWN => {
            let first: Vec<String> = values.iter().take(SHOWN).map(brief).collect();
            format!("[{}, …] ({})", first.join(", "), values.len())
        }
        Value::Array(values) => format!("[{}]", values.iter().map(brief).collect::<Vec<_>>().join(", ")),
        Value::U8(n) => n.to_string(),
        Value::I8(n) => n.to_string(),
        Value::U16(n) => n.to_string(),
        Value::I16(n) => n.to_string(),
        Value::U32(n) => n.to_string(),
        Value::I32(n) => n.to_string(),
        Value::U64(n) => n.to_string(),
        Value::I64(n) => n.to_string(),
        Value::F32(n) => n.to_string(),
        Value::F64(n) => n.to_string(),
        Value::Bool(n) => n.to_string(),
    }
}
