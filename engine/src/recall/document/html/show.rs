//! What would a reader of the page see, in which order?

use ego_tree::{NodeId, NodeRef, iter::Edge};
use scraper::Node;

use super::{attribute, name, parse::Tree};
use crate::recall::document::{Block, clean::Blocks};

/// A main part with fewer bytes of text than this is an empty frame.
const MAIN: usize = 200;

/// The page's blocks; `before` lines stand above it in its file.
pub(super) fn blocks(tree: &Tree, before: u32) -> Vec<Block> {
    let main = main(tree);
    let root = main.unwrap_or_else(|| tree.root());
    let mut reader = Reader { tree, before, inside_main: main.is_some(), ..Reader::new(tree) };
    let mut hidden: Option<NodeId> = None;
    for edge in root.traverse() {
        match edge {
            Edge::Open(node) if hidden.is_none() => match reader.is_left_out(node) {
                true => hidden = Some(node.id()),
                false => reader.open(node),
            },
            Edge::Close(node) if hidden == Some(node.id()) => hidden = None,
            Edge::Close(node) if hidden.is_none() => reader.close(node),
            _ => {}
        }
    }
    reader.flush();
    reader.blocks.finish()
}

/// The text of an element on one line.
pub(super) fn inner_text(node: NodeRef<'_, Node>) -> String {
    let texts: Vec<&str> = node.descendants().filter_map(|node| Some(&**node.value().as_text()?)).collect();
    texts.concat().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The element that the page marks as its main part; an only article counts as one.
fn main(tree: &Tree) -> Option<NodeRef<'_, Node>> {
    let is_main = |node: &NodeRef<'_, Node>| name(*node) == "main" || attribute(*node, "role") == Some("main");
    let mut articles = tree.nodes().filter(|node| name(*node) == "article");
    let article = articles.next().filter(|_| articles.next().is_none());
    let marked = tree.nodes().find(is_main).or(article)?;
    let text: usize = marked.descendants().filter_map(|node| Some(node.value().as_text()?.trim().len())).sum();
    let has_heading = || marked.descendants().any(|node| matches!(name(node), "h1" | "h2"));
    (text >= MAIN || text > 0 && has_heading()).then_some(marked)
}

const NEVER: &[&str] = &[
    "script", "style", "noscript", "template", "head", "nav", "footer", "iframe", "object", "embed", "svg", "canvas",
    "button", "select", "input", "textarea", "dialog", "audio", "video", "math",
];
const OUTSIDE_MAIN: &[&str] = &["header", "aside", "form", "menu"];
const ROLES: &[&str] = &["navigation", "banner", "contentinfo", "search", "menu", "menubar", "dialog", "alertdialog"];
const CLASSES: &[&str] = &[
    "headerlink",
    "anchor-link",
    "heading-anchor",
    "sr-only",
    "visually-hidden",
    "screen-reader-text",
    "linenos",
    "linenodiv",
    "lineno",
    "gutter",
    "copybtn",
    "copy-button",
    "skip-link",
    "sphinxsidebar",
    "breadcrumb",
    "breadcrumbs",
    "toc",
    "navbar",
    "related",
    "rst-footer-buttons",
    "edit-this-page",
    "pagination",
    "cookie-banner",
];

struct Reader<'a> {
    tree: &'a Tree,
    before: u32,
    inside_main: bool,
    blocks: Blocks,
    text: String,
    lines: Option<(u32, u32)>,
    /// Lists, tables and quotations that are open: what is inside is one block.
    held: usize,
    lists: usize,
    pre: usize,
}

impl<'a> Reader<'a> {
    fn new(tree: &'a Tree) -> Self {
        let blocks = Blocks::default();
        Self {
            tree,
            before: 0,
            inside_main: false,
            blocks,
            text: String::new(),
            lines: None,
            held: 0,
            lists: 0,
            pre: 0,
        }
    }

    fn is_left_out(&self, node: NodeRef<'_, Node>) -> bool {
        let name = name(node);
        NEVER.contains(&name)
            || !self.inside_main && OUTSIDE_MAIN.contains(&name)
            || attribute(node, "hidden").is_some()
            || attribute(node, "aria-hidden") == Some("true")
            || attribute(node, "role").is_some_and(|role| ROLES.contains(&role))
            || attribute(node, "class")
                .is_some_and(|class| class.split_whitespace().any(|class| CLASSES.contains(&class)))
            || attribute(node, "style").is_some_and(hides)
    }

    fn open(&mut self, node: NodeRef<'_, Node>) {
        if let Some(text) = node.value().as_text() {
            return self.say(text, self.tree.line(node.id()) + self.before);
        }
        match name(node) {
            "pre" => {
                self.flush();
                self.pre += 1;
            }
            "br" => self.text.push('\n'),
            "tr" => self.new_line(),
            "img" => {
                let alt = attribute(node, "alt").unwrap_or("").to_owned();
                self.say(&alt, self.tree.line(node.id()) + self.before);
            }
            "li" => {
                self.new_line();
                self.text.extend(std::iter::repeat_n("  ", self.lists.saturating_sub(1).min(12)));
                self.text.push_str("- ");
            }
            "dd" => {
                self.new_line();
                self.text.push_str("  ");
            }
            name if is_held(name) => {
                if self.held == 0 {
                    self.flush()
                } else {
                    self.new_line()
                }
                self.held += 1;
                self.lists += usize::from(matches!(name, "ul" | "ol"));
            }
            name if is_block(name) => self.part(),
            _ => {}
        }
    }

