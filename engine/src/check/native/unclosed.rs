//! Is something opened that nobody will close?

mod openers;

use openers::{OPENERS, Opener};

use super::local;
use crate::{
    check::{Meta, Node, Target},
    finding::Finding,
    source::Language,
};

/// Variables of a function that hold something just opened, that the function never closes, and that never leave it.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let (Some(language), Some(tree)) = (target.file.language, target.tree()) else { return };
    // In C# the declaration inside a `using` statement is no statement of its own.
    let is_inner = |node: &Node<'_>| language == Language::CSharp && node.kind() == "variable_declaration";
    for statement in tree.root().dfs().filter(|node| !is_inner(node)) {
        for store in local::stores(&statement) {
            let Some(opener) = opener(&store.value, language) else { continue };
            let Some(name) = store.targets.first() else { continue };
            if !is_released(&statement, name, opener, language) {
                let mut finding = meta.finding(target.file, store.value.range());
                finding.what = format!("`{}` is opened here and never closed", name.text());
                findings.push(finding);
            }
        }
    }
}

/// What opens something, in a value such as `os.Open(path)` or `new FileReader(path)`.
fn opener(value: &Node<'_>, language: Language) -> Option<&'static Opener> {
    let mut value = value.clone();
    while matches!(&*value.kind(), "expression_list" | "equals_value_clause" | "cast_expression") {
        value = value.named_children().last()?;
    }
    let callee = match &*value.kind() {
        "call_expression" | "call" => value.field("function")?.text().into_owned(),
        "method_invocation" => {
            format!("{}.{}", value.field("object")?.text(), value.field("name")?.text())
        }
        "object_creation_expression" => format!("new {}", value.field("type")?.text()),
        _ => return None,
    };
    OPENERS.iter().find(|opener| opener.language == language && opener.callees.contains(&&*callee))
}

/// Whether the function closes the variable or hands it to somebody who may.
fn is_released(statement: &Node<'_>, name: &Node<'_>, opener: &Opener, language: Language) -> bool {
    let Some(function) = local::function(statement, language) else { return true };
    let is_using = statement.children().any(|child| child.text() == "using");
    let text = name.text();
    let ends_with_process = function.field("declarator").is_some_and(|head| head.text().starts_with("main("));
    is_using
        || ends_with_process
        || !matches!(&*name.kind(), "identifier" | "variable_name")
        || text == "_"
        || local::mentions(&function, &text)
            .iter()
            .filter(|mention| mention.range() != name.range())
            .any(|mention| lets_go(mention, opener))
}

/// Whether one use of the variable closes it or lets it leave.
fn lets_go(mention: &Node<'_>, opener: &Opener) -> bool {
    let Some(parent) = mention.parent() else { return true };
    match &*parent.kind() {
        "selector_expression" | "attribute" | "field_access" | "member_access_expression" | "method_invocation"
            if parent.children().next().is_some_and(|first| first.range() == mention.range()) =>
        {
            member(&parent, opener)
        }
        "field_expression" | "subscript_expression" => {
            parent.parent().is_none_or(|outer| outer.text().starts_with('&') || outer.kind() == "call_expression")
        }
        "pointer_expression" => parent.text().starts_with('&'),
        "argument_list" | "argument" => argument(&parent, opener),
        "binary_expression"
        | "comparison_operator"
        | "not_operator"
        | "unary_expression"
        | "if_statement"
        | "while_statement"
        | "parenthesized_expression" => false,
        "for_statement" => false,
        // Given another value: what becomes of this one is not seen.
        _ => true,
    }
}

/// A use through a member: closing lets go, an inner stream may be let go of by whoever gets it, the rest does not.
fn member(access: &Node<'_>, opener: &Opener) -> bool {
    let part = ["field", "attribute", "name"].iter().find_map(|field| access.field(field));
    let Some(part) = part.map(|part| part.text().into_owned()) else { return true };
    if opener.closers.contains(&&*part) {
        return true;
    }
    if Some(&*part) != opener.inner {
        // A method that is not called here may be called, bound, later.
        let is_called = access.kind() == "method_invocation"
            || access
                .parent()
                .is_some_and(|call| matches!(&*call.kind(), "call_expression" | "call" | "invocation_expression"));
        let is_read = access.parent().is_some_and(|outer| {
            matches!(
                &*outer.kind(),
                "binary_expression"
                    | "comparison_operator"
                    | "selector_expression"
                    | "attribute"
                    | "argument_list"
                    | "expression_switch_statement"
            )
        });
        return !is_called && !is_read;
    }
    match access.parent() {
        Some(outer) if outer.kind() == "selector_expression" => {
            outer.field("field").is_none_or(|part| opener.closers.contains(&&*part.text()))
        }
        Some(outer) if outer.kind() == "argument_list" => argument(&outer, opener),
        _ => true,
    }
}

/// A use as an argument lets go unless the callee is known only to read.
fn argument(list: &Node<'_>, opener: &Opener) -> bool {
    let call = list.ancestors().find(|outer| matches!(&*outer.kind(), "call_expression" | "call"));
    let Some(function) = call.and_then(|call| call.field("function")) else { return true };
    !opener.readers.contains(&&*function.text())
}
