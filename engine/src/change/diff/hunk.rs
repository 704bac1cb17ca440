//! What does a hunk hold, and how far does it reach? Its header's counts say so.

use super::{
    super::{Hunk, Line, LineRange, Tag},
    Lines,
};
use crate::notice::Notice;

/// What is wrong with a hunk, and at which 1-based line of the diff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The header cannot be read.
    Header(usize),
    /// There are fewer lines than the header says.
    Fewer(usize),
    /// There are more.
    More(usize),
    /// A line that is said to have no newline is followed by another.
    Newline(usize),
    /// It comes before the end of the one above it.
    Order(usize),
}

/// At most this many troubles of a file are told; the first says what is wrong, the rest is alike.
const TOLD: usize = 3;

pub(super) fn notices<'a>(about: &'a str, troubles: &'a [Trouble]) -> impl Iterator<Item = Notice> + 'a {
    troubles.iter().take(TOLD).map(move |trouble| {
        let what = match trouble {
            Trouble::Header(at) => {
                format!("the hunk header at line {at} of the diff cannot be read; its lines are left out")
            }
            Trouble::Fewer(at) => {
                format!(
                    "the hunk at line {at} of the diff has fewer lines than its header says; what there is, is read"
                )
            }
            Trouble::More(at) => {
                format!("line {at} of the diff follows a hunk that its header says is over; it is left out")
            }
            Trouble::Newline(at) => {
                format!("the hunk at line {at} of the diff has a line without a newline before its end; one was added")
            }
            Trouble::Order(at) => {
                format!("the hunk at line {at} of the diff overlaps the one above it; it is left out")
            }
        };
        Notice::failure(about, what).advise("make the diff again; was it edited by hand or cut off?")
    })
}

/// The hunk below a header, and what is wrong with it. `None` when the header is none.
pub(super) fn read(header: &[u8], lines: &mut Lines<'_>) -> Option<(Hunk, Option<Trouble>)> {
    let at = lines.number;
    let (mut old, mut new) = ranges(header)?;
    let (mut old_left, mut new_left) = (old.count, new.count);
    let mut hunk: Vec<Line> = Vec::new();
    while old_left > 0 || new_left > 0 {
        let Some(line) = lines.peek() else { break };
        let (tag, bytes) = match line {
            [b'\\', ..] => {
                lines.next();
                cut_newline(&mut hunk);
                continue;
            }
            [b' ', bytes @ ..] if old_left > 0 && new_left > 0 => (Tag::Context, bytes),
            // Mailers and editors drop the space of an empty context line.
            [b'\n'] | [b'\r', b'\n'] if old_left > 0 && new_left > 0 => (Tag::Context, line),
            [b'+', bytes @ ..] if new_left > 0 => (Tag::Added, bytes),
            [b'-', bytes @ ..] if old_left > 0 => (Tag::Removed, bytes),
            _ => break,
        };
        let before = lines.clone();
        lines.next();
        if tag == Tag::Removed && is_next_file(line, lines, (old_left, new_left)) {
            *lines = before;
            break;
        }
        old_left -= u32::from(tag != Tag::Added);
        new_left -= u32::from(tag != Tag::Removed);
        let mut bytes = bytes.to_vec();
        end(&mut bytes);
        hunk.push(Line { tag, bytes });
    }
    if lines.peek().is_some_and(|line| line.starts_with(b"\\")) {
        lines.next();
        cut_newline(&mut hunk);
    }
    let mended = end_all_but_the_last(&mut hunk).then_some(Trouble::Newline(at));
    let short = old_left > 0 || new_left > 0;
    (old, new) = (cut(old, old_left), cut(new, new_left));
    Some((Hunk { old, new, lines: hunk }, short.then_some(Trouble::Fewer(at)).or(mended)))
}

/// Whether a line that the counts take for a removed one is where the next file begins all the same: its header and
/// a hunk header follow, which no hunk can hold.
fn is_next_file(line: &[u8], below: &Lines<'_>, (old_left, new_left): (u32, u32)) -> bool {
    if !line.starts_with(b"--- ") || (old_left == 1 && new_left <= 1) {
        return false;
    }
    let mut below = below.clone();
    below.next().is_some_and(|line| line.starts_with(b"+++ "))
        && below.next().is_some_and(|line| line.starts_with(b"@@ -"))
}

fn cut(range: LineRange, left: u32) -> LineRange {
    let count = range.count - left;
    LineRange { start: if count == 0 && left > 0 { range.start.saturating_sub(1) } else { range.start }, count }
}

/// A line of nothing but a newline keeps it: without, there would be no line.
fn cut_newline(hunk: &mut [Line]) {
    if let Some(Line { bytes, .. }) = hunk.last_mut()
        && bytes.len() > 1
        && bytes.last() == Some(&b'\n')
    {
        bytes.pop();
    }
}

/// Gives a newline to every line that is not the last of its version, and says whether one had none.
fn end_all_but_the_last(hunk: &mut [Line]) -> bool {
    let (mut is_last_old, mut is_last_new, mut mended) = (true, true, false);
    for Line { tag, bytes } in hunk.iter_mut().rev() {
        let is_last = (*tag == Tag::Added || is_last_old) && (*tag == Tag::Removed || is_last_new);
        mended |= !is_last && end(bytes);
        is_last_old &= *tag == Tag::Added;
        is_last_new &= *tag == Tag::Removed;
    }
    mended
}

/// Gives every line a newline, since another hunk follows, and says whether one had none.
pub(super) fn end_all(hunk: &mut [Line]) -> bool {
    hunk.iter_mut().filter_map(|line| end(&mut line.bytes).then_some(())).count() > 0
}

fn end(bytes: &mut Vec<u8>) -> bool {
    let open = bytes.last() != Some(&b'\n');
    if open {
        bytes.push(b'\n');
    }
    open
}

/// `@@ -START[,COUNT] +START[,COUNT] @@`
fn ranges(header: &[u8]) -> Option<(LineRange, LineRange)> {
    let rest = header.strip_prefix(b"@@ -")?;
    let (old, rest) = range(rest)?;
    let (new, rest) = range(rest.strip_prefix(b" +")?)?;
    rest.starts_with(b" @@").then_some((old, new))
}

fn range(text: &[u8]) -> Option<(LineRange, &[u8])> {
    let (start, rest) = number(text)?;
    let (count, rest) = match rest.strip_prefix(b",") {
        Some(rest) => number(rest)?,
        None => (1, rest),
    };
    let fits = start.checked_add(count).is_some_and(|end| end < u32::MAX) && (start > 0 || count == 0);
    fits.then_some((LineRange { start, count }, rest))
}

fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let length = text.iter().take(11).take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    Some((std::str::from_utf8(digits).ok()?.parse().ok()?, rest))
}
