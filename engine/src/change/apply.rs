//! What do hunks make of a text? Exactly what they say, at the lines they name, or an error: there is no fuzz here.

use super::{Hunk, Line, LineRange, Tag};

/// Why hunks do not fit a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// The text says something else at this 1-based line, or ends before it.
    #[error("line {0} is not what the hunk says")]
    Differs(u32),
    /// The hunk starts before the end of the one before it.
    #[error("the hunk at line {0} overlaps the one before it")]
    Overlaps(u32),
}

/// The new text that `hunks` make of `old`. Linear in both.
///
/// # Errors
/// [`Misfit`] when a context or removed line is not where the hunk says it is.
pub fn apply_hunks(old: &[u8], hunks: &[Hunk]) -> Result<Vec<u8>, Misfit> {
    rewrite(old, hunks, |hunk| hunk.old, Tag::Removed, Tag::Added)
}

/// The old text that `hunks` made `new` of. Linear in both.
///
/// # Errors
/// [`Misfit`] when a context or added line is not where the hunk says it is.
pub fn revert_hunks(new: &[u8], hunks: &[Hunk]) -> Result<Vec<u8>, Misfit> {
    rewrite(new, hunks, |hunk| hunk.new, Tag::Added, Tag::Removed)
}

fn rewrite(
    text: &[u8],
    hunks: &[Hunk],
    side: fn(&Hunk) -> LineRange,
    taken: Tag,
    given: Tag,
) -> Result<Vec<u8>, Misfit> {
    let mut out = Vec::with_capacity(text.len());
    let mut lines = text.split_inclusive(|&byte| byte == b'\n');
    let mut next = 1;
    for hunk in hunks {
        let begin = side(hunk).begin();
        if begin < next {
            return Err(Misfit::Overlaps(begin));
        }
        while next < begin {
            out.extend_from_slice(lines.next().ok_or(Misfit::Differs(next))?);
            next += 1;
        }
        for Line { tag, bytes } in &hunk.lines {
            if *tag != given {
                lines.next().filter(|line| line == bytes).ok_or(Misfit::Differs(next))?;
                next = next.saturating_add(1);
            }
            if *tag != taken {
                out.extend_from_slice(bytes);
            }
        }
    }
    lines.for_each(|line| out.extend_from_slice(line));
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hunk(old: (u32, u32), new: (u32, u32), lines: &[(Tag, &str)]) -> Hunk {
        Hunk {
            old: LineRange { start: old.0, count: old.1 },
            new: LineRange { start: new.0, count: new.1 },
            lines: lines.iter().map(|(tag, text)| Line { tag: *tag, bytes: text.as_bytes().to_vec() }).collect(),
        }
    }

    #[test]
    fn applies_and_reverts_at_the_named_lines() {
        let hunks = [
            hunk((1, 1), (1, 1), &[(Tag::Removed, "a\n"), (Tag::Added, "A\n")]),
            hunk((2, 0), (3, 1), &[(Tag::Added, "x\n")]),
        ];
        assert_eq!(apply_hunks(b"a\nb\nc", &hunks).unwrap(), b"A\nb\nx\nc");
        assert_eq!(revert_hunks(b"A\nb\nx\nc", &hunks).unwrap(), b"a\nb\nc");
    }

    #[test]
    fn refuses_what_does_not_fit() {
        let hunks = [hunk((2, 1), (2, 0), &[(Tag::Removed, "b\n")])];
        assert_eq!(apply_hunks(b"a\nc\n", &hunks), Err(Misfit::Differs(2)));
        assert_eq!(apply_hunks(b"a\nb", &hunks), Err(Misfit::Differs(2)), "no newline at the end is a difference");
        assert_eq!(apply_hunks(b"", &hunks), Err(Misfit::Differs(1)));
        let twice = [hunks[0].clone(), hunks[0].clone()];
        assert_eq!(apply_hunks(b"a\nb\nc\n", &twice), Err(Misfit::Overlaps(2)));
    }
}
