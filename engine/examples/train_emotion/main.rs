//! How well can emotion be learned from labeled replies, and with which weights?
//!
//! `cargo run --release -p apprentice-engine --example train_emotion -- ROWS.jsonl [MORE.jsonl …] --out
//! config/emotion.bin [--folds 10] [--repeats 3] [--predictions FILE]`
//!
//! `--repeats 0` only makes the weights. The first file is what is measured; rows of the others are only ever learned
//! from. Every choice (penalty, weight of the other rows, temperature, weight of negative in a decision) is made inside
//! the learning part of a fold, by folds of its own. Rows with the same text are in the same fold. The same rows give
//! the same bytes.
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a recipe, run by hand")]

mod fit;
mod rows;

use std::{error::Error, fmt::Write};

use engine::{
    eval::sentiment::{Case, measures},
    feedback::emotion::{Polarity, Weights},
};
use fit::{Matrix, Sample, fit, logits, softmax};
use rayon::prelude::*;
use rows::{Reply, Rows, folds};

/// Penalties and weights of the other rows that are tried.
const STRENGTHS: [f64; 3] = [0.5, 1.0, 2.0];
const OTHERS: [f64; 2] = [0.1, 0.3];

/// Folds inside the learning part.
const INNER: usize = 3;

/// Resamples of an interval.
const RESAMPLES: u64 = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = Arguments::read()?;
    let rows = Rows::read(&arguments.files)?;
    println!("{} rows measured, {} more to learn from", rows.measured.len(), rows.others.len());
    let repeats = 0..arguments.repeats;
    let cases: Vec<_> = repeats.clone().map(|repeat| cross(&rows, arguments.folds, repeat)).collect();
    let emotions: Vec<_> = repeats.map(|repeat| cross_emotion(&rows, arguments.folds, repeat)).collect();
    if arguments.repeats > 0 {
        report(&rows, &cases);
        report_emotion(&rows, &emotions);
    }
    if let Some(file) = arguments.predictions.take() {
        std::fs::write(file, predictions(&rows, &cases)?)?;
    }
    if let Some(file) = arguments.out.take() {
        let bytes = all(&rows).bytes();
        println!("{file}: {} bytes", bytes.len());
        std::fs::write(file, bytes)?;
    }
    Ok(())
}

struct Arguments {
    files: Vec<String>,
    out: Option<String>,
    predictions: Option<String>,
    folds: usize,
    repeats: usize,
}

impl Arguments {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut read = Self { files: Vec::new(), out: None, predictions: None, folds: 10, repeats: 3 };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            match argument.as_str() {
                "--out" => read.out = Some(value()?),
                "--predictions" => read.predictions = Some(value()?),
                "--folds" => read.folds = value()?.parse()?,
                "--repeats" => read.repeats = value()?.parse()?,
                _ => read.files.push(argument),
            }
        }
        match read.files.is_empty() || read.folds < 2 {
            true => Err("give JSON lines with `text` and `polarity`, and at least two folds".into()),
            false => Ok(read),
        }
    }
}

/// What a reply was read as by a model that did not learn from it.
#[derive(Clone, Copy)]
struct Predicted<const N: usize> {
    fold: usize,
    probabilities: [f64; N],
    read: usize,
}

/// How a model is made of rows.
#[derive(Debug, Clone, Copy)]
struct Settings {
    strength: f64,
    others: f64,
    temperature: f64,
    /// What negative counts in a decision.
    negative: f64,
}

/// Every row read by a model of the other folds.
fn cross(rows: &Rows, count: usize, seed: usize) -> Vec<Predicted<3>> {
    let fold_of = folds(&rows.measured, count, seed as u64);
    let read: Vec<_> = (0..count)
        .into_par_iter()
        .flat_map_iter(|fold| {
            let learned = pick(&rows.measured, |at| fold_of[at] != fold);
            let settings = choose(rows, &learned);
            let weights = polarity(rows, &learned, settings);
            let tested = (0..rows.measured.len()).filter(|at| fold_of[*at] == fold).collect::<Vec<_>>();
            let read = move |at: usize| {
                let probabilities = heated(logits(&weights, &rows.measured[at].numbers), settings.temperature);
                (at, Predicted { fold, probabilities, read: decide(probabilities, settings.negative) })
            };
            tested.into_iter().map(read).collect::<Vec<_>>()
        })
        .collect();
    in_order(read)
}

