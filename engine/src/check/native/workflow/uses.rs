//! Whose code does a step or a job run, and can that code change under it?

use super::{FileKind, Job, Report, Step, Workflow, insert_key, is_block};
use crate::{
    check::native::yaml::{Scalar, Value},
    edit::{Applicability, Edit},
};

/// What `uses:` names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uses<'a> {
    pub(super) scalar: &'a Scalar,
    pub(super) target: Kind<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// `./path` in the work tree, or `$/path` in the repository of the file itself.
    Local,
    /// `docker://image`
    Image(&'a str),
    /// `owner/repository/path@reference`
    Repository { owner: &'a str, name: &'a str, path: &'a str, reference: &'a str },
    /// Nothing that GitHub can read.
    Malformed,
}

impl<'a> Uses<'a> {
    pub(super) fn read(scalar: &'a Scalar) -> Self {
        Self { scalar, target: target(scalar.text.trim()) }
    }

    /// `owner/name`, empty for anything else than a repository.
    pub(super) fn repository(&self) -> String {
        match self.target {
            Kind::Repository { owner, name, .. } => format!("{owner}/{name}"),
            _ => String::new(),
        }
    }

    /// Whether it is this action, in any case.
    pub(super) fn is(&self, action: &str) -> bool {
        match self.target {
            Kind::Repository { owner, name, path, .. } => {
                let mut parts = action.splitn(3, '/');
                parts.next().is_some_and(|part| part.eq_ignore_ascii_case(owner))
                    && parts.next().is_some_and(|part| part.eq_ignore_ascii_case(name))
                    && parts.next().is_none_or(|part| part.eq_ignore_ascii_case(path))
            }
            _ => false,
        }
    }

    /// What stands after the `@`.
    pub(super) fn reference(&self) -> &'a str {
        if let Kind::Repository { reference, .. } = self.target { reference } else { "" }
    }

    /// The first number of a version tag: 3 of `v3.1`.
    pub(super) fn major(&self) -> Option<u32> {
        let version = self.reference().strip_prefix('v').unwrap_or(self.reference());
        let digits = version.split(['.', '-']).next()?;
        (digits.len() < 6).then(|| digits.parse().ok()).flatten()
    }
}

fn target(text: &str) -> Kind<'_> {
    if ["./", "../", "$/"].iter().any(|start| text.starts_with(start)) {
        return Kind::Local;
    }
    if let Some(image) = text.strip_prefix("docker://") {
        return Kind::Image(image);
    }
    let Some((place, reference)) = text.split_once('@') else { return Kind::Malformed };
    let mut parts = place.splitn(3, '/');
    match (parts.next(), parts.next()) {
        (Some(owner), Some(name)) if !owner.is_empty() && !name.is_empty() && !reference.is_empty() => {
            Kind::Repository { owner, name, path: parts.next().unwrap_or(""), reference }
        }
        _ => Kind::Malformed,
    }
}

/// Every `uses` of steps and jobs.
fn all<'a>(workflow: &Workflow<'a>) -> Vec<Uses<'a>> {
    let of_job = |job: &Job<'a>| job.value.get("uses").and_then(Value::as_scalar).map(Uses::read);
    let jobs = workflow.jobs.iter().filter_map(of_job);
    let steps = workflow.steps().filter_map(|(_, step)| step.uses());
    jobs.chain(steps).filter(|uses| !uses.scalar.text.contains("${{")).collect()
}

