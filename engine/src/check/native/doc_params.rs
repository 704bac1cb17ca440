//! Does the documentation of a function name a parameter that the function does not have?

mod function;
mod names;

use std::ops::Range;

use function::{Documented, Signature};
use names::Style;

use crate::{
    check::{Meta, Target},
    edit::{Edit, Fix},
    finding::Finding,
    source::Language,
};

/// Parameters that only the documentation knows. A name that stands anywhere else in the function is left alone: it
/// may be that of an inner function, or be read from the arguments in another way.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let Some(style) = target.file.language.and_then(style) else { return };
    let Some(tree) = target.tree() else { return };
    for documented in function::documented(&tree.root(), style) {
        told(target, meta, &documented, style, findings);
    }
}

fn style(language: Language) -> Option<Style> {
    match language {
        Language::Python => Some(Style::Docstring),
        Language::JavaScript | Language::TypeScript | Language::Tsx => Some(Style::JsDoc),
        Language::Java => Some(Style::Javadoc),
        Language::Php => Some(Style::PhpDoc),
        _ => None,
    }
}

fn told(target: &Target<'_>, meta: &Meta, documented: &Documented<'_>, style: Style, findings: &mut Vec<Finding>) {
    let text = &*target.file.text;
    let Some(doc) = text.get(documented.doc.clone()) else { return };
    let start = documented.doc.start;
    let named: Vec<Range<usize>> =
        names::of(doc, style).into_iter().map(|at| start + at.start..start + at.end).collect();
    if named.is_empty() {
        return;
    }
    let Some(signature) = documented.signature() else { return };
    let words: Vec<&str> = named.iter().filter_map(|at| text.get(at.clone())).collect();
    let unknown: Vec<Range<usize>> = named
        .iter()
        .filter(|at| {
            text.get((*at).clone()).is_some_and(|name| !signature.has(name) && !documented.mentions(text, name))
        })
        .cloned()
        .collect();
    let rename = renamed(&signature, &words, &unknown);
    for at in unknown {
        findings.push(finding(target, meta, documented, at, rename));
    }
}

/// The one parameter without a word of documentation, where one documented name is unknown.
fn renamed<'s>(signature: &'s Signature, words: &[&str], unknown: &[Range<usize>]) -> Option<&'s str> {
    let mut silent = signature.names.iter().filter(|name| !words.contains(&name.as_str()));
    match (silent.next(), silent.next(), unknown) {
        (Some(name), None, [_]) => Some(name),
        _ => None,
    }
}

fn finding(
    target: &Target<'_>,
    meta: &Meta,
    documented: &Documented<'_>,
    at: Range<usize>,
    rename: Option<&str>,
) -> Finding {
    let name = target.file.text.get(at.clone()).unwrap_or("");
    let mut finding = meta.finding(target.file, at.clone());
    finding.what = match documented.name() {
        Some(function) => format!("the documentation names the parameter `{name}`, which `{function}` does not have"),
        None => format!("the documentation names the parameter `{name}`, which the function does not have"),
    };
    finding.fix = rename.and_then(|new| Fix::unsafe_(vec![Edit::replace(at, new)]).ok());
    finding
}
