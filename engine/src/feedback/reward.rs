//! How good was it to say it? Everything one person answered to one suggestion, as one number from 0 to 1.

use std::collections::BTreeMap;

use super::{Entry, Kind, Permission, emotion};
use crate::{
    config::{FeedbackConfig, Share},
    taste::{Answer, Subject},
};

const DAY: i64 = 24 * 3600 * 1000;

/// What each person's answers to one suggestion come to, with the numbers of the entries behind it; and when silence will
/// count that does not yet.
///
/// Only people who may push teach. What was forgotten counts for nothing, and neither does what came before it.
pub(super) fn answers(
    entries: &[(i64, Entry)],
    subject: &Subject,
    rewards: &FeedbackConfig,
    now: i64,
) -> (Vec<(Answer, Vec<i64>)>, Option<i64>) {
    let teaches = |entry: &Entry| entry.permission >= Permission::Write || entry.who.is_empty();
    let counted: Vec<&(i64, Entry)> = entries.iter().filter(|(_, entry)| teaches(entry)).collect();
    let forgotten: Vec<&Entry> =
        counted.iter().map(|(_, entry)| entry).filter(|entry| entry.kind == Kind::Forgotten).collect();
    let all_until = counted
        .iter()
        .filter(|(_, entry)| entry.kind == Kind::Forgotten && entry.what.is_none())
        .map(|(id, _)| *id)
        .max()
        .unwrap_or(0);
    let is_forgotten = |id: i64, entry: &Entry| {
        id < all_until || forgotten.iter().any(|one| one.what.as_deref() == Some(entry.key.as_str()))
    };
    let mut by: BTreeMap<&str, Vec<&(i64, Entry)>> = BTreeMap::new();
    for one in counted.iter().filter(|(id, entry)| !is_forgotten(*id, entry)) {
        by.entry(&one.1.who).or_default().push(one);
    }
    let mut due = None;
    let mut all = Vec::new();
    for (who, entries) in by {
        let mut said = Said::default();
        for (id, entry) in &entries {
            let silent_until = entry.at + i64::from(rewards.ignored_after_days) * DAY;
            if entry.kind == Kind::MergedWith && now < silent_until {
                due = Some(due.map_or(silent_until, |due: i64| due.min(silent_until)));
                continue;
            }
            said.hear(*id, entry, rewards);
        }
        let (reward, weight, because) = said.comes_to();
        if weight > 0.0 {
            let at = entries.iter().map(|(_, entry)| entry.at).max().unwrap_or(now);
            all.push((Answer { subject: subject.clone(), reward, weight, who: who.to_owned(), at }, because));
        }
    }
    (all, due)
}

/// What answers come to, whoever gave them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Verdict {
    /// How good it was to say it, 0 to 1.
    pub reward: f64,
    /// How much that counts, 0 to 1.
    pub weight: f64,
}

/// What one person's answers to one suggestion come to, in the order in which they were given; none where they say
/// nothing. It is not looked at who gave them, nor when.
pub fn verdict<'e>(entries: impl IntoIterator<Item = &'e Entry>, rewards: &FeedbackConfig) -> Option<Verdict> {
    let mut said = Said::default();
    for (id, entry) in (1..).zip(entries) {
        said.hear(id, entry, rewards);
    }
    let (reward, weight, _) = said.comes_to();
    (weight > 0.0).then_some(Verdict { reward, weight })
}

/// What one person said so far: by what it was, so that it can be taken back.
#[derive(Default)]
struct Said(BTreeMap<String, (f64, f64, i64)>);

impl Said {
    fn hear(&mut self, id: i64, entry: &Entry, rewards: &FeedbackConfig) {
        let what = entry.what.as_deref().unwrap_or_default();
        let mut put = |name: String, reward: f64, weight: Share, part: f64| {
            self.0.insert(name, (reward, part * weight.get(), id));
        };
        match entry.kind {
            Kind::Applied => put("outcome".into(), 1.0, rewards.taken, 1.0),
            Kind::Edited => put("outcome".into(), entry.similarity.unwrap_or(0.5).clamp(0.0, 1.0), rewards.taken, 1.0),
            Kind::Mended | Kind::MergedWithout => put("outcome".into(), 1.0, rewards.mended, 1.0),
            Kind::MergedWith => put("outcome".into(), 0.0, rewards.ignored, 1.0),
            Kind::Rejected => put("rejected".into(), 0.0, rewards.rejected, 1.0),
            Kind::Reaction => {
                if let Some(reward) = liked(what) {
                    put(format!("reaction {what}"), reward, rewards.reaction, 1.0);
                }
            }
            Kind::ReactionGone => {
                self.0.remove(&format!("reaction {what}"));
            }
            Kind::Reply => {
                if let Some(felt) = felt(what) {
                    put(format!("reply {id}"), (felt + 1.0) / 2.0, rewards.reply, felt.abs());
                }
            }
            Kind::Resolved => put("resolved".into(), 0.3, rewards.resolved, 1.0),
            Kind::Reopened => {
                self.0.remove("resolved");
            }
            Kind::Closed | Kind::Forgotten => {}
        }
    }

    /// Reward, weight and the entries behind them. Closing a thread says nothing beside what was done about it.
    fn comes_to(mut self) -> (f64, f64, Vec<i64>) {
        if self.0.contains_key("outcome") || self.0.contains_key("rejected") {
            self.0.remove("resolved");
        }
        let weight: f64 = self.0.values().map(|(_, weight, _)| weight).sum();
        let reward: f64 = self.0.values().map(|(reward, weight, _)| reward * weight).sum();
        let because = self.0.values().map(|(.., id)| *id).collect();
        (reward / weight.max(1e-12), weight.min(1.0), because)
    }
}

/// What an emoji says, by GitHub's names for it; nothing where people mean different things by it.
fn liked(emoji: &str) -> Option<f64> {
    match emoji.to_ascii_lowercase().as_str() {
        "+1" | "thumbs_up" | "heart" | "hooray" | "rocket" => Some(1.0),
        "-1" | "thumbs_down" | "confused" => Some(0.0),
        _ => None,
    }
}

/// What a reply feels like, from -1 to 1; nothing where that is not sure.
fn felt(words: &str) -> Option<f64> {
    emotion::read(words).signal()
}
