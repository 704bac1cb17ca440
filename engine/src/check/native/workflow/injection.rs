//! Can a stranger's text become part of a script?

use std::ops::Range;

use super::{
    FileKind, Job, Report, Step, Workflow,
    expression::{self, Ast, Node},
    insert_key, is_block,
};
use crate::{
    check::native::yaml::Scalar,
    edit::{Applicability, Edit},
};

/// Contexts that anyone with an account can fill with any text.
const HOSTILE: &[&str] = &[
    "github.event.issue.title",
    "github.event.issue.body",
    "github.event.pull_request.title",
    "github.event.pull_request.body",
    "github.event.pull_request.head.ref",
    "github.event.pull_request.head.label",
    "github.event.pull_request.head.repo.default_branch",
    "github.event.pull_request.head.repo.description",
    "github.event.pull_request.head.repo.homepage",
    "github.event.pull_request.milestone.title",
    "github.event.comment.body",
    "github.event.review.body",
    "github.event.review_comment.body",
    "github.event.discussion.title",
    "github.event.discussion.body",
    "github.event.pages.*.page_name",
    "github.event.commits.*.message",
    "github.event.commits.*.author.email",
    "github.event.commits.*.author.name",
    "github.event.commits.*.committer.email",
    "github.event.commits.*.committer.name",
    "github.event.head_commit.message",
    "github.event.head_commit.author.email",
    "github.event.head_commit.author.name",
    "github.event.head_commit.committer.email",
    "github.event.head_commit.committer.name",
    "github.event.workflow_run.head_branch",
    "github.event.workflow_run.display_title",
    "github.event.workflow_run.head_commit.message",
    "github.event.workflow_run.head_commit.author.email",
    "github.event.workflow_run.head_commit.author.name",
    "github.event.workflow_run.head_repository.description",
    "github.event.workflow_run.pull_requests.*.head.ref",
    "github.head_ref",
];

/// Contexts whose text comes from whoever may start the workflow or push a branch.
const GIVEN: &[&str] = &[
    "github.ref_name",
    "github.event.ref",
    "github.event.release.name",
    "github.event.release.body",
    "github.event.release.tag_name",
    "github.event.label.name",
    "github.event.milestone.title",
];

/// Inputs of actions that are run as code.
const CODE_INPUTS: &[(&str, &str)] = &[
    ("actions/github-script", "script"),
    ("amadevus/pwsh-script", "script"),
    ("appleboy/ssh-action", "script"),
    ("azure/cli", "inlinescript"),
    ("azure/powershell", "inlinescript"),
    ("addnab/docker-run-action", "run"),
    ("cardinalby/js-eval-action", "expression"),
    ("jannekem/run-python-script-action", "script"),
    ("nick-fields/retry", "command"),
    ("nick-invision/retry", "command"),
];

/// A hostile context inside a script.
pub(super) fn hostile(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    scripts(workflow, report, |_, path| HOSTILE.contains(&path));
}

/// An input or a name that a caller chooses inside a script.
pub(super) fn input(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    scripts(workflow, report, |workflow, path| {
        GIVEN.contains(&path)
            || path.strip_prefix("inputs.").is_some_and(|name| is_text_input(workflow, name))
            || path.strip_prefix("github.event.inputs.").is_some_and(|name| is_text_input(workflow, name))
            || (path.starts_with("github.event.client_payload.") && workflow.trigger("repository_dispatch").is_some())
    });
}

/// Whether an input can hold any text: not a boolean, a number or a choice.
fn is_text_input(workflow: &Workflow<'_>, name: &str) -> bool {
    let declared = |inputs: &super::Value| {
        let entry = inputs.entries().iter().find(|entry| entry.key.text.eq_ignore_ascii_case(name));
        entry.map(|entry| entry.value.get("type").and_then(|kind| kind.as_str()).unwrap_or("string").to_owned())
    };
    let kinds: Vec<String> = match workflow.kind {
        FileKind::Action => workflow.root.get("inputs").and_then(declared).into_iter().collect(),
        _ => {
            workflow.triggers.iter().filter_map(|trigger| trigger.settings?.get("inputs").and_then(declared)).collect()
        }
    };
    kinds.iter().any(|kind| kind == "string")
}

