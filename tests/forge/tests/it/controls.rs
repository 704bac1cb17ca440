//! Is the checker alive? Planted mistakes must each be seen.

use crate::kit::{call, client, scene};
use serde_json::{Value, json};

/// A violation of the kind whose words hold the text.
fn seen(forge: &forge::Forge, kind: &str, text: &str) {
    let found = forge.violations();
    assert!(found.iter().any(|v| v.kind == kind && v.what.contains(text)), "no {kind} `{text}` in {found:#?}");
}

#[test]
fn a_misspelt_field_is_seen_at_every_depth() {
    let scene = scene();
    let path = format!("/repos/acme/demo/pulls/{}/reviews", scene.pull);
    scene.call("POST", &path, Some(json!({ "event": "COMMENT", "bdoy": "x", "body": "x" })));
    seen(&scene.forge, "request", "bdoy");
    let comment = json!({ "path": "src/main.rs", "lien": 2, "line": 2, "body": "x" });
    scene.call("POST", &path, Some(json!({ "event": "COMMENT", "body": "x", "comments": [comment] })));
    seen(&scene.forge, "request", "lien");
}

#[test]
fn wrong_types_and_words_are_seen_and_refused() {
    let scene = scene();
    let path = format!("/repos/acme/demo/pulls/{}/reviews", scene.pull);
    assert_eq!(scene.call("POST", &path, Some(json!({ "event": "APROVE", "body": "x" }))).0, 422);
    seen(&scene.forge, "request", "APROVE");
    let comment = json!({ "path": "src/main.rs", "line": "2", "body": "x" });
    assert_eq!(scene.call("POST", &path, Some(json!({ "body": "x", "comments": [comment] }))).0, 422);
    seen(&scene.forge, "request", "line");
    assert_eq!(scene.call("POST", "/repos/acme/demo/check-runs", Some(json!({ "name": "x" }))).0, 422);
    seen(&scene.forge, "request", "head_sha");
}

#[test]
fn a_check_run_completed_without_a_conclusion_is_seen() {
    let scene = scene();
    let head = scene.repo.head("topic").unwrap();
    let (_, run) = scene.call("POST", "/repos/acme/demo/check-runs", Some(json!({ "name": "x", "head_sha": head })));
    let path = format!("/repos/acme/demo/check-runs/{}", run["id"]);
    assert_eq!(scene.call("PATCH", &path, Some(json!({ "status": "completed" }))).0, 422);
    seen(&scene.forge, "request", "anyOf");
}

#[test]
fn an_unknown_query_parameter_is_seen() {
    let scene = scene();
    assert_eq!(scene.call("GET", "/repos/acme/demo/pulls?per_pages=3", None).0, 200);
    seen(&scene.forge, "request", "per_pages");
    assert_eq!(scene.call("GET", "/repos/acme/demo/pulls?state=opne", None).0, 422);
    seen(&scene.forge, "request", "state");
}

#[test]
fn an_unknown_path_is_seen() {
    let scene = scene();
    assert_eq!(scene.call("GET", "/api/v3/repos/acme/demo", None).0, 404);
    assert_eq!(scene.call("DELETE", "/repos/acme/demo/pulls", None).0, 404);
    assert_eq!(scene.forge.violations().iter().filter(|v| v.kind == "route").count(), 2);
}

#[test]
fn a_wrong_content_type_is_seen() {
    let scene = scene();
    let url = format!("{}/repos/acme/demo/issues/{}/comments", scene.forge.url(), scene.pull);
    let send = client().post(url).bearer_auth(&scene.token).header("content-type", "text/plain");
    send.body(r#"{"body":"x"}"#).send().unwrap();
    seen(&scene.forge, "request", "text/plain");
}

#[test]
fn more_annotations_than_allowed_are_seen_and_refused() {
    let scene = scene();
    let note = json!({ "path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "x" });
    let notes: Vec<Value> = std::iter::repeat_n(note, 51).collect();
    let output = json!({ "title": "t", "summary": "s", "annotations": notes });
    let head = scene.repo.head("topic").unwrap();
    let body = json!({ "name": "x", "head_sha": head, "output": output });
    assert_eq!(scene.call("POST", "/repos/acme/demo/check-runs", Some(body)).0, 422);
    seen(&scene.forge, "request", "annotations");
}

#[test]
fn a_wrong_token_for_git_is_seen() {
    let scene = scene();
    let url = format!("{}/acme/demo.git/info/refs?service=git-upload-pack", scene.forge.url());
    let answer = client().get(url).basic_auth("x-access-token", Some("ghs_wrong")).send().unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    seen(&scene.forge, "auth", "Bad credentials");
}

#[test]
fn right_requests_leave_nothing_behind() {
    let scene = scene();
    for path in [
        "/repos/acme/demo",
        "/repos/acme/demo/pulls?state=all&per_page=100",
        "/repos/acme/demo/pulls/1",
        "/repos/acme/demo/pulls/1/files",
        "/repos/acme/demo/pulls/1/commits",
        "/repos/acme/demo/pulls/1/reviews",
        "/repos/acme/demo/pulls/1/comments",
        "/repos/acme/demo/pulls/comments?since=2020-01-01T00:00:00Z",
        "/repos/acme/demo/issues/1/comments",
        "/repos/acme/demo/issues/comments",
        "/repos/acme/demo/branches/main",
        "/repos/acme/demo/branches/topic",
        "/repos/acme/demo/commits",
        "/repos/acme/demo/commits/topic",
        "/repos/acme/demo/commits/topic/check-runs",
        "/repos/acme/demo/compare/main...topic",
        "/repos/acme/demo/contents/src/main.rs?ref=topic",
        "/repos/acme/demo/collaborators/alice/permission",
        "/repos/acme/demo/git/ref/heads/topic",
        "/installation/repositories",
        "/rate_limit",
        "/meta",
        "/",
        "/users/alice",
    ] {
        let (status, answer) = scene.call("GET", path, None);
        assert_eq!(status, 200, "{path}: {answer}");
    }
    let person = scene.forge.token("alice");
    assert_eq!(call(&scene.forge, "GET", "/user", &person, None).0, 200);
    let jwt = scene.forge.app_jwt().unwrap();
    for path in
        ["/app", "/app/installations", "/app/hook/deliveries", "/app/hook/config", "/repos/acme/demo/installation"]
    {
        let (status, answer) = call(&scene.forge, "GET", path, &jwt, None);
        assert_eq!(status, 200, "{path}: {answer}");
    }
    scene.honest();
}
