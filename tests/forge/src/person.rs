//! What happens at the forge when someone pushes, opens, edits or closes?

use crate::commits;
use crate::diff;
use crate::hooks::{self, Event};
use crate::state::{Pull, Repository, Run, State, Thread};
use crate::{Error, view};
use serde_json::{Value, json};

/// A pull request to be.
pub(crate) struct Opening {
    pub(crate) author: String,
    pub(crate) head_repo: String,
    pub(crate) head_ref: String,
    pub(crate) base_ref: String,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) draft: bool,
}

fn missing(what: &str) -> Error {
    Error::Missing(what.to_owned())
}

fn repository<'a>(state: &'a State, full: &str) -> Result<&'a Repository, Error> {
    state.repo(full).ok_or_else(|| missing(full))
}

/// Opens a pull request and returns its number.
pub(crate) fn open(state: &mut State, full: &str, opening: Opening) -> Result<u64, Error> {
    let head_name = format!("refs/heads/{}", opening.head_ref);
    let from = repository(state, &opening.head_repo)?;
    let head_sha = from.git.commit(&head_name).ok_or_else(|| missing(&opening.head_ref))?;
    let base = repository(state, full)?;
    let base_name = format!("refs/heads/{}", opening.base_ref);
    let base_sha = base.git.commit(&base_name).ok_or_else(|| missing(&opening.base_ref))?;
    let number = base.next_number;
    keep(base, from, number, &head_name)?;
    let (id, now) = (state.id(), state.now());
    state.user(&opening.author);
    let pull = Pull {
        id,
        number,
        title: opening.title,
        body: opening.body,
        author: opening.author.clone(),
        head_repo: opening.head_repo,
        head_ref: opening.head_ref,
        head_sha,
        base_ref: opening.base_ref,
        base_sha,
        open: true,
        draft: opening.draft,
        merged: None,
        reviews: Vec::new(),
        threads: Vec::new(),
        created: now,
        updated: now,
        closed: None,
    };
    if let Some(repo) = state.repos.get_mut(full) {
        repo.next_number += 1;
        repo.pulls.insert(number, pull);
    }
    emit(state, full, number, "opened", &opening.author, json!({}));
    Ok(number)
}

/// Keeps a pull request's head where everyone can fetch it: `refs/pull/N/head`.
fn keep(base: &Repository, from: &Repository, number: u64, head: &str) -> Result<(), Error> {
    base.git.fetch(&from.git, head, &format!("refs/pull/{number}/head"))
}

/// Tells the app of a pull request's event.
pub(crate) fn emit(state: &mut State, full: &str, number: u64, action: &str, sender: &str, extra: Value) {
    let Some(repo) = state.repo(full) else { return };
    let Some(pull) = repo.pulls.get(&number) else { return };
    let mut fields = extra;
    fields["number"] = number.into();
    fields["pull_request"] = view::pull(state, repo, pull);
    if let Ok((changes, commits)) = counts(repo, pull) {
        for (name, value) in [("commits", commits), ("additions", changes.0), ("deletions", changes.1)] {
            fields["pull_request"][name] = value.into();
        }
        fields["pull_request"]["changed_files"] = changes.2.into();
    }
    hooks::emit(state, Event { name: "pull_request", action: Some(action), repo: full, sender, fields });
}

type Counts = ((u64, u64, u64), u64);

fn counts(repo: &Repository, pull: &Pull) -> Result<Counts, Error> {
    let base = repo.git.merge_base(&pull.base_sha, &pull.head_sha).unwrap_or_else(|| pull.base_sha.clone());
    let changes = diff::changes(&repo.git, &base, &pull.head_sha)?;
    let sum = changes.iter().fold((0, 0, 0), |s, c| (s.0 + c.additions, s.1 + c.deletions, s.2 + 1));
    let commits = repo.git.between(&base, &pull.head_sha)?.len();
    Ok((sum, u64::try_from(commits).unwrap_or(0)))
}

/// What follows from a reference that moved: the push, and the pull requests that stand on it.
pub(crate) fn moved(
    state: &mut State,
    full: &str,
    name: &str,
    before: Option<&str>,
    after: Option<&str>,
    login: &str,
) -> Result<(), Error> {
    if !name.starts_with("refs/heads/") && !name.starts_with("refs/tags/") {
        return Ok(());
    }
    push(state, full, name, before, after, login)?;
    let Some(branch) = name.strip_prefix("refs/heads/") else { return Ok(()) };
    let standing: Vec<(String, u64)> = state
        .repos
        .values()
        .flat_map(|r| r.pulls.values().map(move |p| (r.full_name(), p)))
        .filter(|(_, p)| p.open && p.head_repo == full && p.head_ref == branch)
        .map(|(name, p)| (name, p.number))
        .collect();
    for (base, number) in standing {
        match after {
            Some(after) => synchronize(state, &base, number, after, login)?,
            None => close(state, &base, number, login)?,
        }
    }
    Ok(())
}

