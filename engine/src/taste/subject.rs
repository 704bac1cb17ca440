//! What of a finding tells whether it is wanted?

use serde::{Deserialize, Serialize};

use crate::{
    finding::{Category, Confidence, Severity},
    source::RepoPath,
};

/// What sort of file a finding is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// Code that is shipped.
    Code,
    /// Code that tries other code.
    Test,
    /// Words for people.
    Document,
    /// Settings, builds, workflows.
    Setting,
}

impl Place {
    /// By its path alone.
    pub fn of(path: &RepoPath) -> Self {
        let text = path.as_str().to_ascii_lowercase();
        let name = path.file_name().to_ascii_lowercase();
        let in_folder = |names: &[&str]| text.split('/').rev().skip(1).any(|part| names.contains(&part));
        let is_test = in_folder(&["test", "tests", "spec", "specs", "__tests__", "testdata", "fixtures", "benches"])
            || name.starts_with("test_")
            || name.contains("_test.")
            || name.contains(".test.")
            || name.contains(".spec.");
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            _ if is_test => Self::Test,
            "md" | "rst" | "txt" | "adoc" => Self::Document,
            "toml" | "yml" | "yaml" | "json" | "ini" | "cfg" | "lock" => Self::Setting,
            _ => Self::Code,
        }
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Test => "test",
            Self::Document => "document",
            Self::Setting => "setting",
        }
    }
}

/// How much changed around a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// A few lines, ten at most.
    Small,
    /// A hundred at most.
    Medium,
    /// More: new files, moved code.
    Large,
}

impl Size {
    /// By the changed lines of the file.
    pub fn of(lines: u32) -> Self {
        match lines {
            0..=10 => Self::Small,
            11..=100 => Self::Medium,
            _ => Self::Large,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Small => "small",
            Self::Medium => "medium",
            Self::Large => "large",
        }
    }
}

/// What the model sees of a finding. Findings that are alike in all of this are one to it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The check's id.
    pub rule: String,
    /// The repository.
    pub project: String,
    /// The language's name; empty where there is none.
    pub language: String,
    /// What it is about.
    pub category: Category,
    /// How bad it is said to be.
    pub severity: Severity,
    /// How sure its check is.
    pub confidence: Confidence,
    /// What sort of file it is in.
    pub place: Place,
    /// How much changed around it.
    pub size: Size,
    /// Whether it has a proven patch.
    pub has_patch: bool,
}

/// The levels of the hierarchy. Effects of one level are believed to differ as much as one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    All,
    Category,
    Severity,
    Confidence,
    Place,
    Size,
    Patch,
    Project,
    Rule,
    RulePlace,
    RuleProject,
    RuleLanguage,
}

impl Level {
    /// How far effects of this level lie apart: a standard deviation on the logistic scale, before any answer.
    pub(super) fn spread(self) -> f64 {
        match self {
            Self::All | Self::Rule => 1.0,
            Self::Category | Self::Project | Self::RuleLanguage | Self::RulePlace => 0.5,
            Self::Place => 0.4,
            Self::RuleProject => 0.7,
            Self::Severity | Self::Confidence | Self::Size | Self::Patch => 0.3,
        }
    }
}

/// One thing that speaks for or against a finding.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effect {
    pub(super) level: Level,
    /// Its name within what it belongs to, the same on every machine.
    pub(super) name: String,
    /// What it adds to the logit before anything was learned.
    pub(super) mean: f64,
}

impl Subject {
    /// What it shares with findings of other rules.
    pub(super) fn shared(&self) -> Vec<Effect> {
        let of = |level: Level, name: String, mean: f64| Effect { level, name, mean };
        let sureness = match self.confidence {
            Confidence::Low => -0.5,
            Confidence::Medium => 0.0,
            Confidence::High => 0.5,
        };
        let mut effects = vec![
            of(Level::All, "all".into(), 0.0),
            of(Level::Category, format!("category {}", self.category), 0.0),
            of(Level::Severity, format!("severity {}", self.severity), 0.0),
            of(Level::Confidence, format!("confidence {}", self.confidence), sureness),
            of(Level::Place, format!("place {}", self.place.word()), 0.0),
            of(Level::Size, format!("size {}", self.size.word()), 0.0),
            of(Level::Project, format!("project {}", self.project), 0.0),
        ];
        if self.has_patch {
            effects.push(of(Level::Patch, "patch".into(), 0.3));
        }
        effects
    }

    /// What only findings of its rule share.
    pub(super) fn own(&self) -> Vec<Effect> {
        let of = |level: Level, name: String| Effect { level, name, mean: 0.0 };
        let mut effects = vec![
            of(Level::Rule, "rule".into()),
            of(Level::RulePlace, format!("place {}", self.place.word())),
            of(Level::RuleProject, format!("project {}", self.project)),
        ];
        if !self.language.is_empty() {
            effects.push(of(Level::RuleLanguage, format!("language {}", self.language)));
        }
        effects
    }
}
