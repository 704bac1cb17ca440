//! Can it be told beforehand which remarks people will hold valid? Learned from all projects but one, and asked of that one.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{EvalError, Score};
use crate::{
    finding::{Category, Confidence, Severity},
    model::{Embedder, table::Table},
    source::{Language, RepoPath},
    taste::{Answer, Learning, Place, Size, State, Subject, Taste},
};

/// How many of the nearest remarks speak.
const NEAREST: usize = 15;
/// How loud they speak, in logits, where all of them agree and are the very same.
const LOUDNESS: f64 = 2.0;

/// One judged remark, other fields ignored. No diff is read: what is known of a place is its file.
#[derive(Deserialize)]
struct Row {
    note: String,
    label: String,
    #[serde(default)]
    file: String,
    #[serde(default)]
    category: String,
    #[serde(default)]
    pr: String,
    #[serde(default)]
    project: Option<String>,
    #[serde(default)]
    from_line: Option<u32>,
    #[serde(default)]
    to_line: Option<u32>,
}

struct Remark {
    project: String,
    subject: Subject,
    vector: Vec<f32>,
    valid: bool,
}

/// Learns from all other projects what is valid of each one.
///
/// # Errors
/// [`EvalError::Row`].
pub(super) fn score(lines: &[(usize, &str)]) -> Result<Score, EvalError> {
    let mut remarks = Vec::new();
    let mut notes = Vec::new();
    for (line, text) in lines {
        let failed = |why: String| EvalError::Row { line: *line, why };
        let row: Row = serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
        let valid = match row.label.as_str() {
            "valid" => true,
            "invalid" => false,
            other => return Err(failed(format!("the label is `{other}`, neither valid nor invalid"))),
        };
        let project = row.project.clone().unwrap_or_else(|| {
            row.pr.split("/pull/").next().unwrap_or_default().trim_start_matches("https://github.com/").to_owned()
        });
        remarks.push(Remark { subject: subject(&row, &project), project, vector: Vec::new(), valid });
        notes.push(row.note);
    }
    let table = Table::builtin();
    for (remark, note) in remarks.iter_mut().zip(&notes) {
        remark.vector = table.query(note).map_err(|error| EvalError::Row { line: 0, why: error.to_string() })?;
    }
    let projects: BTreeSet<&str> = remarks.iter().map(|remark| remark.project.as_str()).collect();
    let mut cases = vec![(0.0, 0.0, false); remarks.len()];
    for project in &projects {
        let is_held = |remark: &Remark| remark.project == *project;
        let others: Vec<&Remark> = remarks.iter().filter(|remark| !is_held(remark)).collect();
        let taste = learned(&others);
        for (at, remark) in remarks.iter().enumerate().filter(|(_, remark)| is_held(remark)) {
            let alone = taste.belief(&remark.subject).probability();
            let logit = (alone / (1.0 - alone)).ln() + nearest(remark, &others);
            cases[at] = (alone, 1.0 / (1.0 + (-logit).exp()), remark.valid);
        }
    }
    let of = |project: &str| -> Vec<(f64, f64, bool)> {
        let all = remarks.iter().zip(&cases).filter(|(remark, _)| remark.project == project);
        all.map(|(_, case)| *case).collect()
    };
    Ok(Score {
        kind: "filter",
        rows: remarks.len(),
        mean: over_projects(&projects.iter().map(|project| of(project)).collect::<Vec<_>>(), &cases),
        by_source: projects.iter().map(|project| ((*project).to_owned(), with_counts(&of(project)))).collect(),
        by_check: BTreeMap::new(),
        model: None,
    })
}

fn subject(row: &Row, project: &str) -> Subject {
    let path = RepoPath::new(&row.file).ok();
    let category = match row.category.to_ascii_lowercase() {
        text if text.contains("security") => Category::Security,
        text if text.contains("performance") => Category::Performance,
        text if text.contains("maintain") || text.contains("readab") => Category::Maintainability,
        text if text.contains("style") => Category::Style,
        text if text.contains("doc") => Category::Documentation,
        _ => Category::Bug,
    };
    let lines = row.from_line.zip(row.to_line).map_or(1, |(from, to)| to.saturating_sub(from) + 1);
    let language = path.as_ref().and_then(|path| Language::detect(path, "")).map(|one| one.to_string());
    Subject {
        rule: format!("remark/{category}"),
        project: project.to_owned(),
        language: language.unwrap_or_default(),
        category,
        severity: Severity::Warning,
        confidence: Confidence::Medium,
        place: path.as_ref().map_or(Place::Code, Place::of),
        size: Size::of(lines),
        has_patch: row.note.contains("```"),
    }
}

/// What the other projects' people taught; each project is one voice, and none is cut short.
fn learned(others: &[&Remark]) -> Taste {
    let learning = Learning { cap: f64::INFINITY, ..Learning::default() };
    let mut state = State::default();
    for remark in others {
        let reward = f64::from(u8::from(remark.valid));
        let answer =
            Answer { subject: remark.subject.clone(), reward, weight: 1.0, who: remark.project.clone(), at: 0 };
        state.hear("eval", &answer, learning);
    }
    Taste::of(&state, 0, learning)
}

