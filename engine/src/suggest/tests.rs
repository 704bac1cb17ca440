//! Conversations with a model whose answers are known.

use std::{path::Path, sync::atomic::AtomicBool, time::Duration};

use super::*;
use crate::{
    change::{self, FileChange, LineSet, Status},
    finding::{CheckId, Finding},
    model::scripted::Scripted,
    patch::{Claim, prove},
    source::{RepoPath, SourceFile},
};

static GO: AtomicBool = AtomicBool::new(false);

fn limits() -> Limits {
    Limits { answer: 300, time: Duration::from_secs(5), passes: 3 }
}

fn scripted(lines: &[serde_json::Value]) -> Scripted {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    Scripted::parse(Path::new("test.jsonl"), &text).unwrap()
}

fn say(text: &str) -> serde_json::Value {
    serde_json::json!({ "say": text })
}

const TEXT: &str = "def f(a):\n    b = a + 1\n    return b\n";

fn file() -> SourceFile {
    SourceFile::new(RepoPath::new("a.py").unwrap(), TEXT.as_bytes().into(), 10_000).unwrap()
}

fn changed(file: &SourceFile) -> FileChange {
    let touched = change::touched_lines(b"", &file.bytes);
    FileChange { status: Status::Added, touched, ..FileChange::whole(file.path.clone(), None) }
}

fn excerpt() -> Excerpt {
    let file = file();
    Excerpt::of(&changed(&file), &file).remove(0)
}

const REMARK: &str = r#"{"findings": [{"quote": "    b = a + 1", "problem": "p", "why": "w", "category": "bug",
    "severity": "warning", "confidence": "high", "replacement": null}]}"#;

#[test]
fn what_was_asked_before_costs_nothing_and_needs_no_equal_fence() {
    let folder = tempfile::tempdir().unwrap();
    let answers = Answers::open(&folder.path().join("answers.db")).unwrap();
    let model = scripted(&[say(REMARK)]);
    for run in 0..2 {
        let suggester = Suggester::new(&model, Some(&answers), limits(), &GO).unwrap();
        let read = suggester.review(&excerpt(), Vec::new()).unwrap();
        assert_eq!(read.found[0].anchor.lines, 2..=2);
        let spent = suggester.spent();
        assert_eq!((spent.asked, spent.kept), if run == 0 { (1, 0) } else { (0, 1) });
    }
    let other = scripted(&[say(REMARK), say("more")]);
    let suggester = Suggester::new(&other, Some(&answers), limits(), &GO).unwrap();
    suggester.review(&excerpt(), Vec::new()).unwrap();
    assert_eq!(suggester.spent().asked, 1, "another model is asked anew");
}

#[test]
fn an_answer_of_another_form_is_asked_for_again_and_then_given_up() {
    let model = scripted(&[say("I think it is fine."), say(REMARK)]);
    let suggester = Suggester::new(&model, None, limits(), &GO).unwrap();
    assert_eq!(suggester.review(&excerpt(), Vec::new()).unwrap().found.len(), 1);
    assert_eq!(suggester.spent().malformed, 1);

    let model = scripted(&[say("one"), say("two"), say("three"), say(REMARK)]);
    let suggester = Suggester::new(&model, None, limits(), &GO).unwrap();
    assert!(matches!(suggester.review(&excerpt(), Vec::new()), Err(NoAnswer::Malformed(_))));
    assert_eq!(suggester.spent().asked, 3);

    let model = scripted(&[serde_json::json!({ "say": "same", "always": true })]);
    let suggester = Suggester::new(&model, None, limits(), &GO).unwrap();
    assert!(matches!(suggester.review(&excerpt(), Vec::new()), Err(NoAnswer::Malformed(_))));
    assert_eq!(suggester.spent().asked, 2, "the same answer twice is no progress");
}

