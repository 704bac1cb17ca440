//! How do Python, Ruby, Lua and the shell name their parts?

use super::{
    super::row::{Definition as D, Role, Row},
    EMPTY,
};

pub(in super::super) static PYTHON: Row = Row {
    definitions: &[
        D::new(Role::Function, "function_definition"),
        D::new(Role::Type, "class_definition"),
        D::new(Role::Function, "assignment").name("left").requires("lambda").body("lambda.body"),
    ],
    wrappers: &["decorated_definition", "expression_statement"],
    calls: &[("call", "function")],
    callee: "attribute",
    imports: &["import_statement", "import_from_statement", "future_import_statement"],
    marks: &["#"],
    docstring: "expression_statement.string",
    ..EMPTY
};

pub(in super::super) static RUBY: Row = Row {
    definitions: &[
        D::new(Role::Type, "class"),
        D::new(Role::Extension, "module"),
        D::new(Role::Function, "method"),
        D::new(Role::Function, "singleton_method"),
        D::new(Role::Scope, "singleton_class").name("=self"),
        D::new(Role::Member, "call")
            .name("arguments.string.string_content|arguments.constant|arguments.scope_resolution")
            .requires("block")
            .body("block")
            .titled(),
    ],
    calls: &[("call", "method")],
    importers: &["require", "require_relative", "load", "autoload"],
    tests: (&["describe", "context", "feature"], &["it", "specify", "scenario", "test"]),
    marks: &["#", "=begin", "=end"],
    joints: &["::"],
    ..EMPTY
};

pub(in super::super) static LUA: Row = Row {
    definitions: &[
        D::new(Role::Function, "function_declaration"),
        D::new(Role::Function, "assignment_statement")
            .name("variable_list.name")
            .requires("expression_list.function_definition")
            .body("expression_list.function_definition.body"),
        D::new(Role::Value, "assignment_statement")
            .name("variable_list.name")
            .requires("expression_list.table_constructor")
            .body("expression_list"),
        D::new(Role::Function, "field").requires("function_definition").body("function_definition.body"),
        D::new(Role::Member, "function_call")
            .name("arguments.string.content")
            .requires("arguments.function_definition")
            .body("arguments.function_definition.body")
            .titled(),
    ],
    wrappers: &["variable_declaration"],
    calls: &[("function_call", "name")],
    callee: "method|field",
    importers: &["require", "dofile", "loadfile"],
    tests: (&["describe", "context"], &["it", "test"]),
    marks: &["---", "--"],
    joints: &[".", ":"],
    ..EMPTY
};

pub(in super::super) static BASH: Row = Row {
    definitions: &[D::new(Role::Function, "function_definition")],
    calls: &[("command", "name")],
    callee: "word",
    importers: &["source", "."],
    marks: &["#"],
    joints: &[],
    ..EMPTY
};
