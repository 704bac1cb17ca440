//! What does each language call its parts? One row a language.

mod braces;
mod data;
mod systems;
mod words;

use super::row::Row;
use crate::source::Language;

/// The row of a language.
pub(super) fn of(language: Language) -> &'static Row {
    match language {
        Language::Bash => &words::BASH,
        Language::C => &systems::C,
        Language::Cpp => &systems::CPP,
        Language::CSharp => &braces::CSHARP,
        Language::Css => &data::CSS,
        Language::Dockerfile => &data::DOCKERFILE,
        Language::Go => &systems::GO,
        Language::Hcl => &data::HCL,
        Language::Html => &data::HTML,
        Language::Java => &braces::JAVA,
        Language::JavaScript => &braces::JAVASCRIPT,
        Language::Json => &data::JSON,
        Language::Kotlin => &braces::KOTLIN,
        Language::Lua => &words::LUA,
        Language::Php => &braces::PHP,
        Language::Python => &words::PYTHON,
        Language::Ruby => &words::RUBY,
        Language::Rust => &systems::RUST,
        Language::Scala => &braces::SCALA,
        Language::Sql => &data::SQL,
        Language::Swift => &braces::SWIFT,
        Language::Tsx | Language::TypeScript => &braces::TYPESCRIPT,
        Language::Yaml => &data::YAML,
    }
}

/// Comments of languages that look like C.
const SLASHES: &[&str] = &["///", "//!", "//"];

/// A row that knows nothing, for others to start from.
const EMPTY: Row = Row {
    definitions: &[],
    wrappers: &[],
    attributes: &[],
    comments: &["comment"],
    calls: &[],
    callee: "",
    imports: &[],
    importers: &[],
    tests: (&[], &[]),
    marks: SLASHES,
    has_tags: false,
    joints: &["."],
    docstring: "",
};
