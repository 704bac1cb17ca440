//! Does every operation of the contract answer as described?

use crate::kit::{Scene, call, client, mint, scene};
use forge::Way;
use serde_json::{Value, json};

fn ok(scene: &Scene, method: &str, path: &str, body: Option<Value>, wanted: u16) -> Value {
    let (status, answer) = scene.call(method, &format!("/repos/acme/demo{path}"), body);
    assert_eq!(status, wanted, "{method} {path}: {answer}");
    answer
}

#[test]
fn a_review_is_written_sent_edited_dismissed_or_thrown_away() {
    let scene = scene();
    let place = json!({ "path": "src/main.rs", "line": 2, "body": "x" });
    let draft = json!({ "body": "later", "comments": [place] });
    let pending = ok(&scene, "POST", "/pulls/1/reviews", Some(draft.clone()), 200);
    assert_eq!(pending["state"], json!("PENDING"));
    assert_eq!(ok(&scene, "GET", "/pulls/1/comments", None, 200), json!([]));
    ok(&scene, "DELETE", &format!("/pulls/1/reviews/{}", pending["id"]), None, 200);
    assert_eq!(scene.repo.threads(1).len(), 0);
    let pending = ok(&scene, "POST", "/pulls/1/reviews", Some(draft), 200);
    let path = format!("/pulls/1/reviews/{}", pending["id"]);
    let events = format!("{path}/events");
    let sent = ok(&scene, "POST", &events, Some(json!({ "event": "REQUEST_CHANGES", "body": "now" })), 200);
    assert_eq!((&sent["state"], &sent["body"]), (&json!("CHANGES_REQUESTED"), &json!("now")));
    ok(&scene, "POST", &events, Some(json!({ "event": "COMMENT", "body": "again" })), 422);
    ok(&scene, "PUT", &path, Some(json!({ "body": "edited" })), 200);
    let list = ok(&scene, "GET", &format!("{path}/comments"), None, 200);
    assert_eq!(list.as_array().unwrap().len(), 1);
    let gone = ok(&scene, "PUT", &format!("{path}/dismissals"), Some(json!({ "message": "no" })), 200);
    assert_eq!(gone["state"], json!("DISMISSED"));
    assert_eq!(ok(&scene, "GET", &path, None, 200)["body"], json!("edited"));
    scene.honest();
}

#[test]
fn review_comments_are_written_answered_edited_and_deleted() {
    let scene = scene();
    let head = scene.repo.head("topic").unwrap();
    let place = json!({ "path": "src/main.rs", "line": 2, "side": "RIGHT", "body": "x", "commit_id": head });
    let made = ok(&scene, "POST", "/pulls/1/comments", Some(place), 201);
    let path = format!("/pulls/comments/{}", made["id"]);
    let reply =
        ok(&scene, "POST", &format!("/pulls/1/comments/{}/replies", made["id"]), Some(json!({ "body": "y" })), 201);
    assert_eq!(reply["in_reply_to_id"], made["id"]);
    assert_eq!(ok(&scene, "PATCH", &path, Some(json!({ "body": "z" })), 200)["body"], json!("z"));
    assert_eq!(ok(&scene, "GET", &path, None, 200)["body"], json!("z"));
    let reacted = ok(&scene, "POST", &format!("{path}/reactions"), Some(json!({ "content": "rocket" })), 201);
    assert_eq!(ok(&scene, "GET", &path, None, 200)["reactions"]["rocket"], json!(1));
    assert_eq!(ok(&scene, "GET", &format!("{path}/reactions"), None, 200).as_array().unwrap().len(), 1);
    ok(&scene, "DELETE", &format!("{path}/reactions/{}", reacted["id"]), None, 204);
    let file = json!({ "path": "src/main.rs", "subject_type": "file", "body": "whole", "commit_id": head });
    ok(&scene, "POST", "/pulls/1/comments", Some(file), 201);
    ok(&scene, "DELETE", &path, None, 204);
    ok(&scene, "GET", &path, None, 404);
    assert_eq!(ok(&scene, "GET", "/pulls/1/comments", None, 200).as_array().unwrap().len(), 2);
    scene.honest();
}

