//! Is each section of the file made of the keys that GitHub reads there?

use super::{FileKind, Report, Workflow};
use crate::check::native::yaml::{Entry, Kind, Scalar, Value};

/// A mapping of the file with the keys that may stand in it.
struct Section<'a> {
    /// What it is called in messages.
    name: &'static str,
    value: &'a Value,
    keys: &'static [&'static str],
}

const WORKFLOW: &[&str] = &["name", "run-name", "on", "permissions", "env", "defaults", "concurrency", "jobs"];
const JOB: &[&str] = &[
    "name",
    "permissions",
    "needs",
    "if",
    "runs-on",
    "environment",
    "concurrency",
    "outputs",
    "env",
    "defaults",
    "steps",
    "timeout-minutes",
    "strategy",
    "continue-on-error",
    "container",
    "services",
    "snapshot",
    "uses",
    "with",
    "secrets",
];
const STEP: &[&str] = &[
    "id",
    "if",
    "name",
    "uses",
    "run",
    "working-directory",
    "shell",
    "with",
    "env",
    "continue-on-error",
    "timeout-minutes",
];
const CONTAINER: &[&str] = &["image", "credentials", "env", "ports", "volumes", "options"];
const SERVICE: &[&str] = &["image", "credentials", "env", "ports", "volumes", "options", "command", "entrypoint"];
const FILTERS: &[&str] =
    &["types", "branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore", "workflows"];
const ACTION: &[&str] = &["name", "author", "description", "inputs", "outputs", "runs", "branding"];
const RUNS: &[&str] = &[
    "using",
    "main",
    "pre",
    "pre-if",
    "post",
    "post-if",
    "steps",
    "image",
    "entrypoint",
    "pre-entrypoint",
    "post-entrypoint",
    "args",
    "env",
];

/// A key that its section does not have.
pub(super) fn unknown_key(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for section in sections(workflow) {
        for entry in section.value.entries() {
            let key = &*entry.key.text;
            if section.keys.contains(&key) || key.starts_with("x-") || key == "<<" || key.contains("${{") {
                continue;
            }
            let near =
                section.keys.iter().find(|known| known.eq_ignore_ascii_case(key) || super::uses::is_slip(known, key));
            let what = match near {
                Some(near) => format!("{} has no key `{key}`; `{near}` is meant", section.name),
                None => format!("{} has no key `{key}`", section.name),
            };
            report.say(entry.key.span.clone(), what);
            if let Some(near) = near.filter(|near| section.value.get(near).is_none()) {
                let edit = crate::edit::Edit::replace(entry.key.span.clone(), *near);
                report.fix(crate::edit::Applicability::Unsafe, vec![edit]);
            }
        }
    }
}

fn sections<'a>(workflow: &Workflow<'a>) -> Vec<Section<'a>> {
    let mut found = Vec::new();
    match workflow.kind {
        FileKind::Workflow => {
            found.push(Section { name: "a workflow", value: workflow.root, keys: WORKFLOW });
            shared(workflow.root, &mut found);
            workflow.triggers.iter().for_each(|trigger| event(&trigger.name.text, trigger.settings, &mut found));
            workflow.jobs.iter().for_each(|job| job_sections(job.value, &mut found));
        }
        FileKind::Action => {
            found.push(Section { name: "an action", value: workflow.root, keys: ACTION });
            push(workflow.root.get("runs"), "`runs`", RUNS, &mut found);
            each(
                workflow.root.get("inputs"),
                "an input",
                &["description", "required", "default", "deprecationMessage", "type", "options"],
                &mut found,
            );
            each(workflow.root.get("outputs"), "an output", &["description", "value"], &mut found);
        }
        FileKind::Dependabot => {}
    }
    found.extend(workflow.steps().map(|(_, step)| Section { name: "a step", value: step.value, keys: STEP }));
    found
}

fn push<'a>(value: Option<&'a Value>, name: &'static str, keys: &'static [&'static str], found: &mut Vec<Section<'a>>) {
    found.extend(value.map(|value| Section { name, value, keys }));
}

fn each<'a>(map: Option<&'a Value>, name: &'static str, keys: &'static [&'static str], found: &mut Vec<Section<'a>>) {
    for entry in map.map_or(&[][..], Value::entries) {
        push(Some(&entry.value), name, keys, found);
    }
}

/// Sections that a workflow and a job have alike.
fn shared<'a>(place: &'a Value, found: &mut Vec<Section<'a>>) {
    push(place.get("defaults"), "`defaults`", &["run"], found);
    push(place.at(&["defaults", "run"]), "`defaults.run`", &["shell", "working-directory"], found);
    push(place.get("concurrency"), "`concurrency`", &["group", "cancel-in-progress", "queue"], found);
}

