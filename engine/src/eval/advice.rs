//! What did a model do? Its answers counted, and its patches held against the text once more, by other means than those
//! that proved them.

use serde::Serialize;

use super::{DefectsRow, edited_file};
use crate::{
    check,
    patch::{VerifiedPatch, syntax_errors},
    pipeline::Engine,
    review::{Review, Reviewed},
    source::SourceFile,
};

/// What a model did over some rows.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Advice {
    /// Questions it was asked.
    pub asked: usize,
    /// Questions that were answered before.
    pub kept: usize,
    /// Answers that were not the JSON that was asked for.
    pub malformed: usize,
    /// Tokens of questions, of these read before, and of answers.
    pub tokens: (usize, usize, usize),
    /// Findings of the model, told or not.
    pub findings: usize,
    /// Patches that are offered.
    pub patches: usize,
    /// How many of these hold when everything is looked at again from the start.
    pub holding: usize,
    /// Attempts that were no patch.
    pub unproven: usize,
    /// Patches that give the labelled fix, white space aside.
    pub exact: usize,
    /// Reviews in which the model could not be asked to the end.
    pub failures: usize,
}

impl Advice {
    /// What a model did in one review; `None` where none was asked.
    pub(super) fn of(engine: &Engine, row: &DefectsRow, review: &Review, fixed: &str) -> Option<Self> {
        let spent = review.spent.as_ref()?;
        let mut advice = Self {
            asked: spent.asked,
            kept: spent.kept,
            malformed: spent.malformed,
            tokens: (spent.usage.prompt, spent.usage.reused, spent.usage.answer),
            failures: usize::from(review.is_incomplete()),
            ..Self::default()
        };
        for reviewed in &review.findings {
            let is_own = reviewed.finding.check.0.starts_with("model/");
            advice.findings += usize::from(is_own);
            advice.unproven += usize::from(is_own && reviewed.unproven.is_some());
            let (Some(patch), Some(file)) = (&reviewed.patch, review.file(&reviewed.finding.path)) else { continue };
            advice.patches += 1;
            advice.holding += usize::from(holds(engine, row, review, reviewed, patch, file));
            let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let after = patch.apply(&file.bytes).unwrap_or_default();
            advice.exact += usize::from(words(&String::from_utf8_lossy(&after)) == words(fixed));
        }
        Some(advice)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.asked += other.asked;
        self.kept += other.kept;
        self.malformed += other.malformed;
        self.tokens.0 += other.tokens.0;
        self.tokens.1 += other.tokens.1;
        self.tokens.2 += other.tokens.2;
        self.findings += other.findings;
        self.patches += other.patches;
        self.holding += other.holding;
        self.unproven += other.unproven;
        self.exact += other.exact;
        self.failures += other.failures;
    }
}

/// Whether a patch applies, changes something, keeps to its lines, breaks no syntax, and gives rise to nothing that a
/// review of the patched text by rules alone would tell.
fn holds(
    engine: &Engine,
    row: &DefectsRow,
    review: &Review,
    reviewed: &Reviewed,
    patch: &VerifiedPatch,
    file: &SourceFile,
) -> bool {
    let Ok(after) = patch.apply(&file.bytes) else { return false };
    let Ok(after) = String::from_utf8(after) else { return false };
    let change = review.change.files.iter().find(|change| change.path == file.path);
    let own = reviewed.finding.span.lines();
    let may = |line: u32| own.contains(&line) || change.is_some_and(|change| change.touched.contains(line));
    let inside = patch.edits().iter().all(|edit| file.span(edit.start..edit.end).lines().all(may));
    let Ok(patched) = SourceFile::new(file.path.clone(), after.as_bytes().into(), u64::MAX) else { return false };
    let errors = |file: &SourceFile| check::parse(file).map_or(0, |tree| syntax_errors(&tree));
    let told = |text: &str| {
        let review = engine.review_without_model(edited_file(&row.lang, "", text));
        review.told().count()
    };
    after != *file.text && inside && errors(&patched) <= errors(file) && told(&after) <= told(&file.text)
}
