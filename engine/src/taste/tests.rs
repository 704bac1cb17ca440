//! Does it learn what was answered, no more than it should, and the same everywhere?

use proptest::prelude::*;

use super::*;
use crate::finding::{Category, Confidence, Severity};

const DAY: i64 = 24 * 3600 * 1000;
const NOW: i64 = 1_790_000_000_000;

fn subject(rule: &str, project: &str) -> Subject {
    Subject {
        rule: rule.into(),
        project: project.into(),
        language: "python".into(),
        category: Category::Style,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        place: Place::Code,
        size: Size::Small,
        has_patch: false,
    }
}

fn answer(rule: &str, project: &str, reward: f64, who: &str, at: i64) -> Answer {
    Answer { subject: subject(rule, project), reward, weight: 1.0, who: who.into(), at }
}

fn heard(answers: &[Answer]) -> State {
    let mut state = State::default();
    answers.iter().for_each(|answer| state.hear("m", answer, Learning::default()));
    state
}

fn taste(answers: &[Answer]) -> Taste {
    Taste::of(&heard(answers), NOW, Learning::default())
}

fn chance_of(taste: &Taste, rule: &str, project: &str) -> f64 {
    taste.belief(&subject(rule, project)).probability()
}

fn rejected(rule: &str, people: &[&str], rounds: i64) -> Vec<Answer> {
    let each = |round: i64| people.iter().map(move |who| answer(rule, "p", 0.0, who, NOW - round));
    (0..rounds).flat_map(each).collect()
}

#[test]
fn a_rule_learns_most_about_itself_and_a_little_about_its_kind() {
    let taste = taste(&rejected("style/x", &["a", "b", "c"], 2));
    let (itself, elsewhere) = (chance_of(&taste, "style/x", "p"), chance_of(&taste, "style/x", "q"));
    let other = chance_of(&taste, "style/y", "q");
    assert!(itself < 0.15 && itself < elsewhere && elsewhere < other && other < 0.5, "{itself} {elsewhere} {other}");
}

#[test]
fn answers_fade() {
    let answers: Vec<Answer> = ["a", "b", "c", "d"].map(|who| answer("style/x", "p", 0.0, who, NOW)).into();
    let state = heard(&answers);
    let at = |now: i64| chance_of(&Taste::of(&state, now, Learning::default()), "style/x", "p");
    assert!(at(NOW) < 0.2 && (at(NOW + 1000 * DAY) - 0.5).abs() < 0.02, "{} {}", at(NOW), at(NOW + 1000 * DAY));
}

#[test]
fn one_person_says_only_so_much() {
    let many: Vec<Answer> = (0..100).map(|_| answer("style/x", "p", 0.0, "mallory", NOW)).collect();
    let (few, many) = (taste(&many[..3]), taste(&many));
    assert!((chance_of(&few, "style/x", "p") - chance_of(&many, "style/x", "p")).abs() < 1e-9);
    assert!((many.support("style/x").answers - 3.0).abs() < 1e-9);
}

#[test]
fn nobody_mutes_a_rule_alone_where_others_answer() {
    let mut answers: Vec<Answer> = (0..100).map(|_| answer("style/x", "p", 0.0, "mallory", NOW)).collect();
    answers.push(answer("style/other", "p", 1.0, "alice", NOW));
    let decide = |answers: &[Answer]| {
        let taste = taste(answers);
        (0..200)
            .filter(|n| taste.decide(&subject("style/x", "p"), &n.to_string(), &Policy::default()).say == Say::Mute)
            .count()
    };
    assert_eq!(decide(&answers), 0);
    // Who is alone on the machine is the team.
    assert!(decide(&answers[..100]) > 150, "{}", decide(&answers[..100]));
}

