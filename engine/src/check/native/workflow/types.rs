//! What can an expression see, and what does it come to?

use std::collections::BTreeMap;

use super::{FileKind, Job, Workflow};
use crate::check::native::yaml::{Kind, Value};

/// The kind of value an expression has, as far as the file tells.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Any,
    Null,
    Bool,
    Number,
    Text,
    List(Box<Type>),
    /// An object with these properties; `open` where it may have others.
    Object {
        known: BTreeMap<String, Type>,
        open: bool,
    },
}

impl Type {
    /// An object with these properties and no others.
    pub(super) fn closed<'n>(names: impl IntoIterator<Item = (&'n str, Type)>) -> Self {
        Self::Object {
            known: names.into_iter().map(|(name, kind)| (name.to_ascii_lowercase(), kind)).collect(),
            open: false,
        }
    }

    /// An object that may have any property.
    pub(super) fn open() -> Self {
        Self::Object { known: BTreeMap::new(), open: true }
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List(_) => "a list",
            Self::Object { .. } => "an object",
        }
    }

    /// The type that is either of the two.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Object { known: mut a, open: x }, Self::Object { known: b, open: y }) => {
                for (name, kind) in b {
                    let merged = match a.remove(&name) {
                        Some(first) => first.or(kind),
                        None => kind,
                    };
                    a.insert(name, merged);
                }
                Self::Object { known: a, open: x || y }
            }
            (Self::List(a), Self::List(b)) => Self::List(Box::new(a.or(*b))),
            _ => Self::Any,
        }
    }
}

const GITHUB: &[&str] = &[
    "action",
    "action_path",
    "action_ref",
    "action_repository",
    "action_status",
    "actor",
    "actor_id",
    "api_url",
    "artifact_cache_size_limit",
    "base_ref",
    "env",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "job_workflow_sha",
    "output",
    "path",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "repositoryurl",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "secret_source",
    "server_url",
    "sha",
    "state",
    "step_summary",
    "token",
    "triggering_actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "workspace",
];

const RUNNER: &[&str] = &["name", "os", "arch", "temp", "tool_cache", "debug", "environment", "workspace"];

/// The names of every context.
pub(super) const CONTEXTS: &[&str] =
    &["github", "env", "vars", "job", "jobs", "steps", "runner", "secrets", "strategy", "matrix", "needs", "inputs"];

/// What a context holds at a place: a step by its number, a job by its number.
pub(super) fn context(workflow: &Workflow<'_>, name: &str, job: Option<usize>, step: Option<usize>) -> Type {
    let job = job.and_then(|job| workflow.jobs.get(job));
    match name {
        "github" => github(workflow),
        "runner" => Type::closed(RUNNER.iter().map(|name| (*name, Type::Text))),
        "strategy" => Type::closed([
            ("fail-fast", Type::Bool),
            ("job-index", Type::Number),
            ("job-total", Type::Number),
            ("max-parallel", Type::Number),
        ]),
        "job" => Type::Object { known: BTreeMap::from([("status".to_owned(), Type::Text)]), open: true },
        "inputs" => inputs(workflow),
        "matrix" => job.map_or(Type::Any, matrix),
        "needs" => job.map_or(Type::Any, |job| needs(workflow, job)),
        "steps" => steps(workflow, job, step),
        "env" | "vars" | "secrets" => Type::open(),
        _ => Type::Any,
    }
}

fn github(workflow: &Workflow<'_>) -> Type {
    let mut known: BTreeMap<String, Type> = GITHUB.iter().map(|name| ((*name).to_owned(), Type::Text)).collect();
    known.insert("ref_protected".into(), Type::Bool);
    let dispatch = workflow.trigger("workflow_dispatch").and_then(|trigger| trigger.settings?.get("inputs"));
    let mut event = BTreeMap::new();
    if let Some(inputs) = dispatch.filter(|_| workflow.triggers.len() == 1) {
        let all = inputs.entries().iter().map(|entry| (&*entry.key.text, Type::Text));
        event.insert("inputs".to_owned(), Type::closed(all));
    }
    known.insert("event".into(), Type::Object { known: event, open: true });
    Type::Object { known, open: false }
}

