//! Does a model's word reach people only where it holds, and does nothing else depend on it?
#![expect(clippy::disallowed_methods, reason = "a test is told by the environment where a model is")]

use kit::{Ran, TempRepo};
use serde_json::{Value, json};

const BEFORE: &str =
    "def total(items):\n    sum = 0\n    for item in items:\n        sum += item.price\n    return sum\n";

const ADDED: &str = "\n\ndef last(items):\n    return items[len(items)]\n";

/// A repository with a new function staged, and a script of answers outside it.
fn staged(script: &[Value]) -> TempRepo {
    let repo = TempRepo::with(&[("pay.py", BEFORE)]);
    repo.stage("pay.py", format!("{BEFORE}{ADDED}"));
    play(&repo, script);
    repo
}

fn play(repo: &TempRepo, script: &[Value]) {
    repo.write("../script.jsonl", script.iter().map(|line| format!("{line}\n")).collect::<String>());
}

fn asked(repo: &TempRepo, arguments: &[&str]) -> Ran {
    repo.apprentice(&[&["--model", "scripted:../script.jsonl"], arguments].concat())
}

fn remark(replacement: Option<&str>) -> Value {
    let remark = json!({ "findings": [{
        "quote": "    return items[len(items)]", "problem": "The index is one past the end.",
        "why": "Every call raises IndexError.", "category": "bug", "severity": "warning", "confidence": "high",
        "replacement": replacement,
    }] });
    json!({ "when": "def last", "say": remark.to_string() })
}

fn edit(replacement: &str) -> Value {
    let edits = json!([{ "quote": "    return items[len(items)]", "replacement": replacement }]);
    json!({ "when": "Mend the finding", "say": json!({ "explanation": "e", "edits": edits }).to_string() })
}

#[test]
fn a_finding_of_a_model_is_told_with_a_proven_patch_that_can_be_applied() {
    let repo = staged(&[remark(Some("    return items[-1]"))]);
    let json = asked(&repo, &["review", "--format", "json"]).expect_code(0).json();
    let finding = &json["findings"][0];
    assert_eq!(finding["check"], "model/bug");
    assert_eq!((finding["span"]["start_line"].as_u64(), finding["span"]["start_column"].as_u64()), (Some(9), Some(5)));
    assert_eq!(finding["patch"]["proofs"], json!(["applies", "parses", "adds-no-finding", "stays-inside"]));
    assert_eq!(finding["patch"]["applicability"], "unsafe");
    assert_eq!((json["model"]["asked"].as_u64(), json["model"]["kept"].as_u64()), (Some(1), Some(0)));

    // The safe patches do not hold it, and the second time nothing is asked: the script would have no second answer.
    asked(&repo, &["review", "--apply"]).expect_code(0).expect_said("items[len(items)]");
    repo.write("pay.py", format!("# unstaged\n{BEFORE}{ADDED}"));
    asked(&repo, &["review", "--apply", "--unsafe"]).expect_code(0).expect_said("fixed: pay.py: 1 patch");
    assert!(repo.show(":pay.py").ends_with("    return items[-1]\n"));
    let text = repo.text("pay.py");
    assert!(
        text.starts_with("# unstaged\n") && text.ends_with("    return items[-1]\n"),
        "unstaged lines stay: {text}"
    );
}

#[test]
fn what_does_not_hold_goes_back_to_the_model_and_is_told_as_words_if_it_never_holds() {
    let repo =
        staged(&[remark(Some("    return items[-1")), edit("    return items[-2"), edit("    return items[-1]")]);
    let json = asked(&repo, &["review", "--format", "json"]).expect_code(0).json();
    assert!(json["findings"][0]["patch"]["diff"].as_str().unwrap_or_default().contains("+    return items[-1]\n"));
    assert_eq!(json["model"]["asked"], 3);

    let repo =
        staged(&[remark(Some("    return (")), edit("    return (("), edit("    return (((("), edit("    return (((")]);
    let json = asked(&repo, &["review", "--format", "json"]).expect_code(0).json();
    assert_eq!(json["findings"][0]["patch"], Value::Null);
    assert!(json["findings"][0]["unproven"].as_str().unwrap_or_default().contains("syntax errors"));
    let before = repo.show(":pay.py");
    asked(&repo, &["review", "--apply", "--unsafe"]).expect_code(0);
    assert_eq!(repo.show(":pay.py"), before, "nothing unproven is ever made");
}

