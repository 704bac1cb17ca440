//! What does a YAML document say, and where exactly does it say it?

use std::{collections::HashMap, ops::Range, rc::Rc};

use crate::check::{Node, Tree};

/// Aliases are expanded up to this many nodes, so that a document cannot grow without bound.
const MOST_NODES: usize = 200_000;

/// A node of a document with its place in the file.
#[derive(Debug, Clone)]
pub(crate) struct Value {
    /// The bytes it stands on; empty for a value that is not written.
    pub(crate) span: Range<usize>,
    /// What it is.
    pub(crate) kind: Kind,
}

/// The shapes a value can have.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// Nothing is written.
    Null,
    /// A text, a number, a boolean: anything written as one word or string.
    Scalar(Rc<Scalar>),
    /// Pairs in order of place; a key may come twice.
    Map(Rc<Vec<Entry>>),
    /// Items in order.
    Seq(Rc<Vec<Value>>),
}

/// One pair of a mapping.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Rc<Scalar>,
    pub(crate) value: Value,
    /// From the key's first byte to the value's last.
    pub(crate) span: Range<usize>,
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// A decoded scalar that knows where each of its bytes came from.
#[derive(Debug, Clone)]
pub(crate) struct Scalar {
    /// The text it stands for.
    pub(crate) text: String,
    /// The bytes it is written on, quotes and block header included.
    pub(crate) span: Range<usize>,
    pub(crate) style: Style,
    /// Pairs (offset in `text`, offset in the file), ascending; between two of them both advance together.
    pieces: Vec<(usize, usize)>,
}

/// The first document of a file, and anchors that no alias names. None where the file does not parse.
pub(crate) fn read(tree: &Tree, text: &str) -> Option<Document> {
    let root = tree.root();
    if root.get_inner_node().has_error() {
        return None;
    }
    let document = root.children().find(|node| node.kind() == "document")?;
    let content = document.children().find(|node| matches!(&*node.kind(), "block_node" | "flow_node"))?;
    let mut reader = Reader { text, anchors: HashMap::new(), hidden: Vec::new(), nodes: 0 };
    let root = reader.value(&content)?;
    let mut unused: Vec<Range<usize>> = reader
        .anchors
        .into_values()
        .chain(reader.hidden)
        .filter(|anchor| !anchor.used)
        .map(|anchor| anchor.span)
        .collect();
    unused.sort_by_key(|span| span.start);
    Some(Document { root, unused_anchors: unused })
}

/// A document that was read.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) root: Value,
    pub(crate) unused_anchors: Vec<Range<usize>>,
}

struct Reader<'a> {
    text: &'a str,
    anchors: HashMap<String, Anchor>,
    /// Those that a later anchor of the same name took the place of.
    hidden: Vec<Anchor>,
    nodes: usize,
}

struct Anchor {
    value: Value,
    span: Range<usize>,
    used: bool,
}

