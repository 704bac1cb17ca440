//! Which texts does a diff from outside stand between? Those of the repository it was made for, where they are found.

use std::{collections::BTreeMap, sync::Arc};

use super::{Change, FileChange, Hunk, Kind, Line, Origin, Tag, Versions, apply_hunks, revert_hunks};
use crate::{
    notice::Notice,
    source::{BlobId, Content, RepoPath, SourceError, Sources},
};

/// Where to look for the two versions of a file.
pub struct Places<'a> {
    /// The files on disk.
    pub work_tree: &'a dyn Sources,
    /// Other versions to look in for the old side, nearest first: the index, HEAD.
    pub others: &'a [&'a dyn Sources],
    /// A blob by its id, which may be abbreviated; none where there is no such blob, or more than one.
    pub blob: &'a dyn Fn(&BlobId) -> Option<Arc<[u8]>>,
}

/// The versions that the files of a diff stand between. Total: of a file that is found on neither side, the lines the
/// diff itself holds are an excerpt, and a Notice says so.
pub fn versions(name: &str, files: Vec<FileChange>, mut notices: Vec<Notice>, places: &Places<'_>) -> Versions {
    let (mut old, mut new) = (Found::default(), Found::default());
    let mut kept = Vec::with_capacity(files.len());
    for mut file in files {
        if file.kind == Kind::Text {
            match find(&mut file, places) {
                Some((before, after)) => {
                    old.0.extend(before.map(|bytes| (file.path_before().clone(), bytes)));
                    new.0.extend(after.map(|bytes| (file.path.clone(), bytes)));
                }
                None => {
                    notices.push(not_found(&file.path));
                    file.kind = Kind::Excerpt;
                    match excerpt(&file.hunks) {
                        Some(bytes) => drop(new.0.insert(file.path.clone(), bytes.into())),
                        None => notices.push(Notice::failure(&file.path, "its line numbers are too high to be read")),
                    }
                }
            }
        }
        kept.push(file);
    }
    let change = Change { origin: Origin::Diff { name: name.to_owned() }, files: kept };
    Versions { change, old: Arc::new(old), new: Arc::new(new), notices }
}

fn not_found(path: &RepoPath) -> Notice {
    Notice::failure(path, "the diff fits neither the file here nor a version in git; only its added lines were looked at, by the checks that need no whole file")
        .advise("run it in the repository the diff was made for, with its commits fetched")
}

/// Texts found for a diff.
#[derive(Default)]
struct Found(BTreeMap<RepoPath, Arc<[u8]>>);

impl Sources for Found {
    fn read(&self, path: &RepoPath) -> Result<Option<Content>, SourceError> {
        Ok(self.0.get(path).cloned().map(Content::Bytes))
    }

    fn list(&self) -> Result<Vec<RepoPath>, SourceError> {
        Ok(self.0.keys().cloned().collect())
    }
}

type Pair = (Option<Arc<[u8]>>, Option<Arc<[u8]>>);

/// The texts before and after. Hunks that a mail or a tool gave other line endings get the file's.
fn find(file: &mut FileChange, places: &Places<'_>) -> Option<Pair> {
    if let Some(pair) = fit(file, &file.hunks, places) {
        return Some(pair);
    }
    let other = with_other_endings(&file.hunks)?;
    let pair = fit(file, &other, places)?;
    file.hunks = other;
    Some(pair)
}

fn fit(file: &FileChange, hunks: &[Hunk], places: &Places<'_>) -> Option<Pair> {
    let keep = |is_there: bool, bytes: Vec<u8>| is_there.then(|| bytes.into());
    let after = [read(places.work_tree, &file.path), blob(places, file.new_blob.as_ref())];
    for after in after.into_iter().flatten().filter(|_| file.has_content()) {
        if let Ok(before) = revert_hunks(&after, hunks) {
            return Some((keep(file.had_content(), before), Some(after)));
        }
    }
    let nothing = (!file.had_content()).then(|| Arc::from(&b""[..]));
    let in_work_tree = || read(places.work_tree, file.path_before());
    let elsewhere = || places.others.iter().find_map(|place| fits(hunks, read(*place, file.path_before())?));
    let (before, after) = nothing
        .and_then(|nothing| fits(hunks, nothing))
        .or_else(|| fits(hunks, blob(places, file.old_blob.as_ref())?))
        .or_else(|| fits(hunks, in_work_tree()?))
        .or_else(elsewhere)?;
    Some((file.had_content().then_some(before), keep(file.has_content(), after)))
}

/// The text with what the hunks make of it, if they fit it and their line numbers are those of the result.
fn fits(hunks: &[Hunk], before: Arc<[u8]>) -> Option<(Arc<[u8]>, Vec<u8>)> {
    let after = apply_hunks(&before, hunks).ok()?;
    (revert_hunks(&after, hunks).is_ok_and(|back| *back == *before)).then_some((before, after))
}