/// What the nearest remarks say, in logits: their verdicts less the mean of all, by how near they are.
fn nearest(remark: &Remark, others: &[&Remark]) -> f64 {
    let mean = others.iter().filter(|other| other.valid).count() as f64 / others.len().max(1) as f64;
    let near = |a: &[f32], b: &[f32]| f64::from(a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>());
    let mut all: Vec<(f64, bool)> =
        others.iter().map(|other| (near(&remark.vector, &other.vector), other.valid)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let said = all.iter().take(NEAREST).map(|(near, valid)| near.max(0.0) * (f64::from(u8::from(*valid)) - mean));
    LOUDNESS * said.sum::<f64>() / NEAREST as f64
}

/// `auroc` (the chance that a valid remark is ranked above an invalid one; 0.5 where there is but one sort) and `f1` of
/// valid at one half, without and with the nearest remarks.
fn measures(cases: &[(f64, f64, bool)]) -> BTreeMap<&'static str, f64> {
    let of = |which: fn(&(f64, f64, bool)) -> f64| -> Vec<(f64, bool)> {
        cases.iter().map(|case| (which(case), case.2)).collect()
    };
    let (alone, with) = (of(|case| case.0), of(|case| case.1));
    BTreeMap::from([
        ("auroc", auroc(&alone)),
        ("auroc_with_nearest", auroc(&with)),
        ("f1", f1(&alone)),
        ("f1_with_nearest", f1(&with)),
    ])
}

/// Means over projects that have both sorts, so that nothing is won or lost by how many are valid in each; and all rows
/// together (`…_pooled`), where leaving a project out makes its own share of valid remarks speak against it.
fn over_projects(by_project: &[Vec<(f64, f64, bool)>], all: &[(f64, f64, bool)]) -> BTreeMap<&'static str, f64> {
    let has_both = |cases: &&Vec<(f64, f64, bool)>| cases.iter().any(|case| case.2) && cases.iter().any(|case| !case.2);
    let each: Vec<_> = by_project.iter().filter(has_both).map(|cases| measures(cases)).collect();
    let mean = |name: &str| each.iter().map(|one| one[name]).sum::<f64>() / each.len().max(1) as f64;
    let pooled = measures(all);
    let mut means: BTreeMap<&'static str, f64> = pooled.keys().map(|name| (*name, mean(name))).collect();
    means.insert("auroc_pooled", pooled["auroc"]);
    means.insert("auroc_with_nearest_pooled", pooled["auroc_with_nearest"]);
    means
}

fn with_counts(cases: &[(f64, f64, bool)]) -> BTreeMap<&'static str, f64> {
    let right = cases.iter().filter(|case| (case.1 >= 0.5) == case.2).count();
    let counts = [("rows", cases.len() as f64), ("labelled", cases.len() as f64), ("hit", right as f64)];
    measures(cases).into_iter().chain(counts).collect()
}

fn auroc(cases: &[(f64, bool)]) -> f64 {
    let valid: Vec<f64> = cases.iter().filter(|case| case.1).map(|case| case.0).collect();
    let invalid: Vec<f64> = cases.iter().filter(|case| !case.1).map(|case| case.0).collect();
    if valid.is_empty() || invalid.is_empty() {
        return 0.5;
    }
    let above = |a: f64, b: f64| match a.total_cmp(&b) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    };
    let wins: f64 = valid.iter().flat_map(|a| invalid.iter().map(move |b| above(*a, *b))).sum();
    wins / (valid.len() * invalid.len()) as f64
}

fn f1(cases: &[(f64, bool)]) -> f64 {
    let count = |said: bool, is: bool| cases.iter().filter(|case| (case.0 >= 0.5) == said && case.1 == is).count();
    let (hit, false_alarm, missed) = (count(true, true), count(true, false), count(false, true));
    let all = 2 * hit + false_alarm + missed;
    if all == 0 { 0.0 } else { 2.0 * hit as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ranking_is_measured_by_its_pairs() {
        assert!((auroc(&[(0.9, true), (0.8, false), (0.7, true), (0.1, false)]) - 0.75).abs() < 1e-12);
        assert!((auroc(&[(0.5, true), (0.5, false)]) - 0.5).abs() < 1e-12);
        assert!((f1(&[(0.9, true), (0.8, false), (0.2, true), (0.1, false)]) - 0.5).abs() < 1e-12);
    }

    /// What is said of one sort of remark in some projects is expected of it in another.
    #[test]
    fn what_other_projects_hold_valid_is_expected_here() {
        let mut rows = Vec::new();
        for project in 0..5 {
            for n in 0..8 {
                let (category, label) = if n % 2 == 0 { ("Style", "invalid") } else { ("Security", "valid") };
                rows.push(format!(
                    r#"{{"note":"remark {n} of {project}","label":"{label}","file":"a.py","category":"{category}","project":"p{project}"}}"#
                ));
            }
        }
        let lines: Vec<(usize, &str)> = rows.iter().enumerate().map(|(at, row)| (at + 1, row.as_str())).collect();
        let score = score(&lines).expect("a score");
        assert!(score.mean["auroc"] > 0.99, "{:?}", score.mean);
        assert_eq!((score.kind, score.rows, score.by_source.len()), ("filter", 40, 5));
    }
}