fn is_hash(reference: &str) -> bool {
    matches!(reference.len(), 40 | 64) && reference.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// GitHub's own actions: whoever controls them controls the runner anyway.
fn is_githubs(owner: &str) -> bool {
    ["actions", "github", "dependabot"].iter().any(|own| own.eq_ignore_ascii_case(owner))
}

fn looks_like_version(reference: &str) -> bool {
    let version = reference.rsplit(['/', '@']).next().unwrap_or(reference);
    let version = version.strip_prefix(['v', 'V']).unwrap_or(version);
    version.starts_with(|c: char| c.is_ascii_digit())
}

/// Actions whose reference names the tool they install, by design of their authors.
const CHOSEN_BY_REFERENCE: &[&str] = &["dtolnay/rust-toolchain", "dtolnay/install", "taiki-e/install-action"];

/// An action taken from a branch.
pub(super) fn branch(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for uses in all(workflow) {
        let Kind::Repository { owner, reference, .. } = uses.target else { continue };
        let by_design = CHOSEN_BY_REFERENCE.iter().any(|action| uses.is(action));
        if !is_hash(reference) && !looks_like_version(reference) && !is_githubs(owner) && !by_design {
            report
                .say(uses.scalar.span.clone(), format!("the action is whatever `{reference}` holds when the job runs"));
        }
    }
}

/// A stranger's action taken by a tag, in a job that has something to lose.
pub(super) fn unpinned(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for (job, step) in workflow.steps() {
        let Some(uses) = step.uses().filter(|uses| !uses.scalar.text.contains("${{")) else { continue };
        let Kind::Repository { owner, reference, .. } = uses.target else { continue };
        let by_tag = !is_hash(reference) && looks_like_version(reference) && !is_githubs(owner);
        if by_tag && job.is_some_and(|job| has_something_to_lose(workflow, job, report.text())) {
            report.say(
                uses.scalar.span.clone(),
                format!("the tag `{reference}` can be moved to other code by `{owner}`"),
            );
        }
    }
}

/// Whether a job is given secrets, or a token that can write.
fn has_something_to_lose(workflow: &Workflow<'_>, job: &Job<'_>, text: &str) -> bool {
    let written = &text[job.value.span.clone()];
    let secrets = written.match_indices("secrets.").any(|(at, _)| !written[at + 8..].starts_with("GITHUB_TOKEN"));
    let scopes = super::permissions::SCOPES.iter();
    secrets || scopes.into_iter().any(|(scope, _)| workflow.right(Some(job), scope) == Some("write"))
}

/// A container image that names no version, or the newest.
pub(super) fn image(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    let mut images: Vec<&Scalar> = Vec::new();
    for job in &workflow.jobs {
        let container = job.value.get("container").map(|container| container.get("image").unwrap_or(container));
        images.extend(container.and_then(Value::as_scalar));
        let services = job.value.get("services").map_or(&[][..], Value::entries);
        images.extend(services.iter().filter_map(|entry| entry.value.get("image").unwrap_or(&entry.value).as_scalar()));
    }
    images.extend(
        workflow
            .root
            .at(&["runs", "image"])
            .and_then(Value::as_scalar)
            .filter(|image| image.text.starts_with("docker://")),
    );
    images
        .extend(all(workflow).into_iter().filter(|uses| matches!(uses.target, Kind::Image(_))).map(|uses| uses.scalar));
    for image in images {
        let name = image.text.trim_start_matches("docker://");
        if !name.is_empty() && !name.contains("${{") && !is_versioned(name) {
            report.say(image.span.clone(), format!("`{name}` is whatever image was pushed last"));
        }
    }
}

fn is_versioned(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    image.contains("@sha256:") || last.split_once(':').is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

/// Repositories whose owners have archived them.
const ARCHIVED: &[&str] = &[
    "actions/create-release",
    "actions/setup-elixir",
    "actions/setup-haskell",
    "actions/setup-ruby",
    "actions/upload-release-asset",
    "actions-rs/audit-check",
    "actions-rs/cargo",
    "actions-rs/clippy-check",
    "actions-rs/grcov",
    "actions-rs/install",
    "actions-rs/tarpaulin",
    "actions-rs/toolchain",
    "gradle/gradle-build-action",
];

/// An action nobody mends any more.
pub(super) fn archived(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for uses in all(workflow) {
        if ARCHIVED.iter().any(|name| uses.repository().eq_ignore_ascii_case(name)) {
            report.say(uses.scalar.span.clone(), format!("`{}` is archived and gets no more fixes", uses.repository()));
        }
    }
}

/// Actions with a published advisory: name, versions with it (as `(major, minor, patch)` below which it stands), what.
const VULNERABLE: &[(&str, (u32, u32, u32), &str)] = &[
    ("tj-actions/changed-files", (46, 0, 1), "was made to print secrets (CVE-2025-30066)"),
    ("tj-actions/branch-names", (7, 0, 7), "runs branch names as shell code (CVE-2023-49291)"),
    ("gradle/gradle-build-action", (2, 4, 2), "may write secrets to its cache (CVE-2023-30853)"),
    ("tj-actions/verify-changed-files", (17, 0, 0), "runs file names as shell code (CVE-2023-52137)"),
    ("rlespinasse/github-slug-action", (4, 4, 1), "runs branch names as shell code (CVE-2023-27581)"),
    ("actions/download-artifact", (4, 1, 3), "writes outside its folder (CVE-2024-42471)"),
    ("hashicorp/vault-action", (2, 2, 0), "may print secrets of several lines (CVE-2021-32074)"),
];

/// A version of an action with a published advisory.
pub(super) fn vulnerable(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for uses in all(workflow) {
        let Some(version) = full_version(uses.reference()) else { continue };
        for (name, fixed, what) in VULNERABLE {
            let first = if *name == "actions/download-artifact" { (4, 0, 0) } else { (0, 0, 0) };
            if uses.is(name) && version < *fixed && version >= first {
                report.say(
                    uses.scalar.span.clone(),
                    format!("`{name}` {what}; fixed in {}.{}.{}", fixed.0, fixed.1, fixed.2),
                );
            }
        }
    }
}

/// A version tag with its three numbers; a shorter tag moves with releases and says nothing certain.
fn full_version(reference: &str) -> Option<(u32, u32, u32)> {
    let mut parts = reference.strip_prefix('v').unwrap_or(reference).split('.');
    let mut number = || parts.next()?.parse().ok();
    let version = (number()?, number()?, number()?);
    parts.next().is_none().then_some(version)
}

/// Owners of widely used actions.
const KNOWN_OWNERS: &[&str] = &[
    "actions",
    "docker",
    "github",
    "aws-actions",
    "azure",
    "google-github-actions",
    "hashicorp",
    "pypa",
    "codecov",
    "softprops",
    "peaceiris",
    "dtolnay",
    "astral-sh",
    "golangci",
    "gradle",
    "shivammathur",
    "pnpm",
    "ruby",
    "goreleaser",
    "sigstore",
    "step-security",
    "peter-evans",
    "swatinem",
    "taiki-e",
    "tj-actions",
    "dependabot",
    "ossf",
    "aquasecurity",
];

/// An owner that differs from a well-known one by a slip, with the same action.
pub(super) fn typosquat(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for uses in all(workflow) {
        let Kind::Repository { owner, name, .. } = uses.target else { continue };
        let (owner, name) = (owner.to_ascii_lowercase(), name.to_ascii_lowercase());
        if KNOWN_OWNERS.contains(&&*owner) || owner.len() < 5 {
            continue;
        }
        let meant = KNOWN_OWNERS.iter().find(|known| is_slip(&owner, known) && has_action(known, &name));
        if let Some(known) = meant {
            report.say(uses.scalar.span.clone(), format!("`{owner}/{name}` is not `{known}/{name}`"));
        }
    }
}

fn has_action(owner: &str, name: &str) -> bool {
    let names: &[&str] = match owner {
        "actions" => &[
            "checkout",
            "cache",
            "setup-node",
            "setup-python",
            "setup-go",
            "setup-java",
            "setup-dotnet",
            "upload-artifact",
            "download-artifact",
            "github-script",
            "labeler",
            "stale",
            "configure-pages",
            "deploy-pages",
            "upload-pages-artifact",
            "attest-build-provenance",
            "create-github-app-token",
            "dependency-review-action",
        ],
        "docker" => &[
            "login-action",
            "build-push-action",
            "setup-buildx-action",
            "setup-qemu-action",
            "metadata-action",
            "bake-action",
        ],
        "github" => &["codeql-action"],
        "aws-actions" => &["configure-aws-credentials", "amazon-ecr-login"],
        "azure" => &["login", "setup-helm", "setup-kubectl", "webapps-deploy"],
        "google-github-actions" => &["auth", "setup-gcloud", "deploy-cloudrun"],
        "hashicorp" => &["setup-terraform", "vault-action"],
        "codecov" => &["codecov-action"],
        "softprops" => &["action-gh-release"],
        "peaceiris" => &["actions-gh-pages"],
        "dtolnay" => &["rust-toolchain"],
        "astral-sh" => &["setup-uv", "ruff-action"],
        "golangci" => &["golangci-lint-action"],
        "gradle" => &["actions", "gradle-build-action"],
        "shivammathur" => &["setup-php"],
        "goreleaser" => &["goreleaser-action"],
        "sigstore" => &["cosign-installer"],
        "step-security" => &["harden-runner"],
        "peter-evans" => &["create-pull-request", "repository-dispatch"],
        "swatinem" => &["rust-cache"],
        "taiki-e" => &["install-action"],
        "tj-actions" => &["changed-files"],
        "aquasecurity" => &["trivy-action"],
        _ => &[],
    };
    names.contains(&name)
}

/// One letter more, less or other, or two neighbors swapped.
pub(in crate::check::native) fn is_slip(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let most = a.len().min(b.len()) - start;
    let end = a.iter().rev().zip(b.iter().rev()).take(most).take_while(|(x, y)| x == y).count();
    let (left, right) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    match (left.len(), right.len()) {
        (0, 1) | (1, 0) | (1, 1) => true,
        (2, 2) => left[0] == right[1] && left[1] == right[0],
        _ => false,
    }
}

/// The oldest major versions whose runtime is still there.
const OLDEST: &[(&str, u32)] = &[
    ("actions/cache", 4),
    ("actions/checkout", 4),
    ("actions/configure-pages", 4),
    ("actions/deploy-pages", 4),
    ("actions/download-artifact", 4),
    ("actions/github-script", 7),
    ("actions/labeler", 5),
    ("actions/setup-dotnet", 4),
    ("actions/setup-go", 5),
    ("actions/setup-java", 4),
    ("actions/setup-node", 4),
    ("actions/setup-python", 5),
    ("actions/stale", 9),
    ("actions/upload-artifact", 4),
    ("aws-actions/configure-aws-credentials", 4),
    ("codecov/codecov-action", 2),
    ("docker/build-push-action", 5),
    ("docker/login-action", 3),
    ("docker/metadata-action", 5),
    ("docker/setup-buildx-action", 3),
    ("docker/setup-qemu-action", 3),
    ("github/codeql-action", 3),
    ("golangci/golangci-lint-action", 4),
    ("google-github-actions/auth", 2),
    ("google-github-actions/setup-gcloud", 2),
    ("gradle/gradle-build-action", 3),
    ("hashicorp/setup-terraform", 3),
    ("peaceiris/actions-gh-pages", 4),
    ("peter-evans/create-pull-request", 6),
    ("pnpm/action-setup", 3),
    ("softprops/action-gh-release", 2),
];

/// A major version that GitHub's runners no longer run as it was made.
pub(super) fn outdated(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for uses in all(workflow) {
        let Some(major) = uses.major() else { continue };
        if let Some((name, oldest)) = OLDEST.iter().find(|(name, oldest)| uses.is(name) && major < *oldest) {
            report.say(uses.scalar.span.clone(), format!("`{name}` v{major} is made for a Node.js that runners no longer have; v{oldest} is the oldest that runs as made"));
        }
    }
}

/// `uses` of a step that GitHub cannot read.
pub(super) fn reference(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for uses in workflow.steps().filter_map(|(_, step)| step.uses()) {
        let text = uses.scalar.text.trim();
        let what = match uses.target {
            _ if text.is_empty() || text.contains("${{") => continue,
            Kind::Malformed if !text.contains('@') => {
                format!("`{text}` names no version: `owner/repository@reference` is needed")
            }
            Kind::Malformed => format!("`{text}` is not `owner/repository@reference`"),
            Kind::Image(image) if image.is_empty() || image.ends_with(':') => {
                format!("`{text}` has an empty image or tag")
            }
            _ => continue,
        };
        report.say(uses.scalar.span.clone(), what);
    }
}

/// A path written so that readers and scanners miss what it names.
pub(super) fn obscured(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for uses in all(workflow) {
        let Kind::Repository { owner, name, path, .. } = uses.target else { continue };
        let odd = |part: &str| part.is_empty() || part == "." || part == "..";
        if (!path.is_empty() || uses.scalar.text.split('@').next().is_some_and(|place| place.ends_with('/')))
            && (path.split('/').any(odd) || odd(owner) || odd(name))
        {
            report.at(uses.scalar.span.clone());
        }
    }
}

/// Inputs of common actions, and those they cannot do without.
const INPUTS: &[(&str, &[&str], &[&str])] = &[
    (
        "actions/checkout",
        &[
            "repository",
            "ref",
            "token",
            "ssh-key",
            "ssh-known-hosts",
            "ssh-strict",
            "ssh-user",
            "persist-credentials",
            "path",
            "clean",
            "filter",
            "sparse-checkout",
            "sparse-checkout-cone-mode",
            "fetch-depth",
            "fetch-tags",
            "show-progress",
            "lfs",
            "submodules",
            "set-safe-directory",
            "github-server-url",
        ],
        &[],
    ),
    (
        "actions/cache",
        &[
            "path",
            "key",
            "restore-keys",
            "upload-chunk-size",
            "enablecrossosarchive",
            "fail-on-cache-miss",
            "lookup-only",
            "save-always",
        ],
        &["key", "path"],
    ),
    (
        "actions/github-script",
        &[
            "script",
            "github-token",
            "debug",
            "user-agent",
            "previews",
            "result-encoding",
            "retries",
            "retry-exempt-status-codes",
            "base-url",
        ],
        &["script"],
    ),
    (
        "actions/upload-artifact",
        &[
            "name",
            "path",
            "if-no-files-found",
            "retention-days",
            "compression-level",
            "overwrite",
            "include-hidden-files",
            "archive",
        ],
        &["path"],
    ),
    (
        "actions/setup-node",
        &[
            "always-auth",
            "node-version",
            "node-version-file",
            "architecture",
            "check-latest",
            "registry-url",
            "scope",
            "token",
            "cache",
            "package-manager-cache",
            "cache-dependency-path",
            "mirror",
            "mirror-token",
        ],
        &[],
    ),
    (
        "actions/setup-python",
        &[
            "python-version",
            "python-version-file",
            "cache",
            "architecture",
            "check-latest",
            "token",
            "cache-dependency-path",
            "update-environment",
            "allow-prereleases",
            "freethreaded",
            "pip-version",
            "pip-install",
        ],
        &[],
    ),
    (
        "actions/setup-go",
        &[
            "go-version",
            "go-version-file",
            "check-latest",
            "token",
            "cache",
            "cache-dependency-path",
            "architecture",
            "go-download-base-url",
        ],
        &[],
    ),
];

/// Old names of inputs that gave a warning and then went.
const RENAMED: &[(&str, &str, &str)] = &[
    ("pypa/gh-action-pypi-publish", "packages_dir", "packages-dir"),
    ("pypa/gh-action-pypi-publish", "repository_url", "repository-url"),
    ("pypa/gh-action-pypi-publish", "skip_existing", "skip-existing"),
    ("pypa/gh-action-pypi-publish", "verify_metadata", "verify-metadata"),
    ("pypa/gh-action-pypi-publish", "print_hash", "print-hash"),
    ("actions/setup-python", "python_version", "python-version"),
    ("actions/setup-node", "version", "node-version"),
    ("actions/setup-node", "node_version", "node-version"),
    ("actions/setup-go", "go_version", "go-version"),
    ("actions/create-github-app-token", "app_id", "app-id"),
    ("actions/create-github-app-token", "private_key", "private-key"),
];

/// An input that a common action has under a name like it, or one it needs and does not get.
pub(super) fn inputs(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for (_, step) in workflow.steps() {
        let Some(uses) = step.uses() else { continue };
        for entry in step.value.get("with").map_or(&[][..], Value::entries) {
            if let Some(name) = intended(&uses, &entry.key.text) {
                report.say(
                    entry.key.span.clone(),
                    format!("`{}` has no input `{}`; `{name}` is meant", uses.repository(), entry.key.text),
                );
                if step.with(name).is_none() {
                    report.fix(Applicability::Unsafe, vec![Edit::replace(entry.key.span.clone(), name)]);
                }
            }
        }
        missing_input(step, &uses, report);
    }
}

fn intended<'n>(uses: &Uses<'_>, input: &str) -> Option<&'n str> {
    let input = input.to_ascii_lowercase();
    let renamed = RENAMED.iter().find(|(action, old, _)| uses.is(action) && *old == input);
    if let Some((_, _, new)) = renamed {
        return Some(new);
    }
    let (_, known, _) = INPUTS.iter().find(|(action, ..)| uses.is(action) && names_root(uses))?;
    let slip = || known.iter().find(|name| input.len() > 3 && is_slip(&input, name)).copied();
    if known.contains(&&*input) { None } else { slip() }
}

