//! What does the site ask of those who read it by program?

use quick_xml::{Reader, events::Event};
use texting_robots::Robot;
use url::Url;

/// The name by which robots.txt speaks to us.
const NAME: &str = "apprentice";
/// The most bytes of a robots.txt that are read; what is longer is cut, as RFC 9309 has it.
pub(super) const MOST: usize = 512 << 10;
/// The most addresses of one sitemap.
const ADDRESSES: usize = 50_000;

/// What a site asks for.
pub(super) struct Robots(Option<Robot>);

impl Robots {
    /// Asks for nothing.
    pub(super) fn silent() -> Self {
        Self(None)
    }

    /// What the text of a robots.txt asks for. One that cannot be read at all asks for nothing.
    pub(super) fn parse(text: &[u8]) -> Self {
        Self(Robot::new(NAME, &text[..text.len().min(MOST)]).ok())
    }

    pub(super) fn allows(&self, url: &Url) -> bool {
        self.0.as_ref().is_none_or(|robot| robot.allowed(url.as_str()))
    }

    /// Seconds between two requests.
    pub(super) fn delay(&self) -> Option<f32> {
        self.0.as_ref()?.delay.filter(|delay| delay.is_finite() && *delay > 0.0)
    }

    pub(super) fn sitemaps(&self) -> &[String] {
        self.0.as_ref().map_or(&[], |robot| &robot.sitemaps)
    }
}

/// What a sitemap names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sitemap {
    pub(super) pages: Vec<String>,
    /// Other sitemaps.
    pub(super) parts: Vec<String>,
}

/// Reads a sitemap or an index of sitemaps; what is no XML from some place on is read up to there.
/// Source: sitemaps.org, protocol 0.9.
pub(super) fn sitemap(text: &str) -> Sitemap {
    let mut reader = Reader::from_str(text);
    let mut found = Sitemap::default();
    let (mut is_part, mut within) = (false, false);
    let mut address = String::new();
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Start(tag) => match tag.local_name().as_ref() {
                b"sitemap" => is_part = true,
                b"url" => is_part = false,
                b"loc" => within = true,
                _ => {}
            },
            Event::Text(text) if within => address.push_str(&text.decode().unwrap_or_default()),
            Event::CData(text) if within => address.push_str(&text.decode().unwrap_or_default()),
            Event::GeneralRef(name) if within => address.push_str(entity(&name)),
            Event::End(tag) if tag.local_name().as_ref() == b"loc" => {
                within = false;
                let list = if is_part { &mut found.parts } else { &mut found.pages };
                list.push(std::mem::take(&mut address).trim().to_owned());
                if found.pages.len() + found.parts.len() >= ADDRESSES {
                    break;
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    found
}

fn entity(name: &[u8]) -> &'static str {
    match name {
        b"amp" => "&",
        b"apos" => "'",
        b"quot" => "\"",
        b"gt" => ">",
        b"lt" => "<",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_asked_by_name_and_else_as_everyone() {
        let robots = Robots::parse(
            b"User-agent: *\nDisallow: /\n\nUser-agent: Apprentice\nDisallow: /private/*.html$\nCrawl-delay: 2\nSitemap: https://x/s.xml",
        );
        let allows = |path: &str| robots.allows(&Url::parse(&format!("https://x{path}")).unwrap());
        assert!(allows("/docs/") && allows("/private/a.txt") && !allows("/private/a.html"));
        assert_eq!((robots.delay(), robots.sitemaps()), (Some(2.0), &["https://x/s.xml".to_owned()][..]));
        assert!(!Robots::parse(b"User-agent: *\nDisallow: /docs").allows(&Url::parse("https://x/docs/a").unwrap()));
        assert!(Robots::parse(&[0xff; 4_000]).allows(&Url::parse("https://x/").unwrap()));
    }

    #[test]
    fn sitemaps_name_pages_and_other_sitemaps() {
        let text = "<?xml version='1.0'?><urlset><url><loc> https://x/a?b=1&amp;c=2 </loc></url>\
            <url><loc><![CDATA[https://x/d]]></loc><lastmod>2024</lastmod></url></urlset>";
        assert_eq!(sitemap(text).pages, ["https://x/a?b=1&c=2", "https://x/d"]);
        let index = "<sitemapindex><sitemap><loc>https://x/1.xml</loc></sitemap></sitemapindex>";
        assert_eq!(sitemap(index), Sitemap { pages: Vec::new(), parts: vec!["https://x/1.xml".to_owned()] });
        let bomb = "<!DOCTYPE a [<!ENTITY b 'c'><!ENTITY d '&b;&b;&b;'>]><urlset><url><loc>&d;</loc></url>";
        assert_eq!(sitemap(bomb).pages, [""]);
        assert_eq!(sitemap("<html><url><loc>x"), Sitemap::default());
    }
}
