//! How well are replies read, against what people said about them?

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Deserialize;

use super::{EvalError, Score};
use crate::feedback::emotion::{self, Polarity};

/// Bins of the calibration error.
const BINS: usize = 15;

/// One labelled reply, other fields ignored.
#[derive(Deserialize)]
struct Row {
    text: String,
    polarity: Polarity,
    #[serde(default)]
    project: Option<String>,
}

/// A reply as it was labelled and as it was read.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What people said.
    pub labelled: Polarity,
    /// What was read.
    pub read: Polarity,
    /// How probable the reading was said to be, 0 to 1.
    pub probability: f64,
}

/// Reads every reply and measures all of them, and those of each project.
///
/// # Errors
/// [`EvalError::Row`].
pub(super) fn score(lines: &[(usize, &str)]) -> Result<Score, EvalError> {
    let case = |(line, text): &(usize, &str)| {
        let row: Row =
            serde_json::from_str(text).map_err(|error| EvalError::Row { line: *line, why: error.to_string() })?;
        let reading = emotion::read(&row.text);
        let (labelled, read) = (row.polarity, reading.polarity());
        let probability = reading.polarities.get(read as usize).copied().unwrap_or_default();
        Ok((row.project.unwrap_or_else(|| "(none)".into()), Case { labelled, read, probability }))
    };
    let cases = lines.par_iter().map(case).collect::<Result<Vec<_>, EvalError>>()?;
    let mut by_project: BTreeMap<String, Vec<Case>> = BTreeMap::new();
    for (project, case) in &cases {
        by_project.entry(project.clone()).or_default().push(*case);
    }
    let all: Vec<Case> = cases.into_iter().map(|(_, case)| case).collect();
    Ok(Score {
        kind: "sentiment",
        rows: all.len(),
        mean: measures(&all),
        by_source: by_project.into_iter().map(|(project, cases)| (project, with_counts(&cases))).collect(),
        by_check: BTreeMap::new(),
        model: None,
    })
}

/// `macro_f1` (the mean over the three polarities; one that is neither labelled nor read counts 0), `negative_recall`
/// (0 where nothing is negative) and `ece` (expected calibration error of the reading's probability, 15 bins).
#[must_use]
pub fn measures(cases: &[Case]) -> BTreeMap<&'static str, f64> {
    let macro_f1 = Polarity::ALL.iter().map(|&polarity| f1(cases, polarity)).sum::<f64>() / 3.0;
    let negative = |case: &&Case| case.labelled == Polarity::Negative;
    let hit = cases.iter().filter(negative).filter(|case| case.read == Polarity::Negative).count();
    let recall = ratio(hit, cases.iter().filter(negative).count());
    BTreeMap::from([("macro_f1", macro_f1), ("negative_recall", recall), ("ece", ece(cases))])
}

fn with_counts(cases: &[Case]) -> BTreeMap<&'static str, f64> {
    let right = cases.iter().filter(|case| case.labelled == case.read).count();
    let counts = [("rows", cases.len() as f64), ("labelled", cases.len() as f64), ("hit", right as f64)];
    measures(cases).into_iter().chain(counts).collect()
}

fn f1(cases: &[Case], polarity: Polarity) -> f64 {
    let count = |is: &dyn Fn(&&Case) -> bool| cases.iter().filter(is).count();
    let both = count(&|case| case.labelled == polarity && case.read == polarity);
    ratio(2 * both, count(&|case| case.labelled == polarity) + count(&|case| case.read == polarity))
}

fn ece(cases: &[Case]) -> f64 {
    let mut bins = [(0.0, 0.0); BINS];
    for case in cases {
        let at = ((case.probability * BINS as f64) as usize).min(BINS - 1);
        if let Some((probability, right)) = bins.get_mut(at) {
            *probability += case.probability;
            *right += f64::from(u8::from(case.labelled == case.read));
        }
    }
    bins.iter().map(|(probability, right)| (probability - right).abs()).sum::<f64>() / cases.len().max(1) as f64
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(labelled: Polarity, read: Polarity, probability: f64) -> Case {
        Case { labelled, read, probability }
    }

    #[test]
    fn measures_are_those_computed_by_hand() {
        use Polarity::{Negative, Neutral, Positive};
        let cases = [
            case(Negative, Negative, 0.9),
            case(Negative, Neutral, 0.5),
            case(Neutral, Neutral, 0.9),
            case(Positive, Positive, 0.9),
        ];
        let measures = measures(&cases);
        // F1: negative 2/3, neutral 2/3, positive 1. Calibration: 3 rows say 0.9 and are right, 1 says 0.5 and is wrong.
        assert!((measures["macro_f1"] - 7.0 / 9.0).abs() < 1e-12);
        assert!((measures["negative_recall"] - 0.5).abs() < 1e-12);
        assert!((measures["ece"] - (0.3 + 0.5) / 4.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_to_measure_is_no_division_by_zero() {
        assert!(measures(&[]).values().all(|value| *value == 0.0));
    }
}
