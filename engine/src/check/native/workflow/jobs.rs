//! Do the jobs fit together and onto the runners there are?

use std::collections::HashMap;

use super::{FileKind, Job, Report, Step, Workflow};
use crate::check::native::yaml::{Kind, Scalar, Value};

/// `needs` on a job that is not there, on itself, or in a circle.
pub(super) fn needs(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let find = |name: &str| workflow.jobs.iter().position(|job| job.id.text.eq_ignore_ascii_case(name));
    let mut edges: Vec<Vec<usize>> = Vec::new();
    for job in &workflow.jobs {
        let mut seen: Vec<String> = Vec::new();
        let mut targets = Vec::new();
        for name in job.value.get("needs").map_or_else(Vec::new, Value::scalars) {
            match find(&name.text) {
                _ if name.text.contains("${{") || name.text.is_empty() => {}
                None => report.say(name.span.clone(), format!("there is no job `{}`", name.text)),
                Some(_) if seen.contains(&name.text.to_ascii_lowercase()) => {
                    report.say(name.span.clone(), format!("`{}` is needed twice", name.text));
                }
                Some(target) => targets.push(target),
            }
            seen.push(name.text.to_ascii_lowercase());
        }
        edges.push(targets);
    }
    if let Some(at) = (0..edges.len()).find(|&at| reaches(&edges, at)) {
        let id = workflow.jobs[at].id;
        report.say(id.span.clone(), format!("the job `{}` waits for itself through `needs`", id.text));
    }
}

fn reaches(edges: &[Vec<usize>], start: usize) -> bool {
    let mut open = edges[start].clone();
    let mut seen = vec![false; edges.len()];
    while let Some(at) = open.pop() {
        if at == start {
            return true;
        }
        if !std::mem::replace(&mut seen[at], true) {
            open.extend(&edges[at]);
        }
    }
    false
}

/// A name of a job or step that GitHub does not take, or that two steps have.
pub(super) fn id(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for job in &workflow.jobs {
        judge_id(job.id, "job", report);
        unique(&job.steps, report);
    }
    unique(&workflow.own_steps, report);
}

