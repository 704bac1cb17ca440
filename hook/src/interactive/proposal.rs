//! What is there and what would be, in whole lines?

use std::{ops::Range, time::Duration};

use engine::{
    edit::{self, Edit},
    patch::VerifiedPatch,
    secret,
    source::{Newline, SourceFile},
};
use similar::{DiffOp, TextDiff};

/// Unchanged lines shown around changed ones.
const CONTEXT: usize = 4;
/// In longer lines only the ends that two lines share are left unmarked.
const LONGEST_COMPARED: usize = 2_000;
/// Two lines that share less have nothing marked: all of them is new.
const LIKE: f32 = 0.3;

/// The lines that a patch changes, and what it makes of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposal {
    /// Whole lines of the file, as bytes.
    pub(super) lines: Range<usize>,
    /// What stands there afterwards.
    pub(super) text: String,
}

impl Proposal {
    /// The proposal of a proven patch; `None` where its lines are not UTF-8, or it does not fit the file.
    pub(super) fn of(file: &SourceFile, patch: &VerifiedPatch) -> Option<Self> {
        let first = patch.edits().iter().map(|edit| edit.start).min()?;
        let last = patch.edits().iter().map(|edit| edit.end).max()?;
        let touched = file.span(first..last).lines();
        let start = file.lines.range(*touched.start()).start;
        // A byte-order mark stays out of an editor's way.
        let start = if start == 0 && file.bytes.starts_with(b"\xEF\xBB\xBF") && first >= 3 { 3 } else { start };
        let end = file.lines.range(*touched.end()).end.max(last);
        let move_back = |edit: &Edit| Edit::replace(edit.start - start..edit.end - start, edit.text.clone());
        let edits: Vec<Edit> = patch.edits().iter().map(move_back).collect();
        let text = edit::apply(file.bytes.get(start..end)?, &edits).ok()?;
        Some(Self { lines: start..end, text: String::from_utf8(text).ok()? })
    }

    /// What a person's editor left, with the line endings of the file; `None` where it is empty or as it was. Editors
    /// like to end a file with a newline: whether one belongs there, the suggested text says.
    pub(super) fn edited(&self, file: &SourceFile, written: &str) -> Option<String> {
        if written == self.text || written.trim().is_empty() {
            return None;
        }
        let ends = if self.text.is_empty() { file.text.get(self.lines.clone())? } else { &self.text };
        let mut text = written.strip_prefix('\u{FEFF}').unwrap_or(written).replace("\r\n", "\n");
        match (text.ends_with('\n'), ends.ends_with('\n')) {
            (true, false) => text.truncate(text.len() - 1),
            (false, true) => text.push('\n'),
            _ => {}
        }
        let text = if file.newline() == Newline::CrLf { text.replace('\n', "\r\n") } else { text };
        (text != self.text).then_some(text)
    }

    /// The whole file with another text in these lines.
    pub(super) fn file_with(&self, file: &SourceFile, text: &str) -> Vec<u8> {
        let before = file.bytes.get(..self.lines.start).unwrap_or_default();
        let after = file.bytes.get(self.lines.end..).unwrap_or_default();
        [before, text.as_bytes(), after].concat()
    }
}

/// One line of one version, as it is shown: secrets masked, without its ending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Side {
    /// 1-based.
    pub(super) line: u32,
    /// Its text.
    pub(super) text: String,
    /// What is to be marked in it, in bytes.
    pub(super) marks: Vec<Range<usize>>,
    /// Whether it ends without a line ending, as only the last line of a file can.
    pub(super) is_open: bool,
}

/// Lines that are shown beside each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// The same before and after.
    Same(Side, Side),
    /// Gone, come, or changed.
    Changed(Option<Side>, Option<Side>),
    /// A line of what was found, where nothing is offered.
    Found(Side),
    /// Lines that are left out.
    Gap,
}

/// A finding's lines with the lines around them.
pub(super) fn found(file: &SourceFile, span: Range<usize>) -> Vec<Row> {
    let text = Lines::of(secret::mask(&file.text).into_owned());
    let touched = file.span(span.clone()).lines();
    let (first, last) = (*touched.start() as usize - 1, *touched.end() as usize);
    let row = |at: usize| {
        let mut side = text.side(at)?;
        if !(first..last).contains(&at) {
            return Some(Row::Same(side.clone(), side));
        }
        let start = file.lines.range(side.line).start;
        let inside = |byte: usize| floor(&side.text, byte.saturating_sub(start));
        side.marks.push(inside(span.start)..inside(span.end));
        Some(Row::Found(side))
    };
    (first.saturating_sub(CONTEXT)..last + CONTEXT).filter_map(row).collect()
}

