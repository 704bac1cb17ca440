//! How does GitHub write down what the forge knows? The fields a bot reads; `fill` adds the rest.

use crate::clock::iso;
use crate::diff::Change;
use crate::state::{CheckRun, Comment, Installation, IssueComment, Pull, Reaction, Repository, Review, State, Thread};
use serde_json::{Value, json};

/// Reactions by the names REST uses, in GitHub's order.
pub(crate) const REACTIONS: [&str; 8] = ["+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"];

/// The id GraphQL uses: what it is and its number.
pub(crate) fn node(kind: &str, id: u64) -> String {
    format!("{kind}_{id}")
}

pub(crate) fn user(state: &State, login: &str) -> Value {
    let base = &state.base;
    let (id, bot) = state.users.get(login).map_or((0, false), |u| (u.id, u.bot));
    json!({
        "login": login, "id": id, "node_id": node(if bot { "BOT" } else { "U" }, id),
        "type": if bot { "Bot" } else { "User" }, "site_admin": false, "user_view_type": "public",
        "url": format!("{base}/users/{login}"), "html_url": format!("{base}/{login}"),
        "avatar_url": format!("{base}/avatars/{id}"), "gravatar_id": "",
    })
}

pub(crate) fn association(repo: &Repository, login: &str) -> &'static str {
    match repo.permission(login) {
        _ if repo.owner == login => "OWNER",
        "admin" | "maintain" | "write" | "triage" => "COLLABORATOR",
        _ => "NONE",
    }
}

pub(crate) fn repo(state: &State, repo: &Repository) -> Value {
    let (base, full) = (&state.base, repo.full_name());
    json!({
        "id": repo.id, "node_id": node("R", repo.id), "name": repo.name, "full_name": full,
        "owner": user(state, &repo.owner), "private": repo.private, "fork": repo.fork_of.is_some(),
        "visibility": if repo.private { "private" } else { "public" }, "default_branch": repo.default_branch,
        "url": format!("{base}/repos/{full}"), "html_url": format!("{base}/{full}"),
        "clone_url": format!("{base}/{full}.git"), "git_url": format!("{base}/{full}.git"),
        "ssh_url": format!("git@forge:{full}.git"), "svn_url": format!("{base}/{full}"),
        "created_at": iso(repo.created), "updated_at": iso(repo.created), "pushed_at": iso(repo.created),
        "archived": false, "disabled": false, "has_discussions": false, "allow_forking": true, "is_template": false,
        "topics": [], "forks": 0, "open_issues": 0, "watchers": 0,
    })
}

fn branch(state: &State, full: &str, name: &str, sha: &str) -> Value {
    let owner = full.split('/').next().unwrap_or_default();
    let repository = state.repo(full).map_or(Value::Null, |r| repo(state, r));
    json!({
        "label": format!("{owner}:{name}"), "ref": name, "sha": sha,
        "user": user(state, owner), "repo": repository,
    })
}

fn links(state: &State, full: &str, number: u64) -> Value {
    let api = format!("{}/repos/{full}", state.base);
    let link = |tail: String| json!({ "href": format!("{api}/{tail}") });
    json!({
        "self": link(format!("pulls/{number}")), "html": { "href": format!("{}/{full}/pull/{number}", state.base) },
        "issue": link(format!("issues/{number}")), "comments": link(format!("issues/{number}/comments")),
        "review_comments": link(format!("pulls/{number}/comments")),
        "review_comment": link("pulls/comments{/number}".to_owned()),
        "commits": link(format!("pulls/{number}/commits")), "statuses": link(format!("statuses/{number}")),
    })
}

pub(crate) fn pull(state: &State, repository: &Repository, pull: &Pull) -> Value {
    let (base, full, number) = (&state.base, repository.full_name(), pull.number);
    let api = format!("{base}/repos/{full}");
    json!({
        "id": pull.id, "node_id": node("PR", pull.id), "number": number, "title": pull.title,
        "body": if pull.body.is_empty() { Value::Null } else { pull.body.as_str().into() },
        "state": if pull.open { "open" } else { "closed" }, "locked": false, "draft": pull.draft,
        "user": user(state, &pull.author), "author_association": association(repository, &pull.author),
        "url": format!("{api}/pulls/{number}"), "html_url": format!("{base}/{full}/pull/{number}"),
        "diff_url": format!("{base}/{full}/pull/{number}.diff"),
        "patch_url": format!("{base}/{full}/pull/{number}.patch"),
        "issue_url": format!("{api}/issues/{number}"), "commits_url": format!("{api}/pulls/{number}/commits"),
        "comments_url": format!("{api}/issues/{number}/comments"),
        "review_comments_url": format!("{api}/pulls/{number}/comments"),
        "review_comment_url": format!("{api}/pulls/comments{{/number}}"),
        "statuses_url": format!("{api}/statuses/{}", pull.head_sha),
        "created_at": iso(pull.created), "updated_at": iso(pull.updated), "closed_at": pull.closed.map(iso),
        "merged_at": pull.merged.as_ref().map(|m| iso(m.at)),
        "merged": pull.merged.is_some(), "merged_by": pull.merged.as_ref().map(|m| user(state, &m.by)),
        "merge_commit_sha": pull.merged.as_ref().map(|m| m.sha.clone()),
        "mergeable": if pull.open { Value::Bool(true) } else { Value::Null },
        "mergeable_state": if pull.open { "clean" } else { "unknown" }, "rebaseable": true,
        "head": branch(state, &pull.head_repo, &pull.head_ref, &pull.head_sha),
        "base": branch(state, &full, &pull.base_ref, &pull.base_sha),
        "comments": repository.comments.iter().filter(|c| c.pull == number).count(),
        "review_comments": pull.threads.iter().map(|t| t.comments.len()).sum::<usize>(),
        "maintainer_can_modify": false, "auto_merge": null, "active_lock_reason": null,
        "assignees": [], "requested_reviewers": [], "requested_teams": [], "labels": [],
        "_links": links(state, &full, number),
    })
}

