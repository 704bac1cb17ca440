//! Does a condition say what its author meant?

use super::{
    Report, Workflow,
    expression::{Ast, Node, Operator},
    sites::{self, Site},
};
use crate::{
    check::native::yaml::Style,
    edit::{Applicability, Edit},
};

/// Numbers of well-known bots: dependabot, github-actions, renovate.
const BOT_IDS: &[&str] = &["49699333", "27856297", "41898282", "29139614"];

/// A bot known by who caused the event, which others can cause in its name.
pub(super) fn actor(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in sites::all(workflow).iter().filter(|site| site.is_condition) {
        let mut found = Vec::new();
        for ast in site.asts() {
            ast.walk(&mut |part| {
                if let Node::Binary(Operator::Equal, a, b) = &part.node
                    && (is_bot_check(a, b) || is_bot_check(b, a))
                {
                    found.push(site.range(part));
                }
            });
        }
        found.into_iter().for_each(|span| report.at(span));
    }
}

fn is_bot_check(actor: &Ast, bot: &Ast) -> bool {
    let by_name =
        ["github.actor", "github.triggering_actor", "github.event.sender.login"].iter().any(|path| actor.is(path));
    let by_id = ["github.actor_id", "github.event.sender.id"].iter().any(|path| actor.is(path));
    match &bot.node {
        Node::Text(name) => (by_name && name.ends_with("[bot]")) || (by_id && BOT_IDS.contains(&&**name)),
        Node::Number(id) => by_id && BOT_IDS.contains(&&*format!("{id}")),
        _ => false,
    }
}

/// `contains('a b', x)`: x need only be part of a word.
pub(super) fn contains(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in sites::all(workflow).iter().filter(|site| site.is_condition) {
        let mut found = Vec::new();
        for ast in site.asts() {
            ast.walk(&mut |part| {
                if is_contains_on_text(part) {
                    found.push(site.range(part));
                }
            });
        }
        found.into_iter().for_each(|span| report.at(span));
    }
}

/// A list written as one text, searched for a value that the outside gives.
fn is_contains_on_text(ast: &Ast) -> bool {
    let Node::Call(name, arguments) = &ast.node else { return false };
    let [whole, part] = arguments.as_slice() else { return false };
    let Node::Text(list) = &whole.node else { return false };
    let given = part.path().is_some_and(|path| matches!(path[0], "github" | "env" | "inputs" | "needs" | "steps"));
    name == "contains" && given && !list.is_empty()
}

/// `if: |` with `${{ … }}`, or words around it: the text is never empty, so it counts as true.
pub(super) fn always(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in sites::all(workflow).iter().filter(|site| site.is_condition) {
        let text = &*site.scalar.text;
        if !text.contains("${{") || site.templates.iter().any(|template| template.ast.is_err()) {
            continue;
        }
        let exact = matches!(&*site.templates, [only] if only.span == (0..text.len()));
        if !exact {
            report
                .at(site.scalar.span.start..super::privileged::first_line_end(report.text(), site.scalar.span.clone()));
            if let Some(edit) = bare(site) {
                report.fix(Applicability::Safe, vec![edit]);
            }
        }
    }
}

/// The condition as the one expression it was meant to be, where only white space stands around it.
fn bare(site: &Site<'_>) -> Option<Edit> {
    let [only] = &*site.templates else { return None };
    let text = &*site.scalar.text;
    let expression = &text[only.span.clone()];
    if text.trim() != expression || expression.contains(['\n', '#', ':']) {
        return None;
    }
    let end = match site.scalar.style {
        Style::Literal | Style::Folded => site.scalar.place(only.span.end - 1) + 1,
        _ => site.scalar.span.end,
    };
    Some(Edit::replace(site.scalar.span.start..end, expression))
}

/// A condition that depends on nothing.
pub(super) fn constant(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in sites::all(workflow).iter().filter(|site| site.is_condition) {
        let exact = matches!(&*site.templates, [only] if only.span == (0..site.scalar.text.len()));
        let Some(ast) = site.asts().next().filter(|_| exact) else { continue };
        // `if: false` alone is how people switch something off; they know.
        if ast.is_constant() && !matches!(ast.node, Node::Bool(_)) {
            report.at(site.scalar.span.clone());
        }
    }
}

/// A property named by a computation of constants.
pub(super) fn obscured(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in &sites::all(workflow) {
        let mut found = Vec::new();
        for ast in site.asts() {
            ast.walk(&mut |part| {
                if let Node::Index(_, index) = &part.node
                    && let Node::Call(_, arguments) = &index.node
                    && arguments.iter().all(Ast::is_constant)
                {
                    found.push(site.range(part));
                }
            });
        }
        found.into_iter().for_each(|span| report.at(span));
    }
}

/// `a && '' || b`: the middle counts as false, so `b` is always the value.
pub(super) fn ternary(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in &sites::all(workflow) {
        let mut found = Vec::new();
        for ast in site.asts() {
            ast.walk(&mut |part| {
                if let Node::Binary(Operator::Or, left, _) = &part.node
                    && let Node::Binary(Operator::And, _, middle) = &left.node
                    && counts_as_false(middle)
                {
                    found.push(site.range(part));
                }
            });
        }
        found.into_iter().for_each(|span| report.at(span));
    }
}

fn counts_as_false(ast: &Ast) -> bool {
    match &ast.node {
        Node::Null | Node::Bool(false) => true,
        Node::Text(text) => text.is_empty(),
        Node::Number(number) => *number == 0.0,
        _ => false,
    }
}
