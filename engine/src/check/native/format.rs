//! Do a format and its arguments agree?

mod argument;
mod verb;

use argument::Type;
use verb::{Dialect, Use};

use crate::{
    check::{Meta, Node, Target},
    finding::Finding,
    source::Language,
};

/// Calls of the printf family, and Python's `%`, whose literal format needs other arguments than it gets.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let (Some(language), Some(tree)) = (target.file.language, target.tree()) else { return };
    for node in tree.root().dfs() {
        let Some(call) = call(&node, language) else { continue };
        if let Some(what) = disagreement(&call) {
            let mut finding = meta.finding(target.file, node.range());
            finding.what = what;
            findings.push(finding);
        }
    }
}

/// A format with what it is given.
struct Call<'t> {
    dialect: Dialect,
    format: String,
    arguments: Vec<Node<'t>>,
}

fn call<'t>(node: &Node<'t>, language: Language) -> Option<Call<'t>> {
    match language {
        Language::Python => python(node),
        Language::Go => family(node, "call_expression", Dialect::Go, go_format_at),
        Language::C | Language::Cpp => family(node, "call_expression", Dialect::C, c_format_at)
            .or_else(|| family(node, "call_expression", Dialect::Scan, scan_format_at)),
        _ => None,
    }
}

fn family<'t>(node: &Node<'t>, kind: &str, dialect: Dialect, place: fn(&str) -> Option<usize>) -> Option<Call<'t>> {
    if node.kind() != kind {
        return None;
    }
    let at = place(&node.field("function")?.text())?;
    let list = node.field("arguments")?;
    let all: Vec<Node<'t>> = list.named_children().filter(|child| child.kind() != "comment").collect();
    let spreads =
        list.dfs().any(|child| matches!(&*child.kind(), "variadic_argument" | "parameter_pack_expansion" | "ERROR"));
    let is_macro = all.iter().skip(at + 1).any(|argument| is_macro(argument, dialect));
    if spreads || is_macro {
        return None;
    }
    let format = argument::text(all.get(at)?)?;
    Some(Call { dialect, format, arguments: all.into_iter().skip(at + 1).collect() })
}

/// In C a name in capitals may stand for several arguments.
fn is_macro(argument: &Node<'_>, dialect: Dialect) -> bool {
    let text = argument.text();
    let head = text.split('(').next().unwrap_or("");
    dialect != Dialect::Go
        && head.len() > 1
        && head.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit())
        && !head.starts_with(|c: char| c.is_ascii_digit())
}

fn go_format_at(callee: &str) -> Option<usize> {
    let (receiver, method) = callee.rsplit_once('.')?;
    match (receiver, method) {
        ("fmt", "Printf" | "Sprintf" | "Errorf") | ("log", "Printf" | "Fatalf" | "Panicf") => Some(0),
        ("t" | "b" | "tb" | "f", "Errorf" | "Fatalf" | "Logf" | "Skipf") => Some(0),
        ("fmt", "Fprintf" | "Appendf") => Some(1),
        _ => None,
    }
}

fn c_format_at(callee: &str) -> Option<usize> {
    match callee.strip_prefix("std::").unwrap_or(callee) {
        "printf" => Some(0),
        "fprintf" | "sprintf" | "dprintf" | "syslog" | "asprintf" => Some(1),
        "snprintf" => Some(2),
        _ => None,
    }
}

fn scan_format_at(callee: &str) -> Option<usize> {
    match callee.strip_prefix("std::").unwrap_or(callee) {
        "scanf" => Some(0),
        "fscanf" | "sscanf" => Some(1),
        _ => None,
    }
}

/// `"…" % (a, b)`, and calls of a logger with a format and arguments.
fn python<'t>(node: &Node<'t>) -> Option<Call<'t>> {
    match &*node.kind() {
        "binary_operator" if node.field("operator")?.text() == "%" => {
            let right = node.field("right")?;
            let arguments = match &*right.kind() {
                "tuple" => right.named_children().filter(|child| child.kind() != "comment").collect(),
                "string" | "integer" | "float" | "true" | "false" | "none" => vec![right],
                _ => return None,
            };
            python_call(argument::text(&node.field("left")?)?, arguments)
        }
        "call" => {
            let function = node.field("function")?.text().into_owned();
            let (receiver, method) = function.rsplit_once('.')?;
            let receiver = receiver.rsplit('.').next()?.to_ascii_lowercase();
            let is_logger = matches!(&*receiver, "log" | "logger" | "logging" | "_log" | "_logger")
                && matches!(method, "debug" | "info" | "warning" | "error" | "critical" | "exception");
            let list = node.field("arguments")?;
            let mut all =
                list.named_children().filter(|child| !matches!(&*child.kind(), "comment" | "keyword_argument"));
            let format = argument::text(&all.next().filter(|_| is_logger)?)?;
            let arguments: Vec<Node<'t>> = all.collect();
            // Without arguments the text is not a format.
            if arguments.is_empty() || arguments.iter().any(|argument| argument.kind() == "dictionary") {
                return None;
            }
            python_call(format, arguments).filter(|call| call.arguments.len() > 1 || is_evident(&call.arguments))
        }
        _ => None,
    }
}

/// A logger takes one mapping for all names, so a lone argument tells something only where its type can be seen.
fn is_evident(arguments: &[Node<'_>]) -> bool {
    arguments.iter().all(|argument| argument::of(argument) != Type::Unknown)
}

fn python_call(format: String, arguments: Vec<Node<'_>>) -> Option<Call<'_>> {
    let spreads = arguments.iter().any(|argument| argument.kind().contains("splat"));
    (!spreads && !format.contains("%(")).then_some(Call { dialect: Dialect::Python, format, arguments })
}

/// What does not fit, in words.
fn disagreement(call: &Call<'_>) -> Option<String> {
    let uses = match verb::read(&call.format, call.dialect) {
        Ok(uses) => uses?,
        Err(why) => return Some(why),
    };
    let given = call.arguments.len();
    if let Some(first) = uses.iter().find(|use_| use_.argument >= given) {
        let wanted = first.argument + 1;
        return Some(format!(
            "`{}` needs argument {wanted} after the format, and there {} {given}",
            first.text,
            be(given)
        ));
    }
    let wanted = uses.iter().map(|use_| use_.argument + 1).max().unwrap_or(0);
    let is_reordered = call.dialect == Dialect::Go && call.format.contains("%[");
    if wanted < given && !is_reordered {
        return Some(format!("the format uses {wanted} of the {given} arguments it is given"));
    }
    uses.iter().find_map(|use_| wrong_type(use_, call))
}

fn be(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn wrong_type(use_: &Use, call: &Call<'_>) -> Option<String> {
    let argument = call.arguments.get(use_.argument)?;
    let kind = argument::of(argument);
    let fits = match call.dialect {
        Dialect::Go => verb::go_takes(use_.verb, kind),
        Dialect::C => verb::c_takes(use_.verb, kind),
        Dialect::Python => verb::python_takes(use_.verb, kind),
        Dialect::Scan => true,
    };
    let text = argument.text();
    let shown = if text.len() > 40 { "the argument" } else { &*text };
    (!fits).then(|| format!("`{}` does not take {}: `{shown}`", use_.text, kind.words()))
}
