//! What is known of the candidates of each question? `cargo run --release --example retrieval_features -- QUESTIONS
//! CORPUS [MINILM_FOLDER]`
//!
//! Prints a JSON line a question: `{"relevant": […], "candidates": [{"document": n, "features": […], "fields": […]}]}`,
//! with the features in the order of their weights, and the BM25 of each field alone (symbol, path, signature, doc,
//! body). `benches/learn_fusion.py` learns the weights from it.

use std::{collections::BTreeMap, path::Path, process::ExitCode};

use engine::{
    eval::retrieval::Cases,
    model::{Embedder, minilm::MiniLm, table::Table},
    recall::search::{Query, Weights},
};

/// A piece of a document: the document, its first line, its part.
type Piece = (u64, u32, u16);

/// The features of a piece, and its BM25 in each field.
type Told = ([f32; 12], [f32; 5]);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [questions, corpus, minilm @ ..] = &arguments[..] else {
        eprintln!("retrieval_features QUESTIONS CORPUS [MINILM_FOLDER]");
        return ExitCode::from(2);
    };
    let read = |path: &String| String::from_utf8(read(path)).expect("UTF-8");
    let cases = Cases::read(&read(questions), &read(corpus)).expect("labelled questions");
    let embedder: Box<dyn Embedder> = match minilm {
        [folder, ..] => Box::new(MiniLm::open(Path::new(folder)).expect("a model")),
        [] => Box::new(Table::builtin()),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let searcher = cases.index(&folder.path().canonicalize().expect("a path"), &*embedder).expect("an index");
    for question in &cases.questions {
        let mut candidates: BTreeMap<Piece, Told> = BTreeMap::new();
        for field in 0..=5 {
            let mut weights = Weights::default();
            if field < 5 {
                weights.fields = weights.fields.only(field);
            }
            let query = Query { text: &question.query, most: usize::MAX, from: None, weights };
            for hit in searcher.search(&query, &*embedder).expect("an answer") {
                let document = cases.document(&hit).expect("a document of the corpus");
                let entry = candidates.entry((document, hit.chunk.lines.0, hit.chunk.part)).or_default();
                let shipped = hit.features.values();
                if field < 5 {
                    entry.1[field] = hit.bm25;
                    let (words, ranks) = (entry.0[0], entry.0[2]);
                    entry.0 = shipped;
                    (entry.0[0], entry.0[2]) = (words, ranks);
                } else {
                    entry.0 = shipped;
                }
            }
        }
        let candidates: Vec<_> = candidates
            .into_iter()
            .map(|((document, ..), (features, fields))| {
                serde_json::json!({ "document": document, "features": features, "fields": fields })
            })
            .collect();
        println!(
            "{}",
            serde_json::json!({ "question": question.query, "relevant": question.relevant_idx, "candidates": candidates })
        );
    }
    ExitCode::SUCCESS
}

#[expect(clippy::disallowed_methods, reason = "a measurement reads its data")]
fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).expect("a file that can be read")
}