#[test]
fn an_answer_with_the_fence_in_it_is_thrown_away() {
    let betraying = REMARK.replace("\"w\"", "\"the marker is {{nonce}}\"");
    let model = scripted(&[say(&betraying)]);
    let suggester = Suggester::new(&model, None, limits(), &GO).unwrap();
    assert_eq!(suggester.review(&excerpt(), Vec::new()), Err(NoAnswer::Betrayed));
}

#[test]
fn what_does_not_fit_is_an_error_and_evidence_that_does_not_is_counted() {
    let long = Excerpt {
        lines: (1..9_000)
            .map(|number| Shown { tag: change::Tag::Added, number, text: "x = 1".into(), is_exact: true })
            .collect(),
        ..excerpt()
    };
    let model = scripted(&[say(REMARK)]);
    let suggester = Suggester::new(&model, None, limits(), &GO).unwrap();
    assert_eq!(suggester.review(&long, Vec::new()), Err(NoAnswer::TooLong { window: 8192 }));
    let piece = |text: String| Piece { kind: Kind::Definition, title: "b.py".into(), text, value: 0.9 };
    let read = suggester.review(&excerpt(), vec![piece("y".repeat(90_000)), piece("z".into())]).unwrap();
    assert_eq!(read.left_out, 1);
}

fn finding(file: &SourceFile) -> Finding {
    let span = file.span(14..23);
    Finding {
        check: CheckId::from("test/plus"),
        category: crate::finding::Category::Bug,
        severity: crate::finding::Severity::Warning,
        confidence: crate::finding::Confidence::High,
        path: file.path.clone(),
        span,
        what: "plus".into(),
        why: String::new(),
        because: Vec::new(),
        cwe: None,
        url: None,
        fix: None,
        fingerprint: crate::finding::Fingerprint::default(),
    }
}

/// Asks for a patch of a check that finds every `+`.
fn mended(model: &Scripted) -> (Mended, Spent) {
    let file = file();
    let check = |file: &SourceFile| vec![finding(file); file.text.matches('+').count()];
    let found = check(&file);
    let allowed = LineSet::default();
    let suggester = Suggester::new(model, None, limits(), &GO).unwrap();
    let about = Piece { kind: Kind::Finding, title: String::new(), text: "plus".into(), value: 1.0 };
    let mended = suggester.mend(&file, &excerpt(), about, Vec::new(), &mut |fix| {
        let claim = Claim { file: &file, finding: &found[0], found: &found, allowed: &allowed, is_checked: true };
        prove(&claim, fix, &mut |patched| check(patched))
    });
    (mended.unwrap(), suggester.spent())
}

fn edit(quote: &str, replacement: &str) -> serde_json::Value {
    let edits = serde_json::json!([{ "quote": quote, "replacement": replacement }]);
    say(&serde_json::json!({ "explanation": "e", "edits": edits }).to_string())
}

#[test]
fn what_is_wrong_with_a_patch_goes_back_until_it_is_proven() {
    let model = scripted(&[
        edit("    c = a", "    c"),
        edit("    b = a + 1", "    b = (a - 1"),
        edit("    b = a + 1", "    b = a - 1"),
    ]);
    let (mended, spent) = mended(&model);
    assert_eq!(mended.issues.len(), 2, "{:?}", mended.issues);
    assert!(mended.issues[0].contains("not in the change") && mended.issues[1].contains("syntax errors"));
    assert_eq!((mended.patch.is_some(), spent.asked), (true, 3));
}

#[test]
fn a_patch_that_leaves_its_lines_or_keeps_its_finding_is_never_one() {
    let (mended, spent) = mended(&scripted(&[
        edit("def f(a):", "def g(a):"),
        edit("    b = a + 1", "    b = 1 + a"),
        edit("    b = a + 1", "    b = a + 1  # apprentice: allow test/plus -- fine"),
        edit("    b = a + 1", "    b = a - 1"),
    ]));
    assert_eq!((mended.patch, spent.asked), (None, 3), "three passes and no more");
    assert!(mended.issues[0].contains("outside the reviewed lines") && mended.issues[1].contains("still finds"));
}

