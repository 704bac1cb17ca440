//! Does what people do have the traces it has on GitHub?

use crate::kit::{HELLO, Inbox, Scene, git, scene};
use forge::Way;
use serde_json::json;
use std::time::Duration;

fn suggest(scene: &Scene, line: u64, text: &str) -> u64 {
    let comment = json!({ "path": "src/main.rs", "line": line, "body": format!("```suggestion\n{text}\n```") });
    let body = json!({ "event": "COMMENT", "body": "x", "comments": [comment] });
    let (status, answer) = scene.call("POST", "/repos/acme/demo/pulls/1/reviews", Some(body));
    assert_eq!(status, 200, "{answer}");
    scene.repo.threads(1).last().unwrap().comments[0].id
}

#[test]
fn a_batch_is_one_commit_with_an_edited_title() {
    let scene = scene();
    let (two, three) = (suggest(&scene, 2, "    let a = 12;"), suggest(&scene, 3, "    let b = 22;\n    // more"));
    let sha = scene.repo.commit_suggestion("alice", &[two, three], Some("as told")).unwrap();
    let wanted =
        HELLO.replace("let a = 1", "let a = 12").replace("let b = 2", "let b = 22").replace("22;", "22;\n    // more");
    assert_eq!(scene.repo.file(&sha, "src/main.rs").unwrap(), wanted);
    let message = scene.repo.git(&["log", "-1", "--format=%B", &sha]).unwrap();
    assert!(message.starts_with("as told\n\nCo-authored-by: apprentice[bot] <"), "{message}");
    let again = scene.repo.commit_suggestion("alice", &[two], None);
    assert!(again.unwrap_err().to_string().contains("outdated"));
    assert!(scene.repo.threads(1).iter().all(|t| t.outdated && t.resolved_by.is_some()));
    scene.honest();
}

#[test]
fn by_hand_leaves_no_trailer_and_no_mark() {
    let scene = scene();
    let id = suggest(&scene, 2, "    let a = 12;");
    let sha = scene.repo.apply_by_hand("alice", &[id], "mend").unwrap();
    assert_eq!(scene.repo.git(&["log", "-1", "--format=%B%cn", &sha]).unwrap(), "mend\nalice");
    let thread = &scene.repo.threads(1)[0];
    assert!(thread.outdated && thread.resolved_by.is_none());
    let plain = scene.repo.comment_on(1, "alice", "src/main.rs", 3, "no block").unwrap();
    assert!(scene.repo.commit_suggestion("alice", &[plain], None).is_err());
    scene.honest();
}

#[test]
fn one_who_commits_their_own_suggestion_is_no_co_author() {
    let scene = scene();
    let body = "```suggestion\n    let a = 12;\n```";
    let id = scene.repo.comment_on(1, "alice", "src/main.rs", 2, body).unwrap();
    let sha = scene.repo.commit_suggestion("alice", &[id], None).unwrap();
    let message = scene.repo.git(&["log", "-1", "--format=%B", &sha]).unwrap();
    assert_eq!(message, "Apply suggestion from @alice");
}

#[test]
fn a_thread_moves_with_its_lines() {
    let scene = scene();
    suggest(&scene, 3, "x");
    let text = scene.repo.file("topic", "src/main.rs").unwrap();
    scene.repo.push("alice", "topic", "above", &[("src/main.rs", &format!("// top\n{text}"))]).unwrap();
    assert_eq!(scene.repo.threads(1)[0].line, Some(4));
    scene.repo.push("alice", "topic", "there", &[("src/main.rs", &text.replace("let b = 20", "let b = 21"))]).unwrap();
    let thread = &scene.repo.threads(1)[0];
    assert_eq!((thread.line, thread.original_line, thread.outdated), (None, Some(3), true));
    let (_, list) = scene.call("GET", "/repos/acme/demo/pulls/1/comments", None);
    assert_eq!((&list[0]["line"], &list[0]["position"]), (&json!(null), &json!(null)));
    scene.honest();
}

#[test]
fn every_way_of_merging_ends_on_the_base_branch() {
    for (way, parents, commits) in [(Way::Merge, 2, 4), (Way::Squash, 1, 2), (Way::Rebase, 1, 3)] {
        let scene = scene();
        scene.repo.push("alice", "topic", "more", &[("new.txt", "x\n")]).unwrap();
        let sha = scene.repo.merge(1, "acme", way).unwrap();
        assert_eq!(scene.repo.head("main"), Some(sha.clone()));
        assert_eq!(scene.repo.file("main", "new.txt").as_deref(), Some("x\n"));
        assert!(scene.repo.file("main", "src/main.rs").unwrap().contains("let b = 20"));
        let count = scene.repo.git(&["rev-list", "--count", "main"]).unwrap();
        let line = scene.repo.git(&["log", "-1", "--format=%P", &sha]).unwrap();
        assert_eq!((line.split(' ').count(), count), (parents, commits.to_string()), "{way:?}");
        assert!(scene.repo.pull(1).unwrap().merged.is_some());
        assert!(scene.repo.merge(1, "acme", way).is_err());
        scene.honest();
    }
}