/// The pull request as an issue, which is how its conversation names it.
pub(crate) fn issue(state: &State, repository: &Repository, pull: &Pull) -> Value {
    let (full, number) = (repository.full_name(), pull.number);
    let api = format!("{}/repos/{full}", state.base);
    json!({
        "id": pull.id, "node_id": node("PR", pull.id), "number": number, "title": pull.title,
        "body": pull.body, "state": if pull.open { "open" } else { "closed" }, "locked": false, "draft": pull.draft,
        "user": user(state, &pull.author), "author_association": association(repository, &pull.author),
        "url": format!("{api}/issues/{number}"), "html_url": format!("{}/{full}/pull/{number}", state.base),
        "created_at": iso(pull.created), "updated_at": iso(pull.updated), "closed_at": pull.closed.map(iso),
        "labels": [], "assignees": [], "assignee": null, "reactions": rollup(state, &[]),
        "pull_request": {
            "url": format!("{api}/pulls/{number}"), "html_url": format!("{}/{full}/pull/{number}", state.base),
            "diff_url": format!("{}/{full}/pull/{number}.diff", state.base),
            "patch_url": format!("{}/{full}/pull/{number}.patch", state.base),
            "merged_at": pull.merged.as_ref().map(|m| iso(m.at)),
        },
    })
}

pub(crate) fn review(state: &State, repository: &Repository, pull: &Pull, review: &Review) -> Value {
    let full = repository.full_name();
    let page = format!("{}/{full}/pull/{}", state.base, pull.number);
    let api = format!("{}/repos/{full}/pulls/{}", state.base, pull.number);
    let mut value = json!({
        "id": review.id, "node_id": node("PRR", review.id), "user": user(state, &review.author),
        "body": review.body, "state": review.state, "commit_id": review.commit,
        "html_url": format!("{page}#pullrequestreview-{}", review.id), "pull_request_url": api,
        "author_association": association(repository, &review.author),
        "_links": {
            "html": { "href": format!("{page}#pullrequestreview-{}", review.id) }, "pull_request": { "href": api },
        },
    });
    if let Some(at) = review.submitted {
        value["submitted_at"] = iso(at).into();
    }
    value
}

pub(crate) fn rollup(state: &State, reactions: &[Reaction]) -> Value {
    let mut value = json!({ "url": format!("{}/reactions", state.base), "total_count": reactions.len() });
    for name in REACTIONS {
        value[name] = reactions.iter().filter(|r| r.content == name).count().into();
    }
    value
}

pub(crate) fn reaction(state: &State, reaction: &Reaction) -> Value {
    json!({
        "id": reaction.id, "node_id": node("REA", reaction.id), "user": user(state, &reaction.user),
        "content": reaction.content, "created_at": iso(reaction.at),
    })
}

/// A review comment. `position` counts from its own hunk's head, which is GitHub's count for a file's first hunk.
pub(crate) fn comment(state: &State, repo: &Repository, pull: &Pull, thread: &Thread, comment: &Comment) -> Value {
    let full = repo.full_name();
    let (page, api) = (format!("{}/{full}/pull/{}", state.base, pull.number), format!("{}/repos/{full}", state.base));
    let place = comment.hunk.lines().count().saturating_sub(1).max(1);
    let own = format!("{api}/pulls/comments/{}", comment.id);
    let mut value = json!({
        "id": comment.id, "node_id": node("PRRC", comment.id), "pull_request_review_id": comment.review,
        "url": own, "html_url": format!("{page}#discussion_r{}", comment.id),
        "pull_request_url": format!("{api}/pulls/{}", pull.number), "path": thread.path, "diff_hunk": comment.hunk,
        "position": if thread.outdated { Value::Null } else { place.into() }, "original_position": place,
        "commit_id": if thread.outdated { &thread.commit } else { &pull.head_sha },
        "original_commit_id": thread.commit, "side": thread.side, "line": thread.line,
        "original_line": thread.original_line, "start_line": thread.start_line,
        "original_start_line": thread.original_start_line,
        "start_side": thread.original_start_line.map(|_| thread.side.clone()),
        "subject_type": if thread.original_line.is_some() { "line" } else { "file" },
        "user": user(state, &comment.author), "body": comment.body,
        "author_association": association(repo, &comment.author),
        "created_at": iso(comment.created), "updated_at": iso(comment.updated),
        "reactions": rollup(state, &comment.reactions),
        "_links": {
            "self": { "href": own }, "html": { "href": format!("{page}#discussion_r{}", comment.id) },
            "pull_request": { "href": format!("{api}/pulls/{}", pull.number) },
        },
    });
    if let Some(first) = comment.reply_to {
        value["in_reply_to_id"] = first.into();
    }
    if thread.original_line.is_none() {
        for name in ["line", "original_line", "start_line", "original_start_line", "start_side"] {
            if let Some(fields) = value.as_object_mut() {
                fields.remove(name);
            }
        }
    }
    value
}

