//! Is every rule beyond the description enforced? One refusal each.

use crate::kit::{Scene, call, client, git, mint, scene};
use forge::Forge;
use serde_json::{Value, json};

fn review(scene: &Scene, comment: Value) -> (u16, Value) {
    let body = json!({ "event": "COMMENT", "body": "x", "comments": [comment] });
    scene.call("POST", "/repos/acme/demo/pulls/1/reviews", Some(body))
}

#[test]
fn one_bad_place_refuses_the_whole_review() {
    let scene = scene();
    let good = json!({ "path": "src/main.rs", "line": 2, "body": "x" });
    for (bad, words) in [
        (json!({ "path": "src/main.rs", "line": 400, "body": "x" }), "part of the diff"),
        (json!({ "path": "README.md", "line": 1, "body": "x" }), "Path could not be resolved"),
        (json!({ "path": "src/main.rs", "line": 2, "side": "MIDDLE", "body": "x" }), "MIDDLE"),
        (json!({ "path": "src/main.rs", "start_line": 3, "line": 2, "body": "x" }), "start_line"),
        (json!({ "path": "src/main.rs", "start_line": 2, "line": 2, "body": "x" }), "start_line"),
        (json!({ "path": "src/main.rs", "body": "x" }), "line or position"),
    ] {
        let body = json!({ "event": "COMMENT", "body": "x", "comments": [good, bad] });
        let (status, answer) = scene.call("POST", "/repos/acme/demo/pulls/1/reviews", Some(body));
        assert_eq!(status, 422, "{bad}: {answer}");
        assert!(answer["errors"][0].as_str().unwrap().contains(words), "{answer}");
    }
    assert_eq!((scene.repo.reviews(1).len(), scene.repo.threads(1).len()), (0, 0));
    for place in [
        json!({ "path": "src/main.rs", "line": 3, "side": "LEFT", "body": "x" }),
        json!({ "path": "src/main.rs", "start_line": 2, "line": 3, "start_side": "RIGHT", "side": "RIGHT", "body": "x" }),
        json!({ "path": "src/main.rs", "position": 4, "body": "x" }),
    ] {
        assert_eq!(review(&scene, place.clone()).0, 200, "{place}");
    }
    scene.honest();
}

#[test]
fn reviews_have_rules_of_their_own() {
    let scene = scene();
    let post = |body: Value| scene.call("POST", "/repos/acme/demo/pulls/1/reviews", Some(body)).0;
    assert_eq!(post(json!({ "event": "COMMENT" })), 422);
    assert_eq!(post(json!({ "event": "COMMENT", "body": "x".repeat(65_537) })), 422);
    assert_eq!(post(json!({ "event": "COMMENT", "body": "x".repeat(65_536) })), 200);
    assert_eq!(post(json!({ "body": "pending" })), 200);
    assert_eq!(post(json!({ "event": "COMMENT", "body": "second" })), 422);
    let alice = scene.forge.token("alice");
    for event in ["APPROVE", "REQUEST_CHANGES"] {
        let body = Some(json!({ "event": event, "body": "mine" }));
        assert_eq!(call(&scene.forge, "POST", "/repos/acme/demo/pulls/1/reviews", &alice, body).0, 422);
    }
    scene.honest();
}

#[test]
fn an_approval_by_the_app_is_kept_in_mind() {
    let scene = scene();
    assert_eq!(scene.forge.approvals(), []);
    let body = json!({ "event": "APPROVE", "body": "fine" });
    assert_eq!(scene.call("POST", "/repos/acme/demo/pulls/1/reviews", Some(body)).0, 200);
    assert_eq!(scene.forge.approvals(), [("acme/demo".to_owned(), 1)]);
}

#[test]
fn a_commit_that_is_gone_takes_no_review() {
    let scene = scene();
    let old = scene.repo.head("topic").unwrap();
    scene.repo.force_push("alice", "topic", "main", &[("src/main.rs", "fn main() {}\n")]).unwrap();
    let body = json!({ "event": "COMMENT", "body": "x", "commit_id": old });
    assert_eq!(scene.call("POST", "/repos/acme/demo/pulls/1/reviews", Some(body)).0, 422);
    scene.honest();
}

