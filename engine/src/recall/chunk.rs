//! Which pieces of a file would one quote? Definitions of code, sections of documents.

mod doc;
mod grammar;
mod layout;
mod measure;
mod name;
mod path;
mod quote;
mod row;
mod rows;
mod scan;

use grammar::Grammar;
use measure::Measure;
pub(super) use measure::tokens;
use quote::Quote;
use scan::Scan;

use crate::source::SourceFile;

/// What a [`Chunk`] holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A function that belongs to no type.
    Function,
    /// A function of a type.
    Method,
    /// A class, struct, enum, trait, interface or impl block: what is left of it without its larger members.
    Type,
    /// What stands at the top of a file between definitions: imports, constants, statements.
    Module,
    /// A section of a document.
    Section,
    /// Some lines of a file that has no grammar here.
    Window,
}

/// A piece of a file that one would quote, at most about 400 tokens.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Chunk {
    /// What it holds.
    pub kind: Kind,
    /// Where it belongs, outermost first: `["Client", "send"]`, or the headings above a section. Empty for a module.
    pub symbol: Vec<String>,
    /// Its first lines up to the body, white space folded; empty where there is none.
    pub signature: String,
    /// Its doc comment or docstring without comment marks; the text of a section.
    pub doc: String,
    /// Names that are called in it, each once, without their receiver: `["get", "HTTPError"]`.
    pub calls: Vec<String>,
    /// First and last line, 1-based and inclusive; of the extracted text where a document has no lines of its own.
    pub lines: (u32, u32),
    /// 0 for a whole definition or its first part; 1, 2, … for the further parts of a long one.
    pub part: u16,
    /// The text with its doc comment, as it stands in the file.
    pub text: String,
}

impl Chunk {
    /// The last part of its symbol path; empty for a module.
    pub fn name(&self) -> &str {
        self.symbol.last().map_or("", String::as_str)
    }
}

/// A file cut into chunks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunked {
    /// What the file imports, as written, each once.
    pub imports: Vec<String>,
    /// Its chunks in order of place; every line that is not blank is in at least one.
    pub chunks: Vec<Chunk>,
}

/// Cuts a source file along its definitions, and one without a grammar into windows of lines.
///
/// A chunk has at most about 400 tokens of WordPiece by an estimate (see `measure`), never more than 6,400 bytes; a
/// line that alone is longer is cut in the chunk's text, and nothing that begins on it stands alone. A file that the
/// parser cannot read within a number of steps that grows with its length is cut into windows.
pub fn code(file: &SourceFile) -> Chunked {
    let measure = Measure::new(file);
    let grammar = file.language.map(grammar::of);
    match grammar.and_then(|grammar| Some((grammar, scan::scan(file, grammar)?))) {
        Some((grammar, scan)) => definitions(file, &measure, grammar, scan),
        None => Chunked { imports: Vec::new(), chunks: windows(file, &measure) },
    }
}

fn definitions(file: &SourceFile, measure: &Measure, grammar: &Grammar, scan: Scan) -> Chunked {
    let pieces = layout::lay_out(&scan, measure);
    let quote = Quote { file, measure, grammar, scan: &scan };
    let chunks = pieces.iter().map(|piece| quote.chunk(piece)).collect();
    Chunked { imports: scan.imports, chunks }
}

/// Lines of a file, cut where a paragraph ends or the indentation is least.
fn windows(file: &SourceFile, measure: &Measure) -> Vec<Chunk> {
    let indentation = |line: u32| {
        let text = file.line(line + 1);
        (text.len() - text.trim_start().len()).min(40) as u32
    };
    let depth: Vec<u32> = (0..file.lines.count()).map(indentation).collect();
    let pieces = measure.split(0..measure.count(), &depth);
    pieces.into_iter().map(|lines| quote::plain(file, measure, Kind::Window, &lines)).collect()
}

#[cfg(test)]
mod tests;