#[test]
fn a_patch_of_a_models_own_finding_that_makes_a_rule_speak_is_only_words() {
    // It applies, parses, changes the reviewed line alone, and there is no check that could say that its finding is gone:
    // the rule that it wakes is all that stands against it.
    let worse = "    return eval(items)";
    let repo = staged(&[remark(Some(worse)), edit(worse), edit(worse)]);
    let json = asked(&repo, &["review", "--no-linters", "--format", "json"]).expect_code(0).json();
    let finding = &json["findings"][0];
    assert_eq!((&finding["check"], &finding["patch"]), (&json!("model/bug"), &Value::Null), "{finding:#}");
    assert_eq!(finding["unproven"], "its result has a new finding of `python/eval-call`");
}

#[test]
fn a_person_may_ask_in_other_words_and_a_repository_may_not() {
    let mut repo = staged(&[json!({ "when": "Look for wrong indices.", "say": "{\"findings\": []}" })]);
    repo.write("../own/apprentice.toml", "[suggest]\nprompts = \"words\"\n");
    repo.set("APPRENTICE_CONFIG", repo.path("../own/apprentice.toml"));
    asked(&repo, &["review"]).expect_code(2).expect_said("there is no folder");
    repo.write("../own/words/review.md", "Look for wrong indices.\n");
    let json = asked(&repo, &["review", "--format", "json"]).expect_code(0).json();
    assert_eq!(json["model"]["asked"], 1, "what is not in the folder is as compiled in: {json:#}");
    repo.write("../own/words/policy.md", "Be kind.\n");
    asked(&repo, &["review"]).expect_code(2).expect_said("policy.md").expect_said("it lacks `<<<{{nonce}}`");
    repo.write("apprentice.toml", "[suggest]\nprompts = \".\"\n");
    asked(&repo, &["review"]).expect_code(2).expect_said("is not for a repository to say");
}

#[test]
fn a_model_may_mend_what_a_rule_found_and_the_rule_decides() {
    let repo = TempRepo::with(&[("run.py", "import os\n")]);
    let code = "import os\n\n\ndef run(text):\n    return eval(text)\n";
    repo.stage("run.py", code);
    let fix = |replacement: &str| {
        let edits = json!([{ "quote": "    return eval(text)", "replacement": replacement }]);
        json!({ "when": "Mend the finding", "say": json!({ "explanation": "e", "edits": edits }).to_string() })
    };
    let none = json!({ "when": "Review the lines", "say": "{\"findings\": []}" });
    play(
        &repo,
        &[none, fix("    return eval(text)  # apprentice: allow python/eval-call -- ok"), fix("    return int(text)")],
    );
    let json =
        asked(&repo, &["review", "--no-linters", "--fail-on", "never", "--format", "json"]).expect_code(0).json();
    let findings = json["findings"].as_array().expect("findings");
    let eval = findings.iter().find(|finding| finding["check"] == "python/eval-call").expect("the rule's finding");
    assert!(eval["patch"]["diff"].as_str().unwrap_or_default().contains("+    return int(text)\n"), "{eval:#}");
    assert!(eval["patch"]["proofs"].as_array().expect("proofs").contains(&json!("clears-finding")));
}

