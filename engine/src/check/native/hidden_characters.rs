//! Does the code read differently to a person than to a compiler?
//!
//! The characters are those of "Trojan Source: Invisible Vulnerabilities" (Boucher and Anderson, 2021) and of Unicode
//! Technical Standard 39.

use std::ops::Range;

use crate::{
    check::{Meta, Target},
    finding::Finding,
    source::{Language, SourceFile},
};

/// Characters that turn the order of the text around, characters that cannot be seen, and identifiers in which some
/// letters only look Latin. In texts that are not code only an order that is never turned back counts.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let file = target.file;
    if file.text.is_ascii() {
        return;
    }
    let is_code = file.language.is_some_and(is_code);
    for line in 1..=file.lines.count() {
        let text = file.line(line);
        if text.is_ascii() {
            continue;
        }
        let start = file.lines.range(line).start;
        if let Some(found) = in_line(target, text, start, is_code) {
            let mut finding = meta.finding(file, found.bytes);
            finding.what = found.what;
            findings.push(finding);
        }
    }
}

struct Found {
    bytes: Range<usize>,
    what: String,
}

fn is_code(language: Language) -> bool {
    !matches!(language, Language::Html | Language::Css | Language::Json | Language::Yaml)
}

/// The worst of a line: one finding says enough.
fn in_line(target: &Target<'_>, text: &str, start: usize, is_code: bool) -> Option<Found> {
    turned_order(text, start, is_code).or_else(|| {
        if is_code { unseen(target, text, start).or_else(|| look_alike(target, text, start)) } else { None }
    })
}

fn turned_order(text: &str, start: usize, is_code: bool) -> Option<Found> {
    let mut open: Vec<(usize, char)> = Vec::new();
    let mut first = None;
    for (at, c) in text.char_indices() {
        match c {
            '\u{202A}'..='\u{202B}' | '\u{202D}'..='\u{202E}' | '\u{2066}'..='\u{2068}' => {
                first = first.or(Some((at, c)));
                open.push((at, c));
            }
            '\u{202C}' | '\u{2069}' => {
                open.pop();
            }
            _ => {}
        }
    }
    let (at, c) = if is_code { first } else { open.first().copied() }?;
    let kept = if open.is_empty() { "" } else { " and never turns it back" };
    Some(Found {
        bytes: start + at..start + at + c.len_utf8(),
        what: format!(
            "U+{:04X} turns the order of the text around{kept}: what runs is not what is shown",
            u32::from(c)
        ),
    })
}

fn unseen(target: &Target<'_>, text: &str, start: usize) -> Option<Found> {
    let (at, c) =
        text.char_indices().find(|&(at, c)| is_unseen(c) && !is_word_of_others(target.file, text, at, start))?;
    let bytes = start + at..start + at + c.len_utf8();
    let is_tag = ('\u{E0000}'..='\u{E007F}').contains(&c);
    if !is_tag && is_words(target, bytes.start) {
        return None;
    }
    Some(Found { bytes, what: format!("U+{:04X} cannot be seen, and it is part of the code", u32::from(c)) })
}

fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{00AD}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{200B}'..='\u{200D}' | '\u{2060}'..='\u{2064}'
        | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{E0001}' | '\u{E0020}'..='\u{E007F}')
}

/// Joiners between letters of scripts that need them, tags of flag emoji, and the mark at the start of a file.
fn is_word_of_others(file: &SourceFile, text: &str, at: usize, start: usize) -> bool {
    let before = text[..at].chars().next_back();
    let is_start_of_file = start + at == 0 || file.text[..start + at].trim().is_empty();
    let is_tag = text[at..].starts_with(|c: char| ('\u{E0020}'..='\u{E007F}').contains(&c));
    let follows_emoji =
        text[..at].chars().rev().find(|c| !('\u{E0020}'..='\u{E007F}').contains(c)) == Some('\u{1F3F4}');
    is_start_of_file || (is_tag && follows_emoji) || (!is_tag && before.is_some_and(|c| !c.is_ascii()))
}

/// Whether a place lies in a comment, a string or markup text, where people write for people.
fn is_words(target: &Target<'_>, at: usize) -> bool {
    const WORDS: &[&str] =
        &["string", "comment", "char", "text", "regex", "heredoc", "template", "content", "str", "doc"];
    let Some(tree) = target.tree() else { return true };
    let mut node = tree.root();
    loop {
        let kind = node.kind().to_ascii_lowercase();
        if WORDS.iter().any(|word| kind.contains(word)) {
            return true;
        }
        let inner = node.children().find(|child| child.range().contains(&at));
        match inner {
            Some(child) => node = child,
            None => return false,
        }
    }
}

/// An identifier that mixes Latin letters with letters of another script that look the same.
fn look_alike(target: &Target<'_>, text: &str, start: usize) -> Option<Found> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut at = 0;
    for word in text.split_inclusive(|c| !is_part(c)) {
        let name = word.trim_end_matches(|c| !is_part(c));
        let bytes = start + at..start + at + name.len();
        at += word.len();
        if mixes_scripts(name) && !is_words(target, bytes.start) {
            let other = name.chars().find(|&c| looks_latin(c)).map(u32::from).unwrap_or_default();
            return Some(Found { bytes, what: format!("`{name}` has a letter that only looks Latin (U+{other:04X})") });
        }
    }
    None
}

fn mixes_scripts(name: &str) -> bool {
    let foreign = name.chars().filter(|c| !c.is_ascii()).count();
    foreign > 0
        && name.chars().filter(|&c| looks_latin(c)).count() == foreign
        && name.chars().any(|c| c.is_ascii_alphabetic())
}

/// Letters of Cyrillic, Greek and Armenian that most fonts draw like a Latin one.
fn looks_latin(c: char) -> bool {
    "аеорсухіјѕһԁԛԝАВЕЅІЈКМНОРСТХУΑΒΕΖΗΙΚΜΝΟΡΤΥΧονսօ".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_one_script_is_itself() {
        for name in ["admin", "переменная", "Δx", "größe", "名前_id", "µs"] {
            assert!(!mixes_scripts(name), "{name}");
        }
        assert!(mixes_scripts("аdmin") && mixes_scripts("is_\u{0410}dmin"));
    }
}
