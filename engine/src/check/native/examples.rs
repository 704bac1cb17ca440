//! Do the rules for workflows, Dockerfiles and SQL say of their own examples what they promise?

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::{
    change::FileChange,
    check::{
        Target, parse,
        rule::{Example, Rule, RuleSet},
    },
    config::Layers,
    edit::{self, Edit},
    finding::Finding,
    patch::syntax_errors,
    source::{RepoPath, SourceFile},
};

const FOLDERS: &[(&str, &str)] =
    &[("github-actions", ".github/workflows/example.yml"), ("dockerfile", "Dockerfile"), ("sql", "example.sql")];

fn find(rule: &str, path: &str, code: &str) -> (SourceFile, Vec<Finding>) {
    let path = RepoPath::new(path).unwrap();
    let file = SourceFile::new(path.clone(), code.as_bytes().into(), 1 << 20).unwrap();
    let change = FileChange::whole(path, None);
    let config = Layers::default().resolve().unwrap();
    let rules = RuleSet::builtin().filtered(|id| id == rule);
    let findings = rules.run(&Target::new(&file, None, &change, &config.checks), &mut |error| panic!("{error}"));
    (file, findings)
}

fn fixed(file: &SourceFile, findings: &[Finding]) -> String {
    let mut edits: Vec<Edit> = Vec::new();
    for fix in findings.iter().filter_map(|finding| finding.fix.as_ref()) {
        if fix.edits().iter().all(|edit| edits.iter().all(|other| !edit::conflicts(edit, other))) {
            edits.extend(fix.edits().iter().cloned());
        }
    }
    edits.sort();
    String::from_utf8(edit::apply(&file.bytes, &edits).unwrap()).unwrap()
}

fn judge(rule: &Rule, default: &str) -> Vec<String> {
    let doc = rule.doc().unwrap();
    let path = |example: &Example| example.path.clone().unwrap_or_else(|| default.to_owned());
    let mut wrong = Vec::new();
    for (at, example) in doc.valid.iter().enumerate() {
        if let Some(finding) = find(&rule.id, &path(example), &example.code).1.first() {
            wrong.push(format!("{} valid[{at}]: line {}: {}", rule.id, finding.span.from.line, finding.what));
        }
    }
    for (at, example) in doc.invalid.iter().enumerate() {
        let (file, findings) = find(&rule.id, &path(example), &example.code);
        let mut lines: Vec<u32> = findings.iter().map(|finding| finding.span.from.line).collect();
        lines.dedup();
        if lines.is_empty() || example.lines.as_ref().is_some_and(|expected| *expected != lines) {
            wrong.push(format!("{} invalid[{at}]: found on {lines:?}, not {:?}", rule.id, example.lines));
        }
        let after = fixed(&file, &findings);
        if after != example.fixed.clone().unwrap_or_else(|| example.code.clone()) {
            wrong.push(format!("{} invalid[{at}]: fixed differently:\n{after}", rule.id));
        }
    }
    wrong.extend(doc.invalid.iter().enumerate().filter_map(|(at, example)| {
        let why = mends(rule, &path(example), &example.code)?;
        Some(format!("{} invalid[{at}]: {why}", rule.id))
    }));
    if doc.valid.len() < 2 || doc.invalid.len() < 2 {
        wrong.push(format!("{} has too few examples", rule.id));
    }
    wrong
}

/// Why the fixes of an example do not hold: the result says as much as before, or parses worse.
fn mends(rule: &Rule, path: &str, code: &str) -> Option<&'static str> {
    let (file, before) = find(&rule.id, path, code);
    if before.iter().all(|finding| finding.fix.is_none()) {
        return None;
    }
    let (patched, after) = find(&rule.id, path, &fixed(&file, &before));
    let errors = |file: &SourceFile| parse(file).map_or(0, |tree| syntax_errors(&tree));
    if errors(&patched) > errors(&file) {
        Some("its fix breaks the syntax")
    } else {
        (after.len() >= before.len()).then_some("its fix leaves the finding")
    }
}

fn every_rule(path: &str, code: &str) -> usize {
    let path = RepoPath::new(path).unwrap();
    let Ok(file) = SourceFile::new(path.clone(), code.as_bytes().into(), 1 << 20) else { return 0 };
    let config = Layers::default().resolve().unwrap();
    let change = FileChange::whole(path, None);
    RULES.run(&Target::new(&file, None, &change, &config.checks), &mut |error| panic!("{error}")).len()
}

static RULES: LazyLock<RuleSet> = LazyLock::new(|| {
    RuleSet::builtin().filtered(|id| FOLDERS.iter().any(|(folder, _)| id.split('/').next() == Some(folder)))
});

/// Path and code of everything the rules find something in.
static SAMPLES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let examples = |rule: &Rule| {
        let default = FOLDERS.iter().find(|(folder, _)| rule.id.split('/').next() == Some(folder)).unwrap().1;
        let of = |example: Example| (example.path.unwrap_or_else(|| default.to_owned()), example.code);
        rule.doc().unwrap().invalid.into_iter().map(of).collect::<Vec<_>>()
    };
    RULES.iter().flat_map(examples).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn torn_files_are_judged_without_a_panic(
        sample in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        length in 0..30usize,
        put in prop::sample::select(vec!["", "é", "${{", "}}", "'", "\"", "\r\n", "\\\n", "|\n", "&a ", "*a", "<<EOF\n", "{", "[", ": ", "- "]),
    ) {
        let (path, code) = &SAMPLES[sample.index(SAMPLES.len())];
        let start = code.floor_char_boundary(cut.index(code.len()));
        let end = code.floor_char_boundary((start + length).min(code.len()));
        every_rule(path, &format!("{}{put}{}", &code[..start], &code[end..]));
    }
}

#[test]
fn every_example_is_judged_as_it_says() {
    let rules = RuleSet::builtin();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for rule in rules.iter() {
        let Some((_, default)) = FOLDERS.iter().find(|(folder, _)| rule.id.split('/').next() == Some(folder)) else {
            continue;
        };
        seen += 1;
        wrong.extend(judge(rule, default));
    }
    let silent = SAMPLES.iter().filter(|(path, code)| every_rule(path, code) == 0).count();
    assert_eq!(silent, 0, "the torn files are made of examples that are judged");
    assert!(seen > 0 && wrong.is_empty(), "{} of {seen} rules:\n{}", wrong.len(), wrong.join("\n"));
}
