//! What do we need of a forge? Pull requests, what was said in them, and ways to say something once.

use std::{fmt, future::Future, time::Duration};

use engine::{feedback::Permission, git::CommitId};
use serde::{Deserialize, Serialize};

/// A repository's full name, `owner/name`, checked: nothing in it can leave a path or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct RepoName(String);

impl RepoName {
    /// The name, or `None` for anything GitHub would not give a repository.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_part = |part: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
            !part.is_empty() && part.len() <= 100 && !part.starts_with('.') && part.bytes().all(allowed)
        };
        // A repository may be called `.github`.
        let is_name = |name: &str| is_part(name.strip_prefix('.').unwrap_or(name));
        let (owner, name) = text.split_once('/')?;
        (is_part(owner) && is_name(name)).then(|| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for RepoName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not the name of a repository"))
    }
}

impl From<RepoName> for String {
    fn from(name: RepoName) -> Self {
        name.0
    }
}

impl fmt::Display for RepoName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A pull request, and on whose behalf we may act there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The repository it is to be merged into.
    pub(crate) repo: RepoName,
    /// Its number there.
    pub(crate) number: u64,
    /// The App's installation; none with a plain token.
    pub(crate) installation: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.repo, self.number)
    }
}

/// A pull request as it is now.
#[derive(Debug, Clone)]
pub(crate) struct Pull {
    pub(crate) author: String,
    pub(crate) is_open: bool,
    pub(crate) is_draft: bool,
    pub(crate) is_merged: bool,
    /// The commit it was merged as.
    pub(crate) merge_commit: Option<CommitId>,
    /// The newest commit of the branch it goes into.
    pub(crate) base: CommitId,
    pub(crate) base_branch: String,
    /// Its own newest commit.
    pub(crate) head: CommitId,
    /// The repository its commits come from; none when that was deleted.
    pub(crate) head_repo: Option<String>,
    /// Whether its commits come from another repository.
    pub(crate) is_fork: bool,
    pub(crate) labels: Vec<String>,
}

/// Which side of a diff a line is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Side {
    Left,
    Right,
}

/// Lines of a file in a diff, 1-based and inclusive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) side: Side,
}

/// A comment to be put on a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewComment {
    pub(crate) path: String,
    /// None for a comment on the file as a whole.
    pub(crate) lines: Option<Lines>,
    pub(crate) body: String,
}

/// A review to be posted in one piece. It never approves and never blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewReview {
    pub(crate) commit: CommitId,
    pub(crate) body: String,
    pub(crate) comments: Vec<NewComment>,
}

/// An emoji on a comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reaction {
    /// GitHub's name for it: `THUMBS_UP`, `CONFUSED`.
    pub(crate) content: String,
    pub(crate) by: Vec<String>,
}

/// One comment of a thread.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    /// Its number in REST.
    pub(crate) id: u64,
    /// Its id in GraphQL.
    pub(crate) node: String,
    pub(crate) author: String,
    /// Whether we wrote it; the forge says so, not its text.
    pub(crate) is_ours: bool,
    pub(crate) is_minimized: bool,
    pub(crate) body: String,
    pub(crate) at: i64,
    pub(crate) reactions: Vec<Reaction>,
}

/// A conversation about some lines.
#[derive(Debug, Clone)]
pub(crate) struct Thread {
    /// Its id in GraphQL.
    pub(crate) node: String,
    pub(crate) path: String,
    pub(crate) is_resolved: bool,
    pub(crate) resolved_by: Option<String>,
    /// Whether the lines it was about have changed.
    pub(crate) is_outdated: bool,
    /// From the first comment on.
    pub(crate) comments: Vec<Said>,
}

/// Everything that was said in a pull request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Conversation {
    pub(crate) threads: Vec<Thread>,
    /// The reviews' own texts.
    pub(crate) reviews: Vec<Said>,
    /// Comments on the pull request as a whole.
    pub(crate) comments: Vec<Said>,
}

/// How a check run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conclusion {
    Success,
    Failure,
    Neutral,
    Cancelled,
}

impl Conclusion {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Neutral => "neutral",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A remark of a check run on some lines of the new version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Annotation {
    pub(crate) path: String,
    pub(crate) start_line: u32,
    pub(crate) end_line: u32,
    pub(crate) annotation_level: &'static str,
    pub(crate) title: String,
    pub(crate) message: String,
}

/// What a finished check run says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) conclusion: Conclusion,
    pub(crate) title: String,
    pub(crate) summary: String,
    pub(crate) annotations: Vec<Annotation>,
}

/// A check run that we began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckRun {
    pub(crate) id: u64,
    /// How many annotations it has already.
    pub(crate) annotated: usize,
}

