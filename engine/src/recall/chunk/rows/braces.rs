//! How do languages with classes and braces name their parts?

use super::{
    super::row::{Definition as D, Role, Row},
    EMPTY,
};

pub(in super::super) static JAVASCRIPT: Row = Row { definitions: SCRIPT, ..SCRIPTS };

pub(in super::super) static TYPESCRIPT: Row = Row {
    definitions: TYPED,
    wrappers: &[
        "export_statement",
        "lexical_declaration",
        "variable_declaration",
        "expression_statement",
        "ambient_declaration",
    ],
    ..SCRIPTS
};

const SCRIPTS: Row = Row {
    wrappers: &["export_statement", "lexical_declaration", "variable_declaration", "expression_statement"],
    attributes: &["decorator"],
    calls: &[("call_expression", "function"), ("new_expression", "constructor")],
    callee: "property",
    imports: &["import_statement"],
    importers: &["require"],
    tests: (&["describe", "context", "suite"], &["it", "test", "specify"]),
    ..EMPTY
};

const FUNCTION: &str = "arrow_function|function_expression|generator_function";
const FUNCTION_BODY: &str = "arrow_function.body|function_expression.body|generator_function.body";

/// A function that is passed on before it is assigned: `memo(() => …)`.
const WRAPPED: &str = "call_expression.arguments.arrow_function|call_expression.arguments.function_expression";
const WRAPPED_BODY: &str =
    "call_expression.arguments.arrow_function.body|call_expression.arguments.function_expression.body";

/// A value that gets the name of what it is assigned to.
const fn assigned(role: Role, node: &'static str, name: &'static str) -> D {
    D::new(role, node).name(name)
}

const SCRIPT: &[D] = &[
    D::new(Role::Function, "function_declaration"),
    D::new(Role::Function, "generator_function_declaration"),
    D::new(Role::Type, "class_declaration"),
    D::new(Role::Function, "method_definition"),
    assigned(Role::Function, "field_definition", "property").requires(FUNCTION).body(FUNCTION_BODY),
    assigned(Role::Function, "variable_declarator", "name").requires(FUNCTION).body(FUNCTION_BODY),
    assigned(Role::Type, "variable_declarator", "name").requires("class").body("class.body"),
    assigned(Role::Value, "variable_declarator", "name").requires("object").body("value"),
    assigned(Role::Function, "variable_declarator", "name").requires(WRAPPED).body(WRAPPED_BODY),
    assigned(Role::Scope, "variable_declarator", "name").requires("call_expression|new_expression"),
    assigned(Role::Function, "assignment_expression", "left").requires(FUNCTION).body(FUNCTION_BODY),
    assigned(Role::Type, "assignment_expression", "left").requires("class").body("class.body"),
    assigned(Role::Value, "assignment_expression", "left").requires("object").body("right"),
    assigned(Role::Function, "pair", "key").requires(FUNCTION).body(FUNCTION_BODY),
    assigned(Role::Scope, "pair", "key").requires("object"),
    TEST,
];

const TEST: D = D::new(Role::Member, "call_expression")
    .name("arguments.string.string_fragment|arguments.template_string")
    .requires("arguments.arrow_function|arguments.function_expression")
    .body("arguments.arrow_function.body|arguments.function_expression.body")
    .titled();

