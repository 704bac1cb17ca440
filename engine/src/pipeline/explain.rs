//! What stands beside the findings that are told? Evidence from the index, where there is one.

use std::collections::HashMap;

use super::{Engine, says_generated};
use crate::{
    change::{Change, FileChange, Kind, Status},
    check::{
        Target,
        twin::{Elsewhere, Twins},
    },
    finding::{Category, Finding, Severity},
    notice::{self, Notice},
    recall::{
        IndexError,
        evidence::{Question, Reading},
    },
    review::{Reviewed, Standing},
    source::{Content, RepoPath, SourceFile, Sources},
};

/// The most findings of one review that are given evidence, the gravest first.
const MOST_EXPLAINED: usize = 20;

/// What the index knows, held against the two versions under review.
pub(super) struct Known<'a> {
    pub(super) engine: &'a Engine,
    pub(super) reading: &'a Reading<'a>,
    pub(super) change: &'a Change,
    pub(super) old: &'a dyn Sources,
    pub(super) new: &'a dyn Sources,
}

/// What is said of an index that is there and cannot be read. A review needs none, so it is no failure.
pub(super) fn trouble(reading: Reading<'_>) -> Option<Notice> {
    let error: IndexError = reading.trouble()?;
    let told = Notice::note("index", format!("findings have no evidence: {}", notice::chain(&error)));
    Some(match error.advice() {
        Some(advice) => told.advise(advice),
        None => told,
    })
}

impl Known<'_> {
    /// Puts evidence beside the findings that are told.
    pub(super) fn explain(&self, findings: &mut [Reviewed], files: &[SourceFile]) {
        let most = self.engine.config.recall.evidence as usize;
        let mut told: Vec<&mut Reviewed> =
            findings.iter_mut().filter(|reviewed| reviewed.standing == Standing::Told).collect();
        told.retain(|reviewed| self.is_about_code(&reviewed.finding));
        told.sort_by_key(|reviewed| std::cmp::Reverse((reviewed.finding.severity, reviewed.finding.confidence)));
        let mut seen: HashMap<RepoPath, Vec<Finding>> = HashMap::new();
        for reviewed in told.into_iter().take(MOST_EXPLAINED).filter(|_| most > 0) {
            let finding = &mut reviewed.finding;
            let at = files.binary_search_by(|file| file.path.cmp(&finding.path)).ok();
            if let Some(file) = at.map(|at| &files[at]) {
                self.explain_one(finding, file, most, &mut seen);
            }
        }
    }

    fn explain_one(
        &self,
        finding: &mut Finding,
        file: &SourceFile,
        most: usize,
        seen: &mut HashMap<RepoPath, Vec<Finding>>,
    ) {
        let Some(index) = self.reading.searcher() else { return };
        let seen = std::cell::RefCell::new(seen);
        let lines = |other: &SourceFile| -> Vec<u32> {
            let mut seen = seen.borrow_mut();
            let found = seen.entry(other.path.clone()).or_insert_with(|| self.look_at(other));
            found.iter().filter(|found| found.check == finding.check).map(|found| found.span.from.line).collect()
        };
        let question =
            Question { finding, file, new: self.new, same_check: &lines, is_shown: &|path| self.is_shown(path), most };
        let evidence = self.reading.noted(index.evidence(&question)).unwrap_or_default();
        finding.because.extend(evidence.iter().filter_map(|piece| piece.because(self.new)));
    }

    /// Whether the repository's code can say something of it: rules that read any text whatever are about the text.
    fn is_about_code(&self, finding: &Finding) -> bool {
        let reads_code = self.engine.rules.get(&finding.check.0).is_none_or(|rule| !rule.languages.is_empty());
        let is_small = matches!(finding.category, Category::Style | Category::Documentation);
        reads_code && !is_small && finding.severity >= Severity::Info
    }

    /// What our own rules say of a file as it is.
    fn look_at(&self, file: &SourceFile) -> Vec<Finding> {
        let change = FileChange::whole(file.path.clone(), None);
        let target = Target::new(file, None, &change, &self.engine.config.checks);
        // A rule that does not compile was told when the change was looked at.
        self.engine.rules.run(&target, &mut |_| {})
    }

    fn is_shown(&self, path: &RepoPath) -> bool {
        let engine = self.engine;
        !engine.exclude.is_match(path) && !engine.foreign.is_match(path) && engine.ignored.pattern(path).is_none()
    }

    fn read(&self, from: &dyn Sources, path: &RepoPath) -> Option<SourceFile> {
        let Ok(Some(Content::Bytes(bytes))) = from.read(path) else { return None };
        let file = SourceFile::new(path.clone(), bytes, self.engine.config.review.max_file_bytes).ok()?;
        (!says_generated(&file)).then_some(file)
    }

    fn elsewhere(&self, path: &RepoPath) -> Option<Elsewhere> {
        let after = self.read(self.new, path)?;
        let change = self.change.files.iter().find(|file| file.path == *path);
        let before = match change {
            None => after.clone(),
            Some(change) if change.status == Status::Modified && change.kind == Kind::Text => {
                self.read(self.old, path)?
            }
            Some(_) => return None,
        };
        Some(Elsewhere { before, after })
    }
}

impl Twins for Known<'_> {
    fn files(&self, path: &RepoPath, function: &str) -> Vec<Elsewhere> {
        let alike = self.reading.alike(function).into_iter();
        alike.filter(|other| other != path && self.is_shown(other)).filter_map(|other| self.elsewhere(&other)).collect()
    }
}