#[test]
fn who_asks_must_say_so_rightly() {
    let scene = scene();
    let url = format!("{}/repos/acme/demo", scene.forge.url());
    let bare = reqwest::blocking::Client::builder().no_proxy().build().unwrap();
    assert_eq!(bare.get(&url).bearer_auth(&scene.token).send().unwrap().status().as_u16(), 403);
    let jwt = scene.forge.app_jwt().unwrap();
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo", &jwt, None).0, 401);
    assert_eq!(call(&scene.forge, "GET", "/app", &scene.token, None).0, 401);
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo", "ghs_unknown", None).0, 401);
    for (issuer, from, life) in [("8", 60, 600), ("7", 60, 700), ("7", 700, 600), ("7", -60, 60)] {
        let bad = forge::jwt(forge::TEST_KEY, issuer, from, life).unwrap();
        assert_eq!(call(&scene.forge, "GET", "/app", &bad, None).0, 401, "{issuer} {from} {life}");
    }
    let forged = jwt.rsplit_once('.').unwrap().0.to_owned() + "." + &"A".repeat(342);
    assert_eq!(call(&scene.forge, "GET", "/app", &forged, None).0, 401);
    scene.honest();
}

#[test]
fn an_app_does_only_what_it_was_given() {
    let scene = scene();
    scene.forge.permit("acme", &[("metadata", "read"), ("pull_requests", "read"), ("contents", "read")]);
    let token = mint(&scene.forge);
    let ask = |method: &str, path: &str, body| call(&scene.forge, method, path, &token, body);
    assert_eq!(ask("GET", "/repos/acme/demo/pulls/1", None).0, 200);
    let (status, answer) =
        ask("POST", "/repos/acme/demo/pulls/1/reviews", Some(json!({ "event": "COMMENT", "body": "x" })));
    assert_eq!((status, &answer["message"]), (403, &json!("Resource not accessible by integration")));
    let head = scene.repo.head("topic").unwrap();
    let run = json!({ "name": "x", "head_sha": head });
    assert_eq!(ask("POST", "/repos/acme/demo/check-runs", Some(run.clone())).0, 403);
    let person = scene.forge.token("alice");
    assert_eq!(call(&scene.forge, "POST", "/repos/acme/demo/check-runs", &person, Some(run)).0, 403);
    scene.honest();
}

#[test]
fn what_may_not_be_seen_is_not_there() {
    let scene = scene();
    scene.forge.create_private("other/secret", &[("a", "a\n")]).unwrap();
    assert_eq!(scene.call("GET", "/repos/other/secret", None).0, 404);
    let folder = tempfile::tempdir().unwrap();
    let url = format!("{}/other/secret.git", scene.forge.url());
    assert!(git(folder.path(), &["clone", "--quiet", &url, "."]).is_err());
    let with = url.replace("http://", &format!("http://x-access-token:{}@", scene.token));
    assert!(git(folder.path(), &["clone", "--quiet", &with, "."]).is_err());
    scene.honest();
}

#[test]
fn lists_come_in_pages() {
    let scene = scene();
    for n in 0..31 {
        scene.repo.comment(1, "alice", &format!("{n}"));
    }
    let url = format!("{}/repos/acme/demo/issues/1/comments", scene.forge.url());
    let get = |tail: &str| client().get(format!("{url}{tail}")).bearer_auth(&scene.token).send().unwrap();
    let answer = get("");
    let link = answer.headers()["link"].to_str().unwrap().to_owned();
    assert!(link.contains("page=2>; rel=\"next\"") && link.contains("rel=\"last\""), "{link}");
    let list: Vec<Value> = serde_json::from_slice(&answer.bytes().unwrap()).unwrap();
    assert_eq!(list.len(), 30);
    let last = get("?page=2");
    assert!(last.headers()["link"].to_str().unwrap().contains("rel=\"prev\""));
    let list: Vec<Value> = serde_json::from_slice(&last.bytes().unwrap()).unwrap();
    assert_eq!(list.len(), 1);
    assert!(get("?per_page=100").headers().get("link").is_none());
}