fn names_root(uses: &Uses<'_>) -> bool {
    matches!(uses.target, Kind::Repository { path: "", .. })
}

fn missing_input(step: Step<'_>, uses: &Uses<'_>, report: &mut Report<'_>) {
    let Some((_, _, needed)) = INPUTS.iter().find(|(action, ..)| uses.is(action) && names_root(uses)) else { return };
    let with = step.value.get("with");
    if with.is_some_and(|with| !with.is_map() && !with.is_null()) {
        return;
    }
    let missing: Vec<String> =
        needed.iter().filter(|input| step.with(input).is_none()).map(|input| format!("`{input}`")).collect();
    if !missing.is_empty() {
        report.say(
            uses.scalar.span.clone(),
            format!("`{}` cannot run without {}", uses.repository(), missing.join(" and ")),
        );
    }
}

/// Words of steps that need the credentials that a checkout leaves behind.
const PUSHES: &[&str] = &[
    "git push",
    "git fetch",
    "git pull",
    "git submodule",
    "semantic-release",
    "npm version",
    "gh-pages",
    "lerna",
    "changeset",
    "mike deploy",
    "gh-deploy",
];

/// Actions that push with the credentials that a checkout leaves behind.
const PUSHING_ACTIONS: &[&str] = &[
    "git-auto-commit",
    "create-pull-request",
    "push",
    "release",
    "gh-pages",
    "commit",
    "changesets",
    "deploy",
    "tag",
    "version",
    "bump",
];