fn inputs(workflow: &Workflow<'_>) -> Type {
    let declared = |settings: Option<&Value>| {
        let entries = settings.and_then(|settings| settings.get("inputs")).map_or(&[][..], Value::entries);
        Type::closed(entries.iter().map(|entry| {
            let kind = match entry.value.get("type").and_then(Value::as_str) {
                Some("boolean") => Type::Bool,
                Some("number") => Type::Number,
                _ => Type::Text,
            };
            (&*entry.key.text, kind)
        }))
    };
    if workflow.kind == FileKind::Action {
        return declared(Some(workflow.root));
    }
    let givers: Vec<_> = workflow
        .triggers
        .iter()
        .filter(|trigger| matches!(&*trigger.name.text, "workflow_call" | "workflow_dispatch"))
        .map(|trigger| declared(trigger.settings))
        .collect();
    givers.into_iter().reduce(Type::or).unwrap_or_else(|| Type::closed([]))
}

/// What the literal value of a matrix is.
fn literal(value: &Value) -> Type {
    match &value.kind {
        Kind::Null => Type::Null,
        Kind::Scalar(scalar) if scalar.text.contains("${{") => Type::Any,
        Kind::Scalar(scalar) if !scalar.is_plain() => Type::Text,
        Kind::Scalar(scalar) => match &*scalar.text {
            "true" | "false" => Type::Bool,
            "null" | "~" | "" => Type::Null,
            text if text.parse::<f64>().is_ok() => Type::Number,
            _ => Type::Text,
        },
        Kind::Seq(items) => Type::List(Box::new(items.iter().map(literal).reduce(Type::or).unwrap_or(Type::Any))),
        Kind::Map(entries) => Type::closed(entries.iter().map(|entry| (&*entry.key.text, literal(&entry.value)))),
    }
}

fn matrix(job: &Job<'_>) -> Type {
    let Some(matrix) = job.value.at(&["strategy", "matrix"]) else {
        return if job.value.get("strategy").is_some_and(|strategy| !strategy.is_map()) {
            Type::Any
        } else {
            Type::closed([])
        };
    };
    if !matrix.is_map() {
        return Type::Any;
    }
    let mut known = BTreeMap::new();
    for row in matrix.entries().iter().filter(|row| !matches!(&*row.key.text, "include" | "exclude")) {
        let items = row.value.items();
        let kind = if row.value.is_seq() {
            items.iter().map(literal).reduce(Type::or).unwrap_or(Type::Any)
        } else {
            Type::Any
        };
        known.insert(row.key.text.to_ascii_lowercase(), kind);
    }
    let mut open = false;
    if let Some(include) = matrix.get("include") {
        open = !include.is_seq();
        for item in include.items() {
            open |= !item.is_map();
            for entry in item.entries() {
                let kind = literal(&entry.value);
                let name = entry.key.text.to_ascii_lowercase();
                let merged = known.remove(&name).map_or(kind.clone(), |first: Type| first.or(kind));
                known.insert(name, merged);
            }
        }
    }
    open |= known.keys().any(|name| name.contains("${{") || name == "<<");
    Type::Object { known, open }
}

fn needs(workflow: &Workflow<'_>, job: &Job<'_>) -> Type {
    let names = job.value.get("needs").map_or_else(Vec::new, Value::scalars);
    if job.value.get("needs").is_some_and(|needs| needs.is_map()) || names.iter().any(|name| name.text.contains("${{"))
    {
        return Type::Any;
    }
    let one = |name: &str| {
        let target = workflow.jobs.iter().find(|job| job.id.text.eq_ignore_ascii_case(name));
        let outputs = match target {
            Some(target) if target.value.get("uses").is_none() => {
                let entries = target.value.get("outputs").map_or(&[][..], Value::entries);
                Type::closed(entries.iter().map(|entry| (&*entry.key.text, Type::Text)))
            }
            _ => Type::open(),
        };
        Type::closed([("result", Type::Text), ("outputs", outputs)])
    };
    Type::closed(names.iter().map(|name| (&*name.text, one(&name.text))))
}

/// The steps that a step can look back on: those before it with an `id`; all of them outside of steps.
fn steps(workflow: &Workflow<'_>, job: Option<&Job<'_>>, step: Option<usize>) -> Type {
    let all = match job {
        Some(job) => &job.steps,
        None if workflow.kind == FileKind::Action => &workflow.own_steps,
        None => return Type::Any,
    };
    let before = &all[..step.unwrap_or(all.len()).min(all.len())];
    let ids = before.iter().filter_map(|step| step.value.get("id")?.as_str());
    if before.iter().any(|step| !step.value.is_map()) {
        return Type::Any;
    }
    Type::closed(ids.map(|id| {
        let parts = [("outputs", Type::open()), ("outcome", Type::Text), ("conclusion", Type::Text)];
        (id, Type::closed(parts))
    }))
}

