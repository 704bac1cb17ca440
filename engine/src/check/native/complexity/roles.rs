//! Which nodes of a grammar make code harder to follow?

use crate::source::Language;

/// The kinds of nodes of one language, by what they do to a reader.
pub(in crate::check) struct Roles {
    /// Functions with a name of their own.
    pub(in crate::check) functions: &'static [&'static str],
    /// Functions without one; they belong to the function around them, one level deeper.
    pub(in crate::check) closures: &'static [&'static str],
    /// Conditions: one and a level.
    pub(super) ifs: &'static [&'static str],
    /// Loops, switches, handlers and conditional expressions: one and a level.
    pub(super) nesting: &'static [&'static str],
    /// Further branches of a condition: one, no level.
    pub(super) elses: &'static [&'static str],
    /// Jumps to somewhere else: one.
    pub(super) jumps: &'static [&'static str],
    /// Nodes that join conditions with an operator.
    pub(super) logical: &'static [&'static str],
}

/// The roles of a language, none where functions are not what its files are made of.
pub(in crate::check) fn of(language: Language) -> Option<&'static Roles> {
    Some(match language {
        Language::Python => &PYTHON,
        Language::JavaScript | Language::TypeScript | Language::Tsx => &JAVASCRIPT,
        Language::Go => &GO,
        Language::Java => &JAVA,
        Language::Kotlin => &KOTLIN,
        Language::Rust => &RUST,
        Language::C | Language::Cpp => &C,
        Language::CSharp => &CSHARP,
        Language::Ruby => &RUBY,
        Language::Php => &PHP,
        _ => return None,
    })
}

static PYTHON: Roles = Roles {
    functions: &["function_definition"],
    closures: &["lambda"],
    ifs: &["if_statement"],
    nesting: &[
        "for_statement",
        "while_statement",
        "except_clause",
        "except_group_clause",
        "conditional_expression",
        "match_statement",
    ],
    elses: &["elif_clause", "else_clause"],
    jumps: &[],
    logical: &["boolean_operator"],
};

static JAVASCRIPT: Roles = Roles {
    functions: &["function_declaration", "generator_function_declaration", "method_definition"],
    closures: &["arrow_function", "function_expression", "generator_function"],
    ifs: &["if_statement"],
    nesting: &[
        "for_statement",
        "for_in_statement",
        "while_statement",
        "do_statement",
        "catch_clause",
        "ternary_expression",
        "switch_statement",
    ],
    elses: &["else_clause"],
    jumps: &["labeled_statement"],
    logical: &["binary_expression"],
};

static GO: Roles = Roles {
    functions: &["function_declaration", "method_declaration"],
    closures: &["func_literal"],
    ifs: &["if_statement"],
    nesting: &["for_statement", "expression_switch_statement", "type_switch_statement", "select_statement"],
    elses: &[],
    jumps: &["goto_statement", "labeled_statement"],
    logical: &["binary_expression"],
};

static JAVA: Roles = Roles {
    functions: &["method_declaration", "constructor_declaration", "compact_constructor_declaration"],
    closures: &["lambda_expression"],
    ifs: &["if_statement"],
    nesting: &[
        "for_statement",
        "enhanced_for_statement",
        "while_statement",
        "do_statement",
        "catch_clause",
        "ternary_expression",
        "switch_expression",
    ],
    elses: &[],
    jumps: &["labeled_statement"],
    logical: &["binary_expression"],
};

static KOTLIN: Roles = Roles {
    functions: &["function_declaration", "secondary_constructor"],
    closures: &["lambda_literal", "anonymous_function"],
    ifs: &["if_expression"],
    nesting: &["for_statement", "while_statement", "do_while_statement", "catch_block", "when_expression"],
    elses: &[],
    jumps: &[],
    logical: &["conjunction_expression", "disjunction_expression"],
};

static RUST: Roles = Roles {
    functions: &["function_item"],
    closures: &["closure_expression"],
    ifs: &["if_expression"],
    nesting: &["for_expression", "while_expression", "loop_expression", "match_expression"],
    elses: &["else_clause"],
    jumps: &[],
    logical: &["binary_expression"],
};

static C: Roles = Roles {
    functions: &["function_definition"],
    closures: &["lambda_expression"],
    ifs: &["if_statement"],
    nesting: &[
        "for_statement",
        "for_range_loop",
        "while_statement",
        "do_statement",
        "switch_statement",
        "catch_clause",
        "conditional_expression",
    ],
    elses: &["else_clause"],
    jumps: &["goto_statement"],
    logical: &["binary_expression"],
};

static CSHARP: Roles = Roles {
    functions: &["method_declaration", "constructor_declaration", "local_function_statement", "operator_declaration"],
    closures: &["lambda_expression", "anonymous_method_expression"],
    ifs: &["if_statement"],
    nesting: &[
        "for_statement",
        "foreach_statement",
        "while_statement",
        "do_statement",
        "switch_statement",
        "switch_expression",
        "catch_clause",
        "conditional_expression",
    ],
    elses: &[],
    jumps: &["goto_statement"],
    logical: &["binary_expression"],
};

static RUBY: Roles = Roles {
    functions: &["method", "singleton_method"],
    closures: &["block", "do_block", "lambda"],
    ifs: &["if", "unless"],
    nesting: &[
        "while",
        "until",
        "for",
        "case",
        "case_match",
        "rescue",
        "conditional",
        "if_modifier",
        "unless_modifier",
        "while_modifier",
        "until_modifier",
    ],
    elses: &["elsif", "else"],
    jumps: &[],
    logical: &["binary"],
};

static PHP: Roles = Roles {
    functions: &["function_definition", "method_declaration"],
    closures: &["anonymous_function", "arrow_function"],
    ifs: &["if_statement"],
    nesting: &[
        "for_statement",
        "foreach_statement",
        "while_statement",
        "do_statement",
        "switch_statement",
        "match_expression",
        "catch_clause",
        "conditional_expression",
    ],
    elses: &["else_if_clause", "else_clause"],
    jumps: &["goto_statement"],
    logical: &["binary_expression"],
};
