//! Which server is meant, is it this machine, and what may be said to it? What all that speak to servers have in common.

use std::{
    borrow::Cow,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use reqwest::{StatusCode, blocking, header::HeaderMap, redirect};
use serde::Deserialize;
use url::Url;

use super::{
    EmbedError,
    chat::{ModelError, Role, Turn},
};
use crate::{notice, notice::Notice, secret};

/// How long a connection and a question about the models may take.
pub(super) const SHORT_LIMIT: Duration = Duration::from_secs(5);

/// Longest answer, in bytes.
pub(super) const MOST_ANSWER: usize = 32 << 20;

/// A sort of server: how its address is written and where it is set.
#[derive(Debug)]
pub(super) struct Kind {
    /// The setting that names the address.
    pub(super) setting: &'static str,
    /// Where it listens when an address without a scheme names no port.
    pub(super) port: Option<u16>,
    /// An address as it should be.
    pub(super) example: &'static str,
    /// How it is started.
    pub(super) start: &'static str,
}

/// A server that a person named, looked up once: only what its name led to then is asked later.
#[derive(Debug, Clone)]
pub(super) struct Place {
    url: Url,
    /// The address as it may be shown, without a password.
    pub(super) shown: String,
    /// Whether it is another machine.
    pub(super) is_remote: bool,
    addresses: Vec<SocketAddr>,
    kind: &'static Kind,
}

impl Place {
    /// Looks up the address.
    pub(super) fn find(address: &str, kind: &'static Kind, allow_remote: bool) -> Result<Self, ServerError> {
        let (url, shown) = read(address, kind)?;
        let failed = |why: String| ServerError::Failed { address: shown.clone(), why };
        let host = url.host_str().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().or(kind.port).unwrap_or(80);
        let addresses: Vec<SocketAddr> = (bare, port)
            .to_socket_addrs()
            .map_err(|error| failed(format!("its name cannot be looked up: {error}; set `{}`", kind.setting)))?
            .collect();
        let is_remote = addresses.is_empty() || !addresses.iter().all(|one| one.ip().to_canonical().is_loopback());
        if is_remote && !allow_remote {
            return Err(ServerError::Remote { address: shown });
        }
        Ok(Self { url, shown, is_remote, addresses, kind })
    }

    /// The server is this machine's and hands what it is told to another: then that is where the texts go.
    pub(super) fn forwards_to(&mut self, host: &str, allow_remote: bool) -> Result<(), ServerError> {
        let address = format!("{} by way of {}", host, self.shown);
        if !allow_remote {
            return Err(ServerError::Remote { address });
        }
        (self.is_remote, self.shown) = (true, address);
        Ok(())
    }

    /// The address of a path below it.
    pub(super) fn at(&self, path: &str) -> Result<Url, ServerError> {
        self.url.join(path).map_err(|error| self.failed(error.to_string()))
    }

    /// The host as the address names it, and what it was found to be.
    pub(super) fn resolved(&self) -> (&str, &[SocketAddr]) {
        (self.url.host_str().unwrap_or_default(), &self.addresses)
    }

    /// A client that asks this place alone with these headers, follows no redirect, and uses no proxy for this machine.
    pub(super) fn client(&self, headers: HeaderMap) -> Result<blocking::Client, ServerError> {
        let (host, addresses) = self.resolved();
        let client = blocking::Client::builder()
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .connect_timeout(SHORT_LIMIT)
            .pool_idle_timeout(SHORT_LIMIT)
            .resolve_to_addrs(host, addresses);
        let client = if self.is_remote { client } else { client.no_proxy() };
        client.build().map_err(|error| self.failed(notice::chain(&error)))
    }

    /// Something went wrong there.
    pub(super) fn failed(&self, why: impl Into<String>) -> ServerError {
        ServerError::Failed { address: self.shown.clone(), why: why.into() }
    }

    /// A refusal in words, with what to do.
    pub(super) fn refused(&self, refusal: &Refusal) -> ServerError {
        match refusal {
            Refusal::Closed => self.failed(format!(
                "nothing listens there: start it with `{}`, or set `{}`",
                self.kind.start, self.kind.setting
            )),
            other => self.failed(other.to_string()),
        }
    }

    /// A text as it is sent: without secrets where it leaves this machine.
    pub(super) fn prepare<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_remote { secret::redact(text) } else { Cow::Borrowed(text) }
    }

    /// What is said, as it is sent: roles in words and prepared texts.
    pub(super) fn prepare_turns<'a>(&self, turns: &'a [Turn]) -> Vec<(Role, Cow<'a, str>)> {
        turns.iter().map(|turn| (turn.role, self.prepare(&turn.text))).collect()
    }

    /// What the reader should know when so many tokens left this machine; none where nothing did.
    pub(super) fn left(&self, tokens: usize) -> Option<Notice> {
        let open = self.in_the_open();
        self.is_remote.then(|| {
            Notice::note(&self.shown, format!("{tokens} tokens were sent to this address{open}; secrets were redacted"))
        })
    }

    /// The same where no answer came of it, so that it is not known how much of it arrived.
    pub(super) fn left_in_vain(&self, tokens: usize) -> Option<Notice> {
        let open = self.in_the_open();
        self.is_remote.then(|| {
            let what = format!(
                "up to {tokens} tokens were sent to this address{open}, though no answer came of it; secrets were redacted"
            );
            Notice::note(&self.shown, what)
        })
    }

    fn in_the_open(&self) -> &'static str {
        let is_elsewhere = self.addresses.iter().any(|one| !one.ip().to_canonical().is_loopback());
        if self.url.scheme() == "http" && is_elsewhere { ", unencrypted" } else { "" }
    }
}

