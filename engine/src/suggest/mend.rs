//! Which edits does a model mean? Lines it quotes, replaced by lines it wrote, as small edits of the file.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::{
    anchor::{self, Anchor, Fit, Lost, indentation},
    decode::Change,
    excerpt::Excerpt,
};
use crate::{
    edit::{Applicability, Edit, Fix},
    source::{Newline, SourceFile},
};

/// Why what a model wrote is no edit. Each is a sentence for the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoEdit {
    /// The quote has no place.
    #[error("edit {at}: {lost}")]
    Lost {
        /// Which edit, 1-based.
        at: usize,
        /// Why.
        lost: Lost,
    },
    /// The quoted lines were not shown as they are.
    #[error("edit {0}: the quoted lines hold something that was hidden from you and must stay as it is")]
    Hidden(usize),
    /// The quoted lines are not in the file any more.
    #[error("edit {0}: the quoted lines were removed by the change")]
    Removed(usize),
    /// Two edits touch the same bytes.
    #[error("two edits replace the same lines")]
    Overlap,
    /// Nothing is replaced.
    #[error("there is no edit")]
    None,
    /// What stands there afterwards is what stood there before.
    #[error("the edits change nothing")]
    Same,
}

/// The edits as a fix: each of its parts is as small as comparing line by line makes it. A model's word is never
/// [`Applicability::Safe`].
///
/// # Errors
/// [`NoEdit`] for the first that is none.
pub(super) fn fix(file: &SourceFile, excerpt: &Excerpt, changes: &[Change]) -> Result<Fix, NoEdit> {
    let mut edits = Vec::new();
    for (at, change) in (1..).zip(changes) {
        let anchor = anchor::locate(&change.quote, excerpt).map_err(|lost| NoEdit::Lost { at, lost })?;
        edits.extend(edit(file, excerpt, &anchor, change, at)?);
    }
    match Fix::new(Applicability::Unsafe, edits) {
        Err(_) => Err(NoEdit::Overlap),
        Ok(_) if changes.is_empty() => Err(NoEdit::None),
        Ok(fix) if fix.edits().is_empty() => Err(NoEdit::Same),
        Ok(fix) => Ok(fix),
    }
}

fn edit(
    file: &SourceFile,
    excerpt: &Excerpt,
    anchor: &Anchor,
    change: &Change,
    at: usize,
) -> Result<Vec<Edit>, NoEdit> {
    let is_hidden = excerpt.new_lines().any(|line| anchor.lines.contains(&line.number) && !line.is_exact);
    if is_hidden {
        return Err(NoEdit::Hidden(at));
    }
    let bytes = lines(file, anchor);
    match &anchor.fit {
        Fit::Removed => Err(NoEdit::Removed(at)),
        Fit::Inside { quoted } => {
            let line = file.line(*anchor.lines.start());
            let start = bytes.start + line.find(quoted.as_str()).unwrap_or(0);
            Ok(vec![Edit::replace(start..start + quoted.len(), change.replacement.trim())])
        }
        Fit::Lines => Ok(smallest(file, bytes, &bare(&change.replacement, &change.quote), None)),
        Fit::Indented { there, quoted } => {
            let text = bare(&change.replacement, &change.quote);
            Ok(smallest(file, bytes, &text, Some((quoted, there))))
        }
    }
}

/// The replacement without the marks of a diff, where the quote was given with them.
fn bare(replacement: &str, quote: &str) -> String {
    let marked =
        |text: &str| text.lines().filter(|line| !line.is_empty()).all(|line| line.starts_with(['+', '-', ' ']));
    let has_plus = |text: &str| text.lines().any(|line| line.starts_with('+'));
    if !(has_plus(quote) && marked(quote) && marked(replacement)) {
        return replacement.to_owned();
    }
    let kept = replacement.lines().filter(|line| !line.starts_with('-'));
    kept.map(|line| format!("{}\n", line.get(1..).unwrap_or(""))).collect()
}

/// The bytes of the quoted lines, with the last one's line ending where it has one.
fn lines(file: &SourceFile, anchor: &Anchor) -> Range<usize> {
    let start = |line: u32| file.lines.range(line).start;
    start(*anchor.lines.start())..file.lines.range(*anchor.lines.end()).end
}

