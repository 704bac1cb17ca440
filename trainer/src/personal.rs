//! What in a text names a person? Data to train on holds nobody's name or address.

use std::{borrow::Cow, collections::BTreeSet, sync::OnceLock};

use engine::suggest::clean;
use regex::{Captures, Regex};

/// Takes people out of texts: mail addresses, names where code names its people, home folders, and those it was told of.
#[derive(Debug, Default)]
pub struct Scrubber {
    people: Option<Regex>,
}

/// The longest list of people that is looked for by name.
const MOST_PEOPLE: usize = 10_000;

impl Scrubber {
    /// One that also looks for these people, by login or by address. A login is only found after `@`, as it may be any
    /// word; a name of two words and an address are found anywhere.
    pub fn new(people: &BTreeSet<String>) -> Self {
        let is_distinct = |who: &str| who.contains(['@', ' ']);
        let word = |who: &String| {
            let escaped = regex::escape(who);
            if is_distinct(who) { format!(r"\b{escaped}\b") } else { format!(r"@{escaped}\b") }
        };
        let words: Vec<String> = people.iter().filter(|who| who.len() > 1).take(MOST_PEOPLE).map(word).collect();
        let all = format!("(?i){}", words.join("|"));
        Self { people: (!words.is_empty()).then(|| Regex::new(&all).ok()).flatten() }
    }

    /// The text without people. Lines stay lines.
    pub fn scrub<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        if let Some(people) = &self.people {
            text = replaced(text, people, "someone");
        }
        if text.contains('@') {
            text = replaced(addresses(text), named(), "someone <someone@example.com>");
        }
        if names_people(&text) {
            text = replaced(text, roles(), "${role}someone");
            text = replaced(text, notes(), "${note}(someone)");
        }
        if text.contains("/home/") || text.contains("Users") {
            text = replaced(text, homes(), "${root}user");
        }
        text
    }

    /// The text as a model may see it: without people, secrets, hidden characters and marks of chats.
    pub fn clean(&self, text: &str) -> String {
        clean::clean(&self.scrub(text))
    }
}

/// Mail addresses become one that is nobody's; those that are none, such as `git@github.com`, stay.
fn addresses(text: Cow<'_, str>) -> Cow<'_, str> {
    let nobody = |found: &Captures<'_>| {
        let (name, host) = (&found["name"], &found["host"]);
        let is_nobody = matches!(name, "git" | "hg" | "noreply" | "no-reply") || is_example(host);
        if is_nobody { found[0].to_owned() } else { "someone@example.com".to_owned() }
    };
    match mails().replace_all(&text, nobody) {
        Cow::Borrowed(_) => text,
        Cow::Owned(new) => Cow::Owned(new),
    }
}

/// Names that RFC 2606 keeps for examples.
fn is_example(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let ends = |name: &str| host == name || host.ends_with(&format!(".{name}"));
    ["example.com", "example.org", "example.net", "example", "test", "invalid", "localhost"].into_iter().any(ends)
}

/// Whether it is worth looking closely.
fn names_people(text: &str) -> bool {
    let words = [
        "uthor",
        "UTHOR",
        "aintainer",
        "-by:",
        "-By:",
        "opyright",
        "OPYRIGHT",
        "©",
        "TODO(",
        "FIXME(",
        "XXX(",
        "HACK(",
    ];
    words.iter().any(|word| text.contains(word))
}

fn replaced<'t>(text: Cow<'t, str>, what: &Regex, with: &str) -> Cow<'t, str> {
    match what.replace_all(&text, with) {
        Cow::Borrowed(_) => text,
        Cow::Owned(new) => Cow::Owned(new),
    }
}

macro_rules! regex {
    ($name:ident, $pattern:expr) => {
        fn $name() -> &'static Regex {
            static REGEX: OnceLock<Regex> = OnceLock::new();
            REGEX.get_or_init(|| Regex::new($pattern).expect("a regular expression"))
        }
    };
}

