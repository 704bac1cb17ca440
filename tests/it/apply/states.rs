//! Which states can an index and a work tree be in, and what must a fix make of each?

use std::{fs, path::Path};

use proptest::prelude::*;

/// One state: a few files with a fix each, and what else lies in the work tree.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) files: Vec<FileState>,
    pub(crate) untracked: Vec<(String, String)>,
    pub(crate) intent_to_add: bool,
}

/// What is done to one line, and what is put before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Edit {
    Keep,
    Replace,
    Delete,
    InsertBefore,
}

/// What the work tree has that the index has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unstaged {
    Edits(Vec<Edit>),
    /// The same, and every line ends in CRLF while the index has LF.
    EditsInCrlf(Vec<Edit>),
    Deleted,
    ModeOnly,
    Link,
}

#[derive(Debug, Clone)]
pub(crate) struct FileState {
    pub(crate) path: String,
    lines: Vec<String>,
    newline: &'static str,
    ends_in_newline: bool,
    pub(crate) executable: bool,
    fix: Vec<Edit>,
    pub(crate) unstaged: Unstaged,
}

/// What has to become of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expected {
    /// It must land, and the work tree must hold this (none: no file).
    Lands(Option<Vec<u8>>),
    /// The edits touch without overlapping: it may land, with exactly this, or be left.
    Either(Option<Vec<u8>>),
    /// It must be left alone.
    Meets,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![12 => Just(Edit::Keep), 2 => Just(Edit::Replace), 1 => Just(Edit::Delete), 2 => Just(Edit::InsertBefore)]
}

fn file() -> impl Strategy<Value = FileState> {
    let shape = (
        1usize..25,
        prop_oneof![4 => Just("\n"), 1 => Just("\r\n")],
        prop::bool::weighted(0.8),
        prop::bool::weighted(0.2),
    );
    shape.prop_flat_map(|(count, newline, ends_in_newline, executable)| {
        let edits = || prop::collection::vec(edit(), count);
        let unstaged = prop_oneof![
            8 => edits().prop_map(Unstaged::Edits),
            2 => edits().prop_map(Unstaged::EditsInCrlf),
            1 => Just(Unstaged::Deleted),
            1 => Just(Unstaged::ModeOnly),
            1 => Just(Unstaged::Link),
        ];
        let lines = prop::collection::vec("[a-zé ]{0,12}", count);
        (lines, edits(), unstaged).prop_map(move |(words, mut fix, unstaged)| {
            if fix.iter().all(|edit| *edit == Edit::Keep) {
                fix[0] = Edit::Replace;
            }
            let lines = words.iter().enumerate().map(|(at, word)| format!("{at}: {word}")).collect();
            FileState { path: String::new(), lines, newline, ends_in_newline, executable, fix, unstaged }
        })
    })
}

pub(crate) fn state() -> impl Strategy<Value = State> {
    let untracked = prop::collection::vec(("[a-z]{1,6}", "[a-z\n]{0,20}"), 0..3);
    (prop::collection::vec(file(), 1..5), untracked, any::<bool>()).prop_map(|(mut files, untracked, intent_to_add)| {
        let folders = ["", "a/", "a/b c/", "ü/"];
        for (at, file) in files.iter_mut().enumerate() {
            file.path = format!("{}file{at}.txt", folders[at % folders.len()]);
        }
        let untracked = untracked.into_iter().map(|(name, text)| (format!("untracked-{name}"), text)).collect();
        State { files, untracked, intent_to_add }
    })
}

/// The lines with the edits of up to two hands. `None` where they want different things of
/// one line.
fn edited(lines: &[String], hands: &[(&str, &[Edit])]) -> Option<Vec<String>> {
    let mut out = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let mut kept = Some(line.clone());
        let mut hands_here = None;
        for (who, edits) in hands {
            if edits[at] == Edit::Keep {
                continue;
            }
            // Two hands deleting one line want the same.
            if hands_here.replace(&edits[at]).is_some_and(|other| (other, &edits[at]) != (&Edit::Delete, &Edit::Delete))
            {
                return None;
            }
            match edits[at] {
                Edit::Keep => {}
                Edit::Replace => kept = Some(format!("{who} replaced {at}")),
                Edit::Delete => kept = None,
                Edit::InsertBefore => out.push(format!("{who} inserted {at}")),
            }
        }
        out.extend(kept);
    }
    Some(out)
}