#[test]
fn what_several_people_reject_goes_quiet_and_what_is_severe_folds() {
    let mut answers = rejected("style/x", &["a", "b", "c", "d"], 3);
    let severe = Subject { severity: Severity::Error, ..subject("bug/y", "p") };
    answers.extend(answers.clone().into_iter().map(|one| Answer { subject: severe.clone(), ..one }));
    let taste = taste(&answers);
    let all = |subject: &Subject| -> Vec<Decision> {
        (0..500).map(|n| taste.decide(subject, &n.to_string(), &Policy::default())).collect()
    };
    let quiet = all(&subject("style/x", "p"));
    assert!(quiet.iter().filter(|one| one.say == Say::Mute).count() > 450, "{:?}", quiet[0]);
    assert!(quiet.iter().any(|one| one.reason.contains("4 people answered about style/x, 4 of them against it")));
    // What it says of its own chances is what it does.
    let posted = quiet.iter().filter(|one| one.say == Say::Post).count() as f64 / 500.0;
    assert!((posted - quiet[0].propensity).abs() < 0.05, "{posted} {}", quiet[0].propensity);
    let severe = all(&severe);
    assert!(severe.iter().all(|one| one.say != Say::Mute) && severe.iter().any(|one| one.say == Say::Collapse));
}

#[test]
fn learning_one_by_one_is_learning_all_at_once() {
    let people = ["a", "b", "c", "d", "e"];
    let answers: Vec<Answer> = (0..60usize)
        .map(|n| answer(&format!("style/{}", n % 7), ["p", "q"][n % 2], f64::from(n % 3 == 0), people[n % 5], NOW))
        .collect();
    let mut one_by_one = taste(&answers[..40]);
    answers[40..].iter().for_each(|answer| {
        one_by_one.learn(answer);
    });
    let at_once = taste(&answers);
    for rule in 0..7 {
        let name = format!("style/{rule}");
        let (a, b) = (chance_of(&one_by_one, &name, "p"), chance_of(&at_once, &name, "p"));
        assert!((a - b).abs() < 0.02, "{name}: {a} {b}");
    }
}

/// The mode and its curvature, found without blocks: Newton's method over everything at once, and a dense inverse.
#[test]
fn the_blocks_come_to_what_the_whole_comes_to() {
    let answers: Vec<Answer> = (0..80usize)
        .map(|n| {
            answer(&format!("style/{}", n % 4), ["p", "q", "r"][n % 3], f64::from(n % 5 < 2), ["a", "b"][n % 2], NOW)
        })
        .collect();
    let learning = Learning { cap: 1000.0, ..Learning::default() };
    let taste = Taste::of(&heard(&answers), NOW, learning);
    let mut names: Vec<(String, f64, f64)> = Vec::new();
    let mut place = |name: String, mean: f64, spread: f64| {
        names.iter().position(|(one, ..)| *one == name).unwrap_or_else(|| {
            names.push((name, mean, spread));
            names.len() - 1
        })
    };
    let mut rows_of = |subject: &Subject| -> Vec<usize> {
        let shared = subject.shared().into_iter().map(|effect| (effect.name.clone(), effect));
        let own = subject.own().into_iter().map(|effect| (format!("{} {}", subject.rule, effect.name), effect));
        let all = shared.chain(own);
        all.map(|(name, effect)| place(name, effect.mean, taste.spread_of(effect.level))).collect()
    };
    let rows: Vec<(Vec<usize>, f64)> = answers.iter().map(|one| (rows_of(&one.subject), one.reward)).collect();
    let side = names.len();
    let mut mode: Vec<f64> = names.iter().map(|(_, mean, _)| *mean).collect();
    let mut curvature = solve::Square::zero(side);
    for _ in 0..50 {
        curvature = solve::Square::zero(side);
        let mut slope: Vec<f64> =
            names.iter().zip(&mode).map(|((_, mean, spread), mode)| -(mode - mean) / spread.powi(2)).collect();
        (0..side).for_each(|at| *curvature.at_mut(at, at) = names[at].2.powi(-2));
        for (row, reward) in &rows {
            let chance = 1.0 / (1.0 + (-row.iter().map(|&at| mode[at]).sum::<f64>()).exp());
            for &a in row {
                slope[a] += reward - chance;
                row.iter().for_each(|&b| *curvature.at_mut(a, b) += chance * (1.0 - chance));
            }
        }
        solve::Factor::of(curvature.clone()).solve(&mut slope);
        mode.iter_mut().zip(&slope).for_each(|(mode, step)| *mode += step);
    }
    for (answer, (row, _)) in answers.iter().zip(&rows) {
        let mut unit = vec![0.0; side];
        row.iter().for_each(|&at| unit[at] = 1.0);
        let mean: f64 = row.iter().map(|&at| mode[at]).sum();
        solve::Factor::of(curvature.clone()).forward(&mut unit);
        let variance: f64 = unit.iter().map(|x| x * x).sum();
        let belief = taste.belief(&answer.subject);
        assert!((belief.mean - mean).abs() < 1e-5, "{} {mean}", belief.mean);
        assert!((belief.variance - variance).abs() < 1e-5, "{} {variance}", belief.variance);
    }
}

