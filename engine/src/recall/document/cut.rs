//! Where does one section of a document end and the next begin, and which are too small or too long to be quoted?

use crate::recall::chunk::{Chunk, Kind, tokens};

use super::{Block, What, clean::split_within};

/// The most tokens of a chunk.
const MOST: usize = 400;
/// A section of fewer words says too little by itself.
const TINY: usize = 20;
/// The most characters of the names of sections that are joined.
const NAMES: usize = 120;
/// The most bytes of a word that is kept whole: not even marks alone are more tokens than fit.
const WORD: usize = 360;

/// Sections as chunks. Every line of a block is in at least one.
pub(super) fn cut(blocks: &[Block]) -> Vec<Chunk> {
    let sections = join_last(join_next(sections(blocks)));
    sections.iter().flat_map(Section::chunks).collect()
}

/// Some text that is not cut but where it must be.
#[derive(Debug, Clone)]
struct Piece {
    text: String,
    lines: (u32, u32),
}

#[derive(Debug)]
struct Section {
    path: Vec<String>,
    /// The heading that opens it, until it stands among the pieces.
    heading: Option<Piece>,
    pieces: Vec<Piece>,
    words: usize,
    tokens: usize,
}

impl Section {
    fn new(path: Vec<String>, heading: Option<Piece>) -> Self {
        Self { path, heading, pieces: Vec::new(), words: 0, tokens: 0 }
    }

    fn push(&mut self, piece: Piece) {
        self.words += piece.text.split_whitespace().count();
        self.tokens += tokens(&piece.text);
        self.pieces.push(piece);
    }

    /// Whether the other is its sibling or lies below it, and both fit into one chunk.
    fn takes(&self, other: &Self) -> bool {
        let parent = |path: &[String]| path.split_last().map(|(_, parent)| parent.to_vec());
        let near = other.path.starts_with(&self.path) || parent(&self.path) == parent(&other.path);
        near && self.tokens + other.tokens <= MOST
    }

    /// The text of the other after its own, each under its heading.
    fn absorb(&mut self, mut other: Self) {
        if self.pieces.is_empty() && other.path.starts_with(&self.path) {
            // A heading with nothing of its own is in the path already; its line belongs to what follows.
            let first = self.heading.take().map(|heading| heading.lines.0);
            self.heading = other
                .heading
                .take()
                .zip(first)
                .map(|(heading, first)| Piece { lines: (first, heading.lines.1), ..heading });
        } else {
            self.show_heading();
            other.show_heading();
        }
        self.pieces.append(&mut other.pieces);
        self.words += other.words;
        self.tokens += other.tokens;
    }

    fn show_heading(&mut self) {
        if let Some(heading) = self.heading.take() {
            self.pieces.insert(0, heading);
        }
    }

    fn chunks(&self) -> Vec<Chunk> {
        let mut parts: Vec<Piece> = Vec::new();
        let mut full = MOST;
        for piece in self.pieces.iter().flat_map(fragments) {
            let size = tokens(&piece.text);
            match parts.last_mut() {
                Some(part) if full + size <= MOST => {
                    part.text.push_str("\n\n");
                    part.text.push_str(&piece.text);
                    part.lines.1 = part.lines.1.max(piece.lines.1);
                    full += size;
                }
                _ => {
                    full = size;
                    parts.push(piece);
                }
            }
        }
        if let (Some(first), Some(heading)) = (parts.first_mut(), &self.heading) {
            first.lines.0 = heading.lines.0;
        }
        (0u16..).zip(parts).map(|(part, piece)| self.chunk(part, piece)).collect()
    }

    fn chunk(&self, part: u16, piece: Piece) -> Chunk {
        Chunk {
            kind: Kind::Section,
            symbol: self.path.clone(),
            signature: String::new(),
            doc: piece.text.clone(),
            calls: Vec::new(),
            lines: piece.lines,
            part,
            text: piece.text,
        }
    }
}

fn sections(blocks: &[Block]) -> Vec<Section> {
    let mut open: Vec<(u8, String)> = Vec::new();
    let mut sections = vec![Section::new(Vec::new(), None)];
    for block in blocks {
        let piece = Piece { text: block.text.clone(), lines: block.lines };
        if let What::Heading(level) = block.what {
            open.retain(|&(above, _)| above < level);
            open.push((level, block.text.clone()));
            let path = open.iter().map(|(_, heading)| heading.clone()).collect();
            sections.push(Section::new(path, Some(piece)));
        } else if let Some(section) = sections.last_mut() {
            section.push(piece);
        }
    }
    sections.retain(|section| section.heading.is_some() || !section.pieces.is_empty());
    sections
}