fn scripts(workflow: &Workflow<'_>, report: &mut Report<'_>, wanted: fn(&Workflow<'_>, &str) -> bool) {
    for (job, step) in workflow.steps() {
        for scalar in code(step) {
            for template in expression::templates(&scalar.text) {
                let Ok(ast) = &template.ast else { continue };
                if let Some(found) = reaching(ast).into_iter().find(|path| wanted(workflow, path)) {
                    let what = format!("`{found}` becomes part of the script that runs here");
                    report.say(scalar.range(template.span.clone()), what);
                    let place = Place { job, step, scalar, part: template.span.clone() };
                    if step.run().is_some()
                        && ast.path().is_some()
                        && let Some(edits) = env_indirection(report, workflow, &place, &found)
                    {
                        report.fix(Applicability::Unsafe, edits);
                    }
                }
            }
        }
    }
}

/// The texts of a step that are run as code.
fn code(step: Step<'_>) -> Vec<&Scalar> {
    let mut found: Vec<&Scalar> = step.run().into_iter().collect();
    let name = step.uses().map(|uses| uses.repository().to_ascii_lowercase()).unwrap_or_default();
    for (action, input) in CODE_INPUTS {
        if *action == name {
            found.extend(step.with(input).and_then(|value| value.as_scalar()));
        }
    }
    found
}

/// The context paths whose text reaches the value of an expression: not those it only compares or tests.
fn reaching(ast: &Ast) -> Vec<String> {
    let mut found = Vec::new();
    collect(ast, &mut found);
    found
}

fn collect(ast: &Ast, found: &mut Vec<String>) {
    if let Some(path) = ast.path() {
        found.push(path.join("."));
        return;
    }
    match &ast.node {
        Node::Binary(expression::Operator::Or, a, b) => {
            collect(a, found);
            collect(b, found);
        }
        Node::Binary(expression::Operator::And, _, b) => collect(b, found),
        Node::Call(name, arguments) if matches!(&**name, "format" | "join" | "tojson" | "fromjson" | "case") => {
            arguments.iter().for_each(|argument| collect(argument, found));
        }
        Node::Index(object, _) | Node::Property(object, _) | Node::Star(object) => collect(object, found),
        _ => {}
    }
}

/// An expression in a script.
struct Place<'p, 'a> {
    job: Option<&'p Job<'a>>,
    step: Step<'a>,
    scalar: &'a Scalar,
    part: Range<usize>,
}

/// The text goes through an environment variable: `env:` gains it, the script reads it. Only where the script is for
/// a POSIX shell and the place is one in which the shell expands variables.
fn env_indirection(
    report: &Report<'_>,
    workflow: &Workflow<'_>,
    place: &Place<'_, '_>,
    path: &str,
) -> Option<Vec<Edit>> {
    let Place { job, step, scalar, part } = place;
    if !super::script::is_posix(workflow, *job, *step) || !expands(&scalar.text, part.start) {
        return None;
    }
    let name = variable(path);
    let written = &scalar.text[part.clone()];
    let mut edits = vec![Edit::replace(scalar.range(part.clone()), format!("${{{name}}}"))];
    let env = step.value.get("env");
    match env.and_then(|env| env.get(&name)) {
        Some(value) if value.as_str() == Some(written) => {}
        Some(_) => return None,
        None => edits.push(new_variable(report, *step, env, &name, written)?),
    }
    Some(edits)
}

fn new_variable(
    report: &Report<'_>,
    step: Step<'_>,
    env: Option<&super::Value>,
    name: &str,
    value: &str,
) -> Option<Edit> {
    if value.contains(['\n', '\'', '"', '#']) || !is_block(report, step.value) {
        return None;
    }
    match env {
        Some(env) if is_block(report, env) => {
            Some(insert_key(report, env.entries().first()?.span.start, &format!("{name}: {value}")))
        }
        Some(_) => None,
        None => Some(insert_key(report, step.value.entry("run")?.span.start, &format!("env:\n  {name}: {value}"))),
    }
}

/// Whether the shell expands `$NAME` at this byte: not inside single quotes, nor below a quoted here-document.
fn expands(script: &str, at: usize) -> bool {
    let before = &script[..at];
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    let (mut single, mut double, mut escaped) = (false, false, false);
    for c in line.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if !single => escaped = true,
            '\'' if !double => single = !single,
            '"' if !single => double = !double,
            _ => {}
        }
    }
    let quoted_document =
        ["<<'", "<<\"", "<< '", "<< \"", "<<-'", "<<-\"", "<<\\"].iter().any(|open| before.contains(open));
    let spans_lines = before.matches('\'').count() % 2 == 1;
    !single && !quoted_document && !spans_lines
}

/// `github.event.issue.title` as `ISSUE_TITLE`.
fn variable(path: &str) -> String {
    let short = path.trim_start_matches("github.event.").trim_start_matches("github.").replace("inputs.", "input.");
    short
        .replace(".*", "")
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}
