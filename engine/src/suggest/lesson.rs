//! What would be asked about this code, and what would be a right answer? The words that a model learns from: the same as
//! those in which it is asked and in which its answer is read.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

use super::{
    Anchor, Excerpt, Lost, Nonce, Piece, Prompts, Remark, Task, Weight,
    anchor::{self, Fit},
    clean::clean,
    decode::{self, Change, Changes, Remarks},
    mend, prompt, words,
};
use crate::{
    edit::{self, Edit},
    finding::{Finding, Severity},
    model::chat::Turn,
    patch::VerifiedPatch,
    source::SourceFile,
};

/// Changed when what is kept of answers can no longer be made into questions and answers; other words around them are no
/// reason.
pub const FORM: u32 = 1;

/// An answer is looked for again with so many lines more around it, where its lines stand in several places.
const MOST_AROUND: u32 = 3;

/// Why an answer cannot be taught: given by a model, it would not be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLesson {
    /// It is longer than what is asked for, or empty where something is asked for.
    #[error("it does not fit the form that is asked for: {0}")]
    Form(&'static str),
    /// What it quotes has no place.
    #[error("{0}")]
    Lost(#[from] Lost),
}

/// The turns in which a model is asked this about these pieces. The fence is made of the pieces: the same for the same
/// question, so that data made of it is the same again, and as unlike others as that of a run.
pub fn turns(prompts: &Prompts, task: Task, pieces: &[Piece]) -> Vec<Turn> {
    let mut seed = format!("{task:?}");
    for Piece { kind, title, text, .. } in pieces {
        seed.push_str(&format!("\0{kind:?}\0{title}\0{text}"));
    }
    prompt::question(prompts, &Nonce::of(&seed), task, pieces)
}

/// The answer to [`Task::Review`] that says this about an excerpt, as [`Suggester::review`](super::Suggester::review)
/// takes it.
///
/// # Errors
/// [`NoLesson`] when it would not take it.
pub fn remarks(remarks: &[Remark], excerpt: &Excerpt) -> Result<String, NoLesson> {
    decode::fit_remarks(remarks).map_err(NoLesson::Form)?;
    for remark in remarks {
        anchor::locate(&remark.quote, excerpt)?;
    }
    Ok(json(&Remarks { findings: remarks.to_vec() }))
}

/// What an answer to [`Task::Review`] says.
///
/// # Errors
/// Why it would not be read, in a sentence.
pub fn read_remarks(answer: &str) -> Result<Vec<Remark>, String> {
    decode::read::<Remarks>(answer).map(|read| read.findings)
}

/// The answer to [`Task::Fix`] that makes these edits of an excerpt, as [`Suggester::mend`](super::Suggester::mend) takes
/// it.
///
/// # Errors
/// [`NoLesson`] when it would not take it.
pub fn changes(explanation: &str, edits: &[Change], excerpt: &Excerpt) -> Result<String, NoLesson> {
    let explanation = words::one_line(explanation, decode::EXPLANATION - 1);
    decode::fit_changes(&explanation, edits).map_err(NoLesson::Form)?;
    for edit in edits {
        anchor::locate(&edit.quote, excerpt)?;
    }
    Ok(json(&Changes { explanation, edits: edits.to_vec() }))
}

/// What a model would say to be given this finding, without a patch; none where the lines it is about are not shown, or
/// stand there several times.
pub fn remark(finding: &Finding, excerpt: &Excerpt) -> Option<Remark> {
    let problem = words::one_line(&finding.what, decode::PROBLEM - 1);
    let lines = finding.span.lines();
    Some(Remark {
        quote: quote(excerpt, (*lines.start(), *lines.end()))?,
        problem: problem.trim_end_matches('.').to_owned(),
        why: words::one_line(&finding.why, decode::WHY - 1),
        category: finding.category,
        severity: if finding.severity == Severity::Info { Weight::Info } else { Weight::Warning },
        confidence: finding.confidence,
        replacement: None,
    })
}

/// A patch in whole lines of an excerpt, which make the very same of the file; none where that cannot be said.
pub fn edits(patch: &VerifiedPatch, file: &SourceFile, excerpt: &Excerpt) -> Vec<Change> {
    let Ok(after) = patch.apply(&file.bytes) else { return Vec::new() };
    let is_same = |changes: &Vec<Change>| {
        let fix = mend::fix(file, excerpt, changes).ok();
        fix.and_then(|fix| edit::apply(&file.bytes, fix.edits()).ok()).is_some_and(|made| made == after)
    };
    let is_short = |changes: &Vec<Change>| decode::fit_changes("", changes).is_ok();
    let with = |around| changed_lines(patch.edits(), file, excerpt, around);
    (0..=MOST_AROUND).filter_map(with).filter(is_short).find(is_same).unwrap_or_default()
}

/// What stands in place of lines, as an edit of an excerpt; none where the lines are not there as they were.
pub fn instead(before: &str, after: &str, excerpt: &Excerpt) -> Option<Change> {
    let bare = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    let change = Change { quote: bare(before), replacement: bare(after) };
    let is_plain = clean(&change.quote) == change.quote && clean(&change.replacement) == change.replacement;
    let is_there = matches!(anchor::locate(&change.quote, excerpt), Ok(Anchor { fit: Fit::Lines, .. }));
    (is_plain && is_there && change.quote != change.replacement).then_some(change)
}

/// Lines of an excerpt as they are quoted: the first that fit, with more around them where they stand in several places.
fn quote(excerpt: &Excerpt, (from, to): (u32, u32)) -> Option<String> {
    let around = |around: u32| {
        let lines = shown(excerpt, (from.saturating_sub(around), to.saturating_add(around)));
        let quote = longest(&lines);
        let found = anchor::locate(&quote, excerpt).ok()?.lines;
        found.contains(&from).then_some(quote)
    };
    (0..=MOST_AROUND).find_map(around)
}

/// As many lines from the first on as a quote may have.
fn longest(lines: &[&str]) -> String {
    let mut quote = String::new();
    for line in lines {
        if quote.chars().count() + 1 + line.chars().count() > decode::QUOTE {
            break;
        }
        if !quote.is_empty() {
            quote.push('\n');
        }
        quote.push_str(line);
    }
    quote
}

/// The new version's lines between two numbers, as they are shown.
fn shown(excerpt: &Excerpt, (from, to): (u32, u32)) -> Vec<&str> {
    excerpt.new_lines().filter(|line| (from..=to).contains(&line.number)).map(|line| line.text.trim_end()).collect()
}

/// Edits as replaced lines, with so many lines around each.
fn changed_lines(edits: &[Edit], file: &SourceFile, excerpt: &Excerpt, around: u32) -> Option<Vec<Change>> {
    let last_line = file.lines.count();
    let mut stretches: Vec<(u32, u32, Vec<&Edit>)> = Vec::new();
    for edit in edits {
        let lines = file.span(edit.start..edit.end).lines();
        // What is put after the last line hangs on it.
        let from = (*lines.start()).min(last_line).saturating_sub(around).max(1);
        let to = (*lines.end()).saturating_add(around).min(last_line);
        match stretches.last_mut() {
            Some(last) if from <= last.1 + 1 => {
                last.1 = last.1.max(to);
                last.2.push(edit);
            }
            _ => stretches.push((from, to, vec![edit])),
        }
    }
    stretches.into_iter().map(|(from, to, edits)| changed((from, to), &edits, file, excerpt)).collect()
}

fn changed((from, to): (u32, u32), edits: &[&Edit], file: &SourceFile, excerpt: &Excerpt) -> Option<Change> {
    let (start, end) = (file.lines.range(from).start, file.lines.range(to).end);
    let moved = |edit: &&Edit| {
        let range = edit.start.checked_sub(start)?..edit.end.checked_sub(start)?;
        Some(Edit::replace(range, edit.text.clone()))
    };
    let moved: Vec<Edit> = edits.iter().map(moved).collect::<Option<_>>()?;
    let after = String::from_utf8(edit::apply(file.bytes.get(start..end)?, &moved).ok()?).ok()?;
    let replacement = after.lines().collect::<Vec<_>>().join("\n");
    let quote = shown(excerpt, (from, to)).join("\n");
    (clean(&replacement) == replacement).then_some(Change { quote, replacement })
}

/// JSON in the layout that the local engine holds answers to: a blank after each comma and colon.
fn json(answer: &impl Serialize) -> String {
    let mut out = Vec::new();
    let written = answer.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced));
    // Strings and lists have no way to fail.
    written.ok().and_then(|()| String::from_utf8(out).ok()).unwrap_or_default()
}

struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        change::LineSet,
        edit::Fix,
        finding::{Category, CheckId, Confidence, Fingerprint},
        patch::{Claim, prove},
        source::RepoPath,
    };

    const TEXT: &str =
        "import os\n\n\ndef f(a):\n    if a == None:\n        return 1\n    if a == None:\n        return 2\n";

    fn file(text: &str) -> SourceFile {
        SourceFile::new(RepoPath::new("a.py").unwrap(), text.as_bytes().into(), 10_000).unwrap()
    }

    fn finding(file: &SourceFile, bytes: std::ops::Range<usize>) -> Finding {
        Finding {
            check: CheckId::from("python/equals-none"),
            category: Category::Bug,
            severity: Severity::Error,
            confidence: Confidence::High,
            path: file.path.clone(),
            span: file.span(bytes),
            what: "`==` asks the object.".into(),
            why: "w".repeat(400),
            because: Vec::new(),
            cwe: None,
            url: None,
            fix: None,
            fingerprint: Fingerprint::default(),
        }
    }

    fn patch(file: &SourceFile, edits: Vec<Edit>) -> VerifiedPatch {
        let finding = finding(file, 0..file.bytes.len());
        let claim = Claim { file, finding: &finding, found: &[], allowed: &LineSet::all(), is_checked: false };
        prove(&claim, &Fix::unsafe_(edits).unwrap(), &mut |_| Vec::new()).unwrap()
    }

    #[test]
    fn what_is_taught_is_what_is_read() {
        let file = file(TEXT);
        let excerpt = Excerpt::around(&file, 1, 8);
        let at = TEXT.rfind("a == None").unwrap();
        let one = remark(&finding(&file, at..at + 9), &excerpt).unwrap();
        // The line stands there twice; with the next one it does not.
        assert_eq!(one.quote, "        return 1\n    if a == None:\n        return 2");
        let remark = Remark { replacement: Some("    if a is None:".into()), ..one };
        let answer = remarks(std::slice::from_ref(&remark), &excerpt).unwrap();
        assert_eq!(read_remarks(&answer), Ok(vec![remark.clone()]));
        assert_eq!(remarks(&[], &excerpt).unwrap(), "{\"findings\": []}");
        let keys =
            ["{\"findings\": [{\"quote\": ", ", \"problem\": ", ", \"why\": ", ", \"category\": \"bug\", \"severity\""];
        assert!(keys.iter().all(|key| answer.contains(key)), "{answer}");
        let lost = Remark { quote: "nowhere".into(), ..remark.clone() };
        assert_eq!(remarks(&[lost], &excerpt), Err(NoLesson::Lost(Lost::Nowhere)));
        let long = Remark { why: "w".repeat(301), ..remark };
        assert!(matches!(remarks(&[long], &excerpt), Err(NoLesson::Form(_))));
    }

    #[test]
    fn a_patch_in_lines_makes_the_same_of_the_file() {
        let file = file(TEXT);
        let excerpt = Excerpt::around(&file, 1, 8);
        let at = TEXT.rfind("== None").unwrap();
        for made in [
            vec![Edit::replace(at..at + 7, "is None")],
            vec![Edit::insert(0, "import re\n"), Edit::replace(at..at + 7, "is None")],
            vec![Edit::insert(TEXT.len(), "    return 3\n")],
            vec![Edit::delete(0..10)],
        ] {
            let patch = patch(&file, made);
            let found = edits(&patch, &file, &excerpt);
            assert!(!found.is_empty(), "{patch:?}");
            let answer = changes("say `is`", &found, &excerpt).unwrap();
            let read: Changes = decode::read(&answer).unwrap();
            let fix = mend::fix(&file, &excerpt, &read.edits).unwrap();
            assert_eq!(edit::apply(&file.bytes, fix.edits()).unwrap(), patch.apply(&file.bytes).unwrap());
        }
        let far = patch(&file, vec![Edit::insert(0, "import re\n")]);
        assert_eq!(edits(&far, &file, &Excerpt { lines: excerpt.lines[4..].to_vec(), ..excerpt }), []);
    }

    #[test]
    fn the_same_question_has_the_same_fence_and_the_words_of_a_run() {
        let piece = |text: &str| Piece {
            kind: crate::suggest::Kind::Change,
            title: "a.py".into(),
            text: text.into(),
            value: 1.0,
        };
        let ask = |text: &str| turns(&Prompts::default(), Task::Review, &[piece(text)]);
        assert_eq!(ask("+x = 1\n"), ask("+x = 1\n"));
        assert_ne!(ask("+x = 1\n")[0], ask("+x = 2\n")[0]);
        let nonce = Nonce::new().unwrap();
        let of_a_run = prompt::question(&Prompts::default(), &nonce, Task::Review, &[piece("+x = 1\n")]);
        let text = ask("+x = 1\n")[1].text.clone();
        let own = text["<<<".len()..].split(' ').next().unwrap().to_owned();
        assert_eq!(text.replace(&own, "N"), nonce.hide(&of_a_run[1].text).replace(&"0".repeat(32), "N"));
    }

    #[test]
    fn an_excerpt_is_read_from_its_text() {
        let file = file(TEXT);
        let excerpt = Excerpt::around(&file, 1, 8);
        let read = Excerpt::read(file.path.clone(), &excerpt.text());
        assert_eq!(read.text(), excerpt.text());
        assert_eq!(read, excerpt);
    }
}
