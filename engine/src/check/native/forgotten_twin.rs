//! Did the change mend one of two functions that were nearly the same, and forget the other?

use std::{collections::HashSet, ops::Range};

use crate::{
    change::{Kind, Status},
    check::{
        Meta, Target, parse,
        twin::{self, Alignment, Body, Class, Hunk, bodies, hunks},
    },
    finding::{Because, Finding},
    source::SourceFile,
};

/// Functions whose edit would apply word by word to a twin that the change leaves alone: in the same file, and in
/// others where somebody knows of them.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let has_two_versions = matches!(target.change.status, Status::Modified | Status::Renamed);
    let Some(before) = target.before.filter(|_| has_two_versions && target.change.kind == Kind::Text) else { return };
    if target.file.language.is_none() || is_apart(target.file.path.as_str()) || before.bytes == target.file.bytes {
        return;
    }
    let Some(tree) = target.tree() else { return };
    let new = bodies(target.file, tree);
    if !new.iter().any(|body| is_touched(target, body)) {
        return;
    }
    let Some(tree) = target.tree_before() else { return };
    let old = bodies(before, tree);
    for edited in edited(target, before, &old, &new).into_iter().take(MOST_EDITED) {
        findings.extend(forgotten(target, meta, &edited, &old));
    }
}

/// A change of more functions than this is no mending.
const MOST_EDITED: usize = 40;

/// Twins of one function beyond which it is one of a family that differs on purpose.
const MOST_TWINS: usize = 3;

/// A function in both versions.
struct Edited<'a> {
    /// Its file, as it was.
    before: &'a SourceFile,
    old: &'a Body,
    new: &'a Body,
    hunks: Vec<Hunk>,
}

/// A twin that was left alone.
struct Left {
    file: SourceFile,
    symbol: String,
    bytes: Range<usize>,
}

fn is_touched(target: &Target<'_>, body: &Body) -> bool {
    target.change.touched.intersects(&target.file.span(body.bytes.clone()).lines())
}

/// The functions that are in both versions under one name, with edits that say something.
fn edited<'a>(target: &Target<'_>, before: &'a SourceFile, old: &'a [Body], new: &'a [Body]) -> Vec<Edited<'a>> {
    let text_of = |file: &SourceFile, body: &Body| file.text.get(body.bytes.clone()).unwrap_or("").to_owned();
    let (old_texts, new_texts): (HashSet<String>, HashSet<String>) = (
        old.iter().map(|body| text_of(before, body)).collect(),
        new.iter().map(|body| text_of(target.file, body)).collect(),
    );
    let old: Vec<&Body> = old.iter().filter(|body| !new_texts.contains(&text_of(before, body))).collect();
    let new: Vec<&Body> = new.iter().filter(|body| !old_texts.contains(&text_of(target.file, body))).collect();
    let only = |bodies: &[&'a Body], symbol: &str| {
        let mut same = bodies.iter().filter(|body| body.symbol == symbol);
        same.next().copied().filter(|_| same.next().is_none())
    };
    new.iter()
        .filter(|body| is_touched(target, body))
        .filter_map(|body| {
            let (new, old) = (only(&new, &body.symbol)?, only(&old, &body.symbol)?);
            let edited = Edited { before, old, new, hunks: hunks(&old.tokens, &new.tokens) };
            says_something(&edited).then_some(edited)
        })
        .collect()
}

/// Whether an edit is neither a new name, nor new words in a text, nor another function altogether.
fn says_something(edited: &Edited<'_>) -> bool {
    let Edited { old, new, hunks, .. } = edited;
    let gone: usize = hunks.iter().map(|hunk| hunk.old.len()).sum();
    let is_rewrite = gone * 3 > old.tokens.len() || new.tokens.len() > old.tokens.len() * 2;
    let only_words = hunks.iter().all(|hunk| {
        let of = |class| {
            let is = |token: &twin::Token| token.class == class;
            old.tokens[hunk.old.clone()].iter().chain(&new.tokens[hunk.new.clone()]).all(is)
        };
        of(Class::Text) || (of(Class::Name) && hunk.old.len() == hunk.new.len())
    });
    !hunks.is_empty() && !is_rewrite && !only_words
}

