//! Does the model say what the file says?

use super::*;
use crate::{
    check::parse,
    source::{RepoPath, SourceFile},
};

fn with_model(text: &str, judge: impl Fn(&Workflow<'_>)) {
    let file =
        SourceFile::new(RepoPath::new(".github/workflows/a.yml").unwrap(), text.as_bytes().into(), 1 << 20).unwrap();
    let document = super::super::yaml::read(&parse(&file).unwrap(), &file.text).unwrap();
    judge(&Workflow::new(FileKind::Workflow, &document));
}

const BUILD: &str = r#"
on: {push: , "pull_request": {branches: [main]}}
permissions: read-all
jobs:
  build:
    strategy:
      matrix:
        os: [ubuntu-latest, windows-latest]
        exclude: [{os: windows-latest}]
    runs-on: ${{ matrix.os }}
    steps:
      - uses: Actions/Checkout@v4
      - &test
        run: >-
          make
          test
      - *test
"#;

#[test]
fn the_model_reads_flow_style_quotes_and_aliases() {
    with_model(BUILD, |workflow| {
        let names: Vec<&str> = workflow.triggers.iter().map(|trigger| trigger.name.text.as_str()).collect();
        assert_eq!(names, ["push", "pull_request"]);
        let job = &workflow.jobs[0];
        assert_eq!(job.steps.len(), 3);
        assert_eq!(job.steps[2].run().unwrap().text, "make test");
        assert!(job.steps[0].uses().unwrap().is("actions/checkout"));
        assert_eq!(job.steps[0].uses().unwrap().major(), Some(4));
    });
}

#[test]
fn what_a_matrix_excludes_does_not_run() {
    with_model(BUILD, |workflow| assert_eq!(workflow.jobs[0].is_windows(), Some(false)));
}

#[test]
fn rights_are_the_jobs_own_or_else_the_workflows() {
    with_model(BUILD, |workflow| {
        assert_eq!(workflow.right(Some(&workflow.jobs[0]), "contents"), Some("read"));
        assert_eq!(workflow.right(None, "id-token"), Some("read"));
    });
}

#[test]
fn a_file_is_what_its_keys_say() {
    let kind = |path: &str, text: &str| {
        let file = SourceFile::new(RepoPath::new("a.yml").unwrap(), text.as_bytes().into(), 1 << 20).unwrap();
        FileKind::of(path, &super::super::yaml::read(&parse(&file).unwrap(), &file.text).unwrap().root)
    };
    assert_eq!(kind(".github/workflows/a.yml", "on: push\njobs: {}\n"), Some(FileKind::Workflow));
    assert_eq!(kind("a/action.yaml", "runs: {using: node20}\n"), Some(FileKind::Action));
    assert_eq!(kind(".github/dependabot.yml", "version: 2\nupdates: []\n"), Some(FileKind::Dependabot));
    assert_eq!(kind("a/b.yml", "on: push\njobs: {}\n"), None);
    assert_eq!(kind(".github/workflows/labels.yml", "a: 1\n"), None);
}
