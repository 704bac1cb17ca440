//! What is spoken here? The language of most of what a change touches, or the one that a project is laid out for.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::{
    change::{Change, FileChange, Status, Tag},
    source::Language,
};

/// A language, and how it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spoken {
    /// The language.
    pub language: Language,
    /// How it is known, in words for a person.
    pub because: String,
}

/// Files by which a project's language is known, the surest first; one that begins with `.` is how a name ends.
const LAYOUT: [(&str, Language); 26] = [
    ("Cargo.toml", Language::Rust),
    ("go.mod", Language::Go),
    ("pom.xml", Language::Java),
    ("build.gradle.kts", Language::Kotlin),
    ("build.gradle", Language::Java),
    ("build.sbt", Language::Scala),
    ("Package.swift", Language::Swift),
    (".sln", Language::CSharp),
    (".csproj", Language::CSharp),
    ("composer.json", Language::Php),
    ("pyproject.toml", Language::Python),
    ("setup.py", Language::Python),
    ("setup.cfg", Language::Python),
    ("requirements.txt", Language::Python),
    ("Pipfile", Language::Python),
    ("Gemfile", Language::Ruby),
    (".gemspec", Language::Ruby),
    ("CMakeLists.txt", Language::Cpp),
    ("meson.build", Language::C),
    ("tsconfig.json", Language::TypeScript),
    ("deno.json", Language::TypeScript),
    // Other projects have one, too, for their tools.
    ("package.json", Language::JavaScript),
    (".rockspec", Language::Lua),
    (".tf", Language::Hcl),
    ("Dockerfile", Language::Dockerfile),
    (".sh", Language::Bash),
];

/// The language of most lines of a change; of most of its files where they are looked at whole. What is data (JSON,
/// YAML) counts where there is nothing else.
pub fn of_change(change: &Change) -> Option<Spoken> {
    let mut lines: BTreeMap<Language, usize> = BTreeMap::new();
    for file in change.files.iter().filter(|file| file.has_content()) {
        if let Some(language) = Language::detect(&file.path, "") {
            // As one language is taught: see `Key::of`.
            let language = if language == Language::Tsx { Language::TypeScript } else { language };
            *lines.entry(language).or_default() += weight(file);
        }
    }
    let is_code = |language: &Language| !matches!(language, Language::Json | Language::Yaml);
    let (&language, _) =
        lines.iter().max_by_key(|&(language, &count)| (is_code(language), count, Reverse(*language)))?;
    let what = if change.files.iter().any(is_whole) { "files" } else { "lines that changed" };
    Some(Spoken { language, because: format!("most {what} are {language}") })
}

fn is_whole(file: &FileChange) -> bool {
    file.status == Status::Whole
}

fn weight(file: &FileChange) -> usize {
    let changed = file.hunks.iter().flat_map(|hunk| &hunk.lines).filter(|line| line.tag != Tag::Context).count();
    if is_whole(file) { 1 } else { changed }
}

/// The language that a project is laid out for, by the names in its folder.
pub fn of_project<S: AsRef<str>>(names: &[S]) -> Option<Spoken> {
    let is_there = |mark: &str, name: &str| match mark.starts_with('.') {
        true => name.len() > mark.len() && name.ends_with(mark),
        false => name == mark,
    };
    let found = LAYOUT.iter().find_map(|(mark, language)| {
        let name = names.iter().map(AsRef::as_ref).find(|name| is_there(mark, name))?;
        Some((name, *language))
    });
    found.map(|(name, language)| Spoken { language, because: format!("`{name}` says that this project is {language}") })
}