#[test]
fn every_deed_sends_a_webhook_the_contract_knows() {
    let (scene, inbox) = (scene(), Inbox::open());
    scene.forge.webhooks_to(&inbox.url);
    let repo = &scene.repo;
    scene.forge.ping();
    repo.push("alice", "second", "s", &[("s.txt", "s\n")]).unwrap();
    let draft = repo.open_draft("alice", "second", "later").unwrap();
    repo.ready(draft, "alice").unwrap();
    repo.convert_to_draft(draft, "alice").unwrap();
    repo.describe(draft, "alice", "why").unwrap();
    repo.force_push("alice", "second", "main", &[("s.txt", "t\n")]).unwrap();
    repo.close(draft, "alice").unwrap();
    repo.reopen(draft, "alice").unwrap();
    repo.delete_branch("alice", "second").unwrap();
    let comment = repo.comment_on(1, "alice", "src/main.rs", 2, "hm").unwrap();
    repo.resolve(comment, "alice").unwrap();
    repo.unresolve(comment, "alice").unwrap();
    repo.review(1, "bob", "APPROVE", "").unwrap();
    let head = repo.head("topic").unwrap();
    let (_, run) = scene.call("POST", "/repos/acme/demo/check-runs", Some(json!({ "name": "x", "head_sha": head })));
    repo.rerequest(run["id"].as_u64().unwrap(), "alice").unwrap();
    repo.rerequest_suite(&head, "alice").unwrap();
    let run = repo.workflow_run("acme/demo", "topic", &head, &[("review", b"PK")]);
    scene.forge.suspend("acme", true);
    scene.forge.suspend("acme", false);
    scene.forge.add_to_installation("acme", "acme/demo");
    scene.forge.remove_from_installation("acme", "acme/demo");
    scene.forge.add_to_installation("acme", "acme/demo");
    let (status, list) = scene.call("GET", &format!("/repos/acme/demo/actions/runs/{run}/artifacts"), None);
    assert_eq!(status, 200, "{list}");
    let zip = format!("/repos/acme/demo/actions/artifacts/{}/zip", list["artifacts"][0]["id"]);
    assert_eq!(scene.call("GET", &zip, None).0, 302);
    assert_eq!(scene.call("GET", &format!("/repos/acme/demo/actions/runs/{run}"), None).0, 200);
    scene.forge.uninstall("acme");
    scene.honest();
    for name in [
        "ping",
        "push",
        "pull_request.opened",
        "pull_request.ready_for_review",
        "pull_request.converted_to_draft",
        "pull_request.edited",
        "pull_request.synchronize",
        "pull_request.closed",
        "pull_request.reopened",
        "pull_request_review.submitted",
        "pull_request_review_comment.created",
        "pull_request_review_thread.resolved",
        "pull_request_review_thread.unresolved",
        "check_run.rerequested",
        "check_suite.rerequested",
        "workflow_run.completed",
        "installation.suspend",
        "installation.unsuspend",
        "installation.deleted",
        "installation_repositories.added",
        "installation_repositories.removed",
    ] {
        assert!(inbox.names().iter().any(|n| n == name), "no {name} in {:?}", inbox.names());
    }
}

#[test]
fn a_reaction_sends_no_webhook() {
    let (scene, inbox) = (scene(), Inbox::open());
    let comment = scene.repo.comment(1, "alice", "hello");
    assert!(scene.forge.settle(Duration::from_secs(20)));
    scene.forge.webhooks_to(&inbox.url);
    scene.repo.react(comment, "bob", "heart").unwrap();
    assert!(scene.forge.settle(Duration::from_secs(20)));
    assert_eq!(inbox.names(), Vec::<String>::new());
    let path = format!("/repos/acme/demo/issues/comments/{comment}/reactions");
    let (_, list) = scene.call("GET", &path, None);
    assert_eq!((&list[0]["content"], &list[0]["user"]["login"]), (&json!("heart"), &json!("bob")));
    let react = || scene.call("POST", &path, Some(json!({ "content": "eyes" }))).0;
    assert_eq!((react(), react()), (201, 200));
    scene.honest();
}

