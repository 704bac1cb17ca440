//! What does a GitHub Actions file do? One positioned model of workflows, actions and Dependabot's settings, and the
//! checks over it.

mod cache;
mod condition;
mod events;
mod expression;
mod injection;
mod jobs;
mod permissions;
mod privileged;
mod publish;
mod schema;
mod script;
mod secrets;
mod sites;
mod types;
mod typing;
mod uses;

use std::ops::Range;

pub(super) use uses::is_slip;

use super::{
    Native,
    yaml::{Document, Entry, Scalar, Value},
};
use crate::{
    check::{Meta, Target},
    edit::{Applicability, Edit, Fix},
    finding::Finding,
};

/// A check over the model.
pub(super) type Check = fn(&Workflow<'_>, &mut Report<'_>);

macro_rules! checks {
    ($($name:literal => $check:path,)*) => {
        /// Every check over workflows by the name rule files use.
        pub(super) const ALL: &[Native] = &[$(Native {
            name: $name,
            check: |target, meta, findings| run(target, meta, findings, $check),
        },)*];
    };
}

checks! {
    "workflow-script-injection" => injection::hostile,
    "workflow-input-in-script" => injection::input,
    "workflow-privileged-checkout" => privileged::checkout,
    "workflow-privileged-trigger" => privileged::trigger,
    "workflow-privileged-environment-file" => privileged::environment_file,
    "workflow-self-hosted-runner" => privileged::self_hosted,
    "workflow-write-all" => permissions::write_all,
    "workflow-wide-write" => permissions::wide_write,
    "workflow-permissions-missing" => permissions::missing,
    "workflow-permissions-invalid" => permissions::invalid,
    "workflow-checkout-credentials" => uses::checkout_credentials,
    "workflow-action-branch" => uses::branch,
    "workflow-action-unpinned" => uses::unpinned,
    "workflow-image-unpinned" => uses::image,
    "workflow-action-archived" => uses::archived,
    "workflow-action-vulnerable" => uses::vulnerable,
    "workflow-action-typosquat" => uses::typosquat,
    "workflow-action-outdated" => uses::outdated,
    "workflow-action-reference" => uses::reference,
    "workflow-action-obscured" => uses::obscured,
    "workflow-action-input" => uses::inputs,
    "workflow-secrets-inherit" => secrets::inherit,
    "workflow-all-secrets" => secrets::all,
    "workflow-secret-part" => secrets::part,
    "workflow-container-credentials" => secrets::container_credentials,
    "workflow-app-token" => secrets::app_token,
    "workflow-insecure-commands" => script::insecure_commands,
    "workflow-deprecated-command" => script::deprecated_command,
    "workflow-shell" => script::shell,
    "workflow-cache-poisoning" => cache::poisoning,
    "workflow-long-lived-token" => publish::long_lived_token,
    "workflow-actor-check" => condition::actor,
    "workflow-contains-text" => condition::contains,
    "workflow-condition-always" => condition::always,
    "workflow-condition-constant" => condition::constant,
    "workflow-expression-obscured" => condition::obscured,
    "workflow-ternary" => condition::ternary,
    "workflow-unknown-key" => schema::unknown_key,
    "workflow-missing-key" => schema::missing_key,
    "workflow-wrong-shape" => schema::wrong_shape,
    "workflow-empty-value" => schema::empty_value,
    "workflow-duplicate-key" => schema::duplicate_key,
    "workflow-unused-anchor" => schema::unused_anchor,
    "workflow-unknown-event" => events::unknown,
    "workflow-event-filter" => events::filter,
    "workflow-glob" => events::glob,
    "workflow-cron" => events::cron,
    "workflow-input-definition" => events::inputs,
    "workflow-needs" => jobs::needs,
    "workflow-id" => jobs::id,
    "workflow-runner-label" => jobs::runner_label,
    "workflow-matrix" => jobs::matrix,
    "workflow-call" => jobs::call,
    "workflow-variable-name" => jobs::variable_name,
    "workflow-expression-syntax" => typing::syntax,
    "workflow-expression-name" => typing::name,
    "workflow-expression-property" => typing::property,
    "workflow-expression-context" => typing::availability,
    "workflow-expression-type" => typing::kind,
    "dependabot-external-code" => secrets::dependabot_external_code,
    "dependabot-cooldown" => secrets::dependabot_cooldown,
}

fn run(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>, check: Check) {
    let Some(document) = target.document() else { return };
    let Some(kind) = FileKind::of(target.file.path.as_str(), &document.root) else { return };
    check(&Workflow::new(kind, document), &mut Report { target, meta, findings });
}

/// What a file of GitHub Actions is: its keys say so, whatever folder a template keeps it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    Workflow,
    Action,
    Dependabot,
}

