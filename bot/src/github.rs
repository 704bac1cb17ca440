//! GitHub as a forge: its REST and GraphQL interfaces through octocrab, which signs for the App and keeps tokens until they
//! expire. It is built without octocrab's retries: a write whose answer was lost is never sent again from here.

mod call;
mod checks;
mod conversation;
mod deliveries;
mod etags;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use call::{Api, decode};
use engine::{feedback::Permission, git::CommitId};
use octocrab::models::{AppId, InstallationId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    forge::{
        Answer, CheckRun, Conversation, Forge, ForgeError, GitAccess, Missed, NewComment, NewReview, Place, Pull,
        PullCommit, Verdict, Where,
    },
    settings::{Identity, Secret},
};

/// One GitHub, as one App or one user.
pub(crate) struct GitHub {
    /// Speaks for the App itself, or for the token.
    root: Api,
    is_app: bool,
    installations: Mutex<HashMap<u64, Api>>,
    /// Where repositories are cloned from: `https://github.com`.
    web: String,
    token: Option<Secret>,
}

impl GitHub {
    /// A client for the interface at `api`, cloning from `web`.
    ///
    /// # Errors
    /// A sentence about the address or the key.
    pub(crate) fn new(api: &str, web: &str, identity: &Identity) -> Result<Self, String> {
        let builder = octocrab::Octocrab::builder().base_uri(api).map_err(|error| format!("`{api}`: {error}"))?;
        let (builder, token) = match identity {
            Identity::Token(token) => (builder.personal_token(token.expose().to_owned()), Some(token.clone())),
            Identity::App { id, key } => {
                let key = jsonwebtoken::EncodingKey::from_rsa_pem(key.expose().as_bytes())
                    .map_err(|error| format!("the App's private key is not an RSA key in PEM: {error}"))?;
                (builder.app(AppId(*id), key), None)
            }
        };
        let limits = std::time::Duration::from_secs(30);
        let builder = builder.set_connect_timeout(Some(limits)).set_read_timeout(Some(limits));
        let root = builder.build().map_err(|error| format!("cannot make a client for `{api}`: {error}"))?;
        Ok(Self {
            root: Api::new(root, api, token.clone())?,
            is_app: token.is_none(),
            installations: Mutex::default(),
            web: web.trim_end_matches('/').to_owned(),
            token,
        })
    }

    /// Whether we speak as an App.
    pub(crate) fn is_app(&self) -> bool {
        self.is_app
    }

    /// The client that may act at a place.
    fn at(&self, place: &Place) -> Answer<Api> {
        let Some(installation) = place.installation.filter(|_| self.is_app) else { return Ok(self.root.clone()) };
        let mut known = self.installations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(api) = known.get(&installation) {
            return Ok(api.clone());
        }
        let client = self.root.client.installation(InstallationId(installation));
        let api = self.root.with(client.map_err(|error| call::unreachable("installation", &error))?);
        known.insert(installation, api.clone());
        Ok(api)
    }

    /// Who we are, for `token check`: the App's or the user's name, and what we may do.
    pub(crate) async fn whoami(&self) -> Answer<(String, BTreeMap<String, String>)> {
        let reply = self.root.get(if self.is_app { "/app" } else { "/user" }, "who we are").await?;
        let name = reply.body["slug"].as_str().or(reply.body["login"].as_str()).unwrap_or("?").to_owned();
        let mut rights: BTreeMap<String, String> =
            serde_json::from_value(reply.body["permissions"].clone()).unwrap_or_default();
        if let Some(scopes) = reply.headers.get("x-oauth-scopes").and_then(|value| value.to_str().ok()) {
            rights.extend(scopes.split(',').map(|scope| (scope.trim().to_owned(), "granted".to_owned())));
        }
        Ok((name, rights))
    }

    /// The installations of the App: their id, whose they are, and what was granted there; suspended ones left out.
    pub(crate) async fn installations(&self) -> Answer<Vec<(u64, String, BTreeMap<String, String>)>> {
        let all = self.root.pages("/app/installations?per_page=100", "installations").await?;
        let is_live = |one: &&Value| one["suspended_at"].is_null();
        let read = |one: &Value| {
            let login = one["account"]["login"].as_str().unwrap_or_default().to_owned();
            let rights = serde_json::from_value(one["permissions"].clone()).unwrap_or_default();
            Some((one["id"].as_u64()?, login, rights))
        };
        Ok(all.iter().filter(is_live).filter_map(read).collect())
    }
}

