//! Which nodes of a grammar define, call, import and comment?
//!
//! A language is one row of data, see [`super::rows`]. A row names nodes and the ways to their parts; it is resolved
//! to the numbers of the grammar once, when the first file of the language is cut.

use std::{collections::HashMap, sync::OnceLock};

use ast_grep_core::tree_sitter::{LanguageExt, TSLanguage};

use super::{
    path::Path,
    row::{Role, Row},
    rows,
};
use crate::source::Language;

/// What a node may be, as bits.
pub(super) mod flag {
    pub(in super::super) const DEFINES: u8 = 1;
    pub(in super::super) const WRAPS: u8 = 2;
    pub(in super::super) const COMMENT: u8 = 4;
    pub(in super::super) const ATTRIBUTE: u8 = 8;
    pub(in super::super) const CALL: u8 = 16;
    pub(in super::super) const IMPORT: u8 = 32;
}

/// A definition with the numbers of its grammar.
pub(super) struct Resolved {
    pub(super) role: Role,
    pub(super) name: Path,
    pub(super) owner: Path,
    pub(super) body: Path,
    pub(super) requires: Path,
    pub(super) titled: bool,
}

/// A row with the numbers of its grammar.
pub(super) struct Grammar {
    pub(super) row: &'static Row,
    pub(super) language: TSLanguage,
    flags: Vec<u8>,
    definitions: HashMap<u16, Vec<Resolved>>,
    calls: HashMap<u16, Path>,
    pub(super) callee: Path,
    pub(super) docstring: Path,
}

impl Grammar {
    /// The bits of a kind of node.
    pub(super) fn flags(&self, kind: u16) -> u8 {
        self.flags.get(usize::from(kind)).copied().unwrap_or(0)
    }

    /// What nodes of this kind may define.
    pub(super) fn definitions(&self, kind: u16) -> &[Resolved] {
        self.definitions.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// The way to what a node of this kind calls.
    pub(super) fn call(&self, kind: u16) -> Option<&Path> {
        self.calls.get(&kind)
    }
}

/// The grammar of a language, resolved once for the process.
pub(super) fn of(language: Language) -> &'static Grammar {
    static GRAMMARS: [OnceLock<Grammar>; Language::ALL.len()] = [const { OnceLock::new() }; Language::ALL.len()];
    GRAMMARS[language as usize].get_or_init(|| resolve(rows::of(language), language.get_ts_language()))
}

fn resolve(row: &'static Row, language: TSLanguage) -> Grammar {
    let mut flags = vec![0u8; language.node_kind_count()];
    let mut mark = |kinds: &[&str], bit: u8| {
        for kind in kinds {
            if let Some(flags) = flags.get_mut(usize::from(language.id_for_node_kind(kind, true))) {
                *flags |= bit;
            }
        }
    };
    mark(row.wrappers, flag::WRAPS);
    mark(row.attributes, flag::ATTRIBUTE);
    mark(row.comments, flag::COMMENT);
    mark(row.imports, flag::IMPORT);
    row.definitions.iter().for_each(|definition| mark(&[definition.node], flag::DEFINES));
    row.calls.iter().for_each(|(kind, _)| mark(&[kind], flag::CALL));
    let mut definitions: HashMap<u16, Vec<Resolved>> = HashMap::new();
    for definition in row.definitions {
        let kind = language.id_for_node_kind(definition.node, true);
        definitions.entry(kind).or_default().push(Resolved {
            role: definition.role,
            name: Path::new(definition.name, &language),
            owner: Path::new(definition.owner, &language),
            body: Path::new(definition.body, &language),
            requires: Path::new(definition.requires, &language),
            titled: definition.titled,
        });
    }
    let calls =
        row.calls.iter().map(|(kind, callee)| (language.id_for_node_kind(kind, true), Path::new(callee, &language)));
    Grammar {
        row,
        flags,
        definitions,
        calls: calls.collect(),
        callee: Path::new(row.callee, &language),
        docstring: Path::new(row.docstring, &language),
        language,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_in_every_row_is_known_to_its_grammar() {
        let mut unknown = Vec::new();
        for &language in Language::ALL {
            let (row, grammar) = (rows::of(language), language.get_ts_language());
            let nodes = row.definitions.iter().map(|definition| definition.node);
            let nodes = nodes.chain(row.calls.iter().map(|&(node, _)| node));
            let lists = [row.wrappers, row.attributes, row.comments, row.imports];
            for node in nodes.chain(lists.into_iter().flatten().copied()) {
                if grammar.id_for_node_kind(node, true) == 0 {
                    unknown.push(format!("{language}: node {node}"));
                }
            }
            let ways = row.definitions.iter().flat_map(|one| [one.name, one.owner, one.body, one.requires]);
            let ways = ways.chain(row.calls.iter().map(|&(_, callee)| callee)).chain([row.callee, row.docstring]);
            let unknown_names = ways.filter_map(|way| Path::unknown(way, &grammar));
            unknown.extend(unknown_names.map(|name| format!("{language}: {name}")));
        }
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
