//! Which words and emoji does a reply consist of, and which of them tell how its writer feels?

use std::{collections::HashMap, sync::LazyLock};

const LEXICON: &str = include_str!("../../../../config/emotion.lexicon");

/// The lexicon that is compiled in.
pub(super) static WORDS: LazyLock<Lexicon> = LazyLock::new(|| Lexicon::read(LEXICON));

/// A set of groups, a bit each.
type Groups = u64;

/// Words, phrases and emoji by group.
#[derive(Debug)]
pub(super) struct Lexicon {
    /// The groups in order of the file.
    pub(super) groups: Vec<&'static str>,
    words: HashMap<&'static str, Groups>,
    /// Beginnings of words.
    stems: HashMap<&'static str, Groups>,
    /// By first word.
    phrases: HashMap<&'static str, Vec<(Vec<&'static str>, Groups)>>,
    /// Emoticons and short codes, the longest first.
    signs: Vec<&'static str>,
}

/// A word of a group that occurs in a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    /// Index of the group.
    pub(super) group: usize,
    /// A "not" stands shortly before it.
    pub(super) negated: bool,
}

/// Words that turn what follows, up to the next comma, "but" or end.
const TURNING: [&str; 32] = [
    "not",
    "no",
    "never",
    "none",
    "nobody",
    "nothing",
    "neither",
    "nor",
    "cannot",
    "can't",
    "don't",
    "doesn't",
    "didn't",
    "isn't",
    "wasn't",
    "aren't",
    "weren't",
    "won't",
    "wouldn't",
    "couldn't",
    "shouldn't",
    "hasn't",
    "haven't",
    "hadn't",
    "ain't",
    "without",
    "dont",
    "doesnt",
    "didnt",
    "isnt",
    "hardly",
    "barely",
];

/// Words after a turning one that it reaches.
const REACH: usize = 4;

/// Longer words are cut, in characters.
const MOST_CHARACTERS: usize = 40;

impl Lexicon {
    fn read(text: &'static str) -> Self {
        let mut lexicon = Self {
            groups: Vec::new(),
            words: HashMap::new(),
            stems: HashMap::new(),
            phrases: HashMap::new(),
            signs: Vec::new(),
        };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((group, entries)) = line.split_once(": ") {
                let bit = lexicon.bit(group);
                entries.split(", ").for_each(|entry| lexicon.add(entry.trim(), bit));
            }
        }
        lexicon.signs.sort_by_key(|sign| std::cmp::Reverse(sign.len()));
        lexicon
    }

    fn bit(&mut self, group: &'static str) -> Groups {
        let at = self.groups.iter().position(|known| *known == group).unwrap_or_else(|| {
            self.groups.push(group);
            self.groups.len() - 1
        });
        1_u64.checked_shl(at as u32).unwrap_or(0)
    }

    fn add(&mut self, entry: &'static str, bit: Groups) {
        let words: Vec<&str> = entry.split(' ').collect();
        if let [first, _, ..] = words.as_slice() {
            self.phrases.entry(first).or_default().push((words, bit));
        } else if let Some(stem) = entry.strip_suffix('*') {
            *self.stems.entry(stem).or_default() |= bit;
        } else {
            *self.words.entry(entry).or_default() |= bit;
            if entry.chars().any(|c| !c.is_alphanumeric() && c != '\'') && entry.chars().count() > 1 {
                self.signs.push(entry);
            }
        }
    }

    /// The place of a group; one that does not exist has none.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|group| *group == name)
    }

    /// The words of a text, lowercased, sentence by sentence. Emoticons and short codes are words.
    pub(super) fn sentences(&self, text: &str) -> Vec<Vec<String>> {
        let lower: String = text.chars().filter(|c| !is_modifier(*c)).flat_map(char::to_lowercase).collect();
        let (mut sentences, mut now) = (Vec::new(), Vec::new());
        let (mut rest, mut after_word) = (lower.as_str(), false);
        while let Some(first) = rest.chars().next() {
            let length = self.token(rest, first, after_word);
            let (token, tail) = rest.split_at(length);
            after_word = first.is_alphanumeric();
            rest = tail;
            let is_end = matches!(first, '\n' | '.' | '!' | '?') && !self.words.contains_key(token);
            if !token.trim().is_empty() {
                now.push(token.chars().take(MOST_CHARACTERS).collect());
            }
            if is_end && !now.is_empty() {
                sentences.push(std::mem::take(&mut now));
            }
        }
        sentences.extend((!now.is_empty()).then_some(now));
        sentences
    }

    /// Bytes of the token that starts here.
    fn token(&self, rest: &str, first: char, after_word: bool) -> usize {
        let run = |belongs: fn(char) -> bool| rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        if first.is_alphabetic() {
            let length = run(|c| c.is_alphabetic() || c == '\'');
            return rest.get(..length).map_or(length, |word| word.trim_end_matches('\'').len());
        }
        if first.is_numeric() {
            return run(char::is_numeric);
        }
        let ends = |sign: &&str| !rest.get(sign.len()..).is_some_and(|after| after.starts_with(char::is_alphanumeric));
        let starts = |sign: &&str| rest.starts_with(*sign) && (ends(sign) || sign.ends_with([':', ')']));
        match self.signs.iter().find(|sign| !after_word && starts(sign)) {
            Some(sign) => sign.len(),
            None if matches!(first, '!' | '?' | '.') => run(|c| matches!(c, '!' | '?' | '.')),
            None => first.len_utf8(),
        }
    }

    /// The groups that words of a sentence belong to.
    pub(super) fn hits(&self, sentence: &[String]) -> Vec<Hit> {
        let (mut hits, mut reach) = (Vec::new(), 0_usize);
        for (at, word) in sentence.iter().enumerate() {
            let mut groups = self.groups_of(word) | self.phrases_at(sentence.get(at..).unwrap_or_default());
            while groups != 0 {
                hits.push(Hit { group: groups.trailing_zeros() as usize, negated: reach > 0 });
                groups &= groups - 1;
            }
            reach = match word.as_str() {
                turning if TURNING.contains(&turning) => REACH,
                "," | ";" | "but" => 0,
                end if end.starts_with(['.', '!', '?']) => 0,
                _ => reach.saturating_sub(1),
            };
        }
        hits
    }

    fn groups_of(&self, word: &str) -> Groups {
        let stems = word.char_indices().map(|(at, c)| at + c.len_utf8()).filter_map(|end| word.get(..end));
        let by_stem = stems.filter_map(|stem| self.stems.get(stem)).fold(0, |all, groups| all | groups);
        by_stem | self.words.get(word).copied().unwrap_or(0)
    }

    fn phrases_at(&self, words: &[String]) -> Groups {
        let known = words.first().and_then(|first| self.phrases.get(first.as_str()));
        let is_here = |phrase: &[&str]| {
            phrase.len() <= words.len()
                && phrase.iter().zip(words).all(|(part, word)| match part.strip_suffix('*') {
                    Some(stem) => word.starts_with(stem),
                    None => part == word,
                })
        };
        known.into_iter().flatten().filter(|(phrase, _)| is_here(phrase)).fold(0, |all, (_, groups)| all | groups)
    }
}

