//! What can people do in a repository, and what can a test look at?

use crate::deeds::{self, Work};
use crate::hooks::{self, Event};
use crate::merge::{self, Way};
use crate::person;
use crate::rest::{comments, reviews};
use crate::rules;
use crate::server::Shared;
use crate::start::new_repository;
use crate::state::{CheckRun, IssueComment, Pull, Review, State, Thread};
use crate::suggest::{self, Press};
use crate::{Error, view};
use serde_json::{Value, json};
use std::sync::Arc;

/// A repository, as people and tests see it. Every deed sends the webhooks GitHub would send.
#[derive(Clone)]
pub struct Repo {
    shared: Arc<Shared>,
    full: String,
}

impl Repo {
    pub(crate) fn new(shared: Arc<Shared>, full: &str) -> Self {
        Self { shared, full: full.to_owned() }
    }

    fn with<T>(&self, deed: impl FnOnce(&mut State, &str) -> T) -> T {
        self.shared.with(|state| deed(state, &self.full))
    }

    /// `owner/name`.
    pub fn name(&self) -> &str {
        &self.full
    }

    /// Where it is cloned from.
    pub fn clone_url(&self) -> String {
        self.with(|s, full| format!("{}/{full}.git", s.base))
    }

    /// Commits files to a branch; a branch that is not there starts at the default branch. The commit.
    pub fn push(&self, login: &str, branch: &str, message: &str, files: &[(&str, &str)]) -> Result<String, Error> {
        let files = files.iter().map(|(p, t)| ((*p).to_owned(), Some(t.as_bytes().to_vec()))).collect();
        self.push_files(login, branch, message, &files)
    }

    /// The same with bytes, and `None` for a file to delete.
    pub fn push_files(
        &self,
        login: &str,
        branch: &str,
        message: &str,
        files: &Vec<(String, Option<Vec<u8>>)>,
    ) -> Result<String, Error> {
        self.with(|s, full| deeds::commit(s, full, &Work { login, branch, message, files, onto: None }))
    }

    /// Throws the branch's commits away and starts it again at `onto` (a branch or commit), with these files.
    pub fn force_push(&self, login: &str, branch: &str, onto: &str, files: &[(&str, &str)]) -> Result<String, Error> {
        let files = files.iter().map(|(p, t)| ((*p).to_owned(), Some(t.as_bytes().to_vec()))).collect();
        let work = Work { login, branch, message: "again", files: &files, onto: Some(onto) };
        self.with(|s, full| deeds::commit(s, full, &work))
    }

    /// Feeds `git fast-import` a stream, for long histories; every branch it moved was pushed by `login`.
    pub fn import(&self, login: &str, stream: &str) -> Result<(), Error> {
        self.with(|s, full| {
            let git = s.repo(full).map(|r| r.git.clone()).ok_or_else(|| Error::Missing(full.to_owned()))?;
            let before = git.refs()?;
            git.bytes(&["fast-import", "--quiet"], stream.as_bytes(), &[])?;
            let after = git.refs()?;
            person::follow(s, full, (&before, &after), login)
        })
    }

    /// Deletes a branch; its pull requests are closed.
    pub fn delete_branch(&self, login: &str, branch: &str) -> Result<(), Error> {
        self.with(|s, full| {
            let name = format!("refs/heads/{branch}");
            let git = s.repo(full).map(|r| r.git.clone()).ok_or_else(|| Error::Missing(full.to_owned()))?;
            let before = git.commit(&name);
            git.run(&["update-ref", "-d", &name])?;
            person::moved(s, full, &name, before.as_deref(), None, login)
        })
    }

    /// Opens a pull request to the default branch; its number.
    pub fn open_pr(&self, login: &str, branch: &str, title: &str) -> Result<u64, Error> {
        self.with(|s, full| deeds::open(s, full, full, (login, branch, title, false)))
    }

    /// The same as a draft.
    pub fn open_draft(&self, login: &str, branch: &str, title: &str) -> Result<u64, Error> {
        self.with(|s, full| deeds::open(s, full, full, (login, branch, title, true)))
    }

    /// Forks it to someone's account.
    pub fn fork(&self, login: &str) -> Result<Repo, Error> {
        let name = self.full.split('/').next_back().unwrap_or_default();
        self.with(|s, full| {
            let private = s.repo(full).is_some_and(|r| r.private);
            new_repository(s, login, name, private, Some(full))
        })?;
        Ok(Repo::new(self.shared.clone(), &format!("{login}/{name}")))
    }

    /// Opens a pull request here from a branch of a fork.
    pub fn open_fork_pr(&self, fork: &Repo, login: &str, branch: &str, title: &str) -> Result<u64, Error> {
        self.with(|s, full| deeds::open(s, full, &fork.full, (login, branch, title, false)))
    }

    /// Marks a draft ready for review.
    pub fn ready(&self, pull: u64, login: &str) -> Result<(), Error> {
        self.with(|s, full| deeds::drafted(s, full, pull, login, false))
    }

