//! What does GitHub enforce that its published description does not say?

use crate::auth::Who;
use crate::diff::{self, Change, Hunk};
use crate::state::Pull;
use crate::wire::Refusal;
use serde_json::Value;

/// A rule the forge enforces, and who says that GitHub does.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its short name, which the tests go by.
    pub name: &'static str,
    /// What is refused, cut off or demanded.
    pub what: &'static str,
    /// A page of GitHub's documentation, an issue, or "general knowledge".
    pub source: &'static str,
}

const fn rule(name: &'static str, what: &'static str, source: &'static str) -> Rule {
    Rule { name, what, source }
}

const KNOWN: &str = "general knowledge";
const LIMITS: &str = "GitHub docs: repository-limits.md";
const SECONDARY: &str = "GitHub docs: secondary-rate-limit-rest-graphql.md";

/// Every rule beyond the description.
pub const RULES: &[Rule] = &[
    rule(
        "in-the-diff",
        "a comment's lines stand in one hunk of the diff at commit_id, or the whole review is 422",
        KNOWN,
    ),
    rule("path", "a comment's path is a changed file, or the whole review is 422", KNOWN),
    rule("side", "side and start_side are LEFT or RIGHT, or 422", KNOWN),
    rule("start-line", "start_line comes before line, or 422", KNOWN),
    rule("body-needed", "COMMENT and REQUEST_CHANGES need a body (or comments), or 422", "the description's prose"),
    rule("body-length", "a body holds at most 65,536 characters, or 422", "reviewdog#1065, github-pr-resource#259"),
    rule("one-pending", "one pending review a user and pull request, or 422", KNOWN),
    rule("own-pull", "nobody approves or requests changes on their own, or 422", KNOWN),
    rule("commit-gone", "commit_id is a commit of the pull request, or 422", KNOWN),
    rule("user-agent", "a User-Agent is sent, or 403", "GitHub docs: getting-started-with-the-rest-api.md"),
    rule("app-token", "the app's signed token serves /app and finding installations, nothing else, or 401", KNOWN),
    rule("expired", "an expired or unknown token is 401 Bad credentials", KNOWN),
    rule("permission", "without the permission: 403 Resource not accessible by integration", KNOWN),
    rule("unseen", "a private repository one may not see is 404", KNOWN),
    rule("suspended", "a suspended installation's token is 403", KNOWN),
    rule("diff-media", "Accept application/vnd.github.diff answers text", "GitHub docs: media types"),
    rule("diff-size", "a diff of over 300 files or 20,000 lines is 406", LIMITS),
    rule("patch-absent", "a binary or very long file has no patch", KNOWN),
    rule(
        "pages",
        "lists come in pages of 30, at most 100, with Link",
        "GitHub docs: using-pagination-in-the-rest-api.md",
    ),
    rule("files", "at most 3,000 files are listed", LIMITS),
    rule("commits", "at most 250 commits are listed", LIMITS),
    rule(
        "annotations",
        "at most 50 annotations a request, or 422; an update appends",
        "the description (maxItems) and its prose",
    ),
    rule("check-app", "only an app's token writes check runs, or 403", "GitHub docs: rest/checks/runs"),
    rule("rate", "5,000 requests an hour; then 403 with x-ratelimit-remaining 0 and x-ratelimit-reset", SECONDARY),
    rule(
        "etag",
        "a GET carries an ETag; If-None-Match answers 304, which costs nothing",
        "GitHub docs: best-practices",
    ),
    rule("redeliver", "a redelivery keeps X-GitHub-Delivery", "GitHub docs: handling-failed-webhook-deliveries.md"),
    rule("reactions-silent", "a reaction sends no webhook", "octokit/webhooks.js#553, probot#1839"),
    rule("protected", "a protected branch takes no forced push", KNOWN),
];

/// Lines beyond which a file's patch is left out.
pub(crate) const PATCH_LINES: usize = 20_000;
/// Files and lines beyond which a whole diff is refused.
pub(crate) const DIFF_FILES: usize = 300;
pub(crate) const DIFF_LINES: usize = 20_000;
pub(crate) const FILES: usize = 3_000;
pub(crate) const COMMITS: usize = 250;
pub(crate) const ANNOTATIONS: usize = 50;
const BODY: usize = 65_536;

/// A body no longer than GitHub keeps.
pub(crate) fn body_fits(body: &str) -> Result<(), Refusal> {
    match body.chars().count() {
        n if n > BODY => Err(Refusal::invalid(format!("body is too long (maximum is {BODY} characters)"))),
        _ => Ok(()),
    }
}

/// Where a comment is to stand.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) side: String,
    pub(crate) line: Option<u64>,
    pub(crate) start: Option<u64>,
    pub(crate) hunk: String,
}

/// Reads and judges a comment's place in a diff.
pub(crate) fn place(comment: &Value, changes: &[Change]) -> Result<Place, Refusal> {
    let text = |name: &str| comment[name].as_str();
    let path = text("path").unwrap_or_default();
    let change =
        changes.iter().find(|c| c.path == path).ok_or_else(|| Refusal::invalid("Path could not be resolved"))?;
    let patch = change.patch.as_deref().unwrap_or_default();
    if text("subject_type") == Some("file") {
        return Ok(Place { path: path.to_owned(), side: "RIGHT".into(), line: None, start: None, hunk: String::new() });
    }
    let side = side(text("side").unwrap_or("RIGHT"))?;
    let start_side = self::side(text("start_side").unwrap_or(side))?;
    let line = match (comment["line"].as_u64(), comment["position"].as_u64()) {
        (Some(line), _) => line,
        (None, Some(position)) => at_position(patch, position).ok_or_else(outside)?,
        _ => return Err(Refusal::invalid("line or position is needed")),
    };
    let start = comment["start_line"].as_u64();
    if start.is_some_and(|s| s >= line) && start_side == side {
        return Err(Refusal::invalid("start_line must precede the end line."));
    }
    let found = diff::hunks(patch).into_iter().find(|h| holds(h, side, line)).ok_or_else(outside)?;
    if start.is_some_and(|s| !holds(&found, start_side, s)) {
        return Err(Refusal::invalid("start_line must be part of the same hunk as the line."));
    }
    let hunk = diff::excerpt(patch, side, line).unwrap_or_default();
    Ok(Place { path: path.to_owned(), side: side.to_owned(), line: Some(line), start, hunk })
}

