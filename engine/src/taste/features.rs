//! What of a finding tells whether it is wanted?

use crate::{
    finding::{Category, Confidence, Severity},
    source::RepoPath,
};

/// What sort of file a finding is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
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

    fn word(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Test => "test",
            Self::Document => "document",
            Self::Setting => "setting",
        }
    }
}

/// What the model sees of a finding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Subject<'a> {
    /// The check's id.
    pub rule: &'a str,
    /// The repository.
    pub project: &'a str,
    /// The language's name; empty where there is none.
    pub language: &'a str,
    /// What it is about.
    pub category: Category,
    /// How bad it is said to be.
    pub severity: Severity,
    /// How sure its check is.
    pub confidence: Confidence,
    /// What sort of file it is in.
    pub place: Place,
    /// Whether it has a proven patch.
    pub has_patch: bool,
}

/// One thing that speaks for or against a finding.
#[derive(Debug, Clone, PartialEq)]
pub struct Feature {
    /// Its name, the same on every machine.
    pub name: String,
    /// What it adds to the logit before anything was learned.
    pub mean: f64,
    /// How far from that it may well be: a standard deviation.
    pub spread: f64,
}

impl Subject<'_> {
    /// Its features, from what all findings share down to this rule here.
    pub fn features(&self) -> Vec<Feature> {
        let of = |name: String, mean: f64, spread: f64| Feature { name, mean, spread };
        let rule = self.rule;
        let sureness = match self.confidence {
            Confidence::Low => -0.5,
            Confidence::Medium => 0.0,
            Confidence::High => 0.5,
        };
        let mut features = vec![
            of("all".into(), 0.0, 1.0),
            of(format!("category {}", self.category), 0.0, 0.5),
            of(format!("severity {}", self.severity), 0.0, 0.3),
            of(format!("confidence {}", self.confidence), sureness, 0.3),
            of(format!("place {}", self.place.word()), 0.0, 0.4),
            of(format!("project {}", self.project), 0.0, 0.5),
            of(format!("rule {rule}"), 0.0, 1.0),
            of(format!("rule {rule} place {}", self.place.word()), 0.0, 0.5),
            of(format!("rule {rule} project {}", self.project), 0.0, 0.7),
        ];
        if self.has_patch {
            features.push(of("patch".into(), 0.3, 0.3));
        }
        if !self.language.is_empty() {
            features.push(of(format!("rule {rule} language {}", self.language), 0.0, 0.5));
        }
        features
    }
}
