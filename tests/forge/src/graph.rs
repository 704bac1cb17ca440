//! Which objects does GitHub's GraphQL know of the forge's state?

use crate::clock::iso;
use crate::graphql::Graph;
use crate::rest;
use crate::state::{Comment, IssueComment, Pull, Reaction, Repository, Review, State, Thread};
use crate::{commits, view};
use serde_json::{Map, Value, json};

/// A field's value, `None` when the forge does not play it.
pub(crate) type Found = Result<Option<Value>, String>;

/// Reactions by REST's name and GraphQL's.
pub(crate) const CONTENTS: [(&str, &str); 8] = [
    ("+1", "THUMBS_UP"),
    ("-1", "THUMBS_DOWN"),
    ("laugh", "LAUGH"),
    ("hooray", "HOORAY"),
    ("confused", "CONFUSED"),
    ("heart", "HEART"),
    ("rocket", "ROCKET"),
    ("eyes", "EYES"),
];

pub(crate) fn node_ref(kind: &str, id: u64) -> Value {
    json!({ "@": view::node(kind, id) })
}

fn connection(kind: &str, list: Vec<Value>) -> Value {
    json!({ "@list": list, "@type": kind })
}

pub(crate) fn actor(state: &State, login: &str) -> Value {
    state.users.get(login).map_or(Value::Null, |u| node_ref(if u.bot { "BOT" } else { "U" }, u.id))
}

/// A field of the query's root.
pub(crate) fn query(graph: &Graph<'_>, name: &str, arguments: &Value) -> Found {
    let state = graph.state.borrow();
    let text = |name: &str| arguments[name].as_str().unwrap_or_default();
    match name {
        "repository" => {
            let full = format!("{}/{}", text("owner"), text("name"));
            match state.repo(&full).filter(|r| rest::sees(&state, &graph.who, r)) {
                Some(repo) => Ok(Some(node_ref("R", repo.id))),
                None => Err(format!("Could not resolve to a Repository with the name '{full}'.")),
            }
        }
        "viewer" => Ok(Some(actor(&state, &graph.who.login(&state)))),
        "node" => {
            drop(state);
            known(graph, text("id")).map(Some)
        }
        "nodes" => {
            drop(state);
            let ids = arguments["ids"].as_array().cloned().unwrap_or_default();
            ids.iter().map(|id| known(graph, id.as_str().unwrap_or_default())).collect::<Result<_, _>>().map(Some)
        }
        "rateLimit" => Ok(Some(json!({
            "__typename": "RateLimit", "cost": 1, "limit": 5000, "remaining": 4999, "used": 1, "nodeCount": 1,
            "resetAt": iso(state.now() + 3_600),
        }))),
        _ => Ok(None),
    }
}

fn known(graph: &Graph<'_>, id: &str) -> Result<Value, String> {
    match node(graph, id) {
        Some(_) => Ok(json!({ "@": id })),
        None => Err(format!("Could not resolve to a node with the global id of '{id}'")),
    }
}

/// `pullRequest(number:)` and `pullRequests(states:)` of a repository.
pub(crate) fn pulls(graph: &Graph<'_>, repo: &Map<String, Value>, name: &str, arguments: &Value) -> Found {
    let state = graph.state.borrow();
    let full = repo["nameWithOwner"].as_str().unwrap_or_default();
    let Some(repo) = state.repo(full) else { return Ok(None) };
    if name == "pullRequest" {
        let number = arguments["number"].as_u64().unwrap_or(0);
        let found = repo.pulls.get(&number).map(|p| node_ref("PR", p.id));
        return found
            .map(Some)
            .ok_or_else(|| format!("Could not resolve to a PullRequest with the number of {number}."));
    }
    let wanted = arguments["states"].as_array().cloned().unwrap_or_default();
    let head = arguments["headRefName"].as_str();
    let shown = repo.pulls.values().filter(|p| {
        (wanted.is_empty() || wanted.contains(&pull_state(p).into())) && head.is_none_or(|h| h == p.head_ref)
    });
    Ok(Some(connection("PullRequestConnection", shown.map(|p| node_ref("PR", p.id)).collect())))
}

fn pull_state(pull: &Pull) -> &'static str {
    match (pull.open, &pull.merged) {
        (true, _) => "OPEN",
        (false, Some(_)) => "MERGED",
        (false, None) => "CLOSED",
    }
}

