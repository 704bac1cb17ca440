//! Which lines of a pull request may be commented on, and where does a commented line stand after a push?

use crate::Error;
use crate::git::Git;

/// One changed file of a comparison.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) before: Option<String>,
    pub(crate) status: &'static str,
    pub(crate) additions: u64,
    pub(crate) deletions: u64,
    pub(crate) blob: String,
    /// The hunks as text, `None` for a binary file or one over the limit.
    pub(crate) patch: Option<String>,
}

/// One hunk: the lines it shows of the old side and of the new, both from a 1-based first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) old: (u64, u64),
    pub(crate) new: (u64, u64),
}

/// The changed files between two commits, as GitHub lists them.
pub(crate) fn changes(git: &Git, base: &str, head: &str) -> Result<Vec<Change>, Error> {
    let raw = git.bytes(&["diff-tree", "-r", "-M", "--raw", "-z", "--no-abbrev", base, head], b"", &[])?;
    let mut fields = raw.split(|b| *b == 0).map(|f| String::from_utf8_lossy(f).into_owned());
    let counts = counts(git, base, head)?;
    let mut patches = patches(git, base, head)?.into_iter();
    let mut found = Vec::new();
    while let Some(meta) = fields.next().filter(|m| m.starts_with(':')) {
        let parts: Vec<&str> = meta.split(' ').collect();
        let [_, _, _, blob, status] = parts[..] else { continue };
        let first = fields.next().unwrap_or_default();
        let (before, path) = match status.as_bytes().first() {
            Some(b'R' | b'C') => (Some(first), fields.next().unwrap_or_default()),
            _ => (None, first),
        };
        let (additions, deletions, binary) = counts.get(found.len()).copied().unwrap_or_default();
        let patch = patches.next().flatten().filter(|_| !binary);
        let status = word(status);
        found.push(Change { path, before, status, additions, deletions, blob: blob.to_owned(), patch });
    }
    Ok(found)
}

/// GitHub's word for git's letter.
fn word(status: &str) -> &'static str {
    match status.as_bytes().first() {
        Some(b'A') => "added",
        Some(b'D') => "removed",
        Some(b'R') => "renamed",
        Some(b'C') => "copied",
        _ => "modified",
    }
}

fn counts(git: &Git, base: &str, head: &str) -> Result<Vec<(u64, u64, bool)>, Error> {
    let out = git.run(&["diff-tree", "-r", "-M", "--numstat", base, head])?;
    Ok(out
        .lines()
        .map(|line| {
            let mut parts = line.split('\t').map(|n| n.parse::<u64>().ok());
            let (plus, minus) = (parts.next().flatten(), parts.next().flatten());
            (plus.unwrap_or(0), minus.unwrap_or(0), plus.is_none())
        })
        .collect())
}

/// Each file's hunks, in the order of the raw list: one run of git however many files there are.
fn patches(git: &Git, base: &str, head: &str) -> Result<Vec<Option<String>>, Error> {
    let text = git.bytes(&["diff-tree", "-r", "-M", "-p", base, head], b"", &[])?;
    let text = format!("\n{}", String::from_utf8_lossy(&text));
    let files = text.split("\ndiff --git ").skip(1);
    Ok(files
        .map(|file| file.find("\n@@ ").map(|at| file[at + 1..].trim_end_matches('\n').to_owned()))
        .map(|hunks| hunks.filter(|p| p.lines().count() <= crate::rules::PATCH_LINES))
        .collect())
}

/// The hunks a patch shows.
pub(crate) fn hunks(patch: &str) -> Vec<Hunk> {
    patch.lines().filter_map(header).collect()
}

/// Reads `@@ -1,2 +3,4 @@`.
fn header(line: &str) -> Option<Hunk> {
    let mut words = line.strip_prefix("@@ -")?.split(' ');
    let old = span(words.next()?)?;
    let new = span(words.next()?.strip_prefix('+')?)?;
    Some(Hunk { old, new })
}

fn span(text: &str) -> Option<(u64, u64)> {
    let (start, count) = text.split_once(',').unwrap_or((text, "1"));
    Some((start.parse().ok()?, count.parse().ok()?))
}

/// The hunk's text up to the commented line, as `diff_hunk` shows it.
pub(crate) fn excerpt(patch: &str, side: &str, line: u64) -> Option<String> {
    let mut shown: Vec<&str> = Vec::new();
    let mut at = (0, 0);
    for text in patch.lines() {
        if let Some(hunk) = header(text) {
            shown = vec![text];
            at = (hunk.old.0, hunk.new.0);
            continue;
        }
        shown.push(text);
        let here = match (text.as_bytes().first(), side) {
            (Some(b'-'), "LEFT") | (Some(b' '), "LEFT") => at.0 == line,
            (Some(b'+'), "RIGHT") | (Some(b' '), "RIGHT") => at.1 == line,
            _ => false,
        };
        if here {
            return Some(shown.join("\n"));
        }
        at.0 += u64::from(!text.starts_with(['+', '\\']));
        at.1 += u64::from(!text.starts_with(['-', '\\']));
    }
    None
}

/// Where lines `first..=last` of a file at `from` stand at `to`; `None` when one of them was changed.
pub(crate) fn carried(git: &Git, ends: (&str, &str), path: &str, first: u64, last: u64) -> Option<(u64, u64)> {
    git.file(ends.1, path)?;
    let text = git.run(&["diff", "-U0", "--no-renames", ends.0, ends.1, "--", path]).ok()?;
    let mut shift = 0_i64;
    for Hunk { old: (start, count), new: (_, now) } in hunks(&text) {
        // A hunk that takes nothing away stands behind its line: `-5,0` is between lines 5 and 6.
        let (begin, end) = if count == 0 { (start + 1, start) } else { (start, start + count - 1) };
        if begin > last {
            break;
        }
        if end >= first {
            return None;
        }
        shift += now as i64 - count as i64;
    }
    Some((first.checked_add_signed(shift)?, last.checked_add_signed(shift)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "@@ -1,3 +1,4 @@\n one\n-two\n+TWO\n+more\n three";

    #[test]
    fn hunks_are_read() {
        assert_eq!(hunks(PATCH), [Hunk { old: (1, 3), new: (1, 4) }]);
        assert_eq!(hunks("@@ -0,0 +1 @@\n+x"), [Hunk { old: (0, 0), new: (1, 1) }]);
    }

    #[test]
    fn an_excerpt_ends_at_the_commented_line() {
        assert_eq!(excerpt(PATCH, "RIGHT", 3).unwrap().lines().last(), Some("+more"));
        assert_eq!(excerpt(PATCH, "LEFT", 2).unwrap().lines().last(), Some("-two"));
        assert_eq!(excerpt(PATCH, "LEFT", 3).unwrap().lines().last(), Some(" three"));
        assert_eq!(excerpt(PATCH, "RIGHT", 9), None);
    }
}
