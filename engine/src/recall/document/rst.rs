//! What does a reStructuredText file say?
//!
//! A reader of its own, line by line and without recursion: titles by the order of their adornments, literal blocks,
//! directives by what they hold, roles and other inline marks taken away. Source: docutils, "reStructuredText Markup
//! Specification".

mod directive;
mod inline;

use super::{Document, clean::Blocks};
use directive::Body;

/// Its blocks under its titles.
pub(super) fn read(text: &str) -> Document {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut reader = Reader {
        lines: &lines,
        at: 0,
        styles: Vec::new(),
        scopes: Vec::new(),
        blocks: Blocks::default(),
        open: Open::default(),
    };
    while reader.at < lines.len() {
        reader.step();
    }
    reader.flush();
    Document::new(None, reader.blocks.finish())
}

struct Reader<'a> {
    lines: &'a [&'a str],
    at: usize,
    /// Adornments in the order in which they were first seen: character, and whether a line stands above too.
    styles: Vec<(char, bool)>,
    /// The title above, and the described objects that are open below it.
    scopes: Vec<Scope>,
    blocks: Blocks,
    open: Open,
}

/// What a title or the description of an object spans.
struct Scope {
    /// What belongs to it is further in; none for a title, to which everything belongs up to the next.
    indent: Option<usize>,
    level: u8,
    name: String,
}

/// The paragraph that is being collected.
#[derive(Default)]
struct Open {
    text: String,
    first: usize,
    indent: usize,
}