/// A checkout whose token stays on disk for every later step, in a job that uploads files or runs strangers' code.
pub(super) fn checkout_credentials(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    if workflow.kind == FileKind::Dependabot {
        return;
    }
    let open_to_strangers = workflow.privileged_trigger().is_some() || workflow.trigger("issue_comment").is_some();
    for steps in workflow.jobs.iter().map(|job| &job.steps).chain([&workflow.own_steps]) {
        let pushes = steps.iter().any(|&step| needs_credentials(step));
        let uploads = steps.iter().any(|step| step.uses().is_some_and(|uses| uses.is("actions/upload-artifact")));
        if !uploads && !open_to_strangers {
            continue;
        }
        for &step in steps.iter() {
            let Some(uses) = step.uses().filter(|uses| uses.is("actions/checkout")) else { continue };
            if pushes || step.with("persist-credentials").is_some() || step.with("ssh-key").is_some() {
                continue;
            }
            report.at(uses.scalar.span.clone());
            if let Some(edit) = without_credentials(report, step, &uses) {
                report.fix(Applicability::Unsafe, vec![edit]);
            }
        }
    }
}

fn needs_credentials(step: Step<'_>) -> bool {
    let script = step.run().is_some_and(|script| PUSHES.iter().any(|word| script.text.contains(word)));
    let action = step.uses().is_some_and(|uses| {
        let name = uses.repository().to_ascii_lowercase();
        matches!(uses.target, Kind::Local) || PUSHING_ACTIONS.iter().any(|word| name.contains(word))
    });
    script || action
}

fn without_credentials(report: &Report<'_>, step: Step<'_>, uses: &Uses<'_>) -> Option<Edit> {
    let pair = "persist-credentials: false";
    match step.value.get("with") {
        Some(with) if is_block(report, with) => Some(insert_key(report, with.entries().first()?.span.start, pair)),
        Some(_) => None,
        None if is_block(report, step.value) => {
            let column = report.column(step.value.entry("uses")?.span.start);
            let newline = if report.target.file.newline() == crate::source::Newline::CrLf { "\r\n" } else { "\n" };
            let indent = " ".repeat(column);
            let end = line_end(report.text(), uses.scalar.span.end);
            Some(Edit::insert(end, format!("{newline}{indent}with:{newline}{indent}  {pair}")))
        }
        None => None,
    }
}

fn line_end(text: &str, from: usize) -> usize {
    let end = text[from..].find('\n').map_or(text.len(), |end| from + end);
    if text[..end].ends_with('\r') { end - 1 } else { end }
}