/// A node by its id, if who asks may see its repository.
pub(crate) fn node(graph: &Graph<'_>, id: &str) -> Option<Value> {
    let state = graph.state.borrow();
    let (kind, number) = id.split_once('_')?;
    let number: u64 = number.parse().ok()?;
    if ["U", "BOT"].contains(&kind) {
        return state.users.values().find(|u| u.id == number).map(|u| user(&state, &u.login));
    }
    let mut seen = state.repos.values().filter(|r| rest::sees(&state, &graph.who, r));
    seen.find_map(|repo| inside(graph, &state, repo, kind, number))
}

pub(crate) fn inside(graph: &Graph<'_>, state: &State, repo: &Repository, kind: &str, id: u64) -> Option<Value> {
    let viewer = graph.who.login(state);
    let mut threads = repo.pulls.values().flat_map(|p| p.threads.iter().map(move |t| (p, t)));
    let at = Place { state, repo, viewer: &viewer };
    match kind {
        "R" => (repo.id == id).then(|| at.repository()),
        "PR" => repo.pulls.values().find(|p| p.id == id).map(|p| at.pull(p)),
        "PRRT" => threads.find(|(_, t)| t.id == id).map(|(p, t)| at.thread(p, t)),
        "PRRC" => threads.find_map(|(p, t)| t.comments.iter().find(|c| c.id == id).map(|c| at.comment(p, t, c))),
        "PRR" => repo.pulls.values().find_map(|p| p.reviews.iter().find(|r| r.id == id).map(|r| at.review(p, r))),
        "IC" => repo.comments.iter().find(|c| c.id == id).map(|c| at.issue_comment(c)),
        _ => None,
    }
}

fn user(state: &State, login: &str) -> Value {
    let value = view::user(state, login);
    let kind = if value["type"] == "Bot" { "Bot" } else { "User" };
    json!({
        "__typename": kind, "id": value["node_id"], "login": login, "databaseId": value["id"], "name": login,
        "url": value["html_url"], "avatarUrl": value["avatar_url"], "resourcePath": format!("/{login}"),
    })
}

/// The account as a `User`, where the schema has no room for a bot.
fn as_user(state: &State, login: &str) -> Value {
    let mut value = user(state, login);
    value["__typename"] = "User".into();
    value
}

/// A repository and who looks at it.
struct Place<'a> {
    state: &'a State,
    repo: &'a Repository,
    viewer: &'a str,
}

