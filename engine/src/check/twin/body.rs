//! What is a function made of, when white space and comments are nothing and every literal is like another?

use std::{ops::Range, rc::Rc};

use crate::{
    check::{Node, Tree, native::complexity::roles},
    source::SourceFile,
};

/// A named function.
#[derive(Debug)]
pub(crate) struct Body {
    /// Its name after those of what it stands in: `Client.send`.
    pub(crate) symbol: String,
    /// The whole function.
    pub(crate) bytes: Range<usize>,
    /// Of its body, without comments and docstring.
    pub(crate) tokens: Vec<Token>,
    /// How often tokens of each of 64 kinds of shape stand in it.
    pub(crate) bag: [u32; 64],
}

/// What a token is to a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// A name that somebody chose.
    Name,
    /// A number.
    Number,
    /// A string, with whatever is written inside.
    Text,
    /// A word or sign of the language.
    Sign,
}

/// A leaf of the tree, or a string as a whole.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) class: Class,
    /// Hash of its text.
    pub(crate) word: u64,
    /// Hash of its text where that is the language's; of its class otherwise.
    pub(crate) shape: u64,
    pub(crate) bytes: Range<usize>,
}

impl Token {
    /// What must be equal for two tokens to be the same but for literals.
    pub(crate) fn key(&self) -> u64 {
        if self.class == Class::Name { self.word } else { self.shape }
    }
}

/// Shorter bodies are alike by chance.
const LEAST: usize = 40;

/// Longer ones are tables or generated, and comparing takes its time.
const MOST: usize = 4_000;

/// The functions of a file, those of fewer tokens than say anything left out.
pub(crate) fn bodies(file: &SourceFile, tree: &Tree) -> Vec<Body> {
    let Some(roles) = file.language.and_then(roles::of) else { return Vec::new() };
    let mut found = Vec::new();
    let mut open: Vec<(Node<'_>, Rc<str>, Option<String>)> = vec![(tree.root(), Rc::from(""), None)];
    while let Some((node, scope, named_by)) = open.pop() {
        let kind = node.kind();
        let is_function = roles.functions.contains(&&*kind);
        let name = match is_function {
            true => name_of(&node),
            false => named_by.filter(|_| roles.closures.contains(&&*kind)),
        };
        let own = name.clone().or_else(|| is_scope(&kind).then(|| scope_name(&node)).flatten());
        let scope: Rc<str> = match own {
            Some(own) if scope.is_empty() => own.into(),
            Some(own) => format!("{scope}.{own}").into(),
            None => scope,
        };
        if name.is_some() {
            found.extend(body(&node, &scope));
        }
        let bound = binds(&kind).then(|| name_of(&node)).flatten();
        let children: Vec<Node<'_>> = node.children().collect();
        open.extend(children.into_iter().rev().map(|child| (child, Rc::clone(&scope), bound.clone())));
    }
    found
}

fn name_of(node: &Node<'_>) -> Option<String> {
    let short = |text: &str| text.lines().next().unwrap_or_default().chars().take(100).collect();
    if let Some(name) = node.field("name").or_else(|| node.field("left")) {
        return Some(short(&name.text()));
    }
    let mut declarator = node.field("declarator")?;
    while let Some(inner) = declarator.field("declarator") {
        declarator = inner;
    }
    Some(short(&declarator.text()))
}

fn is_scope(kind: &str) -> bool {
    let words = ["class", "impl", "interface", "module", "object", "trait", "struct", "namespace", "enum"];
    words.iter().any(|word| kind.starts_with(word)) && (kind.contains('_') || matches!(kind, "class" | "module"))
}

fn scope_name(node: &Node<'_>) -> Option<String> {
    node.field("name").or_else(|| node.field("type")).map(|name| name.text().chars().take(100).collect())
}

/// Whether a node gives a function without a name one.
fn binds(kind: &str) -> bool {
    matches!(kind, "variable_declarator" | "assignment_expression" | "public_field_definition" | "field_definition")
}

fn body(function: &Node<'_>, symbol: &str) -> Option<Body> {
    let of_kind = || function.children().find(|child| matches!(&*child.kind(), "function_body" | "body_statement"));
    let inner = function.field("body").or_else(of_kind)?;
    let tokens = tokens(&inner)?;
    let mut bag = [0; 64];
    tokens.iter().for_each(|token| bag[(token.shape % 64) as usize] += 1);
    (tokens.len() >= LEAST).then(|| Body { symbol: symbol.to_owned(), bytes: function.range(), tokens, bag })
}

/// The tokens below a node; none where they are too many.
fn tokens(body: &Node<'_>) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut open = vec![body.clone()];
    while let Some(node) = open.pop() {
        let kind = node.kind();
        if kind.contains("comment") || is_docstring(&node, &kind) {
            continue;
        }
        let is_text = node.is_named() && kind.contains("string") && !kind.contains("template");
        let children: Vec<Node<'_>> = if is_text { Vec::new() } else { node.children().collect() };
        if children.is_empty() {
            tokens.extend(token(&node, &kind, is_text));
            if tokens.len() > MOST {
                return None;
            }
        }
        open.extend(children.into_iter().rev());
    }
    Some(tokens)
}

/// A statement of nothing but a string, as Python's documentation is.
fn is_docstring(node: &Node<'_>, kind: &str) -> bool {
    kind == "expression_statement" && {
        let mut children = node.children();
        children.next().is_some_and(|child| child.kind() == "string") && children.next().is_none()
    }
}

fn token(node: &Node<'_>, kind: &str, is_text: bool) -> Option<Token> {
    let text = node.text();
    let text = text.trim();
    let first = text.chars().next()?;
    let class = if is_text || kind.contains("char") {
        Class::Text
    } else if first.is_ascii_digit() {
        Class::Number
    } else if node.is_named() && (first.is_alphabetic() || matches!(first, '_' | '$' | '@')) {
        Class::Name
    } else {
        Class::Sign
    };
    let word = hash(text.as_bytes());
    let shape = match class {
        Class::Name => 1,
        Class::Number => 2,
        Class::Text => 3,
        Class::Sign => word,
    };
    Some(Token { class, word, shape, bytes: node.range() })
}

/// FNV-1a with its high bits folded in.
fn hash(text: &[u8]) -> u64 {
    let hash = text
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    hash ^ (hash >> 29)
}
