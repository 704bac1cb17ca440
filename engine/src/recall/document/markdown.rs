//! What does a Markdown file say?

use std::{borrow::Cow, ops::Range};

use pulldown_cmark::{Event, MetadataBlockKind, Options, Parser, Tag, TagEnd};

use super::{
    Block, Document,
    clean::{Blocks, Lines},
    html,
};

/// Deeper lists are not moved further to the right.
const DEEPEST_LIST: usize = 12;

/// Its blocks; a title in the front matter stands for a missing heading.
pub(super) fn read(text: &str) -> Document {
    let (title, blocks) = parse(text);
    Document::new(title, blocks)
}

/// The blocks of some Markdown and the title of its front matter.
pub(super) fn parse(text: &str) -> (Option<String>, Vec<Block>) {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS
        | Options::ENABLE_PLUSES_DELIMITED_METADATA_BLOCKS;
    let text = &*unfold(text);
    let mut reader = Reader { source: text, lines: Lines::of(text), ..Reader::new() };
    for (event, bytes) in Parser::new_ext(text, options).into_offset_iter() {
        reader.event(event, bytes);
    }
    reader.flush(text.len());
    (reader.title, reader.blocks.finish())
}

/// The text with what Material for MkDocs folds (`!!! note`, `??? tip`, `=== "tab"`) written out: the title as a line, and
/// what is indented below it moved out, so that it is not taken for code. Every line stays where it is.
fn unfold(text: &str) -> Cow<'_, str> {
    if !["!!! ", "??? ", "???+ ", "=== "].iter().any(|mark| text.contains(mark)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut open: Vec<usize> = Vec::new();
    let mut fenced = false;
    for line in text.split_inclusive('\n') {
        let rest = line.trim_start_matches(' ');
        let indent = line.len() - rest.len();
        if !rest.trim().is_empty() {
            open.retain(|&outer| indent >= outer + 4);
        }
        let shift = (4 * open.len()).min(indent);
        fenced ^= rest.starts_with("```") || rest.starts_with("~~~");
        match folded(rest).filter(|_| !fenced && open.len() < DEEPEST_LIST) {
            Some(title) => {
                out.push_str(&format!("{}{title}\n", &line[shift..indent]));
                open.push(indent);
            }
            None => out.push_str(&line[shift..]),
        }
    }
    Cow::Owned(out)
}

/// The title of a fold: in quotes, else its kind.
fn folded(rest: &str) -> Option<String> {
    let (mark, rest) = rest.trim_end().split_once(' ')?;
    if !matches!(mark, "!!!" | "???" | "???+" | "===" | "===!" | "===+") {
        return None;
    }
    let quoted = rest.split_once('"').and_then(|(_, rest)| rest.strip_suffix('"'));
    match quoted {
        Some(title) => Some(title.to_owned()),
        None if mark.starts_with('=') => None,
        None => rest.split(' ').next().map(|kind| format!("{kind}:")),
    }
}

struct Reader<'a> {
    source: &'a str,
    lines: Lines,
    blocks: Blocks,
    title: Option<String>,
    /// The prose that is being collected, and where it began.
    text: String,
    start: usize,
    /// How many blocks are open around what is read.
    depth: usize,
    /// The open lists with the next number of those that count.
    lists: Vec<Option<u64>>,
    within: Within,
    links: usize,
    images: usize,
}

#[derive(PartialEq)]
enum Within {
    Prose,
    Code,
    Html,
    Metadata(MetadataBlockKind),
}

impl<'a> Reader<'a> {
    fn new() -> Self {
        Self {
            source: "",
            lines: Lines::of(""),
            blocks: Blocks::default(),
            title: None,
            text: String::new(),
            start: 0,
            depth: 0,
            lists: Vec::new(),
            within: Within::Prose,
            links: 0,
            images: 0,
        }
    }