const TYPED: &[D] = &[
    D::new(Role::Function, "function_declaration"),
    D::new(Role::Function, "generator_function_declaration"),
    D::new(Role::Type, "class_declaration"),
    D::new(Role::Type, "abstract_class_declaration"),
    D::new(Role::Function, "method_definition"),
    D::new(Role::Type, "interface_declaration"),
    D::new(Role::Type, "enum_declaration"),
    D::new(Role::Value, "type_alias_declaration").body("value"),
    D::new(Role::Scope, "internal_module"),
    D::new(Role::Scope, "module"),
    D::new(Role::Member, "function_signature"),
    D::new(Role::Member, "method_signature"),
    D::new(Role::Member, "abstract_method_signature"),
    assigned(Role::Function, "public_field_definition", "name").requires(FUNCTION).body(FUNCTION_BODY),
    assigned(Role::Function, "variable_declarator", "name").requires(FUNCTION).body(FUNCTION_BODY),
    assigned(Role::Type, "variable_declarator", "name").requires("class").body("class.body"),
    assigned(Role::Value, "variable_declarator", "name")
        .requires("object|as_expression.object|satisfies_expression.object")
        .body("value"),
    assigned(Role::Function, "variable_declarator", "name").requires(WRAPPED).body(WRAPPED_BODY),
    assigned(Role::Scope, "variable_declarator", "name").requires("call_expression|new_expression"),
    assigned(Role::Function, "assignment_expression", "left").requires(FUNCTION).body(FUNCTION_BODY),
    assigned(Role::Type, "assignment_expression", "left").requires("class").body("class.body"),
    assigned(Role::Value, "assignment_expression", "left").requires("object").body("right"),
    assigned(Role::Function, "pair", "key").requires(FUNCTION).body(FUNCTION_BODY),
    assigned(Role::Scope, "pair", "key").requires("object"),
    TEST,
];

pub(in super::super) static JAVA: Row = Row {
    definitions: &[
        D::new(Role::Type, "class_declaration"),
        D::new(Role::Type, "interface_declaration"),
        D::new(Role::Type, "enum_declaration"),
        D::new(Role::Type, "record_declaration"),
        D::new(Role::Type, "annotation_type_declaration"),
        D::new(Role::Function, "method_declaration").requires("body"),
        D::new(Role::Member, "method_declaration"),
        D::new(Role::Function, "constructor_declaration"),
        D::new(Role::Function, "compact_constructor_declaration"),
        D::new(Role::Scope, "enum_constant").requires("body"),
    ],
    comments: &["line_comment", "block_comment"],
    calls: &[("method_invocation", "name"), ("object_creation_expression", "type")],
    callee: "type_identifier",
    imports: &["import_declaration"],
    ..EMPTY
};

pub(in super::super) static CSHARP: Row = Row {
    definitions: &[
        D::new(Role::Scope, "namespace_declaration"),
        D::new(Role::Type, "class_declaration"),
        D::new(Role::Type, "interface_declaration"),
        D::new(Role::Type, "struct_declaration"),
        D::new(Role::Type, "enum_declaration"),
        D::new(Role::Type, "record_declaration"),
        D::new(Role::Function, "method_declaration").requires("body"),
        D::new(Role::Member, "method_declaration"),
        D::new(Role::Function, "constructor_declaration"),
        D::new(Role::Function, "destructor_declaration"),
        D::new(Role::Function, "local_function_statement"),
        D::new(Role::Function, "operator_declaration").name("operator|=operator"),
        D::new(Role::Function, "conversion_operator_declaration").name("type|=operator"),
        D::new(Role::Member, "property_declaration").body("accessors|value"),
        D::new(Role::Member, "indexer_declaration").name("=this[]").body("accessors"),
        D::new(Role::Member, "event_declaration").body("accessors"),
        D::new(Role::Member, "delegate_declaration"),
    ],
    calls: &[("invocation_expression", "function"), ("object_creation_expression", "type")],
    callee: "name|identifier",
    imports: &["using_directive"],
    has_tags: true,
    ..EMPTY
};

