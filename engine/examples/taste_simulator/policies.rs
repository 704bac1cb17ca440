//! In which ways could one decide? Each hears the answers to what it posted, and to nothing else.

use std::collections::HashMap;

use engine::{
    finding::{Category, Severity},
    taste::{Answer, Decision, Learning, Policy, Say, State, Subject, Taste},
};

use super::world::{Finding, Random, START, logistic};

/// A way of deciding.
pub(crate) trait Decider {
    /// Whether it posts, and how likely it holds the finding to be wanted where it says so.
    fn posts(&mut self, finding: &Finding) -> (bool, Option<f64>);
    fn hears(&mut self, _finding: &Finding, _liked: bool) {}
    /// The last decision as the engine made it.
    fn decision(&self) -> Option<&Decision> {
        None
    }
}

/// The chance from which on a finding is worth saying; the engine's own costs.
pub(crate) fn worth(subject: &Subject) -> f64 {
    match (subject.category, subject.severity) {
        (Category::Security, _) => 0.15,
        (_, Severity::Error) => 0.20,
        (_, Severity::Warning) => 0.30,
        (_, Severity::Info) => 0.40,
    }
}

pub(crate) struct All;
impl Decider for All {
    fn posts(&mut self, _: &Finding) -> (bool, Option<f64>) {
        (true, None)
    }
}

pub(crate) struct Severe;
impl Decider for Severe {
    fn posts(&mut self, finding: &Finding) -> (bool, Option<f64>) {
        (finding.subject.severity >= Severity::Warning, None)
    }
}

/// Knows each finding's true chance, and posts from here on.
pub(crate) struct Oracle(pub(crate) f64);
impl Decider for Oracle {
    fn posts(&mut self, finding: &Finding) -> (bool, Option<f64>) {
        (finding.chance >= self.0, Some(finding.chance))
    }
}

/// Knows each finding's true chance and what a needless word costs: what it wins is the most that can be won.
pub(crate) struct Best;
impl Decider for Best {
    fn posts(&mut self, finding: &Finding) -> (bool, Option<f64>) {
        (finding.chance >= worth(&finding.subject), Some(finding.chance))
    }
}

/// Each rule for itself: quiet when the upper end of its interval (Wilson 1927, 90 %) is too low.
pub(crate) struct Wilson {
    pub(crate) least: f64,
    heard: HashMap<usize, (f64, f64)>,
}
impl Wilson {
    pub(crate) fn new(least: f64) -> Self {
        Self { least, heard: HashMap::new() }
    }
}
impl Decider for Wilson {
    fn posts(&mut self, finding: &Finding) -> (bool, Option<f64>) {
        let (liked, all) = self.heard.get(&finding.rule).copied().unwrap_or_default();
        if all < 5.0 {
            return (true, None);
        }
        let (z, p) = (1.645f64, liked / all);
        let middle = p + z * z / (2.0 * all);
        let upper = (middle + z * (p * (1.0 - p) / all + z * z / (4.0 * all * all)).sqrt()) / (1.0 + z * z / all);
        (upper >= self.least, Some(p))
    }
    fn hears(&mut self, finding: &Finding, liked: bool) {
        let (good, all) = self.heard.entry(finding.rule).or_default();
        *good += f64::from(u8::from(liked));
        *all += 1.0;
    }
}

/// Quiet where three answers to alike findings were no, unless as many were yes: what Greptile describes, with findings of
/// the same rule in the same project (or else the same place) as the nearest.
pub(crate) struct Nearest {
    pub(crate) many: usize,
    heard: Vec<(Subject, bool)>,
}
impl Nearest {
    pub(crate) fn new(many: usize) -> Self {
        Self { many, heard: Vec::new() }
    }
}
impl Decider for Nearest {
    fn posts(&mut self, finding: &Finding) -> (bool, Option<f64>) {
        let subject = &finding.subject;
        let is_alike = |(other, _): &&(Subject, bool)| {
            other.rule == subject.rule && (other.project == subject.project || other.place == subject.place)
        };
        let (mut yes, mut no) = (0, 0);
        for (_, liked) in self.heard.iter().filter(is_alike) {
            if *liked { yes += 1 } else { no += 1 }
        }
        (!(no >= self.many && yes < self.many), None)
    }
    fn hears(&mut self, finding: &Finding, liked: bool) {
        self.heard.push((finding.subject.clone(), liked));
    }
}

/// The engine's model.
pub(crate) struct Ours {
    taste: Taste,
    policy: Policy,
    /// Without hierarchy: a rule is a stranger to every other, and the same everywhere.
    flat: bool,
    /// One chance for all, whatever a miss costs: for comparing with those who know no costs.
    pub(crate) threshold: Option<f64>,
    /// Answers are drawn by lot.
    lot: Option<Random>,
    last: Option<Decision>,
    pub(crate) severe_hidden: usize,
}
impl Ours {
    pub(crate) fn new(policy: Policy, flat: bool, lot: Option<Random>) -> Self {
        let taste = Taste::of(&State::default(), START, Learning { cap: cap(), ..Learning::default() });
        Self { taste, policy, flat, threshold: None, lot, last: None, severe_hidden: 0 }
    }
    pub(crate) fn taste(&self) -> &Taste {
        &self.taste
    }
    fn subject(&self, finding: &Finding) -> Subject {
        let subject = finding.subject.clone();
        let kind = if subject.category == Category::Security { Category::Security } else { Category::Bug };
        match self.flat {
            true => Subject { project: String::new(), language: String::new(), category: kind, ..subject },
            false => subject,
        }
    }
    pub(crate) fn says(&self, finding: &Finding) -> Decision {
        self.taste.decide(&self.subject(finding), &finding.key, &self.policy)
    }
    pub(crate) fn learn(&mut self, finding: &Finding, who: &str, liked: bool) {
        let reward = f64::from(u8::from(liked));
        let answer = Answer { subject: self.subject(finding), reward, weight: 1.0, who: who.into(), at: finding.at };
        self.taste.learn(&answer);
    }
}
fn cap() -> f64 {
    Learning::default().cap
}
impl Decider for Ours {
    fn posts(&mut self, finding: &Finding) -> (bool, Option<f64>) {
        let decision = self.says(finding);
        if let Some(threshold) = self.threshold {
            let belief = self.taste.belief(&self.subject(finding));
            let upper = logistic(belief.mean + self.policy.doubt * belief.variance.sqrt());
            let explores = finding.lot < self.policy.explore;
            return (upper >= threshold || explores, Some(decision.probability));
        }
        let is_severe = finding.subject.severity == Severity::Error || finding.subject.category == Category::Security;
        self.severe_hidden += usize::from(is_severe && finding.useful && decision.say == Say::Mute);
        let posts = (decision.say == Say::Post, Some(decision.probability));
        self.last = Some(decision);
        posts
    }
    fn hears(&mut self, finding: &Finding, liked: bool) {
        let liked = self.lot.as_mut().map_or(liked, |random| random.unit() < 0.3);
        self.learn(finding, finding.who, liked);
    }
    fn decision(&self) -> Option<&Decision> {
        self.last.as_ref()
    }
}
