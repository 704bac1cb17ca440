//! How fast is MiniLM? `cargo run --release --example embed_speed -- FOLDER TEXTS.jsonl [VECTORS]`
//!
//! TEXTS holds one JSON string a line. Prints one JSON object: `load_ms`, `wall_s` and `cpu_s` of one pass over all
//! texts after a short first one. VECTORS gets the vectors as f32, little-endian.
#![expect(clippy::disallowed_methods, reason = "a measurement reads its texts and writes its vectors")]

use std::{fs, path::Path, process::ExitCode, time::Instant};

use engine::model::{Embedder, Passage, minilm::MiniLm};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Passages of one call, as the index asks for them.
const BATCH: usize = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, texts, vectors @ ..] = &arguments[..] else {
        eprintln!("embed_speed FOLDER TEXTS.jsonl [VECTORS]");
        return ExitCode::from(2);
    };
    let started = Instant::now();
    let model = MiniLm::open(Path::new(folder)).expect("a model");
    let load_ms = started.elapsed().as_secs_f64() * 1e3;
    let texts = fs::read_to_string(texts).expect("texts");
    let texts: Vec<String> = texts.lines().map(|line| serde_json::from_str(line).expect("a JSON string")).collect();
    let passages: Vec<Passage<'_>> = texts.iter().map(|text| Passage { body: text, ..Passage::default() }).collect();
    let embed = |passages: &[Passage<'_>]| model.passages(passages).expect("vectors");
    embed(&passages[..passages.len().min(BATCH)]);
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let found: Vec<Vec<f32>> = passages.chunks(BATCH).flat_map(embed).collect();
    let (wall_s, cpu_s) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    if let [path] = vectors {
        let bytes: Vec<u8> = found.iter().flatten().flat_map(|value| value.to_le_bytes()).collect();
        fs::write(path, bytes).expect("a file that can be written");
    }
    println!("{}", serde_json::json!({ "load_ms": load_ms, "wall_s": wall_s, "cpu_s": cpu_s }));
    ExitCode::SUCCESS
}

/// What this process has used so far, by /proc; 0 where there is none.
fn cpu_seconds() -> f64 {
    let Ok(text) = fs::read_to_string("/proc/self/stat") else { return 0.0 };
    let fields: Vec<&str> = text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
