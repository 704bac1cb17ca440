//! Which paragraphs has a text without marks?

use super::{
    Document,
    clean::{Blocks, Lines},
};

/// Its paragraphs, which blank lines part.
pub(super) fn read(text: &str) -> Document {
    let lines = Lines::of(text);
    let mut blocks = Blocks::default();
    for paragraph in paragraphs(text) {
        blocks.prose(&text[paragraph.clone()], lines.range(text, paragraph));
    }
    Document::new(Some(String::new()), blocks.finish())
}

/// Ranges of bytes between blank lines.
pub(super) fn paragraphs(text: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = Vec::new();
    let mut open: Option<usize> = None;
    let mut at = 0;
    for line in text.split_inclusive(['\n', '\u{c}']) {
        if line.trim().is_empty() {
            found.extend(open.take().map(|start| start..at));
        } else {
            open.get_or_insert(at);
        }
        at += line.len();
    }
    found.extend(open.map(|start| start..at));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_keep_their_lines() {
        let document = read("\nfirst\nstill first\n\n\n  second\n");
        let seen: Vec<_> = document.blocks.iter().map(|block| (block.text.as_str(), block.lines)).collect();
        assert_eq!(seen, [("first\nstill first", (2, 3)), ("  second", (6, 6))]);
    }
}
