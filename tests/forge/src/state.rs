//! What does the forge know? Users, repositories, pull requests and all that hangs on them.

use crate::clock::{Clock, iso};
use crate::faults::Fault;
use crate::git::{Git, Ident};
pub(crate) use crate::records::{
    CheckRun, Comment, Delivery, Exchange, IssueComment, Merge, Pull, Reaction, Review, Thread, User, Violation,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

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

pub(crate) struct State {
    pub(crate) base: String,
    pub(crate) enterprise: bool,
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
