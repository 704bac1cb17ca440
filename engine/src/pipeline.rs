//! The sentence itself: a change is read, checks make findings, what is proven becomes a patch, and a review is made.

use std::sync::Mutex;

use globset::{Glob, GlobSet, GlobSetBuilder};
use rayon::prelude::*;

use crate::{
    change::{FileChange, Kind, LineSet, Versions},
    check::{Target, allow, rule::RuleSet},
    config::{Config, ConfigError, Level},
    finding::{Finding, Severity},
    notice::Notice,
    patch,
    review::{Baseline, Review, Reviewed, Standing},
    source::{Content, RepoPath, SourceFile, Sources, Unreadable},
};

/// Configuration, rules and globs, ready to review any number of changes.
pub struct Engine {
    config: Config,
    rules: RuleSet,
    baseline: Baseline,
    exclude: GlobSet,
    foreign: GlobSet,
    levels: Levels,
}

impl Engine {
    /// An engine for this configuration and these rules.
    ///
    /// # Errors
    /// [`ConfigError::Glob`] for a glob that is not one.
    pub fn new(config: Config, rules: RuleSet, baseline: Baseline) -> Result<Self, ConfigError> {
        let foreign = config.files.generated.iter().chain(&config.files.vendored);
        let levels = Levels::new(&config)?;
        let (disable, only) = (globs(&config.rules.disable)?, globs(&config.rules.only)?);
        let speaks = |id: &str| !disable.is_match(id) && (config.rules.only.is_empty() || only.is_match(id));
        Ok(Self {
            rules: rules.filtered(speaks),
            exclude: globs(&config.files.exclude)?,
            foreign: globs(foreign)?,
            levels,
            baseline,
            config,
        })
    }

    /// The rules in force.
    pub fn rules(&self) -> &RuleSet {
        &self.rules
    }

    /// The configuration in force.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Reviews a change. Total: whatever cannot be read or run becomes a Notice.
    pub fn review(&self, versions: Versions) -> Review {
        let Versions { change, old, new, mut notices } = versions;
        let broken = Mutex::new(std::collections::BTreeSet::new());
        let outcomes: Vec<Outcome> =
            change.files.par_iter().map(|file| self.review_file(file, &*old, &*new, &broken)).collect();
        let (mut findings, mut files) = (Vec::new(), Vec::new());
        for outcome in outcomes {
            findings.extend(outcome.findings);
            files.extend(outcome.file);
            notices.extend(outcome.notice);
        }
        notices.extend(broken.into_inner().unwrap_or_default());
        notices.sort_by(|a, b| b.gravity.cmp(&a.gravity));
        files.sort_by(|a: &SourceFile, b| a.path.cmp(&b.path));
        Review { change, findings, notices, files }
    }

    fn review_file(
        &self,
        change: &FileChange,
        old: &dyn Sources,
        new: &dyn Sources,
        broken: &Mutex<std::collections::BTreeSet<Notice>>,
    ) -> Outcome {
        let file = match self.read(change, &change.path, new) {
            Ok(Some(file)) => file,
            Ok(None) => return Outcome::default(),
            Err(notice) => return Outcome { notice: Some(notice), ..Outcome::default() },
        };
        let before =
            change.had_content().then(|| self.read(change, change.path_before(), old).ok().flatten()).flatten();
        let run = |file: &SourceFile| {
            let target = Target::new(file, before.as_ref(), change, &self.config.checks);
            let mut note = |error: &crate::check::rule::RuleError| {
                if let Ok(mut broken) = broken.lock() {
                    broken.insert(Notice::failure(&error.rule, format!("not run: {}", error.why)));
                }
            };
            let mut findings = self.rules.run(&target, &mut note);
            findings.retain_mut(|finding| self.levels.apply(finding));
            findings
        };
        let found = run(&file);
        let allowed = allow::read(&file);
        let accepted = self.baseline.of_path(&file.path);
        let standing = |finding: &Finding| match allowed.reason(finding) {
            Some(reason) => Standing::Allowed { reason: reason.to_owned() },
            None if accepted.contains(&finding.fingerprint) => Standing::Baseline,
            None if self.config.review.untouched_lines || change.touched.intersects(&finding.span.lines()) => {
                Standing::Told
            }
            None => Standing::Untouched,
        };
        let findings = found
            .iter()
            .map(|finding| {
                let standing = standing(finding);
                let everything = LineSet::all();
                let lines = if self.config.review.untouched_lines { &everything } else { &change.touched };
                let claim = patch::Claim { file: &file, finding, found: &found, allowed: lines };
                let proof = match (&standing, &finding.fix) {
                    (Standing::Told, Some(fix)) => Some(patch::prove(&claim, fix, &mut |patched| run(patched))),
                    _ => None,
                };
                let (patch, unproven) = match proof {
                    Some(Ok(patch)) => (Some(patch), None),
                    Some(Err(why)) => (None, Some(why)),
                    None => (None, None),
                };
                Reviewed { finding: finding.clone(), standing, patch, unproven }
            })
            .collect();
        Outcome { findings, file: Some(file), notice: None }
    }

