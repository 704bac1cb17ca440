//! Which parameters does a piece of documentation name, and where?

use std::{ops::Range, sync::LazyLock};

use regex::{Captures, Regex};

/// How documentation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// Python's: the sections of Google and NumPy, and the fields of Sphinx.
    Docstring,
    /// `@param {type} name`.
    JsDoc,
    /// `@param name`.
    Javadoc,
    /// `@param type $name`.
    PhpDoc,
}

macro_rules! patterns {
    ($($name:ident = $pattern:expr;)*) => {
        $(static $name: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new($pattern).ok());)*
    };
}

patterns! {
    SPHINX = r"(?m)^[ \t]*:(?:param|parameter|arg|argument)[ \t]+(?:[^:\n]*[ \t])?\\?\*{0,2}([A-Za-z_]\w*):(?:[ \t]|$)";
    GOOGLE = r"^([a-z_]\w*)[ \t]*(?:\([^()]*(?:\([^()]*\)[^()]*)*\))?[ \t]*:(?:[ \t]|$)";
    NUMPY = r"^([a-z_]\w*)(?:[ \t]*:.*)?$";
    JSDOC = r"(?m)^[ \t]*/?\*+[ \t]*@(?:param|arg|argument)[ \t]+(?:\{[^{}\n]*(?:\{[^{}\n]*\}[^{}\n]*)*\}[ \t]+)?\[?([A-Za-z_$][\w$]*)(?:[ \t=\]:-]|$)";
    JAVADOC = r"(?m)^[ \t]*/?\*+[ \t]*@param[ \t]+([A-Za-z_$][\w$]*)(?:\s|$)";
    PHPDOC = r"(?m)^[ \t]*/?\*+[ \t]*@param[ \t]+[^\n$({]*(\$[A-Za-z_]\w*)";
    NOT_OF_FUNCTION = r"@(?:callback|typedef|function|func|method|name|class|constructor|event|overload|template|interface|namespace|see|inheritDoc|inheritdoc|property|override|lends|alias|memberof|example)\b";
}

/// The places of the names in the documentation.
pub(super) fn of(doc: &str, style: Style) -> Vec<Range<usize>> {
    match style {
        Style::Docstring => docstring(doc),
        Style::JsDoc if is_match(&NOT_OF_FUNCTION, doc) => Vec::new(),
        Style::JsDoc => groups(&JSDOC, doc).into_iter().filter(|at| !is_bare_type(doc, at)).collect(),
        Style::Javadoc => groups(&JAVADOC, doc),
        Style::PhpDoc => groups(&PHPDOC, doc).into_iter().filter(|at| doc.get(at.clone()) != Some("$this")).collect(),
    }
}

/// Whether the word is a type that stands before the name without its braces.
fn is_bare_type(doc: &str, at: &Range<usize>) -> bool {
    let before = doc[..at.start].trim_end_matches('[').trim_end();
    let word = &doc[at.clone()];
    let is_type = word.starts_with(|c: char| c.is_ascii_uppercase())
        || matches!(
            word,
            "string" | "number" | "object" | "function" | "boolean" | "bool" | "array" | "mixed" | "int" | "any"
        );
    is_type && !before.ends_with('}')
}

fn is_match(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

fn groups(pattern: &LazyLock<Option<Regex>>, text: &str) -> Vec<Range<usize>> {
    let Some(pattern) = &**pattern else { return Vec::new() };
    pattern.captures_iter(text).filter_map(|found| first(&found)).collect()
}

fn first(found: &Captures<'_>) -> Option<Range<usize>> {
    found.get(1).map(|group| group.range())
}

fn docstring(doc: &str) -> Vec<Range<usize>> {
    let lines = lines(doc);
    let mut names = groups(&SPHINX, doc);
    for (at, line) in lines.iter().enumerate() {
        let after = &lines[at + 1..];
        if is_google_head(line.text) {
            names.extend(google(line, after));
        } else if line.text == "Parameters" && after.first().is_some_and(is_rule) {
            names.extend(numpy(line, &after[1..]));
        }
    }
    names.sort_by_key(|at| at.start);
    names
}

/// A line without the white space around it.
struct Line<'d> {
    /// Where its text starts in the documentation.
    start: usize,
    indent: usize,
    text: &'d str,
}

