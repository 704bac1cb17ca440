//! What must hold of the parser? Its answer to real diffs, odd ones and nonsense.

use proptest::prelude::*;

use super::*;
use crate::{
    change::{Line, LineRange, Tag, apply_hunks, revert_hunks},
    notice::Gravity,
};

/// The hunks from `old` to `new`, by way of a written diff.
pub(in crate::change) fn hunks_between(old: &[u8], new: &[u8], context: usize) -> Vec<Hunk> {
    let text = written(old, new, context);
    let (mut files, notices) = if text.is_empty() { (Vec::new(), Vec::new()) } else { parse(&text) };
    assert_eq!(notices, [], "{}", text.escape_ascii());
    files.pop().map_or_else(Vec::new, |file| file.hunks)
}

fn written(old: &[u8], new: &[u8], context: usize) -> Vec<u8> {
    let diff = similar::TextDiff::from_lines(old, new);
    let mut text = Vec::new();
    diff.unified_diff().context_radius(context).header("a/f", "b/f").to_writer(&mut text).unwrap();
    text
}

fn render(hunks: &[Hunk]) -> Vec<u8> {
    let mut text = b"diff --git a/f b/f\n--- a/f\n+++ b/f\n".to_vec();
    for Hunk { old, new, lines } in hunks {
        text.extend(format!("@@ -{},{} +{},{} @@ fn\n", old.start, old.count, new.start, new.count).bytes());
        for Line { tag, bytes } in lines {
            text.push(match tag {
                Tag::Context => b' ',
                Tag::Added => b'+',
                Tag::Removed => b'-',
            });
            text.extend(bytes);
            if bytes.last() != Some(&b'\n') {
                text.extend(b"\n\\ No newline at end of file\n");
            }
        }
    }
    text
}

/// Lines that look like everything a diff is made of.
fn line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "a",
        "b",
        "-- x",
        "++ y",
        "-- a/f",
        "++ b/f",
        "@@ -1,2 +3,4 @@",
        "diff --git a/f b/f",
        "\\ No newline",
        " ",
        "\r",
        "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001",
        "--- a/g",
        "+++ b/g",
        "Binary files a and b differ",
    ])
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(line(), 0..12), any::<bool>()).prop_map(|(lines, ended)| {
        let end = if ended && !lines.is_empty() { "\n" } else { "" };
        // The library that writes the diff takes a lone carriage return for the end of a line; git does not.
        (lines.join("\n").replace('\r', "r") + end).into_bytes()
    })
}

fn hunks() -> impl Strategy<Value = Vec<Hunk>> {
    let tag = prop::sample::select(vec![Tag::Context, Tag::Added, Tag::Removed]);
    let lines = prop::collection::vec((tag, line()), 1..8);
    prop::collection::vec((1u32..9, lines), 1..4).prop_map(|parts| {
        let (mut old, mut new) = (1, 1);
        let mut hunks = Vec::new();
        for (gap, lines) in parts {
            (old, new) = (old + gap, new + gap);
            let lines: Vec<Line> =
                lines.into_iter().map(|(tag, text)| Line { tag, bytes: format!("{text}\n").into_bytes() }).collect();
            let count = |without: Tag| lines.iter().filter(|line| line.tag != without).count() as u32;
            let range = |begin: u32, count: u32| LineRange { start: if count == 0 { begin - 1 } else { begin }, count };
            let (olds, news) = (count(Tag::Added), count(Tag::Removed));
            hunks.push(Hunk { old: range(old, olds), new: range(new, news), lines });
            (old, new) = (old + olds, new + news);
        }
        hunks
    })
}

proptest! {
    #[test]
    fn parsing_undoes_rendering(hunks in hunks()) {
        let (files, notices) = parse(&render(&hunks));
        prop_assert_eq!(notices, []);
        prop_assert_eq!(&files[0].hunks, &hunks);
    }

    #[test]
    fn applying_a_diff_makes_the_new_text(old in text(), new in text(), context in 0usize..4) {
        let hunks = hunks_between(&old, &new, context);
        prop_assert_eq!(apply_hunks(&old, &hunks).unwrap(), new.clone());
        prop_assert_eq!(revert_hunks(&new, &hunks).unwrap(), old);
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        parse(&bytes);
    }

    #[test]
    fn any_lines_are_read(lines in prop::collection::vec(prop_oneof![
        line().prop_map(str::to_owned), "[-+ @]{0,3}", "@@ -[0-9]{1,11}(,[0-9]{1,3})? \\+[0-9]{1,3}(,[0-9]{1,2})? @@",
        Just("--- a/x".to_owned()), Just("+++ b/x".to_owned()), Just("deleted file mode 120000".to_owned()),
        Just("commit 0123456789012345678901234567890123456789".to_owned()), Just("rename from x".to_owned()), Just("rename to f".to_owned()),
    ], 0..40)) {
        for file in parse(lines.join("\n").as_bytes()).0 {
            for pair in file.hunks.windows(2) {
                prop_assert!(pair[0].new.end() <= pair[1].new.begin() && pair[0].old.end() <= pair[1].old.begin());
            }
        }
    }
}

