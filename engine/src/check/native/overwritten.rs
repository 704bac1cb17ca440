//! Was a result thrown away by the next assignment?

use super::local;
use crate::{
    check::{Meta, Node, Target},
    finding::{Because, Finding},
    source::Language,
};

/// A variable of a function that is given the result of a call, and given another value further down the same block
/// before anything reads it.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let (Some(language), Some(tree)) = (target.file.language, target.tree()) else { return };
    for block in tree.root().dfs().filter(|node| is_block(&node.kind())) {
        let statements: Vec<Node<'_>> =
            block.named_children().filter(|node| !node.kind().contains("comment")).collect();
        for (at, statement) in statements.iter().enumerate() {
            for (first, second) in lost(statement, &statements[at + 1..], language) {
                findings.push(finding(target, meta, &first, &second));
            }
        }
    }
}

fn finding(target: &Target<'_>, meta: &Meta, first: &Node<'_>, second: &Node<'_>) -> Finding {
    let line = target.file.lines.position(second.range().start).line;
    let mut finding = meta.finding(target.file, first.range());
    finding.what = format!("`{}` is overwritten on line {line} before anything reads this value", first.text());
    finding.because.push(Because {
        path: target.file.path.clone(),
        span: target.file.span(second.range()),
        note: "overwritten here".into(),
    });
    finding
}

fn is_block(kind: &str) -> bool {
    matches!(kind, "block" | "statement_list" | "statement_block" | "compound_statement" | "constructor_body")
}

/// The targets of a statement whose values are lost, each with the target that overwrites it.
fn lost<'t>(statement: &Node<'t>, rest: &[Node<'t>], language: Language) -> Vec<(Node<'t>, Node<'t>)> {
    let stores = local::stores(statement);
    let single = stores.len() == 1;
    let is_whole = single && !statement.dfs().any(|node| node.is_error());
    let told = stores.into_iter().filter(|store| is_whole && is_call(&store.value)).flat_map(|store| {
        let alone = store.targets.len() == 1;
        store.targets.into_iter().filter(move |name| alone || is_error(&name.text()))
    });
    told.filter_map(|name| {
        let second = overwriter(&name.text(), rest)?;
        is_own(statement, &name, language).then_some((name, second))
    })
    .collect()
}

fn is_error(name: &str) -> bool {
    name == "err" || name.ends_with("Err") || name == "error"
}

fn is_call(value: &Node<'_>) -> bool {
    let mut value = value.clone();
    loop {
        match &*value.kind() {
            "call_expression"
            | "call"
            | "method_invocation"
            | "invocation_expression"
            | "function_call_expression"
            | "member_call_expression"
            | "scoped_call_expression" => return true,
            "expression_list" | "await_expression" | "await" if value.named_children().count() == 1 => {
                let Some(inner) = value.named_children().next() else { return false };
                value = inner;
            }
            _ => return false,
        }
    }
}

/// The first later statement of the block that speaks of `name`, if all it does is give it another value.
fn overwriter<'t>(name: &str, rest: &[Node<'t>]) -> Option<Node<'t>> {
    for statement in rest {
        let mentions = local::mentions(statement, name).len();
        if mentions == 0 && !jumps(statement) {
            continue;
        }
        let stores = local::stores(statement);
        let target = stores.into_iter().flat_map(|store| store.targets).find(|target| target.text() == name);
        return target.filter(|_| mentions == 1);
    }
    None
}

/// Whether control may go elsewhere than to the next statement or out of the function, or cannot be known.
fn jumps(statement: &Node<'_>) -> bool {
    statement.dfs().any(|node| {
        let kind = node.kind();
        matches!(
            &*kind,
            "break_statement"
                | "continue_statement"
                | "goto_statement"
                | "labeled_statement"
                | "yield"
                | "yield_expression"
                | "yield_statement"
                | "defer_statement"
                | "fallthrough_statement"
                | "ERROR"
        ) || kind.starts_with("preproc")
    })
}

/// Whether the variable belongs to the function alone, and nothing but the next statement can read it.
fn is_own(statement: &Node<'_>, name: &Node<'_>, language: Language) -> bool {
    let Some(function) = local::function(statement, language) else { return false };
    let text = name.text();
    let guarded = statement
        .ancestors()
        .take_while(|node| node.node_id() != function.node_id())
        .any(|node| node.kind().starts_with("try") || node.kind().contains("with_") || node.kind().contains("switch"));
    let is_result = function.field("result").is_some_and(|result| !local::mentions(&result, &text).is_empty());
    !guarded
        && !is_result
        && !text.starts_with('_')
        && is_declared(&function, &text, language)
        && !local::is_shared(&function, &text, language)
}

/// Whether the function itself declares the variable; where nothing need be declared, always.
fn is_declared(function: &Node<'_>, name: &str, language: Language) -> bool {
    if matches!(language, Language::Python | Language::Php) {
        return true;
    }
    let declares = |node: &Node<'_>| {
        let field = match &*node.kind() {
            "short_var_declaration" => "left",
            "var_spec" | "parameter_declaration" | "variable_declarator" | "formal_parameter" | "parameter" => "name",
            "init_declarator" | "declaration" => "declarator",
            _ => return false,
        };
        node.field_children(field).any(|declared| !local::mentions(&declared, name).is_empty())
    };
    function.dfs().any(|node| declares(&node))
}
