//! Which functions have documentation, and which parameters?

use std::ops::Range;

use super::names::Style;
use crate::check::Node;

/// A function and the place of its documentation.
pub(super) struct Documented<'t> {
    function: Node<'t>,
    style: Style,
    pub(super) doc: Range<usize>,
}

/// The parameters of a function, as their documentation names them.
pub(super) struct Signature {
    pub(super) names: Vec<String>,
}

impl Signature {
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|own| own == name)
    }
}

/// Every function of the tree that has documentation of its own.
pub(super) fn documented<'t>(root: &Node<'t>, style: Style) -> Vec<Documented<'t>> {
    let functions = root.dfs().filter(|node| is_function(&node.kind(), style));
    functions
        .filter_map(|function| {
            let doc = match style {
                Style::Docstring => docstring(&function),
                Style::JsDoc | Style::Javadoc | Style::PhpDoc => comment(&function),
            }?;
            Some(Documented { function, style, doc })
        })
        .collect()
}

fn is_function(kind: &str, style: Style) -> bool {
    match style {
        Style::JsDoc => matches!(
            kind,
            "function_declaration"
                | "generator_function_declaration"
                | "method_definition"
                | "function_expression"
                | "arrow_function"
        ),
        Style::Javadoc => matches!(kind, "method_declaration" | "constructor_declaration"),
        Style::Docstring => kind == "function_definition",
        Style::PhpDoc => matches!(kind, "function_definition" | "method_declaration"),
    }
}

/// Decorators after which a function still takes what it says it takes.
const PLAIN_DECORATORS: &[&str] =
    &["@staticmethod", "@classmethod", "@abstractmethod", "@abc.abstractmethod", "@override"];

fn docstring(function: &Node<'_>) -> Option<Range<usize>> {
    let around = function.parent().filter(|parent| parent.kind() == "decorated_definition");
    let changes =
        |decorator: &Node<'_>| decorator.kind() == "decorator" && !PLAIN_DECORATORS.contains(&&*decorator.text());
    if around.is_some_and(|around| around.children().any(|child| changes(&child))) {
        return None;
    }
    let first = function.field("body")?.named_children().find(|child| child.kind() != "comment")?;
    let string = first
        .named_children()
        .next()
        .filter(|inner| first.kind() == "expression_statement" && inner.kind() == "string")?;
    let is_plain = !string.named_children().any(|part| part.kind() == "interpolation");
    is_plain.then(|| string.range())
}

/// The comment that starts with `/**` before the function, or before the declaration that gives it its name.
fn comment(function: &Node<'_>) -> Option<Range<usize>> {
    let mut node = function.clone();
    loop {
        if let Some(before) = node.prev().filter(|before| before.kind().contains("comment")) {
            return before.text().starts_with("/**").then(|| before.range());
        }
        let parent = node.parent()?;
        let is_only = parent.named_children().filter(|child| child.kind() == "variable_declarator").count() < 2;
        let names_it = matches!(
            &*parent.kind(),
            "export_statement"
                | "lexical_declaration"
                | "variable_declaration"
                | "variable_declarator"
                | "pair"
                | "expression_statement"
                | "assignment_expression"
        );
        if !names_it || !is_only {
            return None;
        }
        node = parent;
    }
}

impl Documented<'_> {
    /// The function's name, where it has one.
    pub(super) fn name(&self) -> Option<String> {
        self.function.field("name").map(|name| name.text().into_owned())
    }

    /// Whether the function says `name` outside its documentation.
    pub(super) fn mentions(&self, text: &str, name: &str) -> bool {
        let whole = self.function.range();
        let inside = whole.start <= self.doc.start && self.doc.end <= whole.end;
        let parts = if inside { [whole.start..self.doc.start, self.doc.end..whole.end] } else { [whole, 0..0] };
        parts.into_iter().any(|part| text.get(part).is_some_and(|part| has_word(part, name)))
    }

    /// Its parameters; none where others than those written can be passed.
    pub(super) fn signature(&self) -> Option<Signature> {
        if self.takes_more() {
            return None;
        }
        if let Some(only) = self.function.field("parameter") {
            return Some(Signature { names: vec![only.text().into_owned()] });
        }
        let parameters = self.function.field("parameters")?;
        let mut names = Vec::new();
        for parameter in parameters.named_children().filter(|child| !child.kind().contains("comment")) {
            match self.parameter(&parameter) {
                Parameter::Named(name) => names.push(name),
                Parameter::Silent => {}
                Parameter::Open => return None,
            }
        }
        Some(Signature { names })
    }

    /// Whether the body reads arguments by other ways, or is not what the documentation is about.
    fn takes_more(&self) -> bool {
        let Some(body) = self.function.field("body") else { return false };
        match self.style {
            Style::JsDoc => {
                let is_curried = matches!(&*body.kind(), "arrow_function" | "function_expression" | "call_expression");
                is_curried || has_word(&body.text(), "arguments") || body.named_children().count() < 2
            }
            Style::PhpDoc => body.text().contains("func_get_arg"),
            Style::Docstring | Style::Javadoc => false,
        }
    }

    fn parameter(&self, node: &Node<'_>) -> Parameter {
        let named = |node: Option<Node<'_>>| match node {
            Some(name) if matches!(&*name.kind(), "identifier" | "variable_name") => own(&name.text(), self.style),
            _ => Parameter::Open,
        };
        match &*node.kind() {
            "identifier" => own(&node.text(), self.style),
            "typed_parameter" => named(node.named_children().next()),
            "keyword_separator" | "positional_separator" | "receiver_parameter" | "this" => Parameter::Silent,
            "assignment_pattern" => named(node.field("left")),
            "required_parameter" | "optional_parameter" => match node.field("pattern") {
                Some(this) if this.kind() == "this" => Parameter::Silent,
                pattern => named(pattern),
            },
            "default_parameter"
            | "typed_default_parameter"
            | "formal_parameter"
            | "simple_parameter"
            | "property_promotion_parameter" => named(node.field("name")),
            "spread_parameter" => named(node.named_children().last().and_then(|last| last.field("name"))),
            _ => Parameter::Open,
        }
    }
}

/// What a place in a list of parameters takes.
enum Parameter {
    Named(String),
    /// Nothing that documentation would name.
    Silent,
    /// Things that documentation may name as it likes.
    Open,
}

/// A named parameter; what an object is to itself is not documented.
fn own(name: &str, style: Style) -> Parameter {
    match name {
        "self" | "cls" if style == Style::Docstring => Parameter::Silent,
        _ => Parameter::Named(name.to_owned()),
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let word = word.trim_start_matches('$');
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].chars().next_back().is_some_and(is_part)
            && !text[at + word.len()..].chars().next().is_some_and(is_part)
    })
}
