//! Rules and patches: whatever the text, each proven patch parses, clears its finding and is not made twice.

use std::{collections::HashMap, sync::LazyLock};

use engine::{
    change::{Change, FileChange, Origin, Versions},
    check::{self, rule::RuleSet},
    config::{Config, Layers},
    edit::Applicability,
    patch,
    pipeline::Engine,
    review::{Baseline, Review},
    source::{Language, Memory, RepoPath, SourceFile},
};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
    let config: Config = Layers::default().resolve().expect("the defaults");
    Engine::new(config, RuleSet::builtin(), Baseline::default()).expect("an engine")
});

/// Every example of every rule, its language's number before it.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for rule in RuleSet::builtin().iter() {
        let Ok(doc) = rule.doc() else { continue };
        let languages = if rule.languages.is_empty() { Language::ALL } else { &rule.languages };
        let numbers = languages.iter().filter_map(|language| Language::ALL.iter().position(|other| other == language));
        for number in numbers.take(3) {
            for example in doc.valid.iter().chain(&doc.invalid) {
                seeds.push([&[number as u8], example.code.as_bytes()].concat());
            }
        }
    }
    seeds
}

/// A file of the language that the first byte names, with the rest as its text.
pub(super) fn file(input: &[u8]) -> Option<SourceFile> {
    let (&number, text) = input.split_first()?;
    let language = Language::ALL[usize::from(number) % Language::ALL.len()];
    let path = RepoPath::new(format!("src/f.{}", language.extension())).ok()?;
    SourceFile::new(path, text.into(), u64::MAX).ok()
}

fn versions(path: &RepoPath, text: &[u8]) -> Versions {
    Versions {
        change: Change { origin: Origin::All, files: vec![FileChange::whole(path.clone(), None)] },
        old: Memory::default().into_arc(),
        new: Memory::of(path.clone(), text).into_arc(),
        notices: Vec::new(),
    }
}

trait IntoArc: Sized {
    fn into_arc(self) -> std::sync::Arc<Self> {
        std::sync::Arc::new(self)
    }
}
impl IntoArc for Memory {}

/// With more, one input would take as long as a thousand others.
const MOST_PATCHES: usize = 5;

pub(crate) fn run(input: &[u8]) {
    let Some(file) = file(input) else { return };
    let review = ENGINE.review(versions(&file.path, &file.bytes));
    assert!(!review.is_incomplete(), "{:?}", review.notices);
    let before = counts(&review);
    // Each patch held to its word takes a whole review, in which every patch is proven again.
    let patches = review.findings.iter().filter(|reviewed| reviewed.patch.is_some()).count();
    if patches == 0 || patches > MOST_PATCHES {
        return;
    }
    for reviewed in &review.findings {
        let span = &reviewed.finding.span;
        assert!(span.start <= span.end && span.end <= file.bytes.len(), "{reviewed:?}");
        let Some(patch) = &reviewed.patch else { continue };
        let patched = patch.apply(&file.bytes).expect("it applies");
        let parsed = SourceFile::new(file.path.clone(), patched.clone().into(), u64::MAX).expect("a text");
        assert!(errors(&parsed) <= errors(&file), "a patch of {} breaks the syntax", reviewed.finding.check);
        let after = counts(&ENGINE.review(versions(&file.path, &patched)));
        for (check, many) in &after {
            let had = before.get(check).copied().unwrap_or(0);
            let own = *check == reviewed.finding.check.to_string();
            assert!(*many + usize::from(own) <= had, "a patch of {} leaves {many} of {check}", reviewed.finding.check);
        }
    }
    mending_ends(&file);
}

fn counts(review: &Review) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for reviewed in &review.findings {
        *counts.entry(reviewed.finding.check.to_string()).or_default() += 1;
    }
    counts
}

fn errors(file: &SourceFile) -> usize {
    check::parse(file).map_or(0, |tree| patch::syntax_errors(&tree))
}

/// Making every patch and then every patch again changes nothing more.
fn mending_ends(file: &SourceFile) {
    let start = versions(&file.path, &file.bytes);
    let (mended, notices) = ENGINE.mend(&start, Applicability::Unsafe);
    let [mended] = mended.as_slice() else { return };
    assert!(notices.is_empty(), "{notices:?}");
    assert!(start.new.list().is_ok_and(|paths| paths.len() == 1));
    let (again, _) = ENGINE.mend(&versions(&file.path, &mended.after), Applicability::Unsafe);
    assert!(again.is_empty(), "{:?} after {:?}", again.first().map(|file| &file.applied), mended.applied);
}