/// The last place at or before this byte where a character begins.
fn floor(text: &str, byte: usize) -> usize {
    let byte = byte.min(text.len());
    (0..=byte).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0)
}

/// What is there beside what would be, with this text in the lines of the proposal.
pub(super) fn compared(file: &SourceFile, proposal: &Proposal, text: &str) -> Vec<Row> {
    let changed = proposal.file_with(file, text);
    let changed = SourceFile::new(file.path.clone(), changed.into(), u64::MAX).map(|file| file.text);
    let old = Lines::of(secret::mask(&file.text).into_owned());
    let new = Lines::of(secret::mask(&changed.unwrap_or_default()).into_owned());
    let first = file.lines.position(proposal.lines.start).line as usize - 1;
    let replaced = first + count(file.text.get(proposal.lines.clone()).unwrap_or_default());
    let written = first + count(text);
    let mut rows = Rows { old: &old, new: &new, rows: Vec::new() };
    (first.saturating_sub(CONTEXT)..first).for_each(|at| rows.same(at, at));
    rows.between(first..replaced, first..written);
    (0..CONTEXT).for_each(|nth| rows.same(replaced + nth, written + nth));
    rows.rows
}

fn count(text: &str) -> usize {
    text.split_inclusive('\n').count()
}

struct Rows<'l> {
    old: &'l Lines,
    new: &'l Lines,
    rows: Vec<Row>,
}

impl Rows<'_> {
    fn same(&mut self, old: usize, new: usize) {
        if let (Some(old), Some(new)) = (self.old.side(old), self.new.side(new)) {
            self.rows.push(Row::Same(old, new));
        }
    }

    /// The lines that were replaced, aligned with those that replace them.
    fn between(&mut self, old: Range<usize>, new: Range<usize>) {
        let (before, after) = (self.old.slice(&old), self.new.slice(&new));
        let diff = TextDiff::configure().timeout(Duration::from_secs(1)).diff_slices(&before, &after);
        let last = diff.ops().len().saturating_sub(1);
        for (nth, op) in diff.ops().iter().enumerate() {
            let (olds, news) = (shifted(op.old_range(), old.start), shifted(op.new_range(), new.start));
            match op {
                DiffOp::Equal { .. } => self.equal(&olds, &news, nth == 0 || nth == last),
                _ => self.replaced(olds, news),
            }
        }
    }

    /// Lines that stay. Most of a long stretch between two changes is left out.
    fn equal(&mut self, old: &Range<usize>, new: &Range<usize>, is_at_an_end: bool) {
        let is_long = old.len() > 2 * CONTEXT + 1 && !is_at_an_end;
        for nth in 0..old.len() {
            match is_long && (CONTEXT..old.len() - CONTEXT).contains(&nth) {
                true if nth == CONTEXT => self.rows.push(Row::Gap),
                true => {}
                false => self.same(old.start + nth, new.start + nth),
            }
        }
    }

    fn replaced(&mut self, old: Range<usize>, new: Range<usize>) {
        for nth in 0..old.len().max(new.len()) {
            let there = old.clone().nth(nth).and_then(|at| self.old.side(at));
            let then = new.clone().nth(nth).and_then(|at| self.new.side(at));
            self.rows.push(match (there, then) {
                (Some(mut there), Some(mut then)) => {
                    (there.marks, then.marks) = differences(&there.text, &then.text);
                    Row::Changed(Some(there), Some(then))
                }
                (there, then) => Row::Changed(there, then),
            });
        }
    }
}

