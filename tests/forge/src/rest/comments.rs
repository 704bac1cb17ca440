//! What does GitHub do with comments, in threads and in the conversation, and with reactions to them?

use super::pulls::changes;
use super::reviews::{self, Posted, comments_of};
use super::{Call, Outcome, unplayed};
use crate::hooks::{self, Event};
use crate::state::{Comment, IssueComment, Reaction, State};
use crate::wire::{Answer, Refusal};
use crate::{rules, view};
use serde_json::{Value, json};

pub(super) fn answer(operation: &str, call: &mut Call<'_>) -> Outcome {
    match operation {
        "pulls/list-comments-for-review" => of_review(call),
        "pulls/list-review-comments" => of_pull(call),
        "pulls/list-review-comments-for-repo" => of_repo(call),
        "pulls/create-review-comment" => create(call),
        "pulls/create-reply-for-review-comment" => reply_to(call),
        "pulls/get-review-comment" => show(call, call.number("comment_id")?, 200),
        "pulls/update-review-comment" => edit(call),
        "pulls/delete-review-comment" => delete(call),
        "issues/list-comments" | "issues/list-comments-for-repo" => issue_list(call),
        "issues/create-comment" => issue_create(call),
        "issues/get-comment" => issue_show(call, call.number("comment_id")?, 200),
        "issues/update-comment" => issue_edit(call),
        "issues/delete-comment" => issue_delete(call),
        other if other.starts_with("reactions/") => reactions(other, call),
        other => Err(unplayed(other)),
    }
}

fn of_review(call: &mut Call<'_>) -> Outcome {
    let (repo, pull) = call.pull()?;
    let id = call.number("review_id")?;
    Ok(Answer::Json(200, comments_of(call.state, repo, pull, |c| c.review == id).into()))
}

fn since(call: &Call<'_>) -> String {
    call.request.query("since").unwrap_or_default().to_owned()
}

fn of_pull(call: &mut Call<'_>) -> Outcome {
    let (repo, pull) = call.pull()?;
    let since = since(call);
    Ok(Answer::Json(200, comments_of(call.state, repo, pull, |c| crate::clock::iso(c.updated) >= since).into()))
}

fn of_repo(call: &mut Call<'_>) -> Outcome {
    let repo = call.repo()?;
    let since = since(call);
    let list =
        repo.pulls.values().flat_map(|p| comments_of(call.state, repo, p, |c| crate::clock::iso(c.updated) >= since));
    Ok(Answer::Json(200, list.collect()))
}

fn show(call: &Call<'_>, id: u64, status: u16) -> Outcome {
    let repo = call.repo()?;
    let (number, t, c) = call.state.find_comment(&call.full(), id).ok_or_else(Refusal::missing)?;
    let pull = repo.pulls.get(&number).ok_or_else(Refusal::missing)?;
    let thread = &pull.threads[t];
    Ok(Answer::Json(status, view::comment(call.state, repo, pull, thread, &thread.comments[c])))
}

fn create(call: &mut Call<'_>) -> Outcome {
    let (full, login, body) = (call.full(), call.login(), call.text("body").to_owned());
    rules::body_fits(&body)?;
    if let Some(first) = call.body["in_reply_to"].as_u64() {
        let id = reply(call.state, &full, first, &login, &body)?;
        return show(call, id, 201);
    }
    let (repo, pull) = call.pull()?;
    let commit = reviews::commit(repo, pull, call.body["commit_id"].as_str())?;
    let place = rules::place(&call.body, &changes(repo, pull, &commit)?)?;
    let number = pull.number;
    let posted = Posted { login: &login, commit: &commit, body: "", event: Some("COMMENT") };
    let review = reviews::post(call.state, &full, number, &posted, vec![(place, body)]);
    let pull = call.state.pull(&full, number).ok_or_else(Refusal::missing)?;
    let id = pull.threads.iter().flat_map(|t| &t.comments).find(|c| c.review == review).map(|c| c.id);
    show(call, id.ok_or_else(Refusal::missing)?, 201)
}

fn reply_to(call: &mut Call<'_>) -> Outcome {
    let (full, login, body) = (call.full(), call.login(), call.text("body").to_owned());
    rules::body_fits(&body)?;
    let number = call.pull()?.1.number;
    let first = call.number("comment_id")?;
    match call.state.find_comment(&full, first) {
        Some((n, _, 0)) if n == number => {}
        Some((n, ..)) if n == number => return Err(Refusal::invalid("in_reply_to is a reply itself")),
        _ => return Err(Refusal::missing()),
    }
    let id = reply(call.state, &full, first, &login, &body)?;
    show(call, id, 201)
}

