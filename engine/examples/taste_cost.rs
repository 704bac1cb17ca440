//! What does taste cost? A hundred thousand answers, what they take to keep, and how long a decision and an update take:
//!   cargo run --release -p apprentice-engine --example taste_cost -- [ANSWERS]
//!
//! 200 rules, 20 projects, 4 languages, code and tests, 50 people: more of each than most teams have.

#![expect(clippy::disallowed_methods, reason = "a measurement makes a folder and removes it")]

use std::time::{Duration, Instant};

use engine::{
    feedback::{Entry, Journal, Kind, Permission, Told},
    finding::{Category, Confidence, Severity},
    source::RepoPath,
    taste::{Answer, Learning, Place, Policy, Say, Size, State, Subject, Taste},
};

const NOW: i64 = 1_790_000_000_000;

fn subject(nth: usize) -> Subject {
    // Rules are met as often as in a text words are: the n-th a n-th part as often as the first.
    let spread = nth.wrapping_mul(2_654_435_761) % 100_000;
    let rule = ((201.0f64).powf(spread as f64 / 100_000.0) as usize).saturating_sub(1);
    let categories = Category::ALL;
    Subject {
        rule: format!("kind/rule-{rule}"),
        project: format!("acme/project-{}", nth % 20),
        language: ["Rust", "Python", "Go", "TypeScript"][rule % 4].into(),
        category: categories[rule % categories.len()],
        severity: Severity::ALL[rule % 3],
        confidence: [Confidence::Low, Confidence::Medium, Confidence::High][rule % 3],
        place: if nth.is_multiple_of(4) { Place::Test } else { Place::Code },
        size: [Size::Small, Size::Medium, Size::Large][nth / 7 % 3],
        has_patch: (nth / 5).is_multiple_of(3),
    }
}

fn answer(nth: usize) -> Answer {
    let reward = f64::from(u8::from(nth / 3 % 10 < 3));
    let who = format!("{:016x}", (nth % 50).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    Answer { subject: subject(nth), reward, weight: 1.0, who, at: NOW + nth as i64 }
}

fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    println!("| {what} | {:.2} ms |", started.elapsed().as_secs_f64() * 1e3);
    done
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let many = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let learning = Learning::default();
    let mut state = State::default();
    println!("| {many} answers | |\n|---|--:|");
    timed("heard one by one", || (0..many).for_each(|nth| state.hear("m", &answer(nth), learning)));
    let text = timed("written", || state.write())?;
    println!("| as a text | {:.2} MB |", text.len() as f64 / 1e6);
    timed("read again", || State::read(&text))?;
    let mut taste = timed("fitted", || Taste::of(&state, NOW, learning));
    let subjects: Vec<Subject> = (0..1000).map(|nth| subject(nth * 37)).collect();
    let policy = Policy::default();
    let muted = timed("1,000 decisions", || {
        let decide = |(nth, subject): (usize, &Subject)| taste.decide(subject, &nth.to_string(), &policy).say;
        subjects.iter().enumerate().map(decide).filter(|say| *say != Say::Post).count()
    });
    println!("| of which not posted | {muted} |");
    let mut each: Vec<Duration> = Vec::new();
    let mut anew = Duration::ZERO;
    for nth in 0..500 {
        let (answer, started) = (answer(many + nth * 11), Instant::now());
        match taste.learn(&answer) {
            true => anew = anew.max(started.elapsed()),
            false => each.push(started.elapsed()),
        }
    }
    each.sort();
    let at = |part: f64| each[(each.len() as f64 * part) as usize].as_secs_f64() * 1e3;
    println!("| one answer learned, median | {:.3} ms |\n| 99th of 100 | {:.3} ms |", at(0.5), at(0.99));
    println!("| everything fitted anew, each 64 answers | {:.2} ms |", anew.as_secs_f64() * 1e3);
    journal()
}

/// An answer in the journal, on disk and learned from, as `append` returns.
fn journal() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("taste-cost-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let journal = Journal::open(&folder.join("state.db"))?;
    let mut each: Vec<Duration> = Vec::new();
    for nth in 0..500usize {
        let fingerprint = format!("{nth:032x}");
        let path = RepoPath::new("a.rs")?;
        journal.tell(&[Told {
            at: NOW,
            place: "local".into(),
            fingerprint: fingerprint.clone(),
            path: path.clone(),
            subject: subject(nth),
            what: "words".into(),
            say: Say::Post,
            probability: 0.5,
            propensity: 1.0,
            reason: "none".into(),
            material: None,
        }])?;
        let entry = Entry {
            key: nth.to_string(),
            at: NOW,
            kind: Kind::Rejected,
            place: "local".into(),
            fingerprint,
            check: "kind/rule".into(),
            severity: None,
            path: Some(path),
            who: "ann".into(),
            permission: Permission::Write,
            what: None,
            similarity: None,
            instead: None,
            evidence: "an example".into(),
        };
        let started = Instant::now();
        journal.append(&[entry])?;
        each.push(started.elapsed());
    }
    each.sort();
    println!("| one answer on disk and learned from, median | {:.2} ms |", each[250].as_secs_f64() * 1e3);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
