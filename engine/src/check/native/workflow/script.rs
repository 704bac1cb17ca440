//! How is a script run, and which words in it does the runner itself read?

use std::{ops::Range, sync::LazyLock};

use regex::Regex;

use super::{Job, Report, Step, Workflow, privileged};
use crate::{
    check::native::yaml::{Entry, Scalar, Value},
    edit::{Applicability, Edit},
};

/// The `shell` in force for a step: its own, the job's default or the workflow's.
pub(super) fn shell_of<'a>(workflow: &Workflow<'a>, job: Option<&Job<'a>>, step: Step<'a>) -> Option<&'a Scalar> {
    let default = |value: &'a Value| value.at(&["defaults", "run", "shell"]);
    let shell = step.value.get("shell").or_else(|| default(job?.value)).or_else(|| default(workflow.root));
    shell.and_then(Value::as_scalar)
}

/// Whether a step's script is read by a POSIX shell, for certain.
pub(super) fn is_posix(workflow: &Workflow<'_>, job: Option<&Job<'_>>, step: Step<'_>) -> bool {
    match shell_of(workflow, job, step) {
        Some(shell) => matches!(shell.text.split_whitespace().next(), Some("bash" | "sh" | "/bin/bash" | "/bin/sh")),
        None => job.is_some_and(|job| job.is_windows() == Some(false)),
    }
}

/// `ACTIONS_ALLOW_UNSECURE_COMMANDS` switched on, or an environment that cannot be read and may do so.
pub(super) fn insecure_commands(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let jobs = workflow.jobs.iter().map(|job| (Some(job), job.value));
    let steps = workflow.steps().map(|(job, step)| (job, step.value));
    for (job, place) in jobs.chain(steps).chain([(None, workflow.root)]) {
        if let Some(env) = place.entry("env")
            && (allows(&env.value) || matrix_allows(job, &env.value))
        {
            report.at(setting(env).unwrap_or_else(|| env.span.clone()));
        }
    }
}

fn setting(env: &Entry) -> Option<Range<usize>> {
    env.value.entry("ACTIONS_ALLOW_UNSECURE_COMMANDS").map(|entry| entry.span.clone())
}

fn allows(env: &Value) -> bool {
    let value = env.get("ACTIONS_ALLOW_UNSECURE_COMMANDS").and_then(Value::as_str);
    value.is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

fn matrix_allows(job: Option<&Job<'_>>, env: &Value) -> bool {
    let Some(text) = env.as_str() else { return false };
    let inner = text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
    let Some(name) = inner.and_then(|inner| inner.trim().strip_prefix("matrix.")) else { return false };
    let values = job.and_then(|job| job.value.at(&["strategy", "matrix", name]));
    values.is_some_and(|values| values.items().iter().any(allows))
}

static COMMAND: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"::(set-output|save-state|set-env)\s+name=([^:\s]+)::|::(add-path)::").ok());

static ECHO: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r##"^(\s*(?:run:\s*)?(?:[^'"#]*[;&|]\s*|(?:then|do|else)\s+)?)echo (["']?)::(set-output|save-state) name=([A-Za-z_][\w-]*)::([^'"`\\;|&<>]*)(["']?)\s*$"##).ok()
});

/// `::set-output::` and its kin.
pub(super) fn deprecated_command(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let Some(pattern) = &*COMMAND else { return };
    for (job, step) in workflow.steps() {
        let Some(script) = step.run() else { continue };
        for (start, line) in privileged::lines(&script.text) {
            let Some(found) = pattern.captures(line) else { continue };
            let command = found.get(1).or(found.get(3)).map_or("", |name| name.as_str());
            let Some(whole) = found.get(0) else { continue };
            let file = match command {
                "set-output" => "GITHUB_OUTPUT",
                "save-state" => "GITHUB_STATE",
                "set-env" => "GITHUB_ENV",
                _ => "GITHUB_PATH",
            };
            let span = script.range(start + whole.start()..start + whole.end());
            report.say(span, format!("the command `::{command}::` is no longer to be used; `${file}` takes its place"));
            if is_posix(workflow, job, step)
                && let Some(edit) = to_file(script, start, line, file)
            {
                report.fix(Applicability::Safe, vec![edit]);
            }
        }
    }
}

/// The line rewritten so that it appends to the file, where it is one plain `echo`.
fn to_file(script: &Scalar, start: usize, line: &str, file: &str) -> Option<Edit> {
    let found = ECHO.as_ref()?.captures(line)?;
    let (open, close) = (found.get(2)?.as_str(), found.get(6)?.as_str());
    let (name, value) = (found.get(4)?.as_str(), found.get(5)?.as_str().trim_end());
    let single_line =
        !matches!(script.style, crate::check::native::yaml::Style::Single | crate::check::native::yaml::Style::Double);
    if open != close || !single_line || (open.is_empty() && value.contains([' ', '$', '*', '(', '#'])) {
        return None;
    }
    let from = start + found.get(1)?.end();
    let to = start + line.trim_end().len();
    Some(Edit::replace(script.range(from..to), format!("echo {open}{name}={value}{close} >> \"${file}\"")))
}

/// A shell that GitHub does not have, or not on this system.
pub(super) fn shell(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for (job, step) in workflow.steps() {
        if let Some(shell) = step.value.get("shell").and_then(Value::as_scalar) {
            judge(shell, job.and_then(Job::is_windows), report);
        }
    }
    for (place, windows) in workflow.jobs.iter().map(|job| (job.value, job.is_windows())).chain([(workflow.root, None)])
    {
        if let Some(shell) = place.at(&["defaults", "run", "shell"]).and_then(Value::as_scalar) {
            judge(shell, windows, report);
        }
    }
}

fn judge(shell: &Scalar, windows: Option<bool>, report: &mut Report<'_>) {
    let name = &*shell.text;
    if name.contains("${{") || name.contains("{0}") || name.is_empty() {
        return;
    }
    let only_windows = matches!(name, "cmd" | "powershell");
    let everywhere = matches!(name, "bash" | "pwsh" | "python");
    let what = match windows {
        _ if !only_windows && !everywhere && name != "sh" => {
            format!("`{name}` is not a shell GitHub knows; give it as a command with `{{0}}`")
        }
        Some(false) if only_windows => format!("`{name}` is only there on Windows"),
        Some(true) if name == "sh" => "`sh` is not there on Windows".to_owned(),
        _ => return,
    };
    report.say(shell.span.clone(), what);
}
