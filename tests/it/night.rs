//! One night, in one command: from a journal of a hundred answers to a model that is better, that a server serves and that
//! a review asks. On real weights, with a real Ollama where there is one.
#![expect(clippy::disallowed_methods, reason = "a test looks at what was written")]

use std::{fs, path::Path};

use engine::check::rule::RuleSet;
use kit::{Ran, TempRepo};
use serde_json::Value;

use crate::{
    serving::{Ollama, model},
    training::trainer,
};

/// Answers in the journal.
const ANSWERS: usize = 120;

/// What is wrong in a file of its own, in Python: the examples of the rules.
fn examples() -> impl Iterator<Item = String> {
    let rules = RuleSet::builtin();
    let python: Vec<_> =
        rules.iter().filter(|rule| rule.languages.iter().any(|of| format!("{of:?}") == "Python")).collect();
    let examples: Vec<String> = python
        .iter()
        .filter_map(|rule| rule.doc().ok())
        .flat_map(|doc| doc.invalid.iter().take(4).map(|example| example.code.clone()).collect::<Vec<_>>())
        .filter(|code| code.len() < 300)
        .collect();
    examples.into_iter()
}

/// A repository with a journal: what is serious was applied, everything else was turned down.
fn answered() -> TempRepo {
    let mut repo = TempRepo::with(&[("README.md", "# demo\n")]);
    repo.set("APPRENTICE_LINTERS__ENABLE", "false");
    for (n, code) in examples().enumerate() {
        repo.write(format!("m{n:03}.py"), format!("{}\n", code.trim_end()));
    }
    repo.git(&["add", "."]);
    let review = repo.apprentice(&["review", "--format", "json", "--fail-on", "never"]).expect_code(0).json();
    let findings = review["findings"].as_array().expect("findings");
    assert!(findings.len() >= ANSWERS, "{} findings", findings.len());
    for finding in findings.iter().take(ANSWERS) {
        let text = |field: &str| finding[field].as_str().expect("a text");
        let is_serious = ["bug", "security", "performance"].contains(&text("category"));
        let answer = if is_serious { "applied" } else { "rejected" };
        repo.apprentice(&["feedback", "record", text("fingerprint"), answer, "--path", text("path")]).expect_code(0);
    }
    repo.commit_all("what was answered");
    repo
}

/// The exam of the model that is served, as it was kept.
fn exam(repo: &TempRepo) -> (Value, Value) {
    let status = trainer(repo, &["status", "--json"]).expect_code(0).json();
    let digest = status["models"]["incumbent"]["blake3"].as_str().expect("a model is served").to_owned();
    let kept = fs::read(repo.path(&format!(".git/apprentice/exams/{digest}.json"))).expect("its exam");
    let sealed: Value = serde_json::from_slice(&kept).expect("JSON");
    (status, serde_json::from_str(sealed["record"].as_str().expect("a record")).expect("JSON"))
}

#[test]
fn a_night_makes_a_better_model_and_it_is_asked_the_next_day() {
    let Some(base) = model() else { return };
    let mut repo = answered();
    let server = Ollama::start(&repo.home());
    let base = base.display().to_string();
    let night = ["sleep", "--base", &base, "--once", "--idle", "0s", "--target", "loss"];
    let small = ["--most", "20", "--epochs", "1", "--rate", "5e-4", "--rank", "8", "--batch", "8"];
    let exam_of = ["--rows", "16", "--fewest", "16", "--answer", "32", "--canaries", "2"];
    let address = server.as_ref().map(|server| server.address.clone());
    let publish = address.iter().flat_map(|address| ["--publish", "reviewer", "--server", address.as_str()]);
    let command: Vec<&str> = night.into_iter().chain(small).chain(exam_of).chain(publish).collect();
    let told: Ran = trainer(&repo, &command).expect_code(0);
    eprintln!("{}", told.out);

    let (status, exam) = exam(&repo);
    assert!(exam["compared"]["loss"]["high"].as_f64().expect("an interval") < 0.0, "{exam:#}");
    assert!(exam["compared"]["forgetting"].as_f64().expect("a share") <= 0.02, "{exam:#}");
    assert_eq!(exam["scores"]["canaries_told"], 0, "{exam:#}");
    let file = status["models"]["incumbent"]["file"].as_str().expect("a file");
    let card = fs::read_to_string(Path::new(file).with_extension("card.json")).unwrap_or_default();
    assert!(card.contains("adapter"), "the model's card names what it was made from: {card}");

    // Nothing new was said: the next night is over at once.
    trainer(&repo, &command).expect_code(0).expect_said("nothing new to learn");

    repo.stage("a.py", "def ratio(a, b):\n    if b = 0:\n        return None\n    return a / b\n");
    let asked = match &server {
        Some(server) => {
            repo.set("APPRENTICE_MODEL__OLLAMA", &server.address);
            "ollama:reviewer".to_owned()
        }
        None => file.to_owned(),
    };
    let review = ["review", "--model", &asked, "--no-linters", "--no-recall", "--format", "json", "--fail-on", "never"];
    let said = repo.apprentice(&review).json();
    let is_failure = |notice: &Value| notice["gravity"] == "failure";
    assert!(!said["notices"].as_array().expect("notices").iter().any(is_failure), "{said:#}");
}