fn forgotten(target: &Target<'_>, meta: &Meta, edited: &Edited<'_>, old: &[Body]) -> Option<Finding> {
    let before = target.before?;
    let mut left = left_in(before, target.file, old, edited);
    if left.is_empty()
        && let Some(twins) = target.twins
    {
        let text = before.text.get(edited.old.bytes.clone())?;
        for other in twins.files(&before.path, text) {
            if left.len() > MOST_TWINS || is_apart(other.before.path.as_str()) {
                continue;
            }
            let Some(tree) = parse(&other.before) else { continue };
            left.extend(left_in(&other.before, &other.after, &bodies(&other.before, &tree), edited));
        }
    }
    (1..=MOST_TWINS).contains(&left.len()).then(|| finding(target, meta, edited, &left))
}

/// The twins of one file that both versions have word for word and to which the edit would apply.
fn left_in(before: &SourceFile, after: &SourceFile, old: &[Body], edited: &Edited<'_>) -> Vec<Left> {
    let own = (before.path == edited.before.path).then_some(&edited.old.bytes);
    let is_other = |body: &&Body| own.is_none_or(|own| body.bytes.end <= own.start || body.bytes.start >= own.end);
    old.iter()
        .filter(is_other)
        .filter_map(|body| {
            let alignment = twin::twins(edited.old, body)?;
            let text = before.text.get(body.bytes.clone())?;
            let start = after.text.find(text)?;
            (applies(&alignment, edited, body) && !has_it_already(edited, body)).then(|| Left {
                file: after.clone(),
                symbol: body.symbol.clone(),
                bytes: start..start + text.len(),
            })
        })
        .collect()
}

/// Whether every edit would apply to the twin: what it takes away and what stands near it on the same lines is there
/// word for word and in one piece.
fn applies(alignment: &Alignment, edited: &Edited<'_>, twin: &Body) -> bool {
    edited.hunks.iter().all(|hunk| {
        let around = near(edited, &hunk.old);
        let places: Option<Vec<usize>> = alignment.place[around.clone()].iter().copied().collect();
        places.is_some_and(|places| {
            let same = around.zip(&places).all(|(at, &other)| twin.tokens[other].word == edited.old.tokens[at].word);
            same && places.windows(2).all(|pair| pair[1] == pair[0] + 1)
        })
    })
}

/// Tokens beside an edit that must be the same in the twin.
const NEAR: usize = 5;

/// What an edit takes away, with what stands near it on the same lines and one token more on each side.
fn near(edited: &Edited<'_>, gone: &Range<usize>) -> Range<usize> {
    let tokens = &edited.old.tokens;
    let line = |at: usize| edited.before.lines.position(tokens[at].bytes.start).line;
    let first = gone.start.saturating_sub(1);
    let last = gone.end.min(tokens.len() - 1);
    let start = (first.saturating_sub(NEAR)..=first).find(|&at| line(at) == line(first)).unwrap_or(first);
    let end = (last..(last + NEAR).min(tokens.len())).rfind(|&at| line(at) == line(last)).unwrap_or(last);
    start..end + 1
}

/// Whether the twin has what an edit puts in, if at another place: then this edit catches up with it.
fn has_it_already(edited: &Edited<'_>, twin: &Body) -> bool {
    let new = &edited.new.tokens;
    let is_there = |put_in: &[twin::Token]| {
        let same = |there: &[twin::Token]| there.iter().zip(put_in).all(|(a, b)| a.word == b.word);
        twin.tokens.windows(put_in.len()).any(same)
    };
    let telling = edited.hunks.iter().filter(|hunk| hunk.new.len() >= TELLING);
    telling.flat_map(|hunk| slides(new, hunk)).any(|range| is_there(&new[range]))
}

