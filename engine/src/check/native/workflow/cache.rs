//! Can a cache that others may fill end up in what is released?

use super::{
    Job, Report, Step, Trigger, Workflow,
    expression::{self, Ast, Node, Operator},
};
use crate::check::native::yaml::Value;

/// When an action restores a cache.
#[derive(Clone, Copy)]
enum Caching {
    /// Always, unless this input is true.
    UnlessTrue(&'static str),
    /// Unless this input is false.
    UnlessFalse(&'static str),
    /// Only if this input is set to something other than false.
    IfSet(&'static str),
    /// Only if the first input is set, unless the second is false.
    IfSetUnlessFalse(&'static str, &'static str),
}

const ACTIONS: &[(&str, Caching)] = &[
    ("actions/cache", Caching::UnlessTrue("lookup-only")),
    ("actions/setup-dotnet", Caching::IfSet("cache")),
    ("actions/setup-go", Caching::UnlessFalse("cache")),
    ("actions/setup-java", Caching::IfSet("cache")),
    ("actions/setup-node", Caching::IfSet("cache")),
    ("actions/setup-python", Caching::IfSet("cache")),
    ("actions-rust-lang/setup-rust-toolchain", Caching::UnlessFalse("cache")),
    ("astral-sh/setup-uv", Caching::UnlessFalse("enable-cache")),
    ("awalsh128/cache-apt-pkgs-action", Caching::UnlessTrue("")),
    ("determinatesystems/magic-nix-cache-action", Caching::UnlessFalse("use-gha-cache")),
    ("docker/setup-buildx-action", Caching::IfSetUnlessFalse("version", "cache-binary")),
    ("golangci/golangci-lint-action", Caching::UnlessTrue("skip-cache")),
    ("gradle/actions/setup-gradle", Caching::UnlessTrue("cache-disabled")),
    ("gradle/gradle-build-action", Caching::UnlessTrue("cache-disabled")),
    ("hynek/setup-cached-uv", Caching::UnlessTrue("")),
    ("jdx/mise-action", Caching::UnlessFalse("cache")),
    ("moonrepo/setup-rust", Caching::UnlessFalse("cache")),
    ("mozilla-actions/sccache-action", Caching::UnlessTrue("")),
    ("nix-community/cache-nix-action", Caching::UnlessTrue("")),
    ("oven-sh/setup-bun", Caching::UnlessTrue("no-cache")),
    ("pdm-project/setup-pdm", Caching::IfSet("cache")),
    ("pnpm/action-setup", Caching::IfSet("cache")),
    ("prefix-dev/setup-pixi", Caching::IfSet("cache")),
    ("pyo3/maturin-action", Caching::IfSet("sccache")),
    ("ramsey/composer-install", Caching::UnlessTrue("ignore-cache")),
    ("ruby/setup-ruby", Caching::IfSet("bundler-cache")),
    ("swatinem/rust-cache", Caching::UnlessTrue("lookup-only")),
];

/// Actions that put something before users.
const PUBLISHERS: &[&str] = &[
    "softprops/action-gh-release",
    "ncipollo/release-action",
    "goreleaser/goreleaser-action",
    "pypa/gh-action-pypi-publish",
    "js-devtools/npm-publish",
    "rubygems/release-gem",
    "actions/create-release",
    "marvinpinto/action-automatic-releases",
    "release-plz/action",
    "changesets/action",
    "aws-actions/amazon-ecs-deploy-task-definition",
    "cloudflare/wrangler-action",
    "azure/webapps-deploy",
    "docker/build-push-action",
];

/// A cache restored in a job that builds a release.
pub(super) fn poisoning(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let moments = releases(workflow);
    for job in &workflow.jobs {
        let publishes = job.steps.iter().any(|&step| publishes(step));
        if moments.is_empty() && !publishes {
            continue;
        }
        for &step in &job.steps {
            let Some(uses) = step.uses() else { continue };
            let caching = ACTIONS.iter().find(|(name, _)| uses.is(name)).map(|(_, caching)| *caching);
            let caches_on_demand = uses.is("astral-sh/setup-uv") && uses.major().is_some_and(|major| major >= 7);
            if caching.is_some_and(|caching| restores(caching, step, &moments))
                && !caches_on_demand
                && !never_runs(step, job, &moments)
            {
                report.at(uses.scalar.span.clone());
            }
        }
    }
}

/// What an expression may read when something is released.
struct Moment {
    event: &'static str,
    reference: &'static str,
    kind: &'static str,
}

fn releases(workflow: &Workflow<'_>) -> Vec<Moment> {
    let mut moments = Vec::new();
    if workflow.trigger("release").is_some() {
        moments.push(Moment { event: "release", reference: "refs/tags/v1.0.0", kind: "tag" });
    }
    let Some(settings) = workflow.trigger("push").and_then(|push: &Trigger<'_>| push.settings) else { return moments };
    if settings.get("tags").is_some_and(|tags| !tags.scalars().is_empty()) {
        moments.push(Moment { event: "push", reference: "refs/tags/v1.0.0", kind: "tag" });
    }
    let branches = settings.get("branches").map_or_else(Vec::new, Value::scalars);
    if branches.iter().any(|branch| branch.text.starts_with("release")) {
        moments.push(Moment { event: "push", reference: "refs/heads/release", kind: "branch" });
    }
    moments
}

fn publishes(step: Step<'_>) -> bool {
    let Some(uses) = step.uses() else { return false };
    if !PUBLISHERS.iter().any(|name| uses.is(name)) {
        return false;
    }
    let off = |input: &str| step.with_str(input).is_some_and(|value| value == "false");
    let dry = step.with_str("dry-run").is_some_and(|value| value == "true");
    let pushes_image = !uses.is("docker/build-push-action") || step.with("push").is_none_or(|_| !off("push"));
    pushes_image && !dry && !step.with_str("args").is_some_and(|args| args.contains("--snapshot"))
}

fn restores(caching: Caching, step: Step<'_>, moments: &[Moment]) -> bool {
    let value = |input: &str| step.with(input).map(|value| truth(value, moments));
    match caching {
        Caching::UnlessTrue(input) => value(input) != Some(Some(true)),
        Caching::UnlessFalse(input) => value(input) != Some(Some(false)),
        Caching::IfSet(input) => value(input).is_some_and(|truth| truth != Some(false)),
        Caching::IfSetUnlessFalse(needed, input) => step.with(needed).is_some() && value(input) != Some(Some(false)),
    }
}

/// Whether an input counts as true when something is released; none where that is not known.
fn truth(value: &Value, moments: &[Moment]) -> Option<bool> {
    let text = value.as_str().unwrap_or("").trim();
    match expression::templates(text).as_slice() {
        [] => match text.to_ascii_lowercase().as_str() {
            "" | "false" | "no" | "off" | "0" => Some(false),
            "true" | "yes" | "on" | "1" => Some(true),
            _ => None,
        },
        [only] if only.span == (0..text.len()) => only.ast.as_ref().ok().and_then(|ast| always(ast, moments)),
        _ => None,
    }
}

fn always(ast: &Ast, moments: &[Moment]) -> Option<bool> {
    let first = evaluate(ast, moments.first()?)?;
    moments.iter().all(|moment| evaluate(ast, moment) == Some(first)).then_some(first)
}

/// Whether a condition on the step or job keeps it from every release.
fn never_runs(step: Step<'_>, job: &Job<'_>, moments: &[Moment]) -> bool {
    [step.value, job.value].into_iter().filter_map(|place| place.get("if")?.as_str()).any(|text| {
        let inner = text.trim().strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}")).unwrap_or(text);
        expression::parse(inner, 0..inner.len()).is_ok_and(|ast| always(&ast, moments) == Some(false))
    })
}

/// The truth of an expression at a moment, where that alone decides it.
fn evaluate(ast: &Ast, moment: &Moment) -> Option<bool> {
    match &ast.node {
        Node::Bool(value) => Some(*value),
        Node::Not(inner) => evaluate(inner, moment).map(|value| !value),
        Node::Binary(Operator::And, a, b) => match (evaluate(a, moment), evaluate(b, moment)) {
            (Some(false), _) | (_, Some(false)) => Some(false),
            (Some(true), Some(true)) => Some(true),
            _ => None,
        },
        Node::Binary(Operator::Or, a, b) => match (evaluate(a, moment), evaluate(b, moment)) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (Some(false), Some(false)) => Some(false),
            _ => None,
        },
        Node::Binary(Operator::Equal, a, b) => Some(text(a, moment)? == text(b, moment)?),
        Node::Binary(Operator::NotEqual, a, b) => Some(text(a, moment)? != text(b, moment)?),
        Node::Call(name, arguments) if name == "startswith" => {
            let [whole, start] = arguments.as_slice() else { return None };
            Some(text(whole, moment)?.starts_with(&text(start, moment)?))
        }
        _ => None,
    }
}

fn text(ast: &Ast, moment: &Moment) -> Option<String> {
    if let Node::Text(text) = &ast.node {
        return Some(text.to_ascii_lowercase());
    }
    let known = match ast.path()?.join(".").as_str() {
        "github.ref" => moment.reference,
        "github.ref_type" => moment.kind,
        "github.event_name" => moment.event,
        _ => return None,
    };
    Some(known.to_ascii_lowercase())
}