/// Buys what GitHub made of a manifest. The code is worth one use within an hour, and needs no token.
///
/// # Errors
/// [`ForgeError`].
pub(crate) async fn convert_manifest(api: &str, code: &str) -> Answer<Value> {
    let what = "make the App";
    let garbled = |message: String| ForgeError::Garbled { what: what.into(), message };
    let client = octocrab::Octocrab::builder().base_uri(api).map_err(|error| garbled(error.to_string()))?.build();
    let client = client.map_err(|error| garbled(error.to_string()))?;
    let code: String = url::form_urlencoded::byte_serialize(code.as_bytes()).collect();
    let path = format!("/app-manifests/{code}/conversions");
    let client = Api::new(client, api, None).map_err(garbled)?;
    Ok(client.write("POST", &path, &Value::Null, what).await?.body)
}

fn at_pull(place: &Place) -> String {
    format!("/repos/{}/pulls/{}", place.repo, place.number)
}

#[derive(Deserialize)]
struct PullWire {
    user: Option<UserWire>,
    state: String,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    merged: bool,
    merge_commit_sha: Option<String>,
    base: EndWire,
    head: EndWire,
    #[serde(default)]
    labels: Vec<LabelWire>,
}

#[derive(Deserialize)]
struct UserWire {
    login: String,
}

#[derive(Deserialize)]
struct LabelWire {
    name: String,
}

#[derive(Deserialize)]
struct EndWire {
    sha: String,
    #[serde(rename = "ref")]
    branch: String,
    repo: Option<RepoWire>,
}

#[derive(Deserialize)]
struct RepoWire {
    full_name: String,
}

fn commit(what: &str, sha: &str) -> Answer<CommitId> {
    CommitId::parse(sha).ok_or_else(|| ForgeError::Garbled {
        what: what.to_owned(),
        message: format!("`{}` is not a commit", sha.chars().take(80).collect::<String>()),
    })
}

impl Forge for GitHub {
    async fn pull(&self, place: &Place) -> Answer<Pull> {
        let what = format!("pull request {place}");
        let wire: PullWire = decode(&what, self.at(place)?.get(&at_pull(place), &what).await?.body)?;
        let from = wire.head.repo.map(|repo| repo.full_name);
        Ok(Pull {
            author: wire.user.map(|user| user.login).unwrap_or_default(),
            is_open: wire.state == "open",
            is_draft: wire.draft,
            is_merged: wire.merged,
            merge_commit: wire.merge_commit_sha.as_deref().filter(|_| wire.merged).and_then(CommitId::parse),
            base: commit(&what, &wire.base.sha)?,
            base_branch: wire.base.branch,
            head: commit(&what, &wire.head.sha)?,
            // A fork that was deleted is nobody's we know.
            is_fork: from.as_deref() != Some(place.repo.as_str()),
            head_repo: from,
            labels: wire.labels.into_iter().map(|label| label.name).collect(),
        })
    }

    async fn merge_base(&self, place: &Place, base: &CommitId, head: &CommitId) -> Answer<CommitId> {
        let what = format!("merge base of {place}");
        let path = format!("/repos/{}/compare/{base}...{head}?per_page=1", place.repo);
        let reply = self.at(place)?.get(&path, &what).await?;
        commit(&what, reply.body["merge_base_commit"]["sha"].as_str().unwrap_or_default())
    }

    async fn commits(&self, place: &Place) -> Answer<Vec<PullCommit>> {
        let path = format!("{}/commits?per_page=100", at_pull(place));
        let all = self.at(place)?.pages(&path, "the commits of a pull request").await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let read = |commit: &Value| PullCommit {
            id: text(&commit["sha"]),
            author: text(&commit["author"]["login"]),
            message: text(&commit["commit"]["message"]),
        };
        Ok(all.iter().map(read).collect())
    }