/// References as git lists them: name and commit.
type Refs = [(String, String)];

/// What follows from every branch and tag that differs between two lists of references.
pub(crate) fn follow(state: &mut State, full: &str, lists: (&Refs, &Refs), login: &str) -> Result<(), Error> {
    let find = |list: &Refs, name: &str| list.iter().find(|r| r.0 == name).map(|r| r.1.clone());
    let mut names: Vec<&String> = lists.0.iter().chain(lists.1).map(|r| &r.0).collect();
    names.sort();
    names.dedup();
    for name in names.into_iter().filter(|n| n.starts_with("refs/heads/") || n.starts_with("refs/tags/")) {
        let (old, new) = (find(lists.0, name), find(lists.1, name));
        if old != new {
            moved(state, full, name, old.as_deref(), new.as_deref(), login)?;
        }
    }
    Ok(())
}

const NOTHING: &str = "0000000000000000000000000000000000000000";

fn push(
    state: &mut State,
    full: &str,
    name: &str,
    before: Option<&str>,
    after: Option<&str>,
    login: &str,
) -> Result<(), Error> {
    let repo = repository(state, full)?;
    let shas = match (before, after) {
        (Some(b), Some(a)) => repo.git.between(b, a)?,
        (None, Some(a)) if name != format!("refs/heads/{}", repo.default_branch) => {
            repo.git.between(&format!("refs/heads/{}", repo.default_branch), a).unwrap_or_default()
        }
        _ => Vec::new(),
    };
    let mut list = Vec::new();
    for sha in shas.iter().take(20) {
        list.push(commits::pushed(state, full, &repo.git, &commits::read(&repo.git, sha)?));
    }
    let head = match after {
        Some(a) => commits::pushed(state, full, &repo.git, &commits::read(&repo.git, a)?),
        None => Value::Null,
    };
    let forced = before.zip(after).is_some_and(|(b, a)| !repo.git.is_ancestor(b, a));
    let (old, new) = (before.unwrap_or(NOTHING), after.unwrap_or(NOTHING));
    let fields = json!({
        "ref": name, "before": old, "after": new, "created": before.is_none(), "deleted": after.is_none(),
        "forced": forced, "base_ref": null, "commits": list, "head_commit": head,
        "compare": format!("{}/{full}/compare/{old}...{new}", state.base),
        "pusher": { "name": login, "email": format!("{login}@users.noreply.github.com") },
    });
    hooks::emit(state, Event { name: "push", action: None, repo: full, sender: login, fields });
    Ok(())
}

fn synchronize(state: &mut State, full: &str, number: u64, after: &str, login: &str) -> Result<(), Error> {
    let pull = state.pull(full, number).ok_or_else(|| missing("pull request"))?;
    let before = pull.head_sha.clone();
    let (base, from) = (repository(state, full)?, repository(state, &pull.head_repo)?);
    keep(base, from, number, &format!("refs/heads/{}", pull.head_ref))?;
    let git = base.git.clone();
    let tip = git.commit(&format!("refs/heads/{}", pull.base_ref));
    let now = state.now();
    if let Some(pull) = state.pull_mut(full, number) {
        pull.base_sha = tip.unwrap_or_else(|| std::mem::take(&mut pull.base_sha));
        pull.head_sha = after.to_owned();
        pull.updated = now;
        pull.threads.iter_mut().for_each(|t| carry(&git, t, after));
    }
    emit(state, full, number, "synchronize", login, json!({ "before": before, "after": after }));
    Ok(())
}

/// Moves a thread to where its lines stand at another commit; outdated when they are not there any more.
pub(crate) fn carry(git: &crate::git::Git, thread: &mut Thread, head: &str) {
    let Some(last) = thread.original_line.filter(|_| thread.side == "RIGHT") else { return };
    let first = thread.original_start_line.unwrap_or(last);
    let at = diff::carried(git, (&thread.commit, head), &thread.path, first, last);
    thread.outdated = at.is_none();
    thread.line = at.map(|a| a.1);
    thread.start_line = at.filter(|_| thread.original_start_line.is_some()).map(|a| a.0);
}

