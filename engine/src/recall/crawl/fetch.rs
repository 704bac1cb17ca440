//! What does one address answer, within bounds of time and size, asked politely and again where that may help?

use std::{
    io::Read as _,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use reqwest::{
    StatusCode,
    blocking::{Client, Response},
    header::{self, HeaderMap},
    redirect::Policy,
};
use url::Url;

use super::{Known, Limits};
use crate::{
    notice::chain,
    reach::{Guarded, Unreachable},
};

/// What names us to the servers.
const AGENT: &str = concat!("apprentice/", env!("CARGO_PKG_VERSION"), " (+", env!("CARGO_PKG_REPOSITORY"), ")");
const ACCEPT: &str =
    "text/html, application/xhtml+xml, text/markdown, text/plain;q=0.9, application/pdf;q=0.8, */*;q=0.1";
/// How often one address is asked.
const ATTEMPTS: u32 = 4;
/// The longest that a server may ask us to wait before it is asked again.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// What came back.
#[derive(Debug)]
pub(super) enum Answer {
    Body(Body),
    /// What is known of it still holds.
    Unchanged,
    /// There is no such page.
    Gone,
    /// It is there: ask here.
    Redirect(Url),
    /// It is not to be had, and asking for it again would not help.
    Refused(String),
    /// The server fails or cannot be reached, time and again.
    Broken(String),
}

/// A page as it was sent, unpacked.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// The media type in lower case without its parameters; empty where none was named.
    pub(super) media: String,
    pub(super) charset: Option<String>,
    pub(super) etag: Option<String>,
    pub(super) last_modified: Option<String>,
    /// `X-Robots-Tag` asks that it be not kept.
    pub(super) noindex: bool,
}

/// Asks one address after another, never faster than it may.
pub(super) struct Fetcher<'a> {
    client: Client,
    limits: &'a Limits,
    until: Instant,
    /// The least time between two requests.
    pub(super) delay: Duration,
    last: Option<Instant>,
}

impl<'a> Fetcher<'a> {
    pub(super) fn new(limits: &'a Limits) -> Result<Self, String> {
        let client = Client::builder()
            .user_agent(AGENT)
            .redirect(Policy::none())
            .referer(false)
            // A proxy would look names up by itself, and no address could be checked.
            .no_proxy()
            .timeout(limits.patience)
            .connect_timeout(limits.patience)
            .pool_max_idle_per_host(1)
            .dns_resolver(Arc::new(Guarded(Arc::new(limits.reach.clone()))))
            .build()
            .map_err(|error| chain(&error))?;
        Ok(Self { client, limits, until: Instant::now() + limits.total, delay: limits.delay, last: None })
    }

    /// Whether the time for the whole crawl is over.
    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Asks one address, again after a while where the server is busy or did not answer.
    pub(super) fn ask(&mut self, url: &Url, known: Option<&Known>, most: u64) -> Answer {
        if !matches!(url.scheme(), "http" | "https") {
            return Answer::Refused(format!("`{}` is neither http nor https", url.scheme()));
        }
        if let Err(error) = self.limits.reach.check_literal(url) {
            return Answer::Refused(error.to_string());
        }
        let mut pause = self.limits.backoff;
        let mut attempt = 1;
        loop {
            self.wait();
            let (why, asked) = match self.once(url, known, most) {
                Ok(answer) => return answer,
                Err(failed) => failed,
            };
            let wait = asked.unwrap_or(pause + jitter(pause));
            if attempt == ATTEMPTS || wait > LONGEST_WAIT || Instant::now() + wait >= self.until {
                return Answer::Broken(why);
            }
            sleep(wait);
            pause *= 2;
            attempt += 1;
        }
    }

    fn wait(&mut self) {
        if let Some(last) = self.last {
            sleep(self.delay.saturating_sub(last.elapsed()).min(self.until.saturating_duration_since(Instant::now())));
        }
        self.last = Some(Instant::now());
    }

    /// An answer, or why another attempt may help and how long the server asks to wait before it.
    fn once(&self, url: &Url, known: Option<&Known>, most: u64) -> Result<Answer, (String, Option<Duration>)> {
        let mut request = self.client.get(url.clone()).header(header::ACCEPT, ACCEPT);
        if let Some(etag) = known.and_then(|known| known.etag.as_deref()) {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(date) = known.and_then(|known| known.last_modified.as_deref()) {
            request = request.header(header::IF_MODIFIED_SINCE, date);
        }
        let response = match request.send() {
            Ok(response) => response,
            Err(error) => return unsent(&error),
        };
        match response.status() {
            StatusCode::OK => self.body(response, most),
            StatusCode::NOT_MODIFIED if known.is_some() => Ok(Answer::Unchanged),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Answer::Gone),
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => busy(status, response.headers()),
            status if status.is_server_error() => busy(status, response.headers()),
            status if status.is_redirection() => Ok(redirect(url, response.headers())),
            status => Ok(Answer::Refused(format!("the server answered {status}"))),
        }
    }