fn in_order<const N: usize>(mut read: Vec<(usize, Predicted<N>)>) -> Vec<Predicted<N>> {
    read.sort_by_key(|(at, _)| *at);
    read.into_iter().map(|(_, predicted)| predicted).collect()
}

fn pick(replies: &[Reply], is_in: impl Fn(usize) -> bool) -> Vec<&Reply> {
    replies.iter().enumerate().filter(|(at, _)| is_in(*at)).map(|(_, reply)| reply).collect()
}

/// The settings that folds of these rows alone speak for.
fn choose(rows: &Rows, learned: &[&Reply]) -> Settings {
    let fold_of = folds(learned, INNER, 7);
    let tries = STRENGTHS.iter().flat_map(|&strength| OTHERS.map(|others| (strength, others)));
    let tries: Vec<_> = tries.filter(|(_, others)| !rows.others.is_empty() || *others == OTHERS[0]).collect();
    let tried = tries.into_iter().map(|(strength, others)| {
        let settings = Settings { strength, others, temperature: 1.0, negative: 1.0 };
        let read = inner(learned, &fold_of, |part| polarity(rows, part, settings));
        let (temperature, surprise) = temperature(&read);
        (surprise, Settings { temperature, ..settings }, read)
    });
    let best = tried.min_by(|a, b| a.0.total_cmp(&b.0));
    let (_, settings, read) = best.expect("there are settings to try");
    Settings { negative: negative_weight(&read, settings.temperature), ..settings }
}

/// Logits and label of every row, by a model of the other inner folds.
fn inner(learned: &[&Reply], fold_of: &[usize], model: impl Fn(&[&Reply]) -> Matrix<3>) -> Vec<([f64; 3], usize)> {
    (0..INNER)
        .flat_map(|fold| {
            let part: Vec<&Reply> =
                (0..learned.len()).filter(|at| fold_of[*at] != fold).map(|at| learned[at]).collect();
            let weights = model(&part);
            let tested = (0..learned.len()).filter(|at| fold_of[*at] == fold).map(|at| learned[at]);
            tested.map(|reply| (logits(&weights, &reply.numbers), reply.polarity)).collect::<Vec<_>>()
        })
        .collect()
}

fn polarity(rows: &Rows, learned: &[&Reply], settings: Settings) -> Matrix<3> {
    let others = rows.others.iter().map(|reply| (reply, settings.others * reply.weight));
    let samples: Vec<Sample<'_, 3>> = learned
        .iter()
        .map(|&reply| (reply, 1.0))
        .chain(others)
        .map(|(reply, weight)| Sample { numbers: &reply.numbers, target: reply.target, weight })
        .collect();
    fit(&samples, rows.numbers, settings.strength)
}

fn heated<const N: usize>(logits: [f64; N], temperature: f64) -> [f64; N] {
    softmax(logits.map(|logit| logit / temperature))
}

/// The temperature under which the labels are most probable, and their mean surprise then, in nats.
fn temperature<const N: usize>(read: &[([f64; N], usize)]) -> (f64, f64) {
    let surprise = |temperature: f64| {
        let one = |(logits, label): &([f64; N], usize)| -heated(*logits, temperature)[*label].max(1e-12).ln();
        read.iter().map(one).sum::<f64>() / read.len() as f64
    };
    let tried = (10..=60).map(|step| f64::from(step) / 20.0).map(|temperature| (temperature, surprise(temperature)));
    tried.min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or((1.0, 0.0))
}

