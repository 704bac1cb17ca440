//! What can be said of a language, so that its files are cut by it? One row of data, see [`super::rows`].

/// What one language's definitions, calls, imports and comments look like in its syntax tree.
pub(super) struct Row {
    /// What gets a name; the first whose `requires` is met counts where a kind of node stands more than once.
    pub(super) definitions: &'static [Definition],
    /// Nodes around a single definition that belong to it: decorated, exported, templated.
    pub(super) wrappers: &'static [&'static str],
    /// Nodes that stand before a definition as comments do: attributes, decorators.
    pub(super) attributes: &'static [&'static str],
    pub(super) comments: &'static [&'static str],
    /// Kinds of calls with the way to what is called.
    pub(super) calls: &'static [(&'static str, &'static str)],
    /// From what is called one step closer to its last name.
    pub(super) callee: &'static str,
    pub(super) imports: &'static [&'static str],
    /// Names whose call is an import.
    pub(super) importers: &'static [&'static str],
    /// Names whose call with a title and a function is a group of tests (`describe`), then those of a test (`it`).
    pub(super) tests: (&'static [&'static str], &'static [&'static str]),
    /// What a line of a comment begins with, longest first.
    pub(super) marks: &'static [&'static str],
    /// Whether comments are written in XML.
    pub(super) has_tags: bool,
    /// What parts of a name are joined with.
    pub(super) joints: &'static [&'static str],
    /// From a body to the text that documents it.
    pub(super) docstring: &'static str,
}

/// What stands alone, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Always, but for what is inside of a function that is short enough.
    Function,
    /// As a function when it is longer than a few lines: properties, prototypes.
    Member,
    /// Always.
    Type,
    /// Always, but for its first lines where they say nothing but its name: `impl`, `extension`.
    Extension,
    /// When longer than a few lines: object literals, aliases.
    Value,
    /// When it is large and what is around it is too large: parts of data.
    Block,
    /// Never; gives what is in it a scope.
    Scope,
}

/// A kind of node that gives something a name.
#[derive(Clone, Copy)]
pub(super) struct Definition {
    pub(super) node: &'static str,
    pub(super) role: Role,
    pub(super) name: &'static str,
    pub(super) owner: &'static str,
    pub(super) body: &'static str,
    pub(super) requires: &'static str,
    pub(super) titled: bool,
}

impl Definition {
    /// A definition whose name is in the field `name` and its body in the field `body`.
    pub(super) const fn new(role: Role, node: &'static str) -> Self {
        Self { node, role, name: "name", owner: "", body: "body", requires: "", titled: false }
    }

    /// The way to its name.
    pub(super) const fn name(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The way to the type that it belongs to, where it stands outside of it.
    pub(super) const fn owner(self, owner: &'static str) -> Self {
        Self { owner, ..self }
    }

    /// The way to what follows its signature.
    pub(super) const fn body(self, body: &'static str) -> Self {
        Self { body, ..self }
    }

    /// A way that must lead somewhere.
    pub(super) const fn requires(self, requires: &'static str) -> Self {
        Self { requires, ..self }
    }

    /// Only a call of a name that the row lists under its tests.
    pub(super) const fn titled(self) -> Self {
        Self { titled: true, ..self }
    }
}