fn one(text: &str) -> FileChange {
    let (mut files, notices) = parse(text.as_bytes());
    assert_eq!(notices, [], "{text}");
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

const HUNK: &str = "@@ -1 +1 @@\n-a\n+b\n";

fn path_of(header: &str) -> String {
    one(&format!("{header}{HUNK}")).path.to_string()
}

#[test]
fn finds_the_path_whatever_tool_wrote_it() {
    assert_eq!(path_of("diff --git a/x y b/x y\n--- a/x y\t\n+++ b/x y\t\n"), "x y");
    assert_eq!(path_of("diff --git a/x b/x\r\n--- a/x\r\n+++ b/x\r\n"), "x");
    assert_eq!(path_of("diff --git i/x w/x\n--- i/x\n+++ w/x\n"), "x");
    assert_eq!(path_of("diff --git a/b/x a/b/x\n--- a/b/x\n+++ a/b/x\n"), "a/b/x");
    assert_eq!(path_of("diff --git b/x b/x\nnew file mode 100644\n--- /dev/null\n+++ b/x\n"), "b/x");
    assert_eq!(
        path_of("diff -ru old/src/x new/src/x\n--- old/src/x\t2024-01-01\n+++ new/src/x\t2024-01-02\n"),
        "src/x"
    );
    assert_eq!(path_of("--- x.orig\t2024\n+++ x\t2024\n"), "x");
    assert_eq!(path_of("--- x\t2024\n+++ x.bak\t2024\n"), "x");
    assert_eq!(path_of("--- ./x\n+++ ./x\n"), "x");
    assert_eq!(path_of("Index: src/x\n=====\n--- src/x\t(revision 3)\n+++ src/x\t(working copy)\n"), "src/x");
    assert_eq!(
        path_of("diff -r 0a1b2c src/x\n--- a/src/x\tThu Jan 02 00:00:00 2020 +0000\n+++ b/src/x\tnow\n"),
        "src/x"
    );
    assert_eq!(
        path_of(
            "diff --git \"a/\\303\\251\\n\" \"b/\\303\\251\\n\"\n--- \"a/\\303\\251\\n\"\n+++ \"b/\\303\\251\\n\"\n"
        ),
        "é\n"
    );
}

#[test]
fn reads_every_kind_of_change() {
    let status = |text: &str| (one(text).status, one(text).kind);
    assert_eq!(status("diff --git a/x b/x\nold mode 100644\nnew mode 100755\n"), (Status::Mode, Kind::Text));
    let added = "diff --git a/x b/x\nnew file mode 120000\nindex 0000000..1a2b3c4\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+y\n\\ No newline at end of file\n";
    assert_eq!(status(added), (Status::Added, Kind::Symlink));
    assert_eq!((one(added).old_blob, one(added).new_blob), (None, Some(BlobId("1a2b3c4".into()))));
    assert_eq!(
        status("diff --git a/x b/x\ndeleted file mode 100644\nindex 1a2b3c4..0000000\n"),
        (Status::Deleted, Kind::Text)
    );
    assert_eq!(
        status(
            "diff --git a/x b/x\nindex 1a2b3c4..2a2b3c4 100644\nGIT binary patch\nliteral 1\nIc$@<O00001\n\nliteral 0\nHcmV?d00001\n\n"
        ),
        (Status::Modified, Kind::Binary)
    );
    assert_eq!(
        status("diff --git a/x.png b/x.png\nBinary files a/x.png and b/x.png differ\n"),
        (Status::Modified, Kind::Binary)
    );
    assert_eq!(status("Binary files old/x.png and new/x.png differ\n"), (Status::Modified, Kind::Binary));
    assert_eq!(
        status(
            "diff --git a/s b/s\nindex 1a2b3c4..2a2b3c4 160000\n--- a/s\n+++ b/s\n@@ -1 +1 @@\n-Subproject commit 1\n+Subproject commit 2\n"
        ),
        (Status::Modified, Kind::Submodule)
    );
    let moved = one(&format!(
        "diff --git a/x b/y z\nsimilarity index 90%\nrename from x\nrename to y z\n--- a/x\n+++ b/y z\t\n{HUNK}"
    ));
    assert_eq!((moved.status, moved.path.as_str(), moved.path_before().as_str()), (Status::Renamed, "y z", "x"));
    let typed = one(
        "diff --git a/x b/x\ndeleted file mode 100644\n--- a/x\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\ndiff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+y\n",
    );
    assert_eq!((typed.status, typed.kind), (Status::Kind, Kind::Symlink));
}

#[test]
fn counts_decide_what_a_line_is() {
    let text = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n same\n--- a/y\n+++ b/y\n-z\n+Z\n";
    let file = one(text);
    assert_eq!(file.hunks[0].lines[1], Line { tag: Tag::Removed, bytes: b"-- a/y\n".to_vec() });
    assert_eq!(file.touched, [2, 3].into_iter().collect());
}

#[test]
fn a_hunk_that_is_cut_off_does_not_swallow_the_next_file() {
    let (files, notices) =
        parse(format!("--- a/x\n+++ b/x\n@@ -1,9 +1,9 @@\n same\n-a\n+b\n--- a/y\n+++ b/y\n{HUNK}").as_bytes());
    assert_eq!(files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(files[0].touched, [2].into_iter().collect());
    assert!(notices[0].what.contains("fewer lines") && notices[0].gravity == Gravity::Failure, "{notices:?}");
}

#[test]
fn what_cannot_be_read_is_told() {
    let told =
        |text: &str| parse(text.as_bytes()).1.into_iter().map(|notice| notice.what).collect::<Vec<_>>().join("; ");
    assert!(told("hello\n").contains("no unified diff"));
    assert_eq!(told(""), "");
    assert!(told("*** a\n--- b\n***************\n*** 1 ****\n").contains("context diff"));
    assert!(
        told("diff --cc x\nindex 1,2..3\n--- a/x\n+++ b/x\n@@@ -1,1 -1,1 +1,2 @@@\n  a\n++b\n").contains("combined")
    );
    assert!(told(&format!("--- a/x\n+++ b/x\n{HUNK}+more\n")).contains("follows a hunk"));
    assert!(told("--- a/x\n+++ b/x\n@@ -1,99999999999 +1 @@\n").contains("cannot be read"));
    assert!(told(&format!("--- a/x\n+++ b/x\n{HUNK}{HUNK}")).contains("overlaps"));
    let open = "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-a\n+b\n\\ No newline at end of file\n c\n";
    assert!(told(open).contains("without a newline"), "{}", told(open));
    assert_eq!(parse(open.as_bytes()).0[0].hunks[0].lines[1].bytes, b"b\n");
    assert!(told(HUNK).contains("belongs to no file"));
    assert!(told(&format!("--- a/../x\n+++ b/../x\n{HUNK}")).contains("does not stay inside"));
    assert!(told(&format!("--- a/caf\u{e9}\n+++ b/\"caf\n{HUNK}").replace("\u{e9}", "e")).is_empty());
}

#[test]
fn several_patches_are_read_as_one_edit() {
    let mail = |n: u32, from: &str, to: &str| {
        format!(
            "From 0123456789012345678901234567890123456789 Mon Sep 17 00:00:00 2001\nSubject: [PATCH {n}/2] x\n\n---\n x | 2 +-\n\ndiff --git a/x b/x\nindex {n}{n}{n}{n}..{m}{m}{m}{m} 100644\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-{from}\n+{to}\n-- \n2.39.5\n\n",
            m = n + 1
        )
    };
    let (files, notices) = parse((mail(1, "a", "b") + &mail(2, "b", "c")).as_bytes());
    assert_eq!(apply_hunks(b"a\n", &files[0].hunks).unwrap(), b"c\n");
    assert!(matches!(&notices[..], [only] if only.gravity == Gravity::Note), "{notices:?}");

    let log = |n: u32, from: &str, to: &str| {
        format!("commit 0123456789012345678901234567890123456789\nAuthor: A <a@b.c>\n\n    - one\n\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-{from}\n+{to}\n\n").replace("- one", &format!("- {n}"))
    };
    let (files, _) = parse((log(2, "b", "c") + &log(1, "a", "b")).as_bytes());
    assert_eq!(apply_hunks(b"a\n", &files[0].hunks).unwrap(), b"c\n");
    let (_, notices) = parse((log(2, "x", "c") + &log(1, "a", "b")).as_bytes());
    assert!(notices.iter().any(|notice| notice.what.contains("do not follow")), "{notices:?}");
}

#[test]
fn a_long_diff_takes_time_in_proportion() {
    let mut text = b"--- a/x\n+++ b/x\n@@ -0,0 +1,200000 @@\n".to_vec();
    (0..200_000).for_each(|_| text.extend(b"+x\n"));
    text.extend(b"diff --git ");
    text.extend(std::iter::repeat_n(b' ', 2_000_000));
    let (files, _) = parse(&text);
    assert_eq!(files[0].touched.len(), 200_000);
}