impl FileKind {
    fn of(path: &str, root: &Value) -> Option<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let in_workflows = path.strip_suffix(name).is_some_and(|folder| folder.ends_with(".github/workflows/"));
        let has = |key: &str| root.get(key).is_some();
        if has("updates") && !has("jobs") {
            Some(Self::Dependabot)
        } else if has("runs") && !has("jobs") && (in_workflows || matches!(name, "action.yml" | "action.yaml")) {
            Some(Self::Action)
        } else {
            (in_workflows && (has("on") || has("jobs"))).then_some(Self::Workflow)
        }
    }
}

/// A workflow, an action or Dependabot's settings.
pub(super) struct Workflow<'a> {
    pub(super) kind: FileKind,
    pub(super) root: &'a Value,
    pub(super) unused_anchors: &'a [Range<usize>],
    pub(super) triggers: Vec<Trigger<'a>>,
    pub(super) jobs: Vec<Job<'a>>,
    /// The steps of a composite action.
    pub(super) own_steps: Vec<Step<'a>>,
}

/// An event that starts the workflow.
pub(super) struct Trigger<'a> {
    pub(super) name: &'a Scalar,
    /// Its settings, where there are any.
    pub(super) settings: Option<&'a Value>,
}

/// A job.
pub(super) struct Job<'a> {
    pub(super) id: &'a Scalar,
    pub(super) value: &'a Value,
    pub(super) steps: Vec<Step<'a>>,
}

/// A step of a job or of a composite action.
#[derive(Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) value: &'a Value,
}

impl<'a> Workflow<'a> {
    fn new(kind: FileKind, document: &'a Document) -> Self {
        let root = &document.root;
        let job =
            |entry: &'a Entry| Job { id: &entry.key, value: &entry.value, steps: steps(entry.value.get("steps")) };
        let jobs = match kind {
            FileKind::Workflow => {
                root.get("jobs").map_or_else(Vec::new, |jobs| jobs.entries().iter().map(job).collect())
            }
            _ => Vec::new(),
        };
        let own_steps = match kind {
            FileKind::Action => steps(root.at(&["runs", "steps"])),
            _ => Vec::new(),
        };
        let triggers = if kind == FileKind::Workflow { triggers(root) } else { Vec::new() };
        Self { kind, root, unused_anchors: &document.unused_anchors, triggers, jobs, own_steps }
    }

    /// Every step with the job it is in.
    pub(super) fn steps(&self) -> impl Iterator<Item = (Option<&Job<'a>>, Step<'a>)> {
        let in_jobs = self.jobs.iter().flat_map(|job| job.steps.iter().map(move |&step| (Some(job), step)));
        in_jobs.chain(self.own_steps.iter().map(|&step| (None, step)))
    }

    /// The trigger with this name.
    pub(super) fn trigger(&self, name: &str) -> Option<&Trigger<'a>> {
        self.triggers.iter().find(|trigger| trigger.name.text == name)
    }

    /// The first trigger that strangers can pull and that still runs with the repository's rights.
    pub(super) fn privileged_trigger(&self) -> Option<&Trigger<'a>> {
        self.triggers.iter().find(|trigger| matches!(&*trigger.name.text, "pull_request_target" | "workflow_run"))
    }

    /// The right a job has by its own or the workflow's `permissions`; none where neither names the scope.
    pub(super) fn right(&self, job: Option<&Job<'a>>, scope: &str) -> Option<&'a str> {
        let own = job.and_then(|job| job.value.get("permissions"));
        let permissions = own.or_else(|| self.root.get("permissions"))?;
        match permissions.as_str() {
            Some("write-all") => Some("write"),
            Some("read-all") => Some("read"),
            _ => permissions.get(scope).and_then(Value::as_str),
        }
    }
}

fn steps(value: Option<&Value>) -> Vec<Step<'_>> {
    value.map_or_else(Vec::new, |steps| steps.items().iter().map(|value| Step { value }).collect())
}

fn triggers(root: &Value) -> Vec<Trigger<'_>> {
    let Some(on) = root.get("on") else { return Vec::new() };
    let bare = on.scalars().into_iter().map(|name| Trigger { name, settings: None });
    let full = on.entries().iter().map(|entry| Trigger { name: &entry.key, settings: Some(&entry.value) });
    bare.chain(full).collect()
}

impl<'a> Step<'a> {
    /// The script of a `run` step.
    pub(super) fn run(self) -> Option<&'a Scalar> {
        self.value.get("run").and_then(Value::as_scalar)
    }

    /// The action it uses.
    fn uses(self) -> Option<uses::Uses<'a>> {
        self.value.get("uses").and_then(Value::as_scalar).map(uses::Uses::read)
    }

    /// An input of the action, in whatever case it is written.
    pub(super) fn with(self, input: &str) -> Option<&'a Value> {
        let inputs = self.value.get("with")?.entries();
        inputs.iter().find(|entry| entry.key.text.eq_ignore_ascii_case(input)).map(|entry| &entry.value)
    }

    /// The text of an input.
    pub(super) fn with_str(self, input: &str) -> Option<&'a str> {
        self.with(input).and_then(Value::as_str)
    }
}

