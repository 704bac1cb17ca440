//! How well does it do on labelled cases?
//!
//! Measures are line-based for files with labelled lines and file-based where the label is a count. A line counts as
//! found when something is said within one line of it. The macro figure is the mean over sources, so that a large
//! suite does not drown a small one.

mod advice;
mod filter;
pub mod retrieval;
pub mod sentiment;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use advice::Advice;

use crate::{
    change::{self, Change, FileChange, Origin, Status, Versions},
    pipeline::Engine,
    review::Review,
    source::{BlobId, Language, Memory, RepoPath},
};

/// One labelled row of `findings` data, other fields ignored.
#[derive(Deserialize)]
struct FindingsRow {
    src: String,
    lang: String,
    code: String,
    label: String,
    #[serde(default)]
    positives: Vec<Positive>,
    #[serde(default)]
    expected_count: Option<u64>,
    #[serde(default)]
    ignore_ranges: Option<Vec<(u32, u32)>>,
}

#[derive(Deserialize)]
struct Positive {
    line: u32,
}

/// One labelled row of `defects` data: the same program with and without a bug.
#[derive(Deserialize)]
struct DefectsRow {
    #[serde(default)]
    id: String,
    lang: String,
    buggy: String,
    fixed: String,
    #[serde(default)]
    bug_lines: Vec<u32>,
    #[serde(default)]
    spec: Option<String>,
}

/// Why data cannot be scored.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A line is not JSON, or lacks the fields of its kind.
    #[error("line {line}: {why}")]
    Row {
        /// 1-based.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// No kind of labelled data has these fields.
    #[error(
        "the rows are of no known kind: expected `code` with `positives`, `buggy` with `fixed`, `text` with \
             `polarity`, `note` with `label`, or `query` with `relevant_idx` and a corpus"
    )]
    UnknownKind,
    /// There is nothing in it.
    #[error("there are no rows")]
    Empty,
    /// The corpus could not be indexed or searched.
    #[error("cannot search the corpus")]
    Search(#[from] crate::recall::IndexError),
}

/// The score of one run, as `eval --format json` writes it.
#[derive(Debug, Serialize)]
pub struct Score {
    /// `findings`, `defects`, `sentiment`, `filter` or `retrieval`.
    pub kind: &'static str,
    /// Rows scored.
    pub rows: usize,
    /// Means over sources; of retrieval, what ships; of sentiment and filter, all rows together.
    #[serde(rename = "macro")]
    pub mean: BTreeMap<&'static str, f64>,
    /// The same measures a source, with the counts they come from.
    pub by_source: BTreeMap<String, BTreeMap<&'static str, f64>>,
    /// What each check hit and missed: (labelled lines or files hit, clean lines hit).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub by_check: BTreeMap<String, (u64, u64)>,
    /// What a model did, where one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<Advice>,
}

/// Scores JSON lines, whose kind is known by their fields.
///
/// # Errors
/// [`EvalError`] for rows that cannot be read and for data of no known kind.
pub fn score(engine: &Engine, jsonl: &str) -> Result<Score, EvalError> {
    let lines: Vec<(usize, &str)> = jsonl
        .lines()
        .enumerate()
        .map(|(at, line)| (at + 1, line))
        .filter(|(_, line)| !line.trim().is_empty())
        .collect();
    let (_, first) = lines.first().ok_or(EvalError::Empty)?;
    let first: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(first).map_err(|error| EvalError::Row { line: 1, why: error.to_string() })?;
    let tallies = if first.contains_key("positives") && first.contains_key("code") {
        ("findings", tally(engine, &lines, |row: FindingsRow| findings_row(engine, &row))?)
    } else if first.contains_key("buggy") && first.contains_key("fixed") {
        ("defects", tally(engine, &lines, |row: DefectsRow| defects_row(engine, &row))?)
    } else if first.contains_key("text") && first.contains_key("polarity") {
        return sentiment::score(&lines);
    } else if first.contains_key("note") && first.contains_key("label") {
        return filter::score(&lines);
    } else {
        return Err(EvalError::UnknownKind);
    };
    Ok(summarize(tallies.0, lines.len(), tallies.1))
}

/// What one source's rows came to.
#[derive(Default, Clone)]
struct Tally {
    rows: u64,
    labelled: u64,
    hit: u64,
    clean: u64,
    false_alarms: u64,
    by_check: BTreeMap<String, (u64, u64)>,
    advice: Option<Advice>,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.labelled += other.labelled;
        self.hit += other.hit;
        self.clean += other.clean;
        self.false_alarms += other.false_alarms;
        for (check, (hit, missed)) in &other.by_check {
            let entry = self.by_check.entry(check.clone()).or_default();
            *entry = (entry.0 + hit, entry.1 + missed);
        }
        if let Some(advice) = &other.advice {
            self.advice.get_or_insert_default().add(advice);
        }
    }
}

