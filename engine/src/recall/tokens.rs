//! Which terms does tantivy see in a text?

use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

use crate::source::{identifiers, words};

/// Identifiers cut into their words, in lower case. The identifier itself comes too where it is more than one word,
/// unless only [`Split::words`] are wanted.
#[derive(Clone, Default)]
pub(super) struct Split {
    terms: Vec<Token>,
    without_whole: bool,
}

impl Split {
    /// The words alone, as prose wants them.
    pub(super) fn words() -> Self {
        Self { terms: Vec::new(), without_whole: true }
    }
}

/// Longer words are no words but data.
const MOST_BYTES: usize = 64;

impl Tokenizer for Split {
    type TokenStream<'a> = SplitStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> SplitStream<'a> {
        self.terms.clear();
        let mut position = 0;
        let mut push = |from: usize, to: usize| {
            if to - from <= MOST_BYTES {
                let text = text[from..to].to_lowercase();
                self.terms.push(Token { offset_from: from, offset_to: to, position, text, position_length: 1 });
                position += 1;
            }
        };
        for whole in identifiers(text) {
            let identifier = &text[whole.clone()];
            let mut parts = 0;
            let mut first = 0..0;
            for part in words(identifier) {
                push(whole.start + part.start, whole.start + part.end);
                first = part;
                parts += 1;
            }
            let is_one_word = parts == 1 && first.len() == identifier.len();
            if parts > 0 && !is_one_word && !self.without_whole {
                push(whole.start, whole.end);
            }
        }
        SplitStream { terms: &mut self.terms, next: 0 }
    }
}

/// The terms of one text.
pub(super) struct SplitStream<'a> {
    terms: &'a mut Vec<Token>,
    next: usize,
}

impl TokenStream for SplitStream<'_> {
    fn advance(&mut self) -> bool {
        self.next += 1;
        self.next <= self.terms.len()
    }

    fn token(&self) -> &Token {
        &self.terms[self.next - 1]
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.terms[self.next - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(mut tokenizer: Split, text: &str) -> Vec<String> {
        let mut stream = tokenizer.token_stream(text);
        let mut terms = Vec::new();
        while stream.advance() {
            terms.push(stream.token().text.clone());
        }
        terms
    }

    #[test]
    fn an_identifier_is_found_whole_and_by_its_words() {
        assert_eq!(terms(Split::default(), "getURL(x)"), ["get", "url", "geturl", "x"]);
        assert_eq!(terms(Split::default(), "__init__"), ["init", "__init__"]);
        assert_eq!(terms(Split::words(), "getURL of it"), ["get", "url", "of", "it"]);
        assert_eq!(terms(Split::default(), &"x".repeat(100)), [""; 0]);
    }
}