impl Place<'_> {
    fn actor(&self, login: &str) -> Value {
        actor(self.state, login)
    }

    fn page(&self, number: u64) -> String {
        format!("{}/{}/pull/{number}", self.state.base, self.repo.full_name())
    }

    fn repository(&self) -> Value {
        let repo = self.repo;
        let tip = repo.git.commit(&format!("refs/heads/{}", repo.default_branch));
        json!({
            "__typename": "Repository", "id": view::node("R", repo.id), "databaseId": repo.id, "name": repo.name,
            "nameWithOwner": repo.full_name(), "owner": self.actor(&repo.owner), "isPrivate": repo.private,
            "isFork": repo.fork_of.is_some(), "url": format!("{}/{}", self.state.base, repo.full_name()),
            "defaultBranchRef": tip.map(|sha| json!({ "__typename": "Ref", "name": repo.default_branch,
                "target": { "__typename": "Commit", "oid": sha } })),
        })
    }

    fn pull(&self, pull: &Pull) -> Value {
        let mut value = self.pull_facts(pull);
        let lists = json!({
            "reviewThreads": connection("PullRequestReviewThreadConnection",
                pull.threads.iter().map(|t| node_ref("PRRT", t.id)).collect()),
            "reviews": connection("PullRequestReviewConnection",
                pull.reviews.iter().map(|r| node_ref("PRR", r.id)).collect()),
            "comments": connection("IssueCommentConnection",
                self.repo.comments.iter().filter(|c| c.pull == pull.number).map(|c| node_ref("IC", c.id)).collect()),
            "commits": connection("PullRequestCommitConnection", self.commits(pull)),
        });
        for (name, list) in lists.as_object().into_iter().flatten() {
            value[name] = list.clone();
        }
        value
    }

    fn pull_facts(&self, pull: &Pull) -> Value {
        let head = self.state.repo(&pull.head_repo).map(|r| node_ref("R", r.id));
        json!({
            "__typename": "PullRequest", "id": view::node("PR", pull.id), "fullDatabaseId": pull.id.to_string(),
            "databaseId": pull.id, "number": pull.number, "title": pull.title, "body": pull.body,
            "state": pull_state(pull), "closed": !pull.open, "merged": pull.merged.is_some(), "isDraft": pull.draft,
            "url": self.page(pull.number), "author": self.actor(&pull.author),
            "headRefName": pull.head_ref, "headRefOid": pull.head_sha, "baseRefName": pull.base_ref,
            "baseRefOid": pull.base_sha, "headRepository": head, "repository": node_ref("R", self.repo.id),
            "isCrossRepository": pull.head_repo != self.repo.full_name(), "mergeable": "MERGEABLE",
            "reviewDecision": null, "viewerDidAuthor": pull.author == self.viewer,
            "createdAt": iso(pull.created), "updatedAt": iso(pull.updated), "closedAt": pull.closed.map(iso),
            "mergedAt": pull.merged.as_ref().map(|m| iso(m.at)),
            "mergedBy": pull.merged.as_ref().map(|m| self.actor(&m.by)),
            "mergeCommit": pull.merged.as_ref().map(|m| json!({ "__typename": "Commit", "oid": m.sha })),
        })
    }

    fn commits(&self, pull: &Pull) -> Vec<Value> {
        let git = &self.repo.git;
        let base = git.merge_base(&pull.base_sha, &pull.head_sha).unwrap_or_else(|| pull.base_sha.clone());
        let shas = git.between(&base, &pull.head_sha).unwrap_or_default();
        let read = shas.iter().filter_map(|sha| commits::read(git, sha).ok());
        read.map(|commit| {
            let rest = commits::listed(self.state, &self.repo.full_name(), &commit);
            let who = |name: &str| {
                let who = &rest["commit"][name];
                json!({ "__typename": "GitActor", "name": who["name"], "email": who["email"], "date": who["date"],
                    "user": rest[name]["login"].as_str().map(|l| self.actor(l)) })
            };
            json!({ "__typename": "PullRequestCommit", "id": format!("PRC_{}", commit.sha), "commit": {
                "__typename": "Commit", "oid": commit.sha, "message": commit.message,
                "messageHeadline": commit.message.lines().next(), "committedDate": rest["commit"]["committer"]["date"],
                "authoredDate": rest["commit"]["author"]["date"], "author": who("author"),
                "committer": who("committer"),
                "parents": connection("CommitConnection", commit.parents.iter()
                    .map(|p| json!({ "__typename": "Commit", "oid": p })).collect()),
            } })
        })
        .collect()
    }

    fn thread(&self, pull: &Pull, thread: &Thread) -> Value {
        json!({
            "__typename": "PullRequestReviewThread", "id": view::node("PRRT", thread.id),
            "isResolved": thread.resolved_by.is_some(), "isOutdated": thread.outdated,
            "isCollapsed": thread.outdated || thread.resolved_by.is_some(),
            "resolvedBy": thread.resolved_by.as_ref().map(|login| as_user(self.state, login)),
            "path": thread.path, "line": thread.line, "startLine": thread.start_line,
            "originalLine": thread.original_line, "originalStartLine": thread.original_start_line,
            "diffSide": thread.side, "startDiffSide": thread.original_start_line.map(|_| &thread.side),
            "subjectType": if thread.original_line.is_some() { "LINE" } else { "FILE" },
            "comments": connection("PullRequestReviewCommentConnection",
                thread.comments.iter().map(|c| node_ref("PRRC", c.id)).collect()),
            "pullRequest": node_ref("PR", pull.id), "repository": node_ref("R", self.repo.id),
            "viewerCanReply": true, "viewerCanResolve": thread.resolved_by.is_none(),
            "viewerCanUnresolve": thread.resolved_by.is_some(),
        })
    }

    /// What every comment has.
    fn remark(&self, kind: &str, prefix: &str, said: &Said<'_>) -> Value {
        json!({
            "__typename": kind, "id": view::node(prefix, said.id), "fullDatabaseId": said.id.to_string(),
            "databaseId": said.id, "body": said.body, "bodyText": said.body, "author": self.actor(said.author),
            "authorAssociation": view::association(self.repo, said.author), "viewerDidAuthor": said.author == self.viewer,
            "isMinimized": said.minimized.is_some(), "minimizedReason": said.minimized.map(|r| r.to_lowercase().replace('_', "-")),
            "createdAt": iso(said.created), "updatedAt": iso(said.updated), "publishedAt": iso(said.created),
            "lastEditedAt": (said.updated > said.created).then(|| iso(said.updated)), "repository": node_ref("R", self.repo.id),
            "reactionGroups": self.groups(said.reactions), "viewerCanMinimize": true, "viewerCanReact": true,
            "viewerCanUpdate": said.author == self.viewer, "viewerCanDelete": said.author == self.viewer,
        })
    }

    fn comment(&self, pull: &Pull, thread: &Thread, comment: &Comment) -> Value {
        let mut value = self.remark(
            "PullRequestReviewComment",
            "PRRC",
            &Said {
                id: comment.id,
                author: &comment.author,
                body: &comment.body,
                minimized: comment.minimized.as_deref(),
                reactions: &comment.reactions,
                created: comment.created,
                updated: comment.updated,
            },
        );
        let own = json!({
            "outdated": thread.outdated, "replyTo": comment.reply_to.map(|id| node_ref("PRRC", id)),
            "path": thread.path, "line": thread.line, "startLine": thread.start_line,
            "originalLine": thread.original_line, "originalStartLine": thread.original_start_line,
            "diffHunk": comment.hunk, "pullRequest": node_ref("PR", pull.id),
            "pullRequestReview": node_ref("PRR", comment.review), "state": "SUBMITTED",
            "subjectType": if thread.original_line.is_some() { "LINE" } else { "FILE" },
            "originalCommit": { "__typename": "Commit", "oid": thread.commit },
            "commit": { "__typename": "Commit", "oid": if thread.outdated { &thread.commit } else { &pull.head_sha } },
            "url": format!("{}#discussion_r{}", self.page(pull.number), comment.id),
        });
        own.as_object().into_iter().flatten().for_each(|(k, v)| value[k] = v.clone());
        value
    }

    fn issue_comment(&self, comment: &IssueComment) -> Value {
        let mut value = self.remark(
            "IssueComment",
            "IC",
            &Said {
                id: comment.id,
                author: &comment.author,
                body: &comment.body,
                minimized: comment.minimized.as_deref(),
                reactions: &comment.reactions,
                created: comment.created,
                updated: comment.updated,
            },
        );
        value["pullRequest"] = self.repo.pulls.get(&comment.pull).map_or(Value::Null, |p| node_ref("PR", p.id));
        value["url"] = format!("{}#issuecomment-{}", self.page(comment.pull), comment.id).into();
        value
    }

    fn review(&self, pull: &Pull, review: &Review) -> Value {
        let at = review.submitted.unwrap_or(pull.updated);
        let mut value = self.remark(
            "PullRequestReview",
            "PRR",
            &Said {
                id: review.id,
                author: &review.author,
                body: &review.body,
                minimized: None,
                reactions: &[],
                created: at,
                updated: at,
            },
        );
        let comments = pull.threads.iter().flat_map(|t| &t.comments).filter(|c| c.review == review.id);
        value["state"] = review.state.as_str().into();
        value["submittedAt"] = review.submitted.map_or(Value::Null, |at| iso(at).into());
        value["commit"] = json!({ "__typename": "Commit", "oid": review.commit });
        value["pullRequest"] = node_ref("PR", pull.id);
        value["comments"] =
            connection("PullRequestReviewCommentConnection", comments.map(|c| node_ref("PRRC", c.id)).collect());
        value["url"] = format!("{}#pullrequestreview-{}", self.page(pull.number), review.id).into();
        value
    }

    /// All eight groups, empty ones too, as GitHub gives them.
    fn groups(&self, reactions: &[Reaction]) -> Value {
        let group = |(rest, name): &(&str, &str)| {
            let of: Vec<&Reaction> = reactions.iter().filter(|r| r.content == *rest).collect();
            let who: Vec<Value> = of.iter().map(|r| self.actor(&r.user)).collect();
            let users: Vec<Value> = of.iter().map(|r| as_user(self.state, &r.user)).collect();
            json!({
                "__typename": "ReactionGroup", "content": name, "createdAt": of.first().map(|r| iso(r.at)),
                "viewerHasReacted": of.iter().any(|r| r.user == self.viewer),
                "reactors": connection("ReactorConnection", who.clone()),
                "users": connection("ReactingUserConnection", users),
            })
        };
        CONTENTS.iter().map(group).collect()
    }
}

/// What a comment says, of whatever kind it is.
struct Said<'a> {
    id: u64,
    author: &'a str,
    body: &'a str,
    minimized: Option<&'a str>,
    reactions: &'a [Reaction],
    created: i64,
    updated: i64,
}
