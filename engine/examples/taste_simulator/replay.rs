//! What would each way of deciding have said of remarks that people have judged? In their order, hearing a verdict only of
//! what it posted.
#![expect(clippy::disallowed_methods, reason = "a measurement reads the file it is given")]

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    finding::{Category, Confidence, Severity},
    source::{Language, RepoPath},
    taste::{Place, Policy, Size, Subject},
};

use super::{
    Ran, interval,
    policies::{All, Decider, Nearest, Ours, Severe, Wilson},
    run,
    world::{Finding, HOUR, PEOPLE, Random, START},
};

#[derive(serde::Deserialize)]
struct Row {
    note: String,
    label: String,
    category: String,
    file: String,
    pr: String,
}

/// Orders of the projects that are tried: within a project, pull requests stay in the file's order.
const ORDERS: u64 = 30;

pub(crate) fn all(file: &str) {
    let text = std::fs::read_to_string(file).expect("the file of judged remarks can be read");
    let row = |line: &str| -> Row { serde_json::from_str(line).expect("each line is a judged remark") };
    let rows: Vec<Row> = text.lines().filter(|line| !line.trim().is_empty()).map(row).collect();
    let rules: BTreeSet<&str> = rows.iter().map(|row| &*row.category).collect();
    let rules: Vec<&str> = rules.into_iter().collect();
    let mut projects: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        projects.entry(project(row)).or_default().push(row);
    }
    let mut runs: Vec<(&str, Vec<Ran>)> = Vec::new();
    for order in 0..ORDERS {
        let mut random = Random(order * 7919 + 1);
        let mut left: Vec<&Vec<&Row>> = projects.values().collect();
        let mut stream = Vec::new();
        while !left.is_empty() {
            for row in left.swap_remove(random.below(left.len())) {
                stream.push(finding(row, &rules, stream.len()));
            }
        }
        let flat = Policy { seed: order, ..Policy::default() };
        let each: Vec<(&str, Box<dyn Decider>)> = vec![
            ("post all", Box::new(All)),
            ("severity cut", Box::new(Severe)),
            ("Wilson a rule, 0.5", Box::new(Wilson::new(0.5))),
            ("nearest 3", Box::new(Nearest::new(3))),
            ("without hierarchy", Box::new(Ours::new(flat, true, None))),
            ("ours", Box::new(Ours::new(flat, false, None))),
        ];
        for (at, (name, mut decider)) in each.into_iter().enumerate() {
            if runs.len() == at {
                runs.push((name, Vec::new()));
            }
            runs[at].1.push(run(&stream, &mut *decider, 200));
        }
    }
    let valid = rows.iter().filter(|row| row.label == "valid").count();
    println!(
        "{} remarks of {} projects, {valid} of them valid; {ORDERS} orders of the projects\n",
        rows.len(),
        projects.len()
    );
    println!("| policy | precision | recall | F0.5 | precision over post all |\n|---|--:|--:|--:|--:|");
    for (name, ran) in &runs {
        let mean = |of: fn(&Ran) -> f64| interval(&ran.iter().map(of).collect::<Vec<_>>()).0;
        let more = ran.iter().zip(&runs[0].1).map(|(a, b)| a.precision - b.precision);
        let (more, half) = interval(&more.collect::<Vec<_>>());
        let (precision, recall, f_half) = (mean(|ran| ran.precision), mean(|ran| ran.recall), mean(|ran| ran.f_half));
        println!(
            "| {name} | {precision:.3} | {recall:.3} | {f_half:.3} | {:+.1} ± {:.1} |",
            100.0 * more,
            100.0 * half
        );
    }
}

/// `OWNER/NAME` of a pull request's address.
fn project(row: &Row) -> &str {
    row.pr.split("/pull/").next().unwrap_or_default().trim_start_matches("https://github.com/")
}

fn finding(row: &Row, rules: &[&str], nth: usize) -> Finding {
    let path = RepoPath::new(&row.file).ok();
    let language = path.as_ref().and_then(|path| Language::detect(path, "")).map(|one| one.to_string());
    let (category, severity) = match &*row.category {
        "Security Vulnerability" => (Category::Security, Severity::Error),
        "Performance" => (Category::Performance, Severity::Warning),
        "Code Defect" => (Category::Bug, Severity::Warning),
        _ => (Category::Maintainability, Severity::Info),
    };
    let useful = row.label == "valid";
    Finding {
        subject: Subject {
            rule: format!("remark/{category}"),
            project: project(row).to_owned(),
            language: language.unwrap_or_default(),
            category,
            severity,
            confidence: Confidence::Medium,
            place: path.as_ref().map_or(Place::Code, Place::of),
            size: Size::Medium,
            has_patch: row.note.contains("```"),
        },
        rule: rules.iter().position(|rule| *rule == row.category).unwrap_or_default(),
        chance: 0.0,
        useful,
        answer: Some(useful),
        who: PEOPLE[nth % PEOPLE.len()],
        at: START + nth as i64 * HOUR,
        key: nth.to_string(),
        lot: 0.5,
    }
}