#[test]
fn conversation_comments_are_written_edited_and_deleted() {
    let scene = scene();
    let made = ok(&scene, "POST", "/issues/1/comments", Some(json!({ "body": "hello" })), 201);
    let path = format!("/issues/comments/{}", made["id"]);
    ok(&scene, "PATCH", &path, Some(json!({ "body": "hi" })), 200);
    assert_eq!(scene.repo.issue_comments(1)[0].body, "hi");
    let reacted = ok(&scene, "POST", &format!("{path}/reactions"), Some(json!({ "content": "+1" })), 201);
    ok(&scene, "DELETE", &format!("{path}/reactions/{}", reacted["id"]), None, 204);
    ok(&scene, "DELETE", &path, None, 204);
    ok(&scene, "GET", &path, None, 404);
    ok(&scene, "POST", "/issues/9/comments", Some(json!({ "body": "hello" })), 404);
    scene.honest();
}

#[test]
fn pull_requests_are_opened_changed_and_merged_by_the_api() {
    let scene = scene();
    scene.repo.push("alice", "fix", "f", &[("f.txt", "f\n")]).unwrap();
    let open = json!({ "title": "fix", "head": "fix", "base": "main", "body": "b" });
    let made = ok(&scene, "POST", "/pulls", Some(open), 201);
    let path = format!("/pulls/{}", made["number"]);
    ok(&scene, "POST", "/pulls", Some(json!({ "title": "x", "head": "nowhere", "base": "main" })), 422);
    let closed = ok(&scene, "PATCH", &path, Some(json!({ "title": "better", "state": "closed" })), 200);
    assert_eq!((&closed["title"], &closed["state"]), (&json!("better"), &json!("closed")));
    ok(&scene, "PATCH", &path, Some(json!({ "state": "open" })), 200);
    let aimed = ok(&scene, "PATCH", &path, Some(json!({ "base": "topic" })), 200);
    assert_eq!((&aimed["base"]["ref"], &aimed["changed_files"]), (&json!("topic"), &json!(1)));
    ok(&scene, "PATCH", &path, Some(json!({ "base": "nowhere" })), 422);
    ok(&scene, "PATCH", &path, Some(json!({ "base": "main" })), 200);
    ok(&scene, "GET", &format!("{path}/merge"), None, 404);
    ok(&scene, "PUT", &format!("{path}/merge"), Some(json!({ "sha": "0".repeat(40) })), 409);
    ok(&scene, "PUT", &format!("{path}/merge"), Some(json!({ "merge_method": "squash" })), 200);
    ok(&scene, "GET", &format!("{path}/merge"), None, 204);
    ok(&scene, "PUT", &format!("{path}/merge"), None, 405);
    assert_eq!(ok(&scene, "GET", &path, None, 200)["merged"], json!(true));
    scene.honest();
}

#[test]
fn git_objects_check_runs_and_reports_are_answered() {
    let scene = scene();
    let head = scene.repo.head("topic").unwrap();
    assert_eq!(ok(&scene, "GET", &format!("/git/commits/{head}"), None, 200)["sha"], json!(head));
    let run = json!({ "name": "a", "head_sha": head, "status": "in_progress", "external_id": "7" });
    let made = ok(&scene, "POST", "/check-runs", Some(run), 201);
    assert_eq!(ok(&scene, "GET", &format!("/check-runs/{}", made["id"]), None, 200)["external_id"], json!("7"));
    let done = json!({ "status": "completed", "conclusion": "success" });
    ok(&scene, "PATCH", &format!("/check-runs/{}", made["id"]), Some(done), 200);
    let list = ok(&scene, "GET", &format!("/commits/{head}/check-runs?check_name=a&status=completed"), None, 200);
    assert_eq!(list["total_count"], json!(1));
    ok(&scene, "POST", "/check-runs", Some(json!({ "name": "a", "head_sha": "0".repeat(40) })), 422);
    // gzip's magic number is what the forge looks at: `H4s` in base64.
    let sarif = json!({ "commit_sha": head, "ref": "refs/heads/topic", "sarif": "H4sIAAAAAAAAAw==" });
    let sent = ok(&scene, "POST", "/code-scanning/sarifs", Some(sarif), 202);
    ok(&scene, "GET", &format!("/code-scanning/sarifs/{}", sent["id"].as_str().unwrap()), None, 200);
    assert_eq!(scene.repo.sarifs().len(), 1);
    let old = scene.repo.head("main").unwrap();
    let back = json!({ "sha": old });
    ok(&scene, "PATCH", "/git/refs/heads/topic", Some(back.clone()), 422);
    let forced = json!({ "sha": old, "force": true });
    assert_eq!(ok(&scene, "PATCH", "/git/refs/heads/topic", Some(forced), 200)["object"]["sha"], json!(old));
    scene.honest();
}

