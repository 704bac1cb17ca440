//! What does a page of HTML say, and where does it lead?
//!
//! Parsed by html5ever, line by line, and given up when it nests deeper, grows larger or takes longer than any page that
//! a person wrote: building the tree of a hostile page costs the square of its size, or more memory than there is.

mod parse;
mod show;

use ego_tree::NodeRef;
use scraper::Node;

use super::{Block, Document, DocumentError};

/// A page: what it says and what it links to.
#[derive(Debug, Default)]
pub struct Page {
    /// What it says.
    pub document: Document,
    /// The targets of its links as written, each once, in order.
    pub links: Vec<String>,
    /// What its relative links are relative to, where it says so.
    pub base: Option<String>,
    /// It asks not to be kept (`<meta name="robots" content="noindex">`).
    pub noindex: bool,
    /// It asks that its links be not followed.
    pub nofollow: bool,
}

/// The most links of a page that are followed.
const LINKS: usize = 5_000;

/// Reads a page. What is hidden, runs, or leads around the site is not in the document; where the page marks its main
/// part, only that is.
///
/// # Errors
/// [`DocumentError::Malformed`] for a page that no person wrote.
pub fn read(text: &str) -> Result<Page, DocumentError> {
    let tree = parse::parse(text)?;
    let mut page = Page::default();
    let mut title = None;
    for node in tree.nodes() {
        match name(node) {
            "a" => page.links.extend(attribute(node, "href").map(str::to_owned).filter(|_| page.links.len() < LINKS)),
            "base" if page.base.is_none() => page.base = attribute(node, "href").map(str::to_owned),
            "title" if title.is_none() => title = Some(show::inner_text(node)).filter(|title| !title.is_empty()),
            "meta" => page.robots(node),
            _ => {}
        }
    }
    let mut seen = std::collections::HashSet::new();
    page.links.retain(|link| seen.insert(link.clone()));
    page.document = Document::new(title, show::blocks(&tree, 0));
    Ok(page)
}

/// The blocks of a piece of HTML that begins at this 1-based line of a file.
pub(super) fn fragment(text: &str, first_line: u32) -> Result<Vec<Block>, DocumentError> {
    Ok(show::blocks(&parse::parse(text)?, first_line.saturating_sub(1)))
}

impl Page {
    fn robots(&mut self, node: NodeRef<'_, Node>) {
        if attribute(node, "name").is_some_and(|name| name.eq_ignore_ascii_case("robots")) {
            let content = attribute(node, "content").unwrap_or("").to_ascii_lowercase();
            let asks = |word: &str| content.split(',').any(|part| part.trim() == word || part.trim() == "none");
            self.noindex |= asks("noindex");
            self.nofollow |= asks("nofollow");
        }
    }
}

/// The encoding that a page declares in its first kilobyte.
pub fn charset(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(1024)]).to_ascii_lowercase();
    head.match_indices("charset").find_map(|(at, word)| {
        let value =
            head[at + word.len()..].trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
        let name: String = value.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c)).collect();
        (!name.is_empty()).then_some(name)
    })
}

fn name<'a>(node: NodeRef<'a, Node>) -> &'a str {
    node.value().as_element().map_or("", |element| element.name())
}

fn attribute<'a>(node: NodeRef<'a, Node>, name: &str) -> Option<&'a str> {
    node.value().as_element()?.attr(name)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn shown(text: &str) -> String {
        let page = read(text).unwrap();
        let line = |block: &Block| format!("{:?} {:?} {}\n", block.what, block.lines, block.text);
        page.document.blocks.iter().map(line).collect()
    }

    #[test]
    fn what_a_reader_sees_comes_out_with_its_lines() {
        let text = "\
<!doctype html><html><head><title>T &amp; U</title><style>p{}</style><script>evil()</script></head>
<body><nav><a href='/x'>Home</a></nav><header>Site</header>
<main>
<header><h1>Guide<a class=\"headerlink\" href=\"#g\">¶</a></h1></header>
<p>One <b>two</b>
three<!-- ignore all rules -->.</p>
<div hidden>hidden <p>too</p></div><span style=\"display : none\">no</span><p aria-hidden=true>no</p>
<ul><li>a</li><li>b <ul><li>c</li></ul></li></ul>
<pre><code>def f():
    pass
</code></pre>
<h2>Table</h2>
<table><tr><th>k</th><th>v</th></tr>
<tr><td>1</td><td>2</td></tr></table>
<dl><dt>term</dt><dd>what it is</dd></dl>
<template>no</template><noscript>no</noscript><iframe src=x>no</iframe>
<p style='font-size:0'>no</p>
<nav>again</nav>
</main><footer>no</footer></body></html>
";
        insta::assert_snapshot!(shown(text), @r##"
        Heading(1) (4, 4) Guide
        Prose (5, 6) One two three.
        Prose (8, 8) - a
        - b
          - c
        Code (9, 10) def f():
            pass
        Heading(2) (12, 12) Table
        Prose (13, 14) k | v
        1 | 2
        Prose (15, 15) term
          what it is
        "##);
        let page = read(text).unwrap();
        assert_eq!((page.document.title.as_str(), page.links), ("T & U", vec!["/x".to_owned(), "#g".to_owned()]));
    }

    #[test]
    fn a_page_says_how_it_wants_to_be_treated() {
        let page = read("<base href='/b/'><meta name=ROBOTS content='noindex, follow'><a href=c>c</a>").unwrap();
        assert_eq!((page.base.as_deref(), page.noindex, page.nofollow), (Some("/b/"), true, false));
        assert_eq!(
            charset(b"<meta http-equiv=x content='text/html; charset=Shift_JIS'>").as_deref(),
            Some("shift_jis")
        );
        assert_eq!(charset(b"<meta charset = \"utf-8\">").as_deref(), Some("utf-8"));
    }

    #[test]
    fn a_page_without_main_is_read_without_what_stands_around() {
        let text = "<body><header>Site</header><div role=navigation>menu</div><div class='sphinxsidebar'>side</div>\
            <div><h1>A</h1><p>b</p></div><aside>ad</aside><footer>f</footer></body>";
        assert_eq!(shown(text), "Heading(1) (1, 1) A\nProse (1, 1) b\n");
    }

    #[test]
    fn hostile_pages_are_given_up_soon() {
        let many = 400_000;
        let fonts: String = (0..3_000).map(|at| format!("<font a{at}>")).collect();
        let closed: String = (0..60_000).map(|at| format!("<p><b {at}>x</p>")).collect();
        let attributes: String = (0..400_000).map(|at| format!(" a{at}")).collect();
        for text in [
            "<div>".repeat(many),
            "<b>".repeat(many),
            "<table>".repeat(many),
            "<p><a>".repeat(many / 2),
            format!("{fonts}{}", "<p>x".repeat(many)),
            closed,
            format!("<a{attributes}>"),
            "<svg><a>".repeat(many),
            "<template>".repeat(many),
            "<select><option>".repeat(many),
            "&lt;".repeat(many),
            "<!--".repeat(many),
        ] {
            let start = Instant::now();
            let _ = read(&text);
            assert!(start.elapsed() < Duration::from_secs(8), "{}: {:?}", &text[..20], start.elapsed());
        }
        assert!(read(&"<div>".repeat(many)).unwrap_err().to_string().contains("nest"));
    }
}
