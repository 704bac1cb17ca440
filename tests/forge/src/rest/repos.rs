//! What does GitHub answer about repositories: branches, commits, contents, references, workflow runs?

use super::pulls::{diff_text, wants_text};
use super::{Call, Outcome, unplayed};
use crate::clock::iso;
use crate::commits::{self, listed};
use crate::state::{Repository, Run};
use crate::wire::{Answer, Refusal};
use crate::{diff, person, rules, view};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

pub(super) fn answer(operation: &str, call: &mut Call<'_>) -> Outcome {
    match operation {
        "repos/get" => {
            let repo = call.repo()?;
            Ok(Answer::Json(200, view::repo(call.state, repo)))
        }
        "repos/get-branch" => branch(call),
        "repos/get-commit" => commit(call),
        "repos/list-commits" => history(call),
        "repos/compare-commits-with-basehead" => compare(call),
        "repos/get-content" => content(call),
        "repos/get-collaborator-permission-level" => permission(call),
        "git/get-commit" => object(call),
        "git/get-ref" | "git/create-ref" | "git/update-ref" | "git/delete-ref" => reference(operation, call),
        "code-scanning/upload-sarif" => upload(call),
        "code-scanning/get-sarif" => sarif(call),
        _ if operation.starts_with("actions/") => actions(operation, call),
        other => Err(unplayed(other)),
    }
}

fn branch(call: &mut Call<'_>) -> Outcome {
    let (repo, full, name) = (call.repo()?, call.full(), call.param("branch"));
    let sha = repo.git.commit(&format!("refs/heads/{name}")).ok_or_else(|| Refusal::new(404, "Branch not found"))?;
    let protected = repo.protected.contains(name);
    let api = format!("{}/repos/{full}/branches/{name}", call.state.base);
    Ok(Answer::Json(
        200,
        json!({
            "name": name, "commit": listed(call.state, &full, &commits::read(&repo.git, &sha)?),
            "protected": protected, "protection_url": format!("{api}/protection"),
            "protection": { "enabled": protected },
            "_links": { "self": api, "html": format!("{}/{full}/tree/{name}", call.state.base) },
        }),
    ))
}

fn resolve(repo: &Repository, name: &str) -> Result<String, Refusal> {
    let found = repo.git.commit(&format!("refs/heads/{name}")).or_else(|| repo.git.commit(name));
    found.ok_or_else(|| Refusal::new(404, "No commit found for the ref"))
}

fn commit(call: &mut Call<'_>) -> Outcome {
    let (repo, full) = (call.repo()?, call.full());
    let found = commits::read(&repo.git, &resolve(repo, call.param("ref"))?)?;
    let parent = found.parents.first().map_or(commits::EMPTY_TREE, String::as_str);
    if let Some(kind) = wants_text(call.request) {
        return diff_text(repo, parent, &found.sha, kind);
    }
    let changes = diff::changes(&repo.git, parent, &found.sha)?;
    let mut value = listed(call.state, &full, &found);
    let (plus, minus) = changes.iter().fold((0, 0), |(p, m), c| (p + c.additions, m + c.deletions));
    value["stats"] = json!({ "additions": plus, "deletions": minus, "total": plus + minus });
    value["files"] = changes.iter().take(rules::FILES).map(|c| view::file(call.state, &full, &found.sha, c)).collect();
    Ok(Answer::Json(200, value))
}

fn history(call: &mut Call<'_>) -> Outcome {
    let (repo, full) = (call.repo()?, call.full());
    let from = resolve(repo, call.request.query("sha").unwrap_or(&repo.default_branch))?;
    let path = call.request.query("path");
    let mut args = vec!["rev-list", "--max-count=1000", &from];
    if let Some(path) = path {
        args.extend(["--", path]);
    }
    let mut list = Vec::new();
    for sha in repo.git.run(&args)?.lines() {
        list.push(listed(call.state, &full, &commits::read(&repo.git, sha)?));
    }
    Ok(Answer::Json(200, list.into()))
}

