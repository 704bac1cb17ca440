//! What happens in cases that matter: a bad rule, a rule that became good, a hostile voter, a world without bad rules? And are
//! decisions that were not made judged rightly by those that were?

use engine::taste::Policy;

use super::{
    interval,
    policies::{Decider, Ours, worth},
    world::{Finding, HOUR, PEOPLE, RULES, Random, Terms, World},
};

pub(crate) fn all(seeds: u64, terms: Terms) {
    println!("\n| case | mean | 95 % |\n|---|--:|--:|");
    let row = |name: &str, values: Vec<f64>| {
        let (mean, half) = interval(&values);
        println!("| {name} | {mean:.3} | ± {half:.3} |");
    };
    let each = |of: &dyn Fn(u64) -> f64| (0..seeds).map(of).collect::<Vec<f64>>();
    row("answers until a rule that nobody wants is quiet", each(&|seed| bad_rule(seed).0));
    row("findings until it speaks again after everybody wants it", each(&|seed| bad_rule(seed).1));
    row("share muted where nine of ten are wanted", each(&|seed| all_good(seed, terms)));
    row("severe wanted findings hidden", each(&|seed| severe_hidden(seed, terms)));
    let hostile: Vec<(f64, f64)> = (0..seeds).map(|seed| hostile(seed, terms)).collect();
    row("largest change of a rule's chance by one hostile voter", hostile.iter().map(|one| one.0).collect());
    row("rules that the hostile voter alone makes quiet", hostile.iter().map(|one| one.1).collect());
    let judged: Vec<Judged> = (0..seeds).map(|seed| off_policy(seed, terms)).collect();
    for (name, of) in [("IPS", 0), ("SNIPS", 1), ("DR", 2)] {
        row(&format!("{name} less the truth, utility a finding"), judged.iter().map(|one| one.errors[of]).collect());
    }
    row("truth of the judged policy, utility a finding", judged.iter().map(|one| one.truth).collect());
    row("95 % interval of DR covers the truth", judged.iter().map(|one| f64::from(u8::from(one.covered))).collect());
    row("effective sample, share of the log", judged.iter().map(|one| one.sample).collect());
}

fn stream_of(seed: u64, terms: Terms) -> (World, Vec<Finding>) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9) + 5);
    let world = World::new(&mut random, terms);
    let stream = world.stream(&mut random, 2000);
    (world, stream)
}

/// A rule among others whose findings nobody wants, answered by three people in turn; then everybody wants it.
fn bad_rule(seed: u64) -> (f64, f64) {
    let terms = Terms { spread: 1.0, middle: 0.0, drift: 0.0 };
    let (_, stream) = stream_of(seed, terms);
    let mut ours = Ours::new(Policy { seed, ..Policy::default() }, false, None);
    for finding in stream.iter().take(200) {
        ours.posts(finding);
        ours.hears(finding, finding.useful);
    }
    let mut bad = stream[0].clone();
    bad.subject.rule = "any/unwanted".into();
    let mut at = stream[200].at;
    let mut tell = |ours: &mut Ours, nth: usize, liked: bool| {
        at += HOUR;
        let finding = Finding { key: format!("bad {nth}"), at, ..bad.clone() };
        let propensity = ours.says(&finding).propensity;
        let posted = ours.posts(&finding).0;
        if posted {
            ours.learn(&finding, PEOPLE[nth % 3], liked);
        }
        (propensity, posted)
    };
    let mut answers = 0.0;
    for nth in 0..200 {
        if tell(&mut ours, nth, false).0 < 0.5 {
            break;
        }
        answers += 1.0;
    }
    // It stays unwanted for a while, and is mostly quiet.
    for nth in 200..260 {
        tell(&mut ours, nth, false);
    }
    let mut findings = 0.0;
    for nth in 260..3000 {
        if tell(&mut ours, nth, true).0 >= 0.5 {
            break;
        }
        findings += 1.0;
    }
    (answers, findings)
}

fn all_good(seed: u64, terms: Terms) -> f64 {
    let (_, stream) = stream_of(seed, Terms { spread: 0.3 * terms.spread, middle: 2.2, drift: 0.0 });
    let mut ours = Ours::new(Policy { seed, ..Policy::default() }, false, None);
    let mut muted = 0.0;
    for finding in &stream {
        if !ours.posts(finding).0 {
            muted += 1.0;
        } else if let Some(liked) = finding.answer {
            ours.hears(finding, liked);
        }
    }
    muted / stream.len() as f64
}

