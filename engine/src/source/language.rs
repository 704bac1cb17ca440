//! Which language is a file written in, and which grammar reads it?

use std::{borrow::Cow, fmt, path::Path, str::FromStr};

use ast_grep_core::{
    Language as Grammar, Pattern, PatternError,
    matcher::PatternBuilder,
    meta_var::MetaVariable,
    tree_sitter::{LanguageExt, StrDoc, TSLanguage},
};
use ast_grep_language::SupportLang;
use serde::{Deserialize, Serialize};

use super::RepoPath;

macro_rules! languages {
    ($($variant:ident $name:literal [$($alias:literal)*] [$($extension:literal)*] $grammar:expr;)*) => {
        /// A language with a grammar. `Tsx` is TypeScript with JSX; JSX itself is read as JavaScript.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "lowercase")]
        #[expect(missing_docs, reason = "each variant is the language it names")]
        pub enum Language { $($variant,)* }

        impl Language {
            /// Every language, in alphabetical order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name used in rules, configuration and output.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its usual file name extension, without the dot.
            pub fn extension(self) -> &'static str {
                match self { $(Self::$variant => [$($extension),*][0],)* }
            }

            fn from_name(name: &str) -> Option<Self> {
                match name { $($name $(| $alias)* => Some(Self::$variant),)* _ => None }
            }

            fn from_extension(extension: &str) -> Option<Self> {
                match extension { $($($extension)|* => Some(Self::$variant),)* _ => None }
            }

            fn source(self) -> GrammarSource {
                match self { $(Self::$variant => $grammar,)* }
            }
        }
    };
}

enum GrammarSource {
    AstGrep(SupportLang),
    Sql,
    Dockerfile,
}
use GrammarSource::AstGrep;

languages! {
    Bash "bash" ["sh" "shell"] ["sh" "bash" "bats" "ksh"] AstGrep(SupportLang::Bash);
    C "c" [] ["c" "h"] AstGrep(SupportLang::C);
    Cpp "cpp" ["c++" "cc"] ["cc" "cpp" "cxx" "c++" "hpp" "hh" "hxx" "h++" "ino" "cu"] AstGrep(SupportLang::Cpp);
    CSharp "csharp" ["cs" "c#"] ["cs"] AstGrep(SupportLang::CSharp);
    Css "css" [] ["css"] AstGrep(SupportLang::Css);
    Dockerfile "dockerfile" ["containerfile"] ["dockerfile" "containerfile"] GrammarSource::Dockerfile;
    Go "go" ["golang"] ["go"] AstGrep(SupportLang::Go);
    Hcl "hcl" ["terraform"] ["tf" "tfvars" "hcl" "nomad"] AstGrep(SupportLang::Hcl);
    Html "html" [] ["html" "htm" "xhtml"] AstGrep(SupportLang::Html);
    Java "java" [] ["java"] AstGrep(SupportLang::Java);
    JavaScript "javascript" ["js" "jsx"] ["js" "mjs" "cjs" "jsx"] AstGrep(SupportLang::JavaScript);
    Json "json" [] ["json"] AstGrep(SupportLang::Json);
    Kotlin "kotlin" ["kt"] ["kt" "kts"] AstGrep(SupportLang::Kotlin);
    Lua "lua" [] ["lua"] AstGrep(SupportLang::Lua);
    Php "php" [] ["php" "phtml"] AstGrep(SupportLang::Php);
    Python "python" ["py"] ["py" "pyi" "pyw"] AstGrep(SupportLang::Python);
    Ruby "ruby" ["rb"] ["rb" "rake" "gemspec" "ru"] AstGrep(SupportLang::Ruby);
    Rust "rust" ["rs"] ["rs"] AstGrep(SupportLang::Rust);
    Scala "scala" [] ["scala" "sc" "sbt"] AstGrep(SupportLang::Scala);
    Sql "sql" [] ["sql"] GrammarSource::Sql;
    Swift "swift" [] ["swift"] AstGrep(SupportLang::Swift);
    Tsx "tsx" [] ["tsx"] AstGrep(SupportLang::Tsx);
    TypeScript "typescript" ["ts"] ["ts" "mts" "cts"] AstGrep(SupportLang::TypeScript);
    Yaml "yaml" ["yml"] ["yaml" "yml"] AstGrep(SupportLang::Yaml);
}

impl Language {
    /// The language of a file by its name, then by its `#!` line; a `.h` file that uses C++ words is C++.
    pub fn detect(path: &RepoPath, text: &str) -> Option<Self> {
        let name = path.file_name();
        let by_extension = path.extension().and_then(|extension| Self::from_extension(&extension.to_ascii_lowercase()));
        match (by_extension, path.extension()) {
            (Some(Self::C), Some("h")) if is_cpp_header(text) => Some(Self::Cpp),
            (Some(language), _) => Some(language),
            (None, _) => Self::from_file_name(name).or_else(|| Self::from_shebang(text)),
        }
    }

