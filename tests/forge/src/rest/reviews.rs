//! What does GitHub do with a review: all of its comments, or none?

use super::pulls::changes;
use super::{Call, Outcome, unplayed};
use crate::hooks::{self, Event};
use crate::person;
use crate::rules::{self, Place};
use crate::state::{Comment, Pull, Repository, Review, State, Thread};
use crate::view;
use crate::wire::{Answer, Refusal};
use serde_json::{Value, json};

pub(super) fn answer(operation: &str, call: &mut Call<'_>) -> Outcome {
    match operation {
        "pulls/list-reviews" => list(call),
        "pulls/create-review" => create(call),
        "pulls/get-review" => show(call, call.number("review_id")?),
        "pulls/update-review" => edit(call),
        "pulls/submit-review" => submit(call),
        "pulls/delete-pending-review" => delete(call),
        "pulls/dismiss-review" => dismiss(call),
        other => Err(unplayed(other)),
    }
}

fn list(call: &mut Call<'_>) -> Outcome {
    let (repo, pull) = call.pull()?;
    let login = call.login();
    let shown = pull.reviews.iter().filter(|r| r.state != "PENDING" || r.author == login);
    Ok(Answer::Json(200, shown.map(|r| view::review(call.state, repo, pull, r)).collect()))
}

fn show(call: &Call<'_>, id: u64) -> Outcome {
    let (repo, pull) = call.pull()?;
    let review = pull.reviews.iter().find(|r| r.id == id).ok_or_else(Refusal::missing)?;
    Ok(Answer::Json(200, view::review(call.state, repo, pull, review)))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let (full, login) = (call.full(), call.login());
    let comments = call.body["comments"].as_array().cloned().unwrap_or_default();
    let event = call.body["event"].as_str().map(str::to_owned);
    let (repo, pull) = call.pull()?;
    rules::review(pull, &login, event.as_deref(), call.text("body"), comments.len())?;
    let commit = commit(repo, pull, call.body["commit_id"].as_str())?;
    let changes = changes(repo, pull, &commit)?;
    let mut places = Vec::new();
    for comment in &comments {
        rules::body_fits(comment["body"].as_str().unwrap_or_default())?;
        places.push((rules::place(comment, &changes)?, comment["body"].as_str().unwrap_or_default().to_owned()));
    }
    let (number, body) = (pull.number, call.text("body").to_owned());
    let posted = Posted { login: &login, commit: &commit, body: &body, event: event.as_deref() };
    let id = post(call.state, &full, number, &posted, places);
    show(call, id)
}

/// The commit a comment is about: one the pull request still has.
pub(super) fn commit(repo: &Repository, pull: &Pull, named: Option<&str>) -> Result<String, Refusal> {
    let Some(sha) = named else { return Ok(pull.head_sha.clone()) };
    let known = repo.git.commit(sha).is_some_and(|c| c == sha) && repo.git.is_ancestor(sha, &pull.head_sha);
    if known { Ok(sha.to_owned()) } else { Err(Refusal::invalid("commit_id is not part of the pull request")) }
}

/// A review as it came.
pub(crate) struct Posted<'a> {
    pub(crate) login: &'a str,
    pub(crate) commit: &'a str,
    pub(crate) body: &'a str,
    pub(crate) event: Option<&'a str>,
}

/// Writes a judged review down and tells the app of it, unless it is still pending.
pub(crate) fn post(
    state: &mut State,
    full: &str,
    number: u64,
    posted: &Posted<'_>,
    places: Vec<(Place, String)>,
) -> u64 {
    let (id, now) = (state.id(), state.now());
    let pending = posted.event.is_none();
    let review = Review {
        id,
        author: posted.login.to_owned(),
        body: posted.body.to_owned(),
        state: word(posted.event).to_owned(),
        commit: posted.commit.to_owned(),
        submitted: (!pending).then_some(now),
    };
    state.user(posted.login);
    let threads: Vec<Thread> = places.into_iter().map(|(place, body)| thread(state, id, posted, place, body)).collect();
    let git = state.repo(full).map(|r| r.git.clone());
    if let (Some(pull), Some(git)) = (state.pull_mut(full, number), git) {
        pull.reviews.push(review);
        let (head, old) = (pull.head_sha.clone(), pull.threads.len());
        pull.threads.extend(threads);
        // A review of an earlier commit is shown where its lines stand now.
        if posted.commit != head {
            pull.threads[old..].iter_mut().for_each(|t| person::carry(&git, t, &head));
        }
    }
    note_approval(state, full, number, posted.login, posted.event);
    if !pending {
        announce(state, full, number, id);
    }
    id
}

fn note_approval(state: &mut State, full: &str, number: u64, login: &str, event: Option<&str>) {
    if event == Some("APPROVE") && login == state.app.login() {
        state.approvals.push((full.to_owned(), number));
    }
}

fn word(event: Option<&str>) -> &'static str {
    match event {
        Some("APPROVE") => "APPROVED",
        Some("REQUEST_CHANGES") => "CHANGES_REQUESTED",
        Some(_) => "COMMENTED",
        None => "PENDING",
    }
}

