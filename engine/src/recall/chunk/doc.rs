//! What does a comment say without its marks?

use std::borrow::Cow;

use super::{name, row::Row};

/// Bytes of the documentation of a chunk.
pub(super) const BYTES: usize = 1_600;

/// The lines of some comments without marks, rulers and directives to tools.
pub(super) fn comments<'a>(comments: impl Iterator<Item = &'a str>, row: &Row) -> String {
    let mut out = String::new();
    for comment in comments {
        for line in comment.lines() {
            let bare = unmark(line, row.marks);
            push(&mut out, &if row.has_tags { untag(bare) } else { Cow::Borrowed(bare) });
            if out.len() >= BYTES {
                return cut(out);
            }
        }
    }
    cut(out)
}

/// A docstring without its prefix and quotes.
pub(super) fn docstring(literal: &str) -> String {
    let bare = literal.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let quote = if bare.starts_with("\"\"\"") || bare.starts_with("'''") { 3 } else { 1 };
    let inner = bare.get(quote..bare.len().saturating_sub(quote)).unwrap_or("");
    let mut out = String::new();
    for line in inner.lines() {
        push(&mut out, line.trim());
        if out.len() >= BYTES {
            break;
        }
    }
    cut(out)
}

fn push(out: &mut String, line: &str) {
    let is_ruler = !line.is_empty() && !line.chars().any(char::is_alphanumeric);
    if is_ruler || DIRECTIVES.iter().any(|directive| line.starts_with(directive)) {
        return;
    }
    if !(out.is_empty() && line.is_empty()) {
        out.push_str(line);
        out.push('\n');
    }
}

/// What tools are told in comments.
const DIRECTIVES: &[&str] = &[
    "eslint-",
    "@ts-",
    "prettier-",
    "istanbul ",
    "c8 ",
    "go:",
    "+build",
    "nolint",
    "NOLINT",
    "noqa",
    "pylint:",
    "type:",
    "rubocop:",
    "clang-format",
    "shellcheck ",
    "swiftlint:",
    "phpcs:",
    "frozen_string_literal:",
    "-*-",
    "!/",
];

fn unmark<'l>(line: &'l str, marks: &[&str]) -> &'l str {
    let line = line.trim();
    let line = match marks.iter().find(|mark| !mark.is_empty() && line.starts_with(**mark)) {
        Some(&mark) => {
            let last = mark.chars().next_back().unwrap_or(' ');
            line[mark.len()..].trim_start_matches(last)
        }
        None => block(line),
    };
    line.trim()
}

/// A line of `/* … */`, `<!-- … -->` or `--[[ … ]]`.
fn block(line: &str) -> &str {
    let line = line.trim_end_matches("*/").trim_end_matches("-->").trim_end_matches("]]");
    let line = line.strip_prefix("/*").or_else(|| line.strip_prefix("<!--")).unwrap_or(line);
    let bare = line.trim_start_matches(['*', '!']);
    // `*emphasis*` at the start of a line is no mark.
    if line.starts_with('*') && !bare.starts_with([' ', '\t']) && !bare.is_empty() && line.len() - bare.len() == 1 {
        return line;
    }
    bare
}

/// Text without tags, but with the values of their attributes: `The Foo.` of `The <see cref="Foo"/>.`
fn untag(line: &str) -> Cow<'_, str> {
    if !line.contains('<') {
        return Cow::Borrowed(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(before);
        let Some((tag, next)) =
            after.split_once('>').filter(|_| after.starts_with(|c: char| c == '/' || c.is_alphabetic()))
        else {
            out.push('<');
            rest = after;
            continue;
        };
        out.extend(
            tag.split('"').skip(1).step_by(2).flat_map(|value| [value, if next.starts_with(' ') { "" } else { " " }]),
        );
        rest = next;
    }
    out.push_str(rest);
    Cow::Owned(out.trim().to_owned())
}

fn cut(mut text: String) -> String {
    if text.len() > BYTES {
        text.truncate(name::floor(&text, BYTES));
    }
    text.truncate(text.trim_end().len());
    text
}
