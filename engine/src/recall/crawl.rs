//! Which pages has a site, fetched as politely as its owner may expect?
//!
//! Invariants: nothing is fetched that robots.txt forbids, nothing outside the folder the crawl began in, nothing from an
//! address that was not checked ([`Reach`]), no more bytes, pages and time than [`Limits`] say. No cookie is sent.

mod fetch;
mod frontier;
mod robots;

pub use crate::reach::{Reach, Unreachable, is_public};

use std::{ops::ControlFlow, time::Duration};

use url::Url;

use super::document::{self, Document, DocumentError, Format, PdfReader, html};
use crate::notice::Notice;
use fetch::{Answer, Body, Fetcher};
use frontier::{Frontier, Site, canonical};
use robots::Robots;

/// How far a crawl may go.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most pages that are asked for.
    pub max_pages: u32,
    /// How many links away from the first page.
    pub max_depth: u32,
    /// The most bytes of one page, unpacked.
    pub max_page_bytes: u64,
    /// The least time between two requests.
    pub delay: Duration,
    /// Which addresses may be fetched from.
    pub reach: Reach,
    /// How long a server may be silent; three times that for a whole page.
    pub patience: Duration,
    /// The first pause before another attempt; each further one is twice as long.
    pub backoff: Duration,
    /// How long the whole may take.
    pub total: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_pages: 500,
            max_depth: 5,
            max_page_bytes: 5_000_000,
            delay: Duration::from_millis(500),
            reach: Reach::Public,
            patience: Duration::from_secs(15),
            backoff: Duration::from_secs(1),
            total: Duration::from_secs(60 * 60),
        }
    }
}

/// What is known of a page from an earlier visit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// Its `ETag`.
    pub etag: Option<String>,
    /// Its `Last-Modified`.
    pub last_modified: Option<String>,
}

/// A page that was fetched.
#[derive(Debug)]
pub struct Page {
    /// Where.
    pub address: String,
    /// What sort of document it is.
    pub format: Format,
    /// BLAKE3 of its bytes.
    pub raw: [u8; 32],
    /// What it says.
    pub document: Document,
    /// For the next visit.
    pub known: Known,
}

/// What became of a page.
#[derive(Debug)]
pub enum Visit {
    /// It was fetched.
    Page(Box<Page>),
    /// It is as it was.
    Unchanged {
        /// Where.
        address: String,
    },
    /// It is not there any more, or asks not to be kept.
    Gone {
        /// Where it was.
        address: String,
    },
}

/// Who is told while a crawl goes on.
pub trait Visitor {
    /// What is known of a page.
    fn known(&mut self, address: &str) -> Option<Known>;
    /// Something became of a page; `waiting` more are known of. A break ends the crawl.
    fn visit(&mut self, visit: Visit, waiting: usize) -> ControlFlow<()>;
}

/// Why a crawl could not begin.
#[derive(Debug, thiserror::Error)]
pub enum CrawlError {
    /// The first page cannot be fetched.
    #[error("cannot fetch `{url}`: {why}")]
    Start {
        /// Its address.
        url: String,
        /// What happened.
        why: String,
    },
    /// Its robots.txt forbids it or cannot be read.
    #[error("`{url}` may not be read by programs: {why}")]
    Forbidden {
        /// Its address.
        url: String,
        /// What its robots.txt says.
        why: String,
    },
}

/// How many addresses one page may redirect to, one after the other.
const HOPS: usize = 5;
/// A site that fails so often in a row is left alone.
const FAILURES: usize = 5;
/// How many sitemaps are read, and their most bytes.
const SITEMAPS: usize = 30;
const SITEMAP_BYTES: u64 = 20_000_000;
/// How many pages that could not be read are named one by one.
const NAMED: usize = 10;

