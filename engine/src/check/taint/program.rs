//! What does a file do, said in one small language for all the languages?
//!
//! A [`Program`] keeps what matters for following data: names, members, calls, string building, branches. Everything
//! else is [`Kind::Pure`], which is evaluated and carries nothing on.

use std::{collections::HashMap, ops::Range, sync::Arc};

use ast_grep_core::tree_sitter::StrDoc;

use crate::source::Language;

/// A node of the syntax tree it is made from.
pub(super) type Node<'t> = ast_grep_core::Node<'t, StrDoc<Language>>;

/// An interned word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Word(pub(super) u32);

/// An expression's place in [`Program::exprs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExprId(pub(super) u32);

/// A function's place in [`Program::functions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct FunctionId(pub(super) u32);

/// Statements in order.
pub(super) type Block = Vec<Stmt>;

/// One file.
#[derive(Debug, Default)]
pub(super) struct Program {
    pub(super) exprs: Vec<Expr>,
    pub(super) functions: Vec<Function>,
    /// The statements outside all functions.
    pub(super) top: Block,
    /// Imported names and the dotted path each stands for.
    pub(super) imports: HashMap<Word, Arc<str>>,
    /// How many parameters all functions have together.
    pub(super) parameter_count: u32,
    words: HashMap<Arc<str>, Word>,
    texts: Vec<Arc<str>>,
}

/// An expression and the bytes it is written in.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

/// What an expression does with the data of its parts.
#[derive(Debug)]
pub(super) enum Kind {
    /// A constant with its text, quotes removed.
    Literal(Arc<str>),
    /// Nothing is known of it.
    Opaque,
    Name(Word),
    Member(ExprId, Word),
    /// A subscript that is not constant; a constant one is a `Member`.
    Index(ExprId, ExprId),
    Call(Call),
    /// Parts written one after the other into one text.
    Text(Vec<ExprId>),
    /// A container of its parts.
    List(Vec<ExprId>),
    /// A container with names for its parts; as a target, destructuring by name.
    Record(Vec<(Option<Word>, ExprId)>),
    /// A template with placeholders, and what fills them.
    Format(ExprId, Vec<ExprId>),
    /// One of its parts.
    Either(Vec<ExprId>),
    /// The part, once it has been waited for.
    Await(ExprId),
    Not(ExprId),
    And(ExprId, ExprId),
    Or(ExprId, ExprId),
    Compare(Comparison, ExprId, ExprId),
    /// `condition ? then : other`.
    Choice(ExprId, ExprId, ExprId),
    /// The part, declared or cast to a type.
    Typed(ExprId, Arc<str>),
    Assign {
        target: ExprId,
        value: ExprId,
        /// Whether the old value stays in the new one.
        adds: bool,
    },
    /// A function written in place, or defined here.
    Function(FunctionId),
    /// `for target in values`, then the value made of them.
    Comprehension {
        binds: Vec<(ExprId, ExprId)>,
        conditions: Vec<ExprId>,
        result: ExprId,
    },
    /// Evaluated for its parts alone.
    Pure(Vec<ExprId>),
}

/// Comparisons that can prove a value harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    In,
    NotIn,
}

/// A call of a function or a constructor.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) callee: ExprId,
    pub(super) arguments: Vec<Argument>,
}

#[derive(Debug)]
pub(super) struct Argument {
    pub(super) name: Option<Word>,
    pub(super) value: ExprId,
}

/// A statement.
#[derive(Debug)]
pub(super) enum Stmt {
    Expr(ExprId),
    Block(Block),
    If {
        condition: ExprId,
        then: Block,
        other: Block,
    },
    Loop {
        bind: Option<(ExprId, ExprId)>,
        condition: Option<ExprId>,
        body: Block,
    },
    Switch {
        subject: Option<ExprId>,
        cases: Vec<Case>,
    },
    Try {
        body: Block,
        handlers: Vec<Block>,
        last: Block,
    },
    Return(Option<ExprId>),
    Throw(Option<ExprId>),
    /// `break` or `continue`.
    Jump,
}

/// One arm of a switch; without labels it is the default.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) labels: Vec<ExprId>,
    pub(super) body: Block,
}

/// A function, method or lambda.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: Option<Word>,
    /// The class, or Go's receiver type, it belongs to.
    pub(super) class: Option<Word>,
    pub(super) parameters: Vec<Parameter>,
    /// The number of the first parameter in the whole program.
    pub(super) first_parameter: u32,
    /// Decorators and annotations as written.
    pub(super) marks: Vec<Arc<str>>,
    pub(super) body: Block,
    /// Whether it is written inside another function.
    pub(super) nested: bool,
}

#[derive(Debug)]
pub(super) struct Parameter {
    /// A name, or a pattern that takes the value apart.
    pub(super) target: ExprId,
    pub(super) name: Option<Word>,
    /// The declared type, imports resolved.
    pub(super) of_type: Option<Arc<str>>,
    pub(super) marks: Vec<Arc<str>>,
    pub(super) range: Range<usize>,
}

impl Program {
    /// The word for a text, made where it is new.
    pub(super) fn word(&mut self, text: &str) -> Word {
        if let Some(&word) = self.words.get(text) {
            return word;
        }
        let (word, text): (Word, Arc<str>) = (Word(self.texts.len() as u32), text.into());
        self.words.insert(Arc::clone(&text), word);
        self.texts.push(text);
        word
    }

    /// The word for a text, where the file has it.
    pub(super) fn known(&self, text: &str) -> Option<Word> {
        self.words.get(text).copied()
    }

    pub(super) fn text(&self, word: Word) -> &Arc<str> {
        &self.texts[word.0 as usize]
    }

    pub(super) fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }

    pub(super) fn function(&self, id: FunctionId) -> &Function {
        &self.functions[id.0 as usize]
    }

    pub(super) fn add(&mut self, range: Range<usize>, kind: Kind) -> ExprId {
        self.exprs.push(Expr { range, kind });
        ExprId(self.exprs.len() as u32 - 1)
    }

    /// The dotted name an expression is written as, where it is one.
    pub(super) fn dotted(&self, id: ExprId) -> Option<String> {
        match &self.expr(id).kind {
            Kind::Name(word) => Some(self.text(*word).to_string()),
            Kind::Member(base, word) => Some(format!("{}.{}", self.dotted(*base)?, self.text(*word))),
            _ => None,
        }
    }
}