fn severe_hidden(seed: u64, terms: Terms) -> f64 {
    let (_, stream) = stream_of(seed, terms);
    let mut ours = Ours::new(Policy { seed, ..Policy::default() }, false, None);
    for finding in &stream {
        if let (true, Some(liked)) = (ours.posts(finding).0, finding.answer) {
            ours.hears(finding, liked);
        }
    }
    ours.severe_hidden as f64
}

/// Six people answer; a seventh says no to everything, as often as all of them together.
fn hostile(seed: u64, terms: Terms) -> (f64, f64) {
    let (world, stream) = stream_of(seed, terms);
    let learned = |with: bool| {
        let mut ours = Ours::new(Policy { seed, ..Policy::default() }, false, None);
        for finding in stream.iter().take(600) {
            if let Some(liked) = finding.answer {
                ours.learn(finding, finding.who, liked);
            }
            if with {
                ours.learn(finding, "mallory", false);
            }
        }
        ours
    };
    let (without, with) = (learned(false), learned(true));
    let (mut furthest, mut muted) = (0.0f64, 0.0);
    for rule in 0..RULES {
        let subject = world.subject(rule, (0, 0), false);
        let chance = |ours: &Ours| ours.taste().belief(&subject).probability();
        furthest = furthest.max(chance(&without) - chance(&with));
        // Where nobody else is against it, one voice is not enough.
        let others_against = without.taste().support(&subject.rule).against;
        let probe = Finding { subject, rule, key: "probe".into(), ..stream[0].clone() };
        if others_against == 0 && with.says(&probe).propensity < 0.5 {
            muted += 1.0;
        }
    }
    (furthest, muted)
}

struct Judged {
    truth: f64,
    /// Of IPS, SNIPS and DR.
    errors: [f64; 3],
    covered: bool,
    sample: f64,
}

/// What posting only from a chance of 0.4 on would have won, judged by the log of our own policy, against the truth.
fn off_policy(seed: u64, terms: Terms) -> Judged {
    let (_, stream) = stream_of(seed, terms);
    let mut ours = Ours::new(Policy { seed, explore: 0.05, ..Policy::default() }, false, None);
    let (mut truth, mut weights, mut rewards, mut modeled) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for finding in &stream {
        let (posted, probability) = ours.posts(finding);
        let propensity = ours.decision().map_or(1.0, |decision| decision.propensity);
        let probability = probability.unwrap_or(0.5);
        let cost = worth(&finding.subject);
        let would = f64::from(u8::from(probability >= 0.4));
        truth.push(would * (finding.chance - cost));
        // What an answer shows is turned around one time of ten, which is known.
        let expected = 0.1 + 0.8 * probability;
        let gain = |liked: f64| (liked - 0.1) / 0.8 - cost;
        modeled.push((would, gain(expected)));
        match (posted, finding.answer) {
            (true, Some(liked)) => {
                weights.push(would / (propensity * 0.7));
                rewards.push(gain(f64::from(u8::from(liked))));
                ours.hears(finding, liked);
            }
            _ => {
                weights.push(0.0);
                rewards.push(0.0);
            }
        }
    }
    let many = stream.len() as f64;
    let sum = |of: &dyn Fn(usize) -> f64| (0..stream.len()).map(of).sum::<f64>();
    let truth = truth.iter().sum::<f64>() / many;
    let total = sum(&|at| weights[at]);
    let share = sum(&|at| modeled[at].0) / many;
    let ips = sum(&|at| weights[at] * rewards[at]) / many;
    let snips = share * sum(&|at| weights[at] * rewards[at]) / total.max(1e-9);
    let each = |at: usize| modeled[at].0 * modeled[at].1 + weights[at] * (rewards[at] - modeled[at].1);
    let doubly: Vec<f64> = (0..stream.len()).map(each).collect();
    let (dr, half) = interval(&doubly);
    let squares = sum(&|at| weights[at] * weights[at]);
    Judged {
        truth,
        errors: [ips - truth, snips - truth, dr - truth],
        covered: (dr - truth).abs() <= half,
        sample: total * total / squares.max(1e-9) / many,
    }
}
