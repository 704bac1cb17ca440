//! Which pieces of code are nearly the same?
//!
//! Runs of three tokens, comments left out and literals made alike, are a set; sets that are much alike share a band of
//! their MinHash (Broder, "On the resemblance and containment of documents", 1997).

/// Bands, and the values that must all be equal in one. Sets of similarity `s` meet with the chance
/// `1 - (1 - s^4)^16`: 0.99 at 0.7, 0.65 at 0.5, 0.12 at 0.3.
const BANDS: usize = 16;
const ROWS: usize = 4;

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
    let mut least = [u64::MAX; BANDS * ROWS];
    for run in tokens.windows(RUN) {
        let run = run.iter().fold(0, |key, &token| mixed(key ^ token));
        for (at, least) in least.iter_mut().enumerate() {
            *least = mixed(run ^ (at as u64) << 56).min(*least);
        }
    }
    let band = |(at, values): (usize, &[u64])| values.iter().fold(mixed(at as u64), |key, &value| mixed(key ^ value));
    least.chunks(ROWS).enumerate().map(band).collect()
}

/// Hashes of the tokens of a text in an unknown language: names as written, numbers and strings by their kind, each
/// sign by itself.
fn tokens(text: &str) -> Vec<u64> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, token) = token(rest, first);
        tokens.extend(token);
        rest = rest.get(length.max(first.len_utf8())..).unwrap_or("");
    }
    tokens
}

const NUMBER: u64 = 1;
const TEXT: u64 = 2;

/// The bytes of the token at the start of a text, and its hash where it is one.
fn token(text: &str, first: char) -> (usize, Option<u64>) {
    let run = |belongs: &dyn Fn(char) -> bool| text.find(|c| !belongs(c)).unwrap_or(text.len());
    let line = || text.find('\n').unwrap_or(text.len());
    let is_word = |c: char| c == '_' || c.is_alphanumeric();
    match first {
        _ if first.is_whitespace() => (run(&char::is_whitespace), None),
        _ if text.starts_with("//") || text.starts_with("# ") || text.starts_with("#\n") => (line(), None),
        _ if text.starts_with("/*") => (text.find("*/").map_or(text.len(), |at| at + 2), None),
        _ if text.starts_with("\"\"\"") => (text[3..].find("\"\"\"").map_or(text.len(), |at| at + 6), None),
        '"' | '\'' => (quoted(text, first), Some(TEXT)),
        '0'..='9' => (run(&|c| is_word(c) || c == '.'), Some(NUMBER)),
        _ if is_word(first) => {
            let length = run(&is_word);
            (length, Some(hash(&text[..length])))
        }
        _ => (first.len_utf8(), Some(hash(&text[..first.len_utf8()]))),
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

/// FNV-1a, well mixed.
fn hash(word: &str) -> u64 {
    let fold = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(word.bytes().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// The finalizer of splitmix64.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

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
