//! How soon does each way of deciding learn what a team wants? A stream of findings whose worth is known, decided by several
//! policies that hear only about what they post:
//!   cargo run --release --example taste_simulator -- [SEEDS [FINDINGS [SURE]]]
//!
//! 60 rules in 7 categories, 8 projects, 4 languages; what is taken up is drawn from category, rule, rule and project, rule and
//! language, about three of ten. A tenth of the answers are wrong, three of ten never come, and a fifth of the rules change
//! their worth half way. Prints a Markdown table: means over seeds with 95 % intervals of the paired difference to post-all.

use std::collections::HashMap;

use engine::{
    finding::{Category, Confidence, Severity},
    taste::{Learning, Lesson, Place, Policy, Say, Subject, Taste},
};

/// A small generator (SplitMix64), so that a seed means the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, many: usize) -> usize {
        (self.next() % many as u64) as usize
    }

    fn normal(&mut self) -> f64 {
        let (a, b) = (self.unit().max(1e-12), self.unit());
        (-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
    }
}

const RULES: usize = 60;
const PROJECTS: usize = 8;
const LANGUAGES: usize = 4;
const PEOPLE: [&str; 6] = ["ann", "ben", "cat", "dan", "eve", "fay"];
const HOUR: i64 = 3_600_000;

/// A team, and what it wants.
struct World {
    names: Vec<String>,
    projects: Vec<String>,
    languages: Vec<String>,
    category: Vec<usize>,
    severity: Vec<Severity>,
    of_category: Vec<f64>,
    of_rule: Vec<f64>,
    later: Vec<f64>,
    of_project: Vec<f64>,
    of_language: Vec<f64>,
}

/// One finding, whether it is wanted, and whether and how it would be answered.
struct Finding {
    rule: usize,
    project: usize,
    language: usize,
    chance: f64,
    useful: bool,
    answer: Option<bool>,
    who: &'static str,
    at: i64,
}

impl World {
    fn new(random: &mut Random) -> Self {
        let draw =
            |random: &mut Random, many: usize, spread: f64| (0..many).map(|_| spread * random.normal()).collect();
        let of_rule: Vec<f64> = draw(random, RULES, 1.0);
        let later = of_rule.iter().map(|&was| if random.unit() < 0.2 { random.normal() } else { was }).collect();
        Self {
            names: (0..RULES).map(|rule| format!("kind/{rule}")).collect(),
            projects: (0..PROJECTS).map(|project| format!("project {project}")).collect(),
            languages: (0..LANGUAGES).map(|language| format!("language {language}")).collect(),
            category: (0..RULES).map(|_| random.below(Category::ALL.len())).collect(),
            severity: (0..RULES).map(|_| Severity::ALL[random.below(3)]).collect(),
            of_category: draw(random, Category::ALL.len(), 0.5),
            of_project: draw(random, RULES * PROJECTS, 0.6),
            of_language: draw(random, RULES * LANGUAGES, 0.4),
            of_rule,
            later,
        }
    }

    fn finding(&self, random: &mut Random, at: usize, all: usize) -> Finding {
        let (rule, project, language) = (random.below(RULES), random.below(PROJECTS), random.below(LANGUAGES));
        let own = if at < all / 2 { self.of_rule[rule] } else { self.later[rule] };
        let logit = -1.1
            + self.of_category[self.category[rule]]
            + own
            + self.of_project[rule * PROJECTS + project]
            + self.of_language[rule * LANGUAGES + language];
        let chance = 1.0 / (1.0 + (-logit).exp());
        let useful = random.unit() < chance;
        let heard = if random.unit() < 0.1 { !useful } else { useful };
        let answer = (random.unit() >= 0.3).then_some(heard);
        Finding { rule, project, language, chance, useful, answer, who: PEOPLE[random.below(6)], at: at as i64 * HOUR }
    }

    fn subject(&self, finding: &Finding) -> Subject<'_> {
        Subject {
            rule: &self.names[finding.rule],
            project: &self.projects[finding.project],
            language: &self.languages[finding.language],
            category: Category::ALL[self.category[finding.rule]],
            severity: self.severity[finding.rule],
            confidence: Confidence::Medium,
            place: Place::Code,
            has_patch: false,
        }
    }
}

