//! What did the tool say, and which bytes did it mean?

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::spec::{Linter, Unit};
use crate::{
    check::Meta,
    edit::{Applicability, Edit, Fix},
    finding::{CheckId, Confidence, Finding},
    source::SourceFile,
};

/// One thing a tool said, in its own words and its own way of counting. This is what the cache keeps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Diagnostic {
    /// The file as the tool names it.
    pub path: String,
    /// Where in it.
    pub region: Region,
    /// How its columns are counted.
    pub unit: Unit,
    /// The rule.
    pub code: Option<String>,
    /// The tool's word for how bad it is.
    pub level: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Where to read more.
    pub url: Option<String>,
    /// The weakness class.
    pub cwe: Option<u32>,
    /// What would mend it.
    pub suggestion: Option<Suggestion>,
}

/// A stretch of a file as a tool gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Region {
    /// The file as such.
    #[default]
    File,
    /// Lines and columns, both from 1; the end column is the one after the last.
    Lines {
        /// First line.
        line: u32,
        /// First column.
        column: Option<u32>,
        /// Last line.
        end_line: Option<u32>,
        /// Column after the last.
        end_column: Option<u32>,
    },
    /// Offsets into the file, from 0, half-open.
    Offsets {
        /// First.
        start: usize,
        /// After the last.
        end: usize,
    },
}

/// Edits of the same file that a tool offers, all or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    /// Whether the tool is sure.
    pub safe: bool,
    /// What to replace by what.
    pub edits: Vec<(Region, String)>,
}

/// The diagnostic as a finding on a file.
pub(super) fn finding(linter: &Linter, diagnostic: &Diagnostic, file: &SourceFile) -> Finding {
    let code = code(linter, diagnostic);
    let url = diagnostic.url.clone().or_else(|| Some(linter.spec.code_url.as_ref()?.replace("{code}", &code)));
    let (what, why) = words(&diagnostic.message);
    let meta = Meta {
        id: CheckId(format!("{}/{code}", linter.name).into()),
        category: linter.category(&code),
        severity: linter.severity(&code, diagnostic.level.as_deref()),
        confidence: linter.spec.confidence.min(Confidence::High),
        what: what.into(),
        why: why.into(),
        cwe: diagnostic.cwe.or_else(|| linter.spec.cwe.get(&code).copied()),
        url: url.map(Into::into),
    };
    let mut finding = meta.finding(file, bytes(&diagnostic.region, diagnostic.unit, file));
    finding.fix = diagnostic.suggestion.as_ref().and_then(|suggestion| fix(suggestion, diagnostic.unit, file));
    finding
}

/// The tool's code, or the tool's own name where it gives none.
fn code(linter: &Linter, diagnostic: &Diagnostic) -> String {
    let code = diagnostic.code.as_deref().unwrap_or(&linter.spec.command).trim();
    let code = linter.spec.code_strip.iter().find_map(|prefix| code.strip_prefix(prefix.as_str())).unwrap_or(code);
    match code.bytes().all(|byte| byte.is_ascii_digit()) {
        true => format!("{}{code}", linter.spec.code_prefix),
        false => code.to_owned(),
    }
}

/// A message's first line, and the rest.
fn words(message: &str) -> (String, String) {
    let message = message.trim();
    let (what, why) = message.split_once('\n').unwrap_or((message, ""));
    let what = if what.is_empty() { "the tool gives no message" } else { what.trim_end() };
    (what.trim_end_matches('.').to_owned(), why.trim().to_owned())
}

fn fix(suggestion: &Suggestion, unit: Unit, file: &SourceFile) -> Option<Fix> {
    let edit = |(region, text): &(Region, String)| Some(Edit::replace(exact(region, unit, file)?, text.clone()));
    let edits = merged(suggestion.edits.iter().map(edit).collect::<Option<Vec<_>>>()?);
    let applicability = if suggestion.safe { Applicability::Safe } else { Applicability::Unsafe };
    Fix::new(applicability, edits).ok().filter(|fix| !fix.edits().is_empty())
}

/// Edits in order, with insertions at one place made into one.
fn merged(mut edits: Vec<Edit>) -> Vec<Edit> {
    edits.sort_by_key(|edit| (edit.start, edit.end));
    edits.dedup();
    edits.dedup_by(|next, edit| {
        let meet = edit.start == edit.end && next.start == next.end && edit.start == next.start;
        if meet {
            edit.text.push_str(&next.text);
        }
        meet
    });
    edits
}

/// The bytes a region means for a reader: without columns the line's text, without an end the word that starts there.
pub(super) fn bytes(region: &Region, unit: Unit, file: &SourceFile) -> Range<usize> {
    match *region {
        Region::File => 0..0,
        Region::Lines { line, column: None, end_line, .. } => text_of_lines(file, line, end_line.unwrap_or(line)),
        Region::Lines { line, column: Some(column), end_column: None, end_line } => {
            let start = place(file, line, column, unit).unwrap_or_else(|| file.lines.range(line).end);
            let end = end_line.filter(|&end| end > line).map(|end| text_of_lines(file, end, end).end);
            start..end.unwrap_or_else(|| word_end(file, start)).max(start)
        }
        _ => exact(region, unit, file).unwrap_or_else(|| match *region {
            Region::Lines { line, end_line, .. } => text_of_lines(file, line, end_line.unwrap_or(line)),
            _ => 0..0,
        }),
    }
}

