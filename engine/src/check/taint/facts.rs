//! What is known of a language's frameworks and libraries? `config/taint/<language>.yml`, read once.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use memchr::memmem;
use regex::Regex;
use serde::Deserialize;

use super::signature::Table;
use crate::{finding::Severity, source::Language};

/// The facts as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    sources: Vec<RawGroup>,
    #[serde(default)]
    parameters: Vec<RawTyped>,
    #[serde(default)]
    types: HashMap<String, String>,
    #[serde(default)]
    cleaners: Vec<String>,
    #[serde(default)]
    carriers: Vec<String>,
    #[serde(default)]
    formatters: Vec<String>,
    #[serde(default)]
    writers: HashMap<String, usize>,
    #[serde(default)]
    exits: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGroup {
    name: String,
    what: String,
    #[serde(default)]
    severity: Option<Severity>,
    literals: Vec<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    calls: Vec<String>,
    #[serde(default)]
    parameters: Vec<RawParameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawParameter {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    function: Option<String>,
    #[serde(default)]
    function_mark: Option<String>,
    #[serde(default)]
    mark: Option<String>,
    #[serde(default)]
    not_mark: Option<String>,
    #[serde(default)]
    of_type: Option<String>,
    #[serde(default)]
    not_type: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTyped {
    name: String,
    #[serde(rename = "type")]
    of_type: String,
    #[serde(default)]
    beside: Option<String>,
    #[serde(default)]
    position: Option<usize>,
}

/// What is known of one language.
pub(super) struct Facts {
    /// Where hostile data comes from, by kind.
    pub(super) groups: Vec<Group>,
    /// Parameters whose type is known by their name.
    pub(super) parameters: Vec<Typed>,
    /// What a member or a call (written with `()`) is.
    pub(super) types: HashMap<String, Arc<str>>,
    /// Calls whose result is harmless whatever goes in.
    pub(super) cleaners: Table<()>,
    /// Calls whose result is made of their arguments.
    pub(super) carriers: Table<()>,
    /// Calls that fill a template, their first argument or, as methods of a constant, their receiver.
    pub(super) formatters: Table<()>,
    /// Calls that put what they read into an argument.
    pub(super) writers: Table<usize>,
    /// Calls that do not return.
    pub(super) exits: Table<()>,
}

/// One kind of source.
pub(super) struct Group {
    /// How rules name it.
    pub(super) name: Arc<str>,
    /// How findings name it.
    pub(super) what: Arc<str>,
    /// The most a finding from here may be.
    pub(super) severity: Option<Severity>,
    /// Any of these must occur in the file.
    pub(super) literals: Vec<String>,
    pub(super) values: Table<()>,
    pub(super) calls: Table<()>,
    pub(super) parameters: Vec<ParameterSource>,
}

/// Parameters that are filled from outside; all that is set must hold.
pub(super) struct ParameterSource {
    pub(super) name: Option<Regex>,
    pub(super) function: Option<Regex>,
    pub(super) function_mark: Option<Regex>,
    pub(super) mark: Option<Regex>,
    pub(super) not_mark: Option<Regex>,
    pub(super) of_type: Option<Regex>,
    pub(super) not_type: Option<Regex>,
}

/// A parameter known by its name, by its place and by another parameter beside it.
pub(super) struct Typed {
    pub(super) name: Regex,
    pub(super) of_type: Arc<str>,
    pub(super) beside: Option<Regex>,
    pub(super) position: Option<usize>,
}

impl Facts {
    /// The facts of a language; none where it is not followed.
    ///
    /// # Errors
    /// What is wrong with the compiled-in file, in words.
    pub(super) fn of(language: Language) -> Result<Option<&'static Self>, String> {
        static FACTS: [OnceLock<Result<Facts, String>>; 4] = [const { OnceLock::new() }; 4];
        let (slot, text) = match language {
            Language::Python => (0, include_str!("../../../../config/taint/python.yml")),
            Language::JavaScript | Language::TypeScript | Language::Tsx => {
                (1, include_str!("../../../../config/taint/javascript.yml"))
            }
            Language::Go => (2, include_str!("../../../../config/taint/go.yml")),
            Language::Java => (3, include_str!("../../../../config/taint/java.yml")),
            _ => return Ok(None),
        };
        FACTS[slot].get_or_init(|| Self::read(text)).as_ref().map(Some).map_err(Clone::clone)
    }

    fn read(text: &str) -> Result<Self, String> {
        let raw: Raw = ast_grep_config::from_str(text).map_err(|error| error.to_string())?;
        let mut writers = Table::default();
        raw.writers.iter().for_each(|(signature, at)| writers.add(signature, at));
        Ok(Self {
            groups: raw.sources.into_iter().map(Group::read).collect::<Result<_, _>>()?,
            parameters: raw.parameters.into_iter().map(Typed::read).collect::<Result<_, _>>()?,
            types: raw.types.into_iter().map(|(path, of_type)| (path, of_type.into())).collect(),
            cleaners: set(&raw.cleaners),
            carriers: set(&raw.carriers),
            formatters: set(&raw.formatters),
            writers,
            exits: set(&raw.exits),
        })
    }

    /// The group with this name.
    pub(super) fn group(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|group| &*group.name == name)
    }
}

impl Group {
    fn read(raw: RawGroup) -> Result<Self, String> {
        Ok(Self {
            name: raw.name.into(),
            what: raw.what.into(),
            severity: raw.severity,
            literals: raw.literals,
            values: set(&raw.values),
            calls: set(&raw.calls),
            parameters: raw.parameters.into_iter().map(ParameterSource::read).collect::<Result<_, _>>()?,
        })
    }

    /// Whether the text could hold one of these sources at all.
    pub(super) fn occurs_in(&self, text: &str) -> bool {
        self.literals.iter().any(|literal| memmem::find(text.as_bytes(), literal.as_bytes()).is_some())
    }
}

impl ParameterSource {
    fn read(raw: RawParameter) -> Result<Self, String> {
        Ok(Self {
            name: regex(raw.name)?,
            function: regex(raw.function)?,
            function_mark: regex(raw.function_mark)?,
            mark: regex(raw.mark)?,
            not_mark: regex(raw.not_mark)?,
            of_type: regex(raw.of_type)?,
            not_type: regex(raw.not_type)?,
        })
    }
}

impl Typed {
    fn read(raw: RawTyped) -> Result<Self, String> {
        let name = Regex::new(&raw.name).map_err(|error| error.to_string())?;
        Ok(Self { name, of_type: raw.of_type.into(), beside: regex(raw.beside)?, position: raw.position })
    }
}

fn regex(text: Option<String>) -> Result<Option<Regex>, String> {
    text.map(|text| Regex::new(&text).map_err(|error| error.to_string())).transpose()
}

/// A set of signatures.
pub(super) fn set(signatures: &[String]) -> Table<()> {
    let mut table = Table::default();
    signatures.iter().for_each(|signature| table.add(signature, &()));
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_of_every_language_are_whole() {
        for language in [Language::Python, Language::TypeScript, Language::Go, Language::Java] {
            let facts = Facts::of(language).unwrap().unwrap();
            assert!(facts.group("request").is_some(), "{language}");
        }
    }
}
