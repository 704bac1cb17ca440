//! Which replies are learned from, and in which fold is each?

use std::{borrow::Borrow, collections::HashMap, error::Error};

use engine::feedback::emotion::{self, Polarity};
use rayon::prelude::*;
use serde::Deserialize;

use crate::fit::Sparse;

/// A labeled reply, other fields ignored.
#[derive(Deserialize)]
struct Row {
    text: String,
    polarity: Polarity,
    /// What each rater said, where that is known.
    #[serde(default)]
    votes: Vec<Polarity>,
    #[serde(default)]
    emotions: Option<Vec<String>>,
    #[serde(default = "one")]
    weight: f64,
}

fn one() -> f64 {
    1.0
}

/// A reply as numbers.
pub(crate) struct Reply {
    pub(crate) numbers: Sparse,
    pub(crate) polarity: usize,
    /// Half what was agreed, half what each rater said: a reply that people read differently is learned as one.
    pub(crate) target: [f64; 3],
    /// Satisfaction, frustration, confusion, neutral; none where nobody was asked.
    pub(crate) emotion: Option<[f64; 4]>,
    /// How much it counts beside other rows of its kind.
    pub(crate) weight: f64,
    /// The same for texts that differ in case and white space alone.
    same: String,
}

pub(crate) struct Rows {
    pub(crate) measured: Vec<Reply>,
    pub(crate) others: Vec<Reply>,
    /// How many numbers a reply has.
    pub(crate) numbers: usize,
}

impl Rows {
    pub(crate) fn read(files: &[String]) -> Result<Self, Box<dyn Error>> {
        let mut read = files.iter().map(|file| replies(file)).collect::<Result<Vec<_>, _>>()?;
        let measured = if read.is_empty() { Vec::new() } else { read.remove(0) };
        // What is measured must not be learned from, not even under another name.
        let known: std::collections::HashSet<&str> = measured.iter().map(|reply| reply.same.as_str()).collect();
        let others = read.into_iter().flatten().filter(|reply| !known.contains(reply.same.as_str())).collect();
        Ok(Self { measured, others, numbers: emotion::features("").len() })
    }
}

fn replies(file: &str) -> Result<Vec<Reply>, Box<dyn Error>> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read `{file}`: {error}"))?;
    let rows = text.lines().filter(|line| !line.trim().is_empty()).map(serde_json::from_str::<Row>);
    let rows = rows.collect::<Result<Vec<_>, _>>().map_err(|error| format!("cannot read `{file}`: {error}"))?;
    Ok(rows.par_iter().map(reply).collect())
}

fn reply(row: &Row) -> Reply {
    let numbers = emotion::features(&row.text);
    let numbers = (0..).zip(numbers).filter(|(_, number)| *number != 0.0).collect();
    let words: Vec<String> = row.text.split_whitespace().map(str::to_lowercase).collect();
    Reply {
        numbers,
        polarity: row.polarity as usize,
        target: target(row),
        emotion: row.emotions.as_deref().map(|labels| emotions(labels, is_regret(row))),
        weight: row.weight,
        same: words.join(" "),
    }
}

fn target(row: &Row) -> [f64; 3] {
    let agreed = if row.votes.is_empty() { 1.0 } else { 0.5 };
    let mut target = [0.0; 3];
    target[row.polarity as usize] = agreed;
    for vote in &row.votes {
        target[*vote as usize] += (1.0 - agreed) / row.votes.len() as f64;
    }
    target
}

/// Whether somebody is sorry for what they did themselves.
fn is_regret(row: &Row) -> bool {
    let text = row.text.to_lowercase();
    row.polarity != Polarity::Negative
        || ["sorry", "apolog", "my mistake", "my bad", "my fault"].iter().any(|word| text.contains(word))
}

/// The labels of Shaver's tree as ours. Sadness is frustration unless it is an apology, which is none of ours.
fn emotions(labels: &[String], is_regret: bool) -> [f64; 4] {
    let mut target = [0.0; 4];
    for label in labels {
        match label.as_str() {
            "joy" | "love" | "positivesurprise" => target[0] += 1.0,
            "anger" => target[1] += 1.0,
            "sadness" if !is_regret => target[1] += 1.0,
            "negativesurprise" | "fear" => target[2] += 1.0,
            _ => {}
        }
    }
    let sum: f64 = target.iter().sum();
    if sum == 0.0 { [0.0, 0.0, 0.0, 1.0] } else { target.map(|share| share / sum) }
}

/// The fold of each reply: as many of each polarity in each, the same for the same text.
pub(crate) fn folds<R: Borrow<Reply>>(replies: &[R], count: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..replies.len()).collect();
    let mut random = Random(seed);
    for at in (1..order.len()).rev() {
        order.swap(at, random.below(at + 1));
    }
    let (mut next, mut known) = ([0, count / 3, 2 * count / 3], HashMap::new());
    let mut folds = vec![0; replies.len()];
    for at in order {
        let reply = replies[at].borrow();
        folds[at] = *known.entry(reply.same.as_str()).or_insert_with(|| {
            next[reply.polarity] += 1;
            next[reply.polarity] % count
        });
    }
    folds
}

/// As many rows as there are, drawn with replacement.
pub(crate) fn resample(count: usize, seed: u64) -> Vec<usize> {
    let mut random = Random(seed ^ 0x5eed);
    (0..count).map(|_| random.below(count)).collect()
}

/// SplitMix64 (Steele, Lea and Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((value ^ (value >> 31)) % end as u64) as usize
    }
}