/// What left for a server without an answer, until somebody is told.
#[derive(Debug, Default)]
pub(super) struct InVain(Mutex<Vec<Notice>>);

impl InVain {
    /// Keeps what is to be told; the same thing once.
    pub(super) fn keep(&self, notice: Option<Notice>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = notice.filter(|notice| !kept.contains(notice));
        kept.extend(new);
    }

    /// Hands over what was kept.
    pub(super) fn take(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The address as a URL that paths can be joined to, and as it may be shown.
fn read(address: &str, kind: &Kind) -> Result<(Url, String), ServerError> {
    let whole = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let wrong = |why: String| ServerError::Failed { address: kind.setting.into(), why };
    let mut url = Url::parse(&whole).map_err(|error| wrong(format!("the address is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong(format!("the address must be like {}", kind.example)));
    }
    if !address.contains("://") && url.port().is_none() {
        // Cannot fail: the URL has a host.
        let _ = url.set_port(kind.port);
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

/// Why a server is of no use.
#[derive(Debug)]
pub(super) enum ServerError {
    /// It is not this machine, and that was not allowed.
    Remote { address: String },
    /// It cannot be reached, refused, or spoke nonsense.
    Failed { address: String, why: String },
    /// It does not have the model.
    Lacks { address: String, model: String, advice: String },
}

impl From<ServerError> for EmbedError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Remote { address } => Self::Remote { address },
            ServerError::Failed { address, why } => Self::Server { address, why },
            ServerError::Lacks { address, model, .. } => Self::Server {
                address,
                why: format!("it does not have the model `{model}`: run `ollama pull {model}`"),
            },
        }
    }
}

impl From<ServerError> for ModelError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Remote { address } => Self::Remote { address },
            ServerError::Failed { address, why } => Self::Server { address, why },
            ServerError::Lacks { address, model, advice } => Self::Missing { model, address, advice },
        }
    }
}

/// Why a request has no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("nothing listens there")]
    Closed,
    #[error("it did not answer within {} s", .0.as_secs())]
    Late(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("it answered with more than {} MiB", MOST_ANSWER >> 20)]
    Long,
    #[error("it answered {0}{said}", said = with_colon(.1))]
    Status(StatusCode, String),
    #[error("it answered {0}, which points elsewhere: nothing is sent there")]
    Elsewhere(StatusCode),
    #[error("its answer makes no sense: {0}")]
    Nonsense(String),
}

fn with_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl Refusal {
    /// What became of a request that may take so long.
    pub(super) fn of(error: &reqwest::Error, limit: Duration) -> Self {
        match error {
            error if error.is_connect() && !error.is_timeout() => Self::Closed,
            error if error.is_timeout() => Self::Late(limit),
            error => Self::Broken(last_cause(error)),
        }
    }

    /// Whether the server may have an answer in a moment.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Status(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _))
    }

    /// What an answer with this status refuses; none where it is a success.
    pub(super) fn of_status(status: StatusCode, body: &[u8]) -> Option<Self> {
        match status {
            status if status.is_success() => None,
            status if status.is_redirection() => Some(Self::Elsewhere(status)),
            status => Some(Self::Status(status, said(body))),
        }
    }
}

/// What lies at the bottom of an error; what lies above repeats the address and says no more.
pub(super) fn last_cause(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), last_cause)
}