    async fn git_access(&self, place: &Place) -> Answer<GitAccess> {
        let url = format!("{}/{}.git", self.web, place.repo);
        let token = match (&self.token, place.installation) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(_)) => Some(self.at(place)?.installation_token().await?),
            (None, None) => None,
        };
        let basic =
            |token: Secret| format!("basic {}", BASE64_STANDARD.encode(format!("x-access-token:{}", token.expose())));
        Ok(GitAccess { url, authorization: token.map(basic) })
    }

    async fn conversation(&self, place: &Place) -> Answer<Conversation> {
        conversation::read(&self.at(place)?, place).await
    }

    async fn post_review(&self, place: &Place, review: &NewReview) -> Answer<()> {
        let comments: Vec<Value> = review.comments.iter().map(comment_json).collect();
        let body = json!({
            "commit_id": review.commit.as_str(), "event": "COMMENT", "body": review.body, "comments": comments,
        });
        let path = format!("{}/reviews", at_pull(place));
        self.at(place)?.write("POST", &path, &body, "post the review").await.map(drop)
    }

    async fn post_file_comment(&self, place: &Place, commit: &CommitId, comment: &NewComment) -> Answer<()> {
        let body = json!({
            "commit_id": commit.as_str(), "path": comment.path, "subject_type": "file", "body": comment.body,
        });
        let path = format!("{}/comments", at_pull(place));
        self.at(place)?.write("POST", &path, &body, "comment on a file").await.map(drop)
    }

    async fn reply(&self, place: &Place, to: Where, body: &str) -> Answer<()> {
        let path = match to {
            Where::Pull => format!("/repos/{}/issues/{}/comments", place.repo, place.number),
            Where::Thread(first) => format!("{}/comments/{first}/replies", at_pull(place)),
        };
        self.at(place)?.write("POST", &path, &json!({ "body": body }), "reply").await.map(drop)
    }

    async fn react(&self, place: &Place, to: Where, comment: u64, content: &str) -> Answer<()> {
        let kind = if to == Where::Pull { "issues" } else { "pulls" };
        let path = format!("/repos/{}/{kind}/comments/{comment}/reactions", place.repo);
        self.at(place)?.write("POST", &path, &json!({ "content": content }), "react").await.map(drop)
    }

    async fn resolve(&self, place: &Place, thread: &str) -> Answer<()> {
        let query = "mutation($id: ID!) { resolveReviewThread(input: {threadId: $id}) { thread { isResolved } } }";
        self.at(place)?.mutate(query, thread, "resolve a thread").await
    }

    async fn reopen(&self, place: &Place, thread: &str) -> Answer<()> {
        let query = "mutation($id: ID!) { unresolveReviewThread(input: {threadId: $id}) { thread { isResolved } } }";
        self.at(place)?.mutate(query, thread, "open a thread again").await
    }

    async fn minimize(&self, place: &Place, comment: &str) -> Answer<()> {
        let query = "mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED}) \
                     { minimizedComment { isMinimized } } }";
        self.at(place)?.mutate(query, comment, "fold a comment").await
    }

    async fn begin_check(&self, place: &Place, pull: &Pull, name: &str, anew: bool) -> Answer<Option<CheckRun>> {
        checks::begin(&self.at(place)?, place, pull, (name, anew)).await
    }

    async fn end_check(&self, place: &Place, run: CheckRun, verdict: &Verdict) -> Answer<()> {
        checks::end(&self.at(place)?, place, run, verdict).await
    }

    async fn permission(&self, place: &Place, login: &str) -> Answer<Permission> {
        let what = "someone's permission";
        if !login.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'[' | b']')) {
            return Ok(Permission::None);
        }
        let login = login.replace('[', "%5B").replace(']', "%5D");
        let path = format!("/repos/{}/collaborators/{login}/permission", place.repo);
        match self.at(place)?.get(&path, what).await {
            Ok(reply) => Ok(permission(&reply.body)),
            // Neither a stranger nor a deleted account is a collaborator.
            Err(error) if error.status() == Some(404) => Ok(Permission::None),
            Err(error) => Err(error),
        }
    }

    async fn missed(&self, since: i64) -> Answer<Vec<Missed>> {
        deliveries::missed(&self.root, since).await
    }

    async fn redeliver(&self, delivery: u64) -> Answer<()> {
        let path = format!("/app/hook/deliveries/{delivery}/attempts");
        self.root.write("POST", &path, &Value::Null, "ask for a delivery").await.map(drop)
    }
}

/// `role_name` knows triage and maintain, which `permission` folds into read and write.
fn permission(body: &Value) -> Permission {
    let word = |field: &str| body[field].as_str().unwrap_or_default();
    let known = |word: &str| match word {
        "admin" => Some(Permission::Admin),
        "maintain" => Some(Permission::Maintain),
        "write" => Some(Permission::Write),
        "triage" => Some(Permission::Triage),
        "read" => Some(Permission::Read),
        _ => None,
    };
    known(word("role_name")).or_else(|| known(word("permission"))).unwrap_or(Permission::None)
}

fn comment_json(comment: &NewComment) -> Value {
    let mut json = json!({ "path": comment.path, "body": comment.body });
    if let Some(lines) = &comment.lines {
        json["line"] = lines.to.into();
        json["side"] = json!(lines.side);
        if lines.from < lines.to {
            json["start_line"] = lines.from.into();
            json["start_side"] = json!(lines.side);
        }
    }
    json
}