/// What negative should count for the best macro-F1.
fn negative_weight(read: &[([f64; 3], usize)], temperature: f64) -> f64 {
    let score = |weight: f64| {
        let case = |(logits, label): &([f64; 3], usize)| {
            let probabilities = heated(*logits, temperature);
            let read = decide(probabilities, weight);
            Case { labelled: Polarity::ALL[*label], read: Polarity::ALL[read], probability: probabilities[read] }
        };
        measures(&read.iter().map(case).collect::<Vec<_>>())["macro_f1"]
    };
    // The mean of neighbors, because single values jump.
    let smooth = |weight: f64| (score(weight - 0.1) + score(weight) + score(weight + 0.1)) / 3.0;
    let tried = (10..=16).map(|step| f64::from(step) / 10.0).map(|weight| (weight, smooth(weight)));
    tried.fold((1.0, 0.0), |best, tried| if tried.1 > best.1 { tried } else { best }).0
}

fn decide(probabilities: [f64; 3], negative: f64) -> usize {
    greatest(&[probabilities[0] * negative, probabilities[1], probabilities[2]])
}

fn greatest(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, at| if values[at] > values[best] { at } else { best })
}

/// Every row's emotion read by a model of the other folds.
fn cross_emotion(rows: &Rows, count: usize, seed: usize) -> Vec<Predicted<4>> {
    let fold_of = folds(&rows.measured, count, seed as u64);
    let read: Vec<_> = (0..count)
        .into_par_iter()
        .flat_map_iter(|fold| {
            let (weights, temperature) = emotion(rows, &pick(&rows.measured, |at| fold_of[at] != fold));
            let tested = (0..rows.measured.len()).filter(|at| fold_of[*at] == fold).collect::<Vec<_>>();
            let read = move |at: usize| {
                let probabilities = heated(logits(&weights, &rows.measured[at].numbers), temperature);
                (at, Predicted { fold, probabilities, read: greatest(&probabilities) })
            };
            tested.into_iter().map(read).collect::<Vec<_>>()
        })
        .collect();
    in_order(read)
}

/// Weights of the emotion, and the temperature that inner folds speak for.
fn emotion(rows: &Rows, learned: &[&Reply]) -> (Matrix<4>, f64) {
    let model = |part: &[&Reply]| {
        let others = rows.others.iter().map(|reply| (reply, OTHERS[0] * reply.weight));
        let all = part.iter().map(|reply| (*reply, 1.0)).chain(others);
        let labeled = all.filter_map(|(reply, weight)| {
            reply.emotion.map(|target| Sample { numbers: &reply.numbers, target, weight })
        });
        fit(&labeled.collect::<Vec<_>>(), rows.numbers, 1.0)
    };
    let fold_of = folds(learned, INNER, 7);
    let mut read = Vec::new();
    for fold in 0..INNER {
        let part: Vec<&Reply> = (0..learned.len()).filter(|at| fold_of[*at] != fold).map(|at| learned[at]).collect();
        let weights = model(&part);
        let tested = (0..learned.len()).filter(|at| fold_of[*at] == fold).map(|at| learned[at]);
        read.extend(tested.filter_map(|r| r.emotion.map(|target| (logits(&weights, &r.numbers), greatest(&target)))));
    }
    (model(learned), temperature(&read).0)
}

/// The weights that ship: settings and models of all rows.
fn all(rows: &Rows) -> Weights {
    let learned = pick(&rows.measured, |_| true);
    let settings = choose(rows, &learned);
    println!("all rows: {settings:?}");
    let (emotion, heat) = emotion(rows, &learned);
    let cool = |row: &[f64; 3]| row.map(|weight| (weight / settings.temperature) as f32);
    Weights {
        decision: [settings.negative as f32, 1.0, 1.0],
        polarity: polarity(rows, &learned, settings).iter().map(cool).collect(),
        emotion: emotion.iter().map(|row| row.map(|weight| (weight / heat) as f32)).collect(),
    }
}