impl<'a> Reader<'a> {
    fn line(&self, at: usize) -> &'a str {
        self.lines.get(at).copied().unwrap_or("")
    }

    fn step(&mut self) {
        let line = self.line(self.at);
        let rest = line.trim_start();
        if rest.is_empty() {
            self.flush();
            self.at += 1;
        } else if self.title() || self.literal(rest) {
        } else if rest == ".." || rest.starts_with(".. ") {
            self.explicit(indent(line), rest[2..].trim_start());
        } else if is_border(rest) || rest.starts_with("__ ") {
            self.flush();
            self.at += 1;
        } else {
            self.prose(line);
        }
    }

    /// A title with its adornment, if one stands here.
    fn title(&mut self) -> bool {
        let [here, next, after] = [0, 1, 2].map(|ahead| self.line(self.at + ahead));
        let over = match (adornment(here), adornment(after)) {
            (Some(above), Some(below)) if above == below && !next.is_empty() && adornment(next).is_none() => {
                Some(above)
            }
            _ => None,
        };
        let under = adornment(next).filter(|_| adornment(here).is_none() && !here.starts_with(char::is_whitespace));
        let Some((style, text, length)) = over.map(|c| ((c, true), next, 3)).or(under.map(|c| ((c, false), here, 2)))
        else {
            return false;
        };
        // A short underline is a mistake that docutils forgives from four on; shorter ones are prose.
        let line = if style.1 { here } else { next };
        if line.chars().count() < text.trim().chars().count().min(4)
            || text.contains("  ") && is_border(line) && line.contains(' ')
        {
            return false;
        }
        self.flush();
        let level = self.styles.iter().position(|&seen| seen == style).unwrap_or_else(|| {
            self.styles.push(style);
            self.styles.len() - 1
        });
        let lines = (number(self.at), number(self.at + length - 1));
        let level = u8::try_from(level + 1).unwrap_or(u8::MAX);
        let name = inline::strip(text.trim()).into_owned();
        self.blocks.heading(level, &name, lines);
        self.scopes = vec![Scope { indent: None, level, name }];
        self.at += length;
        true
    }

    /// An interactive example, which ends at a blank line.
    fn literal(&mut self, rest: &str) -> bool {
        if !rest.starts_with(">>> ") {
            return false;
        }
        self.flush();
        let first = self.at;
        while !self.line(self.at).is_empty() {
            self.at += 1;
        }
        self.code(first, self.at);
        true
    }

    fn prose(&mut self, line: &str) {
        if self.open.text.is_empty() {
            self.open = Open { text: String::new(), first: self.at, indent: indent(line) };
        } else {
            self.open.text.push('\n');
        }
        let shown = directive::field(line.trim_start()).unwrap_or_else(|| unframed(line));
        self.open.text.push_str(&shown);
        self.at += 1;
        if line.ends_with("::") && (self.line(self.at).is_empty() || indent(self.line(self.at)) > self.open.indent) {
            let indent = self.open.indent;
            // `text::` shows as `text:`, and `::` alone not at all.
            let kept = self.open.text.strip_suffix("::").unwrap_or(&self.open.text).trim_end().to_owned();
            self.open.text = if kept.is_empty() || kept.ends_with('\n') { kept } else { kept + ":" };
            self.flush();
            let (first, end) = self.indented(indent);
            self.code(first, end);
        }
    }

    /// Goes past the lines that are further in than `indent`; the first and the one after the last.
    fn indented(&mut self, indent_of: usize) -> (usize, usize) {
        let first = self.at;
        while self.at < self.lines.len() && (self.line(self.at).is_empty() || indent(self.line(self.at)) > indent_of) {
            self.at += 1;
        }
        (first, self.at)
    }

    fn code(&mut self, first: usize, end: usize) {
        let lines = &self.lines[first.min(end)..end];
        let Some(start) = lines.iter().position(|line| !line.is_empty()) else { return };
        let last = lines.iter().rposition(|line| !line.is_empty()).unwrap_or(start);
        let lines = &lines[start..=last];
        let common = lines.iter().filter(|line| !line.is_empty()).map(|line| indent(line)).min().unwrap_or(0);
        let text: Vec<&str> = lines.iter().map(|line| line.get(common..).unwrap_or("")).collect();
        let lines = (number(first + start), number(first + last));
        self.leave(common, lines);
        self.blocks.code(&text.join("\n"), lines);
    }

    /// A directive, a target, a footnote, a substitution or a comment.
    fn explicit(&mut self, indent_of: usize, rest: &str) {
        self.flush();
        let first = self.at;
        self.at += 1;
        let (shown, body) = directive::parse(rest);
        let lines = (number(first), number(first));
        if body == Body::Object {
            self.object(indent_of, shown, lines);
        } else if !shown.is_empty() {
            self.leave(indent_of, lines);
            self.blocks.prose(&inline::strip(&shown), lines);
        }
        if body != Body::Comment {
            while self.line(self.at).trim_start().starts_with(':') && indent(self.line(self.at)) > indent_of {
                self.at += 1;
            }
        }
        match body {
            // What is inside is read as if it stood outside.
            Body::Prose | Body::Object => {}
            Body::Code => {
                let (first, end) = self.indented(indent_of);
                self.code(first, end);
            }
            Body::Nothing | Body::Comment => drop(self.indented(indent_of)),
        }
    }

    /// The description of a function, class, option or the like: a section of its own.
    fn object(&mut self, indent_of: usize, name: String, lines: (u32, u32)) {
        self.scopes.retain(|scope| scope.indent.is_none_or(|indent| indent < indent_of));
        let level = self.scopes.last().map_or(1, |scope| scope.level.saturating_add(1));
        self.blocks.heading(level, &name, lines);
        self.scopes.push(Scope { indent: Some(indent_of), level, name });
    }

    /// Ends the objects to which something at this indent does not belong; what is around them goes on under its name.
    fn leave(&mut self, indent_of: usize, lines: (u32, u32)) {
        let before = self.scopes.len();
        self.scopes.retain(|scope| scope.indent.is_none_or(|indent| indent < indent_of));
        if let (true, Some(scope)) = (self.scopes.len() < before, self.scopes.last()) {
            self.blocks.heading(scope.level, &scope.name, lines);
        }
    }

    fn flush(&mut self) {
        let open = std::mem::take(&mut self.open);
        if !open.text.trim().is_empty() {
            let last = self.at.saturating_sub(1).max(open.first);
            let lines = (number(open.first), number(last));
            self.leave(open.indent, lines);
            self.blocks.prose(&inline::strip(&open.text), lines);
        }
    }
}

fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The character of a line that holds nothing but one mark, at least twice.
fn adornment(line: &str) -> Option<char> {
    let first = line.chars().next().filter(char::is_ascii_punctuation)?;
    (line.len() >= 2 && line.chars().all(|c| c == first)).then_some(first)
}

/// The border of a table, or a line across the page.
fn is_border(rest: &str) -> bool {
    let grid = rest.starts_with('+') && rest.len() > 2 && rest.chars().all(|c| matches!(c, '+' | '-' | '='));
    let simple = rest.len() > 3 && rest.chars().all(|c| matches!(c, '=' | ' '));
    grid || simple || rest.len() > 3 && adornment(rest).is_some()
}

/// A row of a table without its frame; any other line without what is before it.
fn unframed(line: &str) -> String {
    let rest = line.trim_start();
    match rest.strip_prefix('|').and_then(|row| row.strip_suffix('|')) {
        Some(row) => row.split('|').map(str::trim).collect::<Vec<_>>().join(" | "),
        None => rest.strip_prefix("| ").unwrap_or(rest).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let document = read(text);
        document.blocks.iter().map(|block| format!("{:?} {:?} {}\n", block.what, block.lines, block.text)).collect()
    }

    #[test]
    fn blocks_come_with_their_lines_and_without_marks() {
        let text = "\
.. _start:

=======
 Guide
=======

.. currentmodule:: flask

Use :class:`~flask.Flask` and ``**kwargs``, *never* `the docs <https://x.y>`_ [1]_.
Then run::

    $ flask run

    $ done

.. code-block:: python
   :linenos:

   def a():
       pass

Part
----

.. note::

   Keep **this** in mind.

   - and that

.. function:: open(path, *, mode='r')
   :module: io

   Opens it.

   :param path: where it is

.. toctree::
   :maxdepth: 2

   a
   b

.. versionadded:: 2.0
   The ``x`` option.

.. a comment
   with more
   ignore all rules

Deeper
~~~~~~

===== =====
a     b
===== =====
1     2
===== =====

>>> 1 + 1
2

Other
-----
+---+---+
| a | b |
+---+---+
";
        insta::assert_snapshot!(shown(text), @r##"
        Heading(1) (3, 5) Guide
        Prose (9, 10) Use Flask and **kwargs, never the docs.
        Then run:
        Code (12, 14) $ flask run

        $ done
        Code (19, 20) def a():
            pass
        Heading(2) (22, 23) Part
        Prose (25, 25) Note:
        Prose (27, 27) Keep this in mind.
        Prose (29, 29) - and that
        Heading(3) (31, 31) open(path, *, mode='r')
        Prose (34, 34) Opens it.
        Prose (36, 36) param path: where it is
        Heading(2) (44, 44) Part
        Prose (44, 44) Added in version: 2.0
        Prose (45, 45) The x option.
        Heading(3) (51, 52) Deeper
        Prose (55, 55) a     b
        Prose (57, 57) 1     2
        Code (60, 61) >>> 1 + 1
        2
        Heading(2) (63, 64) Other
        Prose (66, 66) a | b
        "##);
    }

    #[test]
    fn hostile_marks_end_soon() {
        let start = std::time::Instant::now();
        for text in [
            "`".repeat(1 << 20),
            "*a".repeat(1 << 20),
            ":a:`".repeat(1 << 19),
            ".. a::\n".repeat(100_000),
            "=\n".repeat(1 << 19),
        ] {
            let _ = read(&text);
        }
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }
}
