//! Do PyPI's `gguf` and llama.cpp read every type of every architecture, and find in it what we do?

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use candle_core::quantized::GgmlDType;
use serde_json::json;
use tempfile::TempDir;

use super::{
    super::{
        mix::FileType,
        model::{kinds, write_model},
    },
    apart,
    folder::{self, Kind, NARROW, WIDE},
    folders::{TEXT, adapted},
    libraries, llama, named, our_logits, python, read, run, scripts, their_logits,
};
use crate::base::Base;

const TOKENS: [u32; 24] =
    [5, 300, 17, 599, 2, 41, 88, 300, 9, 123, 456, 7, 1, 1, 99, 320, 33, 250, 251, 252, 10, 11, 598, 0];

/// Every type of every architecture, with rows that fill all blocks and rows that do not.
fn every(folder: &Path) -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    for architecture in ["llama", "qwen2", "qwen3"] {
        for (size, kind) in [("wide", WIDE), ("narrow", NARROW)] {
            let own = folder.join(format!("{architecture}-{size}"));
            // Heads of a qwen2 are as wide together as the model.
            let head = if architecture == "qwen2" { kind.width / kind.heads } else { kind.size };
            folder::write(&own, Kind { architecture, size: head, ..kind }, json!({}));
            let base = Base::open(&own).unwrap();
            for to in FileType::ALL {
                let out = folder.join(format!("{architecture}-{size}-{to}.gguf"));
                write_model(&base, to, &out, &|_| Ok(None), &[]).unwrap();
                all.push((format!("{architecture} {size} {to}"), out));
            }
        }
    }
    all
}

#[test]
fn pythons_gguf_reads_what_we_read() {
    let Some(python) = python() else { return };
    let folder = TempDir::new().unwrap();
    let all = every(folder.path());
    let mut command = Command::new(python);
    command.arg(scripts().join("files.py"));
    for (_, path) in &all {
        command.arg(path).arg(path.with_extension("f32"));
    }
    let said = run(&mut command);
    for ((name, path), said) in all.iter().zip(said.as_array().unwrap()) {
        let ours = Base::open(path).unwrap();
        let numbers = read(&path.with_extension("f32"));
        let mut numbers = numbers.as_slice();
        let tensors = said["tensors"].as_array().unwrap();
        assert_eq!(tensors.len(), ours.names().count(), "{name}");
        for tensor in tensors {
            let own = tensor[0].as_str().unwrap();
            assert_eq!(tensor[2], json!(ours.sizes(own).unwrap()), "{name}: {own}");
            let kind = format!("{:?}", ours.kind(own).unwrap()).replace('_', "");
            assert_eq!(tensor[1].as_str().unwrap().replace('_', ""), kind, "{name}: {own}");
            let floats = ours.floats(own).unwrap();
            let (theirs, rest) = numbers.split_at(floats.len());
            numbers = rest;
            assert!(apart(theirs, &floats) < 1e-6, "{name}: {own}");
        }
        assert_eq!(said["keys"]["general.file_type"], "UINT32");
        assert_eq!(said["keys"].as_object().unwrap().len(), ours.metadata().len(), "{name}");
    }
}

#[test]
fn llama_cpp_says_what_we_say() {
    let Some(libraries) = libraries() else { return };
    let folder = TempDir::new().unwrap();
    for (name, path) in every(folder.path()) {
        let theirs = their_logits(&libraries, &path, None, &TOKENS);
        let apart = apart(&our_logits(&path, &[], &TOKENS), &theirs);
        if std::env::var_os("APPRENTICE_SHOW_FIGURES").is_some() {
            eprintln!("{name}: logits {apart:.5} apart");
        }
        // The engine multiplies with numbers of 8 bits, llama.cpp sometimes, and its cache has 16; tensors laid out
        // otherwise are 1 apart.
        assert!(apart < 0.06, "{name}: {apart}");
    }
}

#[test]
fn llama_cpp_lays_an_adapter_over_a_model() {
    let Some(libraries) = libraries() else { return };
    for architecture in ["llama", "qwen3"] {
        let folder = TempDir::new().unwrap();
        folder::write(folder.path(), Kind { architecture, ..WIDE }, json!({}));
        let base = Base::open(folder.path()).unwrap();
        let out = folder.path().join("base.gguf");
        write_model(&base, FileType::F32, &out, &|_| Ok(None), &[]).unwrap();
        let (adapter, _) = adapted(&base, &folder.path().join("adapter.gguf"));
        let theirs = their_logits(&libraries, &out, Some(&adapter), &TOKENS);
        let plain = their_logits(&libraries, &out, None, &TOKENS);
        assert!(apart(&plain, &theirs) > 0.1, "it changes something");
        let apart = apart(&our_logits(&out, &[adapter], &TOKENS), &theirs);
        assert!(apart < 0.06, "{architecture}: {apart}");
    }
}