type Tallies = BTreeMap<String, Tally>;

fn tally<Row: for<'de> Deserialize<'de>>(
    engine: &Engine,
    lines: &[(usize, &str)],
    score: impl Fn(Row) -> (String, Tally) + Sync,
) -> Result<Tallies, EvalError> {
    let row = |(line, text): &(usize, &str)| {
        let row = serde_json::from_str(text).map_err(|error| EvalError::Row { line: *line, why: error.to_string() })?;
        Ok(score(row))
    };
    // A model answers one question at a time, with all threads.
    let rows: Vec<(String, Tally)> = match engine.has_adviser() {
        true => lines.iter().map(row).collect::<Result<_, EvalError>>()?,
        false => lines.par_iter().map(row).collect::<Result<_, EvalError>>()?,
    };
    let mut tallies = Tallies::new();
    for (source, tally) in rows {
        tallies.entry(source).or_default().add(&tally);
    }
    Ok(tallies)
}

fn summarize(kind: &'static str, rows: usize, tallies: Tallies) -> Score {
    let mut all = Tally::default();
    let mut by_source = BTreeMap::new();
    for (source, tally) in tallies {
        all.add(&tally);
        by_source.insert(source, measures(kind, &tally));
    }
    let mean = |key: &'static str| {
        let values: Vec<f64> = by_source
            .values()
            .filter_map(|source| source.get(key))
            .copied()
            .filter(|value| value.is_finite())
            .collect();
        values.iter().sum::<f64>() / values.len().max(1) as f64
    };
    let keys: &[&'static str] = match kind {
        "findings" => &["line_recall", "false_alarms_per_100_clean_lines"],
        _ => &["defect_recall", "false_alarms_per_diff"],
    };
    Score {
        kind,
        rows,
        mean: keys.iter().map(|&key| (key, mean(key))).collect(),
        by_source,
        by_check: all.by_check,
        model: all.advice,
    }
}

fn measures(kind: &str, tally: &Tally) -> BTreeMap<&'static str, f64> {
    let ratio = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    let counts = [
        ("rows", tally.rows as f64),
        ("labelled", tally.labelled as f64),
        ("hit", tally.hit as f64),
        ("clean", tally.clean as f64),
        ("false_alarms", tally.false_alarms as f64),
    ];
    let figures = match kind {
        "findings" => [
            ("line_recall", ratio(tally.hit, tally.labelled)),
            ("false_alarms_per_100_clean_lines", 100.0 * ratio(tally.false_alarms, tally.clean)),
        ],
        _ => [
            ("defect_recall", ratio(tally.hit, tally.labelled)),
            ("false_alarms_per_diff", ratio(tally.false_alarms, tally.clean)),
        ],
    };
    counts.into_iter().chain(figures).collect()
}

/// Lines on which something is told, with who tells it.
fn told(review: &Review) -> BTreeMap<u32, BTreeSet<String>> {
    let mut lines: BTreeMap<u32, BTreeSet<String>> = BTreeMap::new();
    for reviewed in review.told() {
        lines.entry(reviewed.finding.span.from.line).or_default().insert(reviewed.finding.check.to_string());
    }
    lines
}

fn findings_row(engine: &Engine, row: &FindingsRow) -> (String, Tally) {
    let told = told(&engine.review(added_file(&row.lang, &row.code)));
    let mut tally = Tally { rows: 1, ..Tally::default() };
    if row.label == "line" {
        score_lines(row, &told, &mut tally)
    } else {
        score_file(row, &told, &mut tally)
    }
    (row.src.clone(), tally)
}

fn score_lines(row: &FindingsRow, told: &BTreeMap<u32, BTreeSet<String>>, tally: &mut Tally) {
    let labelled: BTreeSet<u32> = row.positives.iter().map(|positive| positive.line).collect();
    for &line in &labelled {
        let near: BTreeSet<&String> =
            told.range(line.saturating_sub(1)..=line + 1).flat_map(|(_, checks)| checks).collect();
        tally.labelled += 1;
        tally.hit += u64::from(!near.is_empty());
        near.into_iter().for_each(|check| tally.by_check.entry(check.clone()).or_default().0 += 1);
    }
    let ignored = |line: u32| row.ignore_ranges.iter().flatten().any(|&(first, last)| (first..=last).contains(&line));
    let near_label = |line: u32| labelled.range(line.saturating_sub(1)..=line + 1).next().is_some();
    score_clean(row, told, tally, |line| !near_label(line) && !ignored(line));
}

