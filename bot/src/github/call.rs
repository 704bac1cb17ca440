//! One request and its answer: what GitHub's statuses and headers mean for whoever asked.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use octocrab::{Octocrab, secrecy::ExposeSecret as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::etags::Etags;
use crate::{
    clock,
    forge::{Answer, ForgeError},
    settings::Secret,
};

/// The longest answer that is read.
const MOST_BYTES: usize = 64 << 20;

/// How often a read is repeated after an answer that may be different next time.
const READS: u32 = 3;

/// The most pages of a list that are read, of a hundred entries each.
const PAGES: usize = 40;

/// A client with an identity.
#[derive(Clone)]
pub(super) struct Api {
    /// Shared, for a clone of it would mint tokens of its own.
    pub(super) client: Arc<Octocrab>,
    /// The token it speaks with, where that is not an App's.
    token: Option<Secret>,
    /// GraphQL of GitHub Enterprise Server, which is not below the address of REST; without credentials of its own.
    enterprise: Option<Arc<Octocrab>>,
    etags: Arc<Etags>,
    /// Until when GitHub wants to hear nothing from this identity, in milliseconds since 1970.
    quiet_until: Arc<AtomicI64>,
}

/// An answer that was not an error.
pub(super) struct Reply {
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Api {
    /// # Errors
    /// What octocrab says of the address.
    pub(super) fn new(client: Octocrab, api: &str, token: Option<Secret>) -> Result<Self, String> {
        Ok(Self {
            client: Arc::new(client),
            enterprise: enterprise(api)?.map(Arc::new),
            token,
            etags: Arc::default(),
            quiet_until: Arc::default(),
        })
    }

    /// The same interface with another identity, and a memory of its own: what one may see another may not.
    pub(super) fn with(&self, client: Octocrab) -> Self {
        Self {
            client: Arc::new(client),
            enterprise: self.enterprise.clone(),
            token: None,
            etags: Arc::default(),
            quiet_until: Arc::default(),
        }
    }

    /// The installation's token, minted only when the last one is about to expire.
    pub(super) async fn installation_token(&self) -> Answer<Secret> {
        let token = self.client.installation_token().await;
        let token = token.map_err(|error| octocrab_error("a token for the installation", &error))?;
        Ok(Secret::new(token.expose_secret().to_owned()))
    }

    /// Reads something. An answer that GitHub says has not changed is taken from memory.
    pub(super) async fn get(&self, path: &str, what: &str) -> Answer<Reply> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.get_once(path, what).await {
                Err(ForgeError::Unreachable { .. }) if tries < READS => {
                    tokio::time::sleep(Duration::from_millis(200 << tries)).await;
                }
                done => return done,
            }
        }
    }

    async fn get_once(&self, path: &str, what: &str) -> Answer<Reply> {
        let known = self.etags.get(path);
        let mut request = Request::get(path).header(header::ACCEPT, "application/vnd.github+json");
        if let Some(known) = &known {
            request = request.header(header::IF_NONE_MATCH, &known.tag);
        }
        let (status, headers, body) = self.send(request, Vec::new(), what).await?;
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (status, known) {
            return Ok(Reply { headers: known.headers, body: known.body });
        }
        let reply = judge(what, status, headers, &body)?;
        self.etags.put(path, &reply.headers, &reply.body, body.len());
        Ok(reply)
    }

    /// Every entry of a list, following GitHub's links.
    pub(super) async fn pages(&self, path: &str, what: &str) -> Answer<Vec<Value>> {
        let (mut all, mut next) = (Vec::new(), Some(path.to_owned()));
        for _ in 0..PAGES {
            let Some(path) = next.take() else { break };
            let mut reply = self.get(&path, what).await?;
            next = next_page(&reply.headers);
            match &mut reply.body {
                Value::Array(entries) => all.append(entries),
                _ => return Err(ForgeError::Garbled { what: what.into(), message: "not a list".into() }),
            }
        }
        Ok(all)
    }

    /// Writes something, once. A body of null is none at all.
    pub(super) async fn write(&self, method: &str, path: &str, body: &Value, what: &str) -> Answer<Reply> {
        let request = Request::builder().method(method).uri(path).header(header::ACCEPT, "application/vnd.github+json");
        let (request, body) = match body {
            Value::Null => (request, Vec::new()),
            body => (request.header(header::CONTENT_TYPE, "application/json"), body.to_string().into_bytes()),
        };
        let (status, headers, body) = self.send(request, body, what).await?;
        judge(what, status, headers, &body)
    }

    /// Asks GraphQL. An answer with errors is a refusal, whatever its status.
    pub(super) async fn graphql(&self, query: &str, variables: &Value, what: &str) -> Answer<Value> {
        let mut request = Request::builder().method("POST").header(header::CONTENT_TYPE, "application/json");
        let client = match &self.enterprise {
            None => {
                request = request.uri("/graphql");
                &self.client
            }
            Some(client) => {
                let token = match &self.token {
                    Some(token) => token.clone(),
                    None => self.installation_token().await?,
                };
                let bearer = format!("Bearer {}", token.expose());
                request = request.uri("/api/graphql").header(header::AUTHORIZATION, bearer);
                client
            }
        };
        let body = json!({ "query": query, "variables": variables }).to_string().into_bytes();
        let (status, headers, body) = self.send_by(client, request, body, what).await?;
        let mut reply = judge(what, status, headers, &body)?;
        match reply.body["errors"].as_array().and_then(|errors| errors.first()) {
            None => Ok(reply.body["data"].take()),
            Some(error) if error["type"] == "RATE_LIMITED" => {
                Err(ForgeError::Limited { what: what.into(), wait: wait(&reply.headers) })
            }
            Some(error) => {
                let status = if error["type"] == "FORBIDDEN" { 403 } else { 422 };
                let message = error["message"].as_str().unwrap_or_default().to_owned();
                Err(ForgeError::Refused { what: what.into(), status, message })
            }
        }
    }

    pub(super) async fn mutate(&self, query: &str, id: &str, what: &str) -> Answer<()> {
        self.graphql(query, &json!({ "id": id }), what).await.map(drop)
    }

    async fn send(
        &self,
        request: http::request::Builder,
        body: Vec<u8>,
        what: &str,
    ) -> Answer<(StatusCode, HeaderMap, Vec<u8>)> {
        self.send_by(&self.client, request, body, what).await
    }

    async fn send_by(
        &self,
        client: &Octocrab,
        request: http::request::Builder,
        body: Vec<u8>,
        what: &str,
    ) -> Answer<(StatusCode, HeaderMap, Vec<u8>)> {
        let left = self.quiet_until.load(Ordering::Relaxed) - clock::now();
        if left > 0 {
            // Asking on while limited is what gets an App blocked.
            let wait = Duration::from_millis(left.unsigned_abs());
            return Err(ForgeError::Limited { what: what.into(), wait });
        }
        let request = request.header("x-github-api-version", "2022-11-28");
        let request = request.body(body).map_err(|error| ForgeError::Garbled {
            what: what.into(),
            message: format!("the request cannot be made: {error}"),
        })?;
        let response = client.execute(request).await.map_err(|error| octocrab_error(what, &error))?;
        let (parts, body) = response.into_parts();
        if is_limit(parts.status, &parts.headers, "") {
            let until = clock::now() + i64::try_from(wait(&parts.headers).as_millis()).unwrap_or(0);
            self.quiet_until.fetch_max(until, Ordering::Relaxed);
        }
        let body = Limited::new(body, MOST_BYTES).collect().await.map_err(|error| unreachable(what, &*error))?;
        Ok((parts.status, parts.headers, body.to_bytes().to_vec()))
    }
}

