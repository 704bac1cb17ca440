//! Who knocks? Deliveries come in here: bounded, verified, understood, on disk, and only then accepted.

mod batch;
mod listen;

use std::{sync::Arc, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
pub(crate) use batch::Batcher;
use hmac::{Hmac, Mac as _};
pub(crate) use listen::serve;
use sha2::Sha256;

use crate::{
    event::{self, Event, EventError},
    metrics::Metrics,
    queue::{Arrival, Put, Queue, QueueError},
    settings::Secret,
};

/// What the door needs.
pub(crate) struct Door<Q> {
    pub(crate) secret: Secret,
    /// The name comments call us by.
    pub(crate) us: String,
    pub(crate) max_body_bytes: usize,
    pub(crate) queue: Arc<Q>,
    pub(crate) batcher: Batcher,
    pub(crate) metrics: Arc<Metrics>,
}

/// Why a delivery is turned away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the signature is missing or wrong")]
    Signature,
    #[error("the body is too large, or did not arrive")]
    Body,
    #[error("`{0}` is missing or not what GitHub sends")]
    Header(&'static str),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error("cannot be kept now")]
    Queue(#[from] Arc<QueueError>),
    #[error("shutting down")]
    Closing,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match &self {
            Self::Signature => StatusCode::UNAUTHORIZED,
            Self::Body => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Header(_) | Self::Event(_) => StatusCode::BAD_REQUEST,
            Self::Queue(_) | Self::Closing => StatusCode::SERVICE_UNAVAILABLE,
        };
        (status, format!("{self}\n")).into_response()
    }
}

/// The routes of the door.
pub(crate) fn routes<Q: Queue>(door: Arc<Door<Q>>) -> Router {
    Router::new()
        .route("/webhook", post(webhook))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(door.max_body_bytes))
        .with_state(door)
}

/// A delivery whose signature is right. There is no other way to get at its body.
struct Delivery {
    event: String,
    guid: String,
    body: Bytes,
}

impl<Q: Queue> FromRequest<Arc<Door<Q>>> for Delivery {
    type Rejection = Refusal;

    async fn from_request(request: Request, door: &Arc<Door<Q>>) -> Result<Self, Refusal> {
        let headers = request.headers().clone();
        // What says that it is too long is not read at all.
        let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if said.is_some_and(|length| length > door.max_body_bytes) {
            return Err(Refusal::Body);
        }
        let body = Bytes::from_request(request, &()).await.map_err(|_| Refusal::Body)?;
        verify(&door.secret, text(&headers, "x-hub-signature-256").unwrap_or_default(), &body)?;
        let event = text(&headers, "x-github-event").filter(|name| is_plain(name));
        let guid = text(&headers, "x-github-delivery").filter(|guid| is_plain(guid));
        Ok(Self {
            event: event.ok_or(Refusal::Header("X-GitHub-Event"))?.to_owned(),
            guid: guid.ok_or(Refusal::Header("X-GitHub-Delivery"))?.to_owned(),
            body,
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn is_plain(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=80).contains(&text.len()) && text.bytes().all(allowed)
}

/// `sha256=HEX` of the body under the secret, compared in constant time ("Validating webhook deliveries").
fn verify(secret: &Secret, signature: &str, body: &[u8]) -> Result<(), Refusal> {
    let given =
        signature.strip_prefix("sha256=").and_then(|digits| hex::decode(digits).ok()).ok_or(Refusal::Signature)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).map_err(|_| Refusal::Signature)?;
    mac.update(body);
    mac.verify_slice(&given).map_err(|_| Refusal::Signature)
}

async fn webhook<Q: Queue>(State(door): State<Arc<Door<Q>>>, delivery: Result<Delivery, Refusal>) -> Response {
    let started = Instant::now();
    let answer = match delivery {
        Ok(delivery) => accept(&door, delivery).await,
        Err(refusal) => Err(refusal),
    };
    let label = match &answer {
        Ok((_, said)) => *said,
        Err(Refusal::Signature) => "unsigned",
        Err(Refusal::Queue(_) | Refusal::Closing) => "unkept",
        Err(_) => "malformed",
    };
    door.metrics.delivery(label, started.elapsed());
    answer.map(|(status, said)| (status, format!("{said}\n"))).into_response()
}

async fn accept<Q: Queue>(door: &Door<Q>, delivery: Delivery) -> Result<(StatusCode, &'static str), Refusal> {
    let Delivery { event: name, guid, body } = delivery;
    let tasks = match event::parse(&name, &body, &door.us) {
        Ok(Event::Tasks(tasks)) if !tasks.is_empty() => tasks,
        Ok(Event::Tasks(_)) => return Ok((StatusCode::OK, "ignored")),
        Ok(Event::Ignored(why)) => {
            tracing::debug!(event = name, guid, why, "ignored");
            return Ok((StatusCode::OK, "ignored"));
        }
        Err(error) => {
            tracing::warn!(event = name, guid, %error, "a signed delivery that cannot be understood");
            return Err(error.into());
        }
    };
    let place = tasks.first().map(|task| task.place().to_string());
    let put = door.batcher.put(Arrival { guid: guid.clone(), tasks }).await;
    match &put {
        Ok(put) => tracing::info!(event = name, guid, place, ?put, "delivery"),
        Err(error) => tracing::error!(event = name, guid, place, error = %causes(error), "a delivery was not kept"),
    }
    Ok(match put? {
        Put::Queued => (StatusCode::ACCEPTED, "queued"),
        Put::Known => (StatusCode::OK, "known"),
    })
}

fn causes(error: &Refusal) -> String {
    engine::notice::chain(error)
}

/// Ready is who can keep what comes.
async fn ready<Q: Queue>(State(door): State<Arc<Door<Q>>>) -> Response {
    let queue = Arc::clone(&door.queue);
    match tokio::task::spawn_blocking(move || queue.depth()).await {
        Ok(Ok(_)) if !door.batcher.is_closing() => "ready\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response(),
    }
}

async fn metrics<Q: Queue>(State(door): State<Arc<Door<Q>>>) -> Response {
    let queue = Arc::clone(&door.queue);
    if let Ok(Ok(depth)) = tokio::task::spawn_blocking(move || queue.depth()).await {
        door.metrics.depth(depth);
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], door.metrics.text()).into_response()
}

#[cfg(test)]
#[path = "door/tests.rs"]
mod tests;