fn compare(call: &mut Call<'_>) -> Outcome {
    let (repo, full) = (call.repo()?, call.full());
    let (base, head) = call.param("basehead").split_once("...").ok_or_else(Refusal::missing)?;
    let (base, head) = (resolve(repo, base)?, resolve(repo, head)?);
    let fork = repo.git.merge_base(&base, &head).ok_or_else(|| Refusal::new(404, "No common ancestor"))?;
    if let Some(kind) = wants_text(call.request) {
        return diff_text(repo, &fork, &head, kind);
    }
    let (ahead, behind) = (repo.git.between(&base, &head)?, repo.git.between(&head, &base)?.len());
    let mut list = Vec::new();
    for sha in ahead.iter().take(rules::COMMITS) {
        list.push(listed(call.state, &full, &commits::read(&repo.git, sha)?));
    }
    let status = match (ahead.len(), behind) {
        (0, 0) => "identical",
        (_, 0) => "ahead",
        (0, _) => "behind",
        _ => "diverged",
    };
    let changes = diff::changes(&repo.git, &fork, &head)?;
    let page = format!("{}/{full}/compare/{base}...{head}", call.state.base);
    Ok(Answer::Json(
        200,
        json!({
            "status": status, "ahead_by": ahead.len(), "behind_by": behind, "total_commits": ahead.len(),
            "base_commit": listed(call.state, &full, &commits::read(&repo.git, &base)?),
            "merge_base_commit": listed(call.state, &full, &commits::read(&repo.git, &fork)?),
            "commits": list, "html_url": page, "permalink_url": page,
            "url": format!("{}/repos/{full}/compare/{base}...{head}", call.state.base),
            "diff_url": format!("{page}.diff"), "patch_url": format!("{page}.patch"),
            "files": changes.iter().take(rules::DIFF_FILES).map(|c| view::file(call.state, &full, &head, c))
                .collect::<Vec<_>>(),
        }),
    ))
}

fn content(call: &mut Call<'_>) -> Outcome {
    let (repo, full, path) = (call.repo()?, call.full(), call.param("path"));
    let commit = resolve(repo, call.request.query("ref").unwrap_or(&repo.default_branch))?;
    let bytes = repo.git.file(&commit, path).ok_or_else(Refusal::missing)?;
    if call.request.header("accept").is_some_and(|a| a.contains(".raw")) {
        return Ok(Answer::Bytes(bytes));
    }
    let sha = repo.git.run(&["rev-parse", &format!("{commit}:{path}")])?;
    let url = format!("{}/repos/{full}/contents/{path}?ref={commit}", call.state.base);
    let page = format!("{}/{full}/blob/{commit}/{path}", call.state.base);
    let git = format!("{}/repos/{full}/git/blobs/{sha}", call.state.base);
    Ok(Answer::Json(
        200,
        json!({
            "type": "file", "encoding": "base64", "size": bytes.len(), "path": path, "sha": sha,
            "name": path.rsplit('/').next(), "content": STANDARD.encode(&bytes), "url": url, "git_url": git,
            "html_url": page, "download_url": page, "_links": { "self": url, "git": git, "html": page },
        }),
    ))
}

fn permission(call: &mut Call<'_>) -> Outcome {
    let login = call.param("username").to_owned();
    let repo = call.repo()?;
    let role = if repo.owner == login { "admin" } else { repo.permission(&login) };
    let permission = match role {
        "maintain" => "write",
        "triage" => "read",
        other => other,
    };
    let mut user = view::user(call.state, &login);
    user["role_name"] = role.into();
    Ok(Answer::Json(200, json!({ "permission": permission, "role_name": role, "user": user })))
}

fn object(call: &mut Call<'_>) -> Outcome {
    let (repo, full) = (call.repo()?, call.full());
    let sha = repo.git.commit(call.param("commit_sha")).ok_or_else(Refusal::missing)?;
    Ok(Answer::Json(200, commits::object(call.state, &full, &commits::read(&repo.git, &sha)?)))
}