pub(crate) fn issue_comment(state: &State, repository: &Repository, comment: &IssueComment) -> Value {
    let (base, full, number) = (&state.base, repository.full_name(), comment.pull);
    json!({
        "id": comment.id, "node_id": node("IC", comment.id), "body": comment.body,
        "url": format!("{base}/repos/{full}/issues/comments/{}", comment.id),
        "html_url": format!("{base}/{full}/pull/{number}#issuecomment-{}", comment.id),
        "issue_url": format!("{base}/repos/{full}/issues/{number}"),
        "user": user(state, &comment.author), "author_association": association(repository, &comment.author),
        "created_at": iso(comment.created), "updated_at": iso(comment.updated),
        "reactions": rollup(state, &comment.reactions), "performed_via_github_app": null,
    })
}

pub(crate) fn check_run(state: &State, repository: &Repository, run: &CheckRun) -> Value {
    let api = format!("{}/repos/{}/check-runs/{}", state.base, repository.full_name(), run.id);
    let text = |name: &str| run.output.get(name).cloned().unwrap_or(Value::Null);
    let rest = |name: &str| run.rest.get(name).cloned().unwrap_or(Value::Null);
    json!({
        "id": run.id, "node_id": node("CR", run.id), "name": run.name, "head_sha": run.head_sha,
        "external_id": rest("external_id").as_str().unwrap_or_default(), "details_url": rest("details_url").as_str().unwrap_or(&state.base),
        "url": api, "html_url": format!("{}/{}/runs/{}", state.base, repository.full_name(), run.id),
        "status": run.status, "conclusion": run.conclusion,
        "started_at": iso(run.started), "completed_at": run.completed.map(iso),
        "output": {
            "title": text("title"), "summary": text("summary"), "text": text("text"),
            "annotations_count": run.annotations.len(), "annotations_url": format!("{api}/annotations"),
        },
        "check_suite": { "id": suite(&run.head_sha) }, "app": app(state), "pull_requests": [],
    })
}

/// A check suite stands for one commit: its number is drawn from that.
pub(crate) fn suite(sha: &str) -> u64 {
    u64::from_str_radix(sha.get(..7).unwrap_or("1"), 16).unwrap_or(1)
}

pub(crate) fn app(state: &State) -> Value {
    let app = &state.app;
    json!({
        "id": app.id, "slug": app.slug, "client_id": app.client_id, "node_id": node("A", app.id), "name": app.slug,
        "owner": user(state, "octo-org"), "description": null, "external_url": state.base,
        "html_url": format!("{}/apps/{}", state.base, app.slug), "created_at": iso(0), "updated_at": iso(0),
        "permissions": app.permissions, "events": app.events, "installations_count": state.installations.len(),
    })
}

pub(crate) fn installation(state: &State, installation: &Installation) -> Value {
    let (base, id) = (&state.base, installation.id);
    json!({
        "id": id, "account": user(state, &installation.account), "app_id": state.app.id, "app_slug": state.app.slug,
        "client_id": state.app.client_id, "target_id": id, "target_type": "User",
        "repository_selection": if installation.only.is_some() { "selected" } else { "all" },
        "access_tokens_url": format!("{base}/app/installations/{id}/access_tokens"),
        "repositories_url": format!("{base}/installation/repositories"),
        "html_url": format!("{base}/settings/installations/{id}"), "single_file_name": null,
        "permissions": installation.permissions, "events": state.app.events,
        "created_at": iso(installation.created), "updated_at": iso(installation.created),
        "suspended_at": installation.suspended.map(iso),
        "suspended_by": installation.suspended.map(|_| user(state, &installation.account)),
    })
}

pub(crate) fn file(state: &State, full: &str, head: &str, change: &Change) -> Value {
    let path = &change.path;
    let mut value = json!({
        "sha": change.blob, "filename": path, "status": change.status, "additions": change.additions,
        "deletions": change.deletions, "changes": change.additions + change.deletions,
        "blob_url": format!("{}/{full}/blob/{head}/{path}", state.base),
        "raw_url": format!("{}/{full}/raw/{head}/{path}", state.base),
        "contents_url": format!("{}/repos/{full}/contents/{path}?ref={head}", state.base),
    });
    if let Some(before) = &change.before {
        value["previous_filename"] = before.as_str().into();
    }
    if let Some(patch) = &change.patch {
        value["patch"] = patch.as_str().into();
    }
    value
}