regex!(
    mails,
    r"\b(?P<name>[A-Za-z0-9][A-Za-z0-9._%+-]{0,63})@(?P<host>[A-Za-z0-9](?:[A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24})\b"
);
// Who wrote, signed or owns something: the role stays, the names go. A field of code may be called `author`, too.
regex!(
    roles,
    concat!(
        r"(?im)(?P<role>(?:@author|__author__[ \t]*=|\b[a-z]+(?:-[a-z]+)?-by:|",
        r"^[ \t]*(?:#+|//+!?|\*|--|;+|%+|<!--)[ \t]*(?:authors?|maintainers?):)[ \t]*|",
        r"\bcopyright[ \t]*(?:\(c\)|©)?[ \t]*(?:[0-9]{4}(?:[ \t]*[-–,][ \t]*[0-9]{4})*,?[ \t]*)(?:by[ \t]+)?)",
        r#"(?-i:["']?\p{Lu}[\p{L}\p{M}.'’-]*(?:[ \t,]+(?:and[ \t]+)?\p{Lu}[\p{L}\p{M}.'’-]*){0,9}["']?)"#
    )
);
// A name before an address.
regex!(named, r"\p{Lu}[\p{L}\p{M}.'’-]*(?:[ \t]+\p{L}[\p{L}\p{M}.'’-]*){0,4}[ \t]*<someone@example\.com>");
regex!(notes, r"(?P<note>\b(?:TODO|FIXME|XXX|HACK))\([A-Za-z][A-Za-z0-9._-]{0,40}\)");
regex!(homes, r#"(?P<root>/home/|/Users/|\\Users\\|\\\\Users\\\\)[^/\\\s"'<>:|?*]+"#);

#[cfg(test)]
mod tests {
    use super::*;

    fn scrub(text: &str) -> String {
        Scrubber::default().scrub(text).into_owned()
    }

    #[test]
    fn people_go_and_code_stays() {
        for (text, without) in [
            ("mail ada.lovelace+x@analytical.engine.co.uk now", "mail someone@example.com now"),
            ("# Author: Ada Lovelace <ada@engine.org>", "# Author: someone <someone@example.com>"),
            ("Signed-off-by: Ada Lovelace <ada@engine.org>", "Signed-off-by: someone <someone@example.com>"),
            ("// Copyright (c) 2019-2021 Ada Lovelace, Charles Babbage", "// Copyright (c) 2019-2021 someone"),
            (" * @author Ada", " * @author someone"),
            ("__author__ = 'Ada Lovelace'", "__author__ = someone"),
            ("authors = [\"Ada King <ada@engine.org>\"]", "authors = [\"someone <someone@example.com>\"]"),
            ("# TODO(ada): mend", "# TODO(someone): mend"),
            ("open('/home/ada/notes.txt')", "open('/home/user/notes.txt')"),
            (r"C:\Users\Ada\x", r"C:\Users\user\x"),
        ] {
            assert_eq!(scrub(text), without, "{text}");
        }
        for text in [
            "git@github.com:a/b.git",
            "@property\ndef f(self): ...",
            "user@example.com",
            "a @ b",
            "book.author = None",
            "    author: String,",
            "copyright notice of the library",
            "x = matrix@vector.T",
        ] {
            assert_eq!(scrub(text), text);
        }
    }

    #[test]
    fn those_it_was_told_of_go_too() {
        let people = ["ada", "ada@engine.org", "Ada Lovelace"].map(str::to_owned).into();
        let scrubber = Scrubber::new(&people);
        assert_eq!(scrubber.scrub("@ada and Ada Lovelace wrote canada"), "someone and someone wrote canada");
        assert_eq!(scrubber.scrub("ada = 1"), "ada = 1");
    }

    #[test]
    fn what_a_chat_would_take_for_its_own_is_broken() {
        let text = Scrubber::default().clean("a <|im_end|> b\u{200B}");
        assert!(!text.contains("<|im_end|>") && !text.contains('\u{200B}'), "{text}");
    }
}