/// A way of deciding. It hears the answers to what it posted, and to nothing else.
trait Decider {
    fn posts(&mut self, world: &World, finding: &Finding) -> bool;
    fn hears(&mut self, _world: &World, _finding: &Finding, _liked: bool) {}
}

struct All;
impl Decider for All {
    fn posts(&mut self, _: &World, _: &Finding) -> bool {
        true
    }
}

struct Severe;
impl Decider for Severe {
    fn posts(&mut self, world: &World, finding: &Finding) -> bool {
        world.severity[finding.rule] >= Severity::Warning
    }
}

struct Oracle;
impl Decider for Oracle {
    fn posts(&mut self, _: &World, finding: &Finding) -> bool {
        finding.chance >= 0.2
    }
}

/// Each rule for itself: quiet when the upper end of its interval (Wilson 1927, 90 %) is too low.
#[derive(Default)]
struct Wilson(HashMap<usize, (f64, f64)>);
impl Decider for Wilson {
    fn posts(&mut self, _: &World, finding: &Finding) -> bool {
        let (liked, all) = self.0.get(&finding.rule).copied().unwrap_or_default();
        if all < 5.0 {
            return true;
        }
        let (z, p) = (1.645f64, liked / all);
        let middle = p + z * z / (2.0 * all);
        let upper = (middle + z * (p * (1.0 - p) / all + z * z / (4.0 * all * all)).sqrt()) / (1.0 + z * z / all);
        upper >= 0.3
    }
    fn hears(&mut self, _: &World, finding: &Finding, liked: bool) {
        let (good, all) = self.0.entry(finding.rule).or_default();
        *good += f64::from(u8::from(liked));
        *all += 1.0;
    }
}

/// Quiet where three answers to alike findings were no, and not more were yes.
#[derive(Default)]
struct Nearest(Vec<(usize, usize, usize, bool)>);
impl Decider for Nearest {
    fn posts(&mut self, _: &World, finding: &Finding) -> bool {
        let is_alike = |(rule, project, language, _): &&(usize, usize, usize, bool)| {
            *rule == finding.rule && (*project == finding.project || *language == finding.language)
        };
        let (mut yes, mut no) = (0, 0);
        for (.., liked) in self.0.iter().filter(is_alike) {
            if *liked { yes += 1 } else { no += 1 }
        }
        !(no >= 3 && no > yes)
    }
    fn hears(&mut self, _: &World, finding: &Finding, liked: bool) {
        self.0.push((finding.rule, finding.project, finding.language, liked));
    }
}

/// The engine's model. Flat: every rule is a stranger to every other, and to itself elsewhere. Shuffled: answers are drawn by lot.
struct Ours {
    taste: Taste,
    policy: Policy,
    flat: bool,
    shuffled: Option<Random>,
    severe_hidden: usize,
}
impl Ours {
    fn new(seed: u64, flat: bool, shuffled: bool) -> Self {
        let policy = Policy { seed, sure: argument(3, 0.9), ..Policy::default() };
        Self {
            taste: Taste::default(),
            policy,
            flat,
            shuffled: shuffled.then_some(Random(seed ^ 77)),
            severe_hidden: 0,
        }
    }
    fn subject<'a>(&self, world: &'a World, finding: &Finding) -> Subject<'a> {
        let subject = world.subject(finding);
        match self.flat {
            true => Subject { project: "", language: "", category: Category::Bug, ..subject },
            false => subject,
        }
    }
}
impl Decider for Ours {
    fn posts(&mut self, world: &World, finding: &Finding) -> bool {
        let subject = self.subject(world, finding);
        let decision = self.taste.decide(&subject, finding.at as u64, finding.at, (Learning::default(), self.policy));
        let is_severe = subject.severity == Severity::Error;
        self.severe_hidden += usize::from(is_severe && finding.useful && decision.say == Say::Mute);
        decision.say == Say::Post
    }
    fn hears(&mut self, world: &World, finding: &Finding, liked: bool) {
        let liked = self.shuffled.as_mut().map_or(liked, |random| random.unit() < 0.3);
        let subject = self.subject(world, finding);
        let reward = f64::from(u8::from(liked));
        let lesson = Lesson { subject, reward, weight: 1.0, who: finding.who, at: finding.at };
        self.taste.learn("m", &lesson, Learning::default());
    }
}

