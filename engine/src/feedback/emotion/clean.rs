//! Which words of a Markdown reply are the writer's own?

use std::sync::LazyLock;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use regex::Regex;

/// Bytes that are read. What somebody feels is said well before this; GitHub takes 65,536 characters.
const MOST_BYTES: usize = 16_000;

/// A reply without code, quotes, HTML, addresses and names, and how much of each there was.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Prose {
    /// The words, a line break after each block.
    pub(super) text: String,
    /// Pieces of code: fenced, indented, inline and diffs.
    pub(super) code: usize,
    /// Quotes.
    pub(super) quotes: usize,
    /// Addresses and links.
    pub(super) links: usize,
    /// People called by name.
    pub(super) mentions: usize,
    /// Issues and commits named.
    pub(super) references: usize,
    /// Headings.
    pub(super) headings: usize,
    /// Boxes of a checklist.
    pub(super) boxes: usize,
    /// Words struck through.
    pub(super) struck: usize,
}

/// Takes out of a reply what its writer did not say: code, diffs, quotes, HTML, addresses, mentions, references.
pub(super) fn prose(markdown: &str) -> Prose {
    let mut prose = Prose::default();
    let lines = own_lines(first_bytes(markdown, MOST_BYTES), &mut prose);
    let mut depth = 0_usize;
    let options = Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS | Options::ENABLE_TABLES;
    for event in Parser::new_ext(&lines, options) {
        let is_out = depth > 0;
        match event {
            Event::Start(tag) => depth += usize::from(prose.enter(&tag)),
            Event::End(tag) => {
                depth = depth.saturating_sub(usize::from(is_foreign(tag)));
                if is_block(tag) {
                    prose.text.push('\n');
                }
            }
            _ if is_out => {}
            Event::Text(text) => prose.text.push_str(&text),
            Event::Code(_) => {
                prose.code += 1;
                prose.text.push(' ');
            }
            Event::TaskListMarker(_) => prose.boxes += 1,
            Event::SoftBreak | Event::HardBreak => prose.text.push('\n'),
            _ => prose.text.push(' '),
        }
    }
    prose.strip_names();
    prose
}

impl Prose {
    /// Counts what begins here. Returns whether it is somebody else's words.
    fn enter(&mut self, tag: &Tag<'_>) -> bool {
        match tag {
            Tag::CodeBlock(_) => self.code += 1,
            Tag::BlockQuote(_) => self.quotes += 1,
            Tag::Link { .. } | Tag::Image { .. } => self.links += 1,
            Tag::Heading { .. } => self.headings += 1,
            Tag::Strikethrough => self.struck += 1,
            _ => {}
        }
        is_foreign(tag.to_end())
    }

    /// Takes addresses, mentions and references out of the words.
    fn strip_names(&mut self) {
        let text = self.text.replace(['\u{2019}', '\u{2018}'], "'");
        let take = |text: &str, pattern: &Regex, count: &mut usize| {
            *count += pattern.find_iter(text).count();
            pattern.replace_all(text, " ").into_owned()
        };
        let text = take(&text, &ADDRESS, &mut self.links);
        let text = take(&text, &REFERENCE, &mut self.references);
        self.text = take(&text, &MENTION, &mut self.mentions);
    }
}

#[expect(clippy::expect_used, reason = "constant patterns, compiled by every test that reads a reply")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern")
}

static ADDRESS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:https?|ftp)://\S+|\bwww\.\S+|\b[\w.+-]+@[\w-]+\.[\w.]+\b"));
static MENTION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\B@[A-Za-z0-9][A-Za-z0-9/_-]*"));
static REFERENCE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)\B#\d+\b|\bgh-\d+\b|\b[0-9a-f]{7,40}\b"));

/// Words inside are not what the writer says now.
fn is_foreign(tag: TagEnd) -> bool {
    matches!(tag, TagEnd::CodeBlock | TagEnd::BlockQuote(_) | TagEnd::HtmlBlock | TagEnd::Strikethrough | TagEnd::Image)
}

fn is_block(tag: TagEnd) -> bool {
    !matches!(tag, TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image)
}

/// The lines without unfenced diffs and the first line of an answered mail. A quote ends with its last `>` line:
/// people write their answer right below, which CommonMark would count as quoted.
fn own_lines(text: &str, prose: &mut Prose) -> String {
    let (mut own, mut in_diff, mut after_quote) = (String::with_capacity(text.len() + 16), false, false);
    for line in text.lines() {
        let is_quote = line.trim_start().starts_with('>');
        if after_quote && !is_quote {
            own.push('\n');
        }
        after_quote = is_quote;
        let starts_diff = line.starts_with("@@ ") || line.starts_with("diff --git ");
        prose.code += usize::from(starts_diff && !in_diff);
        in_diff = starts_diff || (in_diff && line.starts_with(['+', '-', ' ']));
        let is_mail_head = line.starts_with("On ") && line.trim_end().ends_with(" wrote:");
        if !in_diff && !is_mail_head {
            own.push_str(line);
        }
        own.push('\n');
    }
    own
}

/// As many bytes as may be read, cut between characters.
fn first_bytes(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(markdown: &str) -> String {
        prose(markdown).text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_the_writers_own_words_are_left() {
        let reply = "> this is awful\nI see, @alice-b/team.\n\n```rust\nlet awful = 1;\n```\nUse `awful()` \
                     <b>here</b> ~~awful~~ [docs](https://awful.example) https://awful.example/x #12 deadbeef12\n\
                     <!-- awful -->\n";
        assert_eq!(words(reply), "I see, . Use here docs");
        let prose = prose(reply);
        assert_eq!((prose.code, prose.quotes, prose.links, prose.mentions), (2, 1, 2, 1));
        assert_eq!((prose.references, prose.struck), (2, 1));
    }

    #[test]
    fn diffs_and_mail_heads_are_taken_out() {
        assert_eq!(words("@@ -1 +1 @@\n-bad\n+good\n same\nfine by me"), "fine by me");
        assert_eq!(words("No.\n\nOn Monday Bob wrote:\n\n> bad"), "No.");
        assert_eq!(words("    indented()\n\nwords"), "words");
    }

    #[test]
    fn words_that_only_look_like_names_stay() {
        assert_eq!(words("the facade of a cafe, don’t"), "the facade of a cafe, don't");
        assert_eq!(words("it's :+1: <3 and :( to me"), "it's :+1: <3 and :( to me");
    }

    #[test]
    fn odd_texts_are_cut_and_closed() {
        assert_eq!(words(""), "");
        assert_eq!(words("```\nnever closed"), "");
        let long = "ü".repeat(40_000);
        assert!(prose(&long).text.len() <= MOST_BYTES + 1);
        prose(&"> ".repeat(30_000));
        prose(&"[".repeat(30_000));
    }
}
