//! What does a document say, under which headings? Markdown, reStructuredText, HTML, PDF, notebooks and plain text.
//!
//! Whatever comes in is untrusted: it is bounded in bytes before it is parsed and in depth, nodes and time while it is,
//! and what a person would not see (comments, scripts, hidden elements, invisible characters) is not in what comes out.

mod clean;
mod cut;
pub mod html;
mod markdown;
mod notebook;
pub mod pdf;
mod plain;
mod rst;
mod stored;

pub use clean::decode;
pub use pdf::PdfReader;

use crate::source::RepoPath;

use super::chunk::Chunked;

/// What sort of document some bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Markdown (CommonMark with tables).
    Markdown,
    /// reStructuredText.
    Rst,
    /// HTML.
    Html,
    /// PDF.
    Pdf,
    /// A Jupyter notebook.
    Notebook,
    /// Text without marks.
    Text,
}

impl Format {
    /// The format of a file by its name; none for what is no document.
    pub fn of_path(path: &RepoPath) -> Option<Self> {
        Self::of_extension(path.extension()?)
    }

    /// The format that goes with what follows the last dot of a name.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Some(match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "mdx" => Self::Markdown,
            "rst" => Self::Rst,
            "html" | "htm" | "xhtml" => Self::Html,
            "pdf" => Self::Pdf,
            "ipynb" => Self::Notebook,
            "txt" => Self::Text,
            _ => return None,
        })
    }

    /// Its name, as it is shown and stored.
    pub fn name(self) -> &'static str {
        match self {
            Self::Markdown => "Markdown",
            Self::Rst => "reStructuredText",
            Self::Html => "HTML",
            Self::Pdf => "PDF",
            Self::Notebook => "notebook",
            Self::Text => "text",
        }
    }

    /// The most bytes of such a document that are read. Notebooks and PDF carry images.
    pub fn most_bytes(self) -> u64 {
        match self {
            Self::Pdf | Self::Notebook => 64 << 20,
            Self::Markdown | Self::Rst | Self::Html | Self::Text => 8 << 20,
        }
    }
}

/// Why a document cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is not what its name says.
    #[error("not a readable {format}: {why}")]
    Malformed {
        /// The format by its name.
        format: &'static str,
        /// What is wrong.
        why: String,
    },
    /// It has more bytes than are read.
    #[error("{bytes} bytes are too long for a {format}: at most {most} are read")]
    TooLong {
        /// The format by its name.
        format: &'static str,
        /// How many it has, or at least has.
        bytes: u64,
        /// How many are read.
        most: u64,
    },
    /// PDF is read in a process of its own, and none was given.
    #[error("PDF is read only in a process of its own, and there is none here")]
    NoReader,
}

impl DocumentError {
    fn malformed(format: Format, why: impl Into<String>) -> Self {
        Self::Malformed { format: format.name(), why: why.into() }
    }
}

/// What stands in a document between two blank lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) what: What,
    /// Never empty, without a blank line at either end; prose has none inside.
    pub(crate) text: String,
    /// 1-based, inclusive.
    pub(crate) lines: (u32, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// With its level, 1 for the outermost, at most [`DEEPEST`].
    Heading(u8),
    Prose,
    Code,
}

/// The deepest level of headings: six of Markdown and HTML, and below them the cell of a notebook.
pub(crate) const DEEPEST: u8 = 9;

/// A document as its readers see it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// What it calls itself: a title of its own, or the first of its outermost headings. Empty where it has neither.
    pub title: String,
    blocks: Vec<Block>,
}

impl Document {
    /// Its sections as chunks of at most about 400 tokens. `lines` are those of the file; for a notebook and a PDF those
    /// of [`Document::text`].
    pub fn chunks(&self) -> Chunked {
        Chunked { imports: Vec::new(), chunks: cut::cut(&self.blocks) }
    }

    /// The whole as text: headings after `#`, code between fences, everything else as it is read. A line of prose that
    /// could be taken for either stands after a backslash. [`Document::from_text`] undoes it.
    pub fn text(&self) -> String {
        stored::write(&self.blocks)
    }

    /// A document from what [`Document::text`] wrote. `lines` are those of the text.
    pub fn from_text(title: impl Into<String>, text: &str) -> Self {
        Self { title: title.into(), blocks: stored::read(text) }
    }

    fn new(title: Option<String>, blocks: Vec<Block>) -> Self {
        let level = |block: &Block| if let What::Heading(level) = block.what { Some(level) } else { None };
        let first = || blocks.iter().filter(|block| level(block).is_some()).min_by_key(|block| level(block));
        let title = title.or_else(|| first().map(|block| block.text.clone())).unwrap_or_default();
        Self { title, blocks }
    }
}

/// Reads a document. `charset` is what whoever sent it says of its encoding, where anyone did.
///
/// # Errors
/// [`DocumentError`] when the bytes are not such a document or too many of them, and for a PDF without a reader.
pub fn read(
    format: Format,
    bytes: &[u8],
    charset: Option<&str>,
    pdf: Option<&dyn PdfReader>,
) -> Result<Document, DocumentError> {
    let most = format.most_bytes();
    if bytes.len() as u64 > most {
        return Err(DocumentError::TooLong { format: format.name(), bytes: bytes.len() as u64, most });
    }
    let text = || decode(bytes, charset).map_err(|why| DocumentError::malformed(format, why));
    Ok(match format {
        Format::Markdown => markdown::read(&text()?),
        Format::Rst => rst::read(&text()?),
        Format::Html => {
            let declared = charset.is_none().then(|| html::charset(bytes)).flatten();
            let text = decode(bytes, charset.or(declared.as_deref()));
            html::read(&text.map_err(|why| DocumentError::malformed(format, why))?)?.document
        }
        Format::Notebook => notebook::read(bytes)?,
        Format::Pdf => pdf::read(bytes, pdf.ok_or(DocumentError::NoReader)?)?,
        Format::Text => plain::read(&text()?),
    })
}

/// Cuts a document of the repository into its sections.
///
/// # Errors
/// [`DocumentError`] when the bytes are not such a document, and for every PDF: those need [`read`] with a reader.
pub fn sections(format: Format, bytes: &[u8]) -> Result<Chunked, DocumentError> {
    Ok(read(format, bytes, None, None)?.chunks())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_hundred_megabytes_is_refused_and_one_below_the_bound_is_cut() {
        let start = std::time::Instant::now();
        let long = vec![b'x'; 100 << 20];
        for format in [Format::Markdown, Format::Rst, Format::Html, Format::Text] {
            assert!(matches!(sections(format, &long), Err(DocumentError::TooLong { .. })));
        }
        assert!(start.elapsed().as_secs() < 1, "{:?}", start.elapsed());
        for format in [Format::Markdown, Format::Rst, Format::Html, Format::Text] {
            let chunks = sections(format, &long[..1 << 20]).unwrap().chunks;
            assert!(chunks.iter().all(|chunk| chunk.text.len() < 8_000), "{format:?}");
            let kept = |chunk: &crate::recall::Chunk| chunk.text.bytes().filter(|&byte| byte == b'x').count();
            assert_eq!(chunks.iter().map(kept).sum::<usize>(), 1 << 20, "{format:?}");
        }
        assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for format in [Format::Markdown, Format::Rst, Format::Text] {
            let error = sections(format, b"\x7fELF\x02\x01\x01\0\0\0\0").unwrap_err();
            assert!(error.to_string().contains("binary"), "{error}");
        }
        assert_eq!(sections(Format::Pdf, b"%PDF-1.4"), Err(DocumentError::NoReader));
    }
}