/// Fetches the pages of the site around `start`, and those under `again`, which were there at an earlier visit.
/// Everything that was left out is in the notices.
///
/// # Errors
/// [`CrawlError`] when not even the first page can be had.
pub fn crawl(
    start: &Url,
    again: &[Url],
    limits: &Limits,
    pdf: Option<&dyn PdfReader>,
    visitor: &mut dyn Visitor,
) -> Result<Vec<Notice>, CrawlError> {
    let failed = |why| CrawlError::Start { url: start.to_string(), why };
    let fetcher = Fetcher::new(limits).map_err(failed)?;
    let mut crawl = Crawl { fetcher, robots: Robots::silent(), limits, pdf, visitor, left_out: Vec::new(), pages: 0 };
    let mut notices = Vec::new();
    if !start.username().is_empty() || start.password().is_some() {
        notices.push(Notice::note(start.host_str().unwrap_or(""), "the name and password in the address are not used"));
    }
    let ended = crawl.run(&canonical(start.clone()), again)?;
    notices.extend(ended);
    notices.extend(summary(crawl.left_out));
    Ok(notices)
}

struct Crawl<'a> {
    fetcher: Fetcher<'a>,
    robots: Robots,
    limits: &'a Limits,
    pdf: Option<&'a dyn PdfReader>,
    visitor: &'a mut dyn Visitor,
    /// Pages that could not be read, with the reason.
    left_out: Vec<(String, String)>,
    pages: u32,
}

