//! Is an adapter that passed its exam for a language taken by the next review of a change in it, and by no other? On
//! real weights.
#![expect(clippy::disallowed_methods, reason = "a test changes a file that must not be changed")]

use kit::TempRepo;
use serde_json::{Value, json};

use crate::{serving::model, training::trainer};

/// Rows of questions that have one answer.
fn rows(from: usize, to: usize) -> String {
    let row = |n: usize| {
        let question = format!("Is this right?\n\ndef check_{n}(value):\n    return value == None or value > {n}\n");
        let answer = "Compare with `is None`: an object may say what it likes to `==`.";
        let messages = [json!({"role": "user", "content": question}), json!({"role": "assistant", "content": answer})];
        json!({ "messages": messages, "id": n.to_string(), "weight": 1.0 }).to_string() + "\n"
    };
    (from..to).map(row).collect()
}

/// What a review of what is staged says of adapters, and the name of the model that it asked.
fn told(repo: &TempRepo, base: &str) -> (Vec<(String, String)>, Value) {
    let review = ["review", "--model", base, "--no-linters", "--no-recall", "--format", "json", "--fail-on", "never"];
    // What so small a model says in so few tokens is of no interest.
    let said = repo.apprentice(&review).json();
    let notices = said["notices"].as_array().expect("notices").iter();
    let about = |notice: &&Value| notice["about"].as_str().is_some_and(|about| about.starts_with("adapter"));
    let text = |notice: &Value, field: &str| notice[field].as_str().expect("a text").to_owned();
    let told = notices.filter(about).map(|notice| (text(notice, "gravity"), text(notice, "what"))).collect();
    (told, said["model"]["name"].clone())
}

#[test]
fn what_passed_for_a_language_is_taken_for_it_and_can_be_taken_back() {
    let Some(base) = model() else { return };
    let base = base.display().to_string();
    let mut repo = TempRepo::with(&[("pyproject.toml", "[project]\nname = \"demo\"\n")]);
    repo.set("APPRENTICE_SUGGEST__MAX_ANSWER_TOKENS", "24");
    repo.set("APPRENTICE_SUGGEST__MAX_PASSES", "1");
    repo.write(".git/data/sft/train.jsonl", rows(0, 12));
    repo.write(".git/data/sft/valid.jsonl", rows(20, 26));
    repo.write(".git/generic.jsonl", "{\"text\": \"def add(a, b):\\n    return a + b\\n\"}\n");
    let learn = ["lora", "train", &base, "--data", ".git/data/sft/train.jsonl", "--output", ".git/adapter"];
    let small = ["--rank", "4", "--epochs", "1", "--batch", "4", "--rate", "2e-3"];
    trainer(&repo, &[&learn[..], &small].concat()).expect_code(0);
    trainer(&repo, &["merge", &base, "--adapter", ".git/adapter", "--alone", "--output", ".git/a.gguf"]).expect_code(0);

    let of = [base.as_str(), "--adapter", ".git/a.gguf", "--for", "python", "--project"];
    trainer(&repo, &[&["promote"], &of[..]].concat()).expect_code(2).expect_said("has sat no exam");
    assert!(!repo.path(".git/apprentice/adapters").exists());
    let exam = ["--data", ".git/data", "--generic", ".git/generic.jsonl", "--target", "loss", "--fewest", "0"];
    trainer(&repo, &[&["evaluate"], &of[..], &exam, &["--forgetting", "9"]].concat()).expect_code(0);
    trainer(&repo, &[&["promote"], &of[..]].concat()).expect_code(0).expect_said("python.");
    trainer(&repo, &["status"]).expect_code(0).expect_said("adapter     python: ");

    repo.stage("a.py", "def ratio(a, b):\n    return a / b\n");
    let (notices, with) = told(&repo, &base);
    let what = "this project's was laid over the model: most lines that changed are python";
    assert_eq!(notices, [("note".to_owned(), what.to_owned())]);
    let doctor = |said: &str| repo.apprentice(&["doctor", "--model", &base]).expect_said(said);
    doctor("adapter python: this project's was laid over the model: `pyproject.toml` says that this project is python");
    // Nobody learned anything for another language.
    repo.git(&["rm", "-q", "--cached", "a.py"]);
    repo.stage("a.go", "package a\n\nfunc Ratio(a, b int) int { return a / b }\n");
    let (notices, without) = told(&repo, &base);
    assert_eq!(notices, []);
    assert!(
        with.is_string() && without.is_string() && with != without,
        "answers of the two are never taken for each other"
    );
    let off = ["doctor", "--model", &base, "--set", "model.learned_adapters=false"];
    assert!(!repo.apprentice(&off).said().contains("adapter "));

    let folder = repo.path(".git/apprentice/adapters");
    let names = std::fs::read_dir(&folder).expect("the shelf").map(|entry| entry.expect("an entry").path());
    let file = names.into_iter().find(|path| path.extension().is_some_and(|end| end == "gguf")).expect("the adapter");
    let bytes = std::fs::read(&file).expect("its bytes");
    std::fs::write(&file, [&bytes[..bytes.len() - 1], &[bytes[bytes.len() - 1] ^ 1]].concat()).expect("it is changed");
    doctor("passed over: its file is not the one that passed the exam");
    std::fs::write(&file, &bytes).expect("it is as before");
    doctor("was laid over the model");
    trainer(&repo, &["rollback", "--adapter", "python", "--project"]).expect_code(0).expect_said("python: nothing");
    assert!(!repo.apprentice(&["doctor", "--model", &base]).said().contains("adapter "));
}
