//! What can a test look at? Reviews, threads, check runs, webhooks and exchanges, as they stand.

use serde_json::Value;

/// A person or a bot.
#[derive(Clone, Debug)]
pub struct User {
    /// The number GitHub's co-author trailers carry.
    pub id: u64,
    /// The name behind the `@`.
    pub login: String,
    /// Whether this is an app's account, whose login ends in `[bot]`.
    pub bot: bool,
}

/// A reaction: who, what (`+1`, `-1`, `laugh`, `confused`, `heart`, `hooray`, `rocket`, `eyes`).
#[derive(Clone, Debug)]
pub struct Reaction {
    /// Its number.
    pub id: u64,
    /// The login of who reacted.
    pub user: String,
    /// The content's name as REST writes it.
    pub content: String,
    pub(crate) at: i64,
}

/// A comment in a review thread.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Its number.
    pub id: u64,
    /// The review it was posted with.
    pub review: u64,
    /// The login of its author.
    pub author: String,
    /// Its Markdown.
    pub body: String,
    /// The first comment of its thread, for a reply.
    pub reply_to: Option<u64>,
    /// Reactions, oldest first.
    pub reactions: Vec<Reaction>,
    /// Why it was hidden, if it was.
    pub minimized: Option<String>,
    pub(crate) hunk: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

/// A conversation on lines of a pull request.
#[derive(Clone, Debug)]
pub struct Thread {
    /// Its number.
    pub id: u64,
    /// The file.
    pub path: String,
    /// `LEFT` or `RIGHT`.
    pub side: String,
    /// The last line now, 1-based; `None` when outdated, or for a whole file.
    pub line: Option<u64>,
    /// The first line now, when it spans several.
    pub start_line: Option<u64>,
    /// The last line when it was written.
    pub original_line: Option<u64>,
    /// The first line when it was written.
    pub original_start_line: Option<u64>,
    /// The commit it was written on.
    pub commit: String,
    /// Whether the lines were changed since.
    pub outdated: bool,
    /// The login of who resolved it.
    pub resolved_by: Option<String>,
    /// Its comments, oldest first; never empty.
    pub comments: Vec<Comment>,
}

/// A review of a pull request.
#[derive(Clone, Debug)]
pub struct Review {
    /// Its number.
    pub id: u64,
    /// The login of its author.
    pub author: String,
    /// Its Markdown.
    pub body: String,
    /// `PENDING`, `COMMENTED`, `APPROVED`, `CHANGES_REQUESTED` or `DISMISSED`.
    pub state: String,
    /// The commit it was written on.
    pub commit: String,
    pub(crate) submitted: Option<i64>,
}

/// A comment in a pull request's conversation.
#[derive(Clone, Debug)]
pub struct IssueComment {
    /// Its number.
    pub id: u64,
    /// The pull request.
    pub pull: u64,
    /// The login of its author.
    pub author: String,
    /// Its Markdown.
    pub body: String,
    /// Reactions, oldest first.
    pub reactions: Vec<Reaction>,
    /// Why it was hidden, if it was.
    pub minimized: Option<String>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

/// A check run.
#[derive(Clone, Debug)]
pub struct CheckRun {
    /// Its number.
    pub id: u64,
    /// The name branch protection knows it by.
    pub name: String,
    /// The commit it is about.
    pub head_sha: String,
    /// `queued`, `in_progress` or `completed`.
    pub status: String,
    /// `success`, `neutral`, `failure` and so on, once completed.
    pub conclusion: Option<String>,
    /// `title`, `summary` and `text` as sent last.
    pub output: Value,
    /// Annotations in the order they were added.
    pub annotations: Vec<Value>,
    /// Everything else that was sent (`details_url`, `external_id`, `actions`).
    pub rest: Value,
    pub(crate) started: i64,
    pub(crate) completed: Option<i64>,
}

/// How a pull request ended in its base branch.
#[derive(Clone, Debug)]
pub struct Merge {
    /// The commit on the base branch.
    pub sha: String,
    /// The login of who merged.
    pub by: String,
    pub(crate) at: i64,
}

/// A pull request.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Its id, another number than the one in its address.
    pub id: u64,
    /// The number in its address.
    pub number: u64,
    /// Its title.
    pub title: String,
    /// Its description.
    pub body: String,
    /// The login of its author.
    pub author: String,
    /// `owner/name` of where the branch is; the fork, for one from a fork.
    pub head_repo: String,
    /// The branch.
    pub head_ref: String,
    /// Its last commit.
    pub head_sha: String,
    /// The branch it wants to go to.
    pub base_ref: String,
    /// That branch's commit when it was opened.
    pub base_sha: String,
    /// Whether it is open.
    pub open: bool,
    /// Whether it is a draft.
    pub draft: bool,
    /// How it was merged, if it was.
    pub merged: Option<Merge>,
    /// Its reviews, oldest first.
    pub reviews: Vec<Review>,
    /// Its review threads, oldest first.
    pub threads: Vec<Thread>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) closed: Option<i64>,
}

/// One webhook the forge sent, or tried to send.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Its number in the app's list.
    pub id: u64,
    /// `X-GitHub-Delivery`; a redelivery keeps it.
    pub guid: String,
    /// `X-GitHub-Event`.
    pub event: String,
    /// The payload's `action`, if it has one.
    pub action: Option<String>,
    /// The payload as sent.
    pub payload: Value,
    /// The status answered, 0 when none was.
    pub status: u16,
    /// Whether this is a second attempt.
    pub redelivery: bool,
    /// Whether an attempt ended, well or badly.
    pub done: bool,
    pub(crate) installation: Option<u64>,
    pub(crate) repository: Option<u64>,
    pub(crate) at: i64,
}

/// One exchange with the forge.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// `GET`, `POST`…
    pub method: String,
    /// The path without its query.
    pub path: String,
    /// The raw query.
    pub query: String,
    /// The operation's name in GitHub's description (`pulls/create-review`), `graphql`, `git`, or empty.
    pub operation: String,
    /// The status answered, 0 when the connection was cut.
    pub status: u16,
    /// What was sent, null when it was not JSON.
    pub body: Value,
    /// When it was answered.
    pub at: std::time::Instant,
}

/// Something that was not as GitHub describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `request`, `answer`, `webhook`, `graphql`, `route` or `auth`.
    pub kind: &'static str,
    /// Where: method, path, operation or event.
    pub at: String,
    /// What is wrong.
    pub what: String,
}
