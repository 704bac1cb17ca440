//! Which words is a text made of, when identifiers are words glued together?

use std::ops::Range;

/// The words of a text in order, as byte ranges: runs of letters and digits, cut where `camelCase`, an `HTTPServer` or
/// a digit begins something new. `snake_case` falls apart by itself, as `_` is no letter.
pub fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    runs(text)
        .flat_map(move |run| parts(&text[run.clone()]).map(move |part| run.start + part.start..run.start + part.end))
}

/// The identifiers and words of a text as they are written, `_` included, as byte ranges.
pub fn identifiers(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    spans(text, |c| c == '_' || c.is_alphanumeric())
}

/// Maximal stretches of letters and digits.
fn runs(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    spans(text, char::is_alphanumeric)
}

fn spans(text: &str, belongs: impl Fn(char) -> bool + 'static) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(&belongs)?;
        let end = text[start..].find(|c| !belongs(c)).map_or(text.len(), |length| start + length);
        at = end;
        Some(start..end)
    })
}

/// Where a run of letters and digits falls apart.
fn parts(run: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = run.get(start..).filter(|rest| !rest.is_empty())?;
        let length = first_part(rest);
        start += length;
        Some(start - length..start)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Upper,
    Lower,
    Digit,
    Other,
}

fn class(c: char) -> Class {
    match c {
        'a'..='z' => Class::Lower,
        'A'..='Z' => Class::Upper,
        '0'..='9' => Class::Digit,
        _ if c.is_lowercase() => Class::Lower,
        _ if c.is_uppercase() => Class::Upper,
        _ if c.is_numeric() => Class::Digit,
        _ => Class::Other,
    }
}

/// Bytes of the first word of a run.
fn first_part(run: &str) -> usize {
    let mut chars = run.char_indices().map(|(at, c)| (at, class(c))).peekable();
    let mut previous: Option<Class> = None;
    while let Some((at, now)) = chars.next() {
        let next = chars.peek().map(|&(_, class)| class);
        let is_start = match (previous, now) {
            (None, _) => false,
            (Some(before), now) if (before == Class::Digit) != (now == Class::Digit) => true,
            (Some(Class::Lower), Class::Upper) => true,
            (Some(Class::Upper), Class::Upper) => next == Some(Class::Lower),
            _ => false,
        };
        if is_start {
            return at;
        }
        previous = Some(now);
    }
    run.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<&str> {
        words(text).map(|range| &text[range]).collect()
    }

    #[test]
    fn identifiers_fall_apart_where_a_reader_sees_words() {
        assert_eq!(split("getHTTPResponseCode2xx"), ["get", "HTTP", "Response", "Code", "2", "xx"]);
        assert_eq!(split("snake_case __init__ MAX_SIZE"), ["snake", "case", "init", "MAX", "SIZE"]);
        assert_eq!(split("sha256sum utf8"), ["sha", "256", "sum", "utf", "8"]);
        assert_eq!(split("größeÄndern, 日本語x"), ["größe", "Ändern", "日本語x"]);
        assert_eq!(split(" ... "), Vec::<&str>::new());
    }

    #[test]
    fn identifiers_stay_whole() {
        let text = "self.get_url(HTTPError)";
        assert_eq!(identifiers(text).map(|range| &text[range]).collect::<Vec<_>>(), ["self", "get_url", "HTTPError"]);
    }

    proptest! {
        #[test]
        fn every_letter_is_in_exactly_one_word(text in "\\PC{0,60}") {
            let joined: String = split(&text).concat();
            let letters: String = text.chars().filter(|c| c.is_alphanumeric()).collect();
            prop_assert_eq!(joined, letters);
        }
    }
}
