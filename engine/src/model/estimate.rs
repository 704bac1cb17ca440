//! How many tokens has a text, where only the server knows?

use std::{
    borrow::Cow,
    sync::atomic::{AtomicU32, Ordering},
};

use super::chat::Role;

/// A figure that is rather too high, and rises where the server counted more.
#[derive(Debug)]
pub(super) struct Estimate {
    /// By how many thousandths the figure is to be multiplied.
    permille: AtomicU32,
}

/// What a chat template puts around a turn, and before the first: rather too much.
const AROUND_TURN: usize = 12;
const AROUND_ALL: usize = 48;

/// Fewer tokens say little about a text: most of them are the template's.
const TELLING: usize = 256;

impl Default for Estimate {
    fn default() -> Self {
        Self { permille: AtomicU32::new(1000) }
    }
}

impl Estimate {
    /// Tokens of a text.
    pub(super) fn count(&self, text: &str) -> usize {
        self.scaled(guess(text))
    }

    /// Tokens of everything said, with what a template puts around it.
    pub(super) fn question(&self, turns: &[(Role, Cow<'_, str>)]) -> usize {
        let texts: usize = turns.iter().map(|(_, text)| guess(text) + AROUND_TURN).sum();
        self.scaled(texts + AROUND_ALL)
    }

    /// Takes over what the server counted, where that is more than what was estimated.
    pub(super) fn learn(&self, estimated: usize, counted: usize) {
        if counted > estimated.max(TELLING) {
            let now = self.permille.load(Ordering::Relaxed) as usize;
            let more = (now * counted).div_ceil(estimated.max(1)) + 20;
            self.permille.fetch_max(u32::try_from(more.min(16_000)).unwrap_or(16_000), Ordering::Relaxed);
        }
    }

    fn scaled(&self, guess: usize) -> usize {
        (guess * self.permille.load(Ordering::Relaxed) as usize).div_ceil(1000)
    }
}

/// Tokens by sorts of bytes, in tenths: byte-level vocabularies split digits and most signs one by one, words into
/// pieces, and what is not ASCII at worst into its bytes. docs/decisions/0009 says by what the weights were measured.
fn guess(text: &str) -> usize {
    let mut tenths = 0;
    let mut before = 0;
    for byte in text.bytes() {
        tenths += match byte {
            b'a'..=b'z' => 4,
            b'A'..=b'Z' => 6,
            b'0'..=b'9' => 12,
            b' ' | b'\t' if byte == before => 1,
            b' ' => 3,
            b'\n' | b'\t' | b'\r' => 6,
            0x80.. => 8,
            _ if byte == before => 5,
            _ => 10,
        };
        before = byte;
    }
    usize::div_ceil(tenths, 10)
}

/// Fewer tokens than this a text cannot have that was read to its end: an eighth of its characters, repetitions of the
/// same one not counted. Shows that a server left a part out.
pub(super) fn least(turns: &[(Role, Cow<'_, str>)]) -> usize {
    let mut count = 0;
    for (_, text) in turns {
        let mut before = '\0';
        count += text.chars().filter(|&c| std::mem::replace(&mut before, c) != c).count();
    }
    count / 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_rather_taken_for_longer_and_never_for_nothing() {
        let estimate = Estimate::default();
        assert_eq!(estimate.count(""), 0);
        assert_eq!(estimate.count("a"), 1);
        // SmolLM2 has 9 and 14 tokens for these.
        assert!((9..=20).contains(&estimate.count("The quick brown fox jumps over the lazy dog.")));
        assert!((14..=28).contains(&estimate.count("fn main() { let x = 12345; }")));
    }

    #[test]
    fn the_figure_rises_with_what_was_counted_and_never_falls() {
        let estimate = Estimate::default();
        let before = estimate.count("abcdefghi");
        estimate.learn(300, 200);
        estimate.learn(10, 100);
        assert_eq!(estimate.count("abcdefghi"), before);
        estimate.learn(1_000, 2_000);
        assert!(estimate.count("abcdefghi") > 2 * before);
        estimate.learn(1, usize::MAX / 1_000_000);
        assert!(estimate.count("abcdefghi") <= 16 * before);
    }

    #[test]
    fn runs_of_the_same_sign_need_not_be_tokens() {
        let turns = [(Role::User, Cow::from("=".repeat(8_000)))];
        assert_eq!(least(&turns), 0);
        let turns = [(Role::User, Cow::from("a b ".repeat(2_000)))];
        assert_eq!(least(&turns), 1_000);
    }
}