fn shifted(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

/// A text whose lines can be had by number.
struct Lines {
    text: String,
    starts: Vec<usize>,
}

impl Lines {
    fn of(text: String) -> Self {
        let mut starts = vec![0];
        starts.extend(text.match_indices('\n').map(|(at, _)| at + 1));
        if starts.last() != Some(&text.len()) {
            starts.push(text.len());
        }
        Self { text, starts }
    }

    /// The line with its ending; 0-based.
    fn whole(&self, at: usize) -> Option<&str> {
        self.text.get(*self.starts.get(at)?..*self.starts.get(at + 1)?)
    }

    fn slice(&self, lines: &Range<usize>) -> Vec<&str> {
        lines.clone().map_while(|at| self.whole(at)).collect()
    }

    fn side(&self, at: usize) -> Option<Side> {
        let whole = self.whole(at)?;
        let text = whole.strip_suffix('\n').map_or(whole, |text| text.strip_suffix('\r').unwrap_or(text));
        let line = u32::try_from(at + 1).unwrap_or(u32::MAX);
        Some(Side { line, text: text.to_owned(), marks: Vec::new(), is_open: !whole.ends_with('\n') })
    }
}

/// Which bytes of two lines differ, by words.
fn differences(old: &str, new: &str) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    if old.len().max(new.len()) > LONGEST_COMPARED {
        return (vec![own(old, new)], vec![own(new, old)]);
    }
    let (olds, news) = (words(old), words(new));
    let diff = TextDiff::from_slices(&olds, &news);
    if diff.ratio() < LIKE {
        return (Vec::new(), Vec::new());
    }
    let bytes = |words: &[&str], range: Range<usize>| {
        let before: usize = words.iter().take(range.start).map(|word| word.len()).sum();
        let inside: usize = words.iter().skip(range.start).take(range.len()).map(|word| word.len()).sum();
        before..before + inside
    };
    let changed = diff.ops().iter().filter(|op| !matches!(op, DiffOp::Equal { .. }));
    let (olds, news) = (&olds, &news);
    changed.map(|op| (bytes(olds, op.old_range()), bytes(news, op.new_range()))).unzip()
}

