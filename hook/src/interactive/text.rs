//! How does text of unknown origin get onto a terminal, harmless and aligned?

use std::ops::Range;

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// Columns from one tab stop to the next.
const TAB: usize = 4;
/// A cell of more code points than this is no letter and no emoji; it is written out.
const LONGEST_GRAPHEME: usize = 12;

/// What a stretch of shown text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As it stands there.
    Plain,
    /// Inside one of the marked ranges.
    Marked,
    /// Stands for something that cannot be seen, or that would steer the terminal.
    Escape,
}

/// Shown text of one kind.
pub(super) type Piece = (String, Kind);

/// The part of a line that columns `from..from + width` show, and whether more follows. A wide character that is cut in
/// half leaves spaces. `marks` are byte ranges of the line, in order.
pub(super) fn cut(line: &str, marks: &[Range<usize>], from: usize, width: usize) -> (Vec<Piece>, bool) {
    let mut pieces = Pieces { window: from..from.saturating_add(width), column: 0, done: Vec::new() };
    for (at, grapheme) in line.grapheme_indices(true) {
        if pieces.column >= pieces.window.end {
            return (pieces.done, true);
        }
        let is_marked = marks.iter().any(|mark| mark.contains(&at));
        let plain = if is_marked { Kind::Marked } else { Kind::Plain };
        match seen(grapheme) {
            Seen::Tab => pieces.push(&" ".repeat(TAB - pieces.column % TAB), plain),
            Seen::AsItIs => pieces.push(grapheme, plain),
            Seen::Spelled(words) => words.graphemes(true).for_each(|letter| pieces.push(letter, Kind::Escape)),
        }
    }
    let more = pieces.column > pieces.window.end;
    (pieces.done, more)
}

/// The column that a byte of a line is shown in, 0-based.
pub(super) fn column(line: &str, byte: usize) -> usize {
    let before = line.get(..byte).unwrap_or(line);
    let width = |grapheme: &str, at: usize| match seen(grapheme) {
        Seen::Tab => TAB - at % TAB,
        Seen::AsItIs => usize::from(grapheme.cell_width()),
        Seen::Spelled(words) => words.chars().count(),
    };
    before.graphemes(true).fold(0, |at, grapheme| at + width(grapheme, at))
}

/// The same text with everything written out that cannot be seen or would steer a terminal; line breaks become spaces.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for grapheme in text.graphemes(true) {
        match seen(grapheme) {
            Seen::AsItIs => out.push_str(grapheme),
            Seen::Tab => out.push(' '),
            Seen::Spelled(_) if matches!(grapheme, "\n" | "\r\n") => out.push(' '),
            Seen::Spelled(words) => out.push_str(&words),
        }
    }
    out
}

/// The words of a text in lines of at most `width` columns; a longer word is broken.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines: Vec<String> = Vec::new();
    let mut room = 0;
    for word in clean(text).split_whitespace() {
        let long = usize::from(word.cell_width());
        match lines.last_mut().filter(|_| long < room) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
                room -= long + 1;
            }
            None => {
                lines.extend(broken(word, width));
                let last = lines.last().map_or(0, |line| usize::from(line.cell_width()));
                room = width.saturating_sub(last);
            }
        }
    }
    lines
}

/// A word in pieces of at most `width` columns.
fn broken(word: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for grapheme in word.graphemes(true) {
        let long = usize::from(grapheme.cell_width());
        if used + long > width && used > 0 {
            lines.push(String::new());
            used = 0;
        }
        used += long;
        if let Some(line) = lines.last_mut() {
            line.push_str(grapheme);
        }
    }
    lines
}

struct Pieces {
    window: Range<usize>,
    column: usize,
    done: Vec<Piece>,
}

impl Pieces {
    /// Adds text whose columns are all the same for a cut: one letter, or spaces.
    fn push(&mut self, text: &str, kind: Kind) {
        let end = self.column + usize::from(text.cell_width());
        let inside = end.min(self.window.end).saturating_sub(self.column.max(self.window.start));
        if self.column >= self.window.start && end <= self.window.end {
            self.add(text, kind);
        } else if inside > 0 {
            self.add(&" ".repeat(inside), kind);
        }
        self.column = end;
    }