/// What one run came to, from the point on where so many answers had been heard.
struct Ran {
    precision: f64,
    recall: f64,
    f_half: f64,
}

fn run(world: &World, stream: &[Finding], decider: &mut dyn Decider, from_answers: usize) -> Ran {
    let (mut posted, mut good, mut useful, mut answers) = (0.0f64, 0.0f64, 0.0f64, 0usize);
    for finding in stream {
        let posts = decider.posts(world, finding);
        if answers >= from_answers {
            posted += f64::from(u8::from(posts));
            useful += f64::from(u8::from(finding.useful));
            good += f64::from(u8::from(posts && finding.useful));
        }
        if let (true, Some(liked)) = (posts, finding.answer) {
            decider.hears(world, finding, liked);
            answers += 1;
        }
    }
    let (precision, recall) = (good / posted.max(1.0), good / useful.max(1.0));
    let f_half = 1.25 * precision * recall / (0.25 * precision + recall).max(1e-9);
    Ran { precision, recall, f_half }
}

fn deciders(seed: u64) -> Vec<(&'static str, Box<dyn Decider>)> {
    vec![
        ("post all", Box::new(All)),
        ("severity cut", Box::new(Severe)),
        ("Wilson a rule", Box::<Wilson>::default()),
        ("nearest three", Box::<Nearest>::default()),
        ("ours, flat", Box::new(Ours::new(seed, true, false))),
        ("ours", Box::new(Ours::new(seed, false, false))),
        ("ours, answers by lot", Box::new(Ours::new(seed, false, true))),
        ("oracle", Box::new(Oracle)),
    ]
}

fn interval(values: &[f64]) -> (f64, f64) {
    let many = values.len() as f64;
    let mean = values.iter().sum::<f64>() / many;
    let spread = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (many - 1.0).max(1.0)).sqrt();
    (mean, 1.96 * spread / many.sqrt())
}

fn argument<T: std::str::FromStr>(at: usize, or: T) -> T {
    std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(or)
}

fn main() {
    let (seeds, findings): (usize, usize) = (argument(1, 30), argument(2, 2000));
    let mut runs: Vec<(&str, Vec<Ran>)> = Vec::new();
    for seed in 0..seeds as u64 {
        let mut random = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) + 1);
        let world = World::new(&mut random);
        let stream: Vec<Finding> = (0..findings).map(|at| world.finding(&mut random, at, findings)).collect();
        for (at, (name, mut decider)) in deciders(seed).into_iter().enumerate() {
            let ran = run(&world, &stream, &mut *decider, 200);
            if runs.len() <= at {
                runs.push((name, Vec::new()));
            }
            runs[at].1.push(ran);
        }
    }
    println!("| policy | precision | recall | F0.5 | precision over post all | over nearest three |");
    println!("|---|--:|--:|--:|--:|--:|");
    let column = |at: usize, of: fn(&Ran) -> f64| runs[at].1.iter().map(of).collect::<Vec<f64>>();
    for (at, (name, _)) in runs.iter().enumerate() {
        let mean = |of: fn(&Ran) -> f64| interval(&column(at, of)).0;
        let over = |other: usize| {
            let pairs = column(at, |ran| ran.precision).into_iter().zip(column(other, |ran| ran.precision));
            let (mean, half) = interval(&pairs.map(|(ours, theirs)| ours - theirs).collect::<Vec<_>>());
            format!("{:+.1} ± {:.1}", 100.0 * mean, 100.0 * half)
        };
        println!(
            "| {name} | {:.3} | {:.3} | {:.3} | {} | {} |",
            mean(|ran| ran.precision),
            mean(|ran| ran.recall),
            mean(|ran| ran.f_half),
            over(0),
            over(3)
        );
    }
}
