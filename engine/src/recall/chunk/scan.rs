//! What does a syntax tree define, call, import and comment on? One walk over all nodes.

use std::{
    cell::Cell,
    collections::HashSet,
    ops::{ControlFlow, Range},
};

use tree_sitter::{Node, ParseOptions, ParseState, Parser, Point, Tree, TreeCursor};

use super::{
    grammar::{Grammar, Resolved, flag},
    name,
    row::Role,
};
use crate::source::{SourceFile, is_too_deep};

/// All that the chunks of a file are made from. Lines are numbered from 0.
#[derive(Default)]
pub(super) struct Scan {
    /// In order of place, the outer one first.
    pub(super) definitions: Vec<Defined>,
    /// Where the names of called things stand, in order.
    pub(super) calls: Vec<Range<usize>>,
    pub(super) imports: Vec<String>,
    /// Comments and attributes that begin a line, in order.
    pub(super) leads: Vec<Lead>,
    /// For each line how many nodes go on from the line before it.
    pub(super) depth: Vec<u32>,
    /// A docstring of the file itself.
    pub(super) docstring: Option<Range<usize>>,
}

/// A named part of a file.
pub(super) struct Defined {
    pub(super) role: Role,
    /// Its own names, an owner first.
    pub(super) names: Vec<String>,
    /// The definition around it.
    pub(super) parent: Option<usize>,
    /// Its lines with what wraps it, without what stands above it.
    pub(super) lines: Range<usize>,
    /// From its own first byte to its body.
    pub(super) signature: Range<usize>,
    /// A docstring in its body.
    pub(super) docstring: Option<Range<usize>>,
}

/// A comment or an attribute that begins a line.
pub(super) struct Lead {
    pub(super) lines: Range<usize>,
    pub(super) bytes: Range<usize>,
    pub(super) is_comment: bool,
}

/// Parses and reads a file; none where the parser would need too long or go too deep.
pub(super) fn scan(file: &SourceFile, grammar: &Grammar) -> Option<Scan> {
    if file.language.is_none_or(|language| is_too_deep(language, &file.text)) {
        return None;
    }
    let tree = parse(file, grammar)?;
    let mut walk = Walk::new(file, grammar);
    walk.run(tree.walk());
    Some(walk.finish(tree.root_node()))
}

/// Steps of the parser, in hundreds: so many for every file, and one more for each so many bytes. Of 18,731 files of 24
/// languages none needed more than one for 42 bytes; a file that does is full of errors.
const STEPS: usize = 5_000;
const BYTES_PER_STEP: usize = 10;

/// Pages that the parser reads: so many for every file, and more for each page of it. The same files needed fewer than
/// 40 in all or six for each page; a scanner that looks ahead to the end of a broken file at every word needs thousands.
const PAGE: usize = 4_096;
const READS: usize = 500;
const READS_PER_PAGE: usize = 20;

fn parse(file: &SourceFile, grammar: &Grammar) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&grammar.language).ok()?;
    let text = file.text.as_bytes();
    let mut steps = STEPS + text.len() / BYTES_PER_STEP;
    let reads = Cell::new(READS + READS_PER_PAGE * (text.len() / PAGE));
    let mut read = |at: usize, _: Point| {
        reads.set(reads.get().saturating_sub(1));
        let end = if reads.get() > 0 { text.len().min(at + PAGE) } else { 0 };
        text.get(at..end).unwrap_or(&[])
    };
    let mut progress = |_: &ParseState| {
        steps = steps.saturating_sub(1);
        if steps == 0 || reads.get() == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    parser.parse_with_options(&mut read, None, Some(options)).filter(|_| reads.get() > 0)
}

struct Walk<'a> {
    file: &'a SourceFile,
    grammar: &'a Grammar,
    count: usize,
    scan: Scan,
    /// How the depth changes at each line; summed up at the end.
    change: Vec<i32>,
    /// The definitions around a node, each with the byte where it ends.
    open: Vec<(usize, usize)>,
    wrappers: Vec<Wrapper>,
    seen: HashSet<String>,
}

struct Wrapper {
    depth: u32,
    bytes: Range<usize>,
    lines: Range<usize>,
    is_used: bool,
}

