//! Say it, fold it away, or keep quiet?

use serde::{Deserialize, Serialize};

use super::{Belief, Subject, Taste};
use crate::{
    config::TasteConfig,
    finding::{Category, Severity},
};

/// What becomes of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Say {
    /// It is said.
    Post,
    /// It is said where nobody has to look.
    Collapse,
    /// It is kept, with its reason, and not said.
    Mute,
}

/// How much was heard about a rule.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Support {
    /// The weight of the answers, each person's at most the cap.
    pub answers: f64,
    /// Who gave them: how many people.
    pub people: usize,
    /// How many of them want it rather less than more.
    pub against: usize,
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
    /// The least chance with which anything is posted, to learn what silence hides.
    pub explore: f64,
    /// How far draws go: 1 draws from what is believed, 0 takes its middle.
    pub draw: f64,
    /// How many standard deviations a finding is given the benefit of the doubt: what is not known well is tried, or it
    /// never becomes known (the upper confidence bound: Auer and others 2002).
    pub doubt: f64,
    /// How eager to be quiet: what a needless word costs, in parts of what a missed one costs. 1 as a rule.
    pub cost: f64,
    /// Answers about a rule before it can be muted.
    pub least_answers: f64,
    /// People who are against it before it can be muted, or everybody where fewer ever answered.
    pub least_people: usize,
}

impl Default for Policy {
    fn default() -> Self {
        Self { seed: 0, explore: 0.02, cost: 1.0, draw: 0.3, doubt: 0.5, least_answers: 3.0, least_people: 2 }
    }
}

impl Policy {
    /// As it is configured, with the one seed there is: the same finding is decided alike everywhere.
    pub fn of(config: &TasteConfig) -> Self {
        Self {
            seed: 0,
            explore: config.explore.get(),
            cost: config.cost.max(0.0),
            draw: Self::default().draw,
            doubt: Self::default().doubt,
            least_answers: config.least_answers,
            least_people: config.least_people as usize,
        }
    }

    /// The chance from which on a finding is worth its reader's time: missing it costs more the worse it is.
    fn worth(&self, subject: &Subject) -> f64 {
        let worth = match (subject.category, subject.severity) {
            (Category::Security, _) => 0.15,
            (_, Severity::Error) => 0.20,
            (_, Severity::Warning) => 0.30,
            (_, Severity::Info) => 0.40,
        };
        let odds = self.cost * worth / (1.0 - worth);
        odds / (1.0 + odds)
    }
}

impl Subject {
    /// Whether it is never kept quiet about, whatever was answered.
    pub fn is_severe(&self) -> bool {
        self.severity == Severity::Error || self.category == Category::Security
    }
}

impl Taste {
    /// Decides about a finding: it is posted as often as a draw from what is believed says that it is worth it (Thompson
    /// 1933), so that what is not known yet is tried, and what is known is not. `key` tells alike findings apart, and the
    /// same finding gets the same draw every time.
    pub fn decide(&self, subject: &Subject, key: &str, policy: &Policy) -> Decision {
        let belief = self.belief(subject);
        let support = self.support(&subject.rule);
        let worth = policy.worth(subject);
        let needed = policy.least_people.min(self.people()).max(1);
        let is_heard = support.answers >= policy.least_answers && support.against >= needed;
        let drawn = Belief {
            mean: belief.mean + policy.doubt * belief.variance.sqrt(),
            variance: policy.draw.powi(2) * belief.variance,
        };
        let posts = 1.0 - drawn.below(worth);
        // What cannot be reckoned is no reason to keep quiet.
        let posts = if posts.is_finite() { posts } else { 1.0 };
        let propensity = if is_heard { posts.max(policy.explore) } else { 1.0 };
        let say = match lot(policy.seed, key) < propensity {
            true => Say::Post,
            false if subject.is_severe() => Say::Collapse,
            false => Say::Mute,
        };
        let probability = belief.probability();
        Decision { say, probability, propensity, reason: reason(say, probability, support, &subject.rule) }
    }
}

fn reason(say: Say, probability: f64, support: Support, rule: &str) -> String {
    let percent = (probability * 100.0).round();
    let people = if support.people == 1 { "person" } else { "people" };
    let heard = match support.people {
        0 => format!("nobody answered about {rule} yet"),
        many => format!("{many} {people} answered about {rule}, {} of them against it", support.against),
    };
    match say {
        Say::Post => format!("taken up {percent} times of 100: {heard}"),
        Say::Collapse => format!("taken up {percent} times of 100, and too severe to keep quiet about: {heard}"),
        Say::Mute => format!("taken up only {percent} times of 100: {heard}"),
    }
}

/// A number from 0 to 1 that this finding always gets under this seed.
fn lot(seed: u64, key: &str) -> f64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(key.as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(first) >> 11) as f64 / (1u64 << 53) as f64
}