/// What of `text` is between the ends that it shares with the other.
fn own(text: &str, other: &str) -> Range<usize> {
    let same = |(a, b): &(char, char)| a == b;
    let start: usize = text.chars().zip(other.chars()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    let rest = (text.get(start..).unwrap_or_default(), other.get(start..).unwrap_or_default());
    let end: usize = rest.0.chars().rev().zip(rest.1.chars().rev()).take_while(same).map(|(c, _)| c.len_utf8()).sum();
    start..text.len() - end
}

/// The text cut into names, stretches of white space, and single other characters.
fn words(text: &str) -> Vec<&str> {
    let kind = |c: char| match c {
        c if c.is_alphanumeric() || c == '_' => 0,
        c if c.is_whitespace() => 1,
        _ => 2,
    };
    let mut cuts = vec![0];
    for ((_, before), (at, here)) in text.char_indices().zip(text.char_indices().skip(1)) {
        if kind(before) != kind(here) || kind(here) == 2 {
            cuts.push(at);
        }
    }
    cuts.push(text.len());
    cuts.windows(2).filter_map(|pair| text.get(pair[0]..pair[1])).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use engine::source::RepoPath;

    use super::*;

    fn file(text: &str) -> SourceFile {
        let path = RepoPath::new("a.py").expect("a path");
        SourceFile::new(path, text.as_bytes().into(), u64::MAX).expect("a text")
    }

    fn drawn(rows: &[Row]) -> String {
        let side = |side: &Option<Side>, sign: &str| match side {
            Some(side) => {
                let mut text = side.text.clone();
                for mark in side.marks.iter().rev() {
                    text.insert(mark.end, ']');
                    text.insert(mark.start, '[');
                }
                format!("{sign}{} {text}{}\n", side.line, if side.is_open { "¬" } else { "" })
            }
            None => String::new(),
        };
        let row = |row: &Row| match row {
            Row::Same(old, new) => side(&Some(old.clone()), " ").trim_end().to_owned() + &format!(" ={}\n", new.line),
            Row::Changed(old, new) => side(old, "-") + &side(new, "+"),
            Row::Found(found) => side(&Some(found.clone()), ">"),
            Row::Gap => "...\n".into(),
        };
        rows.iter().map(row).collect()
    }

    fn proposal(file: &SourceFile, lines: Range<u32>, text: &str) -> Proposal {
        let start = file.lines.range(lines.start).start;
        Proposal { lines: start..file.lines.range(lines.end - 1).end, text: text.into() }
    }

    #[test]
    fn changed_lines_stand_beside_each_other_with_their_words_marked() {
        let file = file("1\n2\n3\n4\n5\nx = eval(text)\n7\n");
        let proposal = proposal(&file, 6..7, "import ast\nx = ast.literal_eval(text)\n");
        insta::assert_snapshot!(drawn(&compared(&file, &proposal, &proposal.text)), @r"
         2 2 =2
         3 3 =3
         4 4 =4
         5 5 =5
        -6 x = eval(text)
        +6 import ast
        +7 x = ast.literal_eval(text)
         7 7 =8
        ");
        let rows = compared(&file, &proposal, "x = evaluate(text)\n");
        assert!(drawn(&rows).contains("-6 x = [eval](text)\n+6 x = [evaluate](text)\n"), "{}", drawn(&rows));
    }

    #[test]
    fn a_last_line_without_its_newline_says_so() {
        let file = file("a\nb");
        let proposal = proposal(&file, 2..3, "c");
        assert_eq!(drawn(&compared(&file, &proposal, "c")), " 1 a =1\n-2 b¬\n+2 c¬\n");
        assert_eq!(drawn(&compared(&file, &proposal, "b\n")), " 1 a =1\n-2 b¬\n+2 b\n");
        assert_eq!(drawn(&compared(&file, &proposal, "")), " 1 a =1\n-2 b¬\n");
    }

    #[test]
    fn changes_far_apart_leave_out_what_is_between() {
        let text: String = (1..=40).map(|line| format!("l{line}\n")).collect();
        let file = file(&text);
        let proposal = proposal(&file, 10..31, &text[file.lines.range(10).start..file.lines.range(30).end]);
        let changed = proposal.text.replace("l10\n", "first\n").replace("l30\n", "last\n");
        let rows = drawn(&compared(&file, &proposal, &changed));
        assert!(rows.contains("+10 first\n 11 l11 =11\n"), "{rows}");
        assert!(rows.contains(" 14 l14 =14\n...\n 26 l26 =26\n"), "{rows}");
        assert!(rows.ends_with(" 34 l34 =34\n"), "{rows}");
    }

    #[test]
    fn what_was_found_is_marked_where_nothing_is_offered() {
        let file = file("a\n  bad(1)\nc\n");
        assert_eq!(drawn(&found(&file, 4..7)), " 1 a =1\n>2   [bad](1)\n 3 c =3\n");
        let past_the_end = drawn(&found(&file, 999..9_999));
        assert!(past_the_end.starts_with(" 1 a") && past_the_end.ends_with(" 3 c =3\n"), "{past_the_end}");
    }

    #[test]
    fn secrets_are_masked_on_both_sides() {
        let token = concat!("ghp", "_kT8vQ2mZx7LbN4cRw9YpJ3sHd6FgEa", "34bvNH");
        let file = file(&format!("a = '{token}'\n"));
        let proposal = proposal(&file, 1..2, &format!("b = '{token}'\n"));
        let rows = drawn(&compared(&file, &proposal, &proposal.text));
        assert!(rows.contains("ghp_****") && !rows.contains("kT8v"), "{rows}");
    }

    #[test]
    fn an_edited_text_keeps_the_file_in_shape() {
        let unix = file("a\nb\nc");
        let inner = proposal(&unix, 2..3, "B\n");
        assert_eq!(inner.edited(&unix, "X").as_deref(), Some("X\n"));
        assert_eq!(inner.edited(&unix, "X\r\nY\r\n").as_deref(), Some("X\nY\n"));
        assert_eq!(
            (inner.edited(&unix, "B\n"), inner.edited(&unix, "B"), inner.edited(&unix, " \n")),
            (None, None, None)
        );
        let last = proposal(&unix, 3..4, "C");
        assert_eq!(last.edited(&unix, "D\n").as_deref(), Some("D"));
        let windows = file("a\r\nb\r\n");
        assert_eq!(proposal(&windows, 2..3, "B\r\n").edited(&windows, "X\nY\n").as_deref(), Some("X\r\nY\r\n"));
        assert_eq!(inner.file_with(&unix, "X\n"), b"a\nX\nc");
    }

    #[test]
    fn long_lines_are_compared_by_their_ends() {
        let (old, new) = (format!("{}a{}", "x".repeat(3_000), "y"), format!("{}bc{}", "x".repeat(3_000), "y"));
        let (olds, news) = differences(&old, &new);
        assert_eq!((olds.first(), news.first()), (Some(&(3_000..3_001)), Some(&(3_000..3_002))));
    }
}