/// Changes the title or the description.
pub(crate) fn edit(
    state: &mut State,
    full: &str,
    number: u64,
    login: &str,
    title: Option<String>,
    body: Option<String>,
) -> Result<(), Error> {
    let pull = state.pull_mut(full, number).ok_or_else(|| missing("pull request"))?;
    let mut changes = json!({});
    if let Some(title) = title {
        changes["title"] = json!({ "from": std::mem::replace(&mut pull.title, title) });
    }
    if let Some(body) = body {
        changes["body"] = json!({ "from": std::mem::replace(&mut pull.body, body) });
    }
    emit(state, full, number, "edited", login, json!({ "changes": changes }));
    Ok(())
}

/// Aims a pull request at another base branch.
pub(crate) fn retarget(state: &mut State, full: &str, number: u64, login: &str, base: &str) -> Result<(), Error> {
    let tip = repository(state, full)?.git.commit(&format!("refs/heads/{base}")).ok_or_else(|| missing(base))?;
    let pull = state.pull_mut(full, number).ok_or_else(|| missing("pull request"))?;
    let name = std::mem::replace(&mut pull.base_ref, base.to_owned());
    let sha = std::mem::replace(&mut pull.base_sha, tip);
    let changes = json!({ "base": { "ref": { "from": name }, "sha": { "from": sha } } });
    emit(state, full, number, "edited", login, json!({ "changes": changes }));
    Ok(())
}

/// Closes a pull request that is not merged.
pub(crate) fn close(state: &mut State, full: &str, number: u64, login: &str) -> Result<(), Error> {
    let now = state.now();
    let pull = state.pull_mut(full, number).ok_or_else(|| missing("pull request"))?;
    pull.open = false;
    pull.closed = Some(now);
    emit(state, full, number, "closed", login, json!({}));
    Ok(())
}

/// Opens it again.
pub(crate) fn reopen(state: &mut State, full: &str, number: u64, login: &str) -> Result<(), Error> {
    let pull = state.pull_mut(full, number).ok_or_else(|| missing("pull request"))?;
    pull.open = true;
    pull.closed = None;
    emit(state, full, number, "reopened", login, json!({}));
    Ok(())
}

/// Marks a thread resolved (by whom) or open again, and says so.
pub(crate) fn resolve(state: &mut State, full: &str, thread: u64, login: &str, done: bool) -> Result<(), Error> {
    let repo = state.repos.get_mut(full).ok_or_else(|| missing(full))?;
    let found = repo.pulls.values_mut().find_map(|p| {
        let number = p.number;
        p.threads.iter_mut().find(|t| t.id == thread).map(|t| (number, t))
    });
    let (number, found) = found.ok_or_else(|| missing("thread"))?;
    found.resolved_by = done.then(|| login.to_owned());
    let (repo, pull) = (repository(state, full)?, state.pull(full, number).ok_or_else(|| missing("pull"))?);
    let found = pull.threads.iter().find(|t| t.id == thread).ok_or_else(|| missing("thread"))?;
    let comments: Vec<Value> = found.comments.iter().map(|c| view::comment(state, repo, pull, found, c)).collect();
    let fields = json!({
        "thread": { "node_id": view::node("PRRT", thread), "comments": comments },
        "pull_request": view::pull(state, repo, pull), "updated_at": state.iso(),
    });
    let action = Some(if done { "resolved" } else { "unresolved" });
    hooks::emit(state, Event { name: "pull_request_review_thread", action, repo: full, sender: login, fields });
    Ok(())
}

/// A workflow run in REST's form.
pub(crate) fn run_json(state: &State, repo: &Repository, run: &Run) -> Value {
    let api = format!("{}/repos/{}/actions/runs/{}", state.base, repo.full_name(), run.id);
    let head = state.repo(&run.head_repo).map_or(Value::Null, |r| view::repo(state, r));
    json!({
        "id": run.id, "node_id": view::node("WFR", run.id), "name": "review", "head_branch": run.head_branch,
        "head_sha": run.head_sha, "event": run.event, "status": "completed", "conclusion": "success",
        "run_number": 1, "run_attempt": 1, "workflow_id": 1, "check_suite_id": view::suite(&run.head_sha),
        "path": ".github/workflows/review.yml", "display_title": "review", "pull_requests": [],
        "url": api, "html_url": format!("{}/{}/actions/runs/{}", state.base, repo.full_name(), run.id),
        "artifacts_url": format!("{api}/artifacts"), "repository": view::repo(state, repo), "head_repository": head,
        "created_at": state.iso(), "updated_at": state.iso(), "run_started_at": state.iso(),
        "head_commit": { "id": run.head_sha, "tree_id": run.head_sha, "message": "", "timestamp": state.iso(),
            "author": { "name": "a", "email": "a@example.com" }, "committer": { "name": "a", "email": "a@example.com" } },
        "actor": view::user(state, &repo.owner), "triggering_actor": view::user(state, &repo.owner),
    })
}
