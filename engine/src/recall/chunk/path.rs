//! Which part of a node is its name, its body, what it calls?
//!
//! A way through a tree in one line: alternatives after `|`, tried in order; steps after `.`; in a step, fields and
//! kinds of children after `/`, of which the first that is there is taken. A step with `*` is repeated while it leads
//! on, `_` is the first named child, and an alternative `=text` is that text where nothing else led anywhere (`=^` is
//! the signature).

use ast_grep_core::tree_sitter::TSLanguage;
use tree_sitter::Node;

/// Steps that are repeated end here, so that nothing deep takes long.
const REPEATS: usize = 16;

/// A way from a node to one of its parts.
pub(super) struct Path {
    alternatives: Vec<Vec<Step>>,
    literal: Option<&'static str>,
}

struct Step {
    options: Vec<Choice>,
    repeats: bool,
}

enum Choice {
    Field(u16),
    Kind(u16),
    First,
}

impl Path {
    /// Reads a way; a name that is a field and a kind is the field where a node has it.
    pub(super) fn new(text: &'static str, language: &TSLanguage) -> Self {
        let (mut alternatives, mut literal) = (Vec::new(), None);
        for alternative in text.split('|').filter(|alternative| !alternative.is_empty()) {
            match alternative.strip_prefix('=') {
                Some(text) => literal = Some(text),
                None => alternatives.push(alternative.split('.').map(|step| read(step, language)).collect()),
            }
        }
        Self { alternatives, literal }
    }

    /// Whether it leads nowhere by intention.
    pub(super) fn is_empty(&self) -> bool {
        self.alternatives.is_empty()
    }

    /// What it says without a tree.
    pub(super) fn literal(&self) -> Option<&'static str> {
        self.literal
    }

    /// The part of `node` that the first alternative with an end leads to.
    pub(super) fn resolve<'t>(&self, node: Node<'t>) -> Option<Node<'t>> {
        self.alternatives.iter().find_map(|steps| steps.iter().try_fold(node, |at, step| step.take(at)))
    }

    /// The first name in a way that is neither a field nor a kind of node.
    #[cfg(test)]
    pub(super) fn unknown<'a>(text: &'a str, language: &TSLanguage) -> Option<&'a str> {
        let names = text.split('|').filter(|alternative| !alternative.starts_with('=')).flat_map(|alternative| {
            alternative.split(['.', '/']).map(|name| name.trim_end_matches('*')).filter(|name| !name.is_empty())
        });
        let is_known = |name: &str| {
            name == "_" || language.field_id_for_name(name).is_some() || language.id_for_node_kind(name, true) != 0
        };
        names.into_iter().find(|name| !is_known(name))
    }
}

fn read(step: &str, language: &TSLanguage) -> Step {
    let names = step.trim_end_matches('*').split('/');
    let options = names.flat_map(|name| {
        let field = language.field_id_for_name(name).map(|field| Choice::Field(field.get()));
        let kind = Some(language.id_for_node_kind(name, true)).filter(|&kind| kind != 0).map(Choice::Kind);
        let first = (name == "_").then_some(Choice::First);
        [first, field, kind].into_iter().flatten()
    });
    Step { options: options.collect(), repeats: step.ends_with('*') }
}

impl Step {
    fn take<'t>(&self, node: Node<'t>) -> Option<Node<'t>> {
        if !self.repeats {
            return self.once(node);
        }
        let mut at = node;
        for _ in 0..REPEATS {
            match self.once(at) {
                Some(next) => at = next,
                None => break,
            }
        }
        Some(at)
    }

    fn once<'t>(&self, node: Node<'t>) -> Option<Node<'t>> {
        self.options.iter().find_map(|option| match *option {
            Choice::Field(field) => node.child_by_field_id(field),
            Choice::Kind(kind) => child_of_kind(node, kind),
            Choice::First => node.named_child(0),
        })
    }
}

/// Children that are looked at for one of a kind.
const CHILDREN: usize = 64;

fn child_of_kind<'t>(node: Node<'t>, kind: u16) -> Option<Node<'t>> {
    let mut cursor = node.walk();
    let mut children = node.children(&mut cursor).take(CHILDREN);
    children.find(|child| child.kind_id() == kind)
}
