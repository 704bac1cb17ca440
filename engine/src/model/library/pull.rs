//! How does a model come from the internet into the folder, whole and checked, however often the line breaks?
//!
//! Invariants: a model's own name is only ever given to a file whose length, SHA-256 (where one is known) and header
//! are right; what came of one is kept beside it as `.NAME.part` with its source in `.NAME.part.json`, and is gone on
//! with only where the server says that the file is still the same. Nothing is fetched from an address of this machine or
//! of a private network that the person did not name, nor over an unencrypted connection from anywhere else.
#![expect(clippy::disallowed_methods, reason = "makes the folder that it fetches models into")]

use std::{
    fs,
    io::Read as _,
    net::{IpAddr, ToSocketAddrs as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::sleep,
    time::{Duration, Instant},
};

use reqwest::{
    StatusCode,
    blocking::{Client, Response},
    header::{self, HeaderMap},
    redirect::Policy,
};
use url::{Host, Url};

use super::{
    LibraryError, Told, check_name, check_room, entry,
    hub::{self, Stored},
    part::{Attempt, Part, Pulled, Wanted, shown},
    sum,
};
use crate::{
    model::address::{MOST_ANSWER, Refusal},
    reach::{Guarded, Reach, Unreachable},
};

/// Where a model is fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `hf:OWNER/REPO` or `hf:OWNER/REPO/FILE.gguf`: a repository of Hugging Face, or of a mirror of it.
    Hub {
        /// `OWNER/REPO`.
        repository: String,
        /// The path of the file in it.
        file: Option<String>,
    },
    /// The address of a file.
    Url(Url),
    /// `ollama:NAME`: the Ollama server fetches it and keeps it.
    Ollama(String),
}

impl Source {
    /// What a text means.
    ///
    /// # Errors
    /// [`LibraryError::Fetch`] that says what can be written, [`LibraryError::Name`] when no model can be called so.
    pub fn parse(text: &str) -> Result<Self, LibraryError> {
        let wrong = |why: &str| LibraryError::Fetch { from: text.to_owned(), why: why.to_owned() };
        match text.split_once(':') {
            Some(("hf", path)) => of_hub(path).ok_or_else(|| wrong("write hf:OWNER/REPO or hf:OWNER/REPO/FILE.gguf")),
            Some(("ollama", name)) if !name.is_empty() => Ok(Self::Ollama(name.to_owned())),
            Some(("https" | "http", _)) => {
                let url = Url::parse(text).map_err(|error| wrong(&format!("it is no address: {error}")))?;
                file_name(url.path())?;
                Ok(Self::Url(url))
            }
            _ => Err(wrong("write hf:OWNER/REPO, hf:OWNER/REPO/FILE.gguf, https://HOST/FILE.gguf or ollama:NAME")),
        }
    }
}

/// `OWNER/REPO` and what follows, if they are made of the signs that Hugging Face allows.
fn of_hub(path: &str) -> Option<Source> {
    let is_plain = |part: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
        !part.is_empty() && !part.starts_with('.') && part.bytes().all(is_known)
    };
    let parts: Vec<&str> = path.split('/').collect();
    let [owner, name, file @ ..] = &parts[..] else { return None };
    let file = (!file.is_empty()).then(|| file.join("/"));
    let is_model = file.as_ref().is_none_or(|file| file.to_ascii_lowercase().ends_with(".gguf"));
    let is_good = is_model && parts.iter().all(|part| is_plain(part));
    is_good.then(|| Source::Hub { repository: format!("{owner}/{name}"), file })
}

/// How patiently a model is fetched.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The address of Hugging Face or of a mirror.
    pub hub: String,
    /// How long a server may be silent.
    pub patience: Duration,
    /// The first pause before another attempt; each further one is twice as long.
    pub backoff: Duration,
    /// How often in a row it is tried without a byte coming.
    pub attempts: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            hub: "https://huggingface.co".to_owned(),
            patience: Duration::from_secs(30),
            backoff: Duration::from_secs(1),
            attempts: 5,
        }
    }
}

/// How many addresses may redirect to another, one after the other.
const HOPS: usize = 5;

/// What names us to the servers.
const AGENT: &str = concat!("apprentice/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");

/// Fetches a model from Hugging Face or an address into the folder. `told` hears how many bytes of how many are there.
///
/// # Errors
/// [`LibraryError`] says what is missing; what came before is kept where it may be of use.
pub fn pull(
    folder: &Path,
    source: &Source,
    limits: &Limits,
    stop: &AtomicBool,
    told: &mut Told<'_>,
) -> Result<Pulled, LibraryError> {
    let wanted = match source {
        Source::Hub { repository, file } => of_repository(repository, file.as_deref(), limits)?,
        Source::Url(url) => Wanted { url: url.clone(), file: file_name(url.path())?, bytes: None, sha256: None },
        Source::Ollama(name) => {
            return Err(failed(name, "the Ollama server fetches it, with `engine::model::ollama::pull`"));
        }
    };
    fs::create_dir_all(folder).map_err(LibraryError::disk("make", folder))?;
    if let Some(there) = there(folder, &wanted, stop, told)? {
        return Ok(there);
    }
    let client = client(&wanted.url, limits)?;
    let mut part = Part::open(folder, &wanted)?;
    fetch(&client, &wanted, &mut part, limits, stop, told)?;
    part.finish(&wanted, stop, told)
}

