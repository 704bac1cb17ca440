//! What do we say? Plain data, complete and in order; how it is written is `report`'s affair.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{
    change::Change,
    finding::{Finding, Fingerprint, Severity},
    notice::{Gravity, Notice},
    patch::{Unproven, VerifiedPatch},
    source::{RepoPath, SourceFile},
    suggest::Spent,
    taste::{Decision, Say, Subject},
};

/// Everything one run has to say.
#[derive(Debug)]
pub struct Review {
    /// What was read.
    pub change: Change,
    /// Everything found, told or not, by path and place.
    pub findings: Vec<Reviewed>,
    /// What could not be done, gravest first.
    pub notices: Vec<Notice>,
    /// The text files that were read, by path, for whoever shows lines of them.
    pub files: Vec<SourceFile>,
    /// What asking a model took, where one was asked.
    pub spent: Option<Spent>,
}

/// A finding with what became of it.
#[derive(Debug)]
pub struct Reviewed {
    /// The finding.
    pub finding: Finding,
    /// Whether it is told, and why not.
    pub standing: Standing,
    /// Its proven patch.
    pub patch: Option<VerifiedPatch>,
    /// Why its fix is no patch.
    pub unproven: Option<Unproven>,
    /// What people's answers say of it, where they were asked.
    pub weighed: Option<(Subject, Decision)>,
}

impl Reviewed {
    /// Whether it is told where nobody has to look.
    pub fn is_folded(&self) -> bool {
        self.weighed.as_ref().is_some_and(|(_, decision)| decision.say == Say::Collapse)
    }
}

/// Whether a finding is told. Nothing is ever dropped: silence can be explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Standing {
    /// It is told.
    Told,
    /// It is on lines that this change did not touch.
    Untouched,
    /// It was there before, word for word.
    Older,
    /// A comment allows it.
    Allowed {
        /// The reason given there.
        reason: String,
    },
    /// It is in the baseline.
    Baseline,
    /// People answered that it is not wanted.
    Muted {
        /// Which answers, in words.
        because: String,
    },
    /// The model is less sure of it than `suggest.min_confidence` asks for.
    Unsure,
    /// The model found more than `suggest.max_findings`.
    OverLimit,
    /// Another finding at the same place says the same.
    Repeated {
        /// The check that says it.
        by: String,
    },
}

/// Findings by severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
pub struct Counts {
    /// Errors told.
    pub error: usize,
    /// Warnings told.
    pub warning: usize,
    /// Infos told.
    pub info: usize,
    /// Findings not told, for any reason.
    pub silent: usize,
    /// Proven patches of told findings.
    pub patches: usize,
}

impl Review {
    /// The findings that are told.
    pub fn told(&self) -> impl Iterator<Item = &Reviewed> {
        self.findings.iter().filter(|reviewed| reviewed.standing == Standing::Told)
    }

    /// How many of each.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for reviewed in &self.findings {
            match (&reviewed.standing, reviewed.finding.severity) {
                (Standing::Told, Severity::Error) => counts.error += 1,
                (Standing::Told, Severity::Warning) => counts.warning += 1,
                (Standing::Told, Severity::Info) => counts.info += 1,
                _ => counts.silent += 1,
            }
            counts.patches += usize::from(reviewed.standing == Standing::Told && reviewed.patch.is_some());
        }
        counts
    }

    /// The worst severity told.
    pub fn worst(&self) -> Option<Severity> {
        self.told().map(|reviewed| reviewed.finding.severity).max()
    }

    /// Whether something that should have run did not, so that silence proves nothing.
    pub fn is_incomplete(&self) -> bool {
        self.notices.iter().any(|notice| notice.gravity == Gravity::Failure)
    }

    /// The text of a reviewed file.
    pub fn file(&self, path: &RepoPath) -> Option<&SourceFile> {
        self.files.binary_search_by(|file| file.path.cmp(path)).ok().map(|at| &self.files[at])
    }
}

/// Findings that a team agreed to leave as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    version: u32,
    findings: Vec<BaselineEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
struct BaselineEntry {
    path: RepoPath,
    check: String,
    fingerprint: String,
}

impl Baseline {
    /// What a review tells, as a baseline.
    pub fn of(review: &Review) -> Self {
        let entry = |reviewed: &Reviewed| BaselineEntry {
            path: reviewed.finding.path.clone(),
            check: reviewed.finding.check.to_string(),
            fingerprint: reviewed.finding.fingerprint.to_string(),
        };
        let in_baseline = |reviewed: &&Reviewed| matches!(reviewed.standing, Standing::Told | Standing::Baseline);
        let mut findings: Vec<_> = review.findings.iter().filter(in_baseline).map(entry).collect();
        findings.sort();
        findings.dedup();
        Self { version: 1, findings }
    }

    /// Reads the JSON that [`Baseline::to_json`] writes.
    ///
    /// # Errors
    /// A sentence saying what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let baseline: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if baseline.version == 1 { Ok(baseline) } else { Err(format!("version {} is not known", baseline.version)) }
    }

    /// Pretty JSON, one entry a line block, stable under re-writing.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// The fingerprints accepted in one file.
    pub fn of_path(&self, path: &RepoPath) -> HashSet<Fingerprint> {
        self.findings
            .iter()
            .filter(|entry| entry.path == *path)
            .filter_map(|entry| entry.fingerprint.parse().ok())
            .collect()
    }

    /// How many findings it accepts.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Whether it accepts none.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }
}
