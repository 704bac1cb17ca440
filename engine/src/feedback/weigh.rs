//! Is it wanted? What people answered to findings like these decides whether they are said, and says so.

use super::Adopted;
use crate::{
    change::Change,
    review::{Reviewed, Standing},
    source::SourceFile,
    taste::{Decision, Place, Policy, Say, Size, Subject, Taste},
};

/// The file of what a team agreed on, in a repository.
pub const LESSONS: &str = ".apprentice/lessons.toml";

/// The most answers that a reason names.
pub const MOST_NAMED: usize = 5;

/// Tells the numbers of answers about a rule.
pub type Because = Box<dyn Fn(&str) -> Vec<i64> + Send + Sync>;

/// What is needed to weigh findings.
pub struct Weigher {
    /// What was learned.
    pub taste: Taste,
    /// How it decides.
    pub policy: Policy,
    /// The project's name, as answers know it: `owner/name` where there is a remote.
    pub project: String,
    /// What the team agreed on; it comes before what was learned.
    pub lessons: Vec<Adopted>,
    /// The numbers of answers about a rule, for whoever wants to see why; the newest [`MOST_NAMED`].
    pub because: Because,
}

impl Weigher {
    /// Decides about everything that would be told. What is not wanted is kept back with its reason, never dropped.
    pub(crate) fn weigh(&self, findings: &mut [Reviewed], change: &Change, files: &[SourceFile]) {
        for reviewed in findings.iter_mut().filter(|reviewed| reviewed.standing == Standing::Told) {
            let subject = subject(reviewed, &self.project, change, files);
            let key = format!("{} {}", reviewed.finding.fingerprint, reviewed.finding.path);
            let decision = self.agreed(&subject).unwrap_or_else(|| self.learned(&subject, &key));
            if decision.say == Say::Mute {
                reviewed.standing = Standing::Muted { because: decision.reason.clone() };
            }
            reviewed.weighed = Some((subject, decision));
        }
    }
}

impl Weigher {
    /// What the team agreed on about findings like this; of several entries the last one holds.
    fn agreed(&self, subject: &Subject) -> Option<Decision> {
        let lesson = self.lessons.iter().rfind(|lesson| lesson.about.covers(subject))?;
        let say = match lesson.wanted {
            true => Say::Post,
            false if subject.is_severe() => Say::Collapse,
            false => Say::Mute,
        };
        let probability = self.taste.belief(subject).probability();
        let propensity = if lesson.wanted { 1.0 } else { 0.0 };
        let reason = format!("agreed in {LESSONS}: {} ({})", lesson.says, lesson.id);
        Some(Decision { say, probability, propensity, reason })
    }

    fn learned(&self, subject: &Subject, key: &str) -> Decision {
        let mut decision = self.taste.decide(subject, key, &self.policy);
        if decision.say != Say::Post {
            let named: Vec<String> =
                (self.because)(&subject.rule).iter().map(|id| format!("#{id}")).take(MOST_NAMED).collect();
            if !named.is_empty() {
                decision.reason += &format!("; because of {}", named.join(", "));
            }
        }
        decision
    }
}

/// What taste sees of a finding.
fn subject(reviewed: &Reviewed, project: &str, change: &Change, files: &[SourceFile]) -> Subject {
    let finding = &reviewed.finding;
    let changed = change.files.iter().find(|file| file.path == finding.path);
    let lines = changed.map_or(0, |file| file.hunks.iter().map(|hunk| hunk.new.count.max(hunk.old.count)).sum());
    let language = files.iter().find(|file| file.path == finding.path).and_then(|file| file.language);
    Subject {
        rule: finding.check.0.to_string(),
        project: project.to_owned(),
        language: language.map(|language| language.to_string()).unwrap_or_default(),
        category: finding.category,
        severity: finding.severity,
        confidence: finding.confidence,
        place: Place::of(&finding.path),
        size: Size::of(lines),
        has_patch: reviewed.patch.is_some(),
    }
}