    /// Makes it a draft again.
    pub fn convert_to_draft(&self, pull: u64, login: &str) -> Result<(), Error> {
        self.with(|s, full| deeds::drafted(s, full, pull, login, true))
    }

    /// Changes the title.
    pub fn retitle(&self, pull: u64, login: &str, title: &str) -> Result<(), Error> {
        self.with(|s, full| person::edit(s, full, pull, login, Some(title.to_owned()), None))
    }

    /// Changes the description.
    pub fn describe(&self, pull: u64, login: &str, body: &str) -> Result<(), Error> {
        self.with(|s, full| person::edit(s, full, pull, login, None, Some(body.to_owned())))
    }

    /// Aims it at another base branch.
    pub fn retarget(&self, pull: u64, login: &str, base: &str) -> Result<(), Error> {
        self.with(|s, full| person::retarget(s, full, pull, login, base))
    }

    /// Closes without merging.
    pub fn close(&self, pull: u64, login: &str) -> Result<(), Error> {
        self.with(|s, full| person::close(s, full, pull, login))
    }

    /// Opens a closed one.
    pub fn reopen(&self, pull: u64, login: &str) -> Result<(), Error> {
        self.with(|s, full| person::reopen(s, full, pull, login))
    }

    /// Merges; the commit on the base branch.
    pub fn merge(&self, pull: u64, login: &str, way: Way) -> Result<String, Error> {
        self.with(|s, full| merge::merge(s, full, pull, login, way, None))
    }

    /// Writes into the conversation; the comment's number.
    pub fn comment(&self, pull: u64, login: &str, body: &str) -> u64 {
        self.with(|s, full| comments::say(s, full, pull, login, body))
    }

    /// Comments on a line (new side) of the diff, as a review of one comment; the comment's number.
    pub fn comment_on(&self, pull: u64, login: &str, path: &str, line: u64, body: &str) -> Result<u64, Error> {
        self.with(|s, full| {
            deeds::comment_on(s, full, pull, login, &json!({ "path": path, "line": line, "body": body }))
        })
    }

    /// Reviews without comments on lines: event `APPROVE`, `REQUEST_CHANGES` or `COMMENT`; the review's number.
    pub fn review(&self, pull: u64, login: &str, event: &str, body: &str) -> Result<u64, Error> {
        self.with(|s, full| {
            let found = s.pull(full, pull).ok_or_else(|| Error::Missing(format!("{full}#{pull}")))?;
            rules::review(found, login, Some(event), body, 0)?;
            let commit = found.head_sha.clone();
            let posted = reviews::Posted { login, commit: &commit, body, event: Some(event) };
            Ok(reviews::post(s, full, pull, &posted, Vec::new()))
        })
    }

    /// Replies in a review comment's thread; the reply's number.
    pub fn reply(&self, comment: u64, login: &str, body: &str) -> Result<u64, Error> {
        self.with(|s, full| comments::reply(s, full, comment, login, body).map_err(Error::from))
    }

    /// Reacts to a comment of any kind (`+1`, `-1`, `laugh`, `confused`, `heart`, `hooray`, `rocket`, `eyes`).
    /// No webhook: GitHub sends none.
    pub fn react(&self, comment: u64, login: &str, content: &str) -> Result<u64, Error> {
        if !view::REACTIONS.contains(&content) {
            return Err(Error::Missing(format!("the reaction {content}")));
        }
        let made = self.with(|s, full| comments::react(s, full, comment, login, content));
        made.map(|(_, r)| r.id).ok_or_else(|| Error::Missing(format!("comment {comment}")))
    }

    /// Takes a reaction back.
    pub fn unreact(&self, comment: u64, login: &str, content: &str) {
        self.with(|s, full| {
            if let Some(list) = comments::reactions_of(s, full, comment) {
                list.retain(|r| r.user != login || r.content != content);
            }
        });
    }

    /// Resolves a thread (its number, or that of a comment in it).
    pub fn resolve(&self, thread: u64, login: &str) -> Result<(), Error> {
        self.with(|s, full| person::resolve(s, full, deeds::thread_of(s, full, thread), login, true))
    }

    /// Opens a resolved thread again.
    pub fn unresolve(&self, thread: u64, login: &str) -> Result<(), Error> {
        self.with(|s, full| person::resolve(s, full, deeds::thread_of(s, full, thread), login, false))
    }

    /// Presses "Commit suggestion" (one comment) or commits a batch; `title` where the person edited it. The commit.
    /// `Err` when a comment is outdated or holds no suggestion.
    pub fn commit_suggestion(&self, login: &str, comments: &[u64], title: Option<&str>) -> Result<String, Error> {
        self.with(|s, full| suggest::commit(s, full, comments, &Press { login, title, button: true }))
    }

    /// Types the suggestions in by hand and pushes: an ordinary commit, no trailer, nothing resolved. The commit.
    pub fn apply_by_hand(&self, login: &str, comments: &[u64], message: &str) -> Result<String, Error> {
        let press = Press { login, title: Some(message), button: false };
        self.with(|s, full| suggest::commit(s, full, comments, &press))
    }

