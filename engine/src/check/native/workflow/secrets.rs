//! Who gets to see which secret?

use super::{
    FileKind, Report, Workflow,
    expression::{Ast, Node},
    sites,
};
use crate::check::native::yaml::Value;

/// `secrets: inherit` to a workflow of another repository or one's own.
pub(super) fn inherit(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for job in &workflow.jobs {
        if let Some(secrets) = job.value.entry("secrets")
            && secrets.value.as_str() == Some("inherit")
        {
            report.at(secrets.span.clone());
        }
    }
}

/// Every secret at once in one expression.
pub(super) fn all(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in sites::all(workflow) {
        let mut found = Vec::new();
        for ast in site.asts() {
            ast.walk(&mut |part| {
                if is_every_secret(part) {
                    found.push(site.range(part));
                }
            });
        }
        found.into_iter().for_each(|span| report.at(span));
    }
}

fn is_every_secret(ast: &Ast) -> bool {
    match &ast.node {
        Node::Call(name, arguments) if name == "tojson" => arguments.iter().any(|argument| argument.is("secrets")),
        Node::Index(object, index) => object.is("secrets") && !index.is_constant(),
        _ => false,
    }
}

/// A part of a secret, which is not masked in logs.
pub(super) fn part(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in sites::all(workflow) {
        let mut found = Vec::new();
        for ast in site.asts() {
            ast.walk(&mut |part| {
                if let Node::Call(name, arguments) = &part.node
                    && name == "fromjson"
                    && arguments
                        .iter()
                        .any(|argument| argument.path().is_some_and(|path| path.len() == 2 && path[0] == "secrets"))
                {
                    found.push(site.range(part));
                }
            });
        }
        found.into_iter().for_each(|span| report.at(span));
    }
}

/// A registry's password written into the workflow.
pub(super) fn container_credentials(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for job in &workflow.jobs {
        let services = job.value.get("services").map_or(&[][..], Value::entries).iter().map(|entry| &entry.value);
        for place in job.value.get("container").into_iter().chain(services) {
            let Some(password) = place.at(&["credentials", "password"]) else { continue };
            if password.as_str().is_some_and(|text| !text.is_empty() && !text.contains("${{")) {
                report.at(password.span.clone());
            }
        }
    }
}

/// A token of a GitHub App that can do all that the App can.
pub(super) fn app_token(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for (_, step) in workflow.steps() {
        let Some(uses) = step.uses().filter(|uses| uses.is("actions/create-github-app-token")) else { continue };
        let inputs = step.value.get("with").map_or(&[][..], Value::entries);
        if step.with_str("skip-token-revoke").is_some_and(|value| value == "true") {
            report.say(uses.scalar.span.clone(), "the App's token stays valid after the job");
        } else if step.with("owner").is_some() && step.with("repositories").is_none() {
            report.say(uses.scalar.span.clone(), "the App's token reaches every repository of the owner");
        } else if !inputs.iter().any(|entry| entry.key.text.starts_with("permission-")) {
            report.at(uses.scalar.span.clone());
        }
    }
}

/// Dependabot allowed to run code of the packages it updates.
pub(super) fn dependabot_external_code(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for update in updates(workflow) {
        if let Some(entry) = update.entry("insecure-external-code-execution")
            && entry.value.as_str() == Some("allow")
        {
            report.at(entry.span.clone());
        }
    }
}

/// Updates proposed the moment they are published.
pub(super) fn dependabot_cooldown(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let all = updates(workflow);
    let nowhere = all.iter().all(|update| update.get("cooldown").is_none());
    for (number, update) in all.iter().enumerate() {
        let Some(ecosystem) = update.entry("package-ecosystem") else { continue };
        let days =
            |key: &str| update.at(&["cooldown", key]).and_then(Value::as_str).and_then(|days| days.parse::<u32>().ok());
        match update.entry("cooldown") {
            None if nowhere && number == 0 => report.at(ecosystem.span.clone()),
            Some(entry) if days("default-days").is_some_and(|days| days < 4) => {
                report.say(
                    entry.span.clone(),
                    "a cooldown of so few days misses most packages that are found to be hostile",
                );
            }
            _ => {}
        }
    }
}

fn updates<'a>(workflow: &Workflow<'a>) -> &'a [Value] {
    match workflow.kind {
        FileKind::Dependabot => workflow.root.get("updates").map_or(&[], Value::items),
        _ => &[],
    }
}
