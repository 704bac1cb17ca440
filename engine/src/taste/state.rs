//! What was answered, in sums? Small, the same in whatever order answers came, and mergeable between machines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Subject;
use crate::config::TasteConfig;

/// The moment to which weights are reckoned, in milliseconds since 1970: 2026-01-01. An answer that comes a half-life later
/// weighs twice as much, and nothing that was added before has to be touched (forward decay: Cormode and others, 2009).
const EPOCH: i64 = 1_767_225_600_000;

/// An answer as it is learned from.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What was said.
    pub subject: Subject,
    /// How good it was to say it: 0 to 1.
    pub reward: f64,
    /// How much the answer counts: 1 for a clear one.
    pub weight: f64,
    /// Who answered; empty where nobody can be named.
    pub who: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

/// How learning is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Learning {
    /// Milliseconds after which an answer counts half.
    pub half_life: f64,
    /// The most that one person's answers about one rule count together, unless others say more than twice as much.
    pub cap: f64,
}

impl Default for Learning {
    fn default() -> Self {
        Self { half_life: 90.0 * 24.0 * 3600.0 * 1000.0, cap: 3.0 }
    }
}

impl Learning {
    /// As it is configured.
    pub fn of(config: &TasteConfig) -> Self {
        let half_life = f64::from(config.half_life_days.max(1)) * 24.0 * 3600.0 * 1000.0;
        Self { half_life, cap: config.most_of_one.max(0.0) }
    }

    /// How much more an answer of this time weighs than one of the epoch.
    fn grown(self, at: i64) -> f64 {
        ((at - EPOCH) as f64 / self.half_life).exp2()
    }
}

/// Answers of one person about findings that are alike, reckoned to the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sums {
    /// How many.
    pub answers: i64,
    /// Their weight.
    pub weight: f64,
    /// Their weight times their reward.
    pub reward: f64,
}

impl Sums {
    /// Those of one answer.
    pub fn of(answer: &Answer, learning: Learning) -> Self {
        let weight = answer.weight.clamp(0.0, 1.0) * learning.grown(answer.at);
        Self { answers: 1, weight, reward: weight * answer.reward.clamp(0.0, 1.0) }
    }

    /// Adds others, or takes them away.
    pub fn add(&mut self, other: Self, times: i64) {
        self.answers += times * other.answers;
        self.weight += times as f64 * other.weight;
        self.reward += times as f64 * other.reward;
    }

    /// Weight and reward as they count at a later time.
    pub(super) fn faded(self, now: i64, learning: Learning) -> (f64, f64) {
        let grown = learning.grown(now);
        ((self.weight / grown).max(0.0), (self.reward / grown).max(0.0))
    }
}

/// What one machine has heard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Part {
    /// How often it was changed. Of two states of one machine, the one changed more often is the newer.
    pub version: u64,
    /// By subject and person.
    pub sums: BTreeMap<Subject, BTreeMap<String, Sums>>,
}

/// Everything that was heard, by machine.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct State {
    parts: BTreeMap<String, Part>,
}

/// Why a state cannot be taken in.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// It is no state.
    #[error("this is not what `apprentice feedback export --state` writes")]
    Text(#[from] serde_json::Error),
    /// It was written by a later version.
    #[error("this state has version {0}, and this apprentice reads version {VERSION}: use a newer one")]
    Version(u32),
    /// An entry names something that is not there.
    #[error("this state is damaged: it names something that it does not hold")]
    Damaged,
}

const VERSION: u32 = 1;

/// No sum is heavier: it would take centuries, and sums of such would not be numbers any more.
const HEAVIEST: f64 = 1e60;

/// A state as it is written: every name once.
#[derive(Serialize, Deserialize)]
struct Written {
    version: u32,
    subjects: Vec<Subject>,
    people: Vec<String>,
    parts: BTreeMap<String, WrittenPart>,
}

#[derive(Serialize, Deserialize)]
struct WrittenPart {
    version: u64,
    /// Subject, person, answers, weight, reward.
    sums: Vec<(usize, usize, i64, f64, f64)>,
}

impl State {
    /// A state of these parts.
    pub fn of(parts: impl IntoIterator<Item = (String, Part)>) -> Self {
        Self { parts: parts.into_iter().collect() }
    }

    /// Its parts by machine.
    pub fn parts(&self) -> &BTreeMap<String, Part> {
        &self.parts
    }

    /// Adds an answer that this machine heard.
    pub fn hear(&mut self, machine: &str, answer: &Answer, learning: Learning) {
        let part = self.parts.entry(machine.to_owned()).or_default();
        let by = part.sums.entry(answer.subject.clone()).or_default();
        by.entry(answer.who.clone()).or_default().add(Sums::of(answer, learning), 1);
        part.version += 1;
    }

    /// What another machine knows, too. Merging is the same in any order, and twice is once.
    pub fn merge(&mut self, other: &Self) {
        for (machine, theirs) in &other.parts {
            let ours = self.parts.entry(machine.clone()).or_default();
            if theirs.version > ours.version {
                *ours = theirs.clone();
            }
        }
    }

    /// How many answers there are.
    pub fn answers(&self) -> i64 {
        let sums = self.parts.values().flat_map(|part| part.sums.values()).flat_map(BTreeMap::values);
        sums.map(|sums| sums.answers).sum()
    }

    /// One text, the same for the same state; about 40 bytes for each subject and person.
    ///
    /// # Errors
    /// [`StateError::Text`].
    pub fn write(&self) -> Result<String, StateError> {
        let all = || self.parts.values().flat_map(|part| &part.sums);
        let mut subjects: Vec<&Subject> = all().map(|(subject, _)| subject).collect();
        let mut people: Vec<&String> = all().flat_map(|(_, by)| by.keys()).collect();
        subjects.sort();
        subjects.dedup();
        people.sort();
        people.dedup();
        let part = |part: &Part| {
            let rows = part.sums.iter().flat_map(|(subject, by)| {
                let at = subjects.binary_search(&subject).unwrap_or_default();
                let people = &people;
                by.iter().map(move |(who, sums)| {
                    let who = people.binary_search(&who).unwrap_or_default();
                    (at, who, sums.answers, sums.weight, sums.reward)
                })
            });
            WrittenPart { version: part.version, sums: rows.collect() }
        };
        let parts = self.parts.iter().map(|(machine, one)| (machine.clone(), part(one))).collect();
        let owned = |all: Vec<&Subject>| all.into_iter().cloned().collect();
        let people = people.iter().map(|who| (*who).clone()).collect();
        Ok(serde_json::to_string(&Written { version: VERSION, subjects: owned(subjects.clone()), people, parts })?)
    }

    /// Reads what [`State::write`] wrote.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn read(text: &str) -> Result<Self, StateError> {
        let written: Written = serde_json::from_str(text)?;
        if written.version != VERSION {
            return Err(StateError::Version(written.version));
        }
        let mut state = Self::default();
        for (machine, rows) in written.parts {
            let mut part = Part { version: rows.version, sums: BTreeMap::new() };
            for (subject, who, answers, weight, reward) in rows.sums {
                let is_sound = answers >= 0 && (0.0..=HEAVIEST).contains(&weight) && (0.0..=weight).contains(&reward);
                let (Some(subject), Some(who), true) =
                    (written.subjects.get(subject), written.people.get(who), is_sound)
                else {
                    return Err(StateError::Damaged);
                };
                let sums = Sums { answers, weight, reward };
                part.sums.entry(subject.clone()).or_default().insert(who.clone(), sums);
            }
            state.parts.insert(machine, part);
        }
        Ok(state)
    }
}