    fn from_file_name(name: &str) -> Option<Self> {
        match name {
            "Dockerfile" | "Containerfile" => Some(Self::Dockerfile),
            "Rakefile" | "Gemfile" | "Vagrantfile" | "Podfile" | "Brewfile" => Some(Self::Ruby),
            ".bashrc" | ".bash_profile" | ".profile" | "PKGBUILD" | "APKBUILD" => Some(Self::Bash),
            "Jenkinsfile" => None,
            _ if name.starts_with("Dockerfile.") || name.starts_with("Containerfile.") => Some(Self::Dockerfile),
            _ => None,
        }
    }

    fn from_shebang(text: &str) -> Option<Self> {
        let line = text.strip_prefix("#!")?.lines().next()?;
        let mut words = line.split_whitespace();
        let mut program = words.next()?.rsplit('/').next()?;
        if program == "env" {
            program = words.find(|word| !word.starts_with('-') && !word.contains('='))?;
        }
        match program.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
            "bash" | "sh" | "dash" | "ksh" => Some(Self::Bash),
            "python" => Some(Self::Python),
            "node" | "nodejs" => Some(Self::JavaScript),
            "ruby" => Some(Self::Ruby),
            "php" => Some(Self::Php),
            "lua" => Some(Self::Lua),
            _ => None,
        }
    }
}

fn is_cpp_header(text: &str) -> bool {
    let words = ["namespace ", "template <", "template<", "class ", "public:", "private:", "constexpr ", "std::"];
    text.lines().any(|line| words.iter().any(|word| line.trim_start().starts_with(word)))
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = String;
    fn from_str(name: &str) -> Result<Self, String> {
        Self::from_name(&name.to_ascii_lowercase()).ok_or_else(|| format!("unknown language `{name}`"))
    }
}

impl Grammar for Language {
    fn pre_process_pattern<'q>(&self, query: &'q str) -> Cow<'q, str> {
        match self.source() {
            AstGrep(language) => language.pre_process_pattern(query),
            _ => Cow::Owned(with_expando(query, self.expando_char())),
        }
    }

    fn meta_var_char(&self) -> char {
        '$'
    }

    fn expando_char(&self) -> char {
        match self.source() {
            AstGrep(language) => language.expando_char(),
            GrammarSource::Sql | GrammarSource::Dockerfile => '_',
        }
    }

    fn extract_meta_var(&self, source: &str) -> Option<MetaVariable> {
        match self.source() {
            AstGrep(language) => language.extract_meta_var(source),
            // CSS uses the same expando as ours, and the reader of metavariables depends on nothing else.
            GrammarSource::Sql | GrammarSource::Dockerfile => SupportLang::Css.extract_meta_var(source),
        }
    }

    fn from_path<P: AsRef<Path>>(path: P) -> Option<Self> {
        Self::from_extension(path.as_ref().extension()?.to_str()?)
    }

    fn kind_to_id(&self, kind: &str) -> u16 {
        self.get_ts_language().id_for_node_kind(kind, true)
    }

    fn field_to_id(&self, field: &str) -> Option<u16> {
        self.get_ts_language().field_id_for_name(field).map(std::num::NonZero::get)
    }

    fn build_pattern(&self, builder: &PatternBuilder<'_>) -> Result<Pattern, PatternError> {
        builder.build(|source| StrDoc::try_new(source, *self))
    }
}

impl LanguageExt for Language {
    fn get_ts_language(&self) -> TSLanguage {
        match self.source() {
            AstGrep(language) => language.get_ts_language(),
            GrammarSource::Sql => tree_sitter_sequel::LANGUAGE.into(),
            GrammarSource::Dockerfile => tree_sitter_containerfile::LANGUAGE.into(),
        }
    }
}

/// Writes each metavariable of a pattern with a character that the grammar takes in an identifier.
fn with_expando(pattern: &str, expando: char) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let sigils = rest[at..].bytes().take_while(|&b| b == b'$').count();
        let after = &rest[at + sigils..];
        let is_variable = sigils == 3 || after.starts_with(|c: char| c.is_ascii_uppercase() || c == '_');
        out.extend(std::iter::repeat_n(if is_variable { expando } else { '$' }, sigils));
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_name_then_by_its_first_line() {
        let detect = |path: &str, text: &str| Language::detect(&RepoPath::new(path).unwrap(), text);
        assert_eq!(detect("a/b.PY", ""), Some(Language::Python));
        assert_eq!(detect("bin/run", "#!/usr/bin/env -S python3.11 -u\n"), Some(Language::Python));
        assert_eq!(detect("x.h", "#pragma once\nnamespace a {\n"), Some(Language::Cpp));
        assert_eq!(detect("x.h", "int f(void);\n"), Some(Language::C));
        assert_eq!(detect("deploy/Dockerfile.dev", ""), Some(Language::Dockerfile));
        assert_eq!(detect("README", "text"), None);
    }

    #[test]
    fn every_grammar_loads_and_every_name_parses_back() {
        for &language in Language::ALL {
            assert_eq!(language.name().parse(), Ok(language));
            StrDoc::try_new("x", language).unwrap();
        }
    }
}
