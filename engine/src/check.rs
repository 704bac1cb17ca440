//! How do we notice? Everything here is deterministic, offline and model-free.

pub mod allow;
pub mod linter;
mod native;
pub mod rule;
mod taint;
pub mod twin;

use std::{
    cell::{Cell, OnceCell},
    ops::Range,
    sync::Arc,
};

use ast_grep_core::{AstGrep, tree_sitter::StrDoc};

use crate::{
    change::FileChange,
    config::ChecksConfig,
    finding::{Category, CheckId, Confidence, Finding, Fingerprint, Severity},
    source::{Language, SourceFile, is_too_deep},
};

/// A parsed file.
pub type Tree = AstGrep<StrDoc<Language>>;

/// A node of a parsed file.
pub type Node<'t> = ast_grep_core::Node<'t, StrDoc<Language>>;

/// One file under review, parsed at most once and only when a check asks for its tree.
pub struct Target<'a> {
    /// The new version.
    pub file: &'a SourceFile,
    /// The old version, where there is one that is text.
    pub before: Option<&'a SourceFile>,
    /// How the two differ.
    pub change: &'a FileChange,
    /// Limits of native checks.
    pub limits: &'a ChecksConfig,
    /// Who knows of twins in other files, where somebody does.
    pub twins: Option<&'a dyn twin::Twins>,
    tree: OnceCell<Option<Tree>>,
    tree_before: OnceCell<Option<Tree>>,
    document: OnceCell<Option<native::yaml::Document>>,
    passed_over: Cell<Option<u32>>,
    not_followed: Cell<bool>,
}

impl<'a> Target<'a> {
    /// Nothing is parsed yet.
    pub fn new(
        file: &'a SourceFile,
        before: Option<&'a SourceFile>,
        change: &'a FileChange,
        limits: &'a ChecksConfig,
    ) -> Self {
        Self {
            file,
            before,
            change,
            limits,
            twins: None,
            tree: OnceCell::new(),
            tree_before: OnceCell::new(),
            document: OnceCell::new(),
            passed_over: Cell::new(None),
            not_followed: Cell::new(false),
        }
    }

    /// The new version's syntax tree; none where its language has no grammar.
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.get_or_init(|| parse(self.file)).as_ref()
    }

    /// Whether the tree was asked for and there is none, although the language has a grammar: nested deeper than the
    /// grammar's scanner can remember, or given up by the parser.
    pub fn not_parsed(&self) -> bool {
        self.file.language.is_some() && matches!(self.tree.get(), Some(None))
    }

    /// The 1-based line of a list so long that patterns were not matched in it, if there was one.
    pub fn passed_over(&self) -> Option<u32> {
        self.passed_over.get()
    }

    /// Whether following data through the file was given up, so that rules with sources and sinks were silent.
    pub fn not_followed(&self) -> bool {
        self.not_followed.get()
    }

    pub(crate) fn give_up_following(&self) {
        self.not_followed.set(true);
    }

    pub(crate) fn pass_over(&self, line: u32) {
        self.passed_over.set(self.passed_over.get().or(Some(line)));
    }

    /// The old version's syntax tree.
    pub fn tree_before(&self) -> Option<&Tree> {
        self.tree_before.get_or_init(|| self.before.and_then(parse)).as_ref()
    }

    /// The new version as a YAML document; none where it does not parse as one.
    pub(crate) fn document(&self) -> Option<&native::yaml::Document> {
        self.document.get_or_init(|| native::yaml::read(self.tree()?, &self.file.text)).as_ref()
    }
}

/// The syntax tree of a file; none where its language has no grammar, the parser gave up or the nesting would end it.
pub fn parse(file: &SourceFile) -> Option<Tree> {
    let language = file.language.filter(|&language| !is_too_deep(language, &file.text))?;
    StrDoc::try_new(&file.text, language).ok().map(AstGrep::doc)
}

/// What a check says of itself; the same for rules, native checks and linters.
#[derive(Debug, Clone)]
pub struct Meta {
    /// Its name.
    pub id: CheckId,
    /// What its findings are about.
    pub category: Category,
    /// How bad they are.
    pub severity: Severity,
    /// How likely they are right.
    pub confidence: Confidence,
    /// What is wrong, where the check has nothing more exact to say.
    pub what: Arc<str>,
    /// Why it matters and what to do instead.
    pub why: Arc<str>,
    /// The weakness class.
    pub cwe: Option<u32>,
    /// Where to read more.
    pub url: Option<Arc<str>>,
}

impl Meta {
    /// A finding of this check on some bytes of a file.
    pub fn finding(&self, file: &SourceFile, bytes: Range<usize>) -> Finding {
        Finding {
            check: self.id.clone(),
            category: self.category,
            severity: self.severity,
            confidence: self.confidence,
            path: file.path.clone(),
            span: file.span(bytes),
            what: self.what.to_string(),
            why: self.why.to_string(),
            because: Vec::new(),
            cwe: self.cwe,
            url: self.url.as_deref().map(str::to_owned),
            fix: None,
            fingerprint: Fingerprint::default(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A finding of no check in particular.
    pub(crate) fn finding(file: &SourceFile, bytes: Range<usize>) -> Finding {
        let meta = Meta {
            id: CheckId::from("any/example"),
            category: Category::Bug,
            severity: Severity::Warning,
            confidence: Confidence::High,
            what: "".into(),
            why: "".into(),
            cwe: None,
            url: None,
        };
        meta.finding(file, bytes)
    }
}
