//! How does a pull request get into its base branch: merged, squashed or rebased?

use crate::git::{Draft, Git, Ident};
use crate::state::{Merge, State};
use crate::{Error, commits, person};
use serde_json::json;

/// GitHub's three buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// A merge commit.
    Merge,
    /// One new commit with all changes.
    Squash,
    /// Each commit anew upon the base.
    Rebase,
}

impl Way {
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "squash" => Way::Squash,
            "rebase" => Way::Rebase,
            _ => Way::Merge,
        }
    }
}

/// GitHub itself, as the committer of what its buttons make.
pub(crate) fn github(at: i64) -> Ident {
    Ident { name: "GitHub".to_owned(), email: "noreply@github.com".to_owned(), at }
}

struct Ends<'a> {
    base: &'a str,
    head: &'a str,
    who: &'a Ident,
    title: String,
}

/// Merges, moves the base branch and closes; the commit on the base branch.
pub(crate) fn merge(
    state: &mut State,
    full: &str,
    number: u64,
    login: &str,
    way: Way,
    title: Option<&str>,
) -> Result<String, Error> {
    let pull = state.pull(full, number).cloned().ok_or_else(|| Error::Missing(format!("{full}#{number}")))?;
    if !pull.open || pull.draft {
        return Err(Error::Refused("the pull request is closed or a draft".to_owned()));
    }
    let who = state.ident(login);
    let git = state.repo(full).map(|r| r.git.clone()).ok_or_else(|| Error::Missing(full.to_owned()))?;
    let name = format!("refs/heads/{}", pull.base_ref);
    let base = git.commit(&name).ok_or_else(|| Error::Missing(name.clone()))?;
    let owner = pull.head_repo.split('/').next().unwrap_or_default();
    let title = title.map(str::to_owned).unwrap_or_else(|| match way {
        Way::Merge => format!("Merge pull request #{number} from {owner}/{}\n\n{}", pull.head_ref, pull.title),
        _ => format!("{} (#{number})", pull.title),
    });
    let ends = Ends { base: &base, head: &pull.head_sha, who: &who, title };
    let sha = match way {
        Way::Merge => joined(&git, &ends)?,
        Way::Squash => squashed(&git, &ends)?,
        Way::Rebase => rebased(&git, &ends)?,
    };
    git.point(&name, &sha)?;
    let now = state.now();
    if let Some(pull) = state.pull_mut(full, number) {
        pull.base_sha = base.clone();
        pull.open = false;
        pull.closed = Some(now);
        pull.merged = Some(Merge { sha: sha.clone(), by: login.to_owned(), at: now });
    }
    person::emit(state, full, number, "closed", login, json!({}));
    person::moved(state, full, &name, Some(&base), Some(&sha), login)?;
    Ok(sha)
}

fn joined(git: &Git, ends: &Ends<'_>) -> Result<String, Error> {
    let tree = git.merge_tree(ends.base, ends.head)?;
    let parents = [ends.base.to_owned(), ends.head.to_owned()];
    let (message, committer) = (&ends.title, github(ends.who.at));
    git.commit_tree(&tree, &Draft { parents: &parents, message, author: ends.who, committer: &committer })
}

fn squashed(git: &Git, ends: &Ends<'_>) -> Result<String, Error> {
    let tree = git.merge_tree(ends.base, ends.head)?;
    let shas = git.between(ends.base, ends.head)?;
    let mut message = ends.title.clone() + "\n";
    if shas.len() > 1 {
        for sha in &shas {
            message += &format!("\n* {}\n", commits::read(git, sha)?.message);
        }
    }
    let (parents, committer) = ([ends.base.to_owned()], github(ends.who.at));
    git.commit_tree(&tree, &Draft { parents: &parents, message: &message, author: ends.who, committer: &committer })
}

/// Each commit's change applied anew; merge commits are left out, as GitHub does.
fn rebased(git: &Git, ends: &Ends<'_>) -> Result<String, Error> {
    let mut tip = ends.base.to_owned();
    for sha in git.between(ends.base, ends.head)? {
        let commit = commits::read(git, &sha)?;
        let [parent] = &commit.parents[..] else { continue };
        let tree = git.applied(&tip, parent, &sha)?;
        let (parents, author) = ([tip], commit.author());
        let committer = ends.who.clone();
        tip = git.commit_tree(
            &tree,
            &Draft { parents: &parents, message: &commit.message, author: &author, committer: &committer },
        )?;
    }
    Ok(tip)
}
