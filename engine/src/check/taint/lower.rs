//! How is a syntax tree turned into a [`Program`]? What all four languages share.

mod go;
mod java;
mod javascript;
mod python;

pub(super) use javascript::module_path;

use std::sync::Arc;

use super::program::{
    Argument, Block, Call, Case, Comparison, ExprId, Function, FunctionId, Kind, Node, Parameter, Program, Stmt, Word,
};
use crate::source::Language;

/// Larger files are not followed: what is found there is not worth the wait.
const MOST_EXPRESSIONS: usize = 200_000;

/// Deeper expressions and blocks are not followed.
const DEEPEST: u32 = 120;

/// The program of a tree; none where the language cannot be read or the file is too large.
pub(super) fn lower(root: &Node<'_>, language: Language) -> Option<Program> {
    let dialect = match language {
        Language::Python => python::DIALECT,
        Language::JavaScript | Language::TypeScript | Language::Tsx => javascript::DIALECT,
        Language::Go => go::DIALECT,
        Language::Java => java::DIALECT,
        _ => return None,
    };
    let mut lowering = Lowering { program: Program::default(), dialect, depth: 0, functions: 0, class: None };
    let top = lowering.block(root);
    lowering.program.top = top;
    (lowering.program.exprs.len() < MOST_EXPRESSIONS).then_some(lowering.program)
}

