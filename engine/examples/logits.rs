//! What logits does a model of a file have? `cargo run --release --example logits -- FILE TOKENS.json OUT [ADAPTER]`
//!
//! TOKENS is a JSON array of token numbers. OUT gets the logits after each as f32, little-endian: `[tokens, words]`.
#![expect(clippy::disallowed_methods, reason = "a measurement reads its tokens and writes its numbers")]

use std::{fs, path::Path, process::ExitCode};

use engine::model::local::Local;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, tokens, out, adapters @ ..] = &arguments[..] else {
        eprintln!("logits FILE TOKENS.json OUT [ADAPTER]…");
        return ExitCode::from(2);
    };
    let adapters: Vec<_> = adapters.iter().map(Into::into).collect();
    let model = Local::open(Path::new(file), &adapters, 0).expect("a model");
    let tokens: Vec<u32> = serde_json::from_slice(&fs::read(tokens).expect("tokens")).expect("a JSON array");
    let logits = model.logits(&tokens).expect("logits");
    let bytes: Vec<u8> = logits.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(out, bytes).expect("a file that can be written");
    ExitCode::SUCCESS
}