/// What is there already under this name.
fn there(
    folder: &Path,
    wanted: &Wanted,
    stop: &AtomicBool,
    told: &mut Told<'_>,
) -> Result<Option<Pulled>, LibraryError> {
    let path = folder.join(&wanted.file);
    if !path.exists() {
        return Ok(None);
    }
    let entry = entry(&path)?;
    // Without a sum to hold it against, a file of the same name cannot be told from another one.
    let Some(expected) = &wanted.sha256 else { return Err(LibraryError::There(path)) };
    let sha256 = sum(&path, stop, told)?;
    if sha256 != *expected {
        return Err(LibraryError::There(path));
    }
    Ok(Some(Pulled { entry, sha256, is_checked: true, was_there: true }))
}

/// Asks a repository for its files and chooses one.
fn of_repository(repository: &str, named: Option<&str>, limits: &Limits) -> Result<Wanted, LibraryError> {
    let from = format!("hf:{repository}");
    let base = Url::parse(&format!("{}/", limits.hub.trim_end_matches('/')))
        .map_err(|error| failed(&limits.hub, format!("HF_ENDPOINT is no address: {error}")))?;
    let at = |path: &str| base.join(path).map_err(|error| failed(&from, error.to_string()));
    let list = at(&format!("api/models/{repository}/tree/main?recursive=1"))?;
    let client = client(&list, limits)?;
    let mut response = follow(&client, &list, &HeaderMap::new()).map_err(|why| failed(&from, why.to_string()))?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(failed(&from, "there is no such repository, or it is not open to everybody"));
        }
        status => return Err(failed(&from, format!("it answered {status}"))),
    }
    let mut body = Vec::new();
    let read = response.by_ref().take(MOST_ANSWER as u64 + 1).read_to_end(&mut body);
    read.map_err(|error| failed(&from, format!("its list broke off: {error}")))?;
    let files: Vec<Stored> =
        serde_json::from_slice(&body).map_err(|error| failed(&from, format!("its list makes no sense: {error}")))?;
    let file = hub::choose(&files, named).map_err(|why| failed(&from, why))?;
    Ok(Wanted {
        url: at(&format!("{repository}/resolve/main/{}", file.path))?,
        file: file_name(&file.path)?,
        bytes: file.bytes(),
        sha256: file.sha256(),
    })
}

fn failed(from: &str, why: impl Into<String>) -> LibraryError {
    LibraryError::Fetch { from: from.to_owned(), why: why.into() }
}

/// The last part of a path as the name of a file.
fn file_name(path: &str) -> Result<String, LibraryError> {
    let name = path.rsplit('/').next().unwrap_or_default();
    check_name(name).map(|()| name.to_owned())
}

/// A client that connects only to public addresses and to those of the host that the person named.
fn client(url: &Url, limits: &Limits) -> Result<Client, LibraryError> {
    let named: Vec<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => vec![address.into()],
        Some(Host::Ipv6(address)) => vec![address.into()],
        Some(Host::Domain(name)) => {
            let found = (name, 0).to_socket_addrs();
            let found = found.map_err(|error| failed(&shown(url), format!("no such host: {error}")))?;
            found.map(|address| address.ip()).collect()
        }
        None => Vec::new(),
    };
    Client::builder()
        .user_agent(AGENT)
        .redirect(Policy::none())
        .referer(false)
        // What is counted, continued and checked is the file itself.
        .no_gzip()
        // A proxy would look names up by itself, and no address could be checked.
        .no_proxy()
        .timeout(limits.patience)
        .connect_timeout(limits.patience)
        .dns_resolver(Arc::new(Guarded(Arc::new(Reach::PublicAnd(named)))))
        .build()
        .map_err(|error| failed(&shown(url), crate::notice::chain(&error)))
}

/// Asks an address, and where it redirects to, as far as that may be.
fn follow(client: &Client, start: &Url, headers: &HeaderMap) -> Result<Response, Attempt> {
    let mut url = start.clone();
    for _ in 0..=HOPS {
        check_scheme(&url).map_err(Attempt::Never)?;
        if let Err(error) = named_or_public(start).check_literal(&url) {
            return Err(Attempt::Never(error.to_string()));
        }
        let response = client.get(url.clone()).headers(headers.clone()).send().map_err(|error| unsent(&error))?;
        if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        let target = response.headers().get(header::LOCATION).and_then(|value| url.join(value.to_str().ok()?).ok());
        let target = target.ok_or_else(|| Attempt::Never("it redirects to nowhere".to_owned()))?;
        if url.scheme() == "https" && target.scheme() != "https" {
            return Err(Attempt::Never("it redirects to an unencrypted address".to_owned()));
        }
        url = target;
    }
    Err(Attempt::Never(format!("it redirects more than {HOPS} times")))
}