/// Tiny sections go into the next one.
fn join_next(sections: Vec<Section>) -> Vec<Section> {
    let mut joined: Vec<Section> = Vec::new();
    for section in sections {
        match joined.last_mut() {
            Some(last) if last.words < TINY && last.takes(&section) => {
                last.path = joined_path(last, &section);
                last.absorb(section);
            }
            _ => joined.push(section),
        }
    }
    joined
}

/// A section below the other keeps its own path; two beside each other are called by both their names.
fn joined_path(first: &Section, next: &Section) -> Vec<String> {
    let (Some((name, parent)), Some(other)) = (first.path.split_last(), next.path.last()) else {
        return next.path.clone();
    };
    if next.path.starts_with(&first.path) {
        return next.path.clone();
    }
    let both = format!("{name}, {other}");
    match both.chars().nth(NAMES) {
        None => parent.iter().cloned().chain([both]).collect(),
        Some(_) if parent.is_empty() => first.path.clone(),
        Some(_) => parent.to_vec(),
    }
}

/// Tiny sections that had no next one go into the one before.
fn join_last(sections: Vec<Section>) -> Vec<Section> {
    let mut joined: Vec<Section> = Vec::new();
    for section in sections {
        match joined.last_mut() {
            Some(last) if section.words < TINY && last.takes(&section) => {
                if !section.path.starts_with(&last.path) {
                    last.path = joined_path(last, &section);
                }
                last.absorb(section);
            }
            _ => joined.push(section),
        }
    }
    for section in &mut joined {
        if section.pieces.is_empty() {
            section.show_heading();
        }
    }
    joined
}

/// A piece as it is, or cut at lines, at words, and at last inside a word.
fn fragments(piece: &Piece) -> Vec<Piece> {
    if tokens(&piece.text) <= MOST {
        return vec![piece.clone()];
    }
    let exact = piece.text.lines().count() == (piece.lines.1 - piece.lines.0 + 1) as usize;
    let place = |at: u32| if exact { (piece.lines.0 + at, piece.lines.0 + at) } else { piece.lines };
    let mut out = Pack::default();
    for (at, line) in (0u32..).zip(piece.text.lines()) {
        match tokens(line) {
            size if size <= MOST => out.add(line, "\n", place(at), size),
            _ => scraps(line).for_each(|(scrap, between)| out.add(scrap, between, place(at), tokens(scrap))),
        }
    }
    out.0
}

/// The words of a line, long ones in parts, each with what stands between it and what was before.
fn scraps(line: &str) -> impl Iterator<Item = (&str, &'static str)> {
    let (mut words, mut rest, mut first) = (line.split_whitespace(), "", true);
    std::iter::from_fn(move || {
        let mut between = "";
        if rest.is_empty() {
            rest = words.next()?;
            between = if std::mem::take(&mut first) { "\n" } else { " " };
        }
        let (scrap, more) = split_within(rest, WORD);
        rest = more;
        Some((scrap, between))
    })
}

/// Fragments, the last of which may grow.
#[derive(Default)]
struct Pack(Vec<Piece>, usize);