fn score_file(row: &FindingsRow, told: &BTreeMap<u32, BTreeSet<String>>, tally: &mut Tally) {
    if row.expected_count.unwrap_or(1) == 0 {
        return score_clean(row, told, tally, |_| true);
    }
    tally.labelled += 1;
    tally.hit += u64::from(!told.is_empty());
    let checks: BTreeSet<&String> = told.values().flatten().collect();
    checks.into_iter().for_each(|check| tally.by_check.entry(check.clone()).or_default().0 += 1);
}

fn score_clean(
    row: &FindingsRow,
    told: &BTreeMap<u32, BTreeSet<String>>,
    tally: &mut Tally,
    is_clean: impl Fn(u32) -> bool,
) {
    for (line, text) in (1..).zip(row.code.lines()) {
        if text.trim().is_empty() || !is_clean(line) {
            continue;
        }
        tally.clean += 1;
        if let Some(checks) = told.get(&line) {
            tally.false_alarms += 1;
            checks.iter().for_each(|check| tally.by_check.entry(check.clone()).or_default().1 += 1);
        }
    }
}

/// Fixed → buggy must be told within two lines of the bug; buggy → fixed must stay silent.
fn defects_row(engine: &Engine, row: &DefectsRow) -> (String, Tally) {
    let source = row.id.split('/').next().unwrap_or_default();
    let (to_bug, to_fix) =
        (edited_file(&row.lang, &row.fixed, &row.buggy), edited_file(&row.lang, &row.buggy, &row.fixed));
    let (with_bug, without) = (engine.review(to_bug), engine.review(to_fix));
    let advice =
        [Advice::of(engine, row, &with_bug), Advice::of(engine, row, &without), Advice::of_repair(engine, row)];
    let (worse, better) = (told(&with_bug), told(&without));
    let near_bug = |line: &u32| row.bug_lines.is_empty() || row.bug_lines.iter().any(|bug| bug.abs_diff(*line) <= 2);
    let mut tally = Tally { rows: 1, labelled: 1, clean: 1, ..Tally::default() };
    for advice in advice.iter().flatten() {
        tally.advice.get_or_insert_default().add(advice);
    }
    tally.hit = u64::from(worse.keys().any(near_bug));
    tally.false_alarms = better.len() as u64;
    for (line, checks) in &worse {
        if near_bug(line) {
            checks.iter().for_each(|check| tally.by_check.entry(check.clone()).or_default().0 += 1);
        }
    }
    better.values().flatten().for_each(|check| tally.by_check.entry(check.clone()).or_default().1 += 1);
    (source.to_owned(), tally)
}

/// Where a file of this language would usually lie. The data's own paths would give the label away.
fn usual_path(language: &str) -> RepoPath {
    let path = match language {
        "github-actions" => ".github/workflows/main.yml".to_owned(),
        "dockerfile" => "Dockerfile".to_owned(),
        "java" => "src/main/java/Main.java".to_owned(),
        name => match name.parse::<Language>() {
            Ok(language) => format!("src/main.{}", language.extension()),
            Err(_) => "src/main.txt".to_owned(),
        },
    };
    RepoPath::new(path).unwrap_or_else(|_| unreachable_path())
}

#[expect(clippy::expect_used, reason = "a constant that a test could not make fail")]
fn unreachable_path() -> RepoPath {
    RepoPath::new("main").expect("`main` is a path")
}

fn added_file(language: &str, code: &str) -> Versions {
    let path = usual_path(language);
    let file = FileChange {
        status: Status::Added,
        touched: change::touched_lines(b"", code.as_bytes()),
        ..FileChange::whole(path.clone(), None)
    };
    versions(file, Memory::default(), Memory::of(path, code.as_bytes()))
}

fn edited_file(language: &str, before: &str, after: &str) -> Versions {
    let path = usual_path(language);
    let diff = similar::TextDiff::from_lines(before, after).unified_diff().header("a/x", "b/x").to_string();
    let hunks = change::diff::parse(diff.as_bytes()).0.into_iter().next().map_or_else(Vec::new, |file| file.hunks);
    let file = FileChange {
        status: Status::Modified,
        touched: change::touched_lines(before.as_bytes(), after.as_bytes()),
        hunks,
        old_blob: Some(BlobId(String::new())),
        ..FileChange::whole(path.clone(), None)
    };
    versions(file, Memory::of(path.clone(), before.as_bytes()), Memory::of(path, after.as_bytes()))
}

fn versions(file: FileChange, old: Memory, new: Memory) -> Versions {
    Versions {
        change: Change { origin: Origin::Diff { name: "eval".into() }, files: vec![file] },
        old: Arc::new(old),
        new: Arc::new(new),
        notices: Vec::new(),
    }
}
