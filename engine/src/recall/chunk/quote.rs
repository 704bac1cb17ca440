//! What does a piece of a file say, and what is it called?

use std::ops::Range;

use super::{
    Chunk, Kind, doc,
    grammar::Grammar,
    layout::{Piece, leads_above},
    measure::{self, Measure, TARGET},
    name,
    row::Role,
    scan::{Defined, Lead, Scan},
};
use crate::source::SourceFile;

/// Names of called things in a chunk.
const CALLS: usize = 64;

/// A file that is quoted.
pub(super) struct Quote<'a> {
    pub(super) file: &'a SourceFile,
    pub(super) measure: &'a Measure,
    pub(super) grammar: &'a Grammar,
    pub(super) scan: &'a Scan,
}

impl Quote<'_> {
    /// The chunk of a piece.
    pub(super) fn chunk(&self, piece: &Piece) -> Chunk {
        let mut chunk = plain(self.file, self.measure, Kind::Module, &piece.lines);
        chunk.calls = self.calls(&piece.lines, &chunk.text);
        chunk.part = piece.part;
        match piece.owner {
            Some(owner) => self.name(&mut chunk, owner),
            None => chunk.doc = self.header(&piece.lines),
        }
        chunk
    }

    fn name(&self, chunk: &mut Chunk, owner: usize) {
        let defined = &self.scan.definitions[owner];
        chunk.kind = self.kind(defined);
        chunk.symbol = self.symbol(defined);
        chunk.signature = self.signature(defined);
        if chunk.part == 0 {
            chunk.doc = self.doc(defined);
        }
    }

    /// What stands before the body, and before a comment that some grammars put outside of it.
    fn signature(&self, defined: &Defined) -> String {
        let mut bytes = defined.signature.clone();
        let next = self.scan.leads.partition_point(|lead| lead.bytes.start <= bytes.start);
        if let Some(lead) = self.scan.leads.get(next).filter(|lead| lead.is_comment) {
            bytes.end = bytes.end.min(lead.bytes.start);
        }
        name::signature(self.text(&bytes))
    }

    fn kind(&self, defined: &Defined) -> Kind {
        match defined.role {
            Role::Function | Role::Member if self.is_method(defined) => Kind::Method,
            Role::Function | Role::Member => Kind::Function,
            Role::Type | Role::Extension | Role::Value | Role::Block | Role::Scope => Kind::Type,
        }
    }

    fn is_method(&self, defined: &Defined) -> bool {
        let mut around = self.parents(defined).filter(|parent| parent.role != Role::Scope);
        defined.names.len() > 1
            || around.next().is_some_and(|parent| matches!(parent.role, Role::Type | Role::Extension | Role::Value))
    }

    /// What is around a definition, inside out.
    fn parents<'s>(&'s self, defined: &'s Defined) -> impl Iterator<Item = &'s Defined> {
        let parent = |of: &Defined| of.parent.map(|parent| &self.scan.definitions[parent]);
        std::iter::successors(parent(defined), move |at| parent(at)).take(name::DEPTH)
    }

    fn symbol(&self, defined: &Defined) -> Vec<String> {
        let inside_out = std::iter::once(defined).chain(self.parents(defined)).flat_map(|at| at.names.iter().rev());
        let mut symbol: Vec<String> = inside_out.take(name::DEPTH).cloned().collect();
        symbol.reverse();
        symbol
    }

    fn doc(&self, defined: &Defined) -> String {
        if let Some(docstring) = &defined.docstring {
            return doc::docstring(self.text(docstring));
        }
        let leads = leads_above(self.scan, defined.lines.start).unwrap_or(0..0);
        self.comments(leads)
    }

    fn comments(&self, leads: Range<usize>) -> String {
        let comments = self.scan.leads[leads].iter().filter(|lead| lead.is_comment);
        doc::comments(comments.map(|lead| self.text(&lead.bytes)), self.grammar.row)
    }

    /// What a file says of itself, where it begins in these lines.
    fn header(&self, lines: &Range<usize>) -> String {
        let begins = (0..lines.start).all(|line| self.measure.look(line) == measure::Look::Blank);
        match &self.scan.docstring {
            _ if !begins => String::new(),
            Some(docstring) => doc::docstring(self.text(docstring)),
            None => self.heading(lines),
        }
    }

    /// The comments at the start of a file, unless they are its license.
    fn heading(&self, lines: &Range<usize>) -> String {
        let leads = &self.scan.leads;
        let Some(first) = leads.first().filter(|lead| lead.lines.start == lines.start) else { return String::new() };
        let mut end = first.lines.start;
        let is_next = |lead: &&Lead| {
            let is_next = lead.lines.start == end && lead.lines.end <= lines.end;
            end = lead.lines.end;
            is_next
        };
        let text = self.comments(0..leads.iter().take_while(is_next).count());
        let lower = text.to_lowercase();
        let is_license = ["copyright", "license", "licence", "spdx"].iter().any(|word| lower.contains(word));
        if is_license { String::new() } else { text }
    }

    fn calls(&self, lines: &Range<usize>, text: &str) -> Vec<String> {
        let bytes = bytes(self.file, lines);
        let all = &self.scan.calls;
        let (from, to) =
            (all.partition_point(|call| call.start < bytes.start), all.partition_point(|call| call.start < bytes.end));
        let is_whole = text.len() == bytes.len();
        let mut names: Vec<String> = Vec::new();
        for call in &all[from..to] {
            let name = self.text(call);
            if (is_whole || text.contains(name)) && !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
            if names.len() == CALLS {
                break;
            }
        }
        names
    }

    fn text(&self, bytes: &Range<usize>) -> &str {
        self.file.text.get(bytes.clone()).unwrap_or("")
    }
}

fn bytes(file: &SourceFile, lines: &Range<usize>) -> Range<usize> {
    file.lines.range(lines.start as u32 + 1).start..file.lines.range(lines.end as u32).end
}

/// Some lines without a name.
pub(super) fn plain(file: &SourceFile, measure: &Measure, kind: Kind, lines: &Range<usize>) -> Chunk {
    Chunk {
        kind,
        symbol: Vec::new(),
        signature: String::new(),
        doc: String::new(),
        calls: Vec::new(),
        lines: (lines.start as u32 + 1, lines.end as u32),
        part: 0,
        text: text(file, measure, lines),
    }
}

/// The text of some lines; what a line has too much is left out.
fn text(file: &SourceFile, measure: &Measure, lines: &Range<usize>) -> String {
    let whole = file.text.get(bytes(file, lines)).unwrap_or("");
    if measure.cost(lines) < TARGET {
        return whole.to_owned();
    }
    let kept = whole.split_inclusive('\n').map(|line| &line[..measure::line(line).1]);
    kept.collect()
}