impl Crawl<'_> {
    fn run(&mut self, start: &Url, again: &[Url]) -> Result<Vec<Notice>, CrawlError> {
        let (first, answer) = self.begin(start)?;
        let site = Site::around(&first);
        let mut frontier = Frontier::new(site.clone(), self.limits.max_depth, self.limits.max_pages);
        frontier.mark(&first);
        let mut flow = self.tell(&first, answer, 0, &mut frontier);
        again.iter().for_each(|url| frontier.offer(url.clone(), 1));
        self.sitemaps(&first, &mut frontier);
        let mut broken = 0;
        let mut notices = Vec::new();
        while flow.is_continue()
            && let Some((url, depth)) = frontier.next()
        {
            if self.pages >= self.limits.max_pages || self.fetcher.is_late() || broken >= FAILURES {
                notices.push(self.stopped(&first, frontier.len() + 1, broken));
                break;
            }
            let (url, answer) = self.reach(url, &mut frontier);
            broken = if matches!(answer, Answer::Broken(_)) { broken + 1 } else { 0 };
            flow = self.tell(&url, answer, depth, &mut frontier);
        }
        let left = |(why, count)| Notice::skipped(first.as_str(), format!("not fetched: {count} pages {why}"));
        notices.extend(frontier.refused().map(left));
        Ok(notices)
    }

    fn stopped(&self, first: &Url, waiting: usize, broken: usize) -> Notice {
        let about = first.as_str();
        if broken >= FAILURES {
            return Notice::failure(about, format!("the site stopped answering; {waiting} pages were not fetched"))
                .advise("run `apprentice docs refresh` later");
        }
        if self.fetcher.is_late() {
            return Notice::skipped(about, format!("the time was over; {waiting} pages were not fetched"))
                .advise("begin in a deeper folder");
        }
        Notice::skipped(about, format!("stopped after {} pages; {waiting} more were not fetched", self.pages))
            .advise("give `--max-pages`, or begin in a deeper folder")
    }

    /// The first page, which may redirect within its host: to https, to a language, to the newest version.
    fn begin(&mut self, start: &Url) -> Result<(Url, Answer), CrawlError> {
        let mut url = start.clone();
        let mut origin = None;
        for _ in 0..=HOPS {
            if origin.as_ref() != Some(&url.origin()) {
                self.read_robots(&url)?;
                origin = Some(url.origin());
            }
            if !self.robots.allows(&url) {
                return Err(CrawlError::Forbidden { url: url.into(), why: "its robots.txt forbids it".to_owned() });
            }
            let why = match self.get(&url) {
                Answer::Redirect(next) if is_same_host(&url, &next) => {
                    url = canonical(next);
                    continue;
                }
                Answer::Redirect(next) => format!("it redirects to another site, `{next}`; add that one instead"),
                Answer::Gone => "there is no such page".to_owned(),
                Answer::Refused(why) | Answer::Broken(why) => why,
                answer => return Ok((url, answer)),
            };
            return Err(CrawlError::Start { url: url.into(), why });
        }
        Err(CrawlError::Start { url: start.to_string(), why: format!("it redirects more than {HOPS} times") })
    }

    /// What robots.txt asks for. A server that fails on it is not asked for anything else (RFC 9309, 2.3.1).
    fn read_robots(&mut self, of: &Url) -> Result<(), CrawlError> {
        let mut url = of.clone();
        url.set_query(None);
        url.set_path("/robots.txt");
        self.robots = Robots::silent();
        for _ in 0..=HOPS {
            match self.fetcher.ask(&url, None, robots::MOST as u64) {
                Answer::Redirect(next) if is_same_host(&url, &next) => url = next,
                Answer::Body(body) => {
                    self.robots = Robots::parse(&body.bytes);
                    break;
                }
                Answer::Broken(why) => {
                    let why = format!("its robots.txt cannot be read: {why}");
                    return Err(CrawlError::Forbidden { url: of.to_string(), why });
                }
                _ => break,
            }
        }
        let asked = self.robots.delay().map(|delay| Duration::from_secs_f32(delay.min(3_600.0)));
        self.fetcher.delay = asked.unwrap_or_default().max(self.limits.delay);
        Ok(())
    }

    /// Offers the pages of the site's sitemaps.
    fn sitemaps(&mut self, first: &Url, frontier: &mut Frontier) {
        let named = self.robots.sitemaps().iter().map(String::as_str).chain(["/sitemap.xml"]);
        let mut waiting: Vec<Url> = named.filter_map(|address| first.join(address).ok()).rev().collect();
        let mut seen = std::collections::HashSet::new();
        while let Some(url) = waiting.pop() {
            let wanted = url.origin() == first.origin() && self.robots.allows(&url) && seen.len() < SITEMAPS;
            if !wanted || !seen.insert(url.clone()) || frontier.len() >= self.limits.max_pages as usize {
                continue;
            }
            if let Answer::Body(body) = self.fetcher.ask(&url, None, SITEMAP_BYTES)
                && let Ok(text) = document::decode(&body.bytes, body.charset.as_deref())
            {
                let found = robots::sitemap(&text);
                found.pages.iter().filter_map(|page| Url::parse(page).ok()).for_each(|page| frontier.offer(page, 1));
                waiting.extend(found.parts.iter().filter_map(|part| Url::parse(part).ok()));
            }
        }
    }

    fn get(&mut self, url: &Url) -> Answer {
        self.pages += 1;
        let known = self.visitor.known(url.as_str());
        self.fetcher.ask(url, known.as_ref(), self.limits.max_page_bytes)
    }

    /// A page of the site, redirects followed as long as they stay in it and lead to a page that is new.
    fn reach(&mut self, start: Url, frontier: &mut Frontier) -> (Url, Answer) {
        let mut url = start.clone();
        for _ in 0..=HOPS {
            if !self.robots.allows(&url) {
                return (url, Answer::Refused("robots.txt forbids it".to_owned()));
            }
            match self.get(&url) {
                Answer::Redirect(next) => {
                    let next = canonical(next);
                    // What it was before is no page any more; what it leads to is another one, or none of ours.
                    if !frontier.site().holds(&next) || !frontier.mark(&next) {
                        return (start, Answer::Gone);
                    }
                    url = next;
                }
                answer => return (url, answer),
            }
        }
        (start, Answer::Refused(format!("it redirects more than {HOPS} times")))
    }

    /// Tells the visitor what became of a page, and the frontier where it leads.
    fn tell(&mut self, url: &Url, answer: Answer, depth: u32, frontier: &mut Frontier) -> ControlFlow<()> {
        let address = url.to_string();
        let visit = match answer {
            Answer::Body(body) => match self.page(url, body, depth, frontier) {
                Ok(visit) => visit,
                Err(why) => {
                    self.left_out.push((address, why));
                    return ControlFlow::Continue(());
                }
            },
            Answer::Unchanged => Visit::Unchanged { address },
            Answer::Gone | Answer::Redirect(_) => Visit::Gone { address },
            Answer::Refused(why) | Answer::Broken(why) => {
                self.left_out.push((address, why));
                return ControlFlow::Continue(());
            }
        };
        self.visitor.visit(visit, frontier.len())
    }

    fn page(&self, url: &Url, body: Body, depth: u32, frontier: &mut Frontier) -> Result<Visit, String> {
        let format = format(url, &body)?;
        let raw = *blake3::hash(&body.bytes).as_bytes();
        let failed = |error: DocumentError| error.to_string();
        let mut unwanted = body.noindex;
        let document = if format == Format::Html {
            let declared = body.charset.clone().or_else(|| html::charset(&body.bytes));
            let text = document::decode(&body.bytes, declared.as_deref())?;
            let page = html::read(&text).map_err(failed)?;
            unwanted |= page.noindex;
            if !page.nofollow {
                let base = page.base.as_deref().and_then(|base| url.join(base).ok()).unwrap_or_else(|| url.clone());
                let links = page.links.iter().filter_map(|link| base.join(link).ok());
                links.for_each(|link| frontier.offer(link, depth + 1));
            }
            page.document
        } else {
            document::read(format, &body.bytes, body.charset.as_deref(), self.pdf).map_err(failed)?
        };
        let address = url.to_string();
        if unwanted {
            return Ok(Visit::Gone { address });
        }
        let known = Known { etag: body.etag, last_modified: body.last_modified };
        Ok(Visit::Page(Box::new(Page { address, format, raw, document, known })))
    }
}