impl Reader<'_> {
    /// None once the document is too large or holds something unknown.
    fn value(&mut self, node: &Node<'_>) -> Option<Value> {
        self.nodes += 1;
        if self.nodes > MOST_NODES {
            return None;
        }
        let mut anchor = None;
        let mut value = Value { span: node.range().end..node.range().end, kind: Kind::Null };
        for child in node.children() {
            match &*child.kind() {
                "anchor" => anchor = Some(child),
                "tag" | "comment" => {}
                _ => value = self.content(&child)?,
            }
        }
        if let Some(anchor) = anchor {
            let name = anchor.text().trim_start_matches('&').to_owned();
            let anchor = Anchor { value: value.clone(), span: anchor.range(), used: false };
            self.hidden.extend(self.anchors.insert(name, anchor));
        }
        Some(value)
    }

    fn content(&mut self, node: &Node<'_>) -> Option<Value> {
        let span = node.range();
        let kind = match &*node.kind() {
            "block_mapping" | "flow_mapping" => Kind::Map(Rc::new(self.entries(node)?)),
            "block_sequence" | "flow_sequence" => Kind::Seq(Rc::new(self.items(node)?)),
            "alias" => return self.alias(node),
            _ => Kind::Scalar(Rc::new(scalar(node, self.text)?)),
        };
        Some(Value { span, kind })
    }

    fn alias(&mut self, node: &Node<'_>) -> Option<Value> {
        let anchor = self.anchors.get_mut(node.text().trim_start_matches('*'))?;
        anchor.used = true;
        self.nodes += anchor.value.weight();
        Some(anchor.value.clone())
    }

    fn entries(&mut self, node: &Node<'_>) -> Option<Vec<Entry>> {
        let mut entries = Vec::new();
        for pair in node.children() {
            let pair_span = pair.range();
            if pair.kind() == "flow_node" {
                let Kind::Scalar(key) = self.value(&pair)?.kind else { continue };
                let value = Value { span: pair_span.end..pair_span.end, kind: Kind::Null };
                entries.push(Entry { key, value, span: pair_span });
            } else if matches!(&*pair.kind(), "block_mapping_pair" | "flow_pair") {
                let Some(key) = pair.field("key") else { continue };
                let key = self.value(&key)?;
                let value = match pair.field("value") {
                    Some(value) => self.value(&value)?,
                    None => Value { span: pair_span.end..pair_span.end, kind: Kind::Null },
                };
                if let Kind::Scalar(key) = key.kind {
                    entries.push(Entry { key, value, span: pair_span });
                }
            }
        }
        Some(entries)
    }

    fn items(&mut self, node: &Node<'_>) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        for child in node.children() {
            match &*child.kind() {
                "block_sequence_item" => {
                    let inner = child.children().find(|node| matches!(&*node.kind(), "block_node" | "flow_node"));
                    let end = child.range().end;
                    items.push(match inner {
                        Some(inner) => self.value(&inner)?,
                        None => Value { span: end..end, kind: Kind::Null },
                    });
                }
                "flow_node" => items.push(self.value(&child)?),
                "flow_pair" => {
                    let entries = self.pair_as_map(&child)?;
                    items.push(Value { span: child.range(), kind: Kind::Map(Rc::new(entries)) });
                }
                _ => {}
            }
        }
        Some(items)
    }

    fn pair_as_map(&mut self, pair: &Node<'_>) -> Option<Vec<Entry>> {
        let key = self.value(&pair.field("key")?)?;
        let end = pair.range().end;
        let value = match pair.field("value") {
            Some(value) => self.value(&value)?,
            None => Value { span: end..end, kind: Kind::Null },
        };
        let Kind::Scalar(key) = key.kind else { return Some(Vec::new()) };
        Some(vec![Entry { key, value, span: pair.range() }])
    }
}

fn scalar(node: &Node<'_>, text: &str) -> Option<Scalar> {
    let span = node.range();
    let raw = text.get(span.clone())?;
    let mut decoded = Decoded::default();
    let style = match &*node.kind() {
        "plain_scalar" => {
            decoded.flow(raw, span.start, Escapes::None);
            Style::Plain
        }
        "single_quote_scalar" => {
            decoded.flow(raw.get(1..raw.len().checked_sub(1)?)?, span.start + 1, Escapes::Quotes);
            Style::Single
        }
        "double_quote_scalar" => {
            decoded.flow(raw.get(1..raw.len().checked_sub(1)?)?, span.start + 1, Escapes::Backslash);
            Style::Double
        }
        "block_scalar" => {
            let folded = raw.starts_with('>');
            decoded.block(raw, span.start, folded);
            if folded { Style::Folded } else { Style::Literal }
        }
        _ => return None,
    };
    Some(Scalar { text: decoded.text, span, style, pieces: decoded.pieces })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    Quotes,
    Backslash,
}

#[derive(Default)]
struct Decoded {
    text: String,
    pieces: Vec<(usize, usize)>,
}

impl Decoded {
    fn push(&mut self, text: &str, source: usize) {
        self.pieces.push((self.text.len(), source));
        self.text.push_str(text);
    }

