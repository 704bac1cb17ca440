//! How are the deeds of people done: commits, pull requests, comments, check suites, workflow runs?

use crate::git::{Draft, Files};
use crate::hooks::{self, Event};
use crate::person::{self, Opening};
use crate::rest::{pulls, reviews};
use crate::state::{Repository, Run, State};
use crate::{Error, rules, view};
use serde_json::{Value, json};

/// A commit to be made on a branch.
pub(crate) struct Work<'a> {
    pub(crate) login: &'a str,
    pub(crate) branch: &'a str,
    pub(crate) message: &'a str,
    pub(crate) files: &'a Files,
    pub(crate) onto: Option<&'a str>,
}

pub(crate) fn commit(state: &mut State, full: &str, work: &Work<'_>) -> Result<String, Error> {
    let repo = state.repo(full).ok_or_else(|| Error::Missing(full.to_owned()))?;
    let (git, name) = (repo.git.clone(), format!("refs/heads/{}", work.branch));
    let before = git.commit(&name);
    if work.onto.is_some() && repo.protected.contains(work.branch) {
        return Err(Error::Refused(format!("`{}` is protected", work.branch)));
    }
    let parent = match work.onto {
        Some(onto) => Some(git.commit(onto).ok_or_else(|| Error::Missing(onto.to_owned()))?),
        None => before.clone().or_else(|| git.commit(&format!("refs/heads/{}", repo.default_branch))),
    };
    let tree = git.tree(parent.as_deref(), work.files)?;
    let who = state.ident(work.login);
    let parents: Vec<String> = parent.into_iter().collect();
    let draft = Draft { parents: &parents, message: work.message, author: &who, committer: &who };
    let sha = git.commit_tree(&tree, &draft)?;
    git.point(&name, &sha)?;
    person::moved(state, full, &name, before.as_deref(), Some(&sha), work.login)?;
    Ok(sha)
}

pub(crate) fn open(
    state: &mut State,
    full: &str,
    head: &str,
    (login, branch, title, draft): (&str, &str, &str, bool),
) -> Result<u64, Error> {
    let base = state.repo(full).map(|r| r.default_branch.clone()).unwrap_or_default();
    let opening = Opening {
        author: login.to_owned(),
        head_repo: head.to_owned(),
        head_ref: branch.to_owned(),
        base_ref: base,
        title: title.to_owned(),
        body: String::new(),
        draft,
    };
    person::open(state, full, opening)
}

pub(crate) fn drafted(state: &mut State, full: &str, pull: u64, login: &str, draft: bool) -> Result<(), Error> {
    let found = state.pull_mut(full, pull).ok_or_else(|| Error::Missing(format!("{full}#{pull}")))?;
    found.draft = draft;
    let action = if draft { "converted_to_draft" } else { "ready_for_review" };
    person::emit(state, full, pull, action, login, json!({}));
    Ok(())
}

pub(crate) fn comment_on(state: &mut State, full: &str, pull: u64, login: &str, comment: &Value) -> Result<u64, Error> {
    let missing = || Error::Missing(format!("{full}#{pull}"));
    let repo = state.repo(full).ok_or_else(missing)?;
    let found = repo.pulls.get(&pull).ok_or_else(missing)?;
    let head = found.head_sha.clone();
    let place = rules::place(comment, &pulls::changes(repo, found, &head)?)?;
    let body = comment["body"].as_str().unwrap_or_default().to_owned();
    let posted = reviews::Posted { login, commit: &head, body: "", event: Some("COMMENT") };
    let review = reviews::post(state, full, pull, &posted, vec![(place, body)]);
    let found = state.pull(full, pull).ok_or_else(missing)?;
    let mut all = found.threads.iter().flat_map(|t| &t.comments);
    all.find(|c| c.review == review).map(|c| c.id).ok_or_else(missing)
}

/// A thread by its own number or that of one of its comments.
pub(crate) fn thread_of(state: &State, full: &str, id: u64) -> u64 {
    let Some((number, t, _)) = state.find_comment(full, id) else { return id };
    state.pull(full, number).map_or(id, |p| p.threads[t].id)
}

/// The branch and commit before, for a check suite.
pub(crate) fn heads(repo: &Repository, sha: &str) -> String {
    let found = repo.pulls.values().find(|p| p.head_sha == sha);
    found.map_or_else(|| repo.default_branch.clone(), |p| p.head_ref.clone())
}

pub(crate) fn references(state: &State, repo: &Repository, sha: &str) -> Vec<Value> {
    let base = |full: &str| {
        let found = state.repo(full);
        json!({ "id": found.map_or(0, |r| r.id), "name": full.split('/').next_back(),
            "url": format!("{}/repos/{full}", state.base) })
    };
    let pulls = repo.pulls.values().filter(|p| p.open && p.head_sha == sha);
    pulls
        .map(|p| {
            json!({
                "id": p.id, "number": p.number,
                "url": format!("{}/repos/{}/pulls/{}", state.base, repo.full_name(), p.number),
                "head": { "ref": p.head_ref, "sha": p.head_sha, "repo": base(&p.head_repo) },
                "base": { "ref": p.base_ref, "sha": p.base_sha, "repo": base(&repo.full_name()) },
            })
        })
        .collect()
}

pub(crate) fn suite(state: &State, full: String, sha: &str, branch: &str) -> Value {
    let id = view::suite(sha);
    json!({
        "id": id, "node_id": view::node("CS", id), "head_branch": branch, "head_sha": sha, "status": "completed",
        "conclusion": null, "url": format!("{}/repos/{full}/check-suites/{id}", state.base), "before": null,
        "after": sha, "pull_requests": [], "app": view::app(state), "latest_check_runs_count": 1,
        "check_runs_url": format!("{}/repos/{full}/check-suites/{id}/check-runs", state.base),
        "head_commit": { "id": sha, "tree_id": sha, "message": "", "timestamp": state.iso(),
            "author": { "name": "a", "email": "a@example.com" },
            "committer": { "name": "a", "email": "a@example.com" } },
        "created_at": state.iso(), "updated_at": state.iso(),
    })
}

pub(crate) fn workflow_run(
    state: &mut State,
    full: &str,
    head: (&str, &str, &str),
    artifacts: &[(&str, &[u8])],
) -> u64 {
    let id = state.id();
    let artifacts = artifacts.iter().map(|(name, zip)| (state.id(), (*name).to_owned(), zip.to_vec())).collect();
    let run = Run {
        id,
        head_repo: head.0.to_owned(),
        head_branch: head.1.to_owned(),
        head_sha: head.2.to_owned(),
        event: "pull_request".to_owned(),
        artifacts,
    };
    let Some(repo) = state.repos.get_mut(full) else { return id };
    repo.runs.push(run.clone());
    let owner = repo.owner.clone();
    let Some(repo) = state.repo(full) else { return id };
    let fields = json!({
        "workflow_run": person::run_json(state, repo, &run),
        "workflow": { "id": 1, "node_id": "W_1", "name": "review", "path": ".github/workflows/review.yml",
            "state": "active", "badge_url": state.base, "url": state.base, "html_url": state.base,
            "created_at": state.iso(), "updated_at": state.iso() },
    });
    let action = Some("completed");
    hooks::emit(state, Event { name: "workflow_run", action, repo: full, sender: &owner, fields });
    id
}