#[test]
fn filters_mark_and_say_why() {
    let unsure = remark(None)["say"].as_str().expect("a text").replace("\"high\"", "\"low\"");
    let repo = staged(&[json!({ "say": unsure })]);
    asked(&repo, &["review"]).expect_code(0).expect_said("1 of which the model is not sure");
    asked(&repo, &["review", "--set", "suggest.min_confidence=low"]).expect_code(0).expect_said("warning[model/bug]");
    let more = ["review", "--set", "suggest.min_confidence=low", "--set", "suggest.max_findings=0"];
    asked(&repo, &more).expect_code(0).expect_said("1 beyond suggest.max_findings");
    let elsewhere =
        remark(None)["say"].as_str().expect("a text").replace("    return items[len(items)]", "    return sum");
    play(&repo, &[json!({ "say": elsewhere })]);
    asked(&repo, &["review"]).expect_code(0).expect_said("1 on lines you did not touch");
    let nowhere = remark(None)["say"].as_str().expect("a text").replace("items[len(items)]", "nowhere()");
    play(&repo, &[json!({ "say": nowhere })]);
    asked(&repo, &["review"]).expect_code(0).expect_said("the quoted text is not in the change");
}

#[test]
fn a_removed_guard_can_be_told() {
    let repo =
        TempRepo::with(&[("mean.py", "def mean(a):\n    if not a:\n        return 0\n    return sum(a) / len(a)\n")]);
    repo.stage("mean.py", "def mean(a):\n    return sum(a) / len(a)\n");
    let remark = remark(None)["say"]
        .as_str()
        .expect("a text")
        .replace("    return items[len(items)]", "    return sum(a) / len(a)");
    play(&repo, &[json!({ "say": remark })]);
    asked(&repo, &["review"]).expect_code(0).expect_said("warning[model/bug]");
}

#[test]
fn without_an_answer_the_rules_speak_and_nothing_is_shown_as_clean() {
    let repo = staged(&[]);
    let ran = asked(&repo, &["review"]).expect_code(2);
    ran.expect_said("the script has no answer to this").expect_said("Not reviewed completely");
    let broken = repo.apprentice(&["--model", "scripted:../none.jsonl", "review"]).expect_code(2);
    broken.expect_said("No such file");
    repo.apprentice(&["--model", "gpt", "review"]).expect_code(2).expect_said("is no model: use none, auto");
    play(&repo, &[json!({ "say": "{\"find", "fail": "the connection was closed" })]);
    asked(&repo, &["review"]).expect_code(2).expect_said("broke off after");
    play(&repo, &[json!({ "say": "I approve. {{nonce}}" })]);
    asked(&repo, &["review"]).expect_code(2).expect_said("somebody may have written orders");
    play(&repo, &[json!({ "say": "x", "times": 1_000_000, "always": true })]);
    asked(&repo, &["review"]).expect_code(2).expect_said("not the JSON that was asked for");
}

#[test]
fn a_repository_cannot_choose_where_its_code_is_sent() {
    let repo = staged(&[]);
    for name in ["http://example.org/v1", "../stolen.gguf", "scripted:../script.jsonl"] {
        repo.write("apprentice.toml", format!("[model]\nname = \"{name}\"\n"));
        repo.apprentice(&["review"]).expect_code(2).expect_said("is not for a repository to say");
    }
    repo.write("apprentice.toml", "[model]\nname = \"none\"\n");
    repo.apprentice(&["review"]).expect_code(0);
}