    fn close(&mut self, node: NodeRef<'_, Node>) {
        match name(node) {
            "pre" => {
                self.pre = self.pre.saturating_sub(1);
                if self.pre == 0 {
                    let text = std::mem::take(&mut self.text);
                    let lines = self.lines.take().unwrap_or((1, 1));
                    self.blocks.code(
                        &text,
                        (lines.0, lines.0 + u32::try_from(text.trim_end().lines().count().max(1)).unwrap_or(1) - 1),
                    );
                }
            }
            "td" | "th" => self.text.push_str(" | "),
            name if is_held(name) => {
                self.held = self.held.saturating_sub(1);
                self.lists -= usize::from(matches!(name, "ul" | "ol") && self.lists > 0);
                if self.held == 0 { self.flush() } else { self.new_line() }
            }
            name if heading_level(name).is_some() && self.held == 0 && self.pre == 0 => {
                let text = std::mem::take(&mut self.text);
                let lines = self.lines.take().unwrap_or((1, 1));
                let text = text.trim().trim_matches(['¶', '#', '§', '🔗']);
                self.blocks.heading(heading_level(name).unwrap_or(1), text, lines);
            }
            name if is_block(name) => self.part(),
            _ => {}
        }
    }

    fn say(&mut self, text: &str, line: u32) {
        if self.pre > 0 {
            self.text.push_str(text);
        } else {
            let begins = text.starts_with(|c: char| c.is_ascii_whitespace());
            let mut first = true;
            for word in text.split_ascii_whitespace() {
                let parted = if first { begins } else { true };
                if parted && !self.text.is_empty() && !self.text.ends_with([' ', '\n']) {
                    self.text.push(' ');
                }
                self.text.push_str(word);
                first = false;
            }
            if text.ends_with(|c: char| c.is_ascii_whitespace())
                && !self.text.is_empty()
                && !self.text.ends_with([' ', '\n'])
            {
                self.text.push(' ');
            }
        }
        if !text.trim().is_empty() {
            let last = line + u32::try_from(text.trim_end().matches('\n').count()).unwrap_or_default();
            self.lines = Some(self.lines.map_or((line, last), |(first, before)| (first, before.max(last))));
        }
    }

    fn new_line(&mut self) {
        let kept = self.text.trim_end_matches([' ', '|']).len();
        self.text.truncate(kept);
        if !(self.text.is_empty() || self.text.ends_with('\n') || self.text.ends_with("\n-")) {
            self.text.push('\n');
        }
    }

    /// A boundary between blocks; inside a list or a table only one between lines, and none right after a bullet.
    fn part(&mut self) {
        match self.held {
            0 => self.flush(),
            _ if self.text.ends_with("- ") || self.text.ends_with(" | ") => {}
            _ => self.new_line(),
        }
    }

    fn flush(&mut self) {
        if self.pre > 0 {
            return;
        }
        let text = std::mem::take(&mut self.text);
        if let Some(lines) = self.lines.take() {
            let lines_of_text: Vec<&str> = text.lines().map(|line| line.trim_end_matches([' ', '|'])).collect();
            self.blocks.prose(&lines_of_text.join("\n"), lines);
        }
    }
}

fn hides(style: &str) -> bool {
    let style: String = style.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    style.split(';').any(|rule| {
        let rule = rule.trim_end_matches("!important");
        matches!(rule, "display:none" | "visibility:hidden" | "visibility:collapse" | "content-visibility:hidden")
            || ["font-size:", "opacity:", "max-height:"].iter().any(|name| rule.strip_prefix(name).is_some_and(is_zero))
    })
}

fn is_zero(value: &str) -> bool {
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == '%');
    !number.is_empty() && number.parse::<f32>().is_ok_and(|number| number == 0.0)
}

fn heading_level(name: &str) -> Option<u8> {
    let level = name.strip_prefix('h')?.parse().ok()?;
    (1..=6).contains(&level).then_some(level)
}

fn is_held(name: &str) -> bool {
    matches!(name, "ul" | "ol" | "dl" | "table" | "blockquote")
}

fn is_block(name: &str) -> bool {
    heading_level(name).is_some()
        || matches!(
            name,
            "p" | "div"
                | "section"
                | "article"
                | "main"
                | "header"
                | "body"
                | "html"
                | "dt"
                | "figure"
                | "figcaption"
                | "details"
                | "summary"
                | "hr"
                | "address"
                | "fieldset"
                | "legend"
                | "form"
                | "aside"
                | "caption"
                | "center"
        )
}
