//! What does GitHub answer about pull requests, their files and commits?

use super::{Call, Outcome, unplayed};
use crate::diff::{self, Change};
use crate::person::{self, Opening};
use crate::state::{Pull, Repository};
use crate::wire::{Answer, Refusal, Request};
use crate::{commits, merge, rules, view};
use serde_json::{Value, json};

pub(super) fn answer(operation: &str, call: &mut Call<'_>) -> Outcome {
    match operation {
        "pulls/list" => list(call),
        "pulls/create" => create(call),
        "pulls/get" => get(call),
        "pulls/update" => update(call),
        "pulls/merge" => merge(call),
        "pulls/check-if-merged" => match call.pull()?.1.merged {
            Some(_) => Ok(Answer::Json(204, Value::Null)),
            None => Err(Refusal::missing()),
        },
        "pulls/list-files" => files(call),
        "pulls/list-commits" => list_commits(call),
        other => Err(unplayed(other)),
    }
}

/// The commit the branch was taken from, which a pull request is compared with.
pub(crate) fn base(repo: &Repository, pull: &Pull, head: &str) -> String {
    repo.git.merge_base(&pull.base_sha, head).unwrap_or_else(|| pull.base_sha.clone())
}

/// The files a pull request changes, up to a commit of it.
pub(crate) fn changes(repo: &Repository, pull: &Pull, head: &str) -> Result<Vec<Change>, Refusal> {
    Ok(diff::changes(&repo.git, &base(repo, pull, head), head)?)
}

/// Whether the request wants text, and which: `diff` or `patch`.
pub(super) fn wants_text(request: &Request) -> Option<&'static str> {
    let accept = request.header("accept").unwrap_or_default();
    let wants = |name: &str| {
        ["application/vnd.github.", "application/vnd.github.v3."]
            .iter()
            .any(|p| accept.starts_with(&format!("{p}{name}")))
    };
    ["diff", "patch"].into_iter().find(|n| wants(n))
}

/// A diff as text, refused when it is too large.
pub(super) fn diff_text(repo: &Repository, base: &str, head: &str, kind: &str) -> Outcome {
    let text = match kind {
        "patch" => repo.git.run(&["format-patch", "--stdout", &format!("{base}..{head}")])?,
        _ => repo.git.run(&["diff", "-M", base, head])?,
    };
    let files = text.lines().filter(|l| l.starts_with("diff --git ")).count();
    if files > rules::DIFF_FILES || text.lines().count() > rules::DIFF_LINES {
        return Err(Refusal::new(406, "Sorry, the diff exceeded the maximum number of files (300) or lines (20000)."));
    }
    Ok(Answer::Text(text + "\n"))
}

fn list(call: &mut Call<'_>) -> Outcome {
    let repo = call.repo()?;
    let state = call.request.query("state").unwrap_or("open");
    let fits = |name: &str, value: &str| call.request.query(name).is_none_or(|wanted| wanted == value);
    let chosen = repo.pulls.values().rev().filter(|p| {
        (state == "all" || (state == "open") == p.open)
            && fits("base", &p.base_ref)
            && fits("head", &format!("{}:{}", p.head_repo.split('/').next().unwrap_or_default(), p.head_ref))
    });
    Ok(Answer::Json(200, chosen.map(|p| view::pull(call.state, repo, p)).collect()))
}

fn get(call: &mut Call<'_>) -> Outcome {
    let (repo, pull) = call.pull()?;
    if let Some(kind) = wants_text(call.request) {
        return diff_text(repo, &base(repo, pull, &pull.head_sha), &pull.head_sha, kind);
    }
    Ok(Answer::Json(200, whole(call, repo, pull)?))
}

/// The pull request with its counts, as only its own page has them.
fn whole(call: &Call<'_>, repo: &Repository, pull: &Pull) -> Result<Value, Refusal> {
    let mut value = view::pull(call.state, repo, pull);
    let changes = changes(repo, pull, &pull.head_sha)?;
    value["changed_files"] = changes.len().into();
    value["additions"] = changes.iter().map(|c| c.additions).sum::<u64>().into();
    value["deletions"] = changes.iter().map(|c| c.deletions).sum::<u64>().into();
    value["commits"] = repo.git.between(&base(repo, pull, &pull.head_sha), &pull.head_sha)?.len().into();
    Ok(value)
}

fn create(call: &mut Call<'_>) -> Outcome {
    let (full, login) = (call.full(), call.login());
    call.repo()?;
    let head = call.text("head").to_owned();
    let head_repo = match head.split_once(':') {
        Some((owner, _)) => format!("{owner}/{}", call.param("repo")),
        None => full.clone(),
    };
    let opening = Opening {
        author: login,
        head_repo,
        head_ref: head.rsplit(':').next().unwrap_or_default().to_owned(),
        base_ref: call.text("base").to_owned(),
        title: call.text("title").to_owned(),
        body: call.text("body").to_owned(),
        draft: call.body["draft"] == true,
    };
    let number = person::open(call.state, &full, opening).map_err(|e| Refusal::invalid(e.to_string()))?;
    call.params.insert("pull_number".to_owned(), number.to_string());
    let (repo, pull) = call.pull()?;
    Ok(Answer::Json(201, whole(call, repo, pull)?))
}

fn update(call: &mut Call<'_>) -> Outcome {
    let (full, login, number) = (call.full(), call.login(), call.pull()?.1.number);
    let text = |name: &str| call.body[name].as_str().map(str::to_owned);
    let (title, body, base) = (text("title"), text("body"), text("base"));
    let open = text("state").map(|s| s == "open");
    if title.is_some() || body.is_some() {
        person::edit(call.state, &full, number, &login, title, body)?;
    }
    if let Some(base) = base {
        person::retarget(call.state, &full, number, &login, &base).map_err(|e| Refusal::invalid(e.to_string()))?;
    }
    match open {
        Some(false) => person::close(call.state, &full, number, &login)?,
        Some(true) => person::reopen(call.state, &full, number, &login)?,
        None => {}
    }
    let (repo, pull) = call.pull()?;
    Ok(Answer::Json(200, whole(call, repo, pull)?))
}

fn merge(call: &mut Call<'_>) -> Outcome {
    let (full, login) = (call.full(), call.login());
    let (number, head) = call.pull().map(|(_, p)| (p.number, p.head_sha.clone()))?;
    if call.body["sha"].as_str().is_some_and(|sha| sha != head) {
        return Err(Refusal::new(409, "Head branch was modified. Review and try the merge again."));
    }
    let way = merge::Way::named(call.body["merge_method"].as_str().unwrap_or("merge"));
    let sha = merge::merge(call.state, &full, number, &login, way, None)
        .map_err(|_| Refusal::new(405, "Pull Request is not mergeable"))?;
    Ok(Answer::Json(200, json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" })))
}

fn files(call: &mut Call<'_>) -> Outcome {
    let (repo, pull) = call.pull()?;
    let changes = changes(repo, pull, &pull.head_sha)?;
    let full = call.full();
    let shown = changes.iter().take(rules::FILES);
    Ok(Answer::Json(200, shown.map(|c| view::file(call.state, &full, &pull.head_sha, c)).collect()))
}

fn list_commits(call: &mut Call<'_>) -> Outcome {
    let (repo, pull) = call.pull()?;
    let full = call.full();
    let shas = repo.git.between(&base(repo, pull, &pull.head_sha), &pull.head_sha)?;
    let mut list = Vec::new();
    for sha in shas.iter().take(rules::COMMITS) {
        list.push(commits::listed(call.state, &full, &commits::read(&repo.git, sha)?));
    }
    Ok(Answer::Json(200, list.into()))
}
