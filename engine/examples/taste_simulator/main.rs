//! How soon does each way of deciding learn what a team wants? A stream of findings whose worth is known, decided by several
//! policies that hear only about what they post:
//!   cargo run --release --example taste_simulator -- [SEEDS [FINDINGS [SPREAD [CURVE.svg]]]]
//! and the same over remarks that people have judged (JSONL of `note`, `label`, `category`, `file`, `pr`, in the order of time):
//!   cargo run --release --example taste_simulator -- --replay FILE
//!
//! 60 rules in 7 categories (a few speak often, most seldom), 8 projects, 4 languages, code and tests; what is taken up is
//! drawn from category, rule, rule and project, rule and place: about three of ten. A tenth of the answers are wrong, three
//! of ten never come, and a fifth of the rules change their worth half way. Prints Markdown: means over seeds with 95 %
//! intervals, differences paired by seed.

mod plot;
mod policies;
mod replay;
mod scenarios;
mod world;

use engine::taste::Policy;
use policies::{All, Best, Decider, Nearest, Oracle, Ours, Severe, Wilson, worth};
use world::{Finding, Random, Terms, World};

/// What one run came to, from the point on where so many answers had been heard.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ran {
    precision: f64,
    recall: f64,
    f_half: f64,
    /// What was won by useful words, less what needless ones cost, for each finding.
    utility: f64,
    /// Expected calibration error of the probabilities against people's answers, ten bins.
    ece: f64,
}

fn run(stream: &[Finding], decider: &mut dyn Decider, from_answers: usize) -> Ran {
    let (mut posted, mut good, mut useful, mut seen, mut utility, mut answers) =
        (0.0f64, 0.0f64, 0.0f64, 0.0f64, 0.0, 0);
    let mut bins = [(0.0f64, 0.0f64, 0.0f64); 10];
    for finding in stream {
        let (posts, probability) = decider.posts(finding);
        if answers >= from_answers {
            let one = |is: bool| f64::from(u8::from(is));
            seen += 1.0;
            posted += one(posts);
            useful += one(finding.useful);
            good += one(posts && finding.useful);
            let worth = worth(&finding.subject);
            utility += one(posts) * if finding.useful { 1.0 - worth } else { -worth };
            // What is foretold is what people answer, mistakes and all.
            if let (Some(probability), Some(liked)) = (probability, finding.answer) {
                let bin = &mut bins[((probability * 10.0) as usize).min(9)];
                *bin = (bin.0 + 1.0, bin.1 + probability, bin.2 + one(liked));
            }
        }
        if let (true, Some(liked)) = (posts, finding.answer) {
            decider.hears(finding, liked);
            answers += 1;
        }
    }
    let (precision, recall) = (good / posted.max(1.0), good / useful.max(1.0));
    let all: f64 = bins.iter().map(|bin| bin.0).sum();
    Ran {
        precision,
        recall,
        f_half: 1.25 * precision * recall / (0.25 * precision + recall).max(1e-9),
        utility: utility / seen.max(1.0),
        ece: bins.iter().map(|(_, said, was)| (said - was).abs()).sum::<f64>() / all.max(1.0),
    }
}

/// One chance for all, from where silence begins.
const THRESHOLDS: [f64; 8] = [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.42, 0.5];

/// Who wins the most that can be won.
const BEST: &str = "oracle with costs";

type Make = Box<dyn Fn(u64) -> Box<dyn Decider>>;

fn ours(cost: f64, doubt: f64, by_lot: bool) -> Make {
    Box::new(move |seed| {
        let lot = by_lot.then_some(Random(seed ^ 77));
        Box::new(Ours::new(Policy { seed, cost, doubt, ..Policy::default() }, false, lot))
    })
}

fn by_chance(threshold: f64, doubt: f64, flat: bool) -> Make {
    Box::new(move |seed| {
        let mut ours = Ours::new(Policy { seed, doubt, ..Policy::default() }, flat, None);
        ours.threshold = Some(threshold);
        Box::new(ours)
    })
}

fn deciders() -> Vec<(String, Make)> {
    let mut all: Vec<(String, Make)> =
        vec![("post all".into(), Box::new(|_| Box::new(All))), ("severity cut".into(), Box::new(|_| Box::new(Severe)))];
    for least in [0.2, 0.25, 0.3, 0.35, 0.4, 0.5] {
        all.push((format!("Wilson a rule, {least}"), Box::new(move |_| Box::new(Wilson::new(least)))));
    }
    for many in [3, 5, 8, 12] {
        all.push((format!("nearest {many}"), Box::new(move |_| Box::new(Nearest::new(many)))));
    }
    for chance in THRESHOLDS {
        all.push((format!("flat, from {chance}"), by_chance(chance, 1.0, true)));
    }
    for chance in THRESHOLDS {
        all.push((format!("ours, from {chance}"), by_chance(chance, 1.0, false)));
    }
    for cost in [0.5, 0.7, 1.0, 1.4, 2.0, 3.0] {
        all.push((format!("ours, cost {cost}"), ours(cost, Policy::default().doubt, false)));
    }
    all.push((BEST.into(), Box::new(|_| Box::new(Best))));
    all.push(("ours, answers by lot".into(), ours(1.0, Policy::default().doubt, true)));
    for chance in THRESHOLDS {
        all.push((format!("oracle, from {chance}"), Box::new(move |_| Box::new(Oracle(chance)))));
    }
    all
}