pub(in super::super) static PHP: Row = Row {
    definitions: &[
        D::new(Role::Scope, "namespace_definition").requires("body"),
        D::new(Role::Type, "class_declaration"),
        D::new(Role::Type, "interface_declaration"),
        D::new(Role::Type, "trait_declaration"),
        D::new(Role::Type, "enum_declaration"),
        D::new(Role::Function, "method_declaration").requires("body"),
        D::new(Role::Member, "method_declaration"),
        D::new(Role::Function, "function_definition"),
        D::new(Role::Function, "assignment_expression")
            .name("left")
            .requires("anonymous_function|arrow_function")
            .body("anonymous_function.body|arrow_function.body"),
    ],
    wrappers: &["expression_statement"],
    calls: &[
        ("function_call_expression", "function"),
        ("member_call_expression", "name"),
        ("nullsafe_member_call_expression", "name"),
        ("scoped_call_expression", "name"),
        ("object_creation_expression", "name/qualified_name"),
    ],
    callee: "name",
    imports: &[
        "namespace_use_declaration",
        "require_expression",
        "require_once_expression",
        "include_expression",
        "include_once_expression",
    ],
    marks: &["///", "//", "#"],
    joints: &["\\", "->", "::"],
    ..EMPTY
};

pub(in super::super) static KOTLIN: Row = Row {
    definitions: &[
        D::new(Role::Type, "class_declaration").name("type_identifier").body(KOTLIN_BODY),
        D::new(Role::Type, "object_declaration").name("type_identifier").body(KOTLIN_BODY),
        D::new(Role::Extension, "companion_object").name("type_identifier|=Companion").body(KOTLIN_BODY),
        D::new(Role::Function, "function_declaration")
            .name("simple_identifier")
            .owner("receiver")
            .requires("function_body")
            .body("function_body"),
        D::new(Role::Member, "function_declaration").name("simple_identifier").owner("receiver").body(""),
        D::new(Role::Function, "secondary_constructor").name("=constructor").body("statements"),
        D::new(Role::Member, "anonymous_initializer").name("=init").body("statements"),
        D::new(Role::Member, "property_declaration")
            .name("variable_declaration.simple_identifier")
            .requires("getter|setter|property_delegate|lambda_literal")
            .body("getter|setter|property_delegate|lambda_literal"),
        D::new(Role::Scope, "property_declaration")
            .name("variable_declaration.simple_identifier")
            .requires("object_literal|call_expression")
            .body(""),
        D::new(Role::Scope, "enum_entry").name("simple_identifier").requires("class_body").body("class_body"),
    ],
    comments: &["line_comment", "multiline_comment"],
    calls: &[("call_expression", "_"), ("constructor_invocation", "user_type")],
    callee: "navigation_suffix.simple_identifier|type_identifier",
    imports: &["import_header"],
    ..EMPTY
};

const KOTLIN_BODY: &str = "class_body|enum_class_body";

pub(in super::super) static SWIFT: Row = Row {
    definitions: &[
        D::new(Role::Type, "class_declaration"),
        D::new(Role::Type, "protocol_declaration"),
        D::new(Role::Function, "function_declaration"),
        D::new(Role::Function, "init_declaration").name("=init"),
        D::new(Role::Function, "deinit_declaration").name("=deinit"),
        D::new(Role::Function, "subscript_declaration").name("=subscript").body("computed_property"),
        D::new(Role::Member, "protocol_function_declaration"),
        D::new(Role::Member, "property_declaration").requires("computed_value|value").body("computed_value|value"),
    ],
    comments: &["comment", "multiline_comment"],
    calls: &[("call_expression", "_")],
    callee: "suffix|navigation_suffix",
    imports: &["import_declaration"],
    ..EMPTY
};

pub(in super::super) static SCALA: Row = Row {
    definitions: &[
        D::new(Role::Type, "class_definition"),
        D::new(Role::Type, "object_definition"),
        D::new(Role::Type, "trait_definition"),
        D::new(Role::Type, "enum_definition"),
        D::new(Role::Extension, "given_definition").name("name|return_type"),
        D::new(Role::Scope, "package_object"),
        D::new(Role::Function, "function_definition"),
        D::new(Role::Member, "function_declaration"),
        D::new(Role::Value, "type_definition").body("type"),
        D::new(Role::Member, "val_definition").name("pattern").body("value"),
    ],
    comments: &["comment", "block_comment"],
    calls: &[("call_expression", "function"), ("instance_expression", "_")],
    callee: "field|function|type",
    imports: &["import_declaration"],
    ..EMPTY
};
