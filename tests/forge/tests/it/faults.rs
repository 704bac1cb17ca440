//! Does what goes wrong on purpose go wrong, and only that?

use crate::kit::{Inbox, call, client, mint, scene};
use forge::{Fault, What};
use serde_json::{Value, json};
use std::time::Duration;

fn sorry() -> Value {
    json!({ "event": "COMMENT", "body": "x" })
}

#[test]
fn a_dropped_answer_may_have_been_written() {
    let scene = scene();
    let url = format!("{}/repos/acme/demo/pulls/1/reviews", scene.forge.url());
    let send = || {
        client()
            .post(&url)
            .bearer_auth(&scene.token)
            .header("content-type", "application/json")
            .body(sorry().to_string())
            .send()
    };
    scene.forge.fault(Fault::once("POST", "/reviews$", What::DropBefore));
    assert!(send().is_err());
    assert_eq!(scene.repo.reviews(1).len(), 0);
    scene.forge.fault(Fault::once("POST", "/reviews$", What::DropAfterWrite));
    assert!(send().is_err());
    assert_eq!(scene.repo.reviews(1).len(), 1);
    assert!(send().is_ok());
    assert_eq!(
        scene.forge.requests().iter().filter(|r| r.path.ends_with("/reviews")).map(|r| r.status).collect::<Vec<_>>(),
        [0, 0, 200]
    );
    scene.honest();
}

#[test]
fn a_status_comes_with_its_headers_so_often() {
    let scene = scene();
    let headers = vec![("retry-after".to_owned(), "1".to_owned())];
    scene.forge.fault(Fault::once("GET", "^/repos/acme/demo$", What::Status(429, headers)).times(2));
    let url = format!("{}/repos/acme/demo", scene.forge.url());
    let get = || client().get(&url).bearer_auth(&scene.token).send().unwrap();
    let first = get();
    assert_eq!((first.status().as_u16(), first.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!((get().status().as_u16(), get().status().as_u16()), (429, 200));
    scene.honest();
}

#[test]
fn slowness_holds_up_nobody_else() {
    let scene = scene();
    scene.forge.fault(Fault::once("GET", "/files$", What::Slow(Duration::from_millis(300))));
    std::thread::scope(|s| {
        let slow = s.spawn(|| scene.call("GET", "/repos/acme/demo/pulls/1/files", None).0);
        assert_eq!(scene.call("GET", "/repos/acme/demo", None).0, 200);
        assert_eq!(slow.join().unwrap(), 200);
    });
    let done: Vec<String> = scene.forge.requests().iter().rev().take(1).map(|r| r.path.clone()).collect();
    assert_eq!(done, ["/repos/acme/demo/pulls/1/files"]);
}

#[test]
fn tokens_expire_and_installations_are_suspended() {
    let scene = scene();
    scene.forge.fault(Fault::once("", "/files$", What::ExpireToken));
    assert_eq!(scene.call("GET", "/repos/acme/demo/pulls/1/files", None).0, 401);
    let fresh = mint(&scene.forge);
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo/pulls/1/files", &fresh, None).0, 200);
    scene.forge.fault(Fault::once("", "/files$", What::SuspendInstallation));
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo/pulls/1/files", &fresh, None).0, 403);
    scene.forge.suspend("acme", false);
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo/pulls/1/files", &fresh, None).0, 200);
    scene.forge.advance(Duration::from_secs(3_601));
    assert_eq!(call(&scene.forge, "GET", "/repos/acme/demo/pulls/1/files", &fresh, None).0, 401);
    scene.honest();
}

#[test]
fn webhooks_come_twice_late_or_never() {
    let (scene, inbox) = (scene(), Inbox::open());
    scene.forge.webhooks_to(&inbox.url);
    scene.forge.fault(Fault::once("", "^issue_comment.created$", What::HookDuplicate));
    scene.repo.comment(1, "alice", "twice");
    scene.forge.fault(Fault::once("", "^pull_request.edited$", What::HookReorder));
    scene.repo.retitle(1, "alice", "late").unwrap();
    scene.repo.close(1, "alice").unwrap();
    scene.forge.fault(Fault::once("", "^pull_request.reopened$", What::HookLost));
    scene.repo.reopen(1, "alice").unwrap();
    assert!(scene.forge.settle(Duration::from_secs(20)));
    let got = inbox.all();
    let names: Vec<String> = got.iter().map(|h| h.name()).collect();
    let wanted = ["issue_comment.created", "issue_comment.created", "pull_request.closed", "pull_request.edited"];
    assert_eq!(names, wanted);
    assert_eq!(got[0].header("x-github-delivery"), got[1].header("x-github-delivery"));

    let jwt = scene.forge.app_jwt().unwrap();
    let (_, list) = call(&scene.forge, "GET", "/app/hook/deliveries?per_page=5", &jwt, None);
    assert_eq!((&list[0]["action"], &list[0]["status_code"]), (&json!("reopened"), &json!(0)));
    let path = format!("/app/hook/deliveries/{}/attempts", list[0]["id"]);
    assert_eq!(call(&scene.forge, "POST", &path, &jwt, None).0, 202);
    assert!(scene.forge.settle(Duration::from_secs(20)));
    let again = inbox.all().pop().unwrap();
    assert_eq!(again.name(), "pull_request.reopened");
    assert_eq!(list[0]["guid"].as_str(), Some(again.header("x-github-delivery")));
    scene.honest();
}