    /// Plain and quoted scalars: line ends fold to a space, empty lines to a newline each.
    fn flow(&mut self, raw: &str, start: usize, escapes: Escapes) {
        let mut at = start;
        let mut empty = 0;
        for (number, line) in raw.split('\n').enumerate() {
            let mut shown = if number == 0 { line } else { line.trim_start() };
            let indent = line.len() - shown.len();
            if number + 1 < raw.split('\n').count() {
                shown = shown.trim_end();
            }
            if number > 0 && shown.is_empty() {
                empty += 1;
            } else {
                if number > 0 {
                    self.push(if empty == 0 { " " } else { "\n" }, at + indent);
                    empty = 0;
                }
                self.unescape(shown, at + indent, escapes);
            }
            at += line.len() + 1;
        }
    }

    fn unescape(&mut self, line: &str, start: usize, escapes: Escapes) {
        let mut rest = 0;
        while let Some(found) = next_escape(&line[rest..], escapes) {
            let at = rest + found;
            self.push(&line[rest..at], start + rest);
            let (text, length) = escape(&line[at..], escapes);
            self.push(&text, start + at);
            rest = at + length;
        }
        self.push(&line[rest..], start + rest);
    }

    /// Block scalars: the indentation of the first full line is taken off each line.
    fn block(&mut self, raw: &str, start: usize, folded: bool) {
        let Some(header) = raw.find('\n') else { return };
        let body = &raw[header + 1..];
        let indent = body
            .lines()
            .find(|line| !line.trim().is_empty())
            .map_or(0, |line| line.len() - line.trim_start_matches(' ').len());
        let mut at = start + header + 1;
        let mut previous_folds = false;
        for line in body.split_inclusive('\n') {
            let shown = line.trim_end_matches(['\n', '\r']);
            let cut = indent.min(shown.len() - shown.trim_start_matches(' ').len());
            let kept = &shown[cut..];
            let folds = folded && !kept.is_empty() && !kept.starts_with([' ', '\t']);
            if folds && previous_folds && self.text.ends_with('\n') {
                self.text.pop();
                self.text.push(' ');
            }
            self.push(kept, at + cut);
            self.push("\n", at + shown.len());
            previous_folds = folds;
            at += line.len();
        }
        self.chomp(&raw[..header]);
    }

    fn chomp(&mut self, header: &str) {
        let indicators = header.split('#').next().unwrap_or(header);
        if indicators.contains('+') {
            return;
        }
        let kept = self.text.trim_end_matches('\n').len();
        let ends_open = indicators.contains('-') || kept == 0;
        self.text.truncate(if ends_open { kept } else { (kept + 1).min(self.text.len()) });
    }
}

fn next_escape(line: &str, escapes: Escapes) -> Option<usize> {
    match escapes {
        Escapes::None => None,
        Escapes::Quotes => line.find("''"),
        Escapes::Backslash => line.find('\\'),
    }
}

/// The text an escape stands for and how many bytes it is written on.
fn escape(at: &str, escapes: Escapes) -> (String, usize) {
    if escapes == Escapes::Quotes {
        return ("'".into(), 2);
    }
    let Some(letter) = at.chars().nth(1) else { return ("\\".into(), 1) };
    let coded = |digits: usize| {
        let code = at.get(2..2 + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok()).and_then(char::from_u32);
        code.map_or(("\u{fffd}".into(), 2), |code| (code.to_string(), 2 + digits))
    };
    match letter {
        'n' => ("\n".into(), 2),
        't' => ("\t".into(), 2),
        'r' => ("\r".into(), 2),
        '0' => ("\0".into(), 2),
        'e' => ("\u{1b}".into(), 2),
        'x' => coded(2),
        'u' => coded(4),
        'U' => coded(8),
        other => (other.to_string(), 1 + other.len_utf8()),
    }
}

impl Scalar {
    /// Where in the file the byte at `offset` of the text is written.
    pub(crate) fn place(&self, offset: usize) -> usize {
        let at = self.pieces.partition_point(|&(decoded, _)| decoded <= offset);
        match at.checked_sub(1).and_then(|at| self.pieces.get(at)) {
            Some(&(decoded, source)) => (source + (offset - decoded)).min(self.span.end),
            None => self.span.start,
        }
    }

