//! What does a model of an Ollama server make of a text?
//!
//! The one module that knows tokio: the server is asked through a runtime of its own, on the thread of whoever calls.

mod prefix;

use std::{
    borrow::Cow,
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use ollama_rs::generation::{
    embeddings::{GenerateEmbeddingsResponse, request::GenerateEmbeddingsRequest},
    parameters::{KeepAlive, TimeUnit},
};
use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::runtime::{self, Runtime};
use url::Url;

use super::{Access, EmbedError, Embedder, Passage, beginning, table};
use crate::{notice, secret};
use prefix::Prefixes;

/// Texts of one request. A model of 500 M parameters takes about a second for each on two cores.
const BATCH: usize = 16;

/// How long a batch may take.
const BATCH_LIMIT: Duration = Duration::from_secs(60);

/// How long the first text may take, for which the server reads the model.
const FIRST_LIMIT: Duration = Duration::from_secs(120);

/// How long a connection and a question about the models may take.
const SHORT_LIMIT: Duration = Duration::from_secs(5);

/// Bytes of a text that are sent; the server cuts it to what the model takes in.
const MOST_BYTES: usize = 32 << 10;

/// Longest answer, in bytes.
const MOST_ANSWER: usize = 32 << 20;

/// Most components a vector may have.
const MOST_DIMENSIONS: usize = 1 << 16;

/// An embedding model of an Ollama server. Can be asked by several threads at once: each sends its own requests, of
/// 16 texts at most, so that passages may come in any number.
#[derive(Debug)]
pub struct Ollama {
    name: String,
    model: String,
    prefixes: Prefixes,
    dimensions: usize,
    server: Server,
}

impl Ollama {
    /// Asks the server for the model, and the model for one vector.
    ///
    /// # Errors
    /// [`EmbedError::Remote`] where the server is not this machine and none else may be asked; [`EmbedError::Server`]
    /// when it cannot be reached, does not have the model, or the model gives no vectors.
    pub fn connect(model: &str, access: &Access) -> Result<Self, EmbedError> {
        let server = Server::find(&access.ollama, access.allow_remote)?;
        let name = match server.digest(model)? {
            Some(digest) => format!("ollama:{model}@{digest}"),
            None => format!("ollama:{model}"),
        };
        let prefixes = prefix::prefixes(model);
        let mut this = Self { name, model: model.to_owned(), prefixes, dimensions: 0, server };
        let first = this.ask(vec!["dimensions".into()], FIRST_LIMIT)?;
        this.dimensions = first.first().map_or(0, Vec::len);
        Ok(this)
    }

    /// One vector of length one a text.
    fn ask(&self, texts: Vec<String>, limit: Duration) -> Result<Vec<Vec<f32>>, EmbedError> {
        let count = texts.len();
        let request = GenerateEmbeddingsRequest::new(self.model.clone(), texts.into())
            .truncate(true)
            .keep_alive(KeepAlive::Until { time: 10, unit: TimeUnit::Minutes });
        let request = self.server.client.post(self.server.at("api/embed")?).json(&request);
        let answer: GenerateEmbeddingsResponse = self.server.ask(request, limit).map_err(|refusal| match refusal {
            Refusal::Status(StatusCode::NOT_FOUND, _) => self.server.lacks(&self.model),
            other => self.server.failed(other.to_string()),
        })?;
        let mut vectors = answer.embeddings;
        self.check(&vectors, count).map_err(|why| self.server.failed(why))?;
        vectors.iter_mut().for_each(|vector| table::normalize(vector));
        Ok(vectors)
    }

    fn check(&self, vectors: &[Vec<f32>], count: usize) -> Result<(), String> {
        if vectors.len() != count {
            return Err(format!("texts that were sent: {count}, vectors that came back: {}", vectors.len()));
        }
        let expected = if self.dimensions > 0 { self.dimensions } else { vectors.first().map_or(0, Vec::len) };
        if !(1..=MOST_DIMENSIONS).contains(&expected) {
            return Err(format!("`{}` gives vectors of {expected} components: it is no embedding model", self.model));
        }
        match vectors.iter().find(|vector| vector.len() != expected) {
            Some(other) => Err(format!("a vector of {} components came back, not of {expected}", other.len())),
            None if vectors.iter().flatten().any(|value| !value.is_finite()) => {
                Err("a vector came back that holds no number".into())
            }
            None => Ok(()),
        }
    }

    /// A text as it is sent: with what the model wants before it, and without secrets where it leaves this machine.
    fn prepare(&self, prefix: &str, text: &str) -> String {
        let text = beginning(text, MOST_BYTES);
        let text = if self.server.is_remote { secret::redact(text) } else { Cow::Borrowed(text) };
        format!("{prefix}{text}")
    }
}

impl Embedder for Ollama {
    fn name(&self) -> &str {
        &self.name
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn passages(&self, passages: &[Passage<'_>]) -> Result<Vec<Vec<f32>>, EmbedError> {
        let mut vectors = Vec::with_capacity(passages.len());
        for batch in passages.chunks(BATCH) {
            let texts = batch.iter().map(|passage| self.prepare(self.prefixes.passage, &passage.text())).collect();
            vectors.extend(self.ask(texts, BATCH_LIMIT)?);
        }
        Ok(vectors)
    }

    fn query(&self, text: &str) -> Result<Vec<f32>, EmbedError> {
        let vectors = self.ask(vec![self.prepare(self.prefixes.query, text)], BATCH_LIMIT)?;
        Ok(vectors.into_iter().next().unwrap_or_default())
    }
}

/// A server that may be asked.
#[derive(Debug)]
struct Server {
    url: Url,
    /// The address as it may be shown, without a password.
    shown: String,
    is_remote: bool,
    client: Client,
    runtime: Runtime,
}

#[derive(Deserialize)]
struct Tags {
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    digest: String,
}

impl Server {
    /// Looks up the address. Only what it is now is asked later, whatever the name leads to by then.
    fn find(address: &str, allow_remote: bool) -> Result<Self, EmbedError> {
        let (url, shown) = read(address)?;
        let failed = |why: String| EmbedError::Server { address: shown.clone(), why };
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().unwrap_or(PORT);
        let addresses: Vec<SocketAddr> = (bare, port)
            .to_socket_addrs()
            .map_err(|error| failed(format!("its name cannot be looked up: {error}; set `model.ollama`")))?
            .collect();
        let is_remote = addresses.is_empty() || !addresses.iter().all(|one| one.ip().to_canonical().is_loopback());
        if is_remote && !allow_remote {
            return Err(EmbedError::Remote { address: shown });
        }
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(SHORT_LIMIT)
            .pool_idle_timeout(SHORT_LIMIT)
            .resolve_to_addrs(host, &addresses);
        let client = if is_remote { client } else { client.no_proxy() };
        let client = client.build().map_err(|error| failed(notice::chain(&error)))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        Ok(Self { url, shown, is_remote, client, runtime })
    }

    fn at(&self, path: &str) -> Result<Url, EmbedError> {
        self.url.join(path).map_err(|error| self.failed(error.to_string()))
    }

    /// The first characters of the digest of a model; none where the server tells no digests.
    fn digest(&self, model: &str) -> Result<Option<String>, EmbedError> {
        let tags: Tags = match self.ask(self.client.get(self.at("api/tags")?), SHORT_LIMIT) {
            Ok(tags) => tags,
            Err(Refusal::Status(StatusCode::NOT_FOUND, _)) => return Ok(None),
            Err(refusal) => return Err(self.failed(refusal.to_string())),
        };
        let full = if model.rsplit('/').next().is_some_and(|own| own.contains(':')) {
            model.to_owned()
        } else {
            format!("{model}:latest")
        };
        let tag = tags.models.into_iter().find(|tag| tag.name == full).ok_or_else(|| self.lacks(model))?;
        let digest: String = tag.digest.trim_start_matches("sha256:").chars().take(12).collect();
        Ok(Some(digest).filter(|digest| !digest.is_empty() && digest.bytes().all(|byte| byte.is_ascii_hexdigit())))
    }

    fn ask<T: DeserializeOwned>(&self, request: RequestBuilder, limit: Duration) -> Result<T, Refusal> {
        let (status, body) = self.runtime.block_on(answer(request.timeout(limit), limit))?;
        if status.is_redirection() {
            return Err(Refusal::Status(status, ", which points elsewhere: nothing is sent there".into()));
        }
        if !status.is_success() {
            return Err(Refusal::Status(status, said(&body)));
        }
        serde_json::from_slice(&body).map_err(|error| Refusal::Nonsense(error.to_string()))
    }

    fn failed(&self, why: String) -> EmbedError {
        EmbedError::Server { address: self.shown.clone(), why }
    }

    fn lacks(&self, model: &str) -> EmbedError {
        self.failed(format!("it does not have the model `{model}`: run `ollama pull {model}`"))
    }
}

/// Where Ollama listens when nothing else is said.
const PORT: u16 = 11434;

/// The address as a URL that paths can be joined to, and as it may be shown.
fn read(address: &str) -> Result<(Url, String), EmbedError> {
    let whole = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let wrong = |why: String| EmbedError::Server { address: "model.ollama".into(), why };
    let mut url = Url::parse(&whole).map_err(|error| wrong(format!("the address is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("the address must be like http://127.0.0.1:11434".into()));
    }
    if !address.contains("://") && url.port().is_none() {
        // Cannot fail: the URL has a host.
        let _ = url.set_port(Some(PORT));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    url.set_query(None);
    url.set_fragment(None);
    let mut shown = url.clone();
    let _ = shown.set_password(None);
    let _ = shown.set_username("");
    Ok((url, shown.as_str().trim_end_matches('/').to_owned()))
}

/// Why a request has no answer that can be used.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("nothing listens there: start it with `ollama serve`, or set `model.ollama`")]
    Closed,
    #[error("it did not answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("it answered with more than {} MiB", MOST_ANSWER >> 20)]
    Long,
    #[error("it answered {0}{1}")]
    Status(StatusCode, String),
    #[error("its answer makes no sense: {0}")]
    Nonsense(String),
}

async fn answer(request: RequestBuilder, limit: Duration) -> Result<(StatusCode, Vec<u8>), Refusal> {
    let refused = |error: reqwest::Error| match error {
        error if error.is_timeout() => Refusal::Late(limit),
        error if error.is_connect() => Refusal::Closed,
        error => Refusal::Broken(last_cause(&error)),
    };
    let mut response = request.send().await.map_err(refused)?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(refused)? {
        if body.len() + piece.len() > MOST_ANSWER {
            return Err(Refusal::Long);
        }
        body.extend_from_slice(&piece);
    }
    Ok((response.status(), body))
}

/// What lies at the bottom of an error; what lies above repeats the address and says no more.
fn last_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), last_cause)
}

/// What a server says of an error, as one line that is safe to show; with what leads up to it.
fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        error: String,
    }
    let text = serde_json::from_slice(body)
        .map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |Said { error }| error);
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    if line.trim().is_empty() { line } else { format!(": {}", line.trim()) }
}

#[cfg(test)]
mod tests;