fn read(place: &dyn Sources, path: &RepoPath) -> Option<Arc<[u8]>> {
    match place.read(path) {
        Ok(Some(Content::Bytes(bytes))) => Some(bytes),
        _ => None,
    }
}

fn blob(places: &Places<'_>, id: Option<&BlobId>) -> Option<Arc<[u8]>> {
    (places.blob)(id?)
}

/// The same hunks with LF where all their lines end in CRLF, or the other way round; none where endings are mixed.
fn with_other_endings(hunks: &[Hunk]) -> Option<Vec<Hunk>> {
    let lines = || hunks.iter().flat_map(|hunk| &hunk.lines);
    let is_crlf = |line: &Line| line.bytes.ends_with(b"\r\n") || line.bytes.ends_with(b"\r");
    let is_lf = |line: &Line| line.bytes.ends_with(b"\n") && !line.bytes.ends_with(b"\r\n");
    let change: fn(&mut Vec<u8>) = if lines().all(is_crlf) {
        |bytes| bytes.retain(|&byte| byte != b'\r')
    } else if lines().all(is_lf) {
        |bytes| bytes.splice(bytes.len() - 1.., *b"\r\n").for_each(drop)
    } else {
        return None;
    };
    let mut hunks = hunks.to_vec();
    hunks.iter_mut().flat_map(|hunk| &mut hunk.lines).for_each(|line| change(&mut line.bytes));
    Some(hunks)
}

/// The new version as far as the hunks hold it, each line at its number and the others empty. `None` past a million
/// lines: a number in a header must not decide how much memory is used.
fn excerpt(hunks: &[Hunk]) -> Option<Vec<u8>> {
    const MOST_LINES: u32 = 1_000_000;
    if hunks.last().is_some_and(|last| last.new.end() > MOST_LINES) {
        return None;
    }
    let (mut bytes, mut next) = (Vec::new(), 1);
    for hunk in hunks {
        let begin = hunk.new.begin();
        bytes.extend(std::iter::repeat_n(b'\n', begin.saturating_sub(next) as usize));
        let lines = hunk.lines.iter().filter(|line| line.tag != Tag::Removed);
        lines.for_each(|line| bytes.extend_from_slice(&line.bytes));
        next = hunk.new.end();
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{change::diff, source::Memory};

    const DIFF: &str = "--- a/x\n+++ b/x\n@@ -2,2 +2,2 @@\n b\n-c\n+C\n";

    fn resolve(text: &str, work_tree: &str, head: &str) -> (Versions, String) {
        let path = RepoPath::new("x").unwrap();
        let (work_tree, head) =
            (Memory::of(path.clone(), work_tree.as_bytes()), Memory::of(path.clone(), head.as_bytes()));
        let (files, notices) = diff::parse(text.as_bytes());
        let places = Places { work_tree: &work_tree, others: &[&head], blob: &|_| None };
        let versions = versions("-", files, notices, &places);
        let text = |sources: &dyn Sources| match sources.read(&path) {
            Ok(Some(Content::Bytes(bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
            _ => "none".into(),
        };
        let shown = format!("{} -> {}", text(&*versions.old), text(&*versions.new));
        (versions, shown)
    }

    #[test]
    fn takes_the_work_tree_as_the_new_side_then_as_the_old_one_then_git() {
        assert_eq!(resolve(DIFF, "a\nb\nC\nd\n", "").1, "a\nb\nc\nd\n -> a\nb\nC\nd\n");
        assert_eq!(resolve(DIFF, "a\nb\nc\nd\n", "").1, "a\nb\nc\nd\n -> a\nb\nC\nd\n");
        assert_eq!(resolve(DIFF, "else\n", "a\nb\nc\nd\n").1, "a\nb\nc\nd\n -> a\nb\nC\nd\n");
        assert_eq!(resolve(&DIFF.replace('\n', "\r\n"), "a\nb\nc\nd\n", "").1, "a\nb\nc\nd\n -> a\nb\nC\nd\n");
        assert_eq!(resolve(DIFF, "a\r\nb\r\nc\r\n", "").1, "a\r\nb\r\nc\r\n -> a\r\nb\r\nC\r\n");
    }

    #[test]
    fn of_a_file_that_is_nowhere_the_lines_of_the_diff_are_an_excerpt() {
        let (versions, shown) = resolve(DIFF, "else\n", "other\n");
        assert_eq!(shown, "none -> \nb\nC\n");
        assert_eq!(versions.change.files[0].kind, Kind::Excerpt);
        assert!(versions.notices[0].what.contains("fits neither"), "{:?}", versions.notices);
        let (versions, shown) = resolve("--- a/x\n+++ b/x\n@@ -3000000000 +3000000000 @@\n-a\n+b\n", "", "");
        assert_eq!((shown.as_str(), versions.notices.len()), ("none -> none", 2));
    }

    #[test]
    fn new_and_deleted_files_need_nothing_but_the_diff() {
        assert_eq!(resolve("--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+a\n", "else\n", "").1, "none -> a\n");
        assert_eq!(resolve("--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n", "a\n", "").1, "a\n -> none");
    }
}