/// A client for GraphQL of GitHub Enterprise Server: REST is at `/api/v3` there, and GraphQL at `/api/graphql`.
fn enterprise(api: &str) -> Result<Option<Octocrab>, String> {
    let Some(host) = api.trim_end_matches('/').strip_suffix("/api/v3") else { return Ok(None) };
    let builder = Octocrab::builder().base_uri(host).map_err(|error| error.to_string())?;
    builder.build().map(Some).map_err(|error| error.to_string())
}

/// What a status means.
fn judge(what: &str, status: StatusCode, headers: HeaderMap, body: &[u8]) -> Answer<Reply> {
    let what = what.to_owned();
    if status.is_success() {
        let body = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(body) };
        let body = body.map_err(|error| ForgeError::Garbled { what, message: error.to_string() })?;
        return Ok(Reply { headers, body });
    }
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let message = message(&said);
    if is_limit(status, &headers, &message) {
        return Err(ForgeError::Limited { what, wait: wait(&headers) });
    }
    if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        return Err(ForgeError::Unreachable { what, message: format!("{status} {message}").trim().to_owned() });
    }
    let message = if status == StatusCode::UNAUTHORIZED { with_clock(&message, &headers) } else { message };
    Err(ForgeError::Refused { what, status: status.as_u16(), message })
}