    fn body(&self, response: Response, most: u64) -> Result<Answer, (String, Option<Duration>)> {
        let text = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let kind = text("content-type").unwrap_or_default();
        let mut parts = kind.split(';').map(str::trim);
        let mut body = Body {
            bytes: Vec::new(),
            media: parts.next().unwrap_or("").to_ascii_lowercase(),
            charset: parts.find_map(|part| {
                let (name, value) = part.split_once('=')?;
                name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
            }),
            etag: text("etag"),
            last_modified: text("last-modified"),
            noindex: text("x-robots-tag").is_some_and(|tag| tag.to_ascii_lowercase().contains("noindex")),
        };
        match self.read(response, most) {
            Ok(Some(bytes)) => {
                body.bytes = bytes;
                Ok(Answer::Body(body))
            }
            Ok(None) => Ok(Answer::Refused(format!("it is longer than {most} bytes (`docs.max_page_bytes`)"))),
            Err(why) => Err((why, None)),
        }
    }

    /// Unpacked bytes; none where there are more than `most`. The whole may take three times as long as one read.
    fn read(&self, mut response: Response, most: u64) -> Result<Option<Vec<u8>>, String> {
        let until = (Instant::now() + self.limits.patience * 3).min(self.until);
        let mut bytes = Vec::new();
        let mut buffer = [0; 16 << 10];
        loop {
            let count = response.read(&mut buffer).map_err(|error| format!("the page broke off: {}", chain(&error)))?;
            if count == 0 {
                return Ok(Some(bytes));
            }
            if bytes.len() as u64 + count as u64 > most {
                return Ok(None);
            }
            bytes.extend_from_slice(&buffer[..count]);
            if Instant::now() > until {
                return Err("the page came too slowly".to_owned());
            }
        }
    }
}

fn unsent(error: &reqwest::Error) -> Result<Answer, (String, Option<Duration>)> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(unreachable) = error.downcast_ref::<Unreachable>() {
            return Ok(Answer::Refused(unreachable.to_string()));
        }
        cause = error.source();
    }
    Err((in_words(error), None))
}

/// An error of the client without the address, which stands beside it anyway.
fn in_words(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let deepest = std::iter::successors(std::error::Error::source(error), |error| error.source()).last();
    deepest.map_or_else(|| error.to_string(), ToString::to_string)
}

fn busy(status: StatusCode, headers: &HeaderMap) -> Result<Answer, (String, Option<Duration>)> {
    let asked = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(retry_after);
    Err((format!("the server answered {status}"), asked))
}

/// Seconds, or a date of HTTP.
fn retry_after(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Duration::from_secs(http_date(value.trim())?.saturating_sub(now)))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`. Source: RFC 9110, 5.6.7.
fn http_date(text: &str) -> Option<u64> {
    let mut parts = text.split_once(", ")?.1.split([' ', ':']);
    let day: u64 = parts.next()?.parse().ok()?;
    let name = parts.next()?;
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|&known| known == name)? as u64 + 1;
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (year, hour, minute, second) = (number()?, number()?, number()?, number()?);
    let within = (1970..=9999).contains(&year) && day <= 31 && hour < 24 && minute < 60 && second <= 60;
    // Days from 1970 by years that begin in March.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * years + years / 4 - years / 100 + years / 400 + (153 * months + 2) / 5 + day;
    within.then(|| days.checked_sub(719_469).map(|days| days * 86_400 + hour * 3_600 + minute * 60 + second)).flatten()
}

fn redirect(from: &Url, headers: &HeaderMap) -> Answer {
    let target = headers.get(header::LOCATION).and_then(|value| from.join(value.to_str().ok()?).ok());
    target.map_or_else(|| Answer::Refused("it redirects to nowhere".to_owned()), Answer::Redirect)
}

/// Up to half of a pause, so that many clients do not come back at the same moment.
fn jitter(pause: Duration) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(0) % 1_000;
    pause.mul_f64(random as f64 / 2_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_says_when_to_come_back_in_seconds_or_by_date() {
        assert_eq!(retry_after(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(http_date("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        for nonsense in ["", "soon", "Sun, x", "Sun, 06 Nov 0000 08:49:37 GMT", "Sun, 99 Foo 1994 1:2:3"] {
            assert_eq!(retry_after(nonsense), None, "{nonsense}");
        }
    }
}
