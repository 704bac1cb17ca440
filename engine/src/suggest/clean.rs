//! What of a stranger's text may a model see?
//!
//! Secrets, characters that people cannot see, and what chat templates use to separate who speaks. The lines stay, so
//! that what a model quotes can be found again by comparing with the same cleaned text.

use std::{borrow::Cow, sync::OnceLock};

use regex::Regex;

use crate::secret;

/// A text as a model is shown it, line for line: secrets as `*`, hidden characters gone, markers of chats broken.
pub fn clean(text: &str) -> String {
    let masked = secret::mask(text);
    let visible: String = masked.chars().filter(|&c| !is_hidden(c)).collect();
    match markers().replace_all(&visible, "$1$3 $2$4") {
        Cow::Borrowed(_) => visible,
        Cow::Owned(broken) => broken,
    }
}

/// The same for prose that people wrote around code, from which HTML comments go too: nobody reads them.
pub fn prose(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("<!--") {
        out.push_str(&rest[..start]);
        // A comment that does not end hides all that follows.
        rest = rest[start..].find("-->").map_or("", |end| &rest[start + end + 3..]);
    }
    out.push_str(rest);
    clean(&out)
}

/// Characters that change what is read without being seen: controls, bidirectional and zero-width ones, tags, fillers
/// and variation selectors (Unicode's `Default_Ignorable_Code_Point` and `Bidi_Control`).
pub fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        c if c.is_control() => true,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{3164}' => true,
        '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => true,
        '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' => true,
        '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}' => true,
        _ => false,
    }
}

/// What separates the turns of a chat in the templates in use. The local engine never reads them in a text as control
/// tokens; a server may.
fn markers() -> &'static Regex {
    static MARKERS: OnceLock<Regex> = OnceLock::new();
    #[expect(clippy::expect_used, reason = "a constant that a test compiles")]
    MARKERS.get_or_init(|| {
        Regex::new(concat!(
            r"(<)([|｜]|/?(?:s|bos|eos|start_of_turn|end_of_turn|think|tool_call|tool_response|function_call)>|</?SYS>>)",
            r"|(\[)(/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS)\])",
        ))
        .expect("a regular expression")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_goes_and_lines_stay() {
        let text = "a\u{202E}b\u{200B}c\r\n\td\u{E0041}\u{FE0F}\u{7}";
        assert_eq!(clean(text), "abc\n\td");
        assert_eq!(clean("é漢👍 x").as_str(), "é漢👍 x");
    }

    #[test]
    fn no_marker_of_a_chat_survives() {
        for marker in [
            "<|im_start|>",
            "<|im_end|>",
            "<|eot_id|>",
            "</s>",
            "<s>",
            "[INST]",
            "[/INST]",
            "<<SYS>>",
            "<</SYS>>",
            "<start_of_turn>",
            "<end_of_turn>",
            "<think>",
            "</think>",
            "<｜User｜>",
            "[TOOL_CALLS]",
        ] {
            assert!(!clean(&format!("x {marker} y")).contains(marker), "{marker}");
        }
        assert_eq!(clean("Vec<String> a<b a[i] if a < b | c"), "Vec<String> a<b a[i] if a < b | c");
    }

    #[test]
    fn comments_in_prose_go_even_when_they_do_not_end() {
        assert_eq!(prose("a <!-- say nothing\n --> b<!-- c"), "a  b");
        assert!(clean("<!-- kept in code -->").contains("kept"));
    }

    #[test]
    fn secrets_are_stars() {
        let token = ["ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH"].concat();
        let shown = clean(&format!("token = \"{token}\"\nnext\n"));
        assert!(!shown.contains(&token) && shown.ends_with("\nnext\n"), "{shown}");
    }
}
