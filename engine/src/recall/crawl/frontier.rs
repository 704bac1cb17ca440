//! Which pages are still to be fetched, and which would never end?

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use url::Url;

/// The longest URL, in bytes.
const LENGTH: usize = 1_500;
/// The most parts of a path.
const PARTS: usize = 20;
/// The most times that one part stands in a path.
const REPEATED: usize = 2;
/// The most parameters of a query, and the most queries of one path.
const PARAMETERS: usize = 6;
const QUERIES: u32 = 20;
/// The most URLs that are remembered.
const SEEN: usize = 200_000;
/// However few pages are fetched, so many that differ in numbers only are.
const NUMBERED: u32 = 20;

/// Where a crawl may go: one scheme, host and port, below one folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Site {
    start: Url,
    folder: String,
}

impl Site {
    /// The site around a page: everything below its folder. A path without a dot in its last part is a folder.
    pub(super) fn around(page: &Url) -> Self {
        let (above, last) = page.path().rsplit_once('/').unwrap_or(("", ""));
        let folder =
            if last.is_empty() || last.contains('.') { format!("{above}/") } else { format!("{}/", page.path()) };
        Self { start: page.clone(), folder }
    }

    pub(super) fn holds(&self, url: &Url) -> bool {
        url.origin() == self.start.origin()
            && (url.path().starts_with(&self.folder) || url.path() == self.folder.trim_end_matches('/'))
    }
}

/// The URL under which a page is known: without fragment, credentials, default port, and what only counts visitors.
pub(super) fn canonical(mut url: Url) -> Url {
    url.set_fragment(None);
    // Both fail only where there is no host, and then there is nothing to take away.
    let _ = (url.set_username(""), url.set_password(None));
    if let Some(query) = url.query() {
        let counts = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.starts_with("utm_")
                || matches!(
                    &*name,
                    "fbclid" | "gclid" | "msclkid" | "mc_cid" | "mc_eid" | "phpsessid" | "jsessionid" | "sid"
                )
        };
        let kept: Vec<&str> =
            query.split('&').filter(|pair| !pair.is_empty() && !counts(pair.split('=').next().unwrap_or(""))).collect();
        let kept = kept.join("&");
        url.set_query(Some(&kept).filter(|kept| !kept.is_empty()).map(String::as_str));
    }
    url
}

/// Pages to come, nearest first.
#[derive(Debug)]
pub(super) struct Frontier {
    site: Site,
    max_depth: u32,
    most_numbered: u32,
    queue: VecDeque<(Url, u32)>,
    seen: HashSet<String>,
    queries: HashMap<String, u32>,
    shapes: HashMap<String, u32>,
    /// How many were left out, by reason.
    refused: BTreeMap<&'static str, usize>,
}

impl Frontier {
    pub(super) fn new(site: Site, max_depth: u32, max_pages: u32) -> Self {
        Self {
            site,
            max_depth,
            most_numbered: (max_pages / 4).max(NUMBERED),
            queue: VecDeque::new(),
            seen: HashSet::new(),
            queries: HashMap::new(),
            shapes: HashMap::new(),
            refused: BTreeMap::new(),
        }
    }

    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    /// Whether a page is new; from now on it is not.
    pub(super) fn mark(&mut self, url: &Url) -> bool {
        self.seen.len() < SEEN && self.seen.insert(url.as_str().to_owned())
    }

    /// Puts a page into the queue, unless it is known, elsewhere, or looks like a trap.
    pub(super) fn offer(&mut self, url: Url, depth: u32) {
        let url = canonical(url);
        if !self.site.holds(&url) || is_no_page(url.path()) || !self.mark(&url) {
            return;
        }
        match self.refuses(&url, depth) {
            Some(why) => *self.refused.entry(why).or_default() += 1,
            None => self.queue.push_back((url, depth)),
        }
    }

    pub(super) fn next(&mut self) -> Option<(Url, u32)> {
        self.queue.pop_front()
    }

    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    /// Why pages were left out, and how many.
    pub(super) fn refused(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.refused.iter().map(|(&why, &count)| (why, count))
    }

