//! Is every answer kept as it was given, and can it be read again?

use kit::TempRepo;

#[test]
fn an_answer_is_recorded_listed_and_exported() {
    let mut repo = TempRepo::empty();
    repo.set("APPRENTICE_LINTERS__ENABLE", "false");
    repo.git(&["config", "user.name", "Grace"]);
    repo.stage("src/a.py", "value = eval(input())\n");
    let review = repo.apprentice(&["review", "--format", "json", "--fail-on", "never"]).expect_code(0).json();
    let print = review["findings"][0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    let record = |answer: &str, more: &[&str]| {
        let all = [&["feedback", "record", &print[..9], answer][..], more].concat();
        repo.apprentice(&all).expect_code(0);
    };
    record("applied", &["--path", "src/a.py"]);
    record("useful", &["--why", "saved me"]);
    record("not-useful", &[]);
    record("rejected", &["--why", "we want\u{1b}[31m this"]);
    let exported = repo.apprentice(&["feedback", "export"]).expect_code(0).out;
    let entries: Vec<serde_json::Value> =
        exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let kinds: Vec<_> = entries.iter().map(|entry| entry["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(kinds, ["applied", "reaction", "reply", "reaction", "rejected"]);
    assert_eq!((&entries[0]["path"], &entries[0]["who"]), (&"src/a.py".into(), &"Grace".into()));
    assert_eq!(
        (&entries[1]["what"], &entries[2]["what"], &entries[3]["what"]),
        (&"+1".into(), &"saved me".into(), &"-1".into())
    );
    assert_eq!(entries[4]["what"], "we want\u{1b}[31m this");
    assert!(entries.iter().all(|entry| entry["permission"] == "write" && entry["fingerprint"] == *print));

    let listed = repo.apprentice(&["feedback", "list"]).expect_code(0).out;
    assert!(
        listed.lines().count() == 5
            && listed.contains("by Grace: saved me  python/")
            && listed.contains(" src/a.py  (recorded by hand)"),
        "{listed}"
    );
    assert!(!listed.contains('\u{1b}'), "{listed:?}");
    let json = repo.apprentice(&["feedback", "list", "--json"]).expect_code(0).json();
    assert_eq!(json.as_array().map(Vec::as_slice), Some(&entries[..]));
    repo.apprentice(&["feedback", "export", "--output", "out.jsonl"]).expect_code(0);
    assert_eq!(repo.text("out.jsonl"), exported);
}

#[test]
fn the_finding_that_is_meant_must_be_clear() {
    let mut repo = TempRepo::empty();
    repo.set("APPRENTICE_LINTERS__ENABLE", "false");
    for path in ["a.py", "b.py"] {
        repo.stage(path, "value = eval(input())\n");
    }
    let review = repo.apprentice(&["review", "--format", "json", "--fail-on", "never"]).expect_code(0).json();
    let print = review["findings"][0]["fingerprint"].as_str().expect("a fingerprint").to_owned();
    repo.apprentice(&["feedback", "record", &print, "useful"]).expect_code(2).expect_said("say which with --path");
    repo.apprentice(&["feedback", "record", &print, "useful", "--path", "b.py"]).expect_code(0);
    repo.stage("c.py", "import yaml\nyaml.load(x)\nprint(1 == None)\n");
    repo.apprentice(&["review", "--fail-on", "never"]).expect_code(0);
    repo.apprentice(&["feedback", "record", "", "useful"]).expect_code(2).expect_said("could be several");
}

#[test]
fn where_nothing_was_answered_or_nothing_can_be_it_says_so() {
    TempRepo::empty().apprentice(&["feedback", "list"]).expect_code(0).expect_said("no answers yet");
    let wrong = ["feedback", "record", "xyz", "useful"];
    TempRepo::empty().apprentice(&wrong).expect_code(2).expect_said("told a finding `xyz`");
    TempRepo::bare_folder().apprentice(&["feedback", "list"]).expect_code(2).expect_said("error:");
}