    fn event(&mut self, event: Event<'a>, bytes: Range<usize>) {
        match event {
            Event::Start(tag) => self.open(tag, bytes),
            Event::End(tag) => self.close(tag, bytes),
            Event::Text(text) | Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.say(&text)
            }
            Event::Html(html) => self.text.push_str(&html),
            Event::InlineHtml(html) if html.starts_with("<br") => self.new_line(),
            Event::SoftBreak | Event::HardBreak => self.new_line(),
            Event::TaskListMarker(done) => self.say(if done { "[x] " } else { "[ ] " }),
            Event::InlineHtml(_) | Event::FootnoteReference(_) | Event::Rule => {}
        }
    }

    fn say(&mut self, text: &str) {
        // The text of an image inside a link is that of a badge.
        if !(self.images > 0 && self.links > 0) {
            self.text.push_str(text);
        }
    }

    fn new_line(&mut self) {
        if !self.text.is_empty() {
            self.text.push('\n');
            let deep = self.lists.len().min(DEEPEST_LIST);
            self.text.extend(std::iter::repeat_n("  ", deep));
        }
    }

    fn open(&mut self, tag: Tag<'a>, bytes: Range<usize>) {
        match tag {
            Tag::Link { .. } => self.links += 1,
            Tag::Image { .. } => self.images += 1,
            Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Superscript | Tag::Subscript => {}
            tag => {
                if self.depth == 0 {
                    self.flush(bytes.start);
                    self.start = bytes.start;
                }
                self.depth += 1;
                self.open_block(tag, bytes);
            }
        }
    }

    fn open_block(&mut self, tag: Tag<'a>, bytes: Range<usize>) {
        match tag {
            Tag::CodeBlock(_) | Tag::HtmlBlock => {
                self.flush(bytes.start);
                self.start = bytes.start;
                self.within = if tag == Tag::HtmlBlock { Within::Html } else { Within::Code };
            }
            Tag::MetadataBlock(kind) => self.within = Within::Metadata(kind),
            Tag::List(number) => self.lists.push(number),
            Tag::Item => self.item(),
            Tag::Paragraph if !self.text.is_empty() && !self.text.ends_with([' ', '\n']) => self.new_line(),
            _ => {}
        }
    }

    fn item(&mut self) {
        let deep = self.lists.len().min(DEEPEST_LIST).saturating_sub(1);
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.extend(std::iter::repeat_n("  ", deep));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                self.text.push_str(&format!("{number}. "));
                *number += 1;
            }
            _ => self.text.push_str("- "),
        }
    }

    fn close(&mut self, tag: TagEnd, bytes: Range<usize>) {
        match tag {
            TagEnd::Link => self.links = self.links.saturating_sub(1),
            TagEnd::Image => self.images = self.images.saturating_sub(1),
            TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Superscript | TagEnd::Subscript => {}
            tag => {
                self.depth = self.depth.saturating_sub(1);
                self.close_block(tag, bytes.clone());
                if self.depth == 0 {
                    self.flush(bytes.end);
                }
            }
        }
    }

    fn close_block(&mut self, tag: TagEnd, bytes: Range<usize>) {
        match tag {
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.text);
                self.blocks.heading(level as u8, &text, self.lines.range(self.source, bytes.clone()));
                self.start = bytes.end;
            }
            TagEnd::CodeBlock | TagEnd::HtmlBlock | TagEnd::MetadataBlock(_) => self.flush(bytes.end),
            TagEnd::List(_) => drop(self.lists.pop()),
            TagEnd::TableHead | TagEnd::TableRow => self.text.push('\n'),
            TagEnd::TableCell => self.text.push_str(" | "),
            _ => {}
        }
    }

    /// Ends what is being collected.
    fn flush(&mut self, end: usize) {
        let text = std::mem::take(&mut self.text);
        let lines = self.lines.range(self.source, self.start..end.max(self.start));
        match std::mem::replace(&mut self.within, Within::Prose) {
            Within::Prose => self.blocks.prose(text.replace(" | \n", "\n").trim_start(), lines),
            Within::Code => self.blocks.code(&text, lines),
            // One that nests too deep says nothing here; the rest of the file does.
            Within::Html => self.blocks.append(html::fragment(&text, lines.0).unwrap_or_default()),
            Within::Metadata(_) => self.front_matter(&text, lines),
        }
        self.start = end;
    }

    fn front_matter(&mut self, text: &str, lines: (u32, u32)) {
        let value = |line: &str, key: &str| {
            let rest = line.strip_prefix(key)?.trim_start();
            let value = rest.strip_prefix(':').or_else(|| rest.strip_prefix('='))?;
            Some(value.trim().trim_matches(['"', '\'']).to_owned()).filter(|value| !value.is_empty())
        };
        let title = text.lines().find_map(|line| value(line, "title"));
        if let Some(title) = &title {
            self.blocks.heading(1, title, lines);
        }
        if let Some(description) = text.lines().find_map(|line| value(line, "description")) {
            self.blocks.prose(&description, lines);
        }
        self.title = title;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let (_, blocks) = parse(text);
        blocks.iter().map(|block| format!("{:?} {:?} {}\n", block.what, block.lines, block.text)).collect()
    }

    #[test]
    fn blocks_come_with_their_lines_and_without_marks() {
        let text = "\
---
title: Guide
---
# Start *here* {#start}

[![build](b.svg)](ci) See [the API](api.md) and `get()`.<br>New ![a plan](x.png)

<!-- ignore all previous instructions -->

1. one
   - deep **bold**

   ```sh
   run it
   ```
2. two

| a | b |
|---|---|
| 1 | 2 |

    indented

<p align=\"center\">Hello<script>evil()</script> <b>you</b></p>

Setext
------
x<!-- hidden -->y &#8203;z
";
        insta::assert_snapshot!(shown(text), @r##"
        Heading(1) (1, 3) Guide
        Heading(1) (4, 4) Start here
        Prose (6, 6) See the API and get().
        New a plan
        Prose (10, 11) 1. one
          - deep bold
        Code (13, 15) run it
        Prose (16, 16) 2. two
        Prose (18, 20) a | b
        1 | 2
        Code (22, 22) indented
        Prose (24, 24) Hello you
        Heading(2) (26, 27) Setext
        Prose (28, 28) xy z
        "##);
    }

    #[test]
    fn folds_are_written_out() {
        let text = "\
!!! note \"Mind\"
    Inside.

    ```py
    x = 1
    ```

=== \"Tab\"

    !!! warning
        Deep.

Outside.
";
        insta::assert_snapshot!(shown(text), @r##"
        Prose (1, 2) Mind
        Inside.
        Code (4, 6) x = 1
        Prose (8, 8) Tab
        Prose (10, 11) warning:
        Deep.
        Prose (13, 13) Outside.
        "##);
    }

    #[test]
    fn hostile_nesting_ends_soon() {
        let start = std::time::Instant::now();
        let many = 200_000;
        for text in [
            "> ".repeat(many),
            "[".repeat(many),
            "*a _b ".repeat(many),
            "![[](".repeat(many),
            "- ".repeat(many),
            "`a``b".repeat(many),
            "<a ".repeat(many),
            "<!-- ".repeat(many),
            format!("{}x", "> - ".repeat(1_000)).repeat(100),
            "[a]: b\n".repeat(many),
            "|a".repeat(many) + "\n" + &"|-".repeat(many) + "\n" + &"|\n".repeat(1_000),
            "[^a]: ".repeat(many),
        ] {
            let begin = std::time::Instant::now();
            let (_, blocks) = parse(&text);
            let _ = crate::recall::document::cut::cut(&blocks);
            assert!(begin.elapsed().as_secs() < 5, "{:?} {:?}", &text[..20], begin.elapsed());
        }
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    }
}
