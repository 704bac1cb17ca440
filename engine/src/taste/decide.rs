//! Say it, fold it away, or keep quiet?

use super::{Learning, Subject, Taste};
use crate::finding::{Category, Severity};

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Say {
    /// It is said.
    Post,
    /// It is said where nobody has to look.
    Collapse,
    /// It is kept, with its reason, and not said.
    Mute,
}

/// A decision, with everything that is needed to judge it later.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// What to do.
    pub say: Say,
    /// How likely it is taken up.
    pub probability: f64,
    /// How likely this policy was to post it, for judging another policy by these answers.
    pub propensity: f64,
    /// Why, in words.
    pub reason: String,
}

/// How decisions are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Names the random choices; the same seed decides the same.
    pub seed: u64,
    /// How often the decision is turned around where it was close, to learn what silence hides.
    pub explore: f64,
    /// How sure one has to be that a finding is unwanted before it is left out: 0.5 is as likely as not.
    pub sure: f64,
    /// Answers about a rule before it can be muted.
    pub least_answers: f64,
    /// People who gave them.
    pub least_people: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { seed: 0, explore: 0.05, sure: 0.9, least_answers: 5.0, least_people: 2 }
    }
}

/// A decision this near to its threshold is one that exploring may turn around.
const NEAR: f64 = 0.15;

/// The chance from which on a finding is worth its reader's time: missing it costs more the worse it is.
fn worth(subject: &Subject<'_>) -> f64 {
    match (subject.category, subject.severity) {
        (Category::Security, _) => 0.15,
        (_, Severity::Error) => 0.20,
        (_, Severity::Warning) => 0.30,
        (_, Severity::Info) => 0.40,
    }
}

/// What is never kept quiet about, whatever was answered.
fn is_severe(subject: &Subject<'_>) -> bool {
    subject.severity == Severity::Error || subject.category == Category::Security
}

impl Taste {
    /// Decides about a finding. `nth` tells apart findings that are alike.
    pub fn decide(
        &self,
        subject: &Subject<'_>,
        nth: u64,
        now: i64,
        (learning, policy): (Learning, Policy),
    ) -> Decision {
        let belief = self.belief(subject, now, learning);
        let (probability, worth) = (belief.probability(), worth(subject));
        let (answers, people) = self.heard(subject.rule);
        let unwanted = belief.below(worth);
        let is_heard = answers >= policy.least_answers && people >= policy.least_people;
        let posts = !(unwanted > policy.sure && is_heard);
        let is_near = (probability - worth).abs() < NEAR;
        let explores = if is_near { policy.explore } else { 0.0 };
        let turned = explores > 0.0 && chance(policy.seed, subject, nth) < explores;
        let propensity = if posts { 1.0 - explores } else { explores };
        let say = match posts != turned {
            true => Say::Post,
            false if is_severe(subject) => Say::Collapse,
            false => Say::Mute,
        };
        let percent = (probability * 100.0).round();
        let because =
            format!("taken up {percent} times of 100, by {answers} answers of {people} people about {}", subject.rule);
        let reason = match (say, turned) {
            (Say::Post, false) => because,
            (Say::Post, true) => format!("said to learn whether silence is right: {because}"),
            (_, true) => format!("left out once to learn whether it is missed: {because}"),
            (Say::Collapse, false) => format!("too severe to keep quiet about: {because}"),
            (Say::Mute, false) => because,
        };
        Decision { say, probability, propensity, reason }
    }
}

/// A number between 0 and 1 that this finding always gets under this seed.
fn chance(seed: u64, subject: &Subject<'_>, nth: u64) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(&nth.to_le_bytes());
    hasher.update(subject.rule.as_bytes()).update(b" ").update(subject.project.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(first) >> 11) as f64 / (1u64 << 53) as f64
}
