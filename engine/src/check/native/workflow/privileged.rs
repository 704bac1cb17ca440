//! What can a stranger's pull request make this workflow do?

use super::{Report, Step, Workflow};

/// Words in a `ref` that stand for the other side's commits.
const HEAD: &[&str] = &[
    "github.event.pull_request.head.",
    "github.head_ref",
    "github.event.workflow_run.head_",
    "github.event.number",
    "github.event.pull_request.number",
    "github.event.issue.number",
    "refs/pull/",
    "github.event.pull_request.merge_commit_sha",
];

/// Actions that do their work through the API and run nothing of the pull request.
const HARMLESS: &[&str] = &["actions/labeler", "actions/first-interaction", "actions/stale", "actions/add-to-project"];

/// A stranger's commit checked out where the repository's rights and secrets are at hand.
pub(super) fn checkout(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let Some(trigger) = workflow.privileged_trigger().map(|trigger| trigger.name.text.clone()) else {
        return;
    };
    for (_, step) in workflow.steps() {
        if let Some(span) = head_checkout(step) {
            report.say(span, format!("code of a stranger's pull request is checked out under `{trigger}`"));
        }
    }
}

fn head_checkout(step: Step<'_>) -> Option<std::ops::Range<usize>> {
    if let Some(script) = step.run() {
        let at = script.text.find("gh pr checkout").or_else(|| {
            let at = script.text.find("git checkout ${{")?;
            names_head(script.text[at..].lines().next()?).then_some(at)
        })?;
        let end = script.text[at..].find('\n').map_or(script.text.len(), |end| at + end);
        return Some(script.range(at..end));
    }
    if !step.uses()?.is("actions/checkout") {
        return None;
    }
    let found = ["ref", "repository"].into_iter().filter_map(|input| step.with(input)?.as_scalar());
    found.into_iter().find(|value| names_head(&value.text)).map(|value| value.span.clone())
}

fn names_head(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    HEAD.iter().any(|head| text.contains(head))
}

/// A trigger that gives strangers' events the repository's rights, in a workflow that does more than label.
pub(super) fn trigger(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let only_harmless = workflow.steps().all(|(_, step)| {
        step.run().is_none() && step.uses().is_some_and(|uses| HARMLESS.iter().any(|name| uses.is(name)))
    });
    if only_harmless && workflow.steps().next().is_some() {
        return;
    }
    for trigger in &workflow.triggers {
        if matches!(&*trigger.name.text, "pull_request_target" | "workflow_run") {
            let what =
                format!("`{}` runs with this repository's rights on events that strangers cause", trigger.name.text);
            report.say(trigger.name.span.clone(), what);
        }
    }
}

/// A write to the environment file or the search path from text that strangers may have given.
pub(super) fn environment_file(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    if workflow.privileged_trigger().is_none() {
        return;
    }
    for (_, step) in workflow.steps() {
        let Some(script) = step.run() else { continue };
        for (start, line) in lines(&script.text) {
            if writes_environment(line) {
                let lead = line.len() - line.trim_start().len();
                report.at(script.range(start + lead..start + line.trim_end().len()));
            }
        }
    }
}

/// Each line with the offset of its first byte.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_inclusive('\n').scan(0, |start, line| {
        let at = *start;
        *start += line.len();
        Some((at, line.trim_end_matches('\n')))
    })
}

fn writes_environment(line: &str) -> bool {
    let redirects = [">>", "tee -a", "tee --append", "Out-File", "Add-Content"].iter().any(|word| line.contains(word));
    let file = ["GITHUB_ENV", "GITHUB_PATH"].iter().any(|name| line.contains(name));
    let varying =
        line.split(">>").next().is_some_and(|before| before.contains(['$', '`', '|']) || before.contains("cat "))
            || line.contains("tee ");
    redirects && file && varying && !line.trim_start().starts_with('#')
}

/// A machine of one's own that runs what pull requests bring.
pub(super) fn self_hosted(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let is_public =
        |name: &str| matches!(name, "pull_request" | "pull_request_target" | "issue_comment" | "workflow_run");
    if !workflow.triggers.iter().any(|trigger| is_public(&trigger.name.text)) {
        return;
    }
    for job in &workflow.jobs {
        let Some(runs_on) = job.value.get("runs-on") else { continue };
        let own = job.runner_labels().into_iter().any(|label| label.text.eq_ignore_ascii_case("self-hosted"));
        if own && !excludes_forks(job.value) {
            report.at(runs_on.span.start..first_line_end(report.text(), runs_on.span.clone()));
        }
    }
}

fn excludes_forks(job: &super::Value) -> bool {
    job.get("if").and_then(|condition| condition.as_str()).is_some_and(|text| {
        text.contains("head.repo.full_name") || text.contains("head.repo.fork") || text.contains("author_association")
    })
}

/// The end of a span, or of its first line where it has several.
pub(super) fn first_line_end(text: &str, span: std::ops::Range<usize>) -> usize {
    text[span.clone()].find('\n').map_or(span.end, |line| span.start + line)
}