    fn add(&mut self, text: &str, kind: Kind) {
        match self.done.last_mut().filter(|(_, last)| *last == kind) {
            Some((all, _)) => all.push_str(text),
            None => self.done.push((text.to_owned(), kind)),
        }
    }
}

enum Seen {
    AsItIs,
    Tab,
    Spelled(String),
}

fn seen(grapheme: &str) -> Seen {
    if grapheme == "\t" {
        return Seen::Tab;
    }
    let width = if grapheme.chars().any(char::is_control) { 0 } else { grapheme.cell_width() };
    let is_joined = |c: char| c == '\u{200D}' && width == 2;
    if grapheme.chars().any(|c| c.is_control() || (is_hidden(c) && !is_joined(c))) || width == 0 {
        return Seen::Spelled(grapheme.chars().take(LONGEST_GRAPHEME).map(spelled).collect());
    }
    let many = grapheme.chars().count();
    if many > LONGEST_GRAPHEME {
        let first: String = grapheme.chars().take(1).collect();
        return Seen::Spelled(format!("{first}<+{}>", many - 1));
    }
    Seen::AsItIs
}

/// Characters that have no shape of their own and change how, or whether, others are seen.
fn is_hidden(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{61C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}')
        || matches!(c, '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}')
}

/// Control characters as `cat -v` has them, other hidden ones by their code point.
fn spelled(c: char) -> String {
    match c {
        '\u{0}'..='\u{1F}' => format!("^{}", char::from(c as u8 ^ 0x40)),
        '\u{7F}' => "^?".into(),
        c if c.is_control() || is_hidden(c) || c.encode_utf8(&mut [0; 4]).cell_width() == 0 => {
            format!("<U+{:04X}>", u32::from(c))
        }
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        cut(line, &[], 0, 10_000).0.into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn nothing_steers_the_terminal_or_hides() {
        assert_eq!(shown("a\u{1b}[31mb\u{7}\u{7f}\u{9b}"), "a^[[31mb^G^?<U+009B>");
        assert_eq!(shown("if x\u{202E} == y\u{200B}z\u{FEFF}"), "if x<U+202E> == y<U+200B>z<U+FEFF>");
        assert_eq!(shown("a\r"), "a^M");
        assert_eq!(shown("\u{301}x"), "<U+0301>x");
        assert_eq!(clean("a\nb\tc\u{1b}]0;title\u{7}"), "a b c^[]0;title^G");
    }

    #[test]
    fn letters_with_marks_and_emoji_stay_whole() {
        assert_eq!(shown("e\u{301} 漢 👨\u{200D}👩\u{200D}👧"), "e\u{301} 漢 👨\u{200D}👩\u{200D}👧");
        let stacked = format!("z{}", "\u{301}".repeat(5_000));
        assert_eq!(shown(&stacked), "z<+5000>");
    }

    #[test]
    fn tabs_and_wide_letters_keep_their_columns() {
        assert_eq!(shown("\ta\tb"), "    a   b");
        assert_eq!((column("\ta\tb", 3), column("漢a", 3)), (8, 2));
        let (pieces, more) = cut("漢字", &[], 1, 2);
        assert_eq!((pieces, more), (vec![("  ".to_owned(), Kind::Plain)], true));
    }

    #[test]
    fn only_what_fits_is_made() {
        let line = "x".repeat(100_000);
        let (pieces, more) = cut(&line, &[], 99_990, 20);
        assert_eq!((pieces, more), (vec![("x".repeat(10), Kind::Plain)], false));
        assert!(cut(&line, &[], 0, 10).1);
    }

    #[test]
    fn marks_split_the_line() {
        let (pieces, _) = cut("abcd", std::slice::from_ref(&(1..3)), 0, 9);
        let plain = |text: &str| (text.to_owned(), Kind::Plain);
        assert_eq!(pieces, [plain("a"), ("bc".into(), Kind::Marked), plain("d")]);
    }

    #[test]
    fn words_are_wrapped_and_long_ones_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh i", 3), ["abc", "def", "gh", "i"]);
        assert_eq!(wrap("漢字漢", 4), ["漢字", "漢"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
        assert_eq!(wrap("ab", 0), ["a", "b"]);
    }
}