    fn refuses(&mut self, url: &Url, depth: u32) -> Option<&'static str> {
        if depth > self.max_depth {
            return Some("further away than `docs.max_depth`");
        }
        let parts: Vec<&str> = url.path().split('/').filter(|part| !part.is_empty()).collect();
        let repeats = |part: &&str| parts.iter().filter(|other| *other == part).count() > REPEATED;
        if url.as_str().len() > LENGTH || parts.len() > PARTS || parts.iter().any(repeats) {
            return Some("with an address that grows or repeats itself");
        }
        if let Some(query) = url.query() {
            let count = self.queries.entry(url.path().to_owned()).or_default();
            *count += 1;
            if *count > QUERIES || query.split('&').count() > PARAMETERS {
                return Some("with one query too many");
            }
        }
        let count = shape(url).map(|shape| self.shapes.entry(shape).or_default());
        count.and_then(|count| {
            *count += 1;
            (*count > self.most_numbered).then_some("that differ from many others in numbers only")
        })
    }
}

/// A path with its numbers alike; none where it has no number.
fn shape(url: &Url) -> Option<String> {
    let mut shape = String::new();
    let mut numbered = false;
    for c in url[url::Position::BeforePath..].chars() {
        match c.is_ascii_digit() {
            true if shape.ends_with('0') => {}
            true => {
                numbered = true;
                shape.push('0');
            }
            false => shape.push(c),
        }
    }
    numbered.then_some(shape)
}

/// Names that are not those of pages; the type of what is fetched decides about all others.
fn is_no_page(path: &str) -> bool {
    const OTHERS: &[&str] = &[
        "png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "css", "js", "mjs", "map", "json", "xml", "rss", "atom",
        "zip", "gz", "tgz", "bz2", "xz", "7z", "tar", "exe", "dmg", "msi", "deb", "rpm", "whl", "jar", "mp3", "mp4",
        "webm", "mov", "avi", "woff", "woff2", "ttf", "eot", "wasm", "iso", "epub", "csv",
    ];
    let extension = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    extension.is_some_and(|extension| OTHERS.contains(&extension.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn one_page_has_one_address() {
        let address = canonical(url("HTTPS://Me:secret@Example.com:443/a/../b?utm_source=x&q=1&fbclid=2#part"));
        assert_eq!(address.as_str(), "https://example.com/b?q=1");
        assert_eq!(canonical(url("http://x/?utm_a=1")).as_str(), "http://x/");
    }

    #[test]
    fn a_site_is_a_folder_of_one_origin() {
        let site = Site::around(&url("https://x.org/docs/intro.html"));
        for (inside, address) in [
            (true, "https://x.org/docs/"),
            (true, "https://x.org/docs/a/b"),
            (true, "https://x.org/docs"),
            (false, "https://x.org/docs2/"),
            (false, "https://x.org/"),
            (false, "http://x.org/docs/"),
            (false, "https://x.org:8443/docs/"),
            (false, "https://sub.x.org/docs/"),
            (false, "https://x.org.evil.com/docs/"),
        ] {
            assert_eq!(site.holds(&url(address)), inside, "{address}");
        }
        assert!(Site::around(&url("https://x.org/docs/v1")).holds(&url("https://x.org/docs/v1/a")));
        assert!(!Site::around(&url("https://x.org/docs/v1")).holds(&url("https://x.org/docs/v2/a")));
    }

    #[test]
    fn traps_run_dry() {
        let mut frontier = Frontier::new(Site::around(&url("http://x/")), 9, 100);
        for at in 0..1_000 {
            frontier.offer(url(&format!("http://x/calendar/{}/{at}", at / 12)), 1);
            frontier.offer(url(&format!("http://x/list?page=a&sort={}", "x".repeat(at))), 1);
            frontier.offer(url(&format!("http://x/{}", "deep/er/".repeat(at))), 1);
        }
        assert!(frontier.len() < 60, "{}", frontier.len());
        assert_eq!(frontier.refused().count(), 3);
    }

    proptest! {
        #[test]
        fn an_address_stays_what_it_became(text in "http://[a-z]{1,5}(/[a-z.%~;]{0,6}){0,4}(\\?[a-z=&;]{0,20})?(#[a-z]{0,4})?") {
            if let Ok(url) = Url::parse(&text) {
                let once = canonical(url);
                prop_assert_eq!(canonical(once.clone()), once);
            }
        }
    }
}
