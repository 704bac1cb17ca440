//! What does a SQL script do, whatever dialect it is written in? Statements as tokens, and the checks over them.

mod check;

use std::ops::Range;

use super::Native;
use crate::{
    check::{Meta, Target},
    edit::{Applicability, Edit, Fix},
    finding::Finding,
};

/// A check over one statement.
type Check = fn(&Statement<'_>, &mut Report<'_>);

macro_rules! checks {
    ($($name:literal => $check:path,)*) => {
        /// Every check over SQL by the name rule files use.
        pub(super) const ALL: &[Native] = &[$(Native {
            name: $name,
            check: |target, meta, findings| run(target, meta, findings, $check),
        },)*];
    };
}

checks! {
    "sql-no-where" => check::no_where,
    "sql-null-compared" => check::null_compared,
    "sql-not-in-nullable" => check::not_in_nullable,
    "sql-grant-wide" => check::grant_wide,
    "sql-password" => check::password,
    "sql-not-null-no-default" => check::not_null_no_default,
    "sql-index-locks" => check::index_locks,
    "sql-star" => check::star,
    "sql-join-without-condition" => check::join_without_condition,
    "sql-float-money" => check::float_money,
    "sql-utf8" => check::utf8,
    "sql-dynamic" => check::dynamic,
    "sql-definer-path" => check::definer_path,
}

fn run(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>, check: Check) {
    let tokens = tokens(&target.file.text);
    let mut report = Report { target, meta, findings };
    for statement in tokens.split(|token| token.text == ";") {
        if !statement.is_empty() {
            check(&Statement { tokens: statement }, &mut report);
        }
    }
}

/// What stands between two semicolons.
struct Statement<'a> {
    tokens: &'a [Token<'a>],
}

/// A word, number, text or sign.
#[derive(Debug, Clone)]
struct Token<'a> {
    /// As written.
    text: &'a str,
    start: usize,
    /// How many parentheses it is inside of.
    depth: usize,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Word,
    /// A name in double quotes, backticks or brackets.
    Quoted,
    Text,
    Sign,
}

impl Token<'_> {
    /// Whether it is this keyword, in any case.
    fn is(&self, word: &str) -> bool {
        self.kind != Kind::Text && self.kind != Kind::Quoted && self.text.eq_ignore_ascii_case(word)
    }

    fn is_any(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    fn end(&self) -> usize {
        self.start + self.text.len()
    }
}

impl Statement<'_> {
    /// Whether it starts with these keywords.
    fn starts(&self, words: &[&str]) -> bool {
        self.tokens.len() >= words.len() && words.iter().zip(self.tokens).all(|(word, token)| token.is(word))
    }

    /// Whether a keyword stands anywhere.
    fn has(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.is(word))
    }

    /// Whether a keyword stands outside of parentheses.
    fn has_outside(&self, word: &str) -> bool {
        self.tokens.iter().any(|token| token.depth == 0 && token.is(word))
    }

    /// The places at which these keywords stand one after the other.
    fn find<'s>(&'s self, words: &'s [&'s str]) -> impl Iterator<Item = usize> + 's {
        let here = move |at: &usize| words.iter().zip(&self.tokens[*at..]).all(|(word, token)| token.is(word));
        (0..(self.tokens.len() + 1).saturating_sub(words.len())).filter(here)
    }

    /// From one token to another.
    fn range(&self, from: usize, to: usize) -> Range<usize> {
        let last = self.tokens.len() - 1;
        self.tokens[from.min(last)].start..self.tokens[to.min(last)].end()
    }
}

/// The tokens of a script; comments and white space are none.
fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if let Some(length) = skipped(rest, c) {
            at += length;
            continue;
        }
        let (kind, length) = token(rest, c);
        let word = &rest[..length];
        if word == ")" {
            depth = depth.saturating_sub(1);
        }
        found.push(Token { text: word, start: at, depth, kind });
        match word {
            "(" => depth += 1,
            ";" => depth = 0,
            _ => {}
        }
        at += length;
    }
    found
}

fn skipped(rest: &str, c: char) -> Option<usize> {
    if c.is_whitespace() {
        return Some(c.len_utf8());
    }
    if rest.starts_with("--") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    rest.starts_with("/*").then(|| rest.find("*/").map_or(rest.len(), |end| end + 2))
}

fn token(rest: &str, c: char) -> (Kind, usize) {
    match c {
        '\'' => (Kind::Text, closed(rest, '\'')),
        '"' | '`' => (Kind::Quoted, closed(rest, c)),
        '$' => match dollar_text(rest) {
            Some(length) => (Kind::Text, length),
            None => (Kind::Sign, 1),
        },
        _ if c.is_alphanumeric() || matches!(c, '_' | '@' | '#') => {
            let end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '@' | '#' | '$'));
            (Kind::Word, end.unwrap_or(rest.len()))
        }
        _ => {
            let long =
                ["<=>", "<>", "!=", "<=", ">=", "||", "::", ":="].into_iter().find(|sign| rest.starts_with(sign));
            (Kind::Sign, long.map_or(c.len_utf8(), str::len))
        }
    }
}

/// The length of a quoted piece with its quotes; doubled quotes stand for one.
fn closed(rest: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = rest[at..].find(quote) {
        at += end + 1;
        if !rest[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    rest.len()
}

/// `$$ … $$` or `$tag$ … $tag$`.
fn dollar_text(rest: &str) -> Option<usize> {
    let tag_end = rest[1..].find('$')? + 2;
    let tag = &rest[..tag_end];
    let plain = tag[1..tag_end - 1].chars().all(|c| c.is_alphanumeric() || c == '_');
    let end = rest[tag_end..].find(tag)?;
    (plain && !tag[1..].starts_with(|c: char| c.is_ascii_digit())).then_some(tag_end + end + tag.len())
}

/// Where a check puts what it finds.
struct Report<'a> {
    target: &'a Target<'a>,
    meta: &'a Meta,
    findings: &'a mut Vec<Finding>,
}

impl Report<'_> {
    fn at(&mut self, span: Range<usize>) {
        self.findings.push(self.meta.finding(self.target.file, span));
    }

    fn say(&mut self, span: Range<usize>, what: impl Into<String>) {
        let mut finding = self.meta.finding(self.target.file, span);
        finding.what = what.into();
        self.findings.push(finding);
    }

    fn fix(&mut self, applicability: Applicability, edit: Edit) {
        if let (Some(finding), Ok(fix)) = (self.findings.last_mut(), Fix::new(applicability, vec![edit])) {
            finding.fix = Some(fix);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_comments_and_dollar_quotes_are_no_keywords() {
        let found = tokens("a -- b\n/* c; */ 'd;''e' \"f\" $$g; h$$ $x$i$$j$x$ (k) $1");
        let words: Vec<&str> = found.iter().map(|token| token.text).collect();
        assert_eq!(words, ["a", "'d;''e'", "\"f\"", "$$g; h$$", "$x$i$$j$x$", "(", "k", ")", "$", "1"]);
        assert_eq!(found[6].depth, 1);
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_tokens_are_its_own(text in "\\PC{0,40}", script in "[a-c'\"$;()é \\n/*-]{0,60}") {
            for text in [text, script] {
                for token in tokens(&text) {
                    prop_assert_eq!(&text[token.start..token.end()], token.text);
                }
            }
        }
    }
}
