//! How well do we do? What was said, what became of it, and what was kept back, in figures.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Learned, Told};
use crate::taste::Say;

/// Share of a whole with the interval it lies in.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    /// The share, 0 to 1.
    pub share: f64,
    /// The lower end of its 95 % interval (Wilson 1927).
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Of how many.
    pub of: usize,
}

impl Rate {
    fn of(good: f64, of: usize) -> Option<Self> {
        if of == 0 {
            return None;
        }
        let (n, z) = (of as f64, 1.959_964f64);
        // The sum of nothing is less than nothing, by a sign.
        let p = good / n + 0.0;
        let middle = p + z * z / (2.0 * n);
        let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).max(0.0).sqrt();
        let down = 1.0 + z * z / n;
        Some(Self { share: p, low: ((middle - half) / down).max(0.0), high: ((middle + half) / down).min(1.0), of })
    }
}

/// What became of one sort of findings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// The rule, category, language or month.
    pub name: String,
    /// How many were said.
    pub said: usize,
    /// How many were kept back.
    pub muted: usize,
    /// Of those said and answered, how many were taken up: the mean reward.
    pub accepted: Option<Rate>,
}

/// Whether what was foretold came to pass.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bin {
    /// The chances from here on,
    pub from: f64,
    /// up to here.
    pub to: f64,
    /// What was foretold on average.
    pub foretold: f64,
    /// What came.
    pub came: Rate,
}

/// A rule that was kept quiet, and what it would have said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Muted {
    /// The rule.
    pub rule: String,
    /// How often.
    pub times: usize,
    /// Why, the last time.
    pub reason: String,
    /// What it would have said, the newest first, three at most: place and words.
    pub would_have_said: Vec<String>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// How many findings were said.
    pub said: usize,
    /// How many were folded away.
    pub folded: usize,
    /// How many were kept back.
    pub muted: usize,
    /// How many of those said were answered at all.
    pub answered: Option<Rate>,
    /// Of all that was said, how much was taken up: silence is none.
    pub addressed: Option<Rate>,
    /// Of what was answered, how much was taken up.
    pub accepted: Option<Rate>,
    /// By rule, most often said first.
    pub by_rule: Vec<Group>,
    /// By category.
    pub by_category: Vec<Group>,
    /// By language.
    pub by_language: Vec<Group>,
    /// By month.
    pub by_month: Vec<Group>,
    /// What was foretold against what came, in tenths.
    pub calibration: Vec<Bin>,
    /// The mean distance between the two, weighted; none where nothing was answered.
    pub calibration_error: Option<f64>,
    /// What was kept quiet.
    pub quiet: Vec<Muted>,
}

/// One finding with what became of it.
struct Case<'a> {
    told: &'a Told,
    /// The mean of what people's answers came to.
    reward: Option<f64>,
}

/// Sums up decisions and answers.
pub fn summary(told: &[Told], learned: &[Learned]) -> Summary {
    let mut rewards: HashMap<(&str, &str, &str), Vec<f64>> = HashMap::new();
    for one in learned {
        rewards.entry((&one.place, &one.fingerprint, &one.path)).or_default().push(one.answer.reward);
    }
    let reward = |told: &Told| {
        let all = rewards.get(&(told.place.as_str(), told.fingerprint.as_str(), told.path.as_str()))?;
        Some(all.iter().sum::<f64>() / all.len() as f64)
    };
    let cases: Vec<Case<'_>> = told.iter().map(|told| Case { told, reward: reward(told) }).collect();
    let said: Vec<&Case<'_>> = cases.iter().filter(|case| case.told.say != Say::Mute).collect();
    let answered: Vec<f64> = said.iter().filter_map(|case| case.reward).collect();
    let of = |say: Say| cases.iter().filter(|case| case.told.say == say).count();
    let calibration = calibration(&said);
    let all: usize = calibration.iter().map(|bin| bin.came.of).sum();
    let apart: f64 = calibration.iter().map(|bin| bin.came.of as f64 * (bin.foretold - bin.came.share).abs()).sum();
    Summary {
        said: said.len(),
        folded: of(Say::Collapse),
        muted: of(Say::Mute),
        answered: Rate::of(answered.len() as f64, said.len()),
        addressed: Rate::of(answered.iter().sum(), said.len()),
        accepted: Rate::of(answered.iter().sum(), answered.len()),
        by_rule: groups(&cases, |told| told.subject.rule.clone()),
        by_category: groups(&cases, |told| told.subject.category.to_string()),
        by_language: groups(&cases, |told| match told.subject.language.as_str() {
            "" => "none".to_owned(),
            language => language.to_owned(),
        }),
        by_month: by_month(&cases),
        calibration_error: (all > 0).then(|| apart / all as f64),
        calibration,
        quiet: quiet(told),
    }
}

