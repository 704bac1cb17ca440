//! How does a commit look, in the API and in a push?

use crate::clock::iso;
use crate::git::{Git, Ident};
use crate::state::State;
use crate::{Error, diff, view};
use serde_json::{Value, json};

/// A commit as git holds it.
pub(crate) struct Commit {
    pub(crate) sha: String,
    pub(crate) tree: String,
    pub(crate) parents: Vec<String>,
    author: (String, String, i64),
    committer: (String, String, i64),
    pub(crate) message: String,
}

impl Commit {
    /// Its author, to be written into another commit.
    pub(crate) fn author(&self) -> Ident {
        let (name, email, at) = self.author.clone();
        Ident { name, email, at }
    }
}

/// Reads one commit.
pub(crate) fn read(git: &Git, sha: &str) -> Result<Commit, Error> {
    let format = "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%at%x00%cn%x00%ce%x00%ct%x00%B";
    let out = git.run(&["log", "-1", "--no-show-signature", format, sha])?;
    let mut part = out.splitn(10, '\0').map(str::to_owned);
    let mut next = || part.next().unwrap_or_default();
    let (sha, tree, parents) = (next(), next(), next());
    let mut who = || (next(), next(), next().parse().unwrap_or(0));
    let (author, committer) = (who(), who());
    let parents = parents.split_whitespace().map(str::to_owned).collect();
    Ok(Commit { sha, tree, parents, author, committer, message: next().trim_end().to_owned() })
}

/// The login behind a commit's mail address, when it is one GitHub gives.
fn login(email: &str) -> Option<&str> {
    email.strip_suffix("@users.noreply.github.com")?.split_once('+').map(|(_, login)| login)
}

fn account(state: &State, email: &str) -> Value {
    login(email).filter(|l| state.users.contains_key(*l)).map_or(Value::Null, |l| view::user(state, l))
}

fn signature(who: &(String, String, i64)) -> Value {
    json!({ "name": who.0, "email": who.1, "date": iso(who.2) })
}

/// The short form: lists, comparisons.
pub(crate) fn listed(state: &State, full: &str, commit: &Commit) -> Value {
    let api = format!("{}/repos/{full}", state.base);
    let sha = &commit.sha;
    json!({
        "sha": sha, "node_id": format!("C_{sha}"), "url": format!("{api}/commits/{sha}"),
        "html_url": format!("{}/{full}/commit/{sha}", state.base),
        "comments_url": format!("{api}/commits/{sha}/comments"),
        "commit": {
            "message": commit.message, "author": signature(&commit.author),
            "committer": signature(&commit.committer), "comment_count": 0,
            "tree": { "sha": commit.tree, "url": format!("{api}/git/trees/{}", commit.tree) },
            "url": format!("{api}/git/commits/{sha}"),
        },
        "author": account(state, &commit.author.1), "committer": account(state, &commit.committer.1),
        "parents": commit.parents.iter()
            .map(|p| json!({ "sha": p, "url": format!("{api}/commits/{p}"),
                "html_url": format!("{}/{full}/commit/{p}", state.base) }))
            .collect::<Vec<_>>(),
    })
}

/// The git object's form.
pub(crate) fn object(state: &State, full: &str, commit: &Commit) -> Value {
    let mut value = listed(state, full, commit);
    let inner = value["commit"].take();
    for name in ["message", "author", "committer", "tree"] {
        value[name] = inner[name].clone();
    }
    value["url"] = inner["url"].clone();
    value["verification"] = json!({ "verified": false, "reason": "unsigned" });
    if let Some(fields) = value.as_object_mut() {
        fields.remove("commit");
        fields.remove("comments_url");
    }
    value
}

/// As a push webhook names it.
pub(crate) fn pushed(state: &State, full: &str, git: &Git, commit: &Commit) -> Value {
    let parent = commit.parents.first().map_or(EMPTY_TREE, String::as_str);
    let changes = diff::changes(git, parent, &commit.sha).unwrap_or_default();
    let paths = |status: &[&str]| {
        changes.iter().filter(|c| status.contains(&c.status)).map(|c| c.path.clone()).collect::<Vec<_>>()
    };
    let who = |w: &(String, String, i64)| {
        let mut value = json!({ "name": w.0, "email": w.1, "date": iso(w.2) });
        if let Some(login) = login(&w.1) {
            value["username"] = login.into();
        }
        value
    };
    json!({
        "id": commit.sha, "tree_id": commit.tree, "distinct": true, "message": commit.message,
        "timestamp": iso(commit.committer.2), "url": format!("{}/{full}/commit/{}", state.base, commit.sha),
        "author": who(&commit.author), "committer": who(&commit.committer),
        "added": paths(&["added", "copied"]), "removed": paths(&["removed"]),
        "modified": paths(&["modified", "renamed"]),
    })
}

/// git's name for nothing at all.
pub(crate) const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";
