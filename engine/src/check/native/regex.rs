//! Will this regular expression compile where it is used?

mod syntax;

use syntax::Flavor;

use crate::{
    check::{Meta, Node, Target},
    finding::Finding,
    source::Language,
};

/// Literal patterns that the language's own engine refuses. Only mistakes that are certain without knowing flags.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let (Some(language), Some(tree)) = (target.file.language, target.tree()) else { return };
    let Some(flavor) = flavor(language) else { return };
    for node in tree.root().dfs() {
        let Some(literal) = pattern(&node, language) else { continue };
        let Some(pattern) = unescaped(&literal.text(), language) else { continue };
        if let Some(why) = syntax::mistake(&pattern, flavor) {
            let mut finding = meta.finding(target.file, literal.range());
            finding.what = format!("the regular expression does not compile: {why}");
            findings.push(finding);
        }
    }
}

fn flavor(language: Language) -> Option<Flavor> {
    match language {
        Language::Go => Some(Flavor::Re2),
        Language::Python => Some(Flavor::Python),
        Language::Java => Some(Flavor::Java),
        Language::JavaScript | Language::TypeScript | Language::Tsx => Some(Flavor::JavaScript),
        _ => None,
    }
}

/// The literal that a call compiles, if nothing else in the call can change how it is read.
fn pattern<'t>(node: &Node<'t>, language: Language) -> Option<Node<'t>> {
    let kind = node.kind();
    let (callee, most) = match (&*kind, language) {
        ("call_expression", Language::Go) | ("call", Language::Python) => {
            (node.field("function")?.text().into_owned(), 4)
        }
        ("new_expression", _) => (format!("new {}", node.field("constructor")?.text()), 1),
        ("method_invocation", Language::Java) => java_callee(node)?,
        _ => return None,
    };
    let is_compiling = matches!(
        &*callee,
        "regexp.MustCompile"
            | "regexp.Compile"
            | "regexp.MatchString"
            | "regexp.Match"
            | "re.compile"
            | "re.match"
            | "re.search"
            | "re.sub"
            | "re.subn"
            | "re.split"
            | "re.findall"
            | "re.finditer"
            | "re.fullmatch"
            | "new RegExp"
            | "Pattern.compile"
            | ".replaceAll"
            | ".replaceFirst"
            | ".split"
    );
    let list = node.field("arguments")?;
    let arguments: Vec<Node<'t>> = list.named_children().filter(|child| !child.kind().contains("comment")).collect();
    let has_flags = arguments.iter().skip(1).any(|argument| {
        let text = argument.text();
        ["VERBOSE", "re.X", "COMMENTS", "LITERAL", "flags"].iter().any(|word| text.contains(word))
    });
    let is_plain = !has_flags && arguments.len() <= most;
    arguments.into_iter().next().filter(|_| is_compiling && is_plain)
}

/// `Pattern.compile`, or a method of strings by its name and number of arguments.
fn java_callee(node: &Node<'_>) -> Option<(String, usize)> {
    let (object, name) = (node.field("object")?.text().into_owned(), node.field("name")?.text().into_owned());
    let count = node.field("arguments")?.named_children().count();
    match (&*object, &*name, count) {
        ("Pattern", "compile", 1) => Some(("Pattern.compile".into(), 1)),
        (_, "replaceAll" | "replaceFirst", 2) | (_, "split", 1) => Some((format!(".{name}"), count)),
        _ => None,
    }
}

/// The text that a string literal stands for; none where it is no plain literal.
fn unescaped(literal: &str, language: Language) -> Option<String> {
    let quote = literal.find(['"', '\'', '`'])?;
    let prefix = literal[..quote].to_ascii_lowercase();
    let rest = &literal[quote..];
    let width = if rest.starts_with("\"\"\"") || rest.starts_with("'''") { 3 } else { 1 };
    let mark = rest.get(..width)?;
    let inner = rest.get(width..rest.len().checked_sub(width)?).filter(|_| rest.ends_with(mark))?;
    let is_raw = prefix.contains('r') || (mark == "`" && language == Language::Go);
    let is_plain = prefix.len() <= 2 && !prefix.contains('f') && (mark != "`" || is_raw) && !literal.contains("${");
    if !is_plain {
        return None;
    }
    if is_raw { Some(inner.to_owned()) } else { plain(inner, language) }
}

fn plain(inner: &str, language: Language) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next()? {
            '\\' => out.push('\\'),
            'n' | 'r' | 't' | 'f' | 'b' | 'v' | 'a' | '"' | '\'' => out.push('a'),
            'x' | 'u' | 'U' | 'N' | '0'..='9' | '\n' => return None,
            other if language == Language::Python => out.extend(['\\', other]),
            other => out.push(other),
        }
    }
    Some(out)
}