fn side(name: &str) -> Result<&'static str, Refusal> {
    match name {
        "LEFT" => Ok("LEFT"),
        "RIGHT" => Ok("RIGHT"),
        other => Err(Refusal::invalid(format!("Side `{other}` is not LEFT or RIGHT"))),
    }
}

fn outside() -> Refusal {
    Refusal::invalid("Line could not be resolved: line must be part of the diff")
}

fn holds(hunk: &Hunk, side: &str, line: u64) -> bool {
    let (start, count) = if side == "LEFT" { hunk.old } else { hunk.new };
    (start..start + count).contains(&line)
}

/// The new side's line at a position: lines down from the first `@@`.
fn at_position(patch: &str, position: u64) -> Option<u64> {
    let mut line = 0;
    for (at, text) in (0_u64..).zip(patch.lines()) {
        if let Some(hunk) = diff::hunks(text).first() {
            line = hunk.new.0.saturating_sub(1);
            continue;
        }
        line += u64::from(!text.starts_with(['-', '\\']));
        if at == position {
            return Some(line);
        }
    }
    None
}

/// A review's own rules: its event, its body, its author.
pub(crate) fn review(
    pull: &Pull,
    login: &str,
    event: Option<&str>,
    body: &str,
    comments: usize,
) -> Result<(), Refusal> {
    body_fits(body)?;
    if matches!(event, Some("COMMENT" | "REQUEST_CHANGES")) && body.is_empty() && comments == 0 {
        return Err(Refusal::invalid("A body is needed for this event"));
    }
    if matches!(event, Some("APPROVE" | "REQUEST_CHANGES")) && pull.author == login {
        let what = if event == Some("APPROVE") { "approve" } else { "request changes on" };
        return Err(Refusal::invalid(format!("Can not {what} your own pull request")));
    }
    if pull.reviews.iter().any(|r| r.author == login && r.state == "PENDING") {
        return Err(Refusal::invalid("User can only have one pending review per pull request"));
    }
    Ok(())
}

/// What an installation must hold for an operation: the permission and whether to write.
pub(crate) fn needed(operation: &str) -> Option<(&'static str, bool)> {
    let verb = operation.split('/').nth(1).unwrap_or_default();
    let write = !["get", "list", "compare", "download", "check-if"].iter().any(|v| verb.starts_with(v));
    match operation {
        "repos/get-content" | "repos/get-commit" | "repos/list-commits" => Some(("contents", false)),
        "repos/compare-commits-with-basehead" | "repos/get-branch" => Some(("contents", false)),
        "pulls/merge" => Some(("contents", true)),
        "repos/get" | "repos/get-collaborator-permission-level" => Some(("metadata", false)),
        _ if operation.starts_with("git/") => Some(("contents", write)),
        _ if operation.starts_with("pulls/") => Some(("pull_requests", write)),
        _ if operation.starts_with("issues/") => Some(("issues|pull_requests", write)),
        _ if operation.starts_with("reactions/") && operation.contains("issue-comment") => {
            Some(("issues|pull_requests", write))
        }
        _ if operation.starts_with("reactions/") => Some(("pull_requests", write)),
        _ if operation.starts_with("checks/") => Some(("checks", write)),
        _ if operation.starts_with("code-scanning/") => Some(("security_events", write)),
        _ if operation.starts_with("actions/") => Some(("actions", write)),
        _ => None,
    }
}

/// Whether who asks may do an operation at all; what they may see is the repository's own question.
pub(crate) fn permitted(who: &Who, operation: &str) -> Result<(), Refusal> {
    let app_only = operation.starts_with("apps/")
        && !["apps/create-from-manifest", "apps/list-repos-accessible-to-installation"].contains(&operation)
        && operation != "apps/revoke-installation-access-token";
    let writes_checks = ["checks/create", "checks/update"].contains(&operation);
    match who {
        Who::App if app_only || operation.starts_with("meta/") => Ok(()),
        Who::App => Err(Refusal::new(401, "Requires authentication by an installation or a user, not by the app")),
        _ if app_only => Err(Refusal::new(401, "A JSON web token could not be decoded")),
        Who::Nobody => Ok(()),
        Who::Person(_) if writes_checks => Err(Refusal::new(403, "You must authenticate via a GitHub App.")),
        Who::Person(_) => Ok(()),
        Who::Installation { permissions, .. } => match needed(operation) {
            Some((names, write)) if !names.split('|').any(|n| grants(permissions.get(n), write)) => {
                Err(Refusal::new(403, "Resource not accessible by integration"))
            }
            _ => Ok(()),
        },
    }
}

fn grants(level: Option<&String>, write: bool) -> bool {
    match level.map(String::as_str) {
        Some("write" | "admin") => true,
        Some("read") => !write,
        _ => false,
    }
}
