//! Are the vectors of all-MiniLM-L6-v2 those that sentence-transformers gives?
//!
//! Runs where APPRENTICE_TEST_MINILM names a folder with the model (scripts/test-tools.sh makes one); with
//! APPRENTICE_REQUIRE_TOOLS=1 a missing one is a failure.
#![expect(clippy::disallowed_methods, reason = "a test is told by the environment where the model is")]

use std::{env, path::PathBuf};

use engine::model::{Embedder, Passage, minilm::MiniLm};
use serde_json::Value;

fn folder() -> Option<PathBuf> {
    let folder = env::var_os("APPRENTICE_TEST_MINILM").map(PathBuf::from);
    let required = env::var_os("APPRENTICE_REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(folder.is_some() || !required, "APPRENTICE_TEST_MINILM names no folder with the model");
    if folder.is_none() {
        eprintln!("skipped: APPRENTICE_TEST_MINILM names no folder with the model");
    }
    folder
}

#[test]
fn minilm_gives_the_vectors_of_sentence_transformers() {
    let Some(folder) = folder() else { return };
    let model = MiniLm::open(&folder).expect("the model");
    assert_eq!((model.name(), model.dimensions()), ("all-MiniLM-L6-v2@8087e9bf97c2/128", 384));
    let golden: Vec<Value> = include_str!("../data/minilm_golden.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object"))
        .collect();
    assert!(golden.len() >= 12);
    let texts: Vec<&str> = golden.iter().map(|row| row["text"].as_str().expect("a text")).collect();
    let passages: Vec<Passage<'_>> = texts.iter().map(|body| Passage { body, ..Passage::default() }).collect();
    for (row, vector) in golden.iter().zip(model.passages(&passages).expect("vectors")) {
        let expected: Vec<f32> =
            row["vector"].as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number") as f32).collect();
        let off = expected.iter().zip(&vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(expected.len() == 16 && off < 2e-5, "{}: off by {off}", row["text"]);
        let length = vector.iter().map(|x| x * x).sum::<f32>();
        assert!((length - 1.0).abs() < 1e-5, "{}: length {length}", row["text"]);
    }
}