/// Public addresses, and the one that the person wrote down.
fn named_or_public(start: &Url) -> Reach {
    match start.host() {
        Some(Host::Ipv4(address)) => Reach::PublicAnd(vec![address.into()]),
        Some(Host::Ipv6(address)) => Reach::PublicAnd(vec![address.into()]),
        _ => Reach::Public,
    }
}

/// https, or http within this machine.
fn check_scheme(url: &Url) -> Result<(), String> {
    let is_own = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_own => Ok(()),
        "http" => Err("models are not fetched over an unencrypted connection; write https".to_owned()),
        other => Err(format!("`{other}` is neither http nor https")),
    }
}

fn unsent(error: &reqwest::Error) -> Attempt {
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
    match causes.filter_map(|cause| cause.downcast_ref::<Unreachable>()).next() {
        Some(unreachable) => Attempt::Never(unreachable.to_string()),
        None => Attempt::Again(Refusal::of(error, Duration::from_secs(30)).to_string()),
    }
}

/// Fetches what is missing, again and again while something comes.
fn fetch(
    client: &Client,
    wanted: &Wanted,
    part: &mut Part,
    limits: &Limits,
    stop: &AtomicBool,
    told: &mut Told<'_>,
) -> Result<(), LibraryError> {
    let (mut failures, mut pause) = (0, limits.backoff);
    loop {
        let before = part.length;
        let why = match once(client, wanted, part, stop, told)? {
            Ok(()) => return Ok(()),
            Err(Attempt::Never(why)) => return Err(failed(&shown(&wanted.url), why)),
            Err(Attempt::Again(why)) => why,
        };
        if part.length > before {
            (failures, pause) = (0, limits.backoff);
        }
        failures += 1;
        if failures >= limits.attempts {
            let kept = if part.length > 0 { "; run it again, it goes on where it was" } else { "" };
            return Err(failed(&shown(&wanted.url), format!("{why}{kept}")));
        }
        wait(pause, stop)?;
        pause *= 2;
    }
}

fn wait(pause: Duration, stop: &AtomicBool) -> Result<(), LibraryError> {
    let until = Instant::now() + pause;
    while Instant::now() < until {
        if stop.load(Ordering::Relaxed) {
            return Err(LibraryError::Stopped);
        }
        sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

/// One attempt to fetch what is missing. The outer error is one that no attempt mends.
fn once(
    client: &Client,
    wanted: &Wanted,
    part: &mut Part,
    stop: &AtomicBool,
    told: &mut Told<'_>,
) -> Result<Result<(), Attempt>, LibraryError> {
    if part.length > 0 && wanted.bytes == Some(part.length) {
        return Ok(Ok(()));
    }
    let response = match follow(client, &wanted.url, &part.range()) {
        Ok(response) => response,
        Err(attempt) => return Ok(Err(attempt)),
    };
    let all = match part.agree(&response, wanted)? {
        Ok(all) => all,
        Err(attempt) => return Ok(Err(attempt)),
    };
    check_room(&part.folder, all.saturating_sub(part.length))?;
    part.take(response, all, stop, told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let hub = |repository: &str, file: Option<&str>| Source::Hub {
            repository: repository.into(),
            file: file.map(str::to_owned),
        };
        assert_eq!(Source::parse("hf:a/b").unwrap(), hub("a/b", None));
        assert_eq!(Source::parse("hf:a/b/sub/c.gguf").unwrap(), hub("a/b", Some("sub/c.gguf")));
        assert_eq!(Source::parse("ollama:a:1b").unwrap(), Source::Ollama("a:1b".into()));
        assert!(matches!(Source::parse("https://x.example/a/b.gguf?download=1").unwrap(), Source::Url(_)));
        let wrong = ["", "a", "hf:", "hf:a", "hf:a/", "hf:../b", "hf:a/b/c", "hf:a/b?x", "hf:a/b/../c.gguf", "ollama:"];
        for text in
            wrong.into_iter().chain(["ftp://x/a.gguf", "https://x/", "https://x/a.bin", "https://x/..%2fa.gguf"])
        {
            assert!(Source::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn unencrypted_only_within_this_machine() {
        let check = |url: &str| check_scheme(&Url::parse(url).unwrap());
        for fine in ["https://huggingface.co/x", "http://127.0.0.1:1/x", "http://[::1]/x", "http://localhost/x"] {
            assert!(check(fine).is_ok(), "{fine}");
        }
        for other in ["http://huggingface.co/x", "http://192.168.1.1/x", "ftp://x/y", "file:///etc/passwd"] {
            assert!(check(other).is_err(), "{other}");
        }
    }
}