impl FileState {
    fn text(&self, lines: &[String], newline: &str) -> Vec<u8> {
        let mut text = lines.join(newline);
        if self.ends_in_newline && !lines.is_empty() {
            text.push_str(newline);
        }
        text.into_bytes()
    }

    /// What is staged.
    pub(crate) fn before(&self) -> Vec<u8> {
        self.text(&self.lines, self.newline)
    }

    /// What is staged, with the fix.
    pub(crate) fn after(&self) -> Vec<u8> {
        let lines = edited(&self.lines, &[("fix", &self.fix)]).expect("one hand alone meets nobody");
        self.text(&lines, self.newline)
    }

    fn mine(&self, edits: &[Edit]) -> Vec<String> {
        edited(&self.lines, &[("mine", edits)]).expect("one hand alone meets nobody")
    }

    pub(crate) fn make_unstaged_edits(&self, path: &Path) {
        match &self.unstaged {
            Unstaged::Edits(edits) if edits.iter().all(|edit| *edit == Edit::Keep) => {}
            Unstaged::Edits(edits) => write(path, &self.text(&self.mine(edits), self.newline)),
            Unstaged::EditsInCrlf(edits) => write(path, &self.text(&self.mine(edits), "\r\n")),
            Unstaged::Deleted => fs::remove_file(path).expect("our own file"),
            Unstaged::ModeOnly => set_executable(path, !self.executable),
            Unstaged::Link => {
                fs::remove_file(path).expect("our own file");
                link(path);
            }
        }
    }

    /// What must become of it, worked out from the edits and not by merging texts.
    pub(crate) fn expected(&self) -> Expected {
        let (mine, newline) = match &self.unstaged {
            Unstaged::Deleted => return Expected::Lands(None),
            Unstaged::Link => return Expected::Meets,
            Unstaged::ModeOnly => return Expected::Lands(Some(self.after())),
            Unstaged::Edits(edits) => (edits, self.newline),
            // A text of one line says nothing about how its lines would end.
            Unstaged::EditsInCrlf(edits) if self.text(&self.mine(edits), "\n").iter().all(|byte| *byte != b'\n') => {
                (edits, self.newline)
            }
            Unstaged::EditsInCrlf(edits) => (edits, "\r\n"),
        };
        let Some(lines) = edited(&self.lines, &[("fix", &self.fix), ("mine", mine)]) else {
            return Expected::Meets;
        };
        let wanted = Some(self.text(&lines, newline));
        if self.are_apart(mine) { Expected::Lands(wanted) } else { Expected::Either(wanted) }
    }

    /// Whether a line that neither touches lies between any two edits of different hands, and the text ends alike.
    fn are_apart(&self, mine: &[Edit]) -> bool {
        let touches = |edits: &[Edit], at: usize| edits.get(at).is_some_and(|edit| *edit != Edit::Keep);
        let near = |at: usize| (at.saturating_sub(2)..=at + 2).any(|other| touches(&self.fix, other));
        // A last line without a newline changes when a neighbor goes.
        let (count, tail) = (mine.len(), 3);
        let at_the_end = !self.ends_in_newline
            && (count.saturating_sub(tail)..count).any(|at| touches(mine, at) || touches(&self.fix, at));
        !at_the_end && !(0..count).any(|at| touches(mine, at) && near(at))
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).expect("our own file");
}

#[cfg(unix)]
pub(crate) fn set_executable(path: &Path, executable: bool) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("permissions of our own file");
}

#[cfg(not(unix))]
pub(crate) fn set_executable(_: &Path, _: bool) {}

#[cfg(unix)]
fn link(path: &Path) {
    std::os::unix::fs::symlink("nowhere", path).expect("a link");
}

#[cfg(not(unix))]
fn link(path: &Path) {
    fs::create_dir(path).expect("a folder");
}
