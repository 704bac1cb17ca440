//! Which file does a line of a diff name? Quoting, timestamps and prefixes taken off.

/// What one side of a header names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Name {
    /// It was not said.
    #[default]
    Unsaid,
    /// `/dev/null`, or a file dated 1970: there is none on this side.
    Nothing,
    /// A path, its prefix still on.
    Path(Vec<u8>),
}

impl Name {
    pub(super) fn path(&self) -> Option<&[u8]> {
        if let Self::Path(path) = self { Some(path) } else { None }
    }
}

/// Longer lines name nothing: twice the longest path of any system, each byte of it escaped.
const LONGEST: usize = 40_000;

/// The name in what follows `--- ` or `+++ `.
pub(super) fn of_side(rest: &[u8]) -> Name {
    let (path, after) = match unquote(rest) {
        Some((path, after)) => (path, after),
        None => {
            let end = memchr::memchr(b'\t', rest).unwrap_or(rest.len());
            (rest[..end].to_vec(), &rest[end..])
        }
    };
    let epoch = [&b"\t1970-01-01 00:00"[..], b"\tThu Jan 01 00:00:00 1970", b"\tThu Jan  1 00:00:00 1970"];
    if path == b"/dev/null" || epoch.iter().any(|date| after.starts_with(date)) {
        Name::Nothing
    } else if path.is_empty() || rest.len() > LONGEST {
        Name::Unsaid
    } else {
        Name::Path(path)
    }
}

/// A path as `rename from` and its like give it: quoted or to the end of the line.
pub(super) fn whole(rest: &[u8]) -> Vec<u8> {
    unquote(rest).map_or_else(|| rest.to_vec(), |(path, _)| path)
}

/// Both names in what follows `diff --git `. Names with spaces are not quoted there, so that a line can be read in
/// several ways; the one where both sides are the same but for their prefix is meant.
pub(super) fn of_both(rest: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    if rest.len() > LONGEST {
        return None;
    }
    if let Some((old, after)) = unquote(rest) {
        let after = after.strip_prefix(b" ")?;
        return Some((old, whole(after)));
    }
    if rest.ends_with(b"\"")
        && let Some(at) = memchr::memmem::find(rest, b" \"")
        && let Some((new, b"")) = unquote(&rest[at + 1..])
    {
        return Some((rest[..at].to_vec(), new));
    }
    let same = |at: &usize| {
        let (old, new) = (&rest[..*at], &rest[*at + 1..]);
        old == new || below_first(old).is_some_and(|old| below_first(new) == Some(old))
    };
    // Prefixes are nearly always of the same length; trying only a few other places keeps long lines cheap.
    let middle = (rest.len() / 2 < rest.len() && rest.get(rest.len() / 2) == Some(&b' ')).then_some(rest.len() / 2);
    let other = memchr::memchr_iter(b' ', rest).take(64);
    let at = middle.into_iter().chain(other).find(same).or_else(|| {
        let mut spaces = memchr::memchr_iter(b' ', rest);
        spaces.next().filter(|_| spaces.next().is_none())
    })?;
    Some((rest[..at].to_vec(), rest[at + 1..].to_vec()))
}

/// How many bytes of prefix the two sides carry: `a/` and `b/`, git's mnemonic ones, or any two different folders
/// over the same path.
pub(super) fn prefixes(old: &[u8], new: &[u8]) -> (usize, usize) {
    let known = is_prefix(old) && is_prefix(new) && old[0] != new[0];
    let folders = match (below_first(old), below_first(new)) {
        (Some(a), Some(b)) => a == b && old.len() - a.len() != 0 && old != new,
        _ => false,
    };
    let length = |path: &[u8]| below_first(path).map_or(0, |rest| path.len() - rest.len());
    if known || folders { (length(old), length(new)) } else { (0, 0) }
}

/// Whether a path begins with one of the prefixes git gives.
pub(super) fn is_prefix(path: &[u8]) -> bool {
    matches!(path, [b'a' | b'b' | b'c' | b'i' | b'o' | b'w' | b'1' | b'2', b'/', _, ..])
}

fn below_first(path: &[u8]) -> Option<&[u8]> {
    let at = memchr::memchr(b'/', path)?;
    Some(&path[at + 1..]).filter(|rest| !rest.is_empty())
}

/// A name in git's C-style quotes, and what follows it. `None` when there is no quote or it does not end.
fn unquote(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text.strip_prefix(b"\"")?;
    let mut path = Vec::new();
    loop {
        match rest {
            [b'"', after @ ..] => return Some((path, after)),
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..] => {
                path.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = after;
            }
            [b'\\', escape, after @ ..] => {
                path.push(match escape {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => b'\r',
                    other => *other,
                });
                rest = after;
            }
            [byte, after @ ..] => {
                path.push(*byte);
                rest = after;
            }
            [] => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(line: &str) -> Option<(String, String)> {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        of_both(line.as_bytes()).map(|(old, new)| (text(old), text(new)))
    }

    #[test]
    fn reads_both_names_of_a_git_header() {
        let pair = |old: &str, new: &str| Some((old.to_owned(), new.to_owned()));
        assert_eq!(both("a/x y b/x y"), pair("a/x y", "b/x y"));
        assert_eq!(both("x y x y"), pair("x y", "x y"));
        assert_eq!(both("before/x y after/x y"), pair("before/x y", "after/x y"));
        assert_eq!(both("a/x b/y"), pair("a/x", "b/y"));
        assert_eq!(both(r#""a/t\tab" "b/t\tab""#), pair("a/t\tab", "b/t\tab"));
        assert_eq!(both(r#"a/x y "b/\303\251""#), pair("a/x y", "b/é"));
        assert_eq!(both("nothing"), None);
    }

    #[test]
    fn takes_prefixes_off_where_they_are_prefixes() {
        assert_eq!(prefixes(b"a/x", b"b/x"), (2, 2));
        assert_eq!(prefixes(b"i/x", b"w/y"), (2, 2));
        assert_eq!(prefixes(b"a/x", b"a/x"), (0, 0), "a folder named a, without prefixes");
        assert_eq!(prefixes(b"old/src/x", b"new/src/x"), (4, 4));
        assert_eq!(prefixes(b"x.orig", b"x"), (0, 0));
        assert_eq!(prefixes(b"src/x", b"lib/y"), (0, 0));
    }

    #[test]
    fn drops_timestamps_and_unquotes() {
        assert_eq!(of_side(b"a/x y\t2024-01-01 10:00:00 +0000"), Name::Path(b"a/x y".to_vec()));
        assert_eq!(of_side(b"x\t(revision 3)"), Name::Path(b"x".to_vec()));
        assert_eq!(of_side(br#""b/\"q\"\n" "#), Name::Path(b"b/\"q\"\n".to_vec()));
        assert_eq!(of_side(b"old/x\t1970-01-01 00:00:00.000000000 +0000"), Name::Nothing);
        assert_eq!(of_side(b"/dev/null"), Name::Nothing);
        assert_eq!(of_side(b"\"open"), Name::Path(b"\"open".to_vec()));
    }
}
