//! What do the pages of a PDF say, and who dares to look?
//!
//! No PDF is parsed in this process but by [`extract`], which is for a process of its own: a hostile file can bring any
//! parser to panic, to exhaust the stack or to eat all memory. [`Confined`] starts such a process in the sandbox that
//! linters run in, and ends it when its time is over.

use std::{
    io::{Seek as _, Write as _},
    path::PathBuf,
    time::Duration,
};

use super::{Document, DocumentError, Format, clean::Blocks, stored};
use crate::check::linter::confined;

/// Reads the pages of a PDF somewhere else.
pub trait PdfReader: Send + Sync {
    /// The text of each page.
    ///
    /// # Errors
    /// A sentence that says why there is none.
    fn pages(&self, bytes: &[u8]) -> Result<Vec<String>, String>;
}

/// A program that reads a PDF from its standard input and answers with what [`extract`] gives: `apprentice docs
/// extract-pdf`.
#[derive(Debug, Clone)]
pub struct Confined {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// How long it may take by the clock.
    pub time: Duration,
}

/// Bytes of memory, seconds of processor time.
const LIMITS: (u64, u64) = (1 << 30, 20);
/// Stands before the answer, since the parser may print while it works.
const MARK: &str = "\u{1}pages\u{1}";
/// The most bytes of text of one PDF.
const MOST: usize = 16 << 20;

impl PdfReader for Confined {
    fn pages(&self, bytes: &[u8]) -> Result<Vec<String>, String> {
        let failed = |error: std::io::Error| format!("cannot hand it over: {error}");
        let mut input = tempfile::tempfile().map_err(failed)?;
        input.write_all(bytes).and_then(|()| input.rewind()).map_err(failed)?;
        let output = confined(&self.program, &self.args, input, LIMITS, self.time)?;
        let text = String::from_utf8_lossy(&output);
        let (_, pages) = text.rsplit_once(MARK).ok_or("the process that reads it gave no answer")?;
        Ok(pages.split('\u{c}').map(str::to_owned).collect())
    }
}

/// The text of each page between form feeds, after a mark. To be called in a process that may end badly.
///
/// # Errors
/// A sentence when it is no PDF or none of its pages can be read.
pub fn extract(bytes: &[u8]) -> Result<String, String> {
    let mut pdf = guarded(|| pdf_extract::Document::load_mem(bytes).map_err(|error| error.to_string()))?;
    if pdf.is_encrypted() {
        pdf.decrypt("").map_err(|_| "it is locked with a password".to_owned())?;
    }
    let mut answer = MARK.to_owned();
    let (mut read, mut why) = (0, None);
    let count = u32::try_from(pdf.get_pages().len()).unwrap_or(u32::MAX);
    for number in 1..=count {
        if number > 1 {
            answer.push('\u{c}');
        }
        match page(&pdf, number) {
            Ok(text) if answer.len() + text.len() <= MOST => {
                read += 1;
                answer.push_str(&text.replace(['\u{c}', '\u{1}'], " "));
            }
            Ok(_) => break,
            Err(error) => why = Some(error),
        }
    }
    match why {
        Some(why) if read == 0 => Err(why),
        _ => Ok(answer),
    }
}

/// One page; a parser that panics on it loses only this one.
fn page(pdf: &pdf_extract::Document, number: u32) -> Result<String, String> {
    guarded(|| {
        let mut text = String::new();
        let mut output = pdf_extract::PlainTextOutput::new(&mut text);
        pdf_extract::output_doc_page(pdf, &mut output, number).map(|()| text).map_err(|error| error.to_string())
    })
}

fn guarded<T>(parse: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(parse));
    caught.unwrap_or_else(|_| Err("the parser gave up".to_owned()))
}

/// The pages as sections.
pub(super) fn read(bytes: &[u8], reader: &dyn PdfReader) -> Result<Document, DocumentError> {
    if !bytes[..bytes.len().min(1024)].windows(5).any(|window| window == b"%PDF-") {
        return Err(DocumentError::malformed(Format::Pdf, "it does not begin as one"));
    }
    let pages = reader.pages(bytes).map_err(|why| DocumentError::malformed(Format::Pdf, why))?;
    let repeated = repeated(&pages);
    let mut blocks = Blocks::default();
    for (number, page) in (1..).zip(&pages) {
        let text = paragraphs(page, &repeated);
        if !text.trim().is_empty() {
            blocks.heading(1, &format!("page {number}"), (1, 1));
            blocks.prose(&text, (1, 1));
        }
    }
    let blocks = blocks.finish();
    if blocks.is_empty() {
        return Err(DocumentError::malformed(Format::Pdf, "there is no text on its pages; they may be images"));
    }
    // A PDF has no lines: those of its text are told.
    Ok(Document::new(Some(String::new()), stored::read(&stored::write(&blocks))))
}

/// First and last lines that stand on more than half of at least four pages: headers and footers.
fn repeated(pages: &[String]) -> Vec<String> {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    for page in pages {
        let lines: Vec<&str> = page.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let mut edges: Vec<String> =
            [lines.first(), lines.last()].into_iter().flatten().map(|line| numberless(line)).collect();
        edges.dedup();
        edges.into_iter().for_each(|line| *counts.entry(line).or_default() += 1);
    }
    counts.into_iter().filter(|&(_, count)| pages.len() >= 4 && count * 2 > pages.len()).map(|(line, _)| line).collect()
}

/// A line with its numbers alike, since a footer counts pages.
fn numberless(line: &str) -> String {
    line.trim().chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect::<String>().replace("00", "0")
}

/// A page without headers and footers, its words whole again where a line had cut them.
fn paragraphs(page: &str, repeated: &[String]) -> String {
    let lines = page.lines().map(str::trim).filter(|line| line.is_empty() || !repeated.contains(&numberless(line)));
    let mut out = String::new();
    for line in lines {
        let continues = line.starts_with(char::is_lowercase);
        if continues && out.ends_with("-\n") && out[..out.len() - 2].ends_with(char::is_lowercase) {
            out.truncate(out.len() - 2);
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake(Vec<&'static str>);

    impl PdfReader for Fake {
        fn pages(&self, _: &[u8]) -> Result<Vec<String>, String> {
            Ok(self.0.iter().map(|&page| page.to_owned()).collect())
        }
    }

    #[test]
    fn pages_are_sections_without_headers_and_cut_words() {
        let pages =
            vec!["Manual 1\n\nAn exam-\nple of\n\ntext.", "Manual 2\n\nMore.", "Manual 3\n\nx", "Manual 14\n\nlast"];
        let document = read(b"%PDF-1.7", &Fake(pages)).unwrap();
        insta::assert_snapshot!(document.text(), @r##"
        # page 1

        An example of

        text.

        # page 2

        More.

        # page 3

        x

        # page 4

        last
        "##);
    }

    #[test]
    fn what_does_not_begin_as_a_pdf_is_not_handed_over() {
        assert!(read(b"<html>", &Fake(Vec::new())).is_err());
    }

    #[test]
    fn an_extract_of_nonsense_is_an_error() {
        for bytes in [&b""[..], b"%PDF-1.7", b"%PDF-1.7\ntrailer <</Root 1 0 R>>\nstartxref\n9\n%%EOF"] {
            assert!(extract(bytes).is_err());
        }
    }
}
