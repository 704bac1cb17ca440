//! Is each trigger one that GitHub has, set up as GitHub reads it?

use super::{FileKind, Report, Trigger, Workflow};
use crate::check::native::yaml::{Entry, Scalar, Value};

/// Every event with its activity types; none for events that have none.
const EVENTS: &[(&str, &[&str])] = &[
    ("branch_protection_rule", &["created", "edited", "deleted"]),
    ("check_run", &["created", "rerequested", "completed", "requested_action"]),
    ("check_suite", &["completed"]),
    ("create", &[]),
    ("delete", &[]),
    ("deployment", &[]),
    ("deployment_status", &[]),
    (
        "discussion",
        &[
            "created",
            "edited",
            "deleted",
            "transferred",
            "pinned",
            "unpinned",
            "labeled",
            "unlabeled",
            "locked",
            "unlocked",
            "category_changed",
            "answered",
            "unanswered",
        ],
    ),
    ("discussion_comment", &["created", "edited", "deleted"]),
    ("fork", &[]),
    ("gollum", &[]),
    ("image_version", &[]),
    ("issue_comment", &["created", "edited", "deleted"]),
    (
        "issues",
        &[
            "opened",
            "edited",
            "deleted",
            "transferred",
            "pinned",
            "unpinned",
            "closed",
            "reopened",
            "assigned",
            "unassigned",
            "labeled",
            "unlabeled",
            "locked",
            "unlocked",
            "milestoned",
            "demilestoned",
            "typed",
            "untyped",
        ],
    ),
    ("label", &["created", "edited", "deleted"]),
    ("merge_group", &["checks_requested"]),
    ("milestone", &["created", "closed", "opened", "edited", "deleted"]),
    ("page_build", &[]),
    ("project", &["created", "closed", "reopened", "edited", "deleted"]),
    ("project_card", &["created", "moved", "converted", "edited", "deleted"]),
    ("project_column", &["created", "updated", "moved", "deleted"]),
    ("public", &[]),
    ("pull_request", PULL_REQUEST),
    ("pull_request_comment", &["created", "edited", "deleted"]),
    ("pull_request_review", &["submitted", "edited", "dismissed"]),
    ("pull_request_review_comment", &["created", "edited", "deleted"]),
    ("pull_request_target", PULL_REQUEST),
    ("push", &[]),
    ("registry_package", &["published", "updated"]),
    ("release", &["published", "unpublished", "created", "edited", "deleted", "prereleased", "released"]),
    ("repository_dispatch", &[]),
    ("schedule", &[]),
    ("status", &[]),
    ("watch", &["started"]),
    ("workflow_call", &[]),
    ("workflow_dispatch", &[]),
    ("workflow_run", &["completed", "requested", "in_progress"]),
];

const PULL_REQUEST: &[&str] = &[
    "assigned",
    "unassigned",
    "labeled",
    "unlabeled",
    "opened",
    "edited",
    "closed",
    "reopened",
    "synchronize",
    "converted_to_draft",
    "ready_for_review",
    "locked",
    "unlocked",
    "milestoned",
    "demilestoned",
    "review_requested",
    "review_request_removed",
    "auto_merge_enabled",
    "auto_merge_disabled",
    "enqueued",
    "dequeued",
];

/// An event or an activity type that GitHub does not know.
pub(super) fn unknown(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for trigger in &workflow.triggers {
        let name = &*trigger.name.text;
        if name.contains("${{") || name.is_empty() {
            continue;
        }
        let Some((_, types)) = EVENTS.iter().find(|(event, _)| *event == name) else {
            report.say(trigger.name.span.clone(), format!("there is no event `{name}`"));
            continue;
        };
        for kind in trigger.settings.and_then(|settings| settings.get("types")).map_or_else(Vec::new, Value::scalars) {
            if !types.is_empty() && !types.contains(&&*kind.text) {
                report.say(kind.span.clone(), format!("`{name}` has no activity `{}`", kind.text));
            }
        }
    }
}

/// A filter that the event does not take, or that its opposite rules out.
pub(super) fn filter(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for trigger in &workflow.triggers {
        let name = &*trigger.name.text;
        let settings = trigger.settings.map_or(&[][..], Value::entries);
        for entry in settings {
            misplaced(name, entry, report);
        }
        for filter in ["branches", "tags", "paths"] {
            let both = settings
                .iter()
                .filter(|entry| entry.key.text.strip_suffix("-ignore").unwrap_or(&entry.key.text) == filter);
            if let Some(second) = both.skip(1).find(|_| has_both(settings, filter)) {
                report.say(
                    second.key.span.clone(),
                    format!("`{filter}` and `{filter}-ignore` cannot both filter `{name}`; use `!` patterns"),
                );
            }
        }
        if name == "schedule" && trigger.settings.is_none_or(|settings| !settings.is_seq()) {
            report.say(trigger.name.span.clone(), "`schedule` needs a list of `cron` entries");
        }
        if name == "workflow_run" && trigger.settings.is_none_or(|settings| settings.get("workflows").is_none()) {
            report.say(trigger.name.span.clone(), "`workflow_run` needs the names of `workflows`");
        }
    }
}