fn groups(cases: &[Case<'_>], name: impl Fn(&Told) -> String) -> Vec<Group> {
    let mut by: BTreeMap<String, (usize, usize, Vec<f64>)> = BTreeMap::new();
    for case in cases {
        let group = by.entry(name(case.told)).or_default();
        if case.told.say == Say::Mute {
            group.1 += 1;
        } else {
            group.0 += 1;
            group.2.extend(case.reward);
        }
    }
    let group = |(name, (said, muted, rewards)): (String, (usize, usize, Vec<f64>))| Group {
        name,
        said,
        muted,
        accepted: Rate::of(rewards.iter().sum(), rewards.len()),
    };
    let mut all: Vec<Group> = by.into_iter().map(group).collect();
    all.sort_by_key(|group| std::cmp::Reverse(group.said + group.muted));
    all
}

fn by_month(cases: &[Case<'_>]) -> Vec<Group> {
    let mut all = groups(cases, |told| month(told.at));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// `2026-11` of milliseconds since 1970.
fn month(at: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(at).unwrap_or_default();
    time.format("%Y-%m").to_string()
}

fn calibration(said: &[&Case<'_>]) -> Vec<Bin> {
    let mut bins = vec![(0usize, 0.0f64, 0.0f64); 10];
    for case in said {
        let Some(reward) = case.reward else { continue };
        let bin = &mut bins[((case.told.probability.clamp(0.0, 1.0) * 10.0) as usize).min(9)];
        *bin = (bin.0 + 1, bin.1 + case.told.probability, bin.2 + reward);
    }
    let bin = |(at, (many, foretold, came)): (usize, (usize, f64, f64))| {
        Some(Bin {
            from: at as f64 / 10.0,
            to: (at + 1) as f64 / 10.0,
            foretold: foretold / many as f64,
            came: Rate::of(came, many)?,
        })
    };
    bins.into_iter().enumerate().filter_map(bin).collect()
}

fn quiet(told: &[Told]) -> Vec<Muted> {
    let mut by: BTreeMap<&str, Vec<&Told>> = BTreeMap::new();
    for one in told.iter().filter(|one| one.say == Say::Mute) {
        by.entry(&one.subject.rule).or_default().push(one);
    }
    let muted = |(rule, all): (&str, Vec<&Told>)| Muted {
        rule: rule.to_owned(),
        times: all.len(),
        reason: all.last().map(|one| one.reason.clone()).unwrap_or_default(),
        would_have_said: all.iter().rev().take(3).map(|one| format!("{}: {}", one.path, one.what)).collect(),
    };
    let mut all: Vec<Muted> = by.into_iter().map(muted).collect();
    all.sort_by_key(|muted| std::cmp::Reverse(muted.times));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        assert_eq!(month(0), "1970-01");
        assert_eq!(month(951_782_400_000), "2000-02");
        assert_eq!(month(1_795_219_200_000), "2026-11");
        assert_eq!(month(-1), "1969-12");
    }

    #[test]
    fn an_interval_holds_its_share() {
        let rate = Rate::of(8.0, 10).expect("a rate");
        assert!((rate.low - 0.4902).abs() < 1e-3 && (rate.high - 0.9433).abs() < 1e-3, "{rate:?}");
        assert_eq!(Rate::of(0.0, 0), None);
    }
}
