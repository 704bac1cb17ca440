//! What does a file look like with both the fix and the edits that are not staged?

use git2::MergeFileInput;

/// The work tree's bytes with the step from `before` to `after` made in them, or `None` where both touch the same
/// lines. A work tree with CRLF over an index with LF (`core.autocrlf`, `eol=crlf`) is merged as LF and written back
/// as CRLF.
pub(super) fn merge(before: &[u8], there: &[u8], after: &[u8]) -> Option<Vec<u8>> {
    if there == before {
        return Some(after.to_vec());
    }
    if is_all_crlf(there) && memchr::memmem::find(before, b"\r\n").is_none() {
        return Some(with_crlf(&merge_lines(before, &without_crlf(there), after)?));
    }
    merge_lines(before, there, after)
}

fn merge_lines(before: &[u8], there: &[u8], after: &[u8]) -> Option<Vec<u8>> {
    if there == before {
        return Some(after.to_vec());
    }
    // `merge_file` is the one call that does not start libgit2 by itself.
    let _started = git2::Config::new().ok()?;
    let input = |content| {
        let mut input = MergeFileInput::new();
        input.content(content);
        input
    };
    let merged = git2::merge_file(&input(before), &input(there), &input(after), None).ok()?;
    merged.is_automergeable().then(|| merged.content().to_vec())
}

fn is_all_crlf(bytes: &[u8]) -> bool {
    let lf = memchr::memchr_iter(b'\n', bytes).count();
    lf > 0 && lf == memchr::memmem::find_iter(bytes, b"\r\n").count()
}

fn without_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for (at, &byte) in bytes.iter().enumerate() {
        if !(byte == b'\r' && bytes.get(at + 1) == Some(&b'\n')) {
            out.push(byte);
        }
    }
    out
}

fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 16);
    for &byte in bytes {
        if byte == b'\n' {
            out.push(b'\r');
        }
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unstaged_edits_stay_beside_the_fix() {
        let merged = merge(b"a\nb\nc\nd\n", b"a!\nb\nc\nd\nnew\n", b"a\nb\nC\nd\n").unwrap();
        assert_eq!(merged, b"a!\nb\nC\nd\nnew\n");
        assert_eq!(merge(b"a\nb\nc\n", b"a\nmine\nc\n", b"a\nfixed\nc\n"), None);
    }

    #[test]
    fn a_crlf_work_tree_over_an_lf_index_stays_crlf() {
        assert_eq!(merge(b"a\nb\nc\n", b"a\r\nb\r\nc\r\n", b"a\nB\nc\n").unwrap(), b"a\r\nB\r\nc\r\n");
        assert_eq!(
            merge(b"a\nb\nc\nd\n", b"a\r\nb\r\nc\r\nmine\r\n", b"A\nb\nc\nd\n").unwrap(),
            b"A\r\nb\r\nc\r\nmine\r\n"
        );
    }

    proptest! {
        #[test]
        fn crlf_there_and_back(text in "[a-c\n]{0,40}") {
            let crlf = with_crlf(text.as_bytes());
            prop_assert_eq!(without_crlf(&crlf), text.as_bytes());
        }

        /// Every line that only the work tree has is still there afterwards.
        #[test]
        fn no_unstaged_line_is_lost(lines in prop::collection::vec("[a-d]{1,3}", 1..12), at in 0usize..12, fixed in 0usize..12) {
            let text = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes();
            let mut there = lines.clone();
            there.insert(at.min(lines.len()), "UNSTAGED".into());
            let mut after = lines.clone();
            let fixed = fixed.min(lines.len() - 1);
            after[fixed] = "FIXED".into();
            if let Some(merged) = merge(&text(&lines), &text(&there), &text(&after)) {
                let merged = String::from_utf8(merged).unwrap();
                prop_assert!(merged.contains("UNSTAGED\n") && merged.contains("FIXED\n"), "{}", merged);
                prop_assert_eq!(merged.lines().count(), lines.len() + 1);
            }
        }
    }
}
