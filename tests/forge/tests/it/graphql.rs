//! Are GraphQL operations validated by GitHub's schema and answered from the state?

use crate::kit::{Scene, scene};
use serde_json::{Value, json};

const THREADS: &str = "query($owner: String!, $name: String!, $number: Int!, $first: Int!, $after: String) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) {
    author { login ... on User { databaseId } }
    reviewThreads(first: $first, after: $after) {
      pageInfo { hasNextPage endCursor }
      nodes { id isResolved isOutdated resolvedBy { login } path line
        comments(first: 20) { nodes { ...said } } } }
    commits(last: 1) { nodes { commit { oid messageHeadline } } } } } }
fragment said on PullRequestReviewComment {
  id fullDatabaseId body outdated mine: viewerDidAuthor isMinimized minimizedReason author { __typename login }
  replyTo { fullDatabaseId }
  reactionGroups { content reactors(first: 10) { totalCount nodes { ... on User { login } } } } }";

fn ask(scene: &Scene, query: &str, variables: Value) -> Value {
    let (status, answer) = scene.call("POST", "/graphql", Some(json!({ "query": query, "variables": variables })));
    assert_eq!(status, 200, "{answer}");
    answer
}

fn threads(scene: &Scene, first: u64, after: Option<&str>) -> Value {
    let variables = json!({ "owner": "acme", "name": "demo", "number": scene.pull, "first": first, "after": after });
    let answer = ask(scene, THREADS, variables);
    assert_eq!(answer.get("errors"), None, "{answer}");
    answer["data"]["repository"]["pullRequest"].clone()
}

fn review(scene: &Scene) {
    let comment = |line: u64| json!({ "path": "src/main.rs", "line": line, "body": format!("line {line}") });
    let body = json!({ "event": "COMMENT", "body": "two", "comments": [comment(2), comment(3)] });
    let (status, answer) = scene.call("POST", &format!("/repos/acme/demo/pulls/{}/reviews", scene.pull), Some(body));
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn threads_reactions_and_commits_are_answered() {
    let scene = scene();
    review(&scene);
    let first = scene.repo.threads(scene.pull)[0].comments[0].id;
    scene.repo.react(first, "alice", "-1").unwrap();
    let reply = scene.repo.reply(first, "alice", "no").unwrap();
    scene.repo.resolve(first, "alice").unwrap();

    let pull = threads(&scene, 50, None);
    let nodes = &pull["reviewThreads"]["nodes"];
    assert_eq!((&nodes[0]["isResolved"], &nodes[0]["resolvedBy"]["login"]), (&json!(true), &json!("alice")));
    assert_eq!((&nodes[1]["isResolved"], &nodes[1]["line"]), (&json!(false), &json!(3)));
    let said = &nodes[0]["comments"]["nodes"];
    assert_eq!(said[0]["author"], json!({ "__typename": "Bot", "login": "apprentice[bot]" }));
    assert_eq!((&said[0]["mine"], &said[1]["mine"]), (&json!(true), &json!(false)));
    assert_eq!(said[1]["fullDatabaseId"], json!(reply.to_string()));
    assert_eq!(said[1]["replyTo"]["fullDatabaseId"], json!(first.to_string()));
    let down = said[0]["reactionGroups"].as_array().unwrap().iter().find(|g| g["content"] == "THUMBS_DOWN").unwrap();
    assert_eq!(down["reactors"], json!({ "totalCount": 1, "nodes": [{ "login": "alice" }] }));
    assert_eq!(pull["commits"]["nodes"][0]["commit"]["oid"], json!(scene.repo.head("topic").unwrap()));
    scene.honest();
}

#[test]
fn pages_follow_each_other() {
    let scene = scene();
    review(&scene);
    let one = threads(&scene, 1, None);
    assert_eq!(one["reviewThreads"]["pageInfo"]["hasNextPage"], json!(true));
    let two = threads(&scene, 1, one["reviewThreads"]["pageInfo"]["endCursor"].as_str());
    assert_eq!(two["reviewThreads"]["pageInfo"]["hasNextPage"], json!(false));
    assert_ne!(one["reviewThreads"]["nodes"], two["reviewThreads"]["nodes"]);
    scene.honest();
}

#[test]
fn mutations_change_the_state() {
    let scene = scene();
    review(&scene);
    let thread = scene.repo.threads(scene.pull)[0].clone();
    let (id, comment) = (format!("PRRT_{}", thread.id), format!("PRRC_{}", thread.comments[0].id));
    let resolve = "mutation($id: ID!) { resolveReviewThread(input: { threadId: $id, clientMutationId: \"x\" }) {
        clientMutationId thread { isResolved } } }";
    let answer = ask(&scene, resolve, json!({ "id": id }));
    let wanted = json!({ "clientMutationId": "x", "thread": { "isResolved": true } });
    assert_eq!(answer["data"]["resolveReviewThread"], wanted, "{answer}");
    let hide = "mutation($id: ID!) { minimizeComment(input: { subjectId: $id, classifier: OUTDATED }) {
        minimizedComment { isMinimized minimizedReason } } }";
    let answer = ask(&scene, hide, json!({ "id": comment }));
    assert_eq!(answer["data"]["minimizeComment"]["minimizedComment"]["minimizedReason"], json!("outdated"), "{answer}");
    let react = "mutation($id: ID!) { addReaction(input: { subjectId: $id, content: EYES }) {
        reaction { content } subject { id } } }";
    let answer = ask(&scene, react, json!({ "id": comment }));
    assert_eq!(answer["data"]["addReaction"]["reaction"]["content"], json!("EYES"), "{answer}");
    let open = resolve.replace("resolveReviewThread(", "unresolveReviewThread(");
    ask(&scene, &open, json!({ "id": id }));

    let after = scene.repo.threads(scene.pull)[0].clone();
    assert_eq!((after.resolved_by, after.comments[0].minimized.as_deref()), (None, Some("OUTDATED")));
    assert_eq!(after.comments[0].reactions[0].content, "eyes");
    scene.honest();
}