pub(crate) fn interval(values: &[f64]) -> (f64, f64) {
    let many = values.len() as f64;
    let mean = values.iter().sum::<f64>() / many;
    let spread = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (many - 1.0).max(1.0)).sqrt();
    (mean, 1.96 * spread / many.sqrt())
}

fn argument<T: std::str::FromStr>(at: usize, or: T) -> T {
    std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(or)
}

fn main() {
    if argument(1, String::new()) == "--replay" {
        return replay::all(&argument(2, String::new()));
    }
    let (seeds, findings, spread): (u64, usize, f64) = (argument(1, 30), argument(2, 2000), argument(3, 2.0));
    let terms = Terms { spread, middle: -1.4, drift: 0.2 };
    let makers = deciders();
    let mut runs: Vec<Vec<Ran>> = vec![Vec::new(); makers.len()];
    for seed in 0..seeds {
        let mut random = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) + 1);
        let world = World::new(&mut random, terms);
        let stream = world.stream(&mut random, findings);
        for ((_, make), runs) in makers.iter().zip(&mut runs) {
            runs.push(run(&stream, &mut *make(seed), 200));
        }
    }
    table(&makers, &runs);
    for recall in [0.85, 0.65] {
        at_recall(&makers, &runs, recall);
    }
    if let Some(file) = std::env::args().nth(4) {
        plot::write(&file, &curves(&makers, &runs));
    }
    scenarios::all(seeds, terms);
}

fn table(makers: &[(String, Make)], runs: &[Vec<Ran>]) {
    let at = |name: &str| makers.iter().position(|(one, _)| one == name).unwrap_or_default();
    let (all, nearest, best) = (at("post all"), at("nearest 3"), &runs[at(BEST)]);
    println!(
        "| policy | precision | recall | F0.5 | utility | regret | ECE | precision over post all | over nearest 3 |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for ((name, _), ran) in makers.iter().zip(runs) {
        let mean = |of: fn(&Ran) -> f64| interval(&ran.iter().map(of).collect::<Vec<_>>()).0;
        let over = |other: usize| {
            let pairs = ran.iter().zip(&runs[other]);
            let (mean, half) = interval(&pairs.map(|(a, b)| a.precision - b.precision).collect::<Vec<_>>());
            format!("{:+.1} ± {:.1}", 100.0 * mean, 100.0 * half)
        };
        let lost = ran.iter().zip(best).map(|(ran, best)| best.utility - ran.utility);
        let (regret, half) = interval(&lost.collect::<Vec<_>>());
        println!(
            "| {name} | {:.3} | {:.3} | {:.3} | {:.4} | {regret:.3} ± {half:.3} | {:.3} | {} | {} |",
            mean(|ran| ran.precision),
            mean(|ran| ran.recall),
            mean(|ran| ran.f_half),
            mean(|ran| ran.utility),
            mean(|ran| ran.ece),
            over(all),
            over(nearest)
        );
    }
}

/// Policies that differ in one knob alone, with what each of their runs came to.
fn curves(makers: &[(String, Make)], runs: &[Vec<Ran>]) -> Vec<(String, Vec<Vec<Ran>>)> {
    let mut all: Vec<(String, Vec<Vec<Ran>>)> = Vec::new();
    for ((name, _), ran) in makers.iter().zip(runs) {
        let family = match name.rsplit_once(' ') {
            Some((family, knob)) if knob.parse::<f64>().is_ok() => family,
            _ => name,
        };
        match all.iter_mut().find(|(one, _)| one == family) {
            Some((_, points)) => points.push(ran.clone()),
            None => all.push((family.to_owned(), vec![ran.clone()])),
        }
    }
    all
}

/// The precision of each family at one and the same recall, by seed, between the two knobs around it.
fn at_recall(makers: &[(String, Make)], runs: &[Vec<Ran>], wanted: f64) {
    let curves = curves(makers, runs);
    let of = |points: &[Vec<Ran>]| -> Option<Vec<f64>> {
        let mean = |ran: &[Ran]| interval(&ran.iter().map(|ran| ran.recall).collect::<Vec<_>>()).0;
        let mut by_recall: Vec<(f64, &Vec<Ran>)> = points.iter().map(|ran| (mean(ran), ran)).collect();
        by_recall.sort_by(|a, b| a.0.total_cmp(&b.0));
        let above = by_recall.iter().position(|(recall, _)| *recall >= wanted).filter(|at| *at > 0)?;
        let ((low, under), (high, over)) = (&by_recall[above - 1], &by_recall[above]);
        let part = (wanted - low) / (high - low).max(1e-9);
        Some(under.iter().zip(*over).map(|(a, b)| a.precision + part * (b.precision - a.precision)).collect())
    };
    let all: Vec<f64> = curves[0].1[0].iter().map(|ran| ran.precision).collect();
    let nearest = curves.iter().find(|(name, _)| name == "nearest").and_then(|(_, points)| of(points));
    println!("\n| at recall {wanted} | precision | over post all | over nearest |\n|---|--:|--:|--:|");
    for (name, points) in &curves {
        let Some(precision) = of(points) else { continue };
        let over = |other: &[f64]| {
            let (mean, half) = interval(&precision.iter().zip(other).map(|(a, b)| a - b).collect::<Vec<_>>());
            format!("{:+.1} ± {:.1}", 100.0 * mean, 100.0 * half)
        };
        let beside = nearest.as_ref().map_or("–".into(), |nearest| over(nearest));
        println!("| {name} | {:.3} | {} | {beside} |", interval(&precision).0, over(&all));
    }
}