fn has_both(settings: &[Entry], filter: &str) -> bool {
    let has = |key: &str| settings.iter().any(|entry| entry.key.text == key);
    has(filter) && has(&format!("{filter}-ignore"))
}

fn misplaced(event: &str, entry: &Entry, report: &mut Report<'_>) {
    let allowed: &[&str] = match &*entry.key.text {
        "branches" | "branches-ignore" => {
            &["push", "pull_request", "pull_request_target", "workflow_run", "merge_group"]
        }
        "tags" | "tags-ignore" => &["push"],
        "paths" | "paths-ignore" => &["push", "pull_request", "pull_request_target"],
        "workflows" => &["workflow_run"],
        _ => return,
    };
    if !allowed.contains(&event) && EVENTS.iter().any(|(known, _)| *known == event) {
        report.say(entry.key.span.clone(), format!("`{event}` takes no `{}`", entry.key.text));
    }
}

/// A filter pattern that cannot match what it is for.
pub(super) fn glob(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for trigger in &workflow.triggers {
        for entry in trigger.settings.map_or(&[][..], Value::entries) {
            let is_path = matches!(&*entry.key.text, "paths" | "paths-ignore");
            let is_ref = matches!(&*entry.key.text, "branches" | "branches-ignore" | "tags" | "tags-ignore");
            if is_path || is_ref {
                entry.value.scalars().into_iter().for_each(|pattern| judge_glob(pattern, is_path, report));
            }
        }
    }
}

fn judge_glob(pattern: &Scalar, is_path: bool, report: &mut Report<'_>) {
    let text = &*pattern.text;
    let body = text.strip_prefix('!').unwrap_or(text);
    let why = if text.contains("${{") {
        return;
    } else if body.is_empty() {
        "is empty"
    } else if is_path && (body.starts_with("./") || body.starts_with("../")) {
        "never matches: paths start at the root of the repository, without `./`"
    } else if is_path && (body.starts_with(' ') || body.ends_with(' ')) {
        "has white space at its end"
    } else if !is_path && body.starts_with("refs/") {
        "never matches: the name is compared without `refs/heads/` or `refs/tags/`"
    } else if !is_path && (body.starts_with('/') || body.ends_with('/') || body.contains("//")) {
        "never matches: a branch or tag has no `/` at its ends and none doubled"
    } else if !is_path && body.contains(['^', '~', ':', ' ', '\t']) {
        "never matches: a branch or tag has no such character"
    } else if !is_path && (body.ends_with('.') && !body.ends_with("*.") || body.contains("..")) {
        "never matches: git allows no such name"
    } else {
        match unbalanced(body) {
            Some(why) => why,
            None => return,
        }
    };
    report.say(pattern.span.clone(), format!("the pattern `{text}` {why}"));
}

fn unbalanced(pattern: &str) -> Option<&'static str> {
    let mut chars = pattern.chars().peekable();
    let mut before = None;
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                chars.next();
            }
            '?' | '+' if before.is_none() || matches!(before, Some('*')) => {
                return Some("repeats nothing: `?` and `+` follow a character");
            }
            '[' => {
                let class: String = chars.by_ref().take_while(|&c| c != ']').collect();
                if class.is_empty() || !pattern.contains(']') {
                    return Some("has a `[` that is not closed, or holds nothing");
                }
                let range: Vec<char> = class.chars().collect();
                if range.windows(3).any(|part| part[1] == '-' && part[0] > part[2]) {
                    return Some("has a range that runs backwards");
                }
            }
            _ => {}
        }
        before = Some(c);
    }
    None
}

/// A `cron` that GitHub does not read, or that comes more often than it allows.
pub(super) fn cron(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let Some(Trigger { settings: Some(settings), .. }) = workflow.trigger("schedule") else { return };
    for cron in settings.items().iter().filter_map(|item| item.get("cron")?.as_scalar()) {
        if let Some(why) = cron_error(&cron.text).filter(|_| !cron.text.contains("${{")) {
            report.say(cron.span.clone(), format!("`{}` is not a time table: {why}", cron.text));
        }
    }
}

