//! What do the answers come to in words? Patterns that are clear enough for a team to agree on, in a file that people read.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Learned;
use crate::{
    finding::Category,
    taste::{Place, Subject},
};

/// How sure the answers must make us.
const SURE: f64 = 0.9;
/// The weight of answers that a pattern takes.
const LEAST_ANSWERS: f64 = 4.0;
/// The people.
const LEAST_PEOPLE: usize = 2;

/// Which findings a lesson is about: those that are like it in everything that it names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// A check's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What findings are about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Category>,
    /// The sort of file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

impl Pattern {
    /// Whether it is about a finding.
    pub fn covers(&self, subject: &Subject) -> bool {
        self.rule.as_ref().is_none_or(|rule| *rule == subject.rule)
            && self.category.is_none_or(|category| category == subject.category)
            && self.place.is_none_or(|place| place == subject.place)
            && *self != Self::default()
    }

    /// In words, to follow "nobody wants" or "people want".
    fn words(&self) -> String {
        let what = match (&self.rule, self.category) {
            (Some(rule), _) => rule.clone(),
            (None, Some(category)) => format!("findings about {category}"),
            (None, None) => "findings".to_owned(),
        };
        match self.place {
            Some(Place::Test) => format!("{what} in tests"),
            Some(Place::Document) => format!("{what} in documents"),
            Some(Place::Setting) => format!("{what} in settings"),
            Some(Place::Code) => format!("{what} in code that is no test"),
            None => what,
        }
    }
}

/// A pattern in the answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lesson {
    /// The same for the same pattern everywhere.
    pub id: String,
    /// In words.
    pub words: String,
    /// What it is about.
    #[serde(flatten)]
    pub pattern: Pattern,
    /// Whether it is wanted.
    pub wanted: bool,
    /// How many answers.
    pub answers: usize,
    /// By how many people.
    pub people: usize,
    /// How sure the answers make us that it is so, 0 to 1.
    pub sure: f64,
    /// The numbers of the entries behind it.
    pub because: Vec<i64>,
}

/// A lesson that a team agreed on: an entry of `.apprentice/lessons.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adopted {
    /// As [`Lesson::id`].
    pub id: String,
    /// In words, for whoever reads the file.
    pub says: String,
    /// Whether such findings are wanted: always said, or never where they are not severe.
    pub wanted: bool,
    /// Which findings.
    #[serde(flatten)]
    pub about: Pattern,
    /// What it rests on, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct File {
    #[serde(default)]
    lesson: Vec<Adopted>,
}

impl Adopted {
    /// Reads the entries of a file.
    ///
    /// # Errors
    /// Why it cannot be used, with line and column.
    pub fn read(text: &str) -> Result<Vec<Self>, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())?;
        match file.lesson.iter().find(|one| one.about == Pattern::default()) {
            Some(empty) => Err(format!("lesson `{}` names no rule, category or place", empty.id)),
            None => Ok(file.lesson),
        }
    }

    /// The entries as a file.
    ///
    /// # Errors
    /// What kept them from being written.
    pub fn write(all: &[Self]) -> Result<String, String> {
        let head =
            "# What this team agreed on about findings. Each entry came from answers; delete one to take it back.\n\n";
        let text = toml::to_string(&File { lesson: all.to_vec() }).map_err(|error| error.to_string())?;
        Ok(format!("{head}{text}"))
    }
}

impl From<&Lesson> for Adopted {
    fn from(lesson: &Lesson) -> Self {
        Self {
            id: lesson.id.clone(),
            says: lesson.words.clone(),
            wanted: lesson.wanted,
            about: lesson.pattern.clone(),
            support: Some(format!("{} answers by {} people, {:.2}", lesson.answers, lesson.people, lesson.sure)),
        }
    }
}

/// The patterns that the answers make clear, surest first. One that another, wider one says already is left out.
pub fn lessons(learned: &[Learned]) -> Vec<Lesson> {
    let mut by: BTreeMap<Pattern, Vec<&Learned>> = BTreeMap::new();
    for one in learned {
        let subject = &one.answer.subject;
        let of = |rule: bool, category: bool, place: bool| Pattern {
            rule: rule.then(|| subject.rule.clone()),
            category: category.then_some(subject.category),
            place: place.then_some(subject.place),
        };
        for pattern in [of(true, false, false), of(true, false, true), of(false, true, true)] {
            by.entry(pattern).or_default().push(one);
        }
    }
    let mut all: Vec<Lesson> = by.into_iter().filter_map(|(pattern, heard)| lesson(pattern, &heard)).collect();
    // Of a rule that nobody wants anywhere, its places are no news.
    let wide: BTreeSet<(String, bool)> = all
        .iter()
        .filter(|one| one.pattern.place.is_none())
        .filter_map(|one| Some((one.pattern.rule.clone()?, one.wanted)))
        .collect();
    all.retain(|one| {
        let is_said = one.pattern.rule.clone().is_some_and(|rule| wide.contains(&(rule, one.wanted)));
        one.pattern.place.is_none() || !is_said
    });
    all.sort_by(|a, b| b.sure.total_cmp(&a.sure).then_with(|| a.id.cmp(&b.id)));
    all
}