#[test]
fn a_model_that_is_stuck_or_gives_up_is_not_asked_on() {
    let (stuck, spent) = mended(&scripted(&[edit("x", "y"), edit("x", "z"), edit("    b = a + 1", "    b = a")]));
    assert_eq!((stuck.patch, spent.asked), (None, 2), "the same thing is wrong twice");
    let none = say("{\"explanation\": \"no idea\", \"edits\": []}");
    let (none, spent) = mended(&scripted(&[none]));
    assert_eq!((none.patch, none.issues.len(), spent.asked), (None, 0, 1));
}

#[test]
fn a_message_is_words_that_git_takes() {
    let answer = serde_json::json!({
        "subject": "# Fix the\nthing, see https://evil.example", "body": "Because\n# it broke\n<!-- x -->"
    });
    let model = scripted(&[say(&answer.to_string())]);
    let suggester = Suggester::new(&model, None, limits(), &GO).unwrap();
    let message = suggester.message(vec![Piece::change(&excerpt())], Vec::new()).unwrap();
    assert_eq!(message.subject, "Fix the thing, see [link removed]");
    assert_eq!(message.body, "Because\nit broke");
}

#[test]
fn excerpts_show_every_touched_place_once_and_whole() {
    let before: String = (1..=300).map(|n| format!("line_{n} = {n}\n")).collect();
    let after = before
        .replace("line_20 = 20\n", "line_20 = 21\n")
        .replace("line_200 = 200\n", "")
        .replace("line_300 = 300\n", "");
    let diff = similar::TextDiff::from_lines(&before, &after).unified_diff().header("a/a.py", "b/a.py").to_string();
    let hunks = change::diff::parse(diff.as_bytes()).0.remove(0).hunks;
    let file = SourceFile::new(RepoPath::new("a.py").unwrap(), after.as_bytes().into(), 100_000).unwrap();
    let change = FileChange {
        status: Status::Modified,
        touched: change::added_lines(&hunks),
        hunks,
        ..FileChange::whole(file.path.clone(), None)
    };
    let excerpts = Excerpt::of(&change, &file);
    let texts: Vec<String> = excerpts.iter().map(Excerpt::text).collect();
    assert_eq!(texts.len(), 3);
    assert!(texts[0].contains("-line_20 = 20\n+line_20 = 21\n") && texts[0].contains(" line_28 = 28\n"));
    assert!(!texts[0].contains("line_29") && texts[1].contains("-line_200 = 200\n line_201 = 201\n"));
    assert!(texts[2].ends_with(" line_299 = 299\n-line_300 = 300\n"));
}

#[test]
fn a_long_stretch_is_cut_and_loses_nothing() {
    let text: String =
        (0..1000).map(|n| if n % 40 == 0 { "\n".to_owned() } else { format!("    x{n} = {n}\n") }).collect();
    let file = SourceFile::new(RepoPath::new("a.py").unwrap(), text.as_bytes().into(), 100_000).unwrap();
    let excerpts = Excerpt::of(&changed(&file), &file);
    let numbers: Vec<u32> = excerpts.iter().flat_map(|part| part.lines.iter().map(|line| line.number)).collect();
    assert_eq!(numbers, (1..=1000).collect::<Vec<u32>>());
    assert!(excerpts.len() > 6 && excerpts[..6].iter().all(|part| part.lines.last().unwrap().text.is_empty()));
}

#[test]
fn what_is_put_beside_a_question_fills_the_window_and_never_more() {
    let model = scripted(&[say(REMARK)]);
    let suggester = Suggester::new(&model, None, limits(), &GO).unwrap();
    let small = |n: usize| Piece { kind: Kind::Code, title: format!("{n}.py"), text: format!("x{n}"), value: 0.5 };
    let read = suggester.review(&excerpt(), (0..2_000).map(small).collect()).unwrap();
    assert!(read.left_out > 100 && read.left_out < 2_000, "{}", read.left_out);
    let took = suggester.spent().usage.prompt;
    assert!((7_000..8_192).contains(&took), "{took}");
}
