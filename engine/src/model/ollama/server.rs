//! What does an Ollama server answer? Whole answers, and answers line by line while somebody may lose patience.

use std::{future::Future, pin::pin, time::Duration};

use reqwest::{Client, RequestBuilder, StatusCode, redirect};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    runtime::{self, Runtime},
    time::{sleep, timeout},
};

use super::super::{
    address::{Kind, MOST_ANSWER, Place, Refusal, SHORT_LIMIT, ServerError},
    stream::{Lines, MOST_LINE, PULSE, TooLong},
};
use crate::notice;

/// How an Ollama server is named.
pub(super) static OLLAMA: Kind =
    Kind { setting: "model.ollama", port: Some(11434), example: "http://127.0.0.1:11434", start: "ollama serve" };

/// A server that may be asked.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) place: Place,
    pub(super) client: Client,
    runtime: Runtime,
}

/// A model as the server lists it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Tag {
    pub(super) name: String,
    #[serde(default)]
    pub(super) digest: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default)]
    pub(super) details: Details,
}

/// What is known of a model's weights.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Details {
    #[serde(default)]
    pub(super) family: String,
    #[serde(default)]
    pub(super) quantization_level: String,
}

impl Tag {
    /// The first characters of the digest; none where the server tells no digests.
    pub(super) fn short_digest(&self) -> Option<String> {
        let digest: String = self.digest.trim_start_matches("sha256:").chars().take(12).collect();
        Some(digest).filter(|digest| !digest.is_empty() && digest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }
}

/// Why a stream of lines ended early: by what the server did, or by what its reader made of it.
#[derive(Debug)]
pub(super) enum Cut<E> {
    Refused(Refusal),
    Own(E),
}

impl<E> From<Refusal> for Cut<E> {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<E> From<TooLong> for Cut<E> {
    fn from(_: TooLong) -> Self {
        Self::Refused(Refusal::Nonsense(format!("a line of more than {} MiB", MOST_LINE >> 20)))
    }
}

impl Server {
    /// Looks up the address. Only what it is now is asked later, whatever the name leads to by then.
    pub(super) fn find(address: &str, allow_remote: bool) -> Result<Self, ServerError> {
        let place = Place::find(address, &OLLAMA, allow_remote)?;
        let (host, addresses) = place.resolved();
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .connect_timeout(SHORT_LIMIT)
            .pool_idle_timeout(SHORT_LIMIT)
            .resolve_to_addrs(host, addresses);
        let client = if place.is_remote { client } else { client.no_proxy() };
        let client = client.build().map_err(|error| place.failed(notice::chain(&error)))?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| place.failed(error.to_string()))?;
        Ok(Self { place, client, runtime })
    }

    /// Every model that it has; none where it has no such list.
    pub(super) fn tags(&self, limit: Duration) -> Result<Option<Vec<Tag>>, ServerError> {
        #[derive(Deserialize)]
        struct Tags {
            models: Vec<Tag>,
        }
        match self.ask(self.client.get(self.place.at("api/tags")?), limit) {
            Ok(Tags { models }) => Ok(Some(models)),
            Err(Refusal::Status(StatusCode::NOT_FOUND, _)) => Ok(None),
            Err(refusal) => Err(self.place.refused(&refusal)),
        }
    }

    /// The first characters of the digest of a model; none where the server tells no digests.
    pub(super) fn digest(&self, model: &str) -> Result<Option<String>, ServerError> {
        let Some(tags) = self.tags(SHORT_LIMIT)? else { return Ok(None) };
        let full = full_name(model);
        let tag = tags.into_iter().find(|tag| tag.name == full).ok_or_else(|| self.lacks(model))?;
        Ok(tag.short_digest())
    }

    /// The whole answer.
    pub(super) fn ask<T: DeserializeOwned>(&self, request: RequestBuilder, limit: Duration) -> Result<T, Refusal> {
        let (status, body) = self.runtime.block_on(answer(request.timeout(limit), limit))?;
        match Refusal::of_status(status, &body) {
            Some(refusal) => Err(refusal),
            None => serde_json::from_slice(&body).map_err(|error| Refusal::Nonsense(error.to_string())),
        }
    }

    /// Hands over the answer line by line, until it ends or `line` says that it has enough. `pulse` is asked at least
    /// every [`PULSE`] whether to go on.
    pub(super) fn lines<E>(
        &self,
        request: RequestBuilder,
        pulse: &dyn Fn() -> Result<(), E>,
        line: &mut dyn FnMut(&[u8]) -> Result<Flow, E>,
    ) -> Result<(), Cut<E>> {
        let ended = self.runtime.block_on(lines(request, pulse, line));
        // The connection is a task of the runtime, which works only while it is blocked on: without this moment an answer
        // that nobody wants any more would stay open, and the server would go on with it.
        self.runtime.block_on(async { sleep(Duration::from_millis(2)).await });
        ended
    }

    pub(super) fn lacks(&self, model: &str) -> ServerError {
        ServerError::Lacks {
            address: self.place.shown.clone(),
            model: model.to_owned(),
            advice: format!("run `apprentice model pull ollama:{model}`"),
        }
    }
}

/// Whether more lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    More,
    Enough,
}

/// A name with its tag, as the server lists it.
pub(super) fn full_name(model: &str) -> String {
    let has_tag = model.rsplit('/').next().is_some_and(|own| own.contains(':'));
    if has_tag { model.to_owned() } else { format!("{model}:latest") }
}

async fn answer(request: RequestBuilder, limit: Duration) -> Result<(StatusCode, Vec<u8>), Refusal> {
    let refused = |error: reqwest::Error| Refusal::of(&error, limit);
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

async fn lines<E>(
    request: RequestBuilder,
    pulse: &dyn Fn() -> Result<(), E>,
    line: &mut dyn FnMut(&[u8]) -> Result<Flow, E>,
) -> Result<(), Cut<E>> {
    let refused = |error: reqwest::Error| Refusal::of(&error, SHORT_LIMIT);
    let mut response = patiently(request.send(), pulse).await?.map_err(refused)?;
    if !response.status().is_success() {
        let mut body = Vec::new();
        // What a server says of an error is short; a longer text is cut.
        while body.len() < MOST_LINE
            && let Ok(Some(piece)) = patiently(response.chunk(), pulse).await?
        {
            body.extend_from_slice(&piece);
        }
        return match Refusal::of_status(response.status(), &body) {
            Some(refusal) => Err(refusal.into()),
            None => Ok(()),
        };
    }
    let (mut cut, mut bytes) = (Lines::default(), 0);
    while let Some(piece) = patiently(response.chunk(), pulse).await?.map_err(refused)? {
        bytes += piece.len();
        if bytes > MOST_ANSWER {
            return Err(Refusal::Long.into());
        }
        for one in cut.take(&piece)? {
            if line(&one).map_err(Cut::Own)? == Flow::Enough {
                return Ok(());
            }
        }
    }
    cut.rest().map_or(Ok(Flow::More), |one| line(&one)).map(drop).map_err(Cut::Own)
}

/// What comes of something that takes its time, while `pulse` is asked every [`PULSE`] whether to go on.
async fn patiently<T, E>(future: impl Future<Output = T>, pulse: &dyn Fn() -> Result<(), E>) -> Result<T, Cut<E>> {
    let mut future = pin!(future);
    loop {
        pulse().map_err(Cut::Own)?;
        if let Ok(done) = timeout(PULSE, future.as_mut()).await {
            return Ok(done);
        }
    }
}
