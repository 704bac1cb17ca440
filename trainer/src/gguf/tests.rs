//! Do others read what is written here, and read the same in it? With APPRENTICE_TEST_LLAMA, the folder of llama.cpp's
//! libraries, llama.cpp is asked, and with `test-python` on PATH PyPI's `gguf`; with APPRENTICE_REQUIRE_TOOLS=1 a missing
//! one is a failure.
#![expect(clippy::disallowed_methods, reason = "tests make files and run programs")]

mod encoders;
mod folder;
mod folders;
mod others;
mod writer;

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use engine::model::local::Local;
use serde_json::Value as Json;

/// A program or a file that tests need; nothing, and a word about it, where it is missing.
fn found(name: &str, what: Option<PathBuf>) -> Option<PathBuf> {
    let required = env::var_os("APPRENTICE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(what.is_some() || !required, "{name} is missing");
    if what.is_none() {
        eprintln!("LEFT OUT: {name} is missing");
    }
    what
}

fn python() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let python = env::split_paths(&path).map(|folder| folder.join("test-python")).find(|path| path.is_file());
    found("test-python", python)
}

/// llama.cpp's libraries.
fn libraries() -> Option<PathBuf> {
    found("APPRENTICE_TEST_LLAMA", env::var_os("APPRENTICE_TEST_LLAMA").map(PathBuf::from))
}

/// A file that the environment names.
fn named(name: &str) -> Option<PathBuf> {
    found(name, env::var_os(name).map(PathBuf::from))
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gguf/tests")
}

fn run(command: &mut Command) -> Json {
    let ran = command.output().unwrap();
    assert!(ran.status.success(), "{command:?}: {}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// Asks llama.cpp.
fn llama(libraries: &Path, what: &str, arguments: &[&str]) -> Json {
    // The script needs nothing but Python itself.
    run(Command::new("python3").arg(scripts().join("llama.py")).arg(libraries).arg(what).args(arguments))
}

/// The numbers of a file.
fn read(path: &Path) -> Vec<f32> {
    let bytes = std::fs::read(path).unwrap();
    bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// Logits after each token, as llama.cpp has them.
fn their_logits(libraries: &Path, model: &Path, adapter: Option<&Path>, tokens: &[u32]) -> Vec<f32> {
    let out = model.with_extension("logits");
    let tokens: Vec<String> = tokens.iter().map(u32::to_string).collect();
    let (tokens, out_name) = (tokens.join(","), out.display().to_string());
    let model = model.display().to_string();
    let adapter = adapter.map(|adapter| adapter.display().to_string());
    let mut arguments = vec![tokens.as_str(), &out_name, &model];
    arguments.extend(adapter.as_deref());
    llama(libraries, "logits", &arguments);
    read(&out)
}

/// Logits after each token, as the engine has them.
fn our_logits(model: &Path, adapters: &[PathBuf], tokens: &[u32]) -> Vec<f32> {
    Local::open(model, adapters, 0).unwrap().logits(tokens).unwrap()
}

/// How far apart two are, in parts of how far the second is from its own mean.
fn apart(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let count = a.len() as f64;
    let mean = b.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
    let own = b.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
    let between = a.iter().zip(b).map(|(&a, &b)| f64::from(a - b).powi(2)).sum::<f64>() / count;
    (between / own).sqrt()
}