    /// Asks for a check run to be done again.
    pub fn rerequest(&self, check: u64, login: &str) -> Result<(), Error> {
        self.with(|s, full| {
            let repo = s.repo(full).ok_or_else(|| Error::Missing(full.to_owned()))?;
            let run = repo.checks.iter().find(|c| c.id == check);
            let run = run.ok_or_else(|| Error::Missing(format!("check run {check}")))?;
            let mut value = view::check_run(s, repo, run);
            value["check_suite"] = deeds::suite(s, repo.full_name(), &run.head_sha, &deeds::heads(repo, &run.head_sha));
            value["pull_requests"] = deeds::references(s, repo, &run.head_sha).into();
            let fields = json!({ "check_run": value });
            let action = Some("rerequested");
            hooks::emit(s, Event { name: "check_run", action, repo: full, sender: login, fields });
            Ok(())
        })
    }

    /// Asks for all of a commit's check runs to be done again.
    pub fn rerequest_suite(&self, sha: &str, login: &str) -> Result<(), Error> {
        self.with(|s, full| {
            let repo = s.repo(full).ok_or_else(|| Error::Missing(full.to_owned()))?;
            let mut value = deeds::suite(s, repo.full_name(), sha, &deeds::heads(repo, sha));
            value["pull_requests"] = deeds::references(s, repo, sha).into();
            let fields = json!({ "check_suite": value });
            let action = Some("rerequested");
            hooks::emit(s, Event { name: "check_suite", action, repo: full, sender: login, fields });
            Ok(())
        })
    }

    /// Finishes a workflow run on a commit, with artifacts (name, zip); its number. `workflow_run.completed` goes out.
    pub fn workflow_run(&self, from: &str, branch: &str, sha: &str, artifacts: &[(&str, &[u8])]) -> u64 {
        self.with(|s, full| deeds::workflow_run(s, full, (from, branch, sha), artifacts))
    }

    /// Gives someone a permission: `admin`, `maintain`, `write`, `triage`, `read`.
    pub fn permit(&self, login: &str, permission: &str) {
        self.with(|s, full| {
            s.user(login);
            if let Some(repo) = s.repos.get_mut(full) {
                repo.permissions.insert(login.to_owned(), permission.to_owned());
            }
        });
    }

    /// Protects a branch from forced updates and from being deleted.
    pub fn protect(&self, branch: &str) -> Result<(), Error> {
        self.with(|s, full| {
            let repo = s.repos.get_mut(full).ok_or_else(|| Error::Missing(full.to_owned()))?;
            repo.protected.insert(branch.to_owned());
            repo.git.protect(branch)
        })
    }

    /// A pull request as it stands.
    pub fn pull(&self, number: u64) -> Option<Pull> {
        self.with(|s, full| s.pull(full, number).cloned())
    }

    /// Its reviews, oldest first.
    pub fn reviews(&self, pull: u64) -> Vec<Review> {
        self.pull(pull).map(|p| p.reviews).unwrap_or_default()
    }

    /// Its review threads, oldest first.
    pub fn threads(&self, pull: u64) -> Vec<Thread> {
        self.pull(pull).map(|p| p.threads).unwrap_or_default()
    }

    /// The comments of its conversation, oldest first.
    pub fn issue_comments(&self, pull: u64) -> Vec<IssueComment> {
        let all = self.with(|s, full| s.repo(full).map(|r| r.comments.clone()).unwrap_or_default());
        all.into_iter().filter(|c| c.pull == pull).collect()
    }

    /// The check runs on a commit, oldest first.
    pub fn check_runs(&self, sha: &str) -> Vec<CheckRun> {
        let all = self.with(|s, full| s.repo(full).map(|r| r.checks.clone()).unwrap_or_default());
        all.into_iter().filter(|c| c.head_sha == sha).collect()
    }

    /// The SARIF uploads, as sent.
    pub fn sarifs(&self) -> Vec<Value> {
        let all = self.with(|s, full| s.repo(full).map(|r| r.sarifs.clone()).unwrap_or_default());
        all.into_iter().map(|mut s| s["sent"].take()).collect()
    }

    /// The commit a branch (or any name git knows) points to.
    pub fn head(&self, name: &str) -> Option<String> {
        self.with(|s, full| s.repo(full)?.git.commit(name))
    }

    /// A file at a commit or branch, as text.
    pub fn file(&self, at: &str, path: &str) -> Option<String> {
        let bytes = self.with(|s, full| s.repo(full)?.git.file(at, path))?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Runs git in the bare repository and returns what it wrote: `log`, `cat-file`, `diff`.
    pub fn git(&self, args: &[&str]) -> Result<String, Error> {
        self.with(|s, full| match s.repo(full) {
            Some(repo) => repo.git.run(args),
            None => Err(Error::Missing(full.to_owned())),
        })
    }
}
