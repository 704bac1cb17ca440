//! What does one file hold, and where in it is a byte?

use std::{fmt, ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Language, RepoPath};

/// The git object id of a file's bytes, as lower-case hex. SHA-1 today, SHA-256 where the repository uses it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct BlobId(pub String);

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How most lines of a file end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Newline {
    /// `\n`
    Lf,
    /// `\r\n`
    CrLf,
}

/// A place in a text: both parts 1-based, the column in UTF-8 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// 1-based line.
    pub line: u32,
    /// 1-based column in UTF-8 bytes.
    pub column: u32,
}

/// A stretch of a file: half-open in bytes, and the same as positions (the end is exclusive too).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Span {
    /// First byte, 0-based.
    pub start: usize,
    /// One past the last byte, 0-based.
    pub end: usize,
    /// Where the first byte is.
    pub from: Position,
    /// Where the byte after the last one is.
    pub to: Position,
}

impl Span {
    /// The lines the span touches, 1-based and inclusive. A span that ends at the start of a line does not touch it.
    pub fn lines(&self) -> std::ops::RangeInclusive<u32> {
        let last = if self.to.column == 1 && self.to.line > self.from.line { self.to.line - 1 } else { self.to.line };
        self.from.line..=last
    }

    /// The span as a byte range.
    pub fn bytes(&self) -> Range<usize> {
        self.start..self.end
    }
}

/// Start offsets of a text's lines.
#[derive(Debug, Clone)]
pub struct LineIndex {
    starts: Vec<u32>,
    len: u32,
}

impl LineIndex {
    /// One pass over the bytes.
    pub fn new(text: &[u8]) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text).map(|at| at as u32 + 1)).collect();
        Self { starts, len: text.len() as u32 }
    }

    /// Where byte `offset` is; offsets past the end are the end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = (offset as u32).min(self.len);
        let line = self.starts.partition_point(|&start| start <= offset);
        Position { line: line as u32, column: offset - self.starts[line - 1] + 1 }
    }

    /// How many lines there are; a text that ends in a newline has no further empty line.
    pub fn count(&self) -> u32 {
        let all = self.starts.len() as u32;
        if self.starts.last() == Some(&self.len) { all - 1 } else { all }
    }

    /// The bytes of 1-based `line` with its newline; empty past the end.
    pub fn range(&self, line: u32) -> Range<usize> {
        let at = |n: u32| self.starts.get(n as usize).copied().unwrap_or(self.len) as usize;
        if line == 0 { 0..0 } else { at(line - 1)..at(line) }
    }
}

/// Why a file is not read as text. Each becomes a Notice, never a silent skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// A NUL byte in the first 8,000 bytes, git's own test.
    Binary,
    /// Longer than the configured limit.
    TooLarge {
        /// Bytes it has.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// UTF-16 or UTF-32 by its byte-order mark.
    Utf16,
    /// A git-lfs pointer stands for the real content.
    LfsPointer,
}

/// A text file at one version.
#[derive(Debug, Clone)]
pub struct SourceFile {
    /// Where it is.
    pub path: RepoPath,
    /// Its exact bytes.
    pub bytes: Arc<[u8]>,
    /// The same length as `bytes`, always UTF-8: each byte that is not part of valid UTF-8 reads as `?` and a
    /// byte-order mark as three spaces, so that every offset in the text is an offset in the bytes.
    pub text: Arc<str>,
    /// Offsets of its lines.
    pub lines: LineIndex,
    /// The language, where one is known.
    pub language: Option<Language>,
}

impl SourceFile {
    /// Reads bytes as text.
    ///
    /// # Errors
    /// [`Unreadable`] for binary, too large, UTF-16 and git-lfs pointer files.
    pub fn new(path: RepoPath, bytes: Arc<[u8]>, limit: u64) -> Result<Self, Unreadable> {
        let size = bytes.len() as u64;
        if size > limit || size > u64::from(u32::MAX) {
            return Err(Unreadable::TooLarge { bytes: size, limit });
        }
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(Unreadable::Utf16);
        }
        if memchr::memchr(0, &bytes[..bytes.len().min(8_000)]).is_some() {
            return Err(Unreadable::Binary);
        }
        if bytes.starts_with(b"version https://git-lfs.github.com/spec/") && size < 1_024 {
            return Err(Unreadable::LfsPointer);
        }
        let text: Arc<str> = same_length_text(&bytes).into();
        let lines = LineIndex::new(&bytes);
        let language = Language::detect(&path, &text);
        Ok(Self { path, bytes, text, lines, language })
    }

    /// The span of a byte range, clamped to the file.
    pub fn span(&self, bytes: Range<usize>) -> Span {
        let end = bytes.end.min(self.bytes.len());
        let start = bytes.start.min(end);
        Span { start, end, from: self.lines.position(start), to: self.lines.position(end) }
    }

    /// 1-based line `line` without its line ending; empty past the end.
    pub fn line(&self, line: u32) -> &str {
        self.text.get(self.lines.range(line)).unwrap_or("").trim_end_matches(['\n', '\r'])
    }

    /// How most of its lines end; LF for a file of one line.
    pub fn newline(&self) -> Newline {
        let lf = memchr::memchr_iter(b'\n', &self.bytes).count();
        let crlf = memchr::memmem::find_iter(&self.bytes, b"\r\n").count();
        if crlf * 2 > lf { Newline::CrLf } else { Newline::Lf }
    }
}

fn same_length_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(std::iter::repeat_n('?', chunk.invalid().len()));
    }
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        text.replace_range(0..3, "   ");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(bytes: &[u8]) -> Result<SourceFile, Unreadable> {
        SourceFile::new(RepoPath::new("a.py").unwrap(), bytes.into(), 1_000)
    }

    #[test]
    fn text_has_the_length_of_the_bytes() {
        let file = file(b"\xEF\xBB\xBFx = 'caf\xe9'\r\n").unwrap();
        assert_eq!(&*file.text, "   x = 'caf?'\r\n");
        assert_eq!(file.text.len(), file.bytes.len());
        assert_eq!(file.newline(), Newline::CrLf);
    }

    #[test]
    fn what_is_not_text_says_why() {
        assert_eq!(file(b"a\0b").unwrap_err(), Unreadable::Binary);
        assert_eq!(file(b"\xFF\xFEa\0").unwrap_err(), Unreadable::Utf16);
        assert_eq!(file(&[b'a'; 1_001]).unwrap_err(), Unreadable::TooLarge { bytes: 1_001, limit: 1_000 });
    }

    #[test]
    fn lines_are_counted_as_people_count_them() {
        for (text, lines) in [("", 0), ("a", 1), ("a\n", 1), ("a\nb", 2), ("a\n\n", 2)] {
            assert_eq!(LineIndex::new(text.as_bytes()).count(), lines, "{text:?}");
        }
        let index = LineIndex::new(b"ab\ncd");
        assert_eq!(index.position(3), Position { line: 2, column: 1 });
        assert_eq!(index.range(2), 3..5);
        assert_eq!(index.position(99), Position { line: 2, column: 3 });
    }

    #[test]
    fn a_span_that_ends_at_a_line_start_does_not_touch_that_line() {
        let file = file(b"ab\ncd\nef").unwrap();
        assert_eq!(file.span(0..3).lines(), 1..=1);
        assert_eq!(file.span(0..4).lines(), 1..=2);
    }
}
