//! Does it learn what was answered, no more than it should, and the same everywhere?

use proptest::prelude::*;

use super::*;
use crate::finding::{Category, Confidence, Severity};

const DAY: i64 = 24 * 3600 * 1000;

fn subject<'a>(rule: &'a str, project: &'a str) -> Subject<'a> {
    Subject {
        rule,
        project,
        language: "python",
        category: Category::Style,
        severity: Severity::Info,
        confidence: Confidence::Medium,
        place: Place::Code,
        has_patch: false,
    }
}

fn answer<'a>(rule: &'a str, project: &'a str, reward: f64, who: &'a str, at: i64) -> Lesson<'a> {
    Lesson { subject: subject(rule, project), reward, weight: 1.0, who, at }
}

fn chance_of(taste: &Taste, rule: &str, project: &str, now: i64) -> f64 {
    taste.belief(&subject(rule, project), now, Learning::default()).probability()
}

#[test]
fn a_rule_learns_most_about_itself_and_a_little_about_its_kind() {
    let mut taste = Taste::default();
    for (at, who) in ["a", "b", "c", "a", "b", "c"].iter().enumerate() {
        taste.learn("m", &answer("style/x", "p", 0.0, who, at as i64), Learning::default());
    }
    let (itself, elsewhere) = (chance_of(&taste, "style/x", "p", 10), chance_of(&taste, "style/x", "q", 10));
    let other = chance_of(&taste, "style/y", "q", 10);
    assert!(itself < 0.15 && itself < elsewhere && elsewhere < other && other < 0.5, "{itself} {elsewhere} {other}");
}

#[test]
fn answers_fade() {
    let mut taste = Taste::default();
    for who in ["a", "b", "c", "d"] {
        taste.learn("m", &answer("style/x", "p", 0.0, who, 0), Learning::default());
    }
    let (soon, late) = (chance_of(&taste, "style/x", "p", 1), chance_of(&taste, "style/x", "p", 720 * DAY));
    assert!(soon < 0.2 && (late - 0.5).abs() < 0.02, "{soon} {late}");
}

#[test]
fn one_person_says_only_so_much() {
    let mut taste = Taste::default();
    let counted: f64 =
        (0..100).map(|at| taste.learn("m", &answer("style/x", "p", 0.0, "mallory", at), Learning::default())).sum();
    assert!((counted - 3.0).abs() < 1e-9);
    let decision = taste.decide(&subject("style/x", "p"), 0, 100, (Learning::default(), Policy::default()));
    assert_eq!(decision.say, Say::Post, "{decision:?}");
}

#[test]
fn what_several_people_reject_goes_quiet_and_what_is_severe_folds() {
    let mut taste = Taste::default();
    let policy = Policy { explore: 0.0, ..Policy::default() };
    for round in 0..3 {
        for who in ["a", "b", "c", "d"] {
            let lesson = answer("style/x", "p", 0.0, who, round);
            taste.learn("m", &lesson, Learning::default());
            let severe = Subject { severity: Severity::Error, rule: "bug/y", ..lesson.subject };
            taste.learn("m", &Lesson { subject: severe, ..lesson }, Learning::default());
        }
    }
    let quiet = taste.decide(&subject("style/x", "p"), 0, 10, (Learning::default(), policy));
    assert_eq!(quiet.say, Say::Mute, "{quiet:?}");
    assert!(quiet.reason.contains("12 answers of 4 people"), "{}", quiet.reason);
    let severe = Subject { severity: Severity::Error, ..subject("bug/y", "p") };
    assert_eq!(taste.decide(&severe, 0, 10, (Learning::default(), policy)).say, Say::Collapse);
}

proptest! {
    #[test]
    fn merging_is_the_same_in_any_order(answers in prop::collection::vec((0..2usize, 0..4usize, 0..3usize, 0..=1u8), 0..40)) {
        let machines = ["m0", "m1"];
        let rules = ["a/a", "a/b", "b/c", "b/d"];
        let people = ["x", "y", "z"];
        let mut parts = [Taste::default(), Taste::default()];
        for (at, (machine, rule, who, reward)) in answers.iter().enumerate() {
            let lesson = answer(rules[*rule], "p", f64::from(*reward), people[*who], at as i64);
            parts[*machine].learn(machines[*machine], &lesson, Learning::default());
        }
        let [first, second] = parts;
        let (mut one, mut two) = (first.clone(), second.clone());
        one.merge(&second);
        two.merge(&first);
        prop_assert_eq!(&one, &two);
        let once = one.clone();
        one.merge(&second);
        prop_assert_eq!(once, one);
    }

    #[test]
    fn the_same_seed_decides_the_same(seed in any::<u64>(), nth in any::<u64>()) {
        let taste = Taste::default();
        let terms = (Learning::default(), Policy { seed, ..Policy::default() });
        let decide = || taste.decide(&subject("style/x", "p"), nth, 0, terms);
        prop_assert_eq!(decide(), decide());
    }
}
