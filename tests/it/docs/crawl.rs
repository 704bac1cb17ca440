//! Does the crawler come to an end on every site, and is it polite on the way?

use std::{
    collections::BTreeMap,
    io::Write as _,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use engine::{
    notice::Notice,
    recall::crawl::{CrawlError, Known, Limits, Reach, Visit, Visitor, crawl},
};
use kit::site::{Reply, Site};
use url::Url;

#[derive(Default)]
struct Seen {
    pages: BTreeMap<String, String>,
    gone: Vec<String>,
}

impl Visitor for Seen {
    fn known(&mut self, _: &str) -> Option<Known> {
        None
    }

    fn visit(&mut self, visit: Visit, _: usize) -> ControlFlow<()> {
        let path = |address: &str| Url::parse(address).expect("an address").path().to_owned();
        match visit {
            Visit::Page(page) => drop(self.pages.insert(path(&page.address), page.document.text())),
            Visit::Gone { address } => self.gone.push(path(&address)),
            Visit::Unchanged { .. } => {}
        }
        ControlFlow::Continue(())
    }
}

fn limits() -> Limits {
    Limits {
        max_pages: 60,
        max_page_bytes: 200_000,
        delay: Duration::ZERO,
        reach: Reach::Only(vec![[127, 0, 0, 1].into()]),
        patience: Duration::from_millis(400),
        backoff: Duration::from_millis(5),
        total: Duration::from_secs(20),
        ..Limits::default()
    }
}

fn read(site: &Site, path: &str, limits: &Limits) -> Result<(Seen, Vec<Notice>), CrawlError> {
    let mut seen = Seen::default();
    let start = Url::parse(&site.url(path)).expect("an address");
    let notices = crawl(&start, &[], limits, None, &mut seen)?;
    Ok((seen, notices))
}

#[track_caller]
fn said(notices: &[Notice], words: &str) {
    let text: Vec<String> = notices.iter().map(|notice| format!("{}: {}", notice.about, notice.what)).collect();
    assert!(text.iter().any(|line| line.contains(words)), "`{words}` is not in {text:#?}");
}

fn page(links: &[&str]) -> Reply {
    let links: String = links.iter().map(|link| format!("<a href=\"{link}\">link</a> ")).collect();
    Reply::html(format!("<h1>Page</h1>{links}"))
}

#[test]
fn only_the_folder_of_the_first_page_is_read() {
    let site = Site::new(|asked| match asked.path.as_str() {
        "/docs/" => page(&[
            "a.html",
            "/docs/b#x",
            "/other",
            "//127.0.0.1:9/",
            "mailto:x",
            "javascript:x",
            "b",
            "../up",
            "c.png",
        ]),
        "/docs/a.html" | "/docs/b" => page(&[]),
        _ => Reply::status(404),
    });
    let (seen, _) = read(&site, "/docs/", &limits()).unwrap();
    assert_eq!(seen.pages.into_keys().collect::<Vec<_>>(), ["/docs/", "/docs/a.html", "/docs/b"]);
    assert_eq!(site.paths(), ["/robots.txt", "/docs/", "/sitemap.xml", "/docs/a.html", "/docs/b"]);
    let agent = &site.asked()[1].headers["user-agent"];
    assert!(agent.starts_with("apprentice/") && agent.contains("+https://"), "{agent}");
    assert!(!site.asked().iter().any(|asked| asked.headers.contains_key("cookie")));
}

#[test]
fn endless_links_end() {
    let site = Site::new(|asked| match asked.path.as_str() {
        "/robots.txt" | "/sitemap.xml" => Reply::status(404),
        path => page(&[
            &format!("{}/deeper", path.trim_end_matches('/')),
            &format!("/calendar/{}", path.len() * 7919 + path.bytes().map(usize::from).sum::<usize>()),
            &format!("?q={}", path.len()),
        ]),
    });
    let limits = Limits { max_pages: 1_000, max_depth: 1_000, ..limits() };
    let start = Instant::now();
    let (seen, notices) = read(&site, "/", &limits).unwrap();
    assert!(seen.pages.len() < 1_000 && start.elapsed() < Duration::from_secs(25), "{}", seen.pages.len());
    assert!(!notices.is_empty());
}

#[test]
fn pages_and_depth_are_bounded() {
    let site = Site::new(|asked| match asked.path.strip_prefix("/p").map(str::len) {
        Some(depth) => page(&[&format!("/p{}", "x".repeat(depth + 1))]),
        None if asked.path == "/" => page(&["/p"]),
        None => Reply::status(404),
    });
    let (seen, notices) = read(&site, "/", &Limits { max_depth: 3, ..limits() }).unwrap();
    assert_eq!(seen.pages.len(), 4);
    said(&notices, "docs.max_depth");
    let (seen, notices) = read(&site, "/", &Limits { max_pages: 2, ..limits() }).unwrap();
    assert_eq!(seen.pages.len(), 2);
    said(&notices, "stopped after 2 pages");
}

#[test]
fn redirects_end_and_lead_nowhere_else() {
    let neighbor = Site::of(&[("/admin", "secret")]);
    let inside = neighbor.url("/admin");
    let site = Site::new(move |asked| match asked.path.as_str() {
        "/" => page(&["/loop", "/chain0", "/away", "/inside", "/file", "/meta", "/ok"]),
        "/loop" => Reply::to("/loop"),
        "/away" => Reply::to("http://example.invalid/"),
        "/inside" => Reply::to(&inside),
        "/file" => Reply::to("file:///etc/passwd"),
        "/meta" => Reply::to("http://169.254.169.254/latest/meta-data/"),
        "/ok" => Reply::to("/target"),
        "/target" => page(&[]),
        path if path.starts_with("/chain") => Reply::to(&format!("{path}x")),
        _ => Reply::status(404),
    });
    let (seen, notices) = read(&site, "/", &limits()).unwrap();
    assert_eq!(seen.pages.into_keys().collect::<Vec<_>>(), ["/", "/target"]);
    said(&notices, "redirects more than 5 times");
    assert!(neighbor.asked().is_empty(), "{:?}", neighbor.paths());
    assert!(site.paths().iter().filter(|path| path.starts_with("/chain")).count() <= 6);
}

#[test]
fn the_first_page_may_not_lead_to_another_site_or_in_circles() {
    for (target, says) in [
        ("http://127.0.0.1:1/", "another site"),
        ("http://localhost:1/", "another site"),
        ("file:///etc/passwd", "another site"),
        ("/start", "redirects more than"),
    ] {
        let site = Site::new(move |asked| if asked.path == "/start" { Reply::to(target) } else { Reply::status(404) });
        let error = read(&site, "/start", &limits()).err().expect("an error").to_string();
        assert!(error.contains(says), "{target}: {error}");
    }
    let site = Site::new(|asked| match asked.path.as_str() {
        "/" => Reply::to("/en/latest/"),
        "/en/latest/" => page(&["a", "/en/old/"]),
        "/en/latest/a" => page(&[]),
        _ => Reply::status(404),
    });
    let (seen, _) = read(&site, "/", &limits()).unwrap();
    assert_eq!(seen.pages.into_keys().collect::<Vec<_>>(), ["/en/latest/", "/en/latest/a"]);
}

#[test]
fn addresses_that_may_not_be_reached_are_not_connected_to() {
    let site = Site::of(&[("/", "secret")]);
    for reach in [Reach::Public, Reach::Only(vec![[127, 0, 0, 2].into()])] {
        let limits = Limits { reach, ..limits() };
        for address in [site.url("/"), site.under("localhost"), site.under("0x7f000001")] {
            let start = Url::parse(&address).unwrap();
            let error = crawl(&start, &[], &limits, None, &mut Seen::default()).unwrap_err();
            assert!(error.to_string().contains("private network"), "{error}");
        }
    }
    assert!(site.asked().is_empty());
}

#[test]
fn robots_txt_is_asked_once_and_obeyed() {
    let site = Site::new(|asked| match asked.path.as_str() {
        "/robots.txt" => Reply::of("text/plain", "User-agent: *\nDisallow: /no\nCrawl-delay: 0.15\n"),
        "/" => page(&["/no/a", "/yes", "/also"]),
        "/yes" | "/also" => page(&[]),
        _ => Reply::status(404),
    });
    let (seen, notices) = read(&site, "/", &limits()).unwrap();
    assert_eq!(seen.pages.len(), 3);
    said(&notices, "robots.txt forbids it");
    assert!(!site.paths().iter().any(|path| path.starts_with("/no")));
    assert_eq!(site.paths().iter().filter(|path| *path == "/robots.txt").count(), 1);
    let times: Vec<Instant> = site.asked().iter().map(|asked| asked.at).collect();
    // Each request waits for its turn before it is sent; how soon it is seen is up to the machine.
    let taken = times[times.len() - 1] - times[0];
    assert!(taken >= Duration::from_millis(150) * (times.len() as u32 - 1) - Duration::from_millis(100), "{times:?}");
    let error = read(&site, "/no/a", &limits()).err().expect("an error").to_string();
    assert!(error.contains("robots.txt forbids"), "{error}");
}

#[test]
fn a_site_whose_robots_txt_fails_is_left_alone() {
    let site = Site::new(|asked| if asked.path == "/robots.txt" { Reply::status(503) } else { page(&[]) });
    assert!(matches!(read(&site, "/", &limits()), Err(CrawlError::Forbidden { .. })));
    assert!(site.paths().iter().all(|path| path == "/robots.txt"));
}

#[test]
fn a_busy_server_is_asked_again_when_it_said() {
    let site = Site::new(|asked| match (asked.path.as_str(), asked.before) {
        ("/", _) => page(&["/busy", "/shaky", "/broken"]),
        ("/busy", 0) => Reply::status(429).with("Retry-After", "1"),
        ("/shaky", 0 | 1) => Reply::status(500),
        ("/busy" | "/shaky", _) => page(&[]),
        ("/broken", _) => Reply::status(502),
        _ => Reply::status(404),
    });
    let (seen, notices) = read(&site, "/", &limits()).unwrap();
    assert_eq!(seen.pages.into_keys().collect::<Vec<_>>(), ["/", "/busy", "/shaky"]);
    said(&notices, "/broken: not read: the server answered 502");
    let asked = site.asked();
    let busy: Vec<Instant> = asked.iter().filter(|asked| asked.path == "/busy").map(|asked| asked.at).collect();
    assert!(busy.len() == 2 && busy[1] - busy[0] >= Duration::from_secs(1));
    assert_eq!(asked.iter().filter(|asked| asked.path == "/broken").count(), 4);
}

#[test]
fn a_server_that_wants_a_long_wait_is_left() {
    let site = Site::new(|asked| match asked.path.as_str() {
        "/" => Reply::status(429).with("Retry-After", "86400"),
        _ => Reply::status(404),
    });
    let start = Instant::now();
    assert!(read(&site, "/", &limits()).is_err());
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_site_that_stops_answering_is_left() {
    let site = Site::new(|asked| match asked.path.as_str() {
        "/" => page(&(0..30).map(|at| ["/a", "/b", "/c", "/d", "/e", "/f", "/g", "/h"][at % 8]).collect::<Vec<_>>()),
        "/robots.txt" | "/sitemap.xml" => Reply::status(404),
        _ => Reply::status(500),
    });
    let (_, notices) = read(&site, "/", &limits()).unwrap();
    said(&notices, "stopped answering");
}

#[test]
fn bombs_giants_and_slow_pages_are_left_out() {
    let site = Site::new(|asked| match asked.path.as_str() {
        "/" => page(&["/bomb", "/giant", "/endless", "/slow", "/image", "/fine"]),
        "/bomb" => {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            packed.write_all(&vec![b'a'; 50 << 20]).expect("memory");
            Reply::html(packed.finish().expect("memory")).with("Content-Encoding", "gzip")
        }
        "/giant" => Reply::html("x".repeat(300_000)),
        "/endless" => Reply::html("x".repeat(10_000)).endless(),
        "/slow" => Reply::html("x".repeat(1_000)).dripping(Duration::from_millis(100)),
        "/image" => Reply::of("image/png", "x"),
        "/fine" => page(&[]),
        _ => Reply::status(404),
    });
    let start = Instant::now();
    let (seen, notices) = read(&site, "/", &limits()).unwrap();
    assert_eq!(seen.pages.into_keys().collect::<Vec<_>>(), ["/", "/fine"]);
    for (path, why) in [
        ("/bomb", "longer than"),
        ("/giant", "longer than"),
        ("/endless", "longer than"),
        ("/slow", "too slowly"),
        ("/image", "`image/png` is no document"),
    ] {
        said(&notices, &format!("{path}: not read: "));
        said(&notices, why);
    }
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[test]
fn sitemaps_are_followed_and_bounded() {
    let site = Site::new(|asked| {
        let host = asked.headers.get("host").cloned().unwrap_or_default();
        match asked.path.as_str() {
            "/robots.txt" => Reply::of("text/plain", format!("Sitemap: http://{host}/map.xml\n")),
            "/map.xml" => Reply::of(
                "text/xml",
                format!(
                    "<sitemapindex><sitemap><loc>http://{host}/map.xml</loc></sitemap><sitemap><loc>http://{host}/part.xml</loc></sitemap><sitemap><loc>http://127.0.0.1:1/x.xml</loc></sitemap></sitemapindex>"
                ),
            ),
            "/part.xml" => Reply::of(
                "text/xml",
                format!(
                    "<urlset><url><loc>http://{host}/lonely</loc></url><url><loc>http://example.invalid/</loc></url></urlset>"
                ),
            ),
            "/" | "/lonely" => page(&[]),
            _ => Reply::status(404),
        }
    });
    let (seen, _) = read(&site, "/", &limits()).unwrap();
    assert_eq!(seen.pages.into_keys().collect::<Vec<_>>(), ["/", "/lonely"]);
    assert_eq!(site.paths().iter().filter(|path| *path == "/map.xml").count(), 1);
}

#[test]
fn other_types_and_encodings_are_read() {
    let site = Site::new(|asked| match asked.path.as_str() {
        "/" => page(&["/cyrillic", "/meta", "/readme.md", "/plain.txt", "/asked-not", "/hidden"]),
        "/cyrillic" => Reply::of("text/html; charset=windows-1251", &b"<h1>\xcf\xf0\xe8\xe2\xe5\xf2</h1>"[..]),
        "/meta" => Reply::of("text/html", &b"<meta charset=iso-8859-1><h1>caf\xe9</h1>"[..]),
        "/readme.md" => Reply::of("text/plain", "# Read *me*\n"),
        "/plain.txt" => Reply::of("text/plain; charset=utf-8", "# not a heading\n"),
        "/asked-not" => Reply::html("<meta name=robots content=noindex><h1>No</h1>"),
        "/hidden" => Reply::html("<h1>No</h1>").with("X-Robots-Tag", "noindex"),
        _ => Reply::status(404),
    });
    let (seen, _) = read(&site, "/", &limits()).unwrap();
    let text = |path: &str| seen.pages[path].as_str();
    assert_eq!((text("/cyrillic"), text("/meta")), ("# Привет\n", "# café\n"));
    assert_eq!((text("/readme.md"), text("/plain.txt")), ("# Read me\n", "\\# not a heading\n"));
    assert!(!seen.pages.contains_key("/asked-not") && !seen.pages.contains_key("/hidden"));
}

#[test]
fn the_whole_is_bounded_in_time() {
    let site = Site::new(|asked| match asked.path.as_str() {
        "/robots.txt" | "/sitemap.xml" => Reply::status(404),
        path => page(&[&format!("{path}a"), &format!("{path}b")]),
    });
    let limits = Limits { delay: Duration::from_millis(100), total: Duration::from_millis(700), ..limits() };
    let start = Instant::now();
    let (_, notices) = read(&site, "/", &limits).unwrap();
    said(&notices, "the time was over");
    assert!(start.elapsed() < Duration::from_secs(3));
}