#[test]
fn what_the_schema_does_not_know_is_a_violation() {
    for query in [
        "{ viewer { login shoeSize } }",
        "{ viewer { login(first: 3) } }",
        "query($n: Int!) { repository(owner: \"acme\", name: \"demo\") { pullRequest(number: $n) { id } } }",
        "{ repository(owner: \"acme\", name: \"demo\") { pullRequest(number: 1) { reviewThreads { totalCount } } } }",
        "not graphql",
    ] {
        let scene = scene();
        let answer = ask(&scene, query, json!({}));
        assert!(answer["errors"].is_array(), "{query}: {answer}");
        let found = scene.forge.violations();
        assert!(found.iter().any(|v| v.kind == "graphql"), "{query}: {found:?}");
    }
}

#[test]
fn what_is_not_there_is_an_error_but_no_violation() {
    let scene = scene();
    let answer = ask(&scene, "{ repository(owner: \"acme\", name: \"none\") { id } }", json!({}));
    assert!(answer["errors"][0]["message"].as_str().unwrap().starts_with("Could not resolve to a Repository"));
    scene.forge.permit("acme", &[("pull_requests", "read")]);
    let token = crate::kit::mint(&scene.forge);
    let comment = scene.repo.comment(1, "alice", "x");
    let hide = "mutation($id: ID!) { minimizeComment(input: { subjectId: $id, classifier: OUTDATED }) {
        minimizedComment { isMinimized } } }";
    let body = json!({ "query": hide, "variables": { "id": format!("IC_{comment}") } });
    let (_, answer) = crate::kit::call(&scene.forge, "POST", "/graphql", &token, Some(body));
    assert_eq!(answer["errors"][0]["message"], json!("Resource not accessible by integration"));
    scene.honest();
}