#[test]
fn an_unchanged_answer_is_304_and_costs_nothing() {
    let scene = scene();
    let url = format!("{}/repos/acme/demo/pulls/1", scene.forge.url());
    let get = |tag: &str| client().get(&url).bearer_auth(&scene.token).header("if-none-match", tag).send().unwrap();
    let first = get("");
    let tag = first.headers()["etag"].to_str().unwrap().to_owned();
    let again = get(&tag);
    assert_eq!(again.status().as_u16(), 304);
    assert_eq!(again.headers()["x-ratelimit-remaining"], first.headers()["x-ratelimit-remaining"]);
    scene.repo.comment(1, "alice", "new");
    assert_eq!(get(&tag).status().as_u16(), 200);
}

#[test]
fn the_hour_has_so_many_requests() {
    let scene = scene();
    scene.forge.rate_left(1);
    assert_eq!(scene.call("GET", "/repos/acme/demo", None).0, 200);
    let url = format!("{}/repos/acme/demo", scene.forge.url());
    let answer = client().get(url).bearer_auth(&scene.token).send().unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["x-ratelimit-remaining"]), (403, &"0".parse().unwrap()));
}

#[test]
fn diffs_come_as_text_unless_too_large() {
    let scene = scene();
    let get = |path: &str| {
        let url = format!("{}/repos/acme/demo/{path}", scene.forge.url());
        client().get(url).bearer_auth(&scene.token).header("accept", "application/vnd.github.v3.diff").send().unwrap()
    };
    for path in ["pulls/1", "compare/main...topic", "commits/topic"] {
        let text = get(path).text().unwrap();
        assert!(text.starts_with("diff --git a/src/main.rs"), "{path}: {text}");
    }
    let many: Vec<(String, Option<Vec<u8>>)> = (0..301).map(|n| (format!("f/{n}"), Some(b"x\n".to_vec()))).collect();
    scene.repo.push_files("alice", "topic", "many", &many).unwrap();
    assert_eq!(get("pulls/1").status().as_u16(), 406);
    scene.honest();
}

#[test]
fn a_binary_file_has_no_patch() {
    let scene = scene();
    let files = vec![("logo.png".to_owned(), Some(vec![0_u8, 159, 146, 150, 0])), ("README.md".to_owned(), None)];
    scene.repo.push_files("alice", "topic", "logo", &files).unwrap();
    let (_, list) = scene.call("GET", "/repos/acme/demo/pulls/1/files", None);
    let by = |name: &str| list.as_array().unwrap().iter().find(|f| f["filename"] == name).unwrap().clone();
    assert_eq!((by("logo.png").get("patch"), by("logo.png")["status"].as_str()), (None, Some("added")));
    assert_eq!(by("README.md")["status"], json!("removed"));
    assert!(by("src/main.rs")["patch"].as_str().unwrap().starts_with("@@ -1,5 +1,5 @@"));
    scene.honest();
}

#[test]
fn annotations_are_added_to_those_before() {
    let scene = scene();
    let note =
        json!({ "path": "src/main.rs", "start_line": 2, "end_line": 2, "annotation_level": "notice", "message": "x" });
    let output = json!({ "title": "t", "summary": "s", "annotations": vec![note; 50] });
    let head = scene.repo.head("topic").unwrap();
    let body = json!({ "name": "x", "head_sha": head, "output": output });
    let (_, run) = scene.call("POST", "/repos/acme/demo/check-runs", Some(body));
    let path = format!("/repos/acme/demo/check-runs/{}", run["id"]);
    assert_eq!(scene.call("PATCH", &path, Some(json!({ "output": output, "conclusion": "neutral" }))).0, 200);
    assert_eq!(scene.repo.check_runs(&head)[0].annotations.len(), 100);
    let (status, list) = scene.call("GET", &format!("{path}/annotations?per_page=100"), None);
    assert_eq!((status, list.as_array().unwrap().len()), (200, 100));
    scene.honest();
}