impl Pack {
    fn add(&mut self, text: &str, between: &str, lines: (u32, u32), size: usize) {
        match self.0.last_mut() {
            Some(last) if self.1 + size <= MOST => {
                last.text.push_str(between);
                last.text.push_str(text);
                last.lines.1 = lines.1;
                self.1 += size;
            }
            _ => {
                self.1 = size;
                self.0.push(Piece { text: text.to_owned(), lines });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::recall::document::clean::Blocks;

    fn shown(blocks: Blocks) -> Vec<String> {
        let chunk = |chunk: &Chunk| {
            let start: String = chunk.text.chars().take(60).collect();
            format!("{} {:?} {} {}", chunk.symbol.join(" > "), chunk.lines, chunk.part, start.replace('\n', "/"))
        };
        cut(&blocks.finish()).iter().map(chunk).collect()
    }

    fn words(count: usize) -> String {
        vec!["word"; count].join(" ")
    }

    #[test]
    fn headings_make_the_path_and_are_in_the_lines() {
        let mut blocks = Blocks::default();
        blocks.prose(&words(21), (1, 1));
        blocks.heading(1, "A", (3, 3));
        blocks.prose(&words(22), (5, 6));
        blocks.heading(3, "A1", (8, 8));
        blocks.prose(&words(23), (9, 9));
        blocks.heading(2, "A2", (11, 11));
        blocks.code(&words(24), (12, 14));
        let seen: Vec<_> =
            cut(&blocks.finish()).into_iter().map(|chunk| (chunk.symbol.join(" > "), chunk.lines)).collect();
        let expected = [("", (1, 1)), ("A", (3, 6)), ("A > A1", (8, 9)), ("A > A2", (11, 14))];
        assert_eq!(seen, expected.map(|(path, lines)| (path.to_owned(), lines)));
    }

    #[test]
    fn a_tiny_section_goes_to_the_next_under_the_same_parent() {
        let mut blocks = Blocks::default();
        blocks.heading(1, "Options", (1, 1));
        blocks.heading(2, "timeout", (2, 2));
        blocks.prose("In seconds.", (3, 3));
        blocks.heading(2, "retries", (4, 4));
        blocks.prose("How often.", (5, 5));
        blocks.heading(2, "proxy", (6, 6));
        blocks.prose(&words(30), (7, 7));
        blocks.heading(1, "License", (8, 8));
        blocks.prose("MIT.", (9, 9));
        insta::assert_debug_snapshot!(shown(blocks), @r##"
        [
            "Options > timeout, retries, proxy (1, 7) 0 timeout//In seconds.//retries//How often.//proxy//word word ",
            "License (8, 9) 0 MIT.",
        ]
        "##);
    }

    #[test]
    fn a_long_section_is_cut_at_paragraphs_and_a_long_paragraph_at_lines() {
        let mut blocks = Blocks::default();
        blocks.heading(1, "Long", (1, 1));
        blocks.prose(&words(300), (2, 2));
        blocks.prose(&words(300), (4, 4));
        blocks.code(&vec![words(100); 9].join("\n"), (6, 14));
        let seen: Vec<_> = cut(&blocks.finish()).into_iter().map(|chunk| (chunk.part, chunk.lines)).collect();
        assert_eq!(seen, [(0, (1, 2)), (1, (4, 4)), (2, (6, 9)), (3, (10, 13)), (4, (14, 14))]);
    }

    #[test]
    fn a_line_without_spaces_is_cut_and_nothing_is_put_into_it() {
        let mut blocks = Blocks::default();
        blocks.code(&format!("start\n{}", "=%".repeat(3_000)), (1, 2));
        let chunks = cut(&blocks.finish());
        assert!(chunks.len() > 10 && chunks.iter().all(|chunk| tokens(&chunk.text) <= MOST));
        assert_eq!(
            chunks.iter().map(|chunk| chunk.text.as_str()).collect::<String>(),
            format!("start\n{}", "=%".repeat(3_000))
        );
    }

    proptest! {
        #[test]
        fn no_chunk_is_long_and_no_word_is_lost(texts in prop::collection::vec("[a-z \n#]{0,3000}", 0..6)) {
            let mut blocks = Blocks::default();
            for (line, text) in (1u32..).zip(&texts) {
                if line % 2 == 1 { blocks.prose(text, (line, line)) } else { blocks.heading(2, text, (line, line)) }
            }
            let blocks = blocks.finish();
            let chunks = cut(&blocks);
            let count = |text: &str| text.chars().filter(|c| c.is_alphanumeric()).count();
            let prose: usize = blocks.iter().filter(|block| block.what == What::Prose).map(|block| count(&block.text)).sum();
            prop_assert!(chunks.iter().map(|chunk| count(&chunk.text)).sum::<usize>() >= prose);
            prop_assert!(chunks.iter().all(|chunk| tokens(&chunk.text) <= MOST + 20));
            for line in blocks.iter().flat_map(|block| [block.lines.0, block.lines.1]) {
                prop_assert!(chunks.iter().any(|chunk| (chunk.lines.0..=chunk.lines.1).contains(&line)), "line {line}");
            }
        }
    }
}
