//! Do the rules for workflows, Dockerfiles and SQL say of their own examples what they promise?

use crate::{
    change::FileChange,
    check::{
        Target,
        rule::{Example, Rule, RuleSet},
    },
    config::Layers,
    edit::{self, Edit},
    finding::Finding,
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
    if doc.valid.len() < 2 || doc.invalid.len() < 2 {
        wrong.push(format!("{} has too few examples", rule.id));
    }
    wrong
}

#[test]
fn every_example_is_judged_as_it_says() {
    let rules = RuleSet::builtin();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for rule in rules.iter() {
        let Some((_, default)) = FOLDERS.iter().find(|(folder, _)| rule.id.split('/').next() == Some(folder)) else { continue };
        seen += 1;
        wrong.extend(judge(rule, default));
    }
    assert!(seen > 0 && wrong.is_empty(), "{} of {seen} rules:\n{}", wrong.len(), wrong.join("\n"));
}
