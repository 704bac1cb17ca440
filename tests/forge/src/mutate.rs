//! What do GraphQL's mutations do?

use crate::auth::Who;
use crate::clock::iso;
use crate::graph::{CONTENTS, Found, actor, inside, node_ref};
use crate::graphql::Graph;
use crate::rest::{self, comments};
use crate::state::State;
use crate::{person, view};
use serde_json::{Value, json};

/// A field of the mutation's root: does it, and gives its payload.
pub(crate) fn mutate(graph: &Graph<'_>, name: &str, input: &Value) -> Found {
    may_write(&graph.who)?;
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    let target = ["threadId", "subjectId", "pullRequestReviewThreadId"].iter().find_map(|n| input[*n].as_str());
    let id = target.unwrap_or_default();
    let (full, number) =
        owner(graph, id).ok_or_else(|| format!("Could not resolve to a node with the global id of '{id}'"))?;
    let state = &mut **graph.state.borrow_mut();
    let login = graph.who.login(state);
    let kind = { name[..1].to_uppercase() + &name[1..] + "Payload" };
    let mut payload = json!({ "__typename": kind, "clientMutationId": input["clientMutationId"] });
    match name {
        "resolveReviewThread" | "unresolveReviewThread" => {
            person::resolve(state, &full, number, &login, name == "resolveReviewThread").map_err(|e| e.to_string())?;
            payload["thread"] = json!({ "@": id });
        }
        "minimizeComment" | "unminimizeComment" => {
            let reason = (name == "minimizeComment").then(|| text("classifier"));
            minimize(state, &full, number, reason);
            payload[if name == "minimizeComment" { "minimizedComment" } else { "unminimizedComment" }] =
                json!({ "@": id });
        }
        "addReaction" | "removeReaction" => {
            let content = text("content");
            let rest = CONTENTS.iter().find(|c| c.1 == content).map_or("", |c| c.0);
            react(state, &full, (number, &login, rest), name == "addReaction", &mut payload);
            payload["subject"] = json!({ "@": id });
        }
        "addPullRequestReviewThreadReply" => {
            let first = first_of(state, &full, number).ok_or("no such thread")?;
            let made = comments::reply(state, &full, first, &login, &text("body")).map_err(|e| e.message)?;
            payload["comment"] = node_ref("PRRC", made);
        }
        _ => return Ok(None),
    }
    Ok(Some(payload))
}

fn may_write(who: &Who) -> Result<(), String> {
    match who {
        Who::Installation { permissions, .. } if permissions.get("pull_requests").is_none_or(|p| p != "write") => {
            Err("Resource not accessible by integration".to_owned())
        }
        _ => Ok(()),
    }
}

/// The repository a node is in, and its number.
fn owner(graph: &Graph<'_>, id: &str) -> Option<(String, u64)> {
    let (kind, number) = id.split_once('_')?;
    let number: u64 = number.parse().ok()?;
    let state = graph.state.borrow();
    let mut seen = state.repos.values().filter(|r| rest::sees(&state, &graph.who, r));
    seen.find(|repo| inside(graph, &state, repo, kind, number).is_some()).map(|r| (r.full_name(), number))
}

fn first_of(state: &State, full: &str, thread: u64) -> Option<u64> {
    let mut threads = state.repo(full)?.pulls.values().flat_map(|p| &p.threads);
    threads.find(|t| t.id == thread).and_then(|t| t.comments.first()).map(|c| c.id)
}

fn minimize(state: &mut State, full: &str, id: u64, reason: Option<String>) {
    if let Some(comment) = state.comment_mut(full, id) {
        comment.minimized = reason;
        return;
    }
    let comments = state.repos.get_mut(full).map(|r| r.comments.iter_mut());
    if let Some(comment) = comments.into_iter().flatten().find(|c| c.id == id) {
        comment.minimized = reason;
    }
}

fn react(state: &mut State, full: &str, (id, login, content): (u64, &str, &str), add: bool, payload: &mut Value) {
    let name = CONTENTS.iter().find(|c| c.0 == content).map_or("", |c| c.1);
    let mut value = json!({ "__typename": "Reaction", "content": name, "user": actor(state, login) });
    if add {
        if let Some((_, made)) = comments::react(state, full, id, login, content) {
            value["id"] = view::node("REA", made.id).into();
            value["databaseId"] = made.id.into();
            value["createdAt"] = iso(made.at).into();
        }
    } else if let Some(list) = comments::reactions_of(state, full, id) {
        list.retain(|r| r.user != login || r.content != content);
    }
    payload["reaction"] = value;
}
