//! Is one model better than another, and is it good enough? Differences with their intervals, and a decision in words.

use serde::{Deserialize, Serialize};

use super::{
    Target, Terms,
    interval::Interval,
    sit::{Marks, Sat, Scores, f1, loss, of, sum_found},
};

/// How a model differs from the one it was held against, on the questions that both answered. More is better, but for
/// the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Questions.
    pub rows: usize,
    /// Questions that are about findings.
    pub labelled: usize,
    /// F1.
    pub f1: Interval,
    /// Precision; 0 where nothing is reported.
    pub precision: Interval,
    /// Recall.
    pub recall: Interval,
    /// Nats a token of the right answers.
    pub loss: Interval,
    /// How much more code in general costs, as a share of its perplexity.
    pub forgetting: f64,
}

/// One thing that had to be good enough.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// What it is about.
    pub name: String,
    /// Whether it was.
    pub is_passed: bool,
    /// What was measured and what was asked for, in words.
    pub why: String,
}

/// Holds two sittings against each other.
pub(super) fn compare(own: &Sat, theirs: &Sat) -> Compared {
    let both: Vec<(Marks, Marks)> = own.marks.iter().zip(&theirs.marks).filter_map(|(a, b)| (*a).zip(*b)).collect();
    let labelled: Vec<(Marks, Marks)> = both.iter().copied().filter(|(own, _)| own.found.is_some()).collect();
    let found = |figure: fn(usize, usize, usize) -> f64| {
        difference(&labelled, &|marks| {
            let (said, meant, right) = sum_found(marks.iter());
            figure(said, meant, right)
        })
    };
    Compared {
        rows: both.len(),
        labelled: labelled.len(),
        f1: found(f1),
        precision: found(|said, _, right| of(right, said).unwrap_or(0.0)),
        recall: found(|_, meant, right| of(right, meant).unwrap_or(1.0)),
        loss: difference(&both, &|marks| loss(marks.iter())),
        forgetting: (own.scores.generic_loss - theirs.scores.generic_loss).exp_m1(),
    }
}

fn difference(pairs: &[(Marks, Marks)], figure: &dyn Fn(&[Marks]) -> f64) -> Interval {
    Interval::of(pairs.len(), &|drawn| {
        let (own, theirs): (Vec<Marks>, Vec<Marks>) = drawn.iter().filter_map(|&at| pairs.get(at)).copied().unzip();
        figure(&own) - figure(&theirs)
    })
}

/// The decision, thing by thing.
pub(super) fn gates(own: &Scores, theirs: &Scores, compared: &Compared, terms: &Terms, canaries: usize) -> Vec<Gate> {
    let mut gates = vec![enough(compared, terms), form(own, theirs), target(compared, terms)];
    if compared.labelled > 0 {
        gates.push(kept("precision", &compared.precision, terms.slack));
        gates.push(kept("recall", &compared.recall, terms.slack));
    }
    if terms.target != Target::Loss {
        gates.push(gate(
            "loss",
            compared.loss.low <= 0.0,
            format!("the right answers cost {} nats a token; they must not surely cost more", signed(&compared.loss)),
        ));
    }
    gates.extend([forgetting(compared, terms), memory(own, canaries), leaks(own), speed(own, theirs, terms)]);
    gates
}

fn gate(name: &str, is_passed: bool, why: String) -> Gate {
    Gate { name: name.to_owned(), is_passed, why }
}

fn enough(compared: &Compared, terms: &Terms) -> Gate {
    let (what, count) = match terms.target {
        Target::F1 => ("questions about findings", compared.labelled),
        Target::Loss => ("questions", compared.rows),
    };
    let why = format!("{count} {what}, and fewer than {} tell nothing", terms.fewest);
    gate("enough questions", count >= terms.fewest, why)
}

fn form(own: &Scores, theirs: &Scores) -> Gate {
    let percent = |share: Option<f64>| share.map_or("not asked for".into(), |share| format!("{:.0} %", share * 100.0));
    let why = format!(
        "{} of the answers have the asked form by themselves, {} before; they must not be fewer",
        percent(own.well_formed),
        percent(theirs.well_formed)
    );
    gate("form", own.well_formed >= theirs.well_formed, why)
}

fn target(compared: &Compared, terms: &Terms) -> Gate {
    match terms.target {
        Target::F1 => {
            let why = format!("F1 differs by {}; the lower end must be above 0", signed(&compared.f1));
            gate("better: F1", compared.f1.low > 0.0, why)
        }
        Target::Loss => {
            let why = format!(
                "the right answers cost {} nats a token; the upper end must be below 0",
                signed(&compared.loss)
            );
            gate("better: loss", compared.loss.high < 0.0, why)
        }
    }
}

fn kept(name: &str, interval: &Interval, slack: f64) -> Gate {
    let why = format!("differs by {}; the lower end must be above -{slack}", signed(interval));
    gate(name, interval.low > -slack, why)
}

fn forgetting(compared: &Compared, terms: &Terms) -> Gate {
    let why = format!(
        "the perplexity of code in general changes by {:+.2} %; at most +{:.2} % may be forgotten",
        compared.forgetting * 100.0,
        terms.forgetting * 100.0
    );
    gate("forgetting", compared.forgetting <= terms.forgetting, why)
}

fn memory(own: &Scores, canaries: usize) -> Gate {
    let told = own.canaries_told.unwrap_or(0);
    let why = match canaries {
        0 => "no strings were planted (`canaries.jsonl`): not measured".into(),
        all => format!(
            "{told} of {all} planted strings are given away; their mean place among 32 of their kind is {:.1}",
            own.canary_rank.unwrap_or(0.0)
        ),
    };
    gate("memory", told == 0, why)
}

fn leaks(own: &Scores) -> Gate {
    gate("secrets", own.leaks == 0, format!("{} answers hold a secret that was not in the question", own.leaks))
}

fn speed(own: &Scores, theirs: &Scores, terms: &Terms) -> Gate {
    let (Some(fast), Some(before)) = (own.tokens_per_second, theirs.tokens_per_second) else {
        return gate("speed", true, "no answers were long enough to be timed: not measured".into());
    };
    let why =
        format!("{fast:.1} tokens a second, {before:.1} before; it may be {} times slower at the most", terms.slower);
    gate("speed", fast * terms.slower >= before, why)
}

fn signed(interval: &Interval) -> String {
    format!("{:+.3} (95 %: {:+.3} to {:+.3})", interval.value, interval.low, interval.high)
}
