//! Is a package published with a token that outlives the job?

use std::sync::LazyLock;

use regex::Regex;

use super::{Job, Report, Step, Workflow};

/// Commands that upload to a registry that knows trusted publishing.
static PUBLISH: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let words = [
        r"(?:python[\d.]*\s+-m\s+)?twine(?:==[\w.]+)?\s+upload",
        r"uv\s+publish",
        r"hatch\s+publish",
        r"pdm\s+publish",
        r"poetry\s+publish",
        r"flit\s+publish",
        r"cargo(?:\s+\+[\w.-]+)?\s+publish",
        r"npm\s+publish",
        r"yarn\s+npm\s+publish",
        r"pnpm\s+(?:-r\s+)?publish",
        r"bun\s+publish",
        r"gem\s+push",
        r"(?:dotnet\s+)?nuget(?:\.exe)?\s+push",
    ];
    let runner = r"(?:sudo\s+|bundle\s+exec\s+|bunx\s+|npx\s+|uvx\s+|pipx\s+run\s+|uv\s+run\s+|uv\s+tool\s+run\s+|poetry\s+run\s+)?";
    Regex::new(&format!(r"(?m)(?:^|&&|;|\|\|)\s*({runner}(?:{}))(?:\s|$)", words.join("|"))).ok()
});

/// Words that show that nothing is uploaded, or not to the public registry.
const ELSEWHERE: &[&str] = &[
    "--dry-run",
    "--help",
    "--registry",
    "--index-url",
    "--index ",
    "--repository",
    "--publish-url",
    "testpypi",
    "--token=\"$GITHUB",
    "npm.pkg.github",
    "--host",
    "nuget.pkg.github",
    "-r ",
];

/// A publishing command, or PyPI's action with a password, in a job that cannot ask for a short-lived identity.
pub(super) fn long_lived_token(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for (job, step) in workflow.steps() {
        if workflow.right(job, "id-token") == Some("write") {
            continue;
        }
        action(step, report);
        command(job, step, report);
    }
}

fn action(step: Step<'_>, report: &mut Report<'_>) {
    let Some(uses) = step.uses() else { return };
    let custom = ["repository-url", "repository_url"].iter().any(|input| step.with(input).is_some());
    if uses.is("pypa/gh-action-pypi-publish") && step.with("password").is_some() && !custom {
        report.at(uses.scalar.span.clone());
    }
    let token = step.with("api-token").is_some() && step.with("gem-server").is_none();
    if uses.is("rubygems/configure-rubygems-credentials") && token {
        report.at(uses.scalar.span.clone());
    }
}

fn command(job: Option<&Job<'_>>, step: Step<'_>, report: &mut Report<'_>) {
    let (Some(pattern), Some(script)) = (&*PUBLISH, step.run()) else { return };
    if asks_for_identity(job) {
        return;
    }
    // A continued line becomes one with the next, byte for byte.
    let flat: String = continued(&script.text);
    for found in pattern.captures_iter(&flat).filter_map(|found| found.get(1)) {
        let end = flat[found.end()..].find('\n').map_or(flat.len(), |end| found.end() + end);
        let line = &flat[found.start()..end];
        if !ELSEWHERE.iter().any(|word| line.contains(word)) {
            report.say(
                script.range(found.range()),
                format!("`{}` here signs in with a token that outlives the job", squeezed(found.as_str())),
            );
        }
    }
}

/// The script with each continued line end as two spaces.
fn continued(script: &str) -> String {
    script.replace("\\\n", "  ")
}

fn squeezed(command: &str) -> String {
    command.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the job signs in by an action made for that.
fn asks_for_identity(job: Option<&Job<'_>>) -> bool {
    const SIGN_IN: &[&str] =
        &["rust-lang/crates-io-auth-action", "nuget/login", "rubygems/configure-rubygems-credentials"];
    job.is_some_and(|job| {
        job.steps.iter().filter_map(|step| step.uses()).any(|uses| SIGN_IN.iter().any(|name| uses.is(name)))
    })
}