#[test]
fn llama_cpp_has_the_tokens_of_the_folder() {
    let Some(libraries) = libraries() else { return };
    let folder = TempDir::new().unwrap();
    for pre in ["gpt-2", "smollm", "llama-bpe", "qwen2"] {
        folder::write(folder.path(), WIDE, json!({}));
        let reference = folder::write_tokenizer(folder.path(), pre);
        let (out, text) = (folder.path().join("one.gguf"), folder.path().join("text"));
        write_model(&Base::open(folder.path()).unwrap(), FileType::F16, &out, &|_| Ok(None), &[]).unwrap();
        // Without the special token, which llama.cpp does not read in a text.
        let plain = TEXT.replace("<|im_start|>", "");
        fs::write(&text, &plain).unwrap();
        let theirs = llama(&libraries, "tokens", &[&out.display().to_string(), &text.display().to_string()]);
        assert_eq!(theirs, json!(reference.encode(plain, false).unwrap().get_ids()), "{pre}");
    }
}

/// The exponential of the mean surprise by each token of the second half of windows of 256, as llama.cpp reads a model.
fn perplexity(libraries: &Path, model: &Path, tokens: &[u32]) -> f64 {
    const WINDOW: usize = 256;
    let logits = their_logits(libraries, model, None, tokens);
    fs::remove_file(model.with_extension("logits")).unwrap();
    let words = logits.len() / tokens.len();
    let rows: Vec<&[f32]> = logits.chunks(words).collect();
    let after = |at: usize| at % WINDOW >= WINDOW / 2 && at % WINDOW < WINDOW - 1;
    let surprises: Vec<f64> =
        (0..tokens.len()).filter(|&at| after(at)).map(|at| surprise(rows[at], tokens[at + 1])).collect();
    (surprises.iter().sum::<f64>() / surprises.len() as f64).exp()
}

fn surprise(logits: &[f32], token: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::MIN, f32::max);
    let sum: f64 = logits.iter().map(|&logit| f64::from(logit - most).exp()).sum();
    sum.ln() - f64::from(logits[token as usize] - most)
}

#[test]
fn a_real_model_is_as_good_as_llama_cpps_own_file_of_it() {
    let (Some(libraries), Some(model)) = (libraries(), named("APPRENTICE_TEST_GGUF")) else { return };
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name);
    let whole = path("whole.gguf");
    write_model(&Base::open(&model).unwrap(), FileType::F16, &whole, &|_| Ok(None), &[]).unwrap();
    let base = Base::open(&whole).unwrap();
    let tokenizer = engine::model::local::tokenizer::Tokenizer::new(base.metadata()).unwrap();
    let mut tokens = tokenizer.encode(include_str!("../../../../README.md"), false);
    tokens.truncate(512);
    assert_eq!(tokens.len(), 512);
    let first = perplexity(&libraries, &whole, &tokens);
    for to in [FileType::Q8, FileType::Q6, FileType::Q5Medium, FileType::Q4Medium] {
        let (ours, theirs) = (path("ours.gguf"), path("theirs.gguf"));
        let written = write_model(&base, to, &ours, &|_| Ok(None), &[]).unwrap();
        assert_eq!((written.twice, written.changed), (0, 0));
        let names = [whole.display().to_string(), theirs.display().to_string(), to.number().to_string()];
        assert_eq!(llama(&libraries, "quantize", &[&names[0], &names[1], &names[2]])["failed"], 0);
        same_mix(&ours, &theirs);
        let (own, other) = (perplexity(&libraries, &ours, &tokens), perplexity(&libraries, &theirs, &tokens));
        if std::env::var_os("APPRENTICE_SHOW_FIGURES").is_some() {
            eprintln!("{to}: perplexity {own:.4}, llama.cpp's own file {other:.4}, F16 {first:.4}");
        }
        assert!(own / other < 1.01, "{to}: {own} for {other}");
    }
}

/// Each tensor is packed as llama.cpp packs it.
fn same_mix(ours: &Path, theirs: &Path) {
    let (ours, theirs) = (Base::open(ours).unwrap(), Base::open(theirs).unwrap());
    let of = |base: &Base| {
        let mut all: Vec<(String, GgmlDType)> =
            base.names().filter_map(|name| Some((name.to_owned(), base.kind(name)?))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    assert_eq!(of(&ours), of(&theirs), "{:?}", kinds(&ours));
}