/// Both of GitHub's limits answer 403 or 429; only a limit's 403 says when to come back, or that nothing is left.
fn is_limit(status: StatusCode, headers: &HeaderMap, message: &str) -> bool {
    let is_limited = matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS);
    let says_so = headers.contains_key(header::RETRY_AFTER)
        || number(headers, "x-ratelimit-remaining") == Some(0)
        || message.to_ascii_lowercase().contains("rate limit");
    status == StatusCode::TOO_MANY_REQUESTS || (is_limited && says_so)
}

/// How long to stay away: what `Retry-After` says, or until the limit starts anew, or a minute, as GitHub's
/// "Best practices for using the REST API" has it.
fn wait(headers: &HeaderMap) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let until_reset = || {
        let is_used_up = number(headers, "x-ratelimit-remaining") == Some(0);
        number(headers, "x-ratelimit-reset").filter(|_| is_used_up).map(|at| at.saturating_sub(now).max(1))
    };
    let seconds = number(headers, "retry-after").or_else(until_reset).unwrap_or(60);
    Duration::from_secs(seconds.min(2 * 3600))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

fn message(said: &Value) -> String {
    let text = said["message"].as_str().unwrap_or_default();
    let errors = said["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let detail = errors.iter().filter_map(|error| error.as_str().or(error["message"].as_str()));
    let all: Vec<&str> = std::iter::once(text).chain(detail).filter(|part| !part.is_empty()).collect();
    all.join(": ").chars().take(500).collect()
}

/// A JWT is refused when this machine's clock is wrong; GitHub's answer tells what time it is there.
fn with_clock(message: &str, headers: &HeaderMap) -> String {
    let theirs = headers.get(header::DATE).and_then(|date| date.to_str().ok()).and_then(clock::parse_http_date);
    let Some(theirs) = theirs else { return message.to_owned() };
    let ahead = clock::now() / 1000 - theirs;
    if ahead.abs() < 30 {
        return message.to_owned();
    }
    let word = if ahead > 0 { "ahead of" } else { "behind" };
    format!("{message} (this machine's clock is {} seconds {word} GitHub's; set it right)", ahead.abs())
}

fn next_page(headers: &HeaderMap) -> Option<String> {
    let links = headers.get(header::LINK)?.to_str().ok()?;
    let next = links.split(',').find(|link| link.contains("rel=\"next\""))?;
    let address = next.split_once('<')?.1.split_once('>')?.0;
    // Only the path is followed: a link to another host would take the credentials there.
    let uri: http::Uri = address.parse().ok()?;
    let path = uri.path_and_query()?.as_str();
    Some(path.strip_prefix("/api/v3").unwrap_or(path).to_owned())
}

/// What a value of GitHub's means.
pub(super) fn decode<T: DeserializeOwned>(what: &str, body: Value) -> Answer<T> {
    serde_json::from_value(body)
        .map_err(|error| ForgeError::Garbled { what: what.to_owned(), message: error.to_string() })
}

pub(super) fn unreachable(what: &str, error: &(dyn std::error::Error + 'static)) -> ForgeError {
    ForgeError::Unreachable { what: what.to_owned(), message: engine::notice::chain(error) }
}

/// octocrab answers with an error of GitHub's own where it mints a token; the others are failures on the way.
fn octocrab_error(what: &str, error: &octocrab::Error) -> ForgeError {
    match error {
        octocrab::Error::GitHub { source, .. } if source.status_code.is_client_error() => ForgeError::Refused {
            what: what.to_owned(),
            status: source.status_code.as_u16(),
            message: source.message.clone(),
        },
        other => unreachable(what, other),
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