/// Replaces these lines by those of `text`, leaving out what is equal.
fn smallest(file: &SourceFile, bytes: Range<usize>, text: &str, indent: Option<(&str, &str)>) -> Vec<Edit> {
    let newline = if file.newline() == Newline::CrLf { "\r\n" } else { "\n" };
    let old: Vec<&str> = file.text[bytes.clone()].split_inclusive('\n').collect();
    let ends = old.last().is_some_and(|line| line.ends_with('\n'));
    let mut new: Vec<String> = text.lines().map(|line| format!("{}{newline}", indented(line, indent))).collect();
    if let (false, Some(last)) = (ends, new.last_mut()) {
        last.truncate(last.len() - newline.len());
    }
    let new_lines: Vec<&str> = new.iter().map(String::as_str).collect();
    let starts: Vec<usize> = std::iter::once(0)
        .chain(old.iter().scan(0, |sum, line| {
            *sum += line.len();
            Some(*sum)
        }))
        .map(|offset| bytes.start + offset)
        .collect();
    capture_diff_slices(Algorithm::Myers, &old, &new_lines)
        .into_iter()
        .filter(|op| !matches!(op, DiffOp::Equal { .. }))
        .map(|op| {
            let (from, to) = (op.old_range(), op.new_range());
            Edit::replace(starts[from.start]..starts[from.end], new_lines[to].concat())
        })
        .collect()
}

/// A line with the file's indentation in place of the quote's.
fn indented(line: &str, indent: Option<(&str, &str)>) -> String {
    let line = line.trim_end();
    match indent {
        Some((quoted, there)) if !line.is_empty() => match line.strip_prefix(quoted) {
            Some(rest) => format!("{there}{rest}"),
            None => format!("{there}{}", &line[indentation(line).len()..]),
        },
        _ => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{edit, source::RepoPath};

    fn mended(text: &str, lines: (u32, u32), quote: &str, replacement: &str) -> Result<String, NoEdit> {
        let file = SourceFile::new(RepoPath::new("a.py").unwrap(), text.as_bytes().into(), 10_000).unwrap();
        let excerpt = Excerpt::around(&file, lines.0, lines.1);
        let change = Change { quote: quote.into(), replacement: replacement.into() };
        let fix = fix(&file, &excerpt, &[change])?;
        Ok(String::from_utf8(edit::apply(&file.bytes, fix.edits()).unwrap()).unwrap())
    }

    const TEXT: &str = "def f(a):\n    b = 1\n    c = 2\n    return b\n";

    #[test]
    fn quoted_lines_are_replaced() {
        assert_eq!(mended(TEXT, (2, 2), "    b = 1\n", "    b = 3").unwrap(), TEXT.replace("b = 1", "b = 3"));
        assert_eq!(
            mended(TEXT, (2, 2), "b = 1", "b = 3\nif b:\n    d()").unwrap(),
            TEXT.replace("    b = 1\n", "    b = 3\n    if b:\n        d()\n")
        );
        assert_eq!(mended(TEXT, (3, 3), "    c = 2", "").unwrap(), TEXT.replace("    c = 2\n", ""));
        assert_eq!(
            mended(TEXT, (2, 3), "+    b = 1\n+    c = 2", "+    b = 1\n+    c = 4").unwrap(),
            TEXT.replace("c = 2", "c = 4")
        );
        assert_eq!(mended(TEXT, (2, 2), "return b", "return c").unwrap(), TEXT.replace("return b", "return c"));
    }

    #[test]
    fn endings_of_lines_and_of_files_stay() {
        let crlf = TEXT.replace('\n', "\r\n");
        let new = mended(&crlf, (2, 2), "    b = 1", "    b = 2\n    e = 3").unwrap();
        assert_eq!(new, crlf.replace("    b = 1\r\n", "    b = 2\r\n    e = 3\r\n"));
        assert_eq!(mended("a = 1\nb = 2", (2, 2), "b = 2", "b = 3").unwrap(), "a = 1\nb = 3");
    }

    #[test]
    fn what_is_no_edit_is_refused() {
        assert_eq!(mended(TEXT, (2, 2), "    b = 1", "    b = 1"), Err(NoEdit::Same));
        assert_eq!(mended(TEXT, (2, 2), "zzz", "y"), Err(NoEdit::Lost { at: 1, lost: Lost::Nowhere }));
        let hidden = "x = 'a\u{202E}b'\n";
        assert_eq!(mended(hidden, (1, 1), "x = 'ab'", "x = 1"), Err(NoEdit::Hidden(1)));
    }
}