/// Where an insertion may have begun as well: `a; b` put after `a;` is also `; a b` put before `;`.
fn slides(new: &[twin::Token], hunk: &Hunk) -> Vec<Range<usize>> {
    let mut all = vec![hunk.new.clone()];
    let mut range = hunk.new.clone();
    while hunk.old.is_empty() && range.start > 0 && new[range.start - 1].word == new[range.end - 1].word {
        range = range.start - 1..range.end - 1;
        all.push(range.clone());
    }
    range = hunk.new.clone();
    while hunk.old.is_empty() && range.end < new.len() && new[range.start].word == new[range.end].word {
        range = range.start + 1..range.end + 1;
        all.push(range.clone());
    }
    all
}

/// Tokens that do not follow each other in two places by chance.
const TELLING: usize = 4;

/// Whether a file stands apart from what is kept in step: tests, examples, old copies, histories.
fn is_apart(path: &str) -> bool {
    const WORDS: &[&str] = &[
        "test",
        "tests",
        "testing",
        "spec",
        "specs",
        "testdata",
        "fixture",
        "fixtures",
        "mock",
        "mocks",
        "example",
        "examples",
        "sample",
        "samples",
        "demo",
        "bench",
        "benches",
        "benchmark",
        "benchmarks",
        "migration",
        "migrations",
        "migrate",
        "old",
        "legacy",
        "deprecated",
        "backup",
        "bak",
        "orig",
        "archive",
        "attic",
        "vendor",
        "generated",
    ];
    crate::source::words(path).any(|range| WORDS.iter().any(|word| path[range.clone()].eq_ignore_ascii_case(word)))
}

fn finding(target: &Target<'_>, meta: &Meta, edited: &Edited<'_>, left: &[Left]) -> Finding {
    let file = target.file;
    let mut finding = meta.finding(file, told_at(target, edited));
    let short = |symbol: &str| symbol.rsplit('.').next().unwrap_or(symbol).to_owned();
    let place = |left: &Left| {
        let line = left.file.lines.position(left.bytes.start).line;
        match left.file.path == file.path {
            true => format!("`{}` (line {line})", left.symbol),
            false => format!("`{}` ({}:{line})", left.symbol, left.file.path),
        }
    };
    finding.what = format!(
        "`{}` is edited here, and its twin {} is not",
        short(&edited.new.symbol),
        left.iter().map(place).collect::<Vec<_>>().join(" and ")
    );
    finding.because.extend(left.iter().map(|left| {
        let line = left.file.lines.range(left.file.lines.position(left.bytes.start).line);
        Because {
            path: left.file.path.clone(),
            span: left.file.span(left.bytes.start..line.end.min(left.bytes.end)),
            note: "its twin, which still reads as before".into(),
        }
    }));
    finding
}

/// The first line with an edit that the change is answerable for.
fn told_at(target: &Target<'_>, edited: &Edited<'_>) -> Range<usize> {
    let file = target.file;
    let lines = edited.hunks.iter().flat_map(|hunk| {
        let first = hunk.new.start.min(edited.new.tokens.len() - 1);
        let last = hunk.new.end.saturating_sub(1).clamp(first, edited.new.tokens.len() - 1);
        let line = |at: usize| file.lines.position(edited.new.tokens[at].bytes.start).line;
        line(first)..=line(last)
    });
    let own = file.span(edited.new.bytes.clone()).lines();
    let touched = lines.chain(own).find(|&line| target.change.touched.contains(line));
    let range = file.lines.range(touched.unwrap_or(1));
    let text = file.text.get(range.clone()).unwrap_or("");
    let start = range.start + (text.len() - text.trim_start().len());
    start..range.start + text.trim_end().len().max(start - range.start)
}
