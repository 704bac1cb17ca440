//! Is there a secret in this text, and how does one speak of it without telling it?
//!
//! Two ways to know one: by a shape that a provider gave it ([`Certainty::Shape`]), and by how random a value is that
//! stands next to a telling name ([`Certainty::Name`]). Whatever leaves the machine or is kept (prompts, logs, the
//! index, training sets) goes through [`redact`]; what is shown on a terminal with its line goes through [`mask`].

mod connection;
mod name;
mod random;
mod shape;

use std::{borrow::Cow, ops::Range};

/// How a secret is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// It has a provider's shape, and its checksum where the shape has one.
    Shape,
    /// It has a shape that is common in examples and tests too: a key block, a signed token, a password in a URL.
    Form,
    /// It is random, and a name beside it says what it is.
    Name,
}

/// A stretch of text that must not be repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it is, in words: `GitHub token`.
    pub kind: &'static str,
    /// How that is known.
    pub certainty: Certainty,
    /// Where it is, in bytes of the text.
    pub bytes: Range<usize>,
    /// How many of its first bytes are the same in every secret of its kind and may be shown.
    pub public_prefix: usize,
}

/// The secrets of a text in order of place, none overlapping another.
pub fn find(text: &str) -> Vec<Secret> {
    let mut found = shape::find(text);
    found.extend(name::find(text));
    found.sort_by_key(|secret| (secret.bytes.start, secret.certainty));
    let mut kept: Vec<Secret> = Vec::with_capacity(found.len());
    for secret in found {
        match kept.last_mut() {
            Some(last) if secret.bytes.start < last.bytes.end => {
                if secret.certainty < last.certainty {
                    *last = secret;
                }
            }
            _ => kept.push(secret),
        }
    }
    kept
}

/// The text with each secret replaced by `[redacted: KIND]`.
pub fn redact(text: &str) -> Cow<'_, str> {
    replace(text, |secret| format!("[redacted: {}]", secret.kind))
}

/// The text with each secret's own part replaced by as many `*` as it has bytes; line breaks stay, so that every
/// offset and line number keeps its meaning.
pub fn mask(text: &str) -> Cow<'_, str> {
    replace(text, |secret| {
        let own = secret.bytes.start + secret.public_prefix;
        let stars = text[own..secret.bytes.end].bytes().map(|byte| if byte == b'\n' { '\n' } else { '*' });
        text[secret.bytes.start..own].chars().chain(stars).collect()
    })
}

fn replace(text: &str, with: impl Fn(&Secret) -> String) -> Cow<'_, str> {
    let secrets = find(text);
    if secrets.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for secret in &secrets {
        out.push_str(&text[done..secret.bytes.start]);
        out.push_str(&with(secret));
        done = secret.bytes.end;
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TOKEN: &str = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH");

    #[test]
    fn a_redacted_text_names_the_kind_and_nothing_of_the_secret() {
        let text = format!("git clone https://x:{TOKEN}@github.com/a/b\n");
        assert_eq!(redact(&text), "git clone https://x:[redacted: GitHub token]@github.com/a/b\n");
        assert_eq!(redact("nothing here"), Cow::Borrowed("nothing here"));
    }

    #[test]
    fn a_mask_keeps_every_offset() {
        let text = format!("a = '{TOKEN}'\nb");
        let masked = mask(&text);
        assert_eq!((masked.len(), masked.matches('\n').count()), (text.len(), 1));
        assert!(masked.starts_with("a = 'ghp_****") && !masked.contains("kT8v"));
    }

    proptest! {
        #[test]
        fn any_text_can_be_searched(text in "\\PC{0,200}") {
            let masked = mask(&text).into_owned();
            prop_assert_eq!(masked.len(), text.len());
        }

        #[test]
        fn a_token_is_found_between_any_words(before in "[a-z =:'\"\n]{0,30}[ =:'\"\n]", after in "[ '\"\n,;)][a-z ]{0,20}") {
            let text = format!("{before}{TOKEN}{after}");
            prop_assert!(!redact(&text).contains(TOKEN));
        }
    }
}
