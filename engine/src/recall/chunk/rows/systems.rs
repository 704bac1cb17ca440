//! How do Rust, Go, C and C++ name their parts?

use super::{
    super::row::{Definition as D, Role, Row},
    EMPTY,
};

pub(in super::super) static RUST: Row = Row {
    definitions: &[
        D::new(Role::Function, "function_item"),
        D::new(Role::Member, "function_signature_item"),
        D::new(Role::Type, "struct_item"),
        D::new(Role::Type, "enum_item"),
        D::new(Role::Type, "union_item"),
        D::new(Role::Type, "trait_item"),
        D::new(Role::Extension, "impl_item").name("type"),
        D::new(Role::Function, "macro_definition").body("macro_rule"),
        D::new(Role::Scope, "mod_item").requires("body"),
        D::new(Role::Value, "type_item").body("type"),
    ],
    attributes: &["attribute_item"],
    comments: &["line_comment", "block_comment"],
    calls: &[("call_expression", "function"), ("macro_invocation", "macro")],
    callee: "field|name|function",
    imports: &["use_declaration", "extern_crate_declaration"],
    joints: &["::"],
    ..EMPTY
};

pub(in super::super) static GO: Row = Row {
    definitions: &[
        D::new(Role::Function, "function_declaration"),
        D::new(Role::Function, "method_declaration").owner("receiver.parameter_declaration.type"),
        D::new(Role::Type, "type_spec").body("struct_type.field_declaration_list|interface_type.method_elem"),
        D::new(Role::Value, "type_alias").body("type"),
        D::new(Role::Function, "var_spec").requires("value.func_literal").body("value.func_literal.body"),
    ],
    wrappers: &["type_declaration", "var_declaration"],
    calls: &[("call_expression", "function")],
    callee: "field|type",
    imports: &["import_spec"],
    ..EMPTY
};

/// Through pointers, references and brackets to the name that is declared.
const DECLARED: &str = "declarator/function_declarator/pointer_declarator/parenthesized_declarator*";
const PARAMETERS: &str = "declarator.parameters|declarator.declarator.parameters";

const FUNCTION: D = D::new(Role::Function, "function_definition").name(DECLARED).requires("body");
const STRUCT: D = D::new(Role::Type, "struct_specifier").requires("body");
const UNION: D = D::new(Role::Type, "union_specifier").requires("body");
const ENUM: D = D::new(Role::Type, "enum_specifier").requires("body");
const TYPEDEF: D = D::new(Role::Type, "type_definition").name(DECLARED).requires("type.body").body("type.body");
const PROTOTYPE: D = D::new(Role::Member, "declaration").name(DECLARED).requires(PARAMETERS).body("");
const TABLE: D = D::new(Role::Value, "declaration")
    .name(DECLARED)
    .requires("declarator.initializer_list")
    .body("declarator.initializer_list");
const MACRO: D = D::new(Role::Member, "preproc_function_def").body("value");

const C_ROW: Row = Row {
    definitions: &[FUNCTION, STRUCT, UNION, ENUM, TYPEDEF, PROTOTYPE, TABLE, MACRO],
    calls: &[("call_expression", "function")],
    callee: "field|name",
    imports: &["preproc_include"],
    joints: &["::"],
    ..EMPTY
};

pub(in super::super) static C: Row = C_ROW;

pub(in super::super) static CPP: Row = Row {
    definitions: &[
        FUNCTION,
        STRUCT,
        UNION,
        ENUM,
        D::new(Role::Type, "class_specifier").requires("body"),
        TYPEDEF,
        PROTOTYPE,
        D::new(Role::Member, "field_declaration").name(DECLARED).requires(PARAMETERS).body(""),
        TABLE,
        MACRO,
        D::new(Role::Scope, "namespace_definition"),
        D::new(Role::Value, "alias_declaration").body("type"),
        D::new(Role::Value, "concept_definition").body(""),
    ],
    wrappers: &["template_declaration"],
    calls: &[("call_expression", "function"), ("new_expression", "type")],
    imports: &["preproc_include", "using_declaration"],
    ..C_ROW
};
