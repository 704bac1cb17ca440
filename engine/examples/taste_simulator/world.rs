//! What does a team want, and what would it answer? Drawn anew for each seed.

use engine::{
    finding::{Category, Confidence, Severity},
    taste::{Place, Size, Subject},
};

/// A small generator (SplitMix64), so that a seed means the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn below(&mut self, many: usize) -> usize {
        (self.next() % many as u64) as usize
    }

    pub(crate) fn normal(&mut self) -> f64 {
        let (a, b) = (self.unit().max(1e-12), self.unit());
        (-2.0 * a.ln()).sqrt() * (2.0 * std::f64::consts::PI * b).cos()
    }
}

pub(crate) const RULES: usize = 60;
pub(crate) const PROJECTS: usize = 8;
pub(crate) const LANGUAGES: usize = 4;
const PLACES: [Place; 2] = [Place::Code, Place::Test];
pub(crate) const PEOPLE: [&str; 6] = ["ann", "ben", "cat", "dan", "eve", "fay"];
pub(crate) const HOUR: i64 = 3_600_000;
/// When the stream begins, in milliseconds since 1970.
pub(crate) const START: i64 = 1_780_000_000_000;

/// How a world is made.
#[derive(Clone, Copy)]
pub(crate) struct Terms {
    /// How far apart rules lie, in standard deviations on the logistic scale; everything else keeps its proportion.
    pub(crate) spread: f64,
    /// The logit of a rule in the middle.
    pub(crate) middle: f64,
    /// The share of rules whose worth is drawn anew half way.
    pub(crate) drift: f64,
}

/// A team, and what it wants.
pub(crate) struct World {
    terms: Terms,
    category: Vec<Category>,
    severity: Vec<Severity>,
    confidence: Vec<Confidence>,
    language: Vec<usize>,
    of_category: Vec<f64>,
    of_rule: Vec<f64>,
    later: Vec<f64>,
    of_project: Vec<f64>,
    of_place: Vec<f64>,
    /// How often a rule speaks, summed up.
    often: Vec<f64>,
}

/// One finding, whether it is wanted, and whether and how it would be answered.
#[derive(Clone)]
pub(crate) struct Finding {
    pub(crate) subject: Subject,
    pub(crate) rule: usize,
    pub(crate) chance: f64,
    pub(crate) useful: bool,
    pub(crate) answer: Option<bool>,
    pub(crate) who: &'static str,
    pub(crate) at: i64,
    pub(crate) key: String,
    /// A number from 0 to 1 for whoever has to draw.
    pub(crate) lot: f64,
}

pub(crate) fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

impl World {
    pub(crate) fn new(random: &mut Random, terms: Terms) -> Self {
        let draw = |random: &mut Random, many: usize, part: f64| -> Vec<f64> {
            (0..many).map(|_| part * terms.spread * random.normal()).collect()
        };
        let of_rule = draw(random, RULES, 0.8);
        let later = of_rule
            .iter()
            .map(|&was| if random.unit() < terms.drift { 0.8 * terms.spread * random.normal() } else { was });
        let later = later.collect();
        let mut sum = 0.0;
        // A few rules speak often, most seldom, as linters' do.
        let often = (0..RULES).map(|rank| {
            sum += 1.0 / (rank + 1) as f64;
            sum
        });
        let often = often.collect();
        let confidence = [Confidence::Low, Confidence::Medium, Confidence::High];
        Self {
            terms,
            category: (0..RULES).map(|_| Category::ALL[random.below(Category::ALL.len())]).collect(),
            severity: (0..RULES).map(|_| Severity::ALL[random.below(3)]).collect(),
            confidence: (0..RULES).map(|_| confidence[random.below(3)]).collect(),
            language: (0..RULES).map(|_| random.below(LANGUAGES)).collect(),
            of_category: draw(random, Category::ALL.len(), 0.4),
            of_project: draw(random, RULES * PROJECTS, 0.4),
            of_place: draw(random, RULES * PLACES.len(), 0.25),
            of_rule,
            later,
            often,
        }
    }

    pub(crate) fn chance(&self, rule: usize, (project, place): (usize, usize), late: bool) -> f64 {
        let own = if late { self.later[rule] } else { self.of_rule[rule] };
        let at = Category::ALL.iter().position(|one| *one == self.category[rule]).unwrap_or_default();
        let sure = match self.confidence[rule] {
            Confidence::Low => -0.25,
            Confidence::Medium => 0.0,
            Confidence::High => 0.25,
        };
        logistic(
            self.terms.middle
                + self.of_category[at]
                + own
                + sure * self.terms.spread
                + self.of_project[rule * PROJECTS + project]
                + self.of_place[rule * PLACES.len() + place],
        )
    }

    fn rule(&self, random: &mut Random) -> usize {
        let at = random.unit() * self.often[RULES - 1];
        self.often.partition_point(|sum| *sum < at).min(RULES - 1)
    }

    pub(crate) fn finding(&self, random: &mut Random, nth: usize, all: usize) -> Finding {
        let (rule, project) = (self.rule(random), random.below(PROJECTS));
        let place = usize::from(random.unit() < 0.25);
        let chance = self.chance(rule, (project, place), nth >= all / 2);
        let useful = random.unit() < chance;
        let heard = if random.unit() < 0.1 { !useful } else { useful };
        Finding {
            subject: self.subject(rule, (project, place), random.unit() < 0.3),
            rule,
            chance,
            useful,
            answer: (random.unit() >= 0.3).then_some(heard),
            who: PEOPLE[random.below(PEOPLE.len())],
            at: START + nth as i64 * HOUR,
            key: format!("{nth}"),
            lot: random.unit(),
        }
    }

    pub(crate) fn subject(&self, rule: usize, (project, place): (usize, usize), has_patch: bool) -> Subject {
        Subject {
            rule: format!("{}/{rule}", self.category[rule]),
            project: format!("project {project}"),
            language: format!("language {}", self.language[rule]),
            category: self.category[rule],
            severity: self.severity[rule],
            confidence: self.confidence[rule],
            place: PLACES[place],
            size: Size::Medium,
            has_patch,
        }
    }

    pub(crate) fn stream(&self, random: &mut Random, many: usize) -> Vec<Finding> {
        (0..many).map(|nth| self.finding(random, nth, many)).collect()
    }
}
