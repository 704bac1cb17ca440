//! What do the cells of a Jupyter notebook say?

use serde::Deserialize;

use super::{Block, Document, DocumentError, Format, What, clean::Blocks, markdown, stored};

/// Below every heading that Markdown has.
const CELL: u8 = 7;

/// Markdown and code cells; outputs are left out. Each cell is a section of its own under the headings before it.
pub(super) fn read(bytes: &[u8]) -> Result<Document, DocumentError> {
    let failed = |error: serde_json::Error| DocumentError::malformed(Format::Notebook, error.to_string());
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(DocumentError::malformed(Format::Notebook, "it is no JSON object"));
    }
    let notebook: Notebook = serde_json::from_slice(bytes).map_err(failed)?;
    let sheets = notebook.worksheets.into_iter().flat_map(|sheet| sheet.cells);
    let mut blocks = Blocks::default();
    for (number, cell) in (1..).zip(notebook.cells.into_iter().chain(sheets)) {
        cell.add(number, &mut blocks);
    }
    // A notebook has no lines that anyone would look for: those of its text are told.
    Ok(Document::new(None, stored::read(&stored::write(&blocks.finish()))))
}

#[derive(Deserialize)]
struct Notebook {
    #[serde(default)]
    cells: Vec<Cell>,
    /// Where the third version of the format has its cells.
    #[serde(default)]
    worksheets: Vec<Sheet>,
}

#[derive(Deserialize)]
struct Sheet {
    #[serde(default)]
    cells: Vec<Cell>,
}

#[derive(Deserialize)]
struct Cell {
    #[serde(default)]
    cell_type: String,
    #[serde(default, alias = "input")]
    source: Source,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Source {
    Text(String),
    Lines(Vec<String>),
}

impl Default for Source {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

impl Source {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            // The second version of the format has lines without their ends.
            Self::Lines(lines) if lines.iter().any(|line| line.ends_with('\n')) => lines.concat(),
            Self::Lines(lines) => lines.join("\n"),
        }
    }
}

impl Cell {
    fn add(self, number: usize, blocks: &mut Blocks) {
        let name = format!("cell {number}");
        let text = self.source.text();
        match self.cell_type.as_str() {
            "code" if !text.trim().is_empty() => {
                blocks.heading(CELL, &name, (1, 1));
                blocks.code(&text, (1, 1));
            }
            "markdown" => add_markdown(&name, markdown::parse(&text).1, blocks),
            _ => {}
        }
    }
}

/// The name of the cell stands below each of its headings, before what is said there.
fn add_markdown(name: &str, cell: Vec<Block>, blocks: &mut Blocks) {
    let mut named = false;
    for block in cell {
        let is_heading = matches!(block.what, What::Heading(_));
        if !is_heading && !named {
            blocks.heading(CELL, name, (1, 1));
        }
        named = !is_heading;
        blocks.append(vec![block]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_sections_under_the_headings_before_them() {
        let notebook = serde_json::json!({"cells": [
            {"cell_type": "markdown", "source": ["# Load\n", "\n", "First we read."]},
            {"cell_type": "code", "source": "import pandas as pd\npd.read_csv('a.csv')", "outputs": [{"data": "secret"}]},
            {"cell_type": "raw", "source": "x"},
            {"cell_type": "markdown", "source": "Then we look.\n## Plot"},
            {"cell_type": "code", "source": ["plot()"]},
        ], "metadata": {}, "nbformat": 4});
        let document = read(notebook.to_string().as_bytes()).unwrap();
        assert_eq!(document.title, "Load");
        insta::assert_snapshot!(document.text(), @r##"
        # Load

        ####### cell 1

        First we read.

        ####### cell 2

        ```
        import pandas as pd
        pd.read_csv('a.csv')
        ```

        ####### cell 4

        Then we look.

        ## Plot

        ####### cell 5

        ```
        plot()
        ```
        "##);
    }

    #[test]
    fn what_is_none_is_an_error() {
        for bytes in [&b"{"[..], b"[]", b"\xff\xfe", "[".repeat(100_000).as_bytes()] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
    }
}