fn lesson(pattern: Pattern, heard: &[&Learned]) -> Option<Lesson> {
    let weight: f64 = heard.iter().map(|one| one.answer.weight).sum();
    let liked: f64 = heard.iter().map(|one| one.answer.weight * one.answer.reward).sum();
    let people: BTreeSet<&str> = heard.iter().map(|one| one.answer.who.as_str()).collect();
    // A category stands on several rules, or it is the rule that people mean.
    let rules: BTreeSet<&str> = heard.iter().map(|one| one.answer.subject.rule.as_str()).collect();
    if pattern.rule.is_none() && rules.len() < 2 {
        return None;
    }
    let (a, b) = (1.0 + liked, 1.0 + weight - liked);
    let (wanted, sure) = if a > b { (true, above_half(a, b)) } else { (false, above_half(b, a)) };
    if weight < LEAST_ANSWERS || people.len() < LEAST_PEOPLE || sure < SURE {
        return None;
    }
    let mut because: Vec<i64> = heard.iter().flat_map(|one| one.because.iter().copied()).collect();
    because.sort_unstable();
    because.dedup();
    let words = match wanted {
        true => format!("people want {}", pattern.words()),
        false => format!("nobody wants {}", pattern.words()),
    };
    Some(Lesson {
        id: id(&pattern, wanted),
        words,
        wanted,
        answers: heard.len(),
        people: people.len(),
        sure,
        because,
        pattern,
    })
}

fn id(pattern: &Pattern, wanted: bool) -> String {
    let text = format!("{:?} {:?} {:?} {wanted}", pattern.rule, pattern.category, pattern.place);
    blake3::hash(text.as_bytes()).to_hex().chars().take(8).collect()
}

/// The probability that a share is above one half, of which so much was seen for and against: one less the Beta
/// distribution's regularized incomplete integral at one half, by Simpson's rule.
fn above_half(a: f64, b: f64) -> f64 {
    const STEPS: usize = 400;
    let density = |x: f64| {
        let x = x.clamp(1e-12, 1.0 - 1e-12);
        ((a - 1.0) * x.ln() + (b - 1.0) * (1.0 - x).ln()).exp()
    };
    // Scaled by the mode's height, or a thousand answers would vanish.
    let mode = if a + b > 2.0 { (a - 1.0) / (a + b - 2.0) } else { 0.5 };
    let top = ((a - 1.0) * mode.max(1e-12).ln() + (b - 1.0) * (1.0 - mode).max(1e-12).ln()).exp();
    let simpson = |from: f64, to: f64| {
        let step = (to - from) / STEPS as f64;
        (0..=STEPS)
            .map(|at| {
                let times = if at == 0 || at == STEPS {
                    1.0
                } else if at % 2 == 1 {
                    4.0
                } else {
                    2.0
                };
                times * density(from + at as f64 * step) / top.max(f64::MIN_POSITIVE)
            })
            .sum::<f64>()
            * step
            / 3.0
    };
    let (below, above) = (simpson(0.0, 0.5), simpson(0.5, 1.0));
    above / (below + above).max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        finding::{Confidence, Severity},
        taste::{Answer, Size},
    };

    fn heard(rule: &str, place: Place, who: &str, reward: f64, id: i64) -> Learned {
        let subject = Subject {
            rule: rule.into(),
            project: "acme/demo".into(),
            language: "Rust".into(),
            category: Category::Style,
            severity: Severity::Info,
            confidence: Confidence::High,
            place,
            size: Size::Small,
            has_patch: false,
        };
        Learned {
            place: "local".into(),
            fingerprint: id.to_string(),
            path: "a.rs".into(),
            answer: Answer { subject, reward, weight: 1.0, who: who.into(), at: 0 },
            because: vec![id],
        }
    }

    #[test]
    fn what_nobody_wants_in_tests_is_said_of_tests() {
        let mut learned = Vec::new();
        for id in 0..8 {
            learned.push(heard("rust/unwrap", Place::Test, ["a", "b", "c"][id as usize % 3], 0.0, id));
            learned.push(heard("rust/unwrap", Place::Code, ["a", "b", "c"][id as usize % 3], 1.0, 100 + id));
        }
        let found = lessons(&learned);
        let words: Vec<&str> = found.iter().map(|one| one.words.as_str()).collect();
        assert!(words.contains(&"nobody wants rust/unwrap in tests"), "{words:?}");
        assert!(words.contains(&"people want rust/unwrap in code that is no test"), "{words:?}");
        let tests = found.iter().find(|one| !one.wanted).expect("a lesson");
        assert_eq!((tests.answers, tests.people, tests.because.clone()), (8, 3, (0..8).collect()));
        let adopted: Vec<Adopted> = found.iter().map(Adopted::from).collect();
        assert_eq!(Adopted::read(&Adopted::write(&adopted).expect("written")).expect("read"), adopted);
    }

    #[test]
    fn one_person_or_a_few_answers_make_no_lesson() {
        let alone: Vec<Learned> = (0..20).map(|id| heard("x/y", Place::Code, "mallory", 0.0, id)).collect();
        assert_eq!(lessons(&alone), []);
        let few = [heard("x/y", Place::Code, "a", 0.0, 1), heard("x/y", Place::Code, "b", 0.0, 2)];
        assert_eq!(lessons(&few), []);
        let torn: Vec<Learned> = (0..20)
            .map(|id| heard("x/y", Place::Code, ["a", "b"][id as usize % 2], f64::from(id % 4 < 2), id))
            .collect();
        assert_eq!(lessons(&torn), []);
    }

    #[test]
    fn a_lesson_about_everything_is_refused() {
        let error = Adopted::read("[[lesson]]\nid = \"x\"\nsays = \"nothing\"\nwanted = false\n").unwrap_err();
        assert!(error.contains("names no rule"), "{error}");
        assert!(Adopted::read("[[lesson]]\nid = 3\n").is_err());
    }

    #[test]
    fn the_share_above_one_half_is_betas() {
        // Beta(2, 1): 1 - 1/4. Beta(5, 2): 1 - 7/64.
        assert!((above_half(2.0, 1.0) - 0.75).abs() < 1e-6 && (above_half(5.0, 2.0) - 57.0 / 64.0).abs() < 1e-6);
        assert!(above_half(2000.0, 100.0) > 0.999_999);
    }
}