/// The bytes of a region that says exactly where it starts and ends.
fn exact(region: &Region, unit: Unit, file: &SourceFile) -> Option<Range<usize>> {
    let range = match *region {
        Region::File => 0..file.bytes.len(),
        Region::Lines { line, column, end_line, end_column } => {
            place(file, line, column?, unit)?..place(file, end_line.unwrap_or(line), end_column?, unit)?
        }
        Region::Offsets { start, end } => offset(file, start, unit)?..offset(file, end, unit)?,
    };
    (range.start <= range.end && range.end <= file.bytes.len()).then_some(range)
}

fn text_of_lines(file: &SourceFile, from: u32, to: u32) -> Range<usize> {
    let start = file.lines.range(from.max(1)).start;
    let indent = file.line(from).len() - file.line(from).trim_start().len();
    let last = to.max(from).max(1);
    let end = file.lines.range(last).start + file.line(last).trim_end().len();
    (start + indent)..end.max(start + indent)
}

fn word_end(file: &SourceFile, start: usize) -> usize {
    let rest = file.text.get(start..).unwrap_or("");
    let word = rest.chars().take_while(|&c| c.is_alphanumeric() || c == '_').map(char::len_utf8).sum::<usize>();
    let one = rest.chars().next().filter(|&c| c != '\n' && c != '\r').map_or(0, char::len_utf8);
    start + word.max(one)
}

/// How many bytes a byte-order mark takes that tools do not count.
fn mark(file: &SourceFile) -> usize {
    if file.bytes.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 }
}

/// The byte of a line and column; columns past the line's end are its end, lines past the last one the file's end.
fn place(file: &SourceFile, line: u32, column: u32, unit: Unit) -> Option<usize> {
    let range = file.lines.range(line.max(1));
    let skip = if line <= 1 { mark(file) } else { 0 };
    let start = (range.start + skip).min(range.end);
    let text = file.text.get(start..range.end)?;
    Some(start + bytes_of(text, column.checked_sub(1)? as usize, unit))
}

fn offset(file: &SourceFile, at: usize, unit: Unit) -> Option<usize> {
    if unit == Unit::Bytes {
        return (at <= file.bytes.len() && file.text.is_char_boundary(at)).then_some(at);
    }
    let text = file.text.get(mark(file)..)?;
    Some(mark(file) + bytes_of(text, at, unit))
}

/// How many bytes the first `count` units of a text take; a count inside a character leads to its start.
fn bytes_of(text: &str, count: usize, unit: Unit) -> usize {
    let mut left = count;
    for (at, char) in text.char_indices() {
        let size = match unit {
            Unit::Bytes => char.len_utf8(),
            Unit::Codepoints => 1,
            Unit::Utf16 => char.len_utf16(),
        };
        if left < size {
            return at;
        }
        left -= size;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::RepoPath;

    fn file(text: &str) -> SourceFile {
        SourceFile::new(RepoPath::new("a.py").unwrap(), text.as_bytes().into(), 9_999).unwrap()
    }

    fn lines(line: u32, column: u32, end_column: u32) -> Region {
        Region::Lines { line, column: Some(column), end_line: None, end_column: Some(end_column) }
    }

    #[test]
    fn columns_become_bytes_in_each_unit() {
        let file = file("a\né😀x = 1\n");
        let at = |unit, column| &file.text[bytes(&lines(2, column, column + 1), unit, &file)];
        assert_eq!(at(Unit::Bytes, 7), "x");
        assert_eq!(at(Unit::Codepoints, 3), "x");
        assert_eq!(at(Unit::Utf16, 4), "x");
        assert_eq!(at(Unit::Utf16, 1), "é");
        let offsets = |start, end| &file.text[bytes(&Region::Offsets { start, end }, Unit::Utf16, &file)];
        assert_eq!(offsets(5, 6), "x");
    }

    #[test]
    fn a_byte_order_mark_is_not_counted() {
        let file = file("\u{feff}x = 1\n");
        assert_eq!(bytes(&lines(1, 1, 2), Unit::Codepoints, &file), 3..4);
        assert_eq!(bytes(&Region::Offsets { start: 0, end: 1 }, Unit::Utf16, &file), 3..4);
    }

    #[test]
    fn what_is_left_open_is_the_word_or_the_line() {
        let file = file("  if foo_bar(1):\n");
        let open = |column| Region::Lines { line: 1, column, end_line: None, end_column: None };
        assert_eq!(&file.text[bytes(&open(Some(6)), Unit::Bytes, &file)], "foo_bar");
        assert_eq!(&file.text[bytes(&open(None), Unit::Bytes, &file)], "if foo_bar(1):");
    }

    proptest::proptest! {
        #[test]
        fn any_region_is_inside_the_file(
            text in "\u{feff}?[a\\né😀\\r ]{0,40}", line in 0u32..9, column in proptest::option::of(0u32..30),
            end_line in proptest::option::of(0u32..9), end_column in proptest::option::of(0u32..30),
        ) {
            let file = file(&text);
            for unit in [Unit::Bytes, Unit::Codepoints, Unit::Utf16] {
                let range = bytes(&Region::Lines { line, column, end_line, end_column }, unit, &file);
                proptest::prop_assert!(file.text.get(range).is_some());
                let offsets = Region::Offsets { start: line as usize, end: column.unwrap_or(3) as usize };
                proptest::prop_assert!(file.text.get(bytes(&offsets, unit, &file)).is_some());
            }
        }
    }
}