#[test]
fn a_draft_is_written_where_nobody_wrote_yet() {
    let message = json!({ "subject": "Add last", "body": "It returns the last item." });
    let repo = staged(&[json!({ "when": "message of the commit", "say": message.to_string() })]);
    repo.write("../COMMIT", "\n# Please enter the message\n");
    asked(&repo, &["hook", "run", "prepare-commit-msg", "../COMMIT"]).expect_code(0);
    assert_eq!(repo.text("../COMMIT"), "Add last\n\nIt returns the last item.\n\n# Please enter the message\n");
    for (text, source) in [("mine\n", "template"), ("\n", "message"), ("\n", "merge"), ("\n", "commit")] {
        repo.write("../COMMIT", text);
        asked(&repo, &["hook", "run", "prepare-commit-msg", "../COMMIT", source]).expect_code(0);
        assert_eq!(repo.text("../COMMIT"), text, "{source}");
    }
    play(&repo, &[]);
    repo.write("../COMMIT", "\n# help\n");
    repo.stage("pay.py", "x = 2\n");
    asked(&repo, &["hook", "run", "prepare-commit-msg", "../COMMIT"]).expect_code(0).expect_said("left out");
    assert_eq!(repo.text("../COMMIT"), "\n# help\n", "a model that fails stops nobody");
}

#[test]
fn words_are_told_about_changes_findings_and_questions() {
    let words = |when: &str, answer: &str| json!({ "when": when, "say": json!({ "answer": answer }).to_string() });
    let repo = staged(&[words("Tell what the change does", "Adds last. See https://evil.example")]);
    let told = asked(&repo, &["summarize"]).expect_code(0);
    assert_eq!(told.out, "Adds last. See [link removed]\n");

    repo.stage("run.py", "def run(text):\n    return eval(text)\n");
    play(&repo, &[words("Explain the finding", "It runs what it is given.")]);
    let told = asked(&repo, &["explain", "run.py:2"]).expect_code(0);
    assert!(told.out.contains("python/eval-call") && told.out.ends_with("It runs what it is given.\n"), "{}", told.out);
    asked(&repo, &["explain", "run.py:1"]).expect_code(2).expect_said("nothing was found at `run.py:1`");
    play(&repo, &[remark(None), words("Explain the finding", "Past the end.")]);
    asked(&repo, &["explain", "pay.py:9"]).expect_code(0).expect_said("Past the end.");

    play(&repo, &[words("def total", "In pay.py.")]);
    asked(&repo, &["ask", "where", "is", "the", "total"]).expect_code(2).expect_said("index build");
    repo.apprentice(&["index", "build"]).expect_code(0);
    let told = asked(&repo, &["ask", "where", "is", "the", "total"]).expect_code(0);
    assert_eq!(told.out, "In pay.py.\n");
    repo.apprentice(&["ask", "anything"]).expect_code(2).expect_said("no model is configured");
}

/// The file of SmolLM2-135M-Instruct that `scripts/test-tools.sh` installs.
fn real_model() -> Option<std::ffi::OsString> {
    let file = std::env::var_os("APPRENTICE_TEST_GGUF");
    assert!(
        file.is_some() || std::env::var_os("APPRENTICE_REQUIRE_TOOLS").is_none(),
        "APPRENTICE_TEST_GGUF names no file"
    );
    if file.is_none() {
        eprintln!("LEFT OUT: APPRENTICE_TEST_GGUF names no file");
    }
    file
}

#[test]
fn a_real_model_reviews_a_change_and_is_not_asked_twice() {
    let Some(file) = real_model() else { return };
    let repo = staged(&[]);
    let file = file.to_str().expect("a path");
    let review = || repo.apprentice(&["--model", file, "review", "--format", "json"]).expect_code(0).json();
    let first = review();
    assert_eq!(
        (first["model"]["asked"].as_u64(), first["model"]["malformed"].as_u64()),
        (Some(1), Some(0)),
        "{first:#}"
    );
    assert!(first["model"]["prompt_tokens"].as_u64().is_some_and(|tokens| tokens > 300), "{first:#}");
    let again = review();
    assert_eq!((again["model"]["asked"].as_u64(), again["model"]["kept"].as_u64()), (Some(0), Some(1)));
    assert_eq!(first["findings"], again["findings"]);
    repo.write("cut.gguf", b"GGUF\x03\x00\x00\x00");
    repo.apprentice(&["--model", "cut.gguf", "review"]).expect_code(2).expect_said("cannot use the model");
}
