//! Does a whole pull request go its way: cloned, pushed, reviewed, suggested, merged?

use crate::kit::{HELLO, Inbox, call, git, mint, write};
use forge::{Forge, Options, Way};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_pull_request_goes_its_whole_way() {
    let (forge, inbox) = (Forge::start(Options::default()).unwrap(), Inbox::open());
    forge.webhooks_to(&inbox.url);
    let repo = forge.create_private("acme/demo", &[("src/main.rs", HELLO)]).unwrap();
    forge.install("acme");
    repo.permit("alice", "write");
    let head = clone_and_push(&forge);
    let pull = repo.open_pr("alice", "topic", "Ten times more").unwrap();

    let token = mint(&forge);
    let ask = |method: &str, path: &str, body| call(&forge, method, &format!("/repos/acme/demo{path}"), &token, body);
    let (status, check) = ask("POST", "/check-runs", Some(json!({ "name": "apprentice", "head_sha": head })));
    assert_eq!(status, 201, "{check}");
    let comment = json!({ "path": "src/main.rs", "line": 2, "side": "RIGHT",
        "body": "why ten?\n```suggestion\n    let a = 11;\n```" });
    let review = json!({ "commit_id": head, "event": "COMMENT", "body": "one thing", "comments": [comment] });
    let (status, review) = ask("POST", &format!("/pulls/{pull}/reviews"), Some(review));
    assert_eq!(status, 200, "{review}");
    let done = json!({ "conclusion": "neutral", "output": { "title": "1 finding", "summary": "one" } });
    assert_eq!(ask("PATCH", &format!("/check-runs/{}", check["id"]), Some(done)).0, 200);
    let (_, list) = ask("GET", &format!("/pulls/{pull}/comments?per_page=100"), None);
    assert_eq!((list[0]["line"].as_u64(), list[0]["user"]["login"].as_str()), (Some(2), Some("apprentice[bot]")));

    let id = list[0]["id"].as_u64().unwrap();
    repo.react(id, "alice", "+1").unwrap();
    repo.reply(id, "alice", "good point").unwrap();
    let sha = repo.commit_suggestion("alice", &[id], None).unwrap();
    assert_eq!(repo.file("topic", "src/main.rs").unwrap().lines().nth(1), Some("    let a = 11;"));
    let shown = repo.git(&["log", "-1", "--format=%an|%cn <%ce>|%s|%(trailers:key=Co-authored-by)", &sha]).unwrap();
    assert!(shown.starts_with("alice|GitHub <noreply@github.com>|Apply suggestion from @apprentice[bot]|"), "{shown}");
    assert!(shown.contains("+apprentice[bot]@users.noreply.github.com>"), "{shown}");
    let thread = &repo.threads(pull)[0];
    assert!(thread.outdated && thread.resolved_by.as_deref() == Some("alice"));
    repo.merge(pull, "acme", Way::Squash).unwrap();

    assert!(forge.settle(Duration::from_secs(30)));
    assert_eq!(forge.violations(), []);
    assert_eq!(
        inbox.names(),
        [
            "installation.created",
            "push",
            "pull_request.opened",
            "pull_request_review.submitted",
            "pull_request_review_comment.created",
            "pull_request_review.submitted",
            "pull_request_review_comment.created",
            "push",
            "pull_request.synchronize",
            "pull_request_review_thread.resolved",
            "pull_request.closed",
            "push",
        ]
    );
    let closed = inbox.all().into_iter().find(|h| h.name() == "pull_request.closed").unwrap();
    assert_eq!(closed.json()["pull_request"]["merged"], json!(true));
    assert!(closed.header("x-hub-signature-256").starts_with("sha256="));
    assert!(forge.deliveries().iter().all(|d| d.status == 202));
    assert_eq!((forge.tokens_minted(), forge.count("pulls/create-review")), (1, 1));
}

/// Clones over HTTP with a personal token, changes two lines and pushes a branch; its commit.
fn clone_and_push(forge: &Forge) -> String {
    let folder = tempfile::tempdir().unwrap();
    let at = forge.url().replace("http://", &format!("http://x-access-token:{}@", forge.token("alice")));
    git(folder.path(), &["clone", "--quiet", &format!("{at}/acme/demo.git"), "."]).unwrap();
    git(folder.path(), &["switch", "--quiet", "-c", "topic"]).unwrap();
    let changed = HELLO.replace("let a = 1", "let a = 10").replace("let b = 2", "let b = 20");
    write(&folder.path().join("src/main.rs"), &changed);
    git(folder.path(), &["commit", "--quiet", "-am", "ten"]).unwrap();
    git(folder.path(), &["push", "--quiet", "origin", "topic"]).unwrap();
    git(folder.path(), &["rev-parse", "HEAD"]).unwrap()
}

#[test]
fn a_forge_may_live_and_die_inside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let forge = Forge::start(Options::default()).unwrap();
        let repo = forge.create("acme/demo", &[("a", "a\n")]).unwrap();
        forge.install("acme");
        assert!(forge.wait_until(Duration::from_secs(10), |f| f.deliveries().iter().all(|d| d.done)));
        assert_eq!(repo.file("main", "a").as_deref(), Some("a\n"));
        drop(forge);
    });
}