impl<'a> Walk<'a> {
    fn new(file: &'a SourceFile, grammar: &'a Grammar) -> Self {
        let count = file.lines.count() as usize;
        Self {
            file,
            grammar,
            count,
            scan: Scan::default(),
            change: vec![0; count + 2],
            open: Vec::new(),
            wrappers: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// Every node in order, without recursion: a tree may be as deep as a file is long.
    fn run(&mut self, mut cursor: TreeCursor<'_>) {
        let mut depth = 0;
        loop {
            self.node(cursor.node(), depth);
            if cursor.goto_first_child() {
                depth += 1;
                continue;
            }
            while !cursor.goto_next_sibling() {
                if !cursor.goto_parent() {
                    return;
                }
                depth -= 1;
            }
        }
    }

    fn node(&mut self, node: Node<'_>, depth: u32) {
        let flags = self.grammar.flags(node.kind_id());
        let lines = self.lines(node);
        if lines.len() > 1 {
            self.deepen(lines.start + 1..lines.end);
        }
        if flags == 0 || !node.is_named() {
            return;
        }
        while self.open.last().is_some_and(|&(end, _)| end <= node.start_byte()) {
            self.open.pop();
        }
        while self.wrappers.last().is_some_and(|wrapper| wrapper.bytes.end <= node.start_byte()) {
            self.wrappers.pop();
        }
        if flags & flag::WRAPS != 0 {
            self.wrappers.push(Wrapper { depth, bytes: node.byte_range(), lines: lines.clone(), is_used: false });
        }
        if flags & (flag::COMMENT | flag::ATTRIBUTE) != 0 {
            self.lead(node, lines.clone(), flags & flag::COMMENT != 0);
        }
        if flags & flag::IMPORT != 0 {
            self.import(node.byte_range());
        }
        if flags & flag::CALL != 0 {
            self.call(node);
        }
        if flags & flag::DEFINES != 0 {
            self.define(node, lines, depth);
        }
    }

    /// The lines of a node; a newline at its end does not make it touch the next one.
    fn lines(&self, node: Node<'_>) -> Range<usize> {
        let (start, end) = (node.start_position(), node.end_position());
        let last = if end.column == 0 && end.row > start.row { end.row } else { end.row + 1 };
        start.row.min(self.count)..last.min(self.count).max(start.row.min(self.count))
    }

    fn deepen(&mut self, lines: Range<usize>) {
        self.change[lines.start] += 1;
        self.change[lines.end] -= 1;
    }

    fn lead(&mut self, node: Node<'_>, lines: Range<usize>, is_comment: bool) {
        let start = self.file.lines.range(lines.start as u32 + 1).start;
        let before = self.file.text.get(start..node.start_byte()).unwrap_or("x");
        if !before.trim().is_empty() || lines.is_empty() {
            return;
        }
        self.deepen(lines.end..lines.end + 1);
        self.scan.leads.push(Lead { lines, bytes: node.byte_range(), is_comment });
    }

    fn import(&mut self, bytes: Range<usize>) {
        if self.scan.imports.len() >= IMPORTS {
            return;
        }
        let text = name::fold(self.text(bytes), IMPORT_BYTES);
        if !text.is_empty() && self.seen.insert(text.clone()) {
            self.scan.imports.push(text);
        }
    }

    fn call(&mut self, node: Node<'_>) {
        let Some(callee) = self.grammar.call(node.kind_id()).and_then(|path| path.resolve(node)) else { return };
        let Some(bytes) = self.last_name(callee) else { return };
        if self.grammar.row.importers.contains(&self.text(bytes.clone())) {
            self.import(self.file.lines.range(node.start_position().row as u32 + 1));
        }
        if self.text(bytes.clone()) != "." {
            self.scan.calls.push(bytes);
        }
    }

    /// The name that a call ends with: `send` of `self.client.send`.
    fn last_name(&self, callee: Node<'_>) -> Option<Range<usize>> {
        let mut node = callee;
        for _ in 0..NAME_STEPS {
            if node.child_count() == 0 {
                let bytes = node.byte_range();
                return name::is_name(self.text(bytes.clone())).then_some(bytes);
            }
            node = self.grammar.callee.resolve(node)?;
        }
        None
    }

    fn define(&mut self, node: Node<'_>, lines: Range<usize>, depth: u32) {
        let grammar = self.grammar;
        let found = grammar.definitions(node.kind_id()).iter().find_map(|resolved| {
            let role = self.role(resolved, node)?;
            let is_met = resolved.requires.is_empty() || resolved.requires.resolve(node).is_some();
            is_met.then_some((resolved, role))
        });
        let Some((resolved, role)) = found else { return };
        let body = resolved.body.resolve(node);
        let signature = self.signature(node, body);
        let names = self.names(resolved, node, &signature);
        if names.is_empty() {
            return;
        }
        let docstring = body.and_then(|body| grammar.docstring.resolve(body)).map(|doc| doc.byte_range());
        let parent = self.open.last().map(|&(_, index)| index);
        let (lines, signature) = self.wrapped(lines, signature, depth);
        self.open.push((node.end_byte(), self.scan.definitions.len()));
        self.scan.definitions.push(Defined { role, names, parent, lines, signature, docstring });
    }

    /// The role of a definition; none for a call that only looks like a test.
    fn role(&self, resolved: &Resolved, node: Node<'_>) -> Option<Role> {
        if !resolved.titled {
            return Some(resolved.role);
        }
        let called = self.grammar.call(node.kind_id())?.resolve(node)?;
        let called = self.text(self.last_name(called)?);
        let (groups, cases) = self.grammar.row.tests;
        if groups.contains(&called) { Some(Role::Scope) } else { cases.contains(&called).then_some(resolved.role) }
    }

    fn signature(&self, node: Node<'_>, body: Option<Node<'_>>) -> Range<usize> {
        match body.map(|body| body.start_byte()).filter(|&at| at > node.start_byte()) {
            Some(end) => node.start_byte()..end,
            None => node.byte_range(),
        }
    }

    fn names(&self, resolved: &Resolved, node: Node<'_>, signature: &Range<usize>) -> Vec<String> {
        let joints = self.grammar.row.joints;
        let split = |bytes: Range<usize>| name::split(self.text(bytes), joints);
        let mut names = match resolved.owner.resolve(node) {
            Some(owner) => name::owner(self.text(owner.byte_range())),
            None => Vec::new(),
        };
        match (resolved.name.resolve(node), resolved.name.literal()) {
            (Some(part), _) if resolved.titled => names.push(name::fold(self.text(part.byte_range()), name::BYTES)),
            (Some(part), _) => names.extend(split(part.byte_range())),
            (None, Some("^")) => names.extend(split(signature.clone())),
            (None, Some(literal)) => names.push(literal.to_owned()),
            (None, None) => return Vec::new(),
        }
        names
    }

    /// The lines of a definition with those of the nodes that wrap it alone, and its signature with what a wrapper
    /// says on the same line: `export const`.
    fn wrapped(
        &mut self,
        mut lines: Range<usize>,
        mut signature: Range<usize>,
        depth: u32,
    ) -> (Range<usize>, Range<usize>) {
        let (mut below, own) = (depth, lines.start);
        for wrapper in self.wrappers.iter_mut().rev() {
            if wrapper.depth + 1 != below || wrapper.is_used || wrapper.lines.end != lines.end {
                wrapper.is_used |= wrapper.depth + 1 == below;
                break;
            }
            wrapper.is_used = true;
            below = wrapper.depth;
            lines.start = wrapper.lines.start;
            if lines.start == own {
                signature.start = wrapper.bytes.start;
            }
        }
        (lines, signature)
    }

    fn text(&self, bytes: Range<usize>) -> &'a str {
        self.file.text.get(bytes).unwrap_or("")
    }

    fn finish(mut self, root: Node<'_>) -> Scan {
        self.scan.docstring = self.grammar.docstring.resolve(root).map(|doc| doc.byte_range());
        let mut depth = 0i32;
        let sums = self.change.iter().map(|change| {
            depth += change;
            depth.max(0) as u32
        });
        self.scan.depth = sums.collect();
        self.scan.calls.sort_unstable_by_key(|call| call.start);
        self.scan
    }
}

/// Imports of a file, and bytes of one.
const IMPORTS: usize = 100;
const IMPORT_BYTES: usize = 200;

/// Steps from what is called to its last name.
const NAME_STEPS: usize = 8;