/// The format of what was sent, by its media type; by its name where plain text could be more, or no type was sent.
fn format(url: &Url, body: &Body) -> Result<Format, String> {
    let extension =
        url.path().rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    let by_name = extension.and_then(Format::of_extension);
    match body.media.as_str() {
        "text/html" | "application/xhtml+xml" => Ok(Format::Html),
        "text/markdown" | "text/x-markdown" => Ok(Format::Markdown),
        "text/x-rst" | "text/prs.fallenstein.rst" => Ok(Format::Rst),
        "application/pdf" => Ok(Format::Pdf),
        "text/plain" => {
            Ok(by_name.filter(|format| matches!(format, Format::Markdown | Format::Rst)).unwrap_or(Format::Text))
        }
        "" => by_name.ok_or_else(|| "its type is not told".to_owned()),
        other => Err(format!("`{}` is no document", other.chars().take(80).collect::<String>())),
    }
}

/// Whether a first page may redirect there: the same host with or without `www.`, and never from https to http.
fn is_same_host(one: &Url, other: &Url) -> bool {
    let bare = |url: &Url| url.host_str().map(|host| host.strip_prefix("www.").unwrap_or(host).to_owned());
    let upgrades =
        one.scheme() == "http" && other.scheme() == "https" && one.port().is_none() && other.port().is_none();
    let same = one.scheme() == other.scheme() && one.port_or_known_default() == other.port_or_known_default();
    bare(one) == bare(other) && (same || upgrades)
}

/// The first pages that were left out one by one, the others counted.
fn summary(left_out: Vec<(String, String)>) -> Vec<Notice> {
    let more = left_out.len().saturating_sub(NAMED);
    let mut notices: Vec<Notice> = left_out
        .into_iter()
        .take(NAMED)
        .map(|(address, why)| Notice::skipped(address, format!("not read: {why}")))
        .collect();
    if more > 0 {
        notices.push(Notice::skipped("more pages", format!("{more} others could not be read either")));
    }
    notices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_page_redirects_within_its_host_only() {
        for (may, from, to) in [
            (true, "http://x.org/", "https://x.org/en/"),
            (true, "http://x.org/", "https://www.x.org/"),
            (true, "http://127.0.0.1:8080/", "http://127.0.0.1:8080/docs/"),
            (false, "https://x.org/", "http://x.org/"),
            (false, "http://x.org/", "http://y.org/"),
            (false, "http://x.org/", "http://x.org:6379/"),
            (false, "http://127.0.0.1:8080/", "http://127.0.0.1:6379/"),
            (false, "http://x.org/", "file:///etc/passwd"),
        ] {
            let url = |text: &str| Url::parse(text).unwrap();
            assert_eq!(is_same_host(&url(from), &url(to)), may, "{from} {to}");
        }
    }
}
