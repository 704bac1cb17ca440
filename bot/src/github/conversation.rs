//! Everything that was said in a pull request, through GraphQL: it alone knows threads, who reacted, and what is ours.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Api, decode};
use crate::{
    clock,
    forge::{Answer, Conversation, Place, Reaction, Said, Thread},
};

/// The most pages of each kind; a pull request with more threads than this has other troubles.
const PAGES: usize = 40;

const COMMENT: &str = "fragment said on Comment { id body createdAt viewerDidAuthor author { login } } \
    fragment reactions on Reactable { reactionGroups { content reactors(first: 20) { nodes { ... on User { login } } } } }";

const THREADS: &str = "query($owner: String!, $name: String!, $number: Int!, $after: String) { \
    repository(owner: $owner, name: $name) { pullRequest(number: $number) { reviewThreads(first: 50, after: $after) { \
    pageInfo { hasNextPage endCursor } nodes { id path isResolved isOutdated resolvedBy { login } comments(first: 50) { \
    nodes { fullDatabaseId isMinimized ...said ...reactions } } } } } } }";

const REVIEWS: &str = "query($owner: String!, $name: String!, $number: Int!, $after: String) { \
    repository(owner: $owner, name: $name) { pullRequest(number: $number) { reviews(first: 50, after: $after) { \
    pageInfo { hasNextPage endCursor } nodes { fullDatabaseId isMinimized ...said ...reactions } } } } }";

const COMMENTS: &str = "query($owner: String!, $name: String!, $number: Int!, $after: String) { \
    repository(owner: $owner, name: $name) { pullRequest(number: $number) { comments(first: 50, after: $after) { \
    pageInfo { hasNextPage endCursor } nodes { fullDatabaseId isMinimized ...said ...reactions } } } } }";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ThreadWire {
    id: String,
    path: String,
    is_resolved: bool,
    is_outdated: bool,
    resolved_by: Option<ActorWire>,
    comments: Nodes<SaidWire>,
}

#[derive(Deserialize)]
struct Nodes<T> {
    nodes: Vec<T>,
}

#[derive(Deserialize)]
struct ActorWire {
    // An actor that is no user has no login here.
    login: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SaidWire {
    id: String,
    full_database_id: Option<Value>,
    body: String,
    created_at: String,
    viewer_did_author: bool,
    is_minimized: bool,
    author: Option<ActorWire>,
    reaction_groups: Option<Vec<GroupWire>>,
}

#[derive(Deserialize)]
struct GroupWire {
    content: String,
    reactors: Nodes<ActorWire>,
}

pub(super) async fn read(api: &Api, place: &Place) -> Answer<Conversation> {
    let threads: Vec<ThreadWire> = all(api, place, THREADS, "reviewThreads").await?;
    let reviews: Vec<SaidWire> = all(api, place, REVIEWS, "reviews").await?;
    let comments: Vec<SaidWire> = all(api, place, COMMENTS, "comments").await?;
    Ok(Conversation {
        threads: threads.into_iter().map(thread).collect(),
        reviews: reviews.into_iter().map(said).collect(),
        comments: comments.into_iter().map(said).collect(),
    })
}

async fn all<T: serde::de::DeserializeOwned>(api: &Api, place: &Place, query: &str, field: &str) -> Answer<Vec<T>> {
    let what = format!("what was said in {place}");
    let (owner, name) = place.repo.as_str().split_once('/').unwrap_or_default();
    let (mut all, mut after) = (Vec::new(), Value::Null);
    for _ in 0..PAGES {
        let variables = json!({ "owner": owner, "name": name, "number": place.number, "after": after });
        let mut data = api.graphql(&format!("{query} {COMMENT}"), &variables, &what).await?;
        let list = &mut data["repository"]["pullRequest"][field];
        all.extend(decode::<Vec<T>>(&what, list["nodes"].take())?);
        if list["pageInfo"]["hasNextPage"] != true {
            break;
        }
        after = list["pageInfo"]["endCursor"].take();
    }
    Ok(all)
}

fn thread(wire: ThreadWire) -> Thread {
    Thread {
        node: wire.id,
        path: wire.path,
        is_resolved: wire.is_resolved,
        resolved_by: wire.resolved_by.and_then(|actor| actor.login),
        is_outdated: wire.is_outdated,
        comments: wire.comments.nodes.into_iter().map(said).collect(),
    }
}

fn said(wire: SaidWire) -> Said {
    let reaction = |group: GroupWire| Reaction {
        content: group.content,
        by: group.reactors.nodes.into_iter().filter_map(|actor| actor.login).collect(),
    };
    let groups = wire.reaction_groups.unwrap_or_default().into_iter().map(reaction);
    Said {
        id: wire.full_database_id.as_ref().and_then(number).unwrap_or_default(),
        node: wire.id,
        author: wire.author.and_then(|actor| actor.login).unwrap_or_default(),
        is_ours: wire.viewer_did_author,
        is_minimized: wire.is_minimized,
        body: wire.body,
        at: clock::parse_iso(&wire.created_at).unwrap_or_default(),
        reactions: groups.filter(|reaction| !reaction.by.is_empty()).collect(),
    }
}

/// A `BigInt` comes as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