#[test]
fn a_damaged_state_is_refused() {
    let text = heard(&rejected("style/x", &["a"], 1)).write().expect("written");
    for (what, with) in [
        ("[0,0,1,", "[7,0,1,"),
        ("[0,0,1,", "[0,0,-1,"),
        ("\"version\":1", "\"version\":9"),
        ("[0,0,1,", "[0,0,1,1e300,"),
    ] {
        assert!(text.contains(what), "{text}");
        assert!(State::read(&text.replacen(what, with, 1)).is_err(), "{with}");
    }
    assert!(State::read("{}").is_err());
    let sums = Sums { answers: 1, weight: 1e300, reward: 0.0 };
    let by = [("a".to_owned(), sums)].into();
    let part = Part { version: 1, sums: [(subject("style/x", "p"), by)].into() };
    let heavy = State::of([("m".to_owned(), part)]).write().expect("written");
    assert!(State::read(&heavy).is_err(), "{heavy}");
}

fn parts() -> impl Strategy<Value = Vec<(usize, usize, usize, u8)>> {
    prop::collection::vec((0..3usize, 0..4usize, 0..3usize, 0..=1u8), 0..40)
}

proptest! {
    #[test]
    fn merging_is_the_same_in_any_order(answers in parts()) {
        let machines = ["m0", "m1", "m2"];
        let mut states = [State::default(), State::default(), State::default()];
        for (at, (machine, rule, who, reward)) in answers.iter().enumerate() {
            let one = answer(["a/a", "a/b", "b/c", "b/d"][*rule], "p", f64::from(*reward), ["x", "y", "z"][*who], NOW + at as i64);
            states[*machine].hear(machines[*machine], &one, Learning::default());
            // Now and then one hears of another.
            if at % 7 == 0 {
                let other = states[(machine + 1) % 3].clone();
                states[*machine].merge(&other);
            }
        }
        let merged = |order: [usize; 3]| {
            let mut all = states[order[0]].clone();
            all.merge(&states[order[1]]);
            all.merge(&states[order[2]]);
            all
        };
        let one = merged([0, 1, 2]);
        prop_assert_eq!(&one, &merged([2, 1, 0]));
        prop_assert_eq!(&one, &merged([1, 2, 0]));
        let mut twice = one.clone();
        twice.merge(&states[0]);
        prop_assert_eq!(&one, &twice);
        prop_assert_eq!(State::read(&one.write().expect("written")).expect("read"), one);
    }

    #[test]
    fn the_same_seed_decides_the_same(seed in any::<u64>(), key in "[0-9a-f]{1,8}") {
        let policy = Policy { seed, ..Policy::default() };
        let decide = || taste(&rejected("style/x", &["a", "b"], 2)).decide(&subject("style/x", "p"), &key, &policy);
        prop_assert_eq!(decide(), decide());
    }
}
