//! What logits does a model with an adapter have? `cargo run --release --example adapter_logits -- BASE ADAPTER TOKENS.json OUT SAVED`
//!
//! TOKENS is a JSON array of token numbers. OUT gets the logits after each as f32, little-endian: `[tokens, words]`; SAVED is
//! a folder that gets the adapter once more, as we write it.
#![expect(clippy::disallowed_methods, reason = "a measurement reads its tokens and writes its numbers")]

use std::{fs, path::Path, process::ExitCode};

use trainer::{
    adapter::Adapter,
    base::Base,
    net::{Batch, Decoder, KIND, Pass, Trained, device},
};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, adapter, tokens, out, saved] = &arguments[..] else {
        eprintln!("adapter_logits BASE ADAPTER TOKENS.json OUT SAVED");
        return ExitCode::from(2);
    };
    let base = Base::open(Path::new(base)).expect("a model");
    let mut decoder = Decoder::load(&base, Trained::Nothing, KIND, &device().expect("a device")).expect("weights");
    let adapter = Adapter::open(Path::new(adapter), decoder.shape()).expect("an adapter");
    adapter.lay(&mut decoder).expect("an adapter of this model");
    let tokens: Vec<u32> = serde_json::from_slice(&fs::read(tokens).expect("tokens")).expect("a JSON array");
    let (batch, _) = Batch::shared(&[(&tokens, 1)]);
    let logits = decoder.logits(&batch, Pass::Hear).expect("logits");
    let logits: Vec<f32> = logits.flatten_all().and_then(|logits| logits.to_vec1()).expect("numbers");
    let bytes: Vec<u8> = logits.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(out, bytes).expect("a file that can be written");
    adapter.save(Path::new(saved), decoder.shape(), "base").expect("a folder that can be written");
    ExitCode::SUCCESS
}
