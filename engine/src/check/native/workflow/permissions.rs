//! Which rights does the token have, and are they written as GitHub reads them?

use super::{Job, Report, Value, Workflow};
use crate::check::native::yaml::Entry;

/// Every scope with the highest right it takes.
pub(super) const SCOPES: &[(&str, &str)] = &[
    ("actions", "write"),
    ("artifact-metadata", "write"),
    ("attestations", "write"),
    ("checks", "write"),
    ("contents", "write"),
    ("deployments", "write"),
    ("discussions", "write"),
    ("id-token", "write"),
    ("issues", "write"),
    ("models", "read"),
    ("packages", "write"),
    ("pages", "write"),
    ("pull-requests", "write"),
    ("repository-projects", "write"),
    ("security-events", "write"),
    ("statuses", "write"),
];

/// Scopes with which a stolen token changes what users get.
const POWERFUL: &[&str] = &["actions", "attestations", "contents", "deployments", "id-token", "packages", "pages"];

/// `permissions: write-all`.
pub(super) fn write_all(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for entry in sections(workflow) {
        if entry.value.as_str() == Some("write-all") {
            report.at(entry.value.span.clone());
        }
    }
}

/// A right to write that every job of a workflow gets, though it has several.
pub(super) fn wide_write(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let inheriting = workflow.jobs.iter().filter(|job| job.value.get("permissions").is_none()).count();
    if inheriting < 2 {
        return;
    }
    for entry in workflow.root.get("permissions").map_or(&[][..], Value::entries) {
        if POWERFUL.contains(&&*entry.key.text) && entry.value.as_str() == Some("write") {
            let what = format!("each of {inheriting} jobs gets `{}: write`", entry.key.text);
            report.say(entry.span.clone(), what);
        }
    }
}

/// No `permissions` in a workflow that strangers can start with the repository's rights.
pub(super) fn missing(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let strangers =
        ["pull_request_target", "workflow_run", "issue_comment", "issues", "discussion", "discussion_comment"];
    let Some(trigger) = workflow.triggers.iter().find(|trigger| strangers.contains(&&*trigger.name.text)) else {
        return;
    };
    let lacking = |job: &Job<'_>| job.value.get("permissions").is_none();
    if workflow.root.get("permissions").is_none() && workflow.jobs.iter().any(lacking) {
        let what =
            format!("the token keeps its default rights though `{}` lets strangers start this", trigger.name.text);
        report.say(trigger.name.span.clone(), what);
    }
}

/// Scopes and values that GitHub does not know.
pub(super) fn invalid(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for section in sections(workflow) {
        let value = &section.value;
        if let Some(word) = value.as_str().filter(|_| !value.is_null())
            && !matches!(word, "read-all" | "write-all")
            && !word.contains("${{")
        {
            let what = format!("`{word}` is not a value of `permissions`: `read-all`, `write-all` or a mapping is");
            report.say(value.span.clone(), what);
        }
        for entry in value.entries() {
            scope(entry, report);
        }
    }
}

fn scope(entry: &Entry, report: &mut Report<'_>) {
    let (name, value) = (&*entry.key.text, entry.value.as_str());
    let Some((_, highest)) = SCOPES.iter().find(|(scope, _)| *scope == name) else {
        return report.say(entry.key.span.clone(), format!("there is no permission scope `{name}`"));
    };
    let Some(value) = value else { return };
    let known = matches!(value, "none" | "write" | "read");
    if !known {
        report.say(entry.value.span.clone(), format!("`{value}` is not a right: `read`, `write` or `none` is"));
    } else if (*highest == "read" && value == "write") || (name == "id-token" && value == "read") {
        report.say(entry.value.span.clone(), format!("the scope `{name}` does not take `{value}`"));
    }
}

/// Every `permissions` of the workflow and its jobs.
fn sections<'a>(workflow: &Workflow<'a>) -> Vec<&'a Entry> {
    let own = workflow.root.entry("permissions").filter(|_| workflow.kind == super::FileKind::Workflow);
    own.into_iter().chain(workflow.jobs.iter().filter_map(|job| job.value.entry("permissions"))).collect()
}
