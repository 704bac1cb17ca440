//! Is it worth saying? How likely a team takes a finding up, learned from its answers.
//!
//! A Bayesian logistic model whose features form a hierarchy: a rule adds to its category, a rule in a project adds to the
//! rule. What was never answered costs nothing and says nothing, so that a new rule begins where its category stands, and a
//! new project where all projects stand. One answer is one step of assumed-density filtering with a diagonal Gaussian
//! (Opper 1998; the logistic form is Minka's): the cost is that of the features of one finding, about a dozen.

mod decide;
mod features;

use std::collections::BTreeMap;

pub use decide::{Decision, Policy, Say};
pub use features::{Feature, Place, Subject};
use serde::{Deserialize, Serialize};

/// What one machine learned about one feature, beyond what was believed before.
///
/// Both add up: over answers, and over machines. They fade with a half-life, so that a team may change its mind.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Evidence {
    /// Precision, one over the variance.
    precision: f64,
    /// Precision times mean.
    pull: f64,
    /// As of when, in milliseconds since 1970.
    at: i64,
}

impl Evidence {
    fn faded(self, now: i64, half_life: f64) -> Self {
        let age = (now - self.at).max(0) as f64;
        let left = (-age / half_life * std::f64::consts::LN_2).exp();
        Self { precision: self.precision * left, pull: self.pull * left, at: now.max(self.at) }
    }
}

/// What one machine learned, and how often it wrote that down.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Part {
    answers: u64,
    evidence: BTreeMap<String, Evidence>,
    /// How much each person has said about each rule: `RULE PERSON`.
    said: BTreeMap<String, f64>,
}

/// Everything that was learned. Merging is the same in any order, and twice is once.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Taste {
    parts: BTreeMap<String, Part>,
}

/// A belief about how likely a finding is taken up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Belief {
    /// The mean on the logistic scale.
    pub mean: f64,
    /// Its variance.
    pub variance: f64,
}

impl Belief {
    /// The probability, with the uncertainty averaged out (MacKay 1992).
    pub fn probability(self) -> f64 {
        logistic(self.mean / (1.0 + std::f64::consts::PI * self.variance / 8.0).sqrt())
    }

    /// The probability that the chance is below this one.
    pub fn below(self, chance: f64) -> f64 {
        let edge = (chance / (1.0 - chance)).ln();
        normal((edge - self.mean) / self.variance.sqrt().max(1e-9))
    }
}

/// An answer as the model takes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Lesson<'a> {
    /// What was said.
    pub subject: Subject<'a>,
    /// How good it was to say it: 0 to 1.
    pub reward: f64,
    /// How much the answer counts: 1 for a clear one.
    pub weight: f64,
    /// Who answered; empty where nobody can be named.
    pub who: &'a str,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

/// How learning is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learning {
    /// Milliseconds after which an answer counts half.
    pub half_life: f64,
    /// The most that one person's answers about one rule count together.
    pub cap: f64,
}

impl Default for Learning {
    fn default() -> Self {
        Self { half_life: 90.0 * 24.0 * 3600.0 * 1000.0, cap: 3.0 }
    }
}

impl Taste {
    /// What is believed about a finding now.
    pub fn belief(&self, subject: &Subject<'_>, now: i64, learning: Learning) -> Belief {
        let states = subject.features().into_iter().map(|feature| self.state(&feature, now, learning));
        let (mut mean, mut variance) = (0.0, 0.0);
        for (about, spread) in states {
            mean += about;
            variance += spread;
        }
        Belief { mean, variance }
    }

    /// Mean and variance of one feature: what is believed of it without any answer, and what all machines learned.
    fn state(&self, feature: &Feature, now: i64, learning: Learning) -> (f64, f64) {
        let prior = 1.0 / (feature.spread * feature.spread);
        let learned = self.parts.values().filter_map(|part| part.evidence.get(&feature.name));
        let (mut precision, mut pull) = (prior, prior * feature.mean);
        for evidence in learned.map(|evidence| evidence.faded(now, learning.half_life)) {
            precision += evidence.precision;
            pull += evidence.pull;
        }
        (pull / precision, 1.0 / precision)
    }

    /// Learns from one answer, noted as this machine's. Returns how much it counted: less than its weight where the same
    /// person has said enough about the rule.
    pub fn learn(&mut self, machine: &str, lesson: &Lesson<'_>, learning: Learning) -> f64 {
        let weight = self.admitted(machine, lesson, learning);
        if weight <= 0.0 {
            return 0.0;
        }
        let features = lesson.subject.features();
        let states: Vec<(f64, f64)> = features.iter().map(|feature| self.state(feature, lesson.at, learning)).collect();
        let (mean, variance) = states.iter().fold((0.0, 0.0), |sum, state| (sum.0 + state.0, sum.1 + state.1));
        let chance = logistic(mean);
        let curvature = weight * (chance * (1.0 - chance)).max(1e-4);
        let shrink = 1.0 + curvature * variance;
        let step = weight * (lesson.reward.clamp(0.0, 1.0) - chance) / shrink;
        let part = self.parts.entry(machine.to_owned()).or_default();
        for (feature, (about, spread)) in features.iter().zip(states) {
            let (about_now, spread_now) = (about + spread * step, spread * (1.0 - spread * curvature / shrink));
            let known = part.evidence.entry(feature.name.clone()).or_default();
            *known = known.faded(lesson.at, learning.half_life);
            known.precision += 1.0 / spread_now - 1.0 / spread;
            known.pull += about_now / spread_now - about / spread;
        }
        part.answers += 1;
        weight
    }

    /// The part of a weight that the cap on one person leaves.
    fn admitted(&mut self, machine: &str, lesson: &Lesson<'_>, learning: Learning) -> f64 {
        let weight = lesson.weight.clamp(0.0, 1.0);
        let key = format!("{} {}", lesson.subject.rule, lesson.who);
        let said: f64 = self.parts.values().filter_map(|part| part.said.get(&key)).sum();
        let admitted = weight.min((learning.cap - said).max(0.0));
        *self.parts.entry(machine.to_owned()).or_default().said.entry(key).or_default() += admitted;
        admitted
    }

    /// What another machine knows, too. Of one machine's parts the one with more answers is the newer.
    pub fn merge(&mut self, other: &Self) {
        for (machine, theirs) in &other.parts {
            let ours = self.parts.entry(machine.clone()).or_default();
            if theirs.answers > ours.answers {
                *ours = theirs.clone();
            }
        }
    }

    /// How many answers were learned from.
    pub fn answers(&self) -> u64 {
        self.parts.values().map(|part| part.answers).sum()
    }

    /// How much was said about a rule, and by how many people.
    pub fn heard(&self, rule: &str) -> (f64, usize) {
        let prefix = format!("{rule} ");
        let said = self.parts.values().flat_map(|part| &part.said).filter(|(key, _)| key.starts_with(&prefix));
        let mut by = BTreeMap::new();
        for (key, weight) in said {
            *by.entry(key).or_insert(0.0) += weight;
        }
        (by.values().sum(), by.values().filter(|weight: &&f64| **weight > 0.0).count())
    }
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The standard normal distribution (Abramowitz and Stegun 26.2.17; error below 7.5e-8).
fn normal(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly;
    if x > 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests;
