//! Which part of a change is asked about at once, and how is it shown?

use crate::{
    change::{FileChange, Line, LineSet, Tag},
    source::{RepoPath, SourceFile},
};

use super::clean::clean;

/// Lines shown before and after what was touched.
const AROUND: u32 = 8;

/// Touched places no further apart than this are shown together.
const NEAR: u32 = 2 * AROUND;

/// The most lines of one excerpt; a longer stretch is cut at its emptiest line.
const MOST_LINES: usize = 160;

/// A stretch of one file as a model is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The file.
    pub path: RepoPath,
    /// Its lines in diff order.
    pub lines: Vec<Shown>,
}

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Which version has it.
    pub tag: Tag,
    /// Its 1-based number in the new version; for a removed line that of the line that follows.
    pub number: u32,
    /// The text, cleaned, without a line ending.
    pub text: String,
    /// Whether that is exactly what the file says.
    pub is_exact: bool,
}

impl Excerpt {
    /// The stretches of a file that a change touches. Pure deletions are shown with what is around them.
    pub fn of(change: &FileChange, file: &SourceFile) -> Vec<Self> {
        let all = Lines::new(file);
        let mut stretches: Vec<(u32, u32)> = Vec::new();
        for (from, to) in places(change, all.count()) {
            let (from, to) = (from.saturating_sub(AROUND).max(1), (to + AROUND).min(all.count()));
            match stretches.last_mut() {
                Some(last) if from <= last.1 + (NEAR - 2 * AROUND) + 1 => last.1 = last.1.max(to),
                _ => stretches.push((from, to)),
            }
        }
        let removed = Removed::of(change);
        stretches
            .into_iter()
            .flat_map(|(from, to)| cut(all.shown(from, to, &change.touched, &removed)))
            .filter(|lines| lines.iter().any(|line| line.tag != Tag::Context))
            .map(|lines| Self { path: file.path.clone(), lines })
            .collect()
    }

    /// Lines around a place, for a question about it; each counts as touched.
    pub fn around(file: &SourceFile, from: u32, to: u32) -> Self {
        let all = Lines::new(file);
        let (first, last) = (from.saturating_sub(AROUND).max(1), (to + AROUND).min(all.count()));
        let touched = LineSet::from_iter(from..=to);
        let lines = all.shown(first, last, &touched, &Removed::default());
        Self { path: file.path.clone(), lines }
    }

    /// An excerpt from its [`Excerpt::text`]. Its lines are counted from 1.
    pub fn read(path: RepoPath, text: &str) -> Self {
        let mut number = 1;
        let mut shown = |line: &str| {
            let tag = match line.as_bytes().first() {
                Some(b'+') => Tag::Added,
                Some(b'-') => Tag::Removed,
                _ => Tag::Context,
            };
            let shown = Shown { tag, number, text: line.get(1..).unwrap_or_default().to_owned(), is_exact: true };
            number += u32::from(tag != Tag::Removed);
            shown
        };
        Self { path, lines: text.lines().map(&mut shown).collect() }
    }

    /// The excerpt as a diff without headers: `+`, `-` or a space before each line.
    pub fn text(&self) -> String {
        let mark = |tag| match tag {
            Tag::Added => '+',
            Tag::Removed => '-',
            Tag::Context => ' ',
        };
        self.lines.iter().map(|line| format!("{}{}\n", mark(line.tag), line.text)).collect()
    }

    /// The new version's lines, in order.
    pub fn new_lines(&self) -> impl Iterator<Item = &Shown> {
        self.lines.iter().filter(|line| line.tag != Tag::Removed)
    }

    /// First and last line that are the change's own, or stand beside what it removed.
    pub fn touched(&self) -> (u32, u32) {
        let own = || self.lines.iter().filter(|line| line.tag != Tag::Context).map(|line| line.number);
        (own().min().unwrap_or(1), own().max().unwrap_or(1))
    }
}

/// First and last line of each touched place, in order.
fn places(change: &FileChange, count: u32) -> Vec<(u32, u32)> {
    if change.hunks.is_empty() {
        return if change.touched.is_empty() || count == 0 { Vec::new() } else { vec![(1, count)] };
    }
    let mut places = Vec::new();
    for hunk in &change.hunks {
        let mut number = hunk.new.begin();
        for line in &hunk.lines {
            match line.tag {
                Tag::Added => places.push((number, number)),
                Tag::Removed => places.push((number.min(count.max(1)), number.min(count.max(1)))),
                Tag::Context => {}
            }
            number += u32::from(line.tag != Tag::Removed);
        }
    }
    places.sort_unstable();
    places.dedup();
    places
}

/// Removed lines by the number of the new version's line that follows them.
#[derive(Default)]
struct Removed(std::collections::BTreeMap<u32, Vec<String>>);

impl Removed {
    fn of(change: &FileChange) -> Self {
        let mut removed = Self::default();
        for hunk in &change.hunks {
            let mut number = hunk.new.begin();
            for Line { tag, bytes } in &hunk.lines {
                if *tag == Tag::Removed {
                    let text = String::from_utf8_lossy(bytes);
                    let text = clean(text.trim_end_matches(['\r', '\n']));
                    removed.0.entry(number).or_default().push(text);
                } else {
                    number += 1;
                }
            }
        }
        removed
    }
}

/// The lines of a file, cleaned together: a secret may span several.
struct Lines<'a> {
    file: &'a SourceFile,
    clean: Vec<String>,
}

impl<'a> Lines<'a> {
    fn new(file: &'a SourceFile) -> Self {
        Self { file, clean: clean(&file.text).lines().map(str::to_owned).collect() }
    }

    fn count(&self) -> u32 {
        self.clean.len() as u32
    }

    fn shown(&self, from: u32, to: u32, touched: &LineSet, removed: &Removed) -> Vec<Shown> {
        let mut lines = Vec::new();
        let gone = |number: u32, lines: &mut Vec<Shown>| {
            for text in removed.0.get(&number).into_iter().flatten() {
                lines.push(Shown { tag: Tag::Removed, number, text: text.clone(), is_exact: false });
            }
        };
        for number in from..=to {
            gone(number, &mut lines);
            let Some(text) = self.clean.get(number as usize - 1) else { break };
            let bytes = &self.file.bytes[self.file.lines.range(number)];
            let is_exact = bytes.trim_ascii_end() == text.as_bytes().trim_ascii_end();
            let tag = if touched.contains(number) { Tag::Added } else { Tag::Context };
            lines.push(Shown { tag, number, text: text.clone(), is_exact });
        }
        if to == self.count() {
            gone(to + 1, &mut lines);
        }
        lines
    }
}

/// Stretches of at most [`MOST_LINES`], cut after a line that is blank or little indented.
fn cut(mut lines: Vec<Shown>) -> Vec<Vec<Shown>> {
    let mut parts = Vec::new();
    while lines.len() > MOST_LINES {
        let weight = |line: &Shown| match line.text.trim() {
            "" => 0,
            _ => 1 + line.text.len() - line.text.trim_start().len(),
        };
        let at = (MOST_LINES / 2..MOST_LINES).min_by_key(|&at| (weight(&lines[at]), MOST_LINES - at));
        let rest = lines.split_off(at.unwrap_or(MOST_LINES - 1) + 1);
        parts.push(std::mem::replace(&mut lines, rest));
    }
    parts.push(lines);
    parts
}