fn case(reply: &Reply, predicted: &Predicted<3>) -> Case {
    let (labelled, read) = (Polarity::ALL[reply.polarity], Polarity::ALL[predicted.read]);
    Case { labelled, read, probability: predicted.probabilities[predicted.read] }
}

/// Means over repeats with 95 % bootstrap intervals over rows, and what readings above a probability are worth.
fn report(rows: &Rows, repeats: &[Vec<Predicted<3>>]) {
    let cases: Vec<Vec<Case>> = repeats
        .iter()
        .map(|read| rows.measured.iter().zip(read).map(|(row, read)| case(row, read)).collect())
        .collect();
    println!("polarity, {} times cross-validated", repeats.len());
    for measure in ["macro_f1", "negative_recall", "ece"] {
        let mean = |cases: &[Vec<Case>]| cases.iter().map(|c| measures(c)[measure]).sum::<f64>() / cases.len() as f64;
        let mut resampled: Vec<f64> = (0..RESAMPLES)
            .into_par_iter()
            .map(|seed| {
                let rows = rows::resample(rows.measured.len(), seed);
                let cases: Vec<Vec<Case>> = cases.iter().map(|c| rows.iter().map(|at| c[*at]).collect()).collect();
                mean(&cases)
            })
            .collect();
        resampled.sort_by(f64::total_cmp);
        let (low, high) = (resampled[25], resampled[974]);
        println!("  {measure:<16} {:.3} [{low:.3}, {high:.3}]", mean(&cases));
    }
    for floor in [0.0, 0.5, 0.6, 0.7, 0.8] {
        let all: Vec<&Case> = cases.iter().flatten().collect();
        let sure: Vec<&&Case> = all.iter().filter(|case| case.probability >= floor).collect();
        let right = sure.iter().filter(|case| case.labelled == case.read).count();
        let opposite = sure.iter().filter(|c| (c.labelled as i8 - c.read as i8).abs() == 2).count();
        let share = |part: usize, whole: usize| 100.0 * part as f64 / whole.max(1) as f64;
        println!(
            "  at least {floor:.1} sure: {:.0} % of replies, {:.0} % right, {:.1} % the opposite",
            share(sure.len(), all.len()),
            share(right, sure.len()),
            share(opposite, sure.len())
        );
    }
}

fn report_emotion(rows: &Rows, repeats: &[Vec<Predicted<4>>]) {
    println!("emotion, {} times cross-validated", repeats.len());
    let names = ["satisfaction", "frustration", "confusion", "neutral"];
    let labeled = |reply: &Reply| reply.emotion.map(|target| greatest(&target));
    let pairs: Vec<(usize, usize)> = repeats
        .iter()
        .flat_map(|read| {
            rows.measured.iter().zip(read).filter_map(|(row, p)| labeled(row).map(|label| (label, p.read)))
        })
        .collect();
    for (at, name) in names.iter().enumerate() {
        let count = |is: &dyn Fn(&&(usize, usize)) -> bool| pairs.iter().filter(is).count();
        let (rows, read) = (count(&|pair| pair.0 == at), count(&|pair| pair.1 == at));
        let both = count(&|pair| pair.0 == at && pair.1 == at);
        let share = |whole: usize| both as f64 / whole.max(1) as f64;
        println!(
            "  {name:<12} {:>4} labeled, precision {:.2}, recall {:.2}",
            rows / repeats.len(),
            share(read),
            share(rows)
        );
    }
}

/// JSON lines: what each row was read as in each repeat, so that others can be measured in the same folds.
fn predictions(rows: &Rows, repeats: &[Vec<Predicted<3>>]) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for (repeat, read) in repeats.iter().enumerate() {
        for (row, (reply, read)) in rows.measured.iter().zip(read).enumerate() {
            let line = serde_json::json!({
                "repeat": repeat, "row": row, "fold": read.fold, "labeled": Polarity::ALL[reply.polarity],
                "read": Polarity::ALL[read.read], "probabilities": read.probabilities,
            });
            writeln!(text, "{line}")?;
        }
    }
    Ok(text)
}