fn cron_error(cron: &str) -> Option<String> {
    const MONTHS: &[&str] = &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let names: [(&str, u32, u32, &[&str]); 5] = [
        ("minute", 0, 59, &[]),
        ("hour", 0, 23, &[]),
        ("day", 1, 31, &[]),
        ("month", 1, 12, MONTHS),
        ("weekday", 0, 7, DAYS),
    ];
    if fields.len() != names.len() {
        return Some(format!("it has {} fields, not minute, hour, day, month and weekday", fields.len()));
    }
    for (field, (name, low, high, words)) in fields.iter().zip(names) {
        let first = if words.len() == 12 { 1 } else { 0 };
        let number = |text: &str| {
            let word = words.iter().position(|word| word.eq_ignore_ascii_case(text)).map(|at| at as u32 + first);
            word.or_else(|| text.parse().ok()).filter(|value| (low..=high).contains(value))
        };
        if !field.split(',').all(|part| is_cron_part(part, &number)) {
            return Some(format!("`{field}` is not a {name}"));
        }
    }
    too_often(fields[0]).then(|| "it comes more often than every five minutes".to_owned())
}

fn is_cron_part(part: &str, number: &dyn Fn(&str) -> Option<u32>) -> bool {
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    let step_ok = step.is_none_or(|step| step.parse::<u32>().is_ok_and(|step| step > 0));
    let range_ok = match range.split_once('-') {
        Some((from, to)) => matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to),
        None => range == "*" || number(range).is_some(),
    };
    step_ok && range_ok
}

fn too_often(minute: &str) -> bool {
    minute == "*" || minute.strip_prefix("*/").and_then(|step| step.parse::<u32>().ok()).is_some_and(|step| step < 5)
}

/// Inputs, outputs and secrets of callable workflows that contradict themselves.
pub(super) fn inputs(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    if workflow.kind != FileKind::Workflow {
        return;
    }
    for trigger in &workflow.triggers {
        let event = &*trigger.name.text;
        let Some(inputs) = trigger.settings.and_then(|settings| settings.entry("inputs")) else { continue };
        if event == "workflow_dispatch" && inputs.value.entries().len() > 25 {
            report.say(trigger.name.span.clone(), "`workflow_dispatch` takes at most 25 inputs");
        }
        for input in inputs.value.entries() {
            judge_input(event, input, report);
        }
    }
}

fn judge_input(event: &str, input: &Entry, report: &mut Report<'_>) {
    let (name, value) = (&*input.key.text, &input.value);
    let kinds: &[&str] = match event {
        "workflow_call" => &["boolean", "number", "string"],
        "workflow_dispatch" => &["boolean", "choice", "environment", "number", "string"],
        _ => return,
    };
    let kind = value.get("type").and_then(Value::as_scalar);
    match kind {
        Some(kind) if !kinds.contains(&&*kind.text) => {
            return report.say(kind.span.clone(), format!("`{}` is not a type of an input of `{event}`", kind.text));
        }
        None if event == "workflow_call" => {
            return report.say(input.key.span.clone(), format!("the input `{name}` of `workflow_call` needs a `type`"));
        }
        _ => {}
    }
    let kind = kind.map_or("string", |kind| &kind.text);
    let default = value.entry("default").filter(|default| !default.value.is_null());
    if let Some(default) = default {
        judge_default(event, name, kind, value, default, report);
    }
    let options = value.entry("options");
    if kind == "choice" && options.is_none_or(|options| options.value.items().is_empty()) {
        report.say(input.key.span.clone(), format!("the choice `{name}` has no `options`"));
    } else if let Some(options) = options.filter(|_| kind != "choice") {
        report.say(options.key.span.clone(), format!("only a `choice` has `options`, and `{name}` is a {kind}"));
    }
}

fn judge_default(event: &str, name: &str, kind: &str, input: &Value, default: &Entry, report: &mut Report<'_>) {
    let Some(text) = default.value.as_str() else { return };
    let span = default.value.span.clone();
    let required = input.get("required").and_then(Value::as_str) == Some("true");
    let options = input.get("options").map_or_else(Vec::new, Value::scalars);
    if event == "workflow_call" && required {
        report.say(default.key.span.clone(), format!("the default of `{name}` is never used: the input is required"));
    } else if text.contains("${{") {
    } else if kind == "boolean" && !matches!(text, "true" | "false") {
        report.say(span, format!("the default of the boolean `{name}` is `true` or `false`"));
    } else if kind == "number" && text.parse::<f64>().is_err() {
        report.say(span, format!("the default of the number `{name}` is not a number"));
    } else if kind == "choice" && !options.is_empty() && !options.iter().any(|option| option.text == text) {
        report.say(span, format!("the default of `{name}` is not among its options"));
    }
}
