//! Is a secret written into the file?

use crate::{
    check::{Meta, Target},
    finding::{Confidence, Finding},
    secret::{self, Certainty, Secret},
    source::{RepoPath, SourceFile},
};

/// Every secret of the file, each told by its kind and never by itself. Where files are made of stand-ins (tests,
/// fixtures, documents), only what a provider's own shape proves is told.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let file = target.file;
    let holds_stand_ins = holds_stand_ins(&file.path);
    let is_lock = is_lock_file(&file.path);
    for secret in secret::find(&file.text) {
        let told = match secret.certainty {
            Certainty::Shape => true,
            Certainty::Form => !holds_stand_ins,
            Certainty::Name => !holds_stand_ins && !is_lock,
        };
        if told {
            findings.push(finding(meta, file, &secret));
        }
    }
}

fn finding(meta: &Meta, file: &SourceFile, secret: &Secret) -> Finding {
    let mut finding = meta.finding(file, shown(file, secret));
    let prefix = file.text.get(secret.bytes.start..secret.bytes.start + secret.public_prefix).unwrap_or("");
    finding.what = match prefix {
        "" => format!("a {} is written into the file", secret.kind),
        prefix => format!("{} {} (`{}…`) is written into the file", article(secret.kind), secret.kind, prefix.trim()),
    };
    if secret.certainty == Certainty::Name {
        finding.confidence = Confidence::Medium;
    }
    finding
}

/// The secret, or the first line of one that has several.
fn shown(file: &SourceFile, secret: &Secret) -> std::ops::Range<usize> {
    let text = &file.text[secret.bytes.clone()];
    let first = text.find('\n').unwrap_or(text.len());
    secret.bytes.start..secret.bytes.start + first
}

fn article(kind: &str) -> &'static str {
    if kind.starts_with(['A', 'O', 'a']) { "an" } else { "a" }
}

fn holds_stand_ins(path: &RepoPath) -> bool {
    const FOLDERS: &[&str] = &[
        "test",
        "tests",
        "testdata",
        "testing",
        "__tests__",
        "spec",
        "specs",
        "fixture",
        "fixtures",
        "__fixtures__",
        "mock",
        "mocks",
        "__mocks__",
        "example",
        "examples",
        "sample",
        "samples",
        "doc",
        "docs",
        "e2e",
        "cassettes",
        "snapshots",
        "__snapshots__",
        "demo",
        "demos",
        "locale",
        "locales",
        "i18n",
        "benches",
        "benchmarks",
    ];
    const ENDINGS: &[&str] =
        &[".md", ".rst", ".adoc", ".mdx", ".ipynb", ".example", ".sample", ".template", ".dist", ".snap"];
    let lower = path.as_str().to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let stem = name.split('.').next().unwrap_or(name);
    lower.rsplit('/').skip(1).any(|folder| FOLDERS.contains(&folder))
        || ENDINGS.iter().any(|ending| name.ends_with(ending))
        || stem.starts_with("test_")
        || ["_test", "_spec", "test", "tests"].iter().any(|ending| stem.ends_with(ending))
        || name.contains(".test.")
        || name.contains(".spec.")
}

fn is_lock_file(path: &RepoPath) -> bool {
    const NAMES: &[&str] =
        &["package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "go.sum", "packages.lock.json", "flake.lock"];
    let name = path.file_name();
    NAMES.contains(&name) || name.ends_with(".lock") || name.ends_with(".sum")
}