fn unique(steps: &[Step<'_>], report: &mut Report<'_>) {
    let mut seen = HashMap::new();
    for id in steps.iter().filter_map(|step| step.value.get("id")?.as_scalar()) {
        judge_id(id, "step", report);
        if seen.insert(id.text.to_ascii_lowercase(), ()).is_some() && !id.text.is_empty() {
            report.say(id.span.clone(), format!("another step is called `{}` already", id.text));
        }
    }
}

fn judge_id(id: &Scalar, of: &str, report: &mut Report<'_>) {
    let text = &*id.text;
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let is_name = (starts && rest) || text == "<<" || text.is_empty() || text.contains("${{");
    if !is_name {
        report.say(
            id.span.clone(),
            format!(
                "`{text}` is not a name for a {of}: letters, digits, `-` and `_`, not starting with a digit or `-`"
            ),
        );
    }
}

/// What follows the system's name in the labels of GitHub's runners.
const UBUNTU: &[&str] = &["latest", "22.04", "24.04", "26.04", "slim"];
const WINDOWS: &[&str] = &["latest", "2022", "2025", "2026", "11"];
const MACOS: &[&str] = &["latest", "13", "14", "15", "26"];

/// A label that is meant for GitHub's runners and that none of them has, or two that none has together.
pub(super) fn runner_label(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for job in &workflow.jobs {
        let own = job.runner_labels().iter().any(|label| label.text.eq_ignore_ascii_case("self-hosted"));
        let mut systems: Vec<&str> = Vec::new();
        for label in job.runner_labels() {
            if let Some(why) = label_error(&label.text).filter(|_| !own) {
                report.say(label.span.clone(), why);
            }
        }
        let runs_on = job.value.get("runs-on").map(|runs_on| runs_on.get("labels").unwrap_or(runs_on));
        for label in runs_on.map_or(&[][..], Value::items).iter().filter_map(Value::as_scalar) {
            let system = label.text.split('-').next().filter(|system| is_system(system) && label.text.contains('-'));
            match (system, systems.first()) {
                (Some(system), Some(first)) if *first != system => {
                    report.say(
                        label.span.clone(),
                        format!(
                            "no runner has `{}` beside a label of another system; a matrix runs on each",
                            label.text
                        ),
                    );
                }
                (Some(system), _) => systems.push(system),
                _ => {}
            }
        }
    }
}

fn is_system(word: &str) -> bool {
    matches!(word, "ubuntu" | "windows" | "macos")
}

fn label_error(label: &str) -> Option<String> {
    let lower = label.to_ascii_lowercase();
    if lower.contains("${{") {
        return None;
    }
    let (system, rest) = lower.split_once('-')?;
    let known = match system {
        "ubuntu" => UBUNTU,
        "windows" => WINDOWS,
        "macos" => MACOS,
        "linux" | "mac" | "osx" | "win" | "debian" if rest == "latest" => {
            return Some(format!("no runner of GitHub's has the label `{label}`"));
        }
        _ => return None,
    };
    let (version, size) = rest.split_once('-').map_or((rest, None), |(version, size)| (version, Some(size)));
    let retired = matches!(
        (system, version),
        ("ubuntu", "16.04" | "18.04" | "20.04")
            | ("windows", "2016" | "2019")
            | ("macos", "10.13" | "10.14" | "10.15" | "11" | "12")
    );
    match size {
        Some(_) => None,
        None if retired => Some(format!("GitHub has taken `{label}` out of service")),
        None if !known.contains(&version) && plausible(version) => {
            Some(format!("no runner of GitHub's has the label `{label}`"))
        }
        None => None,
    }
}

/// Whether it looks like one of GitHub's own words rather than a name a team gave to its larger runner.
fn plausible(version: &str) -> bool {
    let numeric = version.chars().all(|c| c.is_ascii_digit() || c == '.');
    let near = ["latest", "oldest", "newest", "stable", "lts", "last", "current"];
    numeric || near.iter().any(|word| *word == version || super::uses::is_slip(word, version))
}

/// A matrix that repeats itself or excludes what it does not have.
pub(super) fn matrix(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for job in &workflow.jobs {
        let Some(matrix) = job.value.at(&["strategy", "matrix"]).filter(|matrix| matrix.is_map()) else { continue };
        for row in matrix.entries().iter().filter(|row| !matches!(&*row.key.text, "include" | "exclude")) {
            repeated(&row.key.text, row.value.items(), report);
        }
        for combination in matrix.get("exclude").map_or(&[][..], Value::items) {
            for entry in combination.entries() {
                let row = matrix.entries().iter().find(|row| row.key.text.eq_ignore_ascii_case(&entry.key.text));
                match row {
                    None => {
                        report.say(entry.span.clone(), format!("the matrix has no `{}` to exclude", entry.key.text))
                    }
                    Some(row)
                        if row.value.is_seq()
                            && !row.value.items().iter().any(|value| may_match(value, &entry.value)) =>
                    {
                        report.say(
                            entry.span.clone(),
                            format!("the matrix has no such value of `{}` to exclude", entry.key.text),
                        );
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

fn repeated(name: &str, values: &[Value], report: &mut Report<'_>) {
    for (at, value) in values.iter().enumerate() {
        if values[..at].iter().any(|earlier| same(earlier, value)) {
            report.say(value.span.clone(), format!("this value of `{name}` is in the matrix twice"));
        }
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (&a.kind, &b.kind) {
        (Kind::Scalar(a), Kind::Scalar(b)) => {
            a.text == b.text && !a.text.contains("${{") && a.is_plain() == b.is_plain()
        }
        (Kind::Seq(a), Kind::Seq(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| same(a, b)),
        (Kind::Map(a), Kind::Map(b)) => {
            a.len() == b.len()
                && a.iter().all(|a| b.iter().any(|b| a.key.text == b.key.text && same(&a.value, &b.value)))
        }
        _ => false,
    }
}

/// Whether an exclusion can be meant for a value: the same scalar, part of the mapping, or something computed.
fn may_match(value: &Value, excluded: &Value) -> bool {
    let computed = |value: &Value| value.as_str().is_some_and(|text| text.contains("${{"));
    if computed(value) || computed(excluded) || contains_computed(value) || contains_computed(excluded) {
        return true;
    }
    match (&value.kind, &excluded.kind) {
        (Kind::Scalar(a), Kind::Scalar(b)) => a.text == b.text || numbers_equal(&a.text, &b.text),
        (Kind::Map(a), Kind::Map(b)) => {
            b.iter().all(|b| a.iter().any(|a| a.key.text == b.key.text && may_match(&a.value, &b.value)))
        }
        (Kind::Seq(a), Kind::Seq(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| may_match(a, b)),
        (Kind::Null, Kind::Null) => true,
        _ => false,
    }
}

fn contains_computed(value: &Value) -> bool {
    match &value.kind {
        Kind::Scalar(scalar) => scalar.text.contains("${{"),
        Kind::Map(entries) => entries.iter().any(|entry| contains_computed(&entry.value)),
        Kind::Seq(items) => items.iter().any(contains_computed),
        Kind::Null => false,
    }
}

fn numbers_equal(a: &str, b: &str) -> bool {
    matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

/// A job that calls a workflow and does other things, or one that does not and has the settings of a call.
pub(super) fn call(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for job in &workflow.jobs {
        match job.value.get("uses").and_then(Value::as_scalar) {
            Some(uses) => calling(job, uses, report),
            None => {
                for key in ["with", "secrets"] {
                    if let Some(entry) = job.value.entry(key).filter(|_| job.value.is_map()) {
                        report.say(
                            entry.key.span.clone(),
                            format!("a job has `{key}` only where it calls a workflow with `uses`"),
                        );
                    }
                }
            }
        }
    }
}

fn calling(job: &Job<'_>, uses: &Scalar, report: &mut Report<'_>) {
    const FOREIGN: &[&str] = &[
        "runs-on",
        "steps",
        "container",
        "services",
        "env",
        "defaults",
        "environment",
        "timeout-minutes",
        "outputs",
        "continue-on-error",
    ];
    for entry in job.value.entries().iter().filter(|entry| FOREIGN.contains(&&*entry.key.text)) {
        report.say(entry.key.span.clone(), format!("a job that calls a workflow has no `{}`", entry.key.text));
    }
    if !uses.text.is_empty() && !uses.text.contains("${{") && !is_workflow_reference(&uses.text) {
        let what = format!("`{}` is neither `owner/repository/path.yml@reference` nor `./path.yml`", uses.text);
        report.say(uses.span.clone(), what);
    }
}

fn is_workflow_reference(text: &str) -> bool {
    if let Some(local) = text.strip_prefix("./").or_else(|| text.strip_prefix("$/")) {
        return !local.contains('@') && !local.is_empty();
    }
    let Some((place, reference)) = text.split_once('@') else { return false };
    let parts: Vec<&str> = place.split('/').collect();
    !reference.is_empty() && parts.len() >= 3 && parts.iter().all(|part| !part.is_empty())
}

/// A name of an environment variable that no shell can read.
pub(super) fn variable_name(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    if workflow.kind == FileKind::Dependabot {
        return;
    }
    let jobs = workflow.jobs.iter().map(|job| job.value);
    for place in jobs.chain(workflow.steps().map(|(_, step)| step.value)).chain([workflow.root]) {
        for entry in place.get("env").map_or(&[][..], Value::entries) {
            let name = &*entry.key.text;
            if !name.contains("${{") && (name.is_empty() || name.contains(['=', '&', ' ', '\t'])) {
                report.say(entry.key.span.clone(), format!("`{name}` is not a name for an environment variable"));
            }
        }
    }
}