fn job_sections<'a>(job: &'a Value, found: &mut Vec<Section<'a>>) {
    push(Some(job), "a job", JOB, found);
    shared(job, found);
    push(job.get("strategy"), "`strategy`", &["matrix", "fail-fast", "max-parallel"], found);
    push(job.get("environment"), "`environment`", &["name", "url", "deployment"], found);
    push(job.get("runs-on"), "`runs-on`", &["group", "labels"], found);
    push(job.get("snapshot"), "`snapshot`", &["image-name", "version", "if"], found);
    push(job.get("container"), "`container`", CONTAINER, found);
    push(job.at(&["container", "credentials"]), "`credentials`", &["username", "password"], found);
    for service in job.get("services").map_or(&[][..], Value::entries) {
        push(Some(&service.value), "a service", SERVICE, found);
        push(service.value.get("credentials"), "`credentials`", &["username", "password"], found);
    }
}

fn event<'a>(name: &str, settings: Option<&'a Value>, found: &mut Vec<Section<'a>>) {
    let Some(settings) = settings else { return };
    match name {
        "workflow_dispatch" => {
            push(Some(settings), "`workflow_dispatch`", &["inputs"], found);
            let keys = &["description", "required", "default", "type", "options", "deprecationMessage"];
            each(settings.get("inputs"), "an input", keys, found);
        }
        "workflow_call" => {
            push(Some(settings), "`workflow_call`", &["inputs", "secrets", "outputs"], found);
            let keys = &["description", "required", "default", "type", "deprecationMessage"];
            each(settings.get("inputs"), "an input of `workflow_call`", keys, found);
            each(settings.get("secrets"), "a secret of `workflow_call`", &["description", "required"], found);
            each(settings.get("outputs"), "an output of `workflow_call`", &["description", "value"], found);
        }
        "repository_dispatch" => push(Some(settings), "`repository_dispatch`", &["types"], found),
        "schedule" => {
            settings.items().iter().for_each(|item| push(Some(item), "a time table", &["cron", "timezone"], found));
        }
        _ => push(Some(settings), "an event", FILTERS, found),
    }
}

/// Something without which GitHub does not run the file.
pub(super) fn missing_key(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    match workflow.kind {
        FileKind::Workflow => {
            for key in ["on", "jobs"] {
                if workflow.root.is_map() && workflow.root.get(key).is_none() {
                    report.say(start(workflow.root), format!("the workflow has no `{key}`"));
                }
            }
            workflow.jobs.iter().for_each(|job| missing_in_job(job.id, job.value, report));
        }
        FileKind::Action => missing_in_action(workflow.root, report),
        FileKind::Dependabot => {}
    }
    for (job, step) in workflow.steps() {
        let has = |key: &str| step.value.get(key).is_some();
        if step.value.is_map() && !has("run") && !has("uses") && !has("<<") {
            report.say(start(step.value), "the step has neither `run` nor `uses`");
        } else if has("run") && has("uses") {
            report.say(start(step.value), "the step has both `run` and `uses`");
        } else if job.is_none() && has("run") && !has("shell") {
            report.say(start(step.value), "a `run` step of an action needs a `shell`");
        }
    }
}

fn missing_in_job(id: &Scalar, job: &Value, report: &mut Report<'_>) {
    if !job.is_map() || job.get("uses").is_some() || job.get("<<").is_some() {
        return;
    }
    for key in ["runs-on", "steps"] {
        if job.get(key).is_none() {
            report.say(id.span.clone(), format!("the job `{}` has no `{key}`", id.text));
        }
    }
}

fn missing_in_action(root: &Value, report: &mut Report<'_>) {
    let needed = ["name", "description", "runs"].into_iter().filter(|key| root.get(key).is_none());
    for key in needed {
        report.say(start(root), format!("the action has no `{key}`"));
    }
    let Some(using) = root.at(&["runs", "using"]).and_then(Value::as_scalar) else { return };
    if matches!(&*using.text, "node12" | "node16") {
        report.say(using.span.clone(), format!("`{}` is no longer on runners; `node20` or newer is", using.text));
    }
}

/// The first line of a value's first key.
fn start(value: &Value) -> std::ops::Range<usize> {
    value.entries().first().map_or(value.span.clone(), |entry| entry.key.span.clone())
}

/// A section that is a text where it should be a mapping, and the like.
pub(super) fn wrong_shape(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    if workflow.kind != FileKind::Workflow {
        return;
    }
    let places = workflow
        .jobs
        .iter()
        .map(|job| job.value)
        .chain([workflow.root])
        .chain(workflow.steps().map(|(_, step)| step.value));
    for place in places {
        for entry in place.entries() {
            if let Some(wanted) = shape(&entry.key.text).filter(|wanted| !wanted.fits(&entry.value)) {
                report.say(entry.key.span.clone(), format!("`{}` is not {}", entry.key.text, wanted.name()));
            }
        }
    }
    for job in &workflow.jobs {
        runs_on(job.value, report);
    }
}

