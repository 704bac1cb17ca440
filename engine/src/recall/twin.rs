//! Which pieces of code are nearly the same?
//!
//! Runs of three tokens, comments left out and literals made alike, are a set; sets that are much alike share a band of
//! their MinHash (Broder, "On the resemblance and containment of documents", 1997).

use super::minhash::{Signature, shingles};

/// Values that must all be equal in one of the 16 bands. Sets of similarity `s` meet with the chance
/// `1 - (1 - s^8)^16`: 0.99 at 0.85, 0.61 at 0.7, 0.06 at 0.5.
const ROWS: usize = 8;

/// Pieces of fewer tokens are alike by chance.
const LEAST: usize = 30;

/// Tokens in a run.
const RUN: usize = 3;

/// Keys that two texts share when their code is nearly the same; none for a text that is too short to tell.
pub(super) fn bands(text: &str) -> Vec<u64> {
    let tokens = tokens(text);
    if tokens.len() < LEAST {
        return Vec::new();
    }
    Signature::of(shingles(tokens, RUN)).bands(ROWS).collect()
}

/// The tokens of a text in an unknown language: names as written, numbers and strings by their kind, each sign by
/// itself.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, token) = token(rest, first);
        tokens.extend(token);
        rest = rest.get(length.max(first.len_utf8())..).unwrap_or("");
    }
    tokens
}

/// The bytes of the token at the start of a text, and what it counts as where it is one.
fn token(text: &str, first: char) -> (usize, Option<&str>) {
    let run = |belongs: &dyn Fn(char) -> bool| text.find(|c| !belongs(c)).unwrap_or(text.len());
    let line = || text.find('\n').unwrap_or(text.len());
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    match first {
        _ if first.is_whitespace() => (run(&char::is_whitespace), None),
        _ if text.starts_with("//") || text.starts_with("# ") || text.starts_with("#\n") => (line(), None),
        _ if text.starts_with("/*") => (text.find("*/").map_or(text.len(), |at| at + 2), None),
        _ if text.starts_with("\"\"\"") => (text[3..].find("\"\"\"").map_or(text.len(), |at| at + 6), None),
        '"' | '\'' => (quoted(text, first), Some("\"\"")),
        '0'..='9' => (run(&|c| is_word(c) || c == '.'), Some("0")),
        _ if is_word(first) => {
            let length = run(&is_word);
            (length, Some(&text[..length]))
        }
        _ => (first.len_utf8(), Some(&text[..first.len_utf8()])),
    }
}

/// The bytes of a string up to its closing quote; of the quote alone where the line ends first.
fn quoted(text: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => break,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    const BANDS: usize = 128 / ROWS;

    const ONE: &str = "def send(self, request):\n    # careful\n    connection = self.pool.acquire(request.host, 30)\n    \
        connection.write(request.headers, 'ascii')\n    response = connection.read(self.timeout)\n    \
        self.pool.release(connection)\n    return response\n";

    fn shared(a: &str, b: &str) -> usize {
        bands(a).iter().zip(bands(b)).filter(|(a, b)| **a == *b).count()
    }

    #[test]
    fn what_differs_in_literals_space_and_comments_only_is_the_same() {
        let other = ONE
            .replace("30", "45")
            .replace("'ascii'", "\"utf\\\"8\"")
            .replace("# careful", "# why")
            .replace("    ", "\t");
        assert_eq!(shared(ONE, &other), BANDS);
    }

    #[test]
    fn twins_meet_and_strangers_do_not() {
        assert!(shared(ONE, &ONE.replace("def send", "def stream")) > 2);
        let stranger = "fn sum(rows: &[Row]) -> u64 { rows.iter().filter(|row| row.kept).map(|row| row.size * row.count).sum::<u64>() }";
        assert_eq!((shared(ONE, stranger), bands(stranger).len()), (0, BANDS));
    }

    #[test]
    fn short_texts_have_none_and_odd_ones_do_no_harm() {
        assert!(bands("return self.a").is_empty());
        for odd in ["'", "\"\"\"", "/*", "é\u{301}'\\", "#", "0x"] {
            bands(&odd.repeat(100));
        }
    }
}