/// How one language's nodes are read.
#[derive(Clone, Copy)]
struct Dialect {
    expr: fn(&mut Lowering, &Node<'_>) -> ExprId,
    statement: fn(&mut Lowering, &Node<'_>, &mut Block),
}

/// A program under construction.
struct Lowering {
    program: Program,
    dialect: Dialect,
    depth: u32,
    /// How many functions we are inside of.
    functions: u32,
    class: Option<Word>,
}

impl Lowering {
    fn add(&mut self, node: &Node<'_>, kind: Kind) -> ExprId {
        self.program.add(node.range(), kind)
    }

    fn word(&mut self, node: &Node<'_>) -> Word {
        self.program.word(&node.text())
    }

    /// The expression of a node.
    fn expr(&mut self, node: &Node<'_>) -> ExprId {
        if self.depth > DEEPEST || self.program.exprs.len() > MOST_EXPRESSIONS {
            return self.add(node, Kind::Opaque);
        }
        self.depth += 1;
        let id = (self.dialect.expr)(self, node);
        self.depth -= 1;
        id
    }

    fn field(&mut self, node: &Node<'_>, name: &str) -> ExprId {
        match node.field(name) {
            Some(child) => self.expr(&child),
            None => self.add(node, Kind::Opaque),
        }
    }

    fn optional(&mut self, node: Option<Node<'_>>) -> Option<ExprId> {
        node.map(|node| self.expr(&node))
    }

    /// The expressions of all named children.
    fn parts(&mut self, node: &Node<'_>) -> Vec<ExprId> {
        let children: Vec<_> = node.named_children().filter(|child| !child.is_extra()).collect();
        children.iter().map(|child| self.expr(child)).collect()
    }

    fn pure(&mut self, node: &Node<'_>) -> ExprId {
        let parts = self.parts(node);
        self.add(node, Kind::Pure(parts))
    }

    fn literal(&mut self, node: &Node<'_>, text: &str) -> ExprId {
        self.add(node, Kind::Literal(text.into()))
    }

    fn name(&mut self, node: &Node<'_>) -> ExprId {
        let word = self.word(node);
        self.add(node, Kind::Name(word))
    }

    fn member(&mut self, node: &Node<'_>, base: &str, name: &str) -> ExprId {
        let base = self.field(node, base);
        match node.field(name) {
            Some(name) => {
                let word = self.word(&name);
                self.add(node, Kind::Member(base, word))
            }
            None => base,
        }
    }

    /// A subscript: by a constant it is a member.
    fn index(&mut self, node: &Node<'_>, base: ExprId, key: ExprId) -> ExprId {
        match &self.program.expr(key).kind {
            Kind::Literal(text) => {
                let text = Arc::clone(text);
                let word = self.program.word(&text);
                self.add(node, Kind::Member(base, word))
            }
            _ => self.add(node, Kind::Index(base, key)),
        }
    }

    fn call(&mut self, node: &Node<'_>, callee: ExprId, arguments: Vec<Argument>) -> ExprId {
        self.add(node, Kind::Call(Call { callee, arguments }))
    }

    fn assign(&mut self, node: &Node<'_>, target: ExprId, value: ExprId) -> ExprId {
        self.add(node, Kind::Assign { target, value, adds: false })
    }

    /// The statements among a node's named children.
    fn block(&mut self, node: &Node<'_>) -> Block {
        let mut block = Block::new();
        let children: Vec<_> = node.named_children().collect();
        for child in &children {
            self.statement(child, &mut block);
        }
        block
    }

    fn block_of(&mut self, node: Option<Node<'_>>) -> Block {
        node.map(|node| self.block(&node)).unwrap_or_default()
    }

    /// One statement, which may be a block of its own.
    fn single(&mut self, node: Option<Node<'_>>) -> Block {
        let mut block = Block::new();
        if let Some(node) = node {
            self.statement(&node, &mut block);
        }
        block
    }

    fn statement(&mut self, node: &Node<'_>, block: &mut Block) {
        if self.depth > DEEPEST || self.program.exprs.len() > MOST_EXPRESSIONS {
            return;
        }
        self.depth += 1;
        (self.dialect.statement)(self, node, block);
        self.depth -= 1;
    }

    /// Leaves of a chain of one operator, left to right, without recursion on its long side.
    fn operands<'t>(&self, node: &Node<'t>, is_same: impl Fn(&Node<'t>) -> bool) -> Vec<Node<'t>> {
        let (mut parts, mut open) = (Vec::new(), vec![node.clone()]);
        while let Some(node) = open.pop() {
            match (node.field("left"), node.field("right")) {
                (Some(left), Some(right)) if is_same(&node) => open.extend([right, left]),
                _ => parts.push(node),
            }
        }
        parts
    }

    /// A text put together of a chain of `+`.
    fn concatenation(&mut self, node: &Node<'_>, operator: &str) -> ExprId {
        let kind = node.kind_id();
        let leaves = self.operands(node, |node| {
            node.kind_id() == kind && node.field("operator").is_some_and(|found| found.text() == operator)
        });
        let parts = leaves.iter().map(|leaf| self.expr(leaf)).collect();
        self.add(node, Kind::Text(parts))
    }

    /// Lowers a function whose parameters are already read.
    fn function(&mut self, head: Head, body: impl FnOnce(&mut Self) -> Block) -> FunctionId {
        let nested = self.functions > 0;
        self.functions += 1;
        let body = body(self);
        self.functions -= 1;
        let first_parameter = self.program.parameter_count;
        self.program.parameter_count += head.parameters.len() as u32;
        self.program.functions.push(Function {
            name: head.name,
            class: head.class,
            parameters: head.parameters,
            first_parameter,
            marks: head.marks,
            body,
            nested,
        });
        FunctionId(self.program.functions.len() as u32 - 1)
    }

    /// A parameter that is a plain name.
    fn parameter(&mut self, node: &Node<'_>, of_type: Option<Arc<str>>) -> Parameter {
        let name = self.word(node);
        let target = self.name(node);
        Parameter { target, name: Some(name), of_type, marks: Vec::new(), range: node.range() }
    }

    /// A type as a dotted path: arguments, pointers and nullability taken off, its first name looked up in the
    /// imports.
    fn type_path(&self, text: &str) -> Arc<str> {
        let text = text.trim_start_matches([':', '*', '&', ' ', '"', '\'']);
        let end = text.find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$'))).unwrap_or(text.len());
        let path = &text[..end];
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let imported = self.program.known(first).and_then(|word| self.program.imports.get(&word));
        match (imported, rest) {
            (Some(import), Some(rest)) => format!("{import}.{rest}").into(),
            (Some(import), None) => Arc::clone(import),
            (None, _) => path.into(),
        }
    }

    fn import(&mut self, name: &str, path: &str) {
        let word = self.program.word(name);
        self.program.imports.insert(word, path.into());
    }
}

/// A function's head, as its language writes it.
#[derive(Default)]
struct Head {
    name: Option<Word>,
    class: Option<Word>,
    parameters: Vec<Parameter>,
    marks: Vec<Arc<str>>,
}

/// An unnamed argument.
fn plain(value: ExprId) -> Argument {
    Argument { name: None, value }
}

/// A text without the quotes around it.
fn unquoted(text: &str) -> &str {
    let inner = text.trim_matches(['"', '\'', '`']);
    if inner.is_empty() { "" } else { inner }
}