fn runs_on(job: &Value, report: &mut Report<'_>) {
    let Some(runs_on) = job.get("runs-on") else { return };
    if let Some(group) = runs_on.get("group").filter(|group| group.is_map() || group.is_seq()) {
        report.say(group.span.clone(), "`group` is the name of one runner group");
    }
    if let Some(labels) = runs_on.get("labels").filter(|labels| labels.is_map()) {
        report.say(labels.span.clone(), "`labels` is one label or a list of them");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Map,
    Seq,
    Text,
}

fn shape(key: &str) -> Option<Shape> {
    match key {
        "jobs" | "strategy" | "services" | "env" | "with" | "defaults" | "outputs" => Some(Shape::Map),
        "steps" => Some(Shape::Seq),
        "run" | "uses" | "id" | "shell" | "working-directory" | "name" | "run-name" => Some(Shape::Text),
        _ => None,
    }
}

impl Shape {
    fn fits(self, value: &Value) -> bool {
        match (&value.kind, self) {
            (Kind::Null, _) => true,
            (Kind::Scalar(scalar), Self::Map | Self::Seq) => value.is_null() || scalar.text.contains("${{"),
            (Kind::Scalar(_), Self::Text) | (Kind::Map(_), Self::Map) | (Kind::Seq(_), Self::Seq) => true,
            _ => false,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Map => "a mapping",
            Self::Seq => "a list",
            Self::Text => "a text",
        }
    }
}

/// A key with nothing under it that cannot be empty.
pub(super) fn empty_value(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    const WORKFLOW_KEYS: &[&str] = &["on", "jobs", "permissions", "env", "defaults", "concurrency"];
    const JOB_KEYS: &[&str] =
        &["runs-on", "steps", "uses", "needs", "permissions", "strategy", "container", "services", "with", "env", "if"];
    const STEP_KEYS: &[&str] = &["uses", "run", "id", "with", "env", "shell", "if"];
    if workflow.kind == FileKind::Dependabot {
        return;
    }
    empty_in(workflow.root, WORKFLOW_KEYS, report);
    for job in &workflow.jobs {
        empty_in(job.value, JOB_KEYS, report);
        if let Some(runs_on) = job.value.get("runs-on") {
            empty_in(runs_on, &["group", "labels"], report);
            empty_items(runs_on, report);
            runs_on.get("labels").into_iter().for_each(|labels| empty_items(labels, report));
        }
    }
    workflow.steps().for_each(|(_, step)| empty_in(step.value, STEP_KEYS, report));
}

fn empty_in(place: &Value, keys: &[&str], report: &mut Report<'_>) {
    for entry in place.entries().iter().filter(|entry| keys.contains(&&*entry.key.text)) {
        // `permissions: {}` takes every right away and `env: {}` says nothing wrong.
        let empty_list = matches!(&entry.value.kind, Kind::Seq(items) if items.is_empty());
        let empty_map =
            matches!(&entry.value.kind, Kind::Map(entries) if entries.is_empty()) && entry.key.text == "jobs";
        if is_empty(&entry.value) || empty_list || empty_map {
            report.say(entry.key.span.clone(), format!("`{}` is empty", entry.key.text));
        }
    }
}

fn empty_items(list: &Value, report: &mut Report<'_>) {
    for item in list.items().iter().filter(|item| is_empty(item)) {
        report.say(item.span.clone(), "a label is empty");
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str().is_some_and(str::is_empty)
}

/// Mappings whose keys GitHub compares without regard to case.
const CASELESS: &[&str] = &["inputs", "secrets", "outputs", "env", "matrix", "services", "with", "jobs"];

/// A key that a mapping has twice.
pub(super) fn duplicate_key(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    duplicates("", workflow.root, report);
}

fn duplicates(name: &str, value: &Value, report: &mut Report<'_>) {
    let caseless = CASELESS.contains(&name);
    let same =
        |a: &Entry, b: &Entry| a.key.text == b.key.text || (caseless && a.key.text.eq_ignore_ascii_case(&b.key.text));
    let entries = value.entries();
    for (at, entry) in entries.iter().enumerate() {
        if entries[..at].iter().any(|earlier| same(earlier, entry)) && entry.key.text != "<<" {
            report.say(entry.key.span.clone(), format!("the key `{}` is here twice", entry.key.text));
        }
        duplicates(&entry.key.text, &entry.value, report);
    }
    value.items().iter().for_each(|item| duplicates("", item, report));
}

/// An anchor that no alias names.
pub(super) fn unused_anchor(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    workflow.unused_anchors.iter().for_each(|span| report.at(span.clone()));
}
