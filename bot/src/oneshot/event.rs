//! What started the workflow? The runner's event file, and the one file that a fork's job may hand to a trusted one.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use engine::git::CommitId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::repo_name;
use crate::{args::ReviewPr, env, files, forge::RepoName};

/// What happened, and where.
pub(super) struct Happened {
    pub(super) repo: RepoName,
    pub(super) subject: Subject,
}

/// What is to be reviewed.
pub(super) enum Subject {
    /// A pull request.
    Pull { number: u64 },
    /// What a push brought.
    Push { before: CommitId, after: CommitId },
    /// A workflow that ended, about this commit of that repository.
    Run { head: CommitId, from: String },
}

impl Happened {
    /// From the flags, else from the runner.
    pub(super) fn read(given: &ReviewPr) -> Result<Self> {
        let repo = given.repo.clone().or_else(|| env::runner("GITHUB_REPOSITORY"));
        let repo = repo_name(&repo.ok_or_else(|| anyhow!("which repository? give --repo OWNER/NAME"))?)?;
        let subject = match given.pr {
            Some(number) => Subject::Pull { number },
            None => subject(&event()?)?,
        };
        Ok(Self { repo, subject })
    }
}

fn event() -> Result<Value> {
    let path = env::runner("GITHUB_EVENT_PATH").ok_or_else(|| anyhow!("which pull request? give --pr NUMBER"))?;
    let text = files::read_text(Path::new(&path))?;
    serde_json::from_str(&text).with_context(|| format!("cannot read the event `{path}`"))
}

fn subject(event: &Value) -> Result<Subject> {
    if let Some(run) = event.get("workflow_run") {
        let from = run["head_repository"]["full_name"].as_str().unwrap_or_default();
        let from = repo_name(from)?.as_str().to_owned();
        return Ok(Subject::Run { head: commit(&run["head_sha"])?, from });
    }
    if let Some(number) = event["pull_request"]["number"].as_u64() {
        return Ok(Subject::Pull { number });
    }
    if event.get("before").is_some() {
        let before = commit(&event["before"])?;
        if before.as_str().bytes().all(|byte| byte == b'0') {
            bail!("a branch that is new: there is nothing to compare it with; review its pull request instead");
        }
        return Ok(Subject::Push { before, after: commit(&event["after"])? });
    }
    Err(anyhow!("this event has neither a pull request nor a push"))
}

fn commit(value: &Value) -> Result<CommitId> {
    value.as_str().and_then(CommitId::parse).ok_or_else(|| anyhow!("the event names no commit"))
}

/// Which pull request a job without rights reviewed. It is written by whoever opened the pull request, so it says no more.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Artifact {
    version: u32,
    pub(super) number: u64,
    pub(super) head: String,
}

/// An honest one has a fifth of this.
const LONGEST_ARTIFACT: usize = 1024;

impl Artifact {
    pub(super) fn of(number: u64, head: &CommitId) -> Self {
        Self { version: 1, number, head: head.as_str().to_owned() }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = files::read_at_most(file, LONGEST_ARTIFACT)?;
        let artifact: Self = serde_json::from_str(&text).context("the artifact is not one of ours")?;
        if artifact.version != 1 || CommitId::parse(&artifact.head).is_none() {
            bail!("the artifact is not one of ours");
        }
        Ok(artifact)
    }
}
