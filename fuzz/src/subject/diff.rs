//! Diffs: files come out of any bytes, and what their hunks do can be undone.

use engine::{
    change::{
        Hunk, Line, Tag, apply_hunks, diff,
        resolve::{self, Places},
        revert_hunks,
    },
    source::{Content, Memory, RepoPath},
};

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let git = "diff --git a/x b/x\nindex 1a2b3c4..2a2b3c4 100644\n--- a/x\n+++ b/x\n@@ -1,3 +1,4 @@ fn\n a\n-b\n+B\n+c\n d\n\\ No newline at end of file\n";
    let moved =
        "diff --git a/x b/y\nsimilarity index 90%\nrename from x\nrename to y\n--- a/x\n+++ b/y\n@@ -1 +1 @@\n-a\n+b\n";
    let plain =
        "--- old/x\t2024-01-01\n+++ new/x\t2024-01-02\n@@ -2,0 +3,2 @@\n+-- a\n+++ b\n@@ -9,2 +12,0 @@\n--- c\n-d\n";
    let binary = "diff --git a/p b/p\nnew file mode 100755\nindex 0000000..1a2b3c4\nGIT binary patch\nliteral 1\nIc$@<O00001\n\n";
    let typed = "diff --git \"a/\\303\\251\" \"b/\\303\\251\"\ndeleted file mode 100644\n--- \"a/\\303\\251\"\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\ndiff --git \"a/\\303\\251\" \"b/\\303\\251\"\nnew file mode 120000\n--- /dev/null\n+++ \"b/\\303\\251\"\n@@ -0,0 +1 @@\n+y\n";
    let svn = "Index: x\n=====\n--- x\t(revision 3)\n+++ x\t(working copy)\r\n@@ -1 +1,2 @@\r\n a\r\n+b\r\n";
    let combined = "diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,2 @@@\n  a\n++b\n";
    let head = "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nSubject: x\n---\n";
    let log = "commit 0123456789012345678901234567890123456789\n\n    - x\n\n";
    let series = format!("{head}{git}-- \n2.39\n\n{head}{moved}-- \n2.39\n");
    let history = format!("{log}{git}\n{log}{plain}");
    [git, moved, plain, binary, typed, svn, combined, &series, &history].map(|seed| seed.as_bytes().to_vec()).into()
}

pub(crate) fn run(input: &[u8]) {
    let (files, notices) = diff::parse(input);
    for pair in files.windows(2) {
        assert!(pair[0].path < pair[1].path, "paths are in order, each once");
    }
    for file in &files {
        consistent(&file.hunks);
        round_trip(&file.hunks);
    }
    let path = RepoPath::new("x").expect("a path");
    let text: Vec<u8> = input.split(|&byte| byte == b'-').next().unwrap_or_default().into();
    let work_tree = Memory::of(path, text);
    let places = Places { work_tree: &work_tree, others: &[&work_tree], blob: &|_| None };
    let versions = resolve::versions("-", files, notices, &places);
    for file in &versions.change.files {
        if let Ok(Some(Content::Bytes(new))) = versions.new.read(&file.path)
            && let Some(last) = file.touched.ranges().last()
        {
            let lines = new.split_inclusive(|&byte| byte == b'\n').count();
            assert!(*last.end() as usize <= lines, "line {} of {lines} is touched", last.end());
        }
    }
}

fn consistent(hunks: &[Hunk]) {
    for pair in hunks.windows(2) {
        assert!(pair[0].old.end() <= pair[1].old.begin() && pair[0].new.end() <= pair[1].new.begin(), "in order");
    }
    for hunk in hunks {
        let count = |without: Tag| hunk.lines.iter().filter(|line| line.tag != without).count();
        assert_eq!((hunk.old.count as usize, hunk.new.count as usize), (count(Tag::Added), count(Tag::Removed)));
    }
}

/// Hunks whose two numberings agree fit a text that is made for them, and undo themselves there.
fn round_trip(hunks: &[Hunk]) {
    let mut surplus = 0;
    for hunk in hunks {
        if i64::from(hunk.new.begin()) - i64::from(hunk.old.begin()) != surplus || hunk.old.end() > 100_000 {
            return;
        }
        surplus += i64::from(hunk.new.count) - i64::from(hunk.old.count);
    }
    let unended = |line: &Line| line.bytes.last() != Some(&b'\n');
    let is_cut = |hunk: &Hunk| hunk.lines.iter().rev().skip(1).any(unended);
    if hunks.iter().any(is_cut) || hunks.iter().rev().skip(1).any(|hunk| hunk.lines.iter().any(unended)) {
        return;
    }
    let mut old = Vec::new();
    let mut line = 1;
    for hunk in hunks {
        for _ in line..hunk.old.begin() {
            old.extend(b"between\n");
        }
        hunk.lines.iter().filter(|line| line.tag != Tag::Added).for_each(|line| old.extend(&line.bytes));
        line = hunk.old.end();
    }
    let new = apply_hunks(&old, hunks).expect("they fit");
    assert_eq!(revert_hunks(&new, hunks).expect("they can be undone"), old);
}