#[test]
fn a_forks_pull_request_can_be_fetched_from_the_base() {
    let scene = scene();
    let fork = scene.repo.fork("mallory").unwrap();
    fork.push("mallory", "patch", "p", &[("evil.txt", "x\n")]).unwrap();
    let number = scene.repo.open_fork_pr(&fork, "mallory", "patch", "please").unwrap();
    let (_, pull) = scene.call("GET", &format!("/repos/acme/demo/pulls/{number}"), None);
    assert_eq!(
        (&pull["head"]["repo"]["full_name"], &pull["head"]["repo"]["fork"]),
        (&json!("mallory/demo"), &json!(true))
    );
    let sha = fork.push("mallory", "patch", "again", &[("evil.txt", "y\n")]).unwrap();
    assert_eq!(scene.repo.pull(number).unwrap().head_sha, sha);
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["init", "--quiet"]).unwrap();
    let from = scene.repo.clone_url();
    git(folder.path(), &["fetch", "--quiet", "--depth=1", &from, &sha]).unwrap();
    // An older client may ask for a commit no reference names, too, and for less than everything.
    let first = scene.repo.git(&["rev-parse", &format!("{sha}~1")]).unwrap();
    git(folder.path(), &["-c", "protocol.version=0", "fetch", "--quiet", "--depth=1", &from, &first]).unwrap();
    git(folder.path(), &["clone", "--quiet", "--bare", "--filter=blob:none", &from, "partial"]).unwrap();
    let partial = folder.path().join("partial");
    assert!(git(&partial, &["rev-list", "--objects", "--missing=print", "main"]).unwrap().contains("\n?"));
    git(folder.path(), &["fetch", "--quiet", &from, &format!("refs/pull/{number}/head")]).unwrap();
    assert_eq!(git(folder.path(), &["rev-parse", "FETCH_HEAD"]).unwrap(), sha);
    scene.honest();
}

#[test]
fn what_came_from_the_base_branch_is_not_the_pull_requests() {
    let scene = scene();
    scene.repo.push("acme", "main", "aside", &[("aside.txt", "a\n")]).unwrap();
    let text = scene.repo.file("topic", "src/main.rs").unwrap();
    let files = [("src/main.rs", text.as_str()), ("own.txt", "o\n")];
    scene.repo.force_push("alice", "topic", "main", &files).unwrap();
    let (_, list) = scene.call("GET", "/repos/acme/demo/pulls/1/files", None);
    let names: Vec<&str> = list.as_array().unwrap().iter().filter_map(|f| f["filename"].as_str()).collect();
    assert_eq!(names, ["own.txt", "src/main.rs"]);
    scene.honest();
}

#[test]
fn a_review_of_an_earlier_commit_stands_where_its_lines_are_now() {
    let scene = scene();
    let first = scene.repo.head("topic").unwrap();
    let text = scene.repo.file("topic", "src/main.rs").unwrap();
    scene.repo.push("alice", "topic", "above", &[("src/main.rs", &format!("// top\n{text}"))]).unwrap();
    let comment = json!({ "path": "src/main.rs", "line": 2, "body": "x" });
    let body = json!({ "event": "COMMENT", "body": "x", "commit_id": first, "comments": [comment] });
    assert_eq!(scene.call("POST", "/repos/acme/demo/pulls/1/reviews", Some(body)).0, 200);
    let thread = &scene.repo.threads(1)[0];
    assert_eq!((thread.line, thread.original_line, thread.commit.as_str()), (Some(3), Some(2), first.as_str()));
    scene.honest();
}

#[test]
fn a_suggestion_keeps_the_files_mode() {
    let scene = scene();
    let script = "reset refs/heads/tool\n\ncommit refs/heads/tool\ncommitter a <a@example.com> 1 +0000\ndata 1\nx\n\
        from refs/heads/main\nM 100755 inline run.sh\ndata 8\necho one\n\n";
    scene.repo.import("alice", script).unwrap();
    let number = scene.repo.open_pr("alice", "tool", "a tool").unwrap();
    let body = "```suggestion\necho two\n```";
    let id = scene.repo.comment_on(number, "bob", "run.sh", 1, body).unwrap();
    let sha = scene.repo.commit_suggestion("alice", &[id], None).unwrap();
    assert!(scene.repo.git(&["ls-tree", &sha, "run.sh"]).unwrap().starts_with("100755 "));
    assert_eq!(scene.repo.file(&sha, "run.sh").as_deref(), Some("echo two"));
    scene.honest();
}
