//! What does the forge know? Users, repositories, pull requests and all that hangs on them.

use crate::clock::{Clock, iso};
use crate::faults::Fault;
use crate::git::{Git, Ident};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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

#[derive(Clone, Debug)]
pub(crate) struct Repository {
    pub(crate) id: u64,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) private: bool,
    pub(crate) default_branch: String,
    pub(crate) fork_of: Option<String>,
    pub(crate) git: Git,
    pub(crate) protected: BTreeSet<String>,
    /// login -> `admin`, `maintain`, `write`, `triage`, `read`
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) pulls: BTreeMap<u64, Pull>,
    pub(crate) comments: Vec<IssueComment>,
    pub(crate) checks: Vec<CheckRun>,
    pub(crate) sarifs: Vec<Value>,
    pub(crate) runs: Vec<Run>,
    pub(crate) next_number: u64,
    pub(crate) created: i64,
}

/// A workflow run with its artifacts: name and zip.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) id: u64,
    pub(crate) head_sha: String,
    pub(crate) head_branch: String,
    pub(crate) head_repo: String,
    pub(crate) event: String,
    pub(crate) artifacts: Vec<(u64, String, Vec<u8>)>,
}

impl Repository {
    pub(crate) fn full_name(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    pub(crate) fn permission(&self, login: &str) -> &str {
        let none = if self.private { "none" } else { "read" };
        self.permissions.get(login).map_or(none, String::as_str)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub(crate) id: u64,
    pub(crate) account: String,
    pub(crate) suspended: Option<i64>,
    /// Repositories by full name; `None` for all of the account's.
    pub(crate) only: Option<BTreeSet<String>>,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) created: i64,
}

#[derive(Clone, Debug)]
pub(crate) enum Holder {
    Installation { id: u64, permissions: BTreeMap<String, String>, only: Option<BTreeSet<String>> },
    Person(String),
}

#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) holder: Holder,
    pub(crate) expires: Option<i64>,
}

#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: u64,
    pub(crate) slug: String,
    pub(crate) client_id: String,
    /// The RSA public key, PKCS #1 DER.
    pub(crate) key: Vec<u8>,
    pub(crate) secret: String,
    pub(crate) hook_url: Option<String>,
    pub(crate) permissions: BTreeMap<String, String>,
    pub(crate) events: Vec<String>,
}

impl App {
    pub(crate) fn login(&self) -> String {
        format!("{}[bot]", self.slug)
    }
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

pub(crate) struct State {
    pub(crate) base: String,
    pub(crate) root: std::path::PathBuf,
    pub(crate) clock: Clock,
    pub(crate) started: i64,
    pub(crate) last_id: u64,
    pub(crate) app: App,
    pub(crate) users: BTreeMap<String, User>,
    pub(crate) repos: BTreeMap<String, Repository>,
    pub(crate) installations: BTreeMap<u64, Installation>,
    pub(crate) tokens: BTreeMap<String, Token>,
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) outbox: Vec<usize>,
    pub(crate) held: Vec<usize>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) requests: Vec<Exchange>,
    pub(crate) violations: Vec<Violation>,
    pub(crate) approvals: Vec<(String, u64)>,
    pub(crate) minted: u64,
    pub(crate) spent: u64,
    pub(crate) limit: u64,
}

impl State {
    /// The next number; every object of the forge has its own.
    pub(crate) fn id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(crate) fn now(&self) -> i64 {
        self.clock.now()
    }

    pub(crate) fn iso(&self) -> String {
        iso(self.now())
    }

    pub(crate) fn violate(&mut self, kind: &'static str, at: impl Into<String>, what: impl Into<String>) {
        self.violations.push(Violation { kind, at: at.into(), what: what.into() });
    }

    /// The user of this login, made when nobody has it.
    pub(crate) fn user(&mut self, login: &str) -> User {
        if let Some(user) = self.users.get(login) {
            return user.clone();
        }
        let user = User { id: self.id(), login: login.to_owned(), bot: login.ends_with("[bot]") };
        self.users.insert(login.to_owned(), user.clone());
        user
    }

    /// The person as a commit's author, with the address GitHub gives to who keeps theirs private.
    pub(crate) fn ident(&mut self, login: &str) -> Ident {
        let user = self.user(login);
        let email = format!("{}+{login}@users.noreply.github.com", user.id);
        Ident { name: login.to_owned(), email, at: self.now() }
    }

    /// The installation that covers a repository.
    pub(crate) fn installation(&self, full_name: &str) -> Option<&Installation> {
        let owner = full_name.split('/').next().unwrap_or_default();
        self.installations
            .values()
            .find(|i| i.account == owner && i.only.as_ref().is_none_or(|only| only.contains(full_name)))
    }

    pub(crate) fn repo(&self, full_name: &str) -> Option<&Repository> {
        self.repos.get(full_name)
    }

    pub(crate) fn pull(&self, full_name: &str, number: u64) -> Option<&Pull> {
        self.repos.get(full_name)?.pulls.get(&number)
    }

    pub(crate) fn pull_mut(&mut self, full_name: &str, number: u64) -> Option<&mut Pull> {
        self.repos.get_mut(full_name)?.pulls.get_mut(&number)
    }

    /// Where a review comment is: its pull request, thread and place in the thread.
    pub(crate) fn find_comment(&self, full_name: &str, id: u64) -> Option<(u64, usize, usize)> {
        self.repos.get(full_name)?.pulls.values().find_map(|pull| {
            pull.threads
                .iter()
                .enumerate()
                .find_map(|(t, thread)| thread.comments.iter().position(|c| c.id == id).map(|c| (pull.number, t, c)))
        })
    }

    pub(crate) fn comment_mut(&mut self, full_name: &str, id: u64) -> Option<&mut Comment> {
        let (number, t, c) = self.find_comment(full_name, id)?;
        self.pull_mut(full_name, number)?.threads.get_mut(t)?.comments.get_mut(c)
    }
}
