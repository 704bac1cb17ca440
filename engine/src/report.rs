//! How is it written? Each format is a pure function of a [`Review`].

mod checkstyle;
mod github;
mod hits;
mod json;
mod junit;
pub mod markdown;
mod rdjson;
mod sarif;
mod text;

pub use hits::{hits_json, hits_text};
pub use json::schema;

use crate::{
    review::{Review, Reviewed},
    source::Position,
};

/// The forms a review can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people, in a terminal.
    Text,
    /// One JSON object, as `config/review.schema.json` says.
    Json,
    /// One finding a line, each the same JSON as in [`Format::Json`].
    Jsonl,
    /// SARIF 2.1.0, columns in UTF-16 code units.
    Sarif,
    /// Reviewdog's diagnostic format, columns in UTF-8 bytes.
    Rdjson,
    /// Checkstyle's XML.
    Checkstyle,
    /// For a comment or a job summary.
    Markdown,
    /// GitHub's workflow commands, which become annotations.
    Github,
    /// JUnit's XML, a test case a finding.
    Junit,
}

/// Whether escape codes for color may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// Yes.
    On,
    /// No.
    Off,
}

/// The review in one format.
pub fn render(review: &Review, format: Format, color: Color) -> String {
    match format {
        Format::Text => text::render(review, color),
        Format::Json => json::render(review),
        Format::Jsonl => json::render_lines(review),
        Format::Sarif => sarif::render(review),
        Format::Rdjson => rdjson::render(review),
        Format::Checkstyle => checkstyle::render(review),
        Format::Markdown => markdown::render(review),
        Format::Github => github::render(review),
        Format::Junit => junit::render(review),
    }
}

/// Our own page, where a format asks for one.
const HOME: &str = "https://github.com/apprentice-review/apprentice";

/// The same position with its column in UTF-16 code units, 1-based, for formats that count so.
fn utf16(review: &Review, reviewed: &Reviewed, position: Position) -> u32 {
    let before = review.file(&reviewed.finding.path).map_or("", |file| {
        let line = file.text.get(file.lines.range(position.line)).unwrap_or("");
        line.get(..position.column as usize - 1).unwrap_or(line)
    });
    before.encode_utf16().count() as u32 + 1
}

/// Text of unknown origin made harmless for a line of output: control characters, which could steer a terminal or
/// break a line-based format, become visible.
fn harmless(text: &str) -> String {
    let visible = |c: char| match c {
        '\n' | '\t' => ' ',
        // Explicit bidirectional controls and zero-width characters hide what a line says.
        '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{200B}'..='\u{200F}' | '\u{FEFF}' => '\u{FFFD}',
        c if c.is_control() => '\u{FFFD}',
        c => c,
    };
    text.chars().map(visible).collect()
}

/// Singular or plural: `1 error`, `2 errors`.
fn count(many: usize, noun: &str) -> String {
    if many == 1 { format!("1 {noun}") } else { format!("{many} {noun}s") }
}