#[test]
fn the_app_asks_about_itself() {
    let scene = scene();
    let jwt = scene.forge.app_jwt().unwrap();
    let ask = |method: &str, path: &str, body| call(&scene.forge, method, path, &jwt, body);
    let (_, list) = ask("GET", "/app/installations", None);
    let path = format!("/app/installations/{}", list[0]["id"]);
    assert_eq!(ask("GET", &path, None).1["account"]["login"], json!("acme"));
    assert_eq!(ask("GET", "/app/installations/1", None).0, 404);
    let tokens = format!("{path}/access_tokens");
    let narrow = json!({ "repositories": ["demo"], "permissions": { "contents": "read" } });
    let (status, token) = ask("POST", &tokens, Some(narrow));
    assert_eq!((status, &token["permissions"]), (201, &json!({ "contents": "read" })));
    let text = token["token"].as_str().unwrap();
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo/pulls/1", text, None).0, 403);
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo/commits", text, None).0, 200);
    assert_eq!(call(&scene.forge, "DELETE", "/installation/token", text, None).0, 204);
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo/commits", text, None).0, 401);
    assert_eq!(ask("POST", &tokens, Some(json!({ "permissions": { "members": "read" } }))).0, 422);
    let (_, posted) = ask("GET", "/app/hook/deliveries", None);
    assert_eq!(ask("GET", &format!("/app/hook/deliveries/{}", posted[0]["id"]), None).0, 200);
    let (status, app) = call(&scene.forge, "POST", "/app-manifests/code/conversions", "", None);
    assert_eq!((status, app["pem"].as_str()), (201, Some(forge::TEST_KEY)));
    scene.honest();
}

#[test]
fn a_workflows_token_is_good_for_its_repository_only() {
    let scene = scene();
    scene.forge.create("acme/other", &[("a", "a\n")]).unwrap();
    let token = scene.forge.workflow_token("acme/demo", &[("contents", "read"), ("pull_requests", "write")]);
    let say = |path: &str| call(&scene.forge, "POST", path, &token, Some(json!({ "body": "x" }))).0;
    assert_eq!(say("/repos/acme/demo/issues/1/comments"), 201);
    assert_eq!(scene.repo.issue_comments(1)[0].author, "github-actions[bot]");
    assert_eq!(say("/repos/acme/other/issues/1/comments"), 403);
    let head = json!({ "name": "x", "head_sha": scene.repo.head("topic").unwrap() });
    assert_eq!(call(&scene.forge, "POST", "/repos/acme/demo/check-runs", &token, Some(head)).0, 403);
    scene.honest();
}

#[test]
fn an_installation_for_some_repositories_sees_no_other() {
    let scene = scene();
    scene.forge.uninstall("acme");
    scene.forge.create_private("acme/secret", &[("a", "a\n")]).unwrap();
    scene.forge.install_on("acme", &["acme/demo"]);
    let token = mint(&scene.forge);
    let get = |path: &str| client().get(format!("{}{path}", scene.forge.url())).bearer_auth(&token).send().unwrap();
    assert_eq!(get("/repos/acme/secret").status().as_u16(), 404);
    let list: Value = serde_json::from_slice(&get("/installation/repositories").bytes().unwrap()).unwrap();
    assert_eq!((&list["total_count"], &list["repositories"][0]["name"]), (&json!(1), &json!("demo")));
    scene.repo.merge(1, "acme", Way::Merge).unwrap();
    scene.honest();
}