/// Adds a reply to the thread of a comment; each reply is a review of its own, as on GitHub.
pub(crate) fn reply(state: &mut State, full: &str, to: u64, login: &str, body: &str) -> Result<u64, Refusal> {
    let (number, t, _) = state.find_comment(full, to).ok_or_else(Refusal::missing)?;
    let head = state.pull(full, number).map(|p| p.head_sha.clone()).unwrap_or_default();
    let posted = Posted { login, commit: &head, body: "", event: Some("COMMENT") };
    let review = reviews::post(state, full, number, &posted, Vec::new());
    let (id, now) = (state.id(), state.now());
    let pull = state.pull_mut(full, number).ok_or_else(Refusal::missing)?;
    let first = pull.threads[t].comments[0].clone();
    let reply = Comment {
        id,
        review,
        author: login.to_owned(),
        body: body.to_owned(),
        reply_to: Some(first.id),
        reactions: Vec::new(),
        minimized: None,
        created: now,
        updated: now,
        hunk: first.hunk,
    };
    pull.threads[t].comments.push(reply);
    emit(state, full, id, "created", None);
    Ok(id)
}

/// Tells the app of a review comment; `who` where it is not its author.
pub(crate) fn emit(state: &mut State, full: &str, id: u64, action: &str, who: Option<(&str, Option<&str>)>) {
    let Some((number, t, c)) = state.find_comment(full, id) else { return };
    let Some(repo) = state.repo(full) else { return };
    let pull = &repo.pulls[&number];
    let thread = &pull.threads[t];
    let comment = &thread.comments[c];
    let mut fields = json!({
        "comment": view::comment(state, repo, pull, thread, comment), "pull_request": view::pull(state, repo, pull),
    });
    if let Some((_, Some(from))) = who {
        fields["changes"] = json!({ "body": { "from": from } });
    }
    let sender = who.map_or_else(|| comment.author.clone(), |(login, _)| login.to_owned());
    let name = "pull_request_review_comment";
    hooks::emit(state, Event { name, action: Some(action), repo: full, sender: &sender, fields });
}

fn edit(call: &mut Call<'_>) -> Outcome {
    let (full, id, body, now) =
        (call.full(), call.number("comment_id")?, call.text("body").to_owned(), call.state.now());
    call.repo()?;
    rules::body_fits(&body)?;
    let comment = call.state.comment_mut(&full, id).ok_or_else(Refusal::missing)?;
    let before = std::mem::replace(&mut comment.body, body);
    comment.updated = now;
    let login = call.login();
    emit(call.state, &full, id, "edited", Some((&login, Some(&before))));
    show(call, id, 200)
}

fn delete(call: &mut Call<'_>) -> Outcome {
    let (full, id, login) = (call.full(), call.number("comment_id")?, call.login());
    call.repo()?;
    let (number, t, c) = call.state.find_comment(&full, id).ok_or_else(Refusal::missing)?;
    emit(call.state, &full, id, "deleted", Some((&login, None)));
    if let Some(pull) = call.state.pull_mut(&full, number) {
        pull.threads[t].comments.remove(c);
        pull.threads.retain(|t| !t.comments.is_empty());
    }
    Ok(Answer::Json(204, Value::Null))
}

fn issue_list(call: &mut Call<'_>) -> Outcome {
    let repo = call.repo()?;
    let number = call.params.get("issue_number").and_then(|n| n.parse::<u64>().ok());
    if number.is_some_and(|n| !repo.pulls.contains_key(&n)) {
        return Err(Refusal::missing());
    }
    let since = since(call);
    let shown = repo.comments.iter().filter(|c| number.is_none_or(|n| n == c.pull));
    let shown = shown.filter(|c| crate::clock::iso(c.updated) >= since);
    Ok(Answer::Json(200, shown.map(|c| view::issue_comment(call.state, repo, c)).collect()))
}

fn issue_show(call: &Call<'_>, id: u64, status: u16) -> Outcome {
    let repo = call.repo()?;
    let comment = repo.comments.iter().find(|c| c.id == id).ok_or_else(Refusal::missing)?;
    Ok(Answer::Json(status, view::issue_comment(call.state, repo, comment)))
}

fn issue_create(call: &mut Call<'_>) -> Outcome {
    let (full, login, number) = (call.full(), call.login(), call.number("issue_number")?);
    let body = call.text("body").to_owned();
    rules::body_fits(&body)?;
    if !call.repo()?.pulls.contains_key(&number) {
        return Err(Refusal::missing());
    }
    let id = say(call.state, &full, number, &login, &body);
    issue_show(call, id, 201)
}

