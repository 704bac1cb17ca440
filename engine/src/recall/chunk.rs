//! Which pieces of a file would one quote? Definitions of code, sections of documents.

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
pub fn code(file: &SourceFile) -> Chunked {
    Chunked { imports: Vec::new(), chunks: windows(file) }
}

/// Lines of a window.
const WINDOW: u32 = 40;

fn windows(file: &SourceFile) -> Vec<Chunk> {
    let count = file.lines.count();
    let window = |first: u32| {
        let last = (first + WINDOW - 1).min(count);
        let bytes = file.lines.range(first).start..file.lines.range(last).end;
        let text = file.text.get(bytes)?.to_owned();
        (!text.trim().is_empty()).then_some(Chunk {
            kind: Kind::Window,
            symbol: Vec::new(),
            signature: String::new(),
            doc: String::new(),
            calls: Vec::new(),
            lines: (first, last),
            part: 0,
            text,
        })
    };
    (1..=count).step_by(WINDOW as usize).filter_map(window).collect()
}