    /// Where in the file a range of the text is written.
    pub(crate) fn range(&self, part: Range<usize>) -> Range<usize> {
        let start = self.place(part.start);
        let end = if part.is_empty() { start } else { self.place(part.end - 1) + 1 };
        start..end.max(start)
    }

    /// Whether it was written without quotes or block header, so that `true` and `1` are not texts.
    pub(crate) fn is_plain(&self) -> bool {
        self.style == Style::Plain
    }
}

impl Value {
    /// The text of a scalar.
    pub(crate) fn as_str(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    pub(crate) fn as_scalar(&self) -> Option<&Scalar> {
        if let Kind::Scalar(scalar) = &self.kind { Some(scalar) } else { None }
    }

    pub(crate) fn is_null(&self) -> bool {
        match &self.kind {
            Kind::Null => true,
            Kind::Scalar(scalar) => scalar.is_plain() && matches!(&*scalar.text, "" | "null" | "~" | "Null" | "NULL"),
            _ => false,
        }
    }

    /// The pairs of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Kind::Map(entries) = &self.kind { entries } else { &[] }
    }

    /// The items of a sequence; none for anything else.
    pub(crate) fn items(&self) -> &[Value] {
        if let Kind::Seq(items) = &self.kind { items } else { &[] }
    }

    pub(crate) fn is_map(&self) -> bool {
        matches!(self.kind, Kind::Map(_))
    }

    pub(crate) fn is_seq(&self) -> bool {
        matches!(self.kind, Kind::Seq(_))
    }

    /// The pair with this key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.text == key)
    }

    /// The value under this key.
    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The value under keys, one inside the other.
    pub(crate) fn at(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// A scalar, or the scalars of a sequence.
    pub(crate) fn scalars(&self) -> Vec<&Scalar> {
        match &self.kind {
            Kind::Scalar(scalar) if !self.is_null() => vec![scalar],
            Kind::Seq(items) => items.iter().filter_map(Value::as_scalar).collect(),
            _ => Vec::new(),
        }
    }

    fn weight(&self) -> usize {
        1 + match &self.kind {
            Kind::Map(entries) => entries.iter().map(|entry| entry.value.weight()).sum(),
            Kind::Seq(items) => items.iter().map(Value::weight).sum(),
            _ => 0usize,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        check::parse,
        source::{RepoPath, SourceFile},
    };

    fn document(text: &str) -> Document {
        let file = SourceFile::new(RepoPath::new("a.yml").unwrap(), text.as_bytes().into(), 1 << 20).unwrap();
        read(&parse(&file).unwrap(), &file.text).unwrap()
    }

    #[test]
    fn every_style_decodes_and_knows_its_places() {
        let text = "a: plain\nb: 'it''s'\nc: \"x\\ty\"\nd: |\n  one\n  two\ne: >-\n  a\n  b\nf: {g: [1, h]}\n";
        let root = document(text).root;
        let get = |key: &str| root.get(key).unwrap().as_str().unwrap().to_owned();
        assert_eq!([get("a"), get("b"), get("c")], ["plain", "it's", "x\ty"]);
        assert_eq!([get("d"), get("e")], ["one\ntwo\n", "a b"]);
        let block = root.get("d").unwrap().as_scalar().unwrap();
        assert_eq!(&text[block.range(4..7)], "two");
        let quoted = root.get("b").unwrap().as_scalar().unwrap();
        assert_eq!(&text[quoted.range(3..4)], "s");
        assert_eq!(root.at(&["f", "g"]).unwrap().items()[1].as_str(), Some("h"));
    }

    #[test]
    fn aliases_are_what_they_name_and_unused_anchors_are_told() {
        let document = document("a: &x\n  k: 1\nb: *x\nc: &y 2\n");
        assert_eq!(document.root.at(&["b", "k"]).unwrap().as_str(), Some("1"));
        assert_eq!(document.unused_anchors.len(), 1);
    }

    #[test]
    fn a_document_cannot_grow_without_bound() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        let file = SourceFile::new(RepoPath::new("a.yml").unwrap(), text.as_bytes().into(), 1 << 20).unwrap();
        assert!(read(&parse(&file).unwrap(), &file.text).is_none());
    }
}