/// How git may read a repository.
pub(crate) struct GitAccess {
    /// The address, without credentials.
    pub(crate) url: String,
    /// The value of an `Authorization` header.
    pub(crate) authorization: Option<String>,
}

/// Where a reply goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Where {
    /// The pull request as a whole.
    Pull,
    /// The thread that this review comment began.
    Thread(u64),
}

/// A commit of a pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PullCommit {
    pub(crate) id: String,
    /// The login of its author; empty where the forge knows none.
    pub(crate) author: String,
    pub(crate) message: String,
}

/// A delivery that did not reach us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) id: u64,
    pub(crate) guid: String,
}

/// Why the forge did not do as asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ForgeError {
    /// It said no for good: what was asked for is not there, not allowed or not valid.
    #[error("{what}: {status}: {message}")]
    Refused { what: String, status: u16, message: String },
    /// It wants us to come back later.
    #[error("{what}: limited for {} seconds", .wait.as_secs())]
    Limited { what: String, wait: Duration },
    /// It could not be reached, failed, or the answer was lost; whether a write happened is unknown.
    #[error("{what}: {message}")]
    Unreachable { what: String, message: String },
    /// It answered something that it never should.
    #[error("{what}: cannot read the answer: {message}")]
    Garbled { what: String, message: String },
}

impl ForgeError {
    /// The HTTP status of a refusal.
    pub(crate) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

pub(crate) type Answer<T> = Result<T, ForgeError>;

/// GitHub, or something that can do the same. Writes are never repeated by an implementation: whoever asks for one looks
/// first whether it was done before.
pub(crate) trait Forge: Send + Sync + 'static {
    /// The pull request as it is now.
    fn pull(&self, place: &Place) -> impl Future<Output = Answer<Pull>> + Send;
    /// The newest commit that two commits have in common.
    fn merge_base(
        &self,
        place: &Place,
        base: &CommitId,
        head: &CommitId,
    ) -> impl Future<Output = Answer<CommitId>> + Send;
    /// Its commits, oldest first.
    fn commits(&self, place: &Place) -> impl Future<Output = Answer<Vec<PullCommit>>> + Send;
    /// How git reads the repository.
    fn git_access(&self, place: &Place) -> impl Future<Output = Answer<GitAccess>> + Send;
    /// Everything that was said.
    fn conversation(&self, place: &Place) -> impl Future<Output = Answer<Conversation>> + Send;
    /// Posts a review in one request.
    fn post_review(&self, place: &Place, review: &NewReview) -> impl Future<Output = Answer<()>> + Send;
    /// Puts one comment on a file as a whole.
    fn post_file_comment(
        &self,
        place: &Place,
        commit: &CommitId,
        comment: &NewComment,
    ) -> impl Future<Output = Answer<()>> + Send;
    /// Says something in reply.
    fn reply(&self, place: &Place, to: Where, body: &str) -> impl Future<Output = Answer<()>> + Send;
    /// Puts an emoji on a comment; doing it twice is doing it once.
    fn react(&self, place: &Place, to: Where, comment: u64, content: &str) -> impl Future<Output = Answer<()>> + Send;
    /// Closes a thread.
    fn resolve(&self, place: &Place, thread: &str) -> impl Future<Output = Answer<()>> + Send;
    /// Opens a thread again.
    fn reopen(&self, place: &Place, thread: &str) -> impl Future<Output = Answer<()>> + Send;
    /// Folds a comment away as outdated.
    fn minimize(&self, place: &Place, comment: &str) -> impl Future<Output = Answer<()>> + Send;
    /// Our check run on the head of a pull request: one in progress, or, unless a new one is wanted (`anew`), one that
    /// ended over the same base; else it is begun now. `None` where we may not make one.
    fn begin_check(
        &self,
        place: &Place,
        pull: &Pull,
        name: &str,
        anew: bool,
    ) -> impl Future<Output = Answer<Option<CheckRun>>> + Send;
    /// Ends a check run.
    fn end_check(&self, place: &Place, run: CheckRun, verdict: &Verdict) -> impl Future<Output = Answer<()>> + Send;
    /// What someone may do in the repository.
    fn permission(&self, place: &Place, login: &str) -> impl Future<Output = Answer<Permission>> + Send;
    /// Deliveries that failed since then (milliseconds since 1970), oldest first, without those that were delivered later.
    fn missed(&self, since: i64) -> impl Future<Output = Answer<Vec<Missed>>> + Send;
    /// Has a delivery sent again.
    fn redeliver(&self, delivery: u64) -> impl Future<Output = Answer<()>> + Send;
}