fn lines(doc: &str) -> Vec<Line<'_>> {
    let mut start = 0;
    let line = |whole: &'_ str| {
        let indent = whole.len() - whole.trim_start().len();
        let at = start + indent;
        start += whole.len() + 1;
        (at, indent)
    };
    let places: Vec<(usize, usize)> = doc.split('\n').map(line).collect();
    places
        .into_iter()
        .zip(doc.split('\n'))
        .map(|((start, indent), whole)| Line { start, indent, text: whole.trim() })
        .collect()
}

fn is_google_head(text: &str) -> bool {
    matches!(text, "Args:" | "Arguments:" | "Parameters:" | "Params:")
}

fn is_rule(line: &Line<'_>) -> bool {
    line.text.len() >= 3 && line.text.bytes().all(|byte| byte == b'-')
}

/// The entries below `Args:`, which are one step further in; what is still further in belongs to an entry.
fn google(head: &Line<'_>, after: &[Line<'_>]) -> Vec<Range<usize>> {
    let body = after.iter().take_while(|line| line.text.is_empty() || line.indent > head.indent);
    let body: Vec<&Line<'_>> = body.filter(|line| !line.text.is_empty()).collect();
    let Some(step) = body.first().map(|line| line.indent) else { return Vec::new() };
    body.into_iter().filter(|line| line.indent == step).filter_map(|line| entry(&GOOGLE, line)).collect()
}

/// The entries below the rule, as far in as the heading; each has its words further in on the next line.
fn numpy(head: &Line<'_>, after: &[Line<'_>]) -> Vec<Range<usize>> {
    let is_next_head = |at: usize| after.get(at + 1).is_some_and(is_rule);
    let mut names = Vec::new();
    for (at, line) in after.iter().enumerate() {
        if line.text.is_empty() || line.indent > head.indent {
            continue;
        }
        if line.indent < head.indent || is_next_head(at) {
            break;
        }
        let has_words = after.get(at + 1).is_some_and(|next| next.indent > head.indent && !next.text.is_empty());
        names.extend(entry(&NUMPY, line).filter(|_| has_words));
    }
    names
}

fn entry(pattern: &LazyLock<Option<Regex>>, line: &Line<'_>) -> Option<Range<usize>> {
    let name = first(&pattern.as_ref()?.captures(line.text)?)?;
    Some(line.start + name.start..line.start + name.end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(doc: &str, style: Style) -> Vec<&str> {
        of(doc, style).into_iter().map(|at| &doc[at]).collect()
    }

    #[test]
    fn each_style_names_its_parameters() {
        let google = "Do.\n\n    Args:\n        a: one\n            note: more\n        b (dict(x)): two\n\n    Returns:\n        c: no";
        assert_eq!(words(google, Style::Docstring), ["a", "b"]);
        let numpy = "Do.\n\n    Parameters\n    ----------\n    a : int\n        one\n    b\n        two\n\n    Returns\n    -------\n    c : int\n        no";
        assert_eq!(words(numpy, Style::Docstring), ["a", "b"]);
        assert_eq!(words("Do.\n\n:param int a: one\n:param b: two\n:type c: no", Style::Docstring), ["a", "b"]);
        let jsdoc = "/**\n * @param {{a: number}} a one\n * @param {string} [b=1] two\n * @param c.d no\n */";
        assert_eq!(words(jsdoc, Style::JsDoc), ["a", "b"]);
        assert_eq!(words("/** @param Type a one\n * @param string b two */", Style::JsDoc), [""; 0]);
        assert_eq!(words("/** @param <T> no\n * @param a one */", Style::Javadoc), ["a"]);
        assert_eq!(
            words("/** @param array<int, string> $a one\n * @param callable(int $x) $b */", Style::PhpDoc),
            ["$a"]
        );
    }

    proptest! {
        #[test]
        fn places_lie_inside_any_text(doc in "([ ]{0,4}(Args:|Parameters|----|:param é x:|a: b|\\* @param \\{é\\} x|\\* @param \\$x)?\\r?\\n){0,8}") {
            for style in [Style::Docstring, Style::JsDoc, Style::Javadoc, Style::PhpDoc] {
                for at in of(&doc, style) {
                    prop_assert!(doc.get(at).is_some_and(|name| !name.is_empty() && !name.contains(' ')));
                }
            }
        }
    }
}