/// What a server says of an error, as one line that is safe to show. `error` is a text, or an object with `message`.
pub(super) fn said(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Said {
        #[serde(alias = "detail")]
        error: serde_json::Value,
    }
    let Ok(Said { error }) = serde_json::from_slice(body) else { return one_line(&String::from_utf8_lossy(body)) };
    let message = error.get("message").unwrap_or(&error);
    one_line(&message.as_str().map_or_else(|| message.to_string(), str::to_owned))
}

/// A text of a server's as one line that is safe to show: short, without control characters and without secrets.
pub fn one_line(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(400).collect();
    let line = secret::redact(line.trim());
    line.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind =
        Kind { setting: "model.ollama", port: Some(11434), example: "http://127.0.0.1:11434", start: "ollama serve" };
    static OLLAMA: Kind = KIND;

    #[test]
    fn only_this_machine_is_asked_unless_more_is_allowed() {
        let find = |address: &str, allow| Place::find(address, &OLLAMA, allow).map(|place| place.is_remote);
        for own in ["http://127.0.0.1:11434", "127.0.0.1", "http://[::1]:1/ollama", "localhost", "http://127.8.9.1"] {
            assert!(matches!(find(own, false), Ok(false)), "{own}");
        }
        for other in
            ["http://192.0.2.7:11434", "https://203.0.113.5", "0.0.0.0", "http://127.0.0.1@192.0.2.1/", "[2001:db8::1]"]
        {
            assert!(matches!(find(other, false), Err(ServerError::Remote { .. })), "{other}");
            assert!(matches!(find(other, true), Ok(true)), "{other}");
        }
        let told = ModelError::from(Place::find("http://me:hush@192.0.2.7/x", &OLLAMA, false).unwrap_err()).to_string();
        insta::assert_snapshot!(told, @"`http://192.0.2.7/x` is not this machine, and `model.allow_remote` is not set: nothing was sent");
        for wrong in ["", "file:///etc/passwd", "ftp://127.0.0.1", "http://", "http://127.0.0.1:99999"] {
            assert!(matches!(find(wrong, true), Err(ServerError::Failed { .. })), "{wrong}");
        }
    }

    #[test]
    fn paths_are_kept_and_ports_are_as_they_were_meant() {
        let at = |address: &str| {
            let (url, shown) = read(address, &OLLAMA).unwrap();
            (url.join("api/embed").unwrap().to_string(), shown)
        };
        assert_eq!(at("localhost"), ("http://localhost:11434/api/embed".into(), "http://localhost:11434".into()));
        assert_eq!(at("https://box/ollama?x#y"), ("https://box/ollama/api/embed".into(), "https://box/ollama".into()));
    }

    #[test]
    fn what_a_server_says_is_one_safe_line() {
        let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH");
        assert_eq!(said(br#"{"error":"out of \u001b[31mmemory\n"}"#), "out of  [31mmemory");
        assert_eq!(said(br#"{"error":{"message":"no\u0000","code":400}}"#), "no");
        assert_eq!(said(br#"{"detail":[1,2]}"#), "[1,2]");
        assert_eq!(said(b"<html>\xff"), "<html>\u{fffd}");
        assert_eq!(said(b""), "");
        assert!(!said(format!("{{\"error\":\"bad {token}\"}}").as_bytes()).contains(token));
        assert_eq!(one_line(&"x".repeat(1_000)).len(), 200);
    }

    #[test]
    fn a_secret_is_redacted_only_where_it_would_leave() {
        let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH");
        let mut place = Place::find("127.0.0.1", &OLLAMA, false).unwrap();
        assert_eq!((place.prepare(token).as_ref(), place.left(7)), (token, None));
        assert!(matches!(place.forwards_to("https://ollama.com", false), Err(ServerError::Remote { .. })));
        place.forwards_to("https://ollama.com", true).unwrap();
        assert_eq!(place.prepare(token), "[redacted: GitHub token]");
        let notice = place.left(7).unwrap();
        assert_eq!(notice.about, "https://ollama.com by way of http://127.0.0.1:11434");
        assert_eq!(notice.what, "7 tokens were sent to this address; secrets were redacted");
        let vain = place.left_in_vain(7).unwrap();
        assert_eq!(
            vain.what,
            "up to 7 tokens were sent to this address, though no answer came of it; secrets were redacted"
        );
        let kept = InVain::default();
        [Some(vain.clone()), None, Some(vain.clone())].into_iter().for_each(|notice| kept.keep(notice));
        assert_eq!((kept.take(), kept.take()), (vec![vain], vec![]));
        let other = Place::find("192.0.2.1", &OLLAMA, true).unwrap();
        assert!(other.left(7).unwrap().what.contains("unencrypted"));
        assert!(other.left_in_vain(7).unwrap().what.contains("unencrypted"));
    }
}
