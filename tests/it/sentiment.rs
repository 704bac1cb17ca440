//! Does `apprentice eval` measure how replies are read?

use kit::TempRepo;
use serde_json::{Value, json};

/// Rows of our own: text, polarity, project.
const ROWS: [(&str, &str, &str); 6] = [
    ("Thanks a lot, great catch! :tada:", "positive", "one"),
    ("LGTM 👍 thank you", "positive", "one"),
    ("Renamed it in the last commit.", "neutral", "one"),
    ("See the section on caching.", "neutral", "two"),
    ("This is horrible, it breaks everything and I hate it.", "negative", "two"),
    ("Moved to `parse`.", "negative", "two"),
];

fn rows() -> String {
    let row = |(text, polarity, project)| json!({ "text": text, "polarity": polarity, "project": project }).to_string();
    ROWS.map(row).join("\n")
}

fn repository(rows: &str) -> TempRepo {
    let repo = TempRepo::empty();
    repo.write("rows.jsonl", rows);
    repo
}

#[test]
fn replies_are_measured_over_all_and_by_project() {
    let repo = repository(&rows());
    let score = repo.apprentice(&["eval", "--data", "rows.jsonl", "--format", "json"]).expect_code(0).json();
    assert_eq!((&score["kind"], &score["rows"]), (&json!("sentiment"), &json!(6)), "{score:#}");
    let figure = |value: &Value| value.as_f64().expect("a number");
    // The last row is labelled wrong on purpose: positive 1, neutral 2 of 3 read, negative 1 of 2 labelled.
    let expected = (1.0 + 0.8 + 2.0 / 3.0) / 3.0;
    assert!((figure(&score["macro"]["macro_f1"]) - expected).abs() < 1e-9, "{score:#}");
    assert!((figure(&score["macro"]["negative_recall"]) - 0.5).abs() < 1e-9, "{score:#}");
    assert!((0.0..=1.0).contains(&figure(&score["macro"]["ece"])), "{score:#}");
    assert_eq!(score["by_source"]["one"]["rows"], json!(3.0));
    assert!((figure(&score["by_source"]["two"]["negative_recall"]) - 0.5).abs() < 1e-9, "{score:#}");
    let text = repo.apprentice(&["eval", "--data", "rows.jsonl"]).expect_code(0).out;
    assert!(text.contains("6 rows of sentiment") && text.contains("macro_f1"), "{text}");
}

#[test]
fn a_row_that_cannot_be_read_is_named() {
    let repo = repository(&format!("{}\n{}\n", rows(), r#"{"text": "hm", "polarity": "angry"}"#));
    let ran = repo.apprentice(&["eval", "--data", "rows.jsonl"]).expect_code(2);
    assert!(ran.err.contains("line 7") && ran.err.contains("angry"), "{}", ran.err);
}
