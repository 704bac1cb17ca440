//! Do the checks on workflows, Dockerfiles and SQL stand files that are torn?

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::{
    change::FileChange,
    check::{
        Target,
        rule::{Example, Rule, RuleSet},
    },
    config::Layers,
    source::{RepoPath, SourceFile},
};

const FOLDERS: &[(&str, &str)] =
    &[("github-actions", ".github/workflows/a.yml"), ("dockerfile", "Dockerfile"), ("sql", "a.sql")];

fn default_path(rule: &str) -> Option<&'static str> {
    FOLDERS.iter().find(|(folder, _)| rule.split('/').next() == Some(folder)).map(|(_, path)| *path)
}

static RULES: LazyLock<RuleSet> = LazyLock::new(|| RuleSet::builtin().filtered(|id| default_path(id).is_some()));

/// Path and code of everything the rules find something in.
static SAMPLES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let examples = |rule: &Rule| {
        let default = default_path(&rule.id).unwrap();
        let of = |example: Example| (example.path.unwrap_or_else(|| default.to_owned()), example.code);
        rule.doc().unwrap().invalid.into_iter().map(of).collect::<Vec<_>>()
    };
    RULES.iter().flat_map(examples).collect()
});

fn findings(path: &str, code: &str) -> usize {
    let path = RepoPath::new(path).unwrap();
    let file = SourceFile::new(path.clone(), code.as_bytes().into(), 1 << 20).unwrap();
    let config = Layers::default().resolve().unwrap();
    let change = FileChange::whole(path, None);
    RULES.run(&Target::new(&file, None, &change, &config.checks), &mut |error| panic!("{error}")).len()
}

/// The last place at or before a byte where a character starts.
fn boundary(text: &str, at: usize) -> usize {
    (0..=at).rev().find(|&at| text.is_char_boundary(at)).unwrap()
}

#[test]
fn whole_samples_are_found() {
    let silent = SAMPLES.iter().filter(|(path, code)| findings(path, code) == 0).count();
    assert!(SAMPLES.len() > 100 && silent == 0, "{silent} of {} samples are silent", SAMPLES.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn torn_files_are_judged_without_a_panic(
        sample in any::<prop::sample::Index>(),
        cut in any::<prop::sample::Index>(),
        length in 0..30usize,
        put in prop::sample::select(vec![
            "", "é", "${{", "}}", "'", "\"", "\r\n", "\\\n", "|\n", "&a ", "*a", "<<EOF\n", "{", "[", ": ", "- ",
        ]),
    ) {
        let (path, code) = &SAMPLES[sample.index(SAMPLES.len())];
        let start = boundary(code, cut.index(code.len()));
        let end = boundary(code, (start + length).min(code.len()));
        findings(path, &format!("{}{put}{}", &code[..start], &code[end..]));
    }
}
