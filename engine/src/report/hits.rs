//! How are answers from the index written?

use std::fmt::Write as _;

use super::{Color, harmless};
use crate::recall::{Hit, Place, chunk::Kind};

/// Lines of a piece that are shown.
const SHOWN_LINES: usize = 3;

/// For people: place, what it is, and its first telling lines.
pub fn hits_text(hits: &[Hit], color: Color) -> String {
    let mut out = String::new();
    for hit in hits {
        let (bold, plain) = if color == Color::On { ("\u{1b}[1m", "\u{1b}[0m") } else { ("", "") };
        let _ = writeln!(out, "{bold}{}{plain}  {}", place(hit), harmless(&about(hit)));
        for line in telling_lines(hit) {
            let _ = writeln!(out, "    {line}");
        }
    }
    out
}

/// One JSON array, scores included.
pub fn hits_json(hits: &[Hit]) -> String {
    serde_json::to_string_pretty(hits).unwrap_or_default() + "\n"
}

fn place(hit: &Hit) -> String {
    let (first, last) = hit.chunk.lines;
    match &hit.place {
        Place::File(path) if first == last => format!("{}:{first}", harmless(path.as_str())),
        Place::File(path) => format!("{}:{first}-{last}", harmless(path.as_str())),
        Place::Document(address) => harmless(address),
    }
}

fn about(hit: &Hit) -> String {
    let chunk = &hit.chunk;
    let symbol = match chunk.kind {
        Kind::Section => chunk.symbol.join(" > "),
        _ => chunk.symbol.join("."),
    };
    let part = if chunk.part > 0 { format!(" (part {})", chunk.part + 1) } else { String::new() };
    format!("{symbol}{part}")
}

/// The signature and what is said of it; else the first lines of the text.
fn telling_lines(hit: &Hit) -> Vec<String> {
    let chunk = &hit.chunk;
    let said: Vec<&str> = match chunk.kind {
        Kind::Section | Kind::Window | Kind::Module => chunk.text.lines().collect(),
        _ => chunk.signature.lines().chain(chunk.doc.lines().take(SHOWN_LINES - 1)).collect(),
    };
    let telling = said.into_iter().map(str::trim).filter(|line| !line.is_empty());
    telling.take(SHOWN_LINES).map(|line| shorten(&harmless(line))).collect()
}

fn shorten(line: &str) -> String {
    const MOST: usize = 100;
    match line.char_indices().nth(MOST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