/// Adds a comment to a pull request's conversation.
pub(crate) fn say(state: &mut State, full: &str, number: u64, login: &str, body: &str) -> u64 {
    let (id, now) = (state.id(), state.now());
    state.user(login);
    let comment = IssueComment {
        id,
        pull: number,
        author: login.to_owned(),
        body: body.to_owned(),
        reactions: Vec::new(),
        minimized: None,
        created: now,
        updated: now,
    };
    if let Some(repo) = state.repos.get_mut(full) {
        repo.comments.push(comment);
    }
    issue_emit(state, full, id, "created", login, None);
    id
}

fn issue_emit(state: &mut State, full: &str, id: u64, action: &str, login: &str, before: Option<&str>) {
    let Some(repo) = state.repo(full) else { return };
    let Some(comment) = repo.comments.iter().find(|c| c.id == id) else { return };
    let mut fields = json!({
        "comment": view::issue_comment(state, repo, comment),
        "issue": view::issue(state, repo, &repo.pulls[&comment.pull]),
    });
    if let Some(before) = before {
        fields["changes"] = json!({ "body": { "from": before } });
    }
    hooks::emit(state, Event { name: "issue_comment", action: Some(action), repo: full, sender: login, fields });
}

fn issue_edit(call: &mut Call<'_>) -> Outcome {
    let (id, body, now, login) =
        (call.number("comment_id")?, call.text("body").to_owned(), call.state.now(), call.login());
    rules::body_fits(&body)?;
    let comment = call.repo_mut()?.comments.iter_mut().find(|c| c.id == id).ok_or_else(Refusal::missing)?;
    let before = std::mem::replace(&mut comment.body, body);
    comment.updated = now;
    let full = call.full();
    issue_emit(call.state, &full, id, "edited", &login, Some(&before));
    issue_show(call, id, 200)
}

fn issue_delete(call: &mut Call<'_>) -> Outcome {
    let (id, login, full) = (call.number("comment_id")?, call.login(), call.full());
    issue_show(call, id, 200)?;
    issue_emit(call.state, &full, id, "deleted", &login, None);
    call.repo_mut()?.comments.retain(|c| c.id != id);
    Ok(Answer::Json(204, Value::Null))
}

/// The reactions of the comment with this number, in a thread or in the conversation.
pub(crate) fn reactions_of<'a>(state: &'a mut State, full: &str, id: u64) -> Option<&'a mut Vec<Reaction>> {
    if state.find_comment(full, id).is_some() {
        return state.comment_mut(full, id).map(|c| &mut c.reactions);
    }
    state.repos.get_mut(full)?.comments.iter_mut().find(|c| c.id == id).map(|c| &mut c.reactions)
}

/// Adds a reaction, once a person and content. No webhook: GitHub sends none.
pub(crate) fn react(state: &mut State, full: &str, id: u64, login: &str, content: &str) -> Option<(bool, Reaction)> {
    let new = Reaction { id: state.id(), user: state.user(login).login, content: content.to_owned(), at: state.now() };
    let list = reactions_of(state, full, id)?;
    if let Some(old) = list.iter().find(|r| r.user == login && r.content == content) {
        return Some((false, old.clone()));
    }
    list.push(new.clone());
    Some((true, new))
}

fn reactions(operation: &str, call: &mut Call<'_>) -> Outcome {
    let (full, id, login) = (call.full(), call.number("comment_id")?, call.login());
    call.repo()?;
    let threaded = call.state.find_comment(&full, id).is_some();
    if operation.contains("issue-comment") == threaded {
        return Err(Refusal::missing());
    }
    if operation.starts_with("reactions/create") {
        let content = call.text("content").to_owned();
        let (new, reaction) = react(call.state, &full, id, &login, &content).ok_or_else(Refusal::missing)?;
        return Ok(Answer::Json(if new { 201 } else { 200 }, view::reaction(call.state, &reaction)));
    }
    let list = reactions_of(call.state, &full, id).ok_or_else(Refusal::missing)?;
    if operation.starts_with("reactions/delete") {
        let number: u64 = call.params["reaction_id"].parse().map_err(|_| Refusal::missing())?;
        list.retain(|r| r.id != number);
        return Ok(Answer::Json(204, Value::Null));
    }
    let wanted = call.request.query("content");
    let list = list.clone();
    let shown = list.iter().filter(|r| wanted.is_none_or(|w| w == r.content));
    Ok(Answer::Json(200, shown.map(|r| view::reaction(call.state, r)).collect()))
}
