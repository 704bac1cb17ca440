//! Which function answers which operation of GitHub's REST interface?

mod app;
mod checks;
pub(crate) mod comments;
pub(crate) mod pulls;
mod repos;
pub(crate) mod reviews;

use crate::auth::{WORKFLOW, Who};
use crate::state::{Pull, Repository, State};
use crate::wire::{Answer, Refusal, Request};
use serde_json::Value;
use std::collections::BTreeMap;

/// One operation asked for.
pub(crate) struct Call<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) who: Who,
    pub(crate) params: BTreeMap<String, String>,
    pub(crate) request: &'a Request,
    pub(crate) body: Value,
}

pub(crate) type Outcome = Result<Answer, Refusal>;

impl Call<'_> {
    /// `owner/name` of the path.
    fn full(&self) -> String {
        format!("{}/{}", self.param("owner"), self.param("repo"))
    }

    fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    fn number(&self, name: &str) -> Result<u64, Refusal> {
        self.param(name).parse().map_err(|_| Refusal::missing())
    }

    fn login(&self) -> String {
        self.who.login(self.state)
    }

    /// The repository of the path, if who asks may see it.
    fn repo(&self) -> Result<&Repository, Refusal> {
        let repo = self.state.repo(&self.full()).ok_or_else(Refusal::missing)?;
        if sees(self.state, &self.who, repo) { Ok(repo) } else { Err(Refusal::missing()) }
    }

    fn repo_mut(&mut self) -> Result<&mut Repository, Refusal> {
        self.repo()?;
        let full = self.full();
        self.state.repos.get_mut(&full).ok_or_else(Refusal::missing)
    }

    fn pull(&self) -> Result<(&Repository, &Pull), Refusal> {
        let number = self.number("pull_number")?;
        let repo = self.repo()?;
        Ok((repo, repo.pulls.get(&number).ok_or_else(Refusal::missing)?))
    }

    fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// Writing needs someone to be written down as.
    fn must_write(&self) -> Result<(), Refusal> {
        match &self.who {
            Who::Nobody => Err(Refusal::new(401, "Requires authentication")),
            _ => Ok(()),
        }
    }
}

/// Whether a repository can be seen by who asks.
pub(crate) fn sees(state: &State, who: &Who, repo: &Repository) -> bool {
    match who {
        Who::Installation { id, only, .. } => {
            let here = state.installation(&repo.full_name()).is_some_and(|i| i.id == *id);
            let covered = here || *id == WORKFLOW;
            !repo.private || (covered && only.as_ref().is_none_or(|o| o.contains(&repo.full_name())))
        }
        Who::Person(login) => repo.owner == *login || repo.permission(login) != "none",
        Who::App | Who::Nobody => !repo.private,
    }
}

/// Answers one operation; an installation writes only where it is installed.
pub(crate) fn answer(operation: &str, call: &mut Call<'_>) -> Outcome {
    let write = crate::rules::needed(operation).is_some_and(|(_, write)| write);
    if write {
        call.must_write()?;
        covered(call)?;
    }
    let (area, _) = operation.split_once('/').unwrap_or_default();
    match area {
        "apps" | "meta" | "rate-limit" | "users" => app::answer(operation, call),
        "repos" | "git" | "actions" | "code-scanning" => repos::answer(operation, call),
        "checks" => checks::answer(operation, call),
        "issues" | "reactions" => comments::answer(operation, call),
        _ if operation.contains("review") && !operation.contains("comment") => reviews::answer(operation, call),
        _ if operation.contains("comment") => comments::answer(operation, call),
        _ => pulls::answer(operation, call),
    }
}

fn covered(call: &Call<'_>) -> Result<(), Refusal> {
    let Who::Installation { id, only, .. } = &call.who else { return Ok(()) };
    let full = call.full();
    let named = only.as_ref().is_none_or(|o| o.contains(&full));
    let here = *id == WORKFLOW || call.state.installation(&full).is_some_and(|i| i.id == *id);
    if named && here { Ok(()) } else { Err(Refusal::new(403, "Resource not accessible by integration")) }
}

/// What is described and checked, but not played.
fn unplayed(operation: &str) -> Refusal {
    Refusal::new(501, format!("the forge does not play `{operation}`"))
}