/// Skin tones, variants and joiners change how an emoji looks, not what it says.
fn is_modifier(c: char) -> bool {
    matches!(c, '\u{fe0f}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        let hits = WORDS.sentences(text).into_iter().flat_map(|sentence| WORDS.hits(&sentence));
        hits.map(|hit| format!("{}{}", if hit.negated { "not " } else { "" }, WORDS.groups[hit.group])).collect()
    }

    #[test]
    fn a_text_falls_into_sentences_of_words_and_signs() {
        let sentences = WORDS.sentences("Don't do it... OK :-) +1\n👍🏽 x:y");
        let expected: [&[&str]; 3] = [&["don't", "do", "it", "..."], &["ok", ":-)", "+1"], &["👍", "x", ":", "y"]];
        assert_eq!(sentences, expected);
    }

    #[test]
    fn negation_turns_what_follows_it_and_no_more() {
        assert_eq!(told("not a bad idea"), ["not complaint"]);
        assert_eq!(told("it doesn't work"), ["not works"]);
        assert_eq!(told("no, ugly"), ["complaint"]);
    }

    #[test]
    fn emoji_short_codes_and_emoticons_are_words() {
        for (good, bad) in [("👍🏿", "👎"), (":tada:", ":-1:"), (":)", ":("), ("❤️", "💔")] {
            assert!(told(good).contains(&"emoji_good".to_owned()), "{good}: {:?}", told(good));
            assert!(told(bad).contains(&"emoji_bad".to_owned()), "{bad}: {:?}", told(bad));
        }
        assert_eq!(told("std::default a:path"), [""; 0]);
    }

    #[test]
    fn every_group_fits_and_no_entry_is_lost() {
        assert!(WORDS.groups.len() <= 64 && WORDS.groups.len() > 20);
        for line in LEXICON.lines().filter(|line| !line.starts_with('#')) {
            let (group, entries) = line.split_once(": ").expect("a group");
            for entry in entries.split(", ") {
                let text = entry.replace('*', "");
                assert!(told(&text).iter().any(|told| told.ends_with(group)), "{group}: `{entry}` is never found");
            }
        }
    }
}
