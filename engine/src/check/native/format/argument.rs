//! What type does an argument evidently have?

use crate::check::{Node, native::local};

/// The types that can be seen without a type checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Float,
    Complex,
    Char,
    Text,
    Bool,
    Unknown,
}

impl Type {
    /// In a sentence.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Int => "an integer",
            Self::Float => "a floating-point number",
            Self::Complex => "a complex number",
            Self::Char => "a character",
            Self::Text => "a string",
            Self::Bool => "a boolean",
            Self::Unknown => "this",
        }
    }
}

/// The type of a literal, or of a Go variable that its function declares once with a basic type.
pub(super) fn of(node: &Node<'_>) -> Type {
    match &*node.kind() {
        "int_literal" | "integer" => Type::Int,
        "float_literal" | "float" => Type::Float,
        "imaginary_literal" => Type::Complex,
        "rune_literal" | "char_literal" => Type::Char,
        "interpreted_string_literal" | "raw_string_literal" | "string_literal" | "string" => Type::Text,
        "true" | "false" => Type::Bool,
        "number_literal" => number(&node.text()),
        "identifier" => declared(node),
        "parenthesized_expression" => node.named_children().next().map_or(Type::Unknown, |inner| of(&inner)),
        _ => Type::Unknown,
    }
}

fn number(text: &str) -> Type {
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    if !is_hex && text.contains(['.', 'e', 'E']) { Type::Float } else { Type::Int }
}

fn declared(name: &Node<'_>) -> Type {
    let text = name.text();
    let Some(function) =
        name.ancestors().find(|node| matches!(&*node.kind(), "function_declaration" | "method_declaration"))
    else {
        return Type::Unknown;
    };
    let mut types = function.dfs().filter(|node| {
        matches!(&*node.kind(), "parameter_declaration" | "var_spec" | "short_var_declaration" | "range_clause")
            && ["name", "left"]
                .iter()
                .any(|field| node.field_children(field).any(|declared| !local::mentions(&declared, &text).is_empty()))
    });
    match (types.next().and_then(|declaration| declaration.field("type")), types.next()) {
        (Some(kind), None) => basic(&kind.text()),
        _ => Type::Unknown,
    }
}

fn basic(name: &str) -> Type {
    match name {
        "string" => Type::Text,
        "bool" => Type::Bool,
        "float32" | "float64" => Type::Float,
        "complex64" | "complex128" => Type::Complex,
        "int" | "int8" | "int16" | "int32" | "int64" | "uint" | "uint8" | "uint16" | "uint32" | "uint64" | "byte"
        | "rune" | "uintptr" => Type::Int,
        _ => Type::Unknown,
    }
}

/// The text of a string literal as written between its quotes, with adjacent literals joined; none for anything that
/// is not wholly literal.
pub(super) fn text(node: &Node<'_>) -> Option<String> {
    let whole = node.text();
    match &*node.kind() {
        "interpreted_string_literal" | "raw_string_literal" | "string_literal" => {
            whole.get(1..whole.len().checked_sub(1)?).filter(|_| whole.starts_with(['"', '`'])).map(str::to_owned)
        }
        "concatenated_string" => node.named_children().map(|part| text(&part)).collect(),
        "parenthesized_expression" => text(&node.named_children().next()?),
        "string" => python_text(&whole),
        _ => None,
    }
}

fn python_text(whole: &str) -> Option<String> {
    let quote = whole.find(['"', '\''])?;
    let prefix = whole[..quote].to_ascii_lowercase();
    let rest = &whole[quote..];
    let width = if rest.starts_with("\"\"\"") || rest.starts_with("'''") { 3 } else { 1 };
    let inner = rest.get(width..rest.len().checked_sub(width)?)?;
    (!prefix.contains(['f', 't'])).then(|| inner.to_owned())
}