fn reference(operation: &str, call: &mut Call<'_>) -> Outcome {
    let (full, login) = (call.full(), call.login());
    let repo = call.repo()?;
    let name = match operation {
        "git/create-ref" => call.text("ref").to_owned(),
        _ => format!("refs/{}", call.param("ref")),
    };
    let before = repo.git.commit(&name);
    let sha = call.text("sha").to_owned();
    match (operation, &before) {
        ("git/get-ref", None) => return Err(Refusal::missing()),
        ("git/get-ref", Some(_)) => {}
        ("git/create-ref", Some(_)) => return Err(Refusal::new(422, "Reference already exists")),
        ("git/create-ref", None) if !name.starts_with("refs/") => {
            return Err(Refusal::new(422, "Reference name must start with 'refs/'"));
        }
        (_, None) if operation != "git/create-ref" => return Err(Refusal::new(422, "Reference does not exist")),
        ("git/delete-ref", Some(_)) => repo.git.run(&["update-ref", "-d", &name]).map(drop)?,
        _ => move_ref(call, repo, &name, before.as_deref(), &sha)?,
    }
    let after = call.repo()?.git.commit(&name);
    if before != after {
        person::moved(call.state, &full, &name, before.as_deref(), after.as_deref(), &login)?;
    }
    let Some(after) = after else { return Ok(Answer::Json(204, Value::Null)) };
    let api = format!("{}/repos/{full}/git", call.state.base);
    let value = json!({
        "ref": name, "node_id": format!("REF_{name}"), "url": format!("{api}/{name}"),
        "object": { "type": "commit", "sha": after, "url": format!("{api}/commits/{after}") },
    });
    Ok(Answer::Json(if operation == "git/create-ref" { 201 } else { 200 }, value))
}

fn move_ref(call: &Call<'_>, repo: &Repository, name: &str, before: Option<&str>, sha: &str) -> Result<(), Refusal> {
    if repo.git.commit(sha).is_none_or(|c| c != sha) {
        return Err(Refusal::new(422, "Object does not exist"));
    }
    let forward = before.is_none_or(|b| repo.git.is_ancestor(b, sha));
    let protected = name.strip_prefix("refs/heads/").is_some_and(|n| repo.protected.contains(n));
    if !forward && (protected || call.body["force"] != true) {
        return Err(Refusal::new(422, "Update is not a fast forward"));
    }
    Ok(repo.git.point(name, sha)?)
}

fn upload(call: &mut Call<'_>) -> Outcome {
    let (id, body) = (format!("sarif-{}", call.state.id()), call.body.clone());
    let url = format!("{}/repos/{}/code-scanning/sarifs/{id}", call.state.base, call.full());
    if STANDARD.decode(call.text("sarif")).is_ok_and(|b| b.starts_with(&[0x1f, 0x8b])) {
        call.repo_mut()?.sarifs.push(json!({ "id": id, "sent": body }));
        return Ok(Answer::Json(202, json!({ "id": id, "url": url })));
    }
    Err(Refusal::new(400, "sarif is not gzip in base64"))
}

fn sarif(call: &mut Call<'_>) -> Outcome {
    let repo = call.repo()?;
    match repo.sarifs.iter().any(|s| s["id"] == call.param("sarif_id")) {
        true => Ok(Answer::Json(200, json!({ "processing_status": "complete", "errors": null }))),
        false => Err(Refusal::missing()),
    }
}

fn actions(operation: &str, call: &mut Call<'_>) -> Outcome {
    let repo = call.repo()?;
    if operation == "actions/download-artifact" {
        let id = call.number("artifact_id")?;
        let known = repo.runs.iter().flat_map(|r| &r.artifacts).any(|a| a.0 == id);
        let place = format!("{}/_artifacts/{id}.zip", call.state.base);
        return if known { Ok(Answer::Redirect(place)) } else { Err(Refusal::missing()) };
    }
    let id = call.number("run_id")?;
    let run = repo.runs.iter().find(|r| r.id == id).ok_or_else(Refusal::missing)?;
    match operation {
        "actions/get-workflow-run" => Ok(Answer::Json(200, person::run_json(call.state, repo, run))),
        "actions/list-workflow-run-artifacts" => Ok(Answer::Json(200, artifacts(call, repo, run))),
        other => Err(unplayed(other)),
    }
}

fn artifacts(call: &Call<'_>, repo: &Repository, run: &Run) -> Value {
    let api = format!("{}/repos/{}/actions/artifacts", call.state.base, repo.full_name());
    let one = |(id, name, zip): &(u64, String, Vec<u8>)| {
        json!({
            "id": id, "node_id": view::node("ART", *id), "name": name, "size_in_bytes": zip.len(),
            "url": format!("{api}/{id}"), "archive_download_url": format!("{api}/{id}/zip"), "expired": false,
            "created_at": iso(repo.created), "updated_at": iso(repo.created), "expires_at": null,
            "workflow_run": { "id": run.id, "head_sha": run.head_sha, "head_branch": run.head_branch },
        })
    };
    json!({ "total_count": run.artifacts.len(), "artifacts": run.artifacts.iter().map(one).collect::<Vec<_>>() })
}