#[test]
fn a_protected_branch_takes_no_forced_push() {
    let scene = scene();
    scene.repo.protect("main").unwrap();
    assert!(scene.repo.force_push("acme", "main", "topic", &[]).is_err());
    let sha = scene.repo.head("topic").unwrap();
    let body = json!({ "sha": sha, "force": true });
    scene.repo.push("acme", "main", "on", &[("x", "x\n")]).unwrap();
    assert_eq!(scene.call("PATCH", "/repos/acme/demo/git/refs/heads/main", Some(body)).0, 422);
    let folder = tempfile::tempdir().unwrap();
    let at = scene.repo.clone_url().replace("http://", &format!("http://x:{}@", scene.forge.token("alice")));
    git(folder.path(), &["clone", "--quiet", "--branch", "topic", &at, "."]).unwrap();
    let refused = git(folder.path(), &["push", "--force", "origin", "topic:main"]).unwrap_err();
    assert!(refused.contains("GH006"), "{refused}");
    git(folder.path(), &["push", "--quiet", "origin", "topic:other"]).unwrap();
    let (_, branch) = scene.call("GET", "/repos/acme/demo/branches/main", None);
    assert_eq!(branch["protected"], json!(true));
    scene.honest();
}

#[test]
fn references_and_their_pull_requests_move_together() {
    let scene = scene();
    let main = scene.repo.head("main").unwrap();
    let make = json!({ "ref": "refs/heads/made", "sha": main });
    assert_eq!(scene.call("POST", "/repos/acme/demo/git/refs", Some(make.clone())).0, 201);
    assert_eq!(scene.call("POST", "/repos/acme/demo/git/refs", Some(make)).0, 422);
    assert_eq!(scene.call("DELETE", "/repos/acme/demo/git/refs/heads/made", None).0, 204);
    assert_eq!(scene.call("GET", "/repos/acme/demo/git/ref/heads/made", None).0, 404);
    assert_eq!(scene.call("DELETE", "/repos/acme/demo/git/refs/heads/topic", None).0, 204);
    assert!(!scene.repo.pull(1).unwrap().open);
    scene.honest();
}

#[test]
fn every_rule_says_where_it_comes_from() {
    let mut names: Vec<&str> = forge::rules::RULES.iter().map(|r| r.name).collect();
    assert!(forge::rules::RULES.iter().all(|r| !r.source.is_empty() && !r.what.is_empty()));
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
    let _: fn(forge::Options) -> Result<Forge, forge::Error> = Forge::start;
}

#[test]
fn long_lists_are_cut_off() {
    let scene = scene();
    let many: Vec<(String, Option<Vec<u8>>)> =
        (0..3_001).map(|n| (format!("f/{n:04}"), Some(b"x\n".to_vec()))).collect();
    scene.repo.push_files("alice", "topic", "many", &many).unwrap();
    let (_, last) = scene.call("GET", "/repos/acme/demo/pulls/1/files?per_page=100&page=30", None);
    assert_eq!(last.as_array().unwrap().len(), 100);
    let (_, beyond) = scene.call("GET", "/repos/acme/demo/pulls/1/files?per_page=100&page=31", None);
    assert_eq!(beyond, json!([]));
    scene.honest();
}

#[test]
fn at_most_250_commits_are_listed() {
    let scene = scene();
    let tip = scene.repo.head("topic").unwrap();
    let mut import = String::from("reset refs/heads/topic\n");
    import += &format!("from {tip}\n\n");
    for n in 0..260 {
        import += &format!("commit refs/heads/topic\ncommitter a <a@example.com> {n} +0000\ndata 1\nx\n\n");
    }
    scene.repo.import("alice", &import).unwrap();
    let (_, page) = scene.call("GET", "/repos/acme/demo/pulls/1/commits?per_page=100&page=3", None);
    assert_eq!(page.as_array().unwrap().len(), 50);
    let (_, pull) = scene.call("GET", "/repos/acme/demo/pulls/1", None);
    assert_eq!(pull["commits"], json!(261));
    scene.honest();
}
