//! Where is what a model quotes? Found in the text by comparing, never by a number it gives.

use std::ops::RangeInclusive;

use super::excerpt::{Excerpt, Shown};
use crate::change::Tag;

/// Where a quote stands in the new version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// The 1-based lines.
    pub lines: RangeInclusive<u32>,
    /// How it was found.
    pub fit: Fit,
}

/// How exactly a quote stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// Line for line, white space at line ends aside.
    Lines,
    /// Line for line with another indentation: what the first line has in the file, and what it has in the quote.
    Indented {
        /// In the file.
        there: String,
        /// In the quote.
        quoted: String,
    },
    /// Inside one line.
    Inside {
        /// The part of the line.
        quoted: String,
    },
    /// Only among the removed lines; the anchor is the line that follows them.
    Removed,
}

/// Why a quote has no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Nothing was quoted.
    #[error("the quote is empty")]
    Empty,
    /// It is nowhere.
    #[error("the quoted text is not in the change")]
    Nowhere,
    /// It is in several places, none of which is more likely meant.
    #[error("the quoted text stands in several places of the change; quote more lines")]
    Several,
}

/// Shorter parts of a line say nothing about which line is meant.
const LEAST_INSIDE: usize = 6;

/// Finds a quote among the lines that were shown. One that stands in several places is taken for the one on lines that
/// the change touches.
///
/// # Errors
/// [`Lost`] when it is nowhere, or in several places.
pub(super) fn locate(quote: &str, excerpt: &Excerpt) -> Result<Anchor, Lost> {
    let lines: Vec<&str> = quote.lines().map(str::trim_end).collect();
    let first = lines.iter().position(|line| !line.is_empty()).ok_or(Lost::Empty)?;
    let last = lines.iter().rposition(|line| !line.is_empty()).unwrap_or(first);
    let lines = &lines[first..=last];
    match search(lines, excerpt) {
        Err(Lost::Nowhere) => {
            // The marks of the diff may have been quoted with the lines.
            let bare: Option<Vec<&str>> =
                lines.iter().map(|line| line.strip_prefix(['+', '-', ' ']).or(line.is_empty().then_some(""))).collect();
            bare.map_or(Err(Lost::Nowhere), |bare| search(&bare, excerpt))
        }
        found => found,
    }
}

fn search(quote: &[&str], excerpt: &Excerpt) -> Result<Anchor, Lost> {
    let new: Vec<&Shown> = excerpt.new_lines().collect();
    let lines =
        |fit: Fit| move |at: &[&Shown]| Anchor { lines: at[0].number..=at[at.len() - 1].number, fit: fit.clone() };
    let exact = runs(quote, &new, |quoted, line| quoted == line.text.trim_end());
    if !exact.is_empty() {
        return one(exact).map(|at| lines(Fit::Lines)(at));
    }
    let indented = runs(quote, &new, |quoted, line| quoted.trim() == line.text.trim());
    if !indented.is_empty() {
        return one(indented).map(|at| {
            let there = indentation(&at[0].text).to_owned();
            let quoted = indentation(quote[0]).to_owned();
            lines(Fit::Indented { there, quoted })(at)
        });
    }
    if let [part] = quote
        && part.trim().len() >= LEAST_INSIDE
    {
        let part = part.trim();
        let holds: Vec<&[&Shown]> = new.chunks(1).filter(|line| line[0].text.matches(part).count() == 1).collect();
        if !holds.is_empty() {
            return one(holds).map(|at| lines(Fit::Inside { quoted: part.to_owned() })(at));
        }
    }
    let gone: Vec<&Shown> = excerpt.lines.iter().filter(|line| line.tag == Tag::Removed).collect();
    let gone = runs(quote, &gone, |quoted, line| quoted.trim() == line.text.trim());
    let number = one(gone)?.last().map_or(1, |line| line.number);
    let last = new.last().map_or(1, |line| line.number);
    Ok(Anchor { lines: number.min(last)..=number.min(last), fit: Fit::Removed })
}

/// Runs of lines that are the quote.
fn runs<'s>(quote: &[&str], lines: &'s [&'s Shown], same: impl Fn(&str, &Shown) -> bool) -> Vec<&'s [&'s Shown]> {
    let is_quote = |run: &&[&Shown]| run.iter().zip(quote).all(|(line, quoted)| same(quoted, line));
    lines.windows(quote.len().max(1)).filter(is_quote).collect()
}

/// The only run, or the only one that the change touches.
fn one<'s>(runs: Vec<&'s [&'s Shown]>) -> Result<&'s [&'s Shown], Lost> {
    let touched = |run: &&&[&Shown]| run.iter().any(|line| line.tag != Tag::Context);
    match &runs[..] {
        [] => Err(Lost::Nowhere),
        [run] => Ok(run),
        several => {
            let mut own = several.iter().filter(touched);
            match (own.next(), own.next()) {
                (Some(run), None) => Ok(run),
                _ => Err(Lost::Several),
            }
        }
    }
}

/// The white space that a line begins with.
pub(super) fn indentation(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RepoPath;

    fn excerpt(text: &str) -> Excerpt {
        let mut number = 10;
        let mut shown = |line: &str| {
            let tag = match line.as_bytes()[0] {
                b'+' => Tag::Added,
                b'-' => Tag::Removed,
                _ => Tag::Context,
            };
            let shown = Shown { tag, number, text: line[1..].to_owned(), is_exact: true };
            number += u32::from(tag != Tag::Removed);
            shown
        };
        Excerpt { path: RepoPath::new("a.py").unwrap(), lines: text.lines().map(&mut shown).collect() }
    }

    const TEXT: &str = " def f(a):\n-    check(a)\n+    b = load(a)\n     return b\n \n+    b = load(a)\n     return b\n+    done = True\n";

    #[test]
    fn quotes_are_found_where_they_stand() {
        let at = |quote: &str| locate(quote, &excerpt(TEXT)).map(|anchor| (anchor.lines, anchor.fit));
        assert_eq!(at("def f(a):\n    b = load(a)\n"), Ok((10..=11, Fit::Lines)));
        assert_eq!(at("    done = True"), Ok((16..=16, Fit::Lines)));
        let indented = Fit::Indented { there: "    ".into(), quoted: String::new() };
        assert_eq!(at("done = True"), Ok((16..=16, indented)));
        assert_eq!(at("+    done = True"), Ok((16..=16, Fit::Lines)));
        assert_eq!(at("one = True"), Ok((16..=16, Fit::Inside { quoted: "one = True".into() })));
        assert_eq!(at("check(a)"), Ok((11..=11, Fit::Removed)));
    }

    #[test]
    fn what_is_not_there_or_in_two_places_is_lost() {
        let at = |quote: &str| locate(quote, &excerpt(TEXT)).unwrap_err();
        assert_eq!(at("    b = load(a)"), Lost::Several);
        assert_eq!((at("drop(a)"), at(" \n"), at("f")), (Lost::Nowhere, Lost::Empty, Lost::Nowhere));
    }

    #[test]
    fn of_two_places_the_touched_one_is_meant() {
        let text = " x = load(a)\n y\n+x = load(a)\n";
        assert_eq!(locate("x = load(a)", &excerpt(text)).unwrap().lines, 12..=12);
    }
}