impl<'a> Job<'a> {
    /// The labels of its runner that are written out; of a matrix, those of all its values.
    pub(super) fn runner_labels(&self) -> Vec<&'a Scalar> {
        let Some(runs_on) = self.value.get("runs-on") else { return Vec::new() };
        let named = runs_on.get("labels").unwrap_or(runs_on);
        let written = named.scalars();
        match written.as_slice() {
            [only] if only.text.contains("${{") => matrix_values(self.value, &only.text),
            _ => written,
        }
    }

    /// Whether each place it can run on is known to be Windows, or known not to be.
    pub(super) fn is_windows(&self) -> Option<bool> {
        let labels = self.runner_labels();
        let windows = labels.iter().filter(|label| label.text.to_ascii_lowercase().contains("windows")).count();
        let known = labels.iter().all(|label| {
            let label = label.text.to_ascii_lowercase();
            ["windows", "ubuntu", "macos", "linux"].iter().any(|system| label.contains(system))
        });
        match windows {
            _ if labels.is_empty() || !known => None,
            0 => Some(false),
            all if all == labels.len() => Some(true),
            _ => None,
        }
    }
}

/// The values of `matrix.NAME` where the text is exactly `${{ matrix.NAME }}`; less those excluded by that key alone.
fn matrix_values<'a>(job: &'a Value, text: &str) -> Vec<&'a Scalar> {
    let inner = text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
    let Some(name) = inner.and_then(|inner| inner.trim().strip_prefix("matrix.")) else { return Vec::new() };
    let Some(matrix) = job.at(&["strategy", "matrix"]) else { return Vec::new() };
    let extra = matrix.get("include").map_or(&[][..], Value::items).iter().filter_map(|item| item.get(name));
    let gone: Vec<&str> = matrix
        .get("exclude")
        .map_or(&[][..], Value::items)
        .iter()
        .filter(|item| item.entries().len() == 1)
        .filter_map(|item| item.get(name)?.as_str())
        .collect();
    let own = matrix.get(name).map_or_else(Vec::new, |values| match values.is_seq() {
        true => values.items().iter().flat_map(Value::scalars).collect(),
        false => Vec::new(),
    });
    own.into_iter().filter(|value| !gone.contains(&&*value.text)).chain(extra.flat_map(Value::scalars)).collect()
}

/// Where a check puts what it finds.
pub(super) struct Report<'a> {
    pub(super) target: &'a Target<'a>,
    meta: &'a Meta,
    findings: &'a mut Vec<Finding>,
}

impl Report<'_> {
    /// A finding in the words of the rule.
    pub(super) fn at(&mut self, span: Range<usize>) {
        self.findings.push(self.meta.finding(self.target.file, span));
    }

    /// A finding in words of its own.
    pub(super) fn say(&mut self, span: Range<usize>, what: impl Into<String>) {
        let mut finding = self.meta.finding(self.target.file, span);
        finding.what = what.into();
        self.findings.push(finding);
    }

    /// Offers edits that mend the last finding.
    pub(super) fn fix(&mut self, applicability: Applicability, edits: Vec<Edit>) {
        if let (Some(finding), Ok(fix)) = (self.findings.last_mut(), Fix::new(applicability, edits)) {
            finding.fix = Some(fix);
        }
    }

    /// The file's text.
    pub(super) fn text(&self) -> &str {
        &self.target.file.text
    }

    /// The column of a byte, counted from 0.
    pub(super) fn column(&self, at: usize) -> usize {
        self.text()[..at.min(self.text().len())].rfind('\n').map_or(at, |line| at - line - 1)
    }
}

/// A pair put before `at`, which starts a key of the same block mapping.
pub(super) fn insert_key(report: &Report<'_>, at: usize, pair: &str) -> Edit {
    let newline = if report.target.file.newline() == crate::source::Newline::CrLf { "\r\n" } else { "\n" };
    let indent = " ".repeat(report.column(at));
    let lines: Vec<String> = pair
        .lines()
        .enumerate()
        .map(|(n, line)| if n == 0 { line.to_owned() } else { format!("{indent}{line}") })
        .collect();
    Edit::insert(at, format!("{}{newline}{indent}", lines.join(newline)))
}

/// Whether a mapping is written over lines, key under key, so that a pair can be put between.
pub(super) fn is_block(report: &Report<'_>, map: &Value) -> bool {
    map.is_map() && !report.text()[map.span.start..].starts_with('{')
}

#[cfg(test)]
mod tests;