/// Where a place in the file lies for the question which contexts it may read.
pub(super) struct Availability {
    pub(super) contexts: &'static [&'static str],
    /// Whether `always()`, `success()` and the like may be called.
    pub(super) status: bool,
    /// Whether `hashFiles()` may be called.
    pub(super) hash_files: bool,
}

const NOTHING: &[&str] = &[];
const EVERYTHING: &[&str] =
    &["github", "needs", "strategy", "matrix", "job", "runner", "env", "vars", "secrets", "steps", "inputs"];
const JOB_LEVEL: &[&str] = &["github", "needs", "strategy", "matrix", "vars", "inputs"];

/// Which contexts a place may read, after GitHub's table; none for places the table does not name.
pub(super) fn availability(path: &[&str]) -> Option<Availability> {
    let contexts: &[&str] = match path {
        ["run-name"] | ["concurrency", ..] => &["github", "inputs", "vars"],
        ["env", _] | ["env"] => &["github", "secrets", "inputs", "vars"],
        ["on", "workflow_call", "inputs", _, "default"] => &["github", "inputs", "vars"],
        ["on", "workflow_call", "outputs", _, "value"] => &["github", "jobs", "vars", "inputs"],
        ["jobs", _, rest @ ..] => return job_availability(rest),
        ["on", ..] | ["permissions", ..] | ["name"] | ["defaults", ..] => NOTHING,
        _ => return None,
    };
    Some(Availability { contexts, status: false, hash_files: false })
}

fn job_availability(path: &[&str]) -> Option<Availability> {
    const CREDENTIALS: &[&str] = &["github", "needs", "strategy", "matrix", "env", "vars", "secrets", "inputs"];
    const SERVICE_ENV: &[&str] =
        &["github", "needs", "strategy", "matrix", "job", "runner", "env", "vars", "secrets", "inputs"];
    let mut status = false;
    let mut hash_files = false;
    let contexts: &[&str] = match path {
        ["if"] => {
            status = true;
            &["github", "needs", "vars", "inputs"]
        }
        ["env"] | ["env", _] => &["github", "needs", "strategy", "matrix", "vars", "secrets", "inputs"],
        ["strategy", ..] => &["github", "needs", "vars", "inputs"],
        ["concurrency", ..] => &["github", "needs", "strategy", "matrix", "inputs", "vars"],
        ["environment", "url"] => {
            &["github", "needs", "strategy", "matrix", "job", "runner", "env", "vars", "steps", "inputs"]
        }
        ["outputs", _] | ["outputs"] => EVERYTHING,
        ["defaults", "run", _] => &["github", "needs", "strategy", "matrix", "env", "vars", "inputs"],
        ["container", "credentials", ..] | ["services", _, "credentials", ..] => CREDENTIALS,
        ["container", "env", ..] | ["services", _, "env", ..] => SERVICE_ENV,
        ["container", "volumes" | "ports" | "options"] | ["services", _, "volumes" | "ports" | "options"] => {
            return match path.last() {
                Some(&"options") => Some(Availability { contexts: JOB_LEVEL, status: false, hash_files: false }),
                _ => None,
            };
        }
        ["secrets", _] | ["secrets"] => &["github", "needs", "strategy", "matrix", "secrets", "inputs", "vars"],
        ["name"]
        | ["runs-on", ..]
        | ["timeout-minutes"]
        | ["continue-on-error"]
        | ["with", ..]
        | ["container", ..]
        | ["services", ..]
        | ["environment"]
        | ["environment", "name"] => JOB_LEVEL,
        ["snapshot", ..] => &["github", "needs", "strategy", "matrix", "vars", "inputs"],
        ["steps", "if"] => {
            (status, hash_files) = (true, true);
            &["github", "needs", "strategy", "matrix", "job", "runner", "env", "vars", "steps", "inputs"]
        }
        ["steps", "id" | "uses" | "shell"] => NOTHING,
        ["steps", ..] => {
            hash_files = true;
            EVERYTHING
        }
        ["permissions", ..] | ["uses"] | ["needs"] => NOTHING,
        _ => return None,
    };
    Some(Availability { contexts, status, hash_files })
}