/// A new thread with its first comment.
fn thread(state: &mut State, review: u64, posted: &Posted<'_>, place: Place, body: String) -> Thread {
    let now = state.now();
    let comment = Comment {
        id: state.id(),
        review,
        author: posted.login.to_owned(),
        body,
        reply_to: None,
        reactions: Vec::new(),
        minimized: None,
        hunk: place.hunk,
        created: now,
        updated: now,
    };
    Thread {
        id: state.id(),
        path: place.path,
        side: place.side,
        line: place.line,
        start_line: place.start,
        original_line: place.line,
        original_start_line: place.start,
        commit: posted.commit.to_owned(),
        outdated: false,
        resolved_by: None,
        comments: vec![comment],
    }
}

/// `pull_request_review.submitted` and one `pull_request_review_comment.created` a comment.
fn announce(state: &mut State, full: &str, number: u64, review: u64) {
    emit(state, full, number, review, "submitted");
    let ids: Vec<u64> = state.pull(full, number).map_or_else(Vec::new, |p| {
        p.threads.iter().flat_map(|t| &t.comments).filter(|c| c.review == review).map(|c| c.id).collect()
    });
    for id in ids {
        super::comments::emit(state, full, id, "created", None);
    }
}

fn emit(state: &mut State, full: &str, number: u64, review: u64, action: &str) {
    let Some(repo) = state.repo(full) else { return };
    let Some(pull) = repo.pulls.get(&number) else { return };
    let Some(found) = pull.reviews.iter().find(|r| r.id == review) else { return };
    let mut value = view::review(state, repo, pull, found);
    value["state"] = found.state.to_lowercase().into();
    value["updated_at"] = state.iso().into();
    let sender = found.author.clone();
    let mut fields = json!({ "review": value, "pull_request": view::pull(state, repo, pull) });
    if action == "edited" {
        fields["changes"] = json!({});
    }
    hooks::emit(
        state,
        Event { name: "pull_request_review", action: Some(action), repo: full, sender: &sender, fields },
    );
}

fn change(call: &mut Call<'_>, with: impl FnOnce(&mut Review) -> Result<(), Refusal>) -> Result<u64, Refusal> {
    let (full, number, id) = (call.full(), call.pull()?.1.number, call.number("review_id")?);
    let pull = call.state.pull_mut(&full, number).ok_or_else(Refusal::missing)?;
    with(pull.reviews.iter_mut().find(|r| r.id == id).ok_or_else(Refusal::missing)?)?;
    Ok(id)
}

fn edit(call: &mut Call<'_>) -> Outcome {
    let body = call.text("body").to_owned();
    rules::body_fits(&body)?;
    let id = change(call, |r| {
        r.body = body;
        Ok(())
    })?;
    emit(call.state, &call.full(), call.number("pull_number")?, id, "edited");
    show(call, id)
}

fn submit(call: &mut Call<'_>) -> Outcome {
    let (now, event, body) = (call.state.now(), call.text("event").to_owned(), call.text("body").to_owned());
    let (full, number, login) = (call.full(), call.number("pull_number")?, call.login());
    let id = change(call, |r| {
        if r.state != "PENDING" {
            return Err(Refusal::invalid("Can not submit a review that is not pending"));
        }
        r.state = word(Some(&event)).to_owned();
        r.submitted = Some(now);
        r.body = if body.is_empty() { std::mem::take(&mut r.body) } else { body };
        Ok(())
    })?;
    note_approval(call.state, &full, number, &login, Some(&event));
    announce(call.state, &full, number, id);
    show(call, id)
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let answer = show(call, call.number("review_id")?)?;
    let (full, number, id) = (call.full(), call.number("pull_number")?, call.number("review_id")?);
    let pull = call.state.pull_mut(&full, number).ok_or_else(Refusal::missing)?;
    if !pull.reviews.iter().any(|r| r.id == id && r.state == "PENDING") {
        return Err(Refusal::invalid("Can not delete a non-pending pull request review"));
    }
    pull.reviews.retain(|r| r.id != id);
    pull.threads.retain(|t| t.comments[0].review != id);
    Ok(answer)
}

fn dismiss(call: &mut Call<'_>) -> Outcome {
    let id = change(call, |r| match r.state.as_str() {
        "APPROVED" | "CHANGES_REQUESTED" => {
            r.state = "DISMISSED".to_owned();
            Ok(())
        }
        _ => Err(Refusal::invalid("Can not dismiss a commented pull request review")),
    })?;
    emit(call.state, &call.full(), call.number("pull_number")?, id, "dismissed");
    show(call, id)
}

/// A list of review comments in REST's form.
pub(super) fn comments_of(
    state: &State,
    repo: &Repository,
    pull: &Pull,
    wanted: impl Fn(&Comment) -> bool,
) -> Vec<Value> {
    let pending: Vec<u64> = pull.reviews.iter().filter(|r| r.state == "PENDING").map(|r| r.id).collect();
    let mut found: Vec<(&Thread, &Comment)> = pull
        .threads
        .iter()
        .flat_map(|t| t.comments.iter().map(move |c| (t, c)))
        .filter(|(_, c)| wanted(c) && !pending.contains(&c.review))
        .collect();
    found.sort_by_key(|(_, c)| c.id);
    found.into_iter().map(|(t, c)| view::comment(state, repo, pull, t, c)).collect()
}