    /// The text under `path`: `None` where there is nothing to read by nature, a Notice where something is left out.
    fn read(&self, change: &FileChange, path: &RepoPath, from: &dyn Sources) -> Result<Option<SourceFile>, Notice> {
        if change.kind != Kind::Text || !change.has_content() || self.exclude.is_match(path) {
            return Ok(None);
        }
        let bytes = match from.read(path) {
            Ok(Some(Content::Bytes(bytes))) => bytes,
            Ok(Some(Content::Symlink(_) | Content::Submodule(_)) | None) => return Ok(None),
            Err(error) => return Err(Notice::failure(path, format!("not reviewed: {}", crate::notice::chain(&error)))),
        };
        let mut file = SourceFile::new(path.clone(), bytes, self.config.review.max_file_bytes)
            .map_err(|why| Notice::skipped(path, format!("not reviewed: {}", because(why))))?;
        if self.foreign.is_match(path) || says_generated(&file) {
            file.language = None;
        }
        Ok(Some(file))
    }
}

#[derive(Default)]
struct Outcome {
    findings: Vec<Reviewed>,
    file: Option<SourceFile>,
    notice: Option<Notice>,
}

fn because(why: Unreadable) -> String {
    match why {
        Unreadable::Binary => "it is binary".into(),
        Unreadable::TooLarge { bytes, limit } => {
            format!("it has {bytes} bytes, more than review.max_file_bytes = {limit}")
        }
        Unreadable::Utf16 => "it is UTF-16, and only UTF-8 and its supersets of ASCII are read".into(),
        Unreadable::LfsPointer => "it is a git-lfs pointer; the content itself is not in git".into(),
    }
}

/// Whether the first lines carry a generator's mark.
fn says_generated(file: &SourceFile) -> bool {
    let head = file.text.get(..file.text.len().min(1_000)).unwrap_or(&file.text);
    head.lines().take(8).any(|line| {
        line.contains("@generated") || (line.contains("DO NOT EDIT") && line.to_ascii_lowercase().contains("generated"))
    })
}

/// Severities by rule and path, as configured.
struct Levels {
    /// In order; a later match wins. Paths, rules, level.
    entries: Vec<(Option<GlobSet>, GlobSet, Level)>,
}

impl Levels {
    fn new(config: &Config) -> Result<Self, ConfigError> {
        let mut entries = Vec::new();
        for (rule, level) in &config.rules.severity {
            entries.push((None, globs([rule])?, *level));
        }
        for over in &config.overrides {
            let paths = globs(&over.paths)?;
            for (rule, level) in &over.severity {
                entries.push((Some(paths.clone()), globs([rule])?, *level));
            }
            if !over.disable.is_empty() {
                entries.push((Some(paths), globs(&over.disable)?, Level::Off));
            }
        }
        Ok(Self { entries })
    }

    /// Sets a finding's severity; false when it is not to speak.
    fn apply(&self, finding: &mut Finding) -> bool {
        let matches = |(paths, rules, _): &&(Option<GlobSet>, GlobSet, Level)| {
            paths.as_ref().is_none_or(|paths| paths.is_match(&finding.path)) && rules.is_match(&*finding.check.0)
        };
        match self.entries.iter().rev().find(matches).map(|(_, _, level)| level) {
            Some(Level::Off) => return false,
            Some(Level::Error) => finding.severity = Severity::Error,
            Some(Level::Warning) => finding.severity = Severity::Warning,
            Some(Level::Info) => finding.severity = Severity::Info,
            None => {}
        }
        true
    }
}

fn globs<'a>(patterns: impl IntoIterator<Item = &'a String>) -> Result<GlobSet, ConfigError> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let glob = |error: globset::Error| ConfigError::Glob { glob: pattern.clone(), why: error.kind().to_string() };
        set.add(Glob::new(pattern).map_err(glob)?);
    }
    set.build().map_err(|error| ConfigError::Glob { glob: String::new(), why: error.to_string() })
}
