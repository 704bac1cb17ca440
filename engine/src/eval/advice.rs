//! What did a model do? Its answers counted, and its patches held against the text once more, by other means than those
//! that proved them.

use serde::Serialize;

use super::{DefectsRow, edited_file};
use crate::{
    check,
    patch::{VerifiedPatch, syntax_errors},
    pipeline::Engine,
    review::Review,
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
    /// Labelled bugs that the model was told of and asked to mend.
    pub told_bugs: usize,
    /// Reviews in which the model could not be asked to the end.
    pub failures: usize,
}

impl Advice {
    /// What a model did in one review; `None` where none was asked.
    pub(super) fn of(engine: &Engine, row: &DefectsRow, review: &Review) -> Option<Self> {
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
            let change = review.change.files.iter().find(|change| change.path == file.path);
            let own = reviewed.finding.span.lines();
            let may = |line: u32| own.contains(&line) || change.is_some_and(|change| change.touched.contains(line));
            advice.count(engine, row, patch, file, &may);
        }
        Some(advice)
    }

    /// Tells the model where the labelled bug is and what the program should do, and asks it to mend it.
    pub(super) fn of_repair(engine: &Engine, row: &DefectsRow) -> Option<Self> {
        let (first, last) = (row.bug_lines.iter().min()?, row.bug_lines.iter().max()?);
        let versions = edited_file(&row.lang, "", &row.buggy);
        let what = format!("The program does not do what it should. {}", row.spec.as_deref().unwrap_or_default());
        let repair = engine.repair(versions, (*first, *last), &what)?;
        let mut advice = Self {
            asked: repair.spent.asked,
            kept: repair.spent.kept,
            malformed: repair.spent.malformed,
            tokens: (repair.spent.usage.prompt, repair.spent.usage.reused, repair.spent.usage.answer),
            failures: usize::from(repair.patch.is_err()),
            told_bugs: 1,
            ..Self::default()
        };
        if let Ok((patch, tries)) = &repair.patch {
            advice.unproven += tries;
            if let Some(patch) = patch {
                let file = SourceFile::new(patch.path().clone(), row.buggy.as_bytes().into(), u64::MAX).ok()?;
                advice.count(engine, row, patch, &file, &|_| true);
            }
        }
        Some(advice)
    }

    /// Counts a patch that is offered, and whether it holds.
    fn count(
        &mut self,
        engine: &Engine,
        row: &DefectsRow,
        patch: &VerifiedPatch,
        file: &SourceFile,
        may: &dyn Fn(u32) -> bool,
    ) {
        self.patches += 1;
        self.holding += usize::from(holds(engine, row, patch, file, may));
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let after = patch.apply(&file.bytes).unwrap_or_default();
        self.exact += usize::from(words(&String::from_utf8_lossy(&after)) == words(&row.fixed));
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
        self.told_bugs += other.told_bugs;
        self.failures += other.failures;
    }
}

/// Whether a patch applies, changes something, keeps to its lines, breaks no syntax, and gives rise to nothing that a
/// review of the patched text by rules alone would tell.
fn holds(
    engine: &Engine,
    row: &DefectsRow,
    patch: &VerifiedPatch,
    file: &SourceFile,
    may: &dyn Fn(u32) -> bool,
) -> bool {
    let Ok(after) = patch.apply(&file.bytes) else { return false };
    let Ok(after) = String::from_utf8(after) else { return false };
    let inside = patch.edits().iter().all(|edit| file.span(edit.start..edit.end).lines().all(may));
    let Ok(patched) = SourceFile::new(file.path.clone(), after.as_bytes().into(), u64::MAX) else { return false };
    let errors = |file: &SourceFile| check::parse(file).map_or(0, |tree| syntax_errors(&tree));
    let told = |text: &str| {
        let review = engine.review_without_model(edited_file(&row.lang, "", text));
        review.told().count()
    };
    after != *file.text && inside && errors(&patched) <= errors(file) && told(&after) <= told(&file.text)
}
