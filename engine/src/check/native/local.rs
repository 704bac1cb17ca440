//! What does a function do with a variable of its own?

use crate::{
    check::{Node, native::complexity::roles},
    source::Language,
};

/// A statement that gives a variable a value.
pub(super) struct Store<'t> {
    /// The variables, in the order written.
    pub(super) targets: Vec<Node<'t>>,
    /// The value.
    pub(super) value: Node<'t>,
}

/// The stores of a statement of the forms `x = …`, `x, y := …`, `T x = …`; none for anything else.
pub(super) fn stores<'t>(statement: &Node<'t>) -> Vec<Store<'t>> {
    match &*statement.kind() {
        "short_var_declaration" | "assignment_statement" => pair(statement, "left", "right"),
        "expression_statement" => statement.named_children().flat_map(|inner| assignment(&inner)).collect(),
        "lexical_declaration"
        | "variable_declaration"
        | "local_variable_declaration"
        | "declaration"
        | "local_declaration_statement" => statement.named_children().flat_map(|inner| declarator(&inner)).collect(),
        _ => Vec::new(),
    }
}

fn assignment<'t>(node: &Node<'t>) -> Vec<Store<'t>> {
    match &*node.kind() {
        "assignment" | "assignment_expression" => pair(node, "left", "right"),
        _ => Vec::new(),
    }
}

fn declarator<'t>(node: &Node<'t>) -> Vec<Store<'t>> {
    match &*node.kind() {
        "variable_declarator" if node.field("value").is_some() => pair(node, "name", "value"),
        "variable_declarator" => named_then_value(node),
        "init_declarator" => pair(node, "declarator", "value"),
        "variable_declaration" => node.named_children().flat_map(|inner| declarator(&inner)).collect(),
        _ => Vec::new(),
    }
}

/// C# writes the value after the name without a field of its own.
fn named_then_value<'t>(node: &Node<'t>) -> Vec<Store<'t>> {
    let Some(name) = node.field("name") else { return Vec::new() };
    let value = node.named_children().filter(|child| child.range().start > name.range().end).last();
    value.map(|value| Store { targets: vec![name], value }).into_iter().collect()
}

fn pair<'t>(node: &Node<'t>, left: &str, right: &str) -> Vec<Store<'t>> {
    let is_plain = |operator: &Node<'_>| matches!(&*operator.text(), "=" | ":=");
    if !node.children().any(|child| !child.is_named() && is_plain(&child)) {
        return Vec::new();
    }
    let (Some(left), Some(value)) = (node.field(left), node.field(right)) else { return Vec::new() };
    let targets: Vec<Node<'t>> = match &*left.kind() {
        "expression_list" | "pattern_list" | "tuple_pattern" => left.named_children().collect(),
        "pointer_declarator" => left.field("declarator").into_iter().collect(),
        _ => vec![left],
    };
    let is_name = |node: &Node<'_>| matches!(&*node.kind(), "identifier" | "variable_name");
    // A target that is no plain name keeps its place, and no name equals it.
    if targets.iter().any(is_name) { vec![Store { targets, value }] } else { Vec::new() }
}

/// The places in a tree where `name` stands as a word of code.
pub(super) fn mentions<'t>(node: &Node<'t>, name: &str) -> Vec<Node<'t>> {
    let is_word = |leaf: &Node<'_>| {
        let kind = leaf.kind();
        (leaf.is_leaf() && leaf.is_named() && !kind.contains("comment") && !kind.contains("string"))
            || kind == "variable_name"
    };
    node.dfs().filter(|leaf| is_word(leaf) && leaf.text() == name).collect()
}

/// The nearest function around a node.
pub(super) fn function<'t>(node: &Node<'t>, language: Language) -> Option<Node<'t>> {
    node.ancestors().find(|outer| is_function(outer, language))
}

/// Whether a node is a function, named or not.
pub(super) fn is_function(node: &Node<'_>, language: Language) -> bool {
    let kind = node.kind();
    roles::of(language).is_some_and(|roles| roles.functions.contains(&&*kind) || roles.closures.contains(&&*kind))
}

/// Whether a function inside `outer` uses `name`, or `outer` hands out its address or makes it global.
pub(super) fn is_shared(outer: &Node<'_>, name: &str, language: Language) -> bool {
    mentions(outer, name).iter().any(|mention| {
        let around = mention.ancestors().take_while(|node| node.node_id() != outer.node_id());
        let mut first = true;
        around.into_iter().any(|node| {
            let kind = node.kind();
            let is_near = std::mem::replace(&mut first, false);
            is_function(&node, language)
                || matches!(
                    &*kind,
                    "global_statement" | "nonlocal_statement" | "class_definition" | "reference_assignment_expression"
                )
                || (is_near
                    && matches!(&*kind, "pointer_expression" | "unary_expression" | "by_ref" | "argument")
                    && has_address_sign(&node))
        })
    })
}

fn has_address_sign(node: &Node<'_>) -> bool {
    node.children().next().is_some_and(|sign| matches!(&*sign.text(), "&" | "ref" | "out"))
}
