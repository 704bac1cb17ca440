//! Which rules are there, and which of them can match this file?

mod literal;
mod load;
mod scan;

pub use load::{Example, RuleDoc, RuleError};

use std::{
    path::Path,
    sync::{Arc, OnceLock},
};

use aho_corasick::{AhoCorasick, MatchKind};
use ast_grep_config::RuleConfig;
use globset::GlobSet;

use super::{Meta, Target, native};
use crate::{
    finding::Finding,
    source::{Language, SourceFile},
};

/// A rule of the compiled-in table, as `build.rs` writes it.
struct Embedded {
    id: &'static str,
    languages: &'static [&'static str],
    literals: &'static [&'static [&'static str]],
    json: &'static str,
    yaml: &'static str,
}

static BUILTIN: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// The rules in force: the compiled-in ones and the team's own. Nothing is compiled until a file needs it.
pub struct RuleSet {
    rules: Vec<Rule>,
    by_language: Vec<OnceLock<Shelf>>,
    any_language: OnceLock<Shelf>,
}

/// A rule that may not have been compiled yet.
pub struct Rule {
    /// Its name.
    pub id: Arc<str>,
    /// The languages it reads; none for a rule that reads every text.
    pub languages: Vec<Language>,
    literals: Vec<Vec<Box<str>>>,
    text: Text,
    compiled: Vec<(Option<Language>, OnceLock<Result<Compiled, RuleError>>)>,
}

/// Where the rule's text is.
enum Text {
    Builtin { json: &'static str, yaml: &'static str },
    Own { json: String, yaml: String },
}

impl Text {
    fn json(&self) -> &str {
        match self {
            Self::Builtin { json, .. } => json,
            Self::Own { json, .. } => json,
        }
    }

    fn yaml(&self) -> &str {
        match self {
            Self::Builtin { yaml, .. } => yaml,
            Self::Own { yaml, .. } => yaml,
        }
    }
}

/// A rule ready to run on one language.
struct Compiled {
    meta: Meta,
    files: Option<GlobSet>,
    ignores: Option<GlobSet>,
    matching: Matching,
}

enum Matching {
    Pattern { rule: Box<RuleConfig<Language>>, applicability: Option<crate::edit::Applicability> },
    Native(native::Native),
}

/// The rules of one language with one automaton over all their literals.
struct Shelf {
    rules: Vec<usize>,
    automaton: Option<AhoCorasick>,
    /// For each rule of the shelf, its clauses as ids of literals.
    clauses: Vec<Vec<Vec<u32>>>,
    literal_count: usize,
}

impl RuleSet {
    /// The compiled-in rules. Costs one small allocation a rule; nothing is parsed.
    pub fn builtin() -> Self {
        let rules = BUILTIN
            .iter()
            .map(|rule| {
                let languages = rule.languages.iter().filter_map(|name| name.parse().ok()).collect();
                let literals =
                    rule.literals.iter().map(|clause| clause.iter().map(|&word| word.into()).collect()).collect();
                Rule::new(rule.id.into(), languages, literals, Text::Builtin { json: rule.json, yaml: rule.yaml })
            })
            .collect();
        Self::of(rules)
    }

    fn of(rules: Vec<Rule>) -> Self {
        Self {
            rules,
            by_language: Language::ALL.iter().map(|_| OnceLock::new()).collect(),
            any_language: OnceLock::new(),
        }
    }

    /// These rules alone.
    pub fn only(rules: Vec<Rule>) -> Self {
        Self::of(rules)
    }

    /// The same with more rules; one with the id of an existing rule replaces it.
    #[must_use]
    pub fn with(mut self, more: Vec<Rule>) -> Self {
        self.rules.retain(|rule| !more.iter().any(|new| new.id == rule.id));
        self.rules.extend(more);
        Self::of(self.rules)
    }

    /// The same without the rules for which `keep` says no.
    #[must_use]
    pub fn filtered(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.rules.retain(|rule| keep(&rule.id));
        Self::of(self.rules)
    }

    /// Every rule, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        let mut rules: Vec<&Rule> = self.rules.iter().collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        rules.into_iter()
    }

    /// The rule with this id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| &*rule.id == id)
    }

    /// What the rules say of a file, in order of place. Rules that do not compile are told once through `broken`.
    pub fn run(&self, target: &Target<'_>, broken: &mut dyn FnMut(&RuleError)) -> Vec<Finding> {
        let mut candidates = self.candidates(self.any_language.get_or_init(|| self.shelf(None)), target.file);
        if let Some(language) = target.file.language {
            let at = Language::ALL.iter().position(|&other| other == language).unwrap_or_default();
            candidates
                .extend(self.candidates(self.by_language[at].get_or_init(|| self.shelf(Some(language))), target.file));
        }
        let compiled: Vec<&Compiled> = candidates
            .into_iter()
            .filter_map(|at| match self.rules[at].compiled(target.file.language) {
                Ok(rule) => rule.applies_to(target.file).then_some(rule),
                Err(error) => {
                    broken(error);
                    None
                }
            })
            .collect();
        let mut findings = scan::run(target, &compiled);
        findings.sort_by(|a, b| (a.span, &a.check).cmp(&(b.span, &b.check)));
        findings.dedup_by(|a, b| a.span == b.span && a.check == b.check);
        crate::finding::number(target.file, &mut findings);
        findings
    }

    fn shelf(&self, language: Option<Language>) -> Shelf {
        let on_shelf = |rule: &Rule| match language {
            Some(language) => rule.languages.contains(&language),
            None => rule.languages.is_empty(),
        };
        let rules: Vec<usize> = (0..self.rules.len()).filter(|&at| on_shelf(&self.rules[at])).collect();
        let mut words: Vec<&str> =
            rules.iter().flat_map(|&at| self.rules[at].literals.iter().flatten().map(|word| &**word)).collect();
        words.sort_unstable();
        words.dedup();
        let id = |word: &str| words.binary_search(&word).map_or(0, |at| at as u32);
        let clauses = rules
            .iter()
            .map(|&at| {
                self.rules[at].literals.iter().map(|clause| clause.iter().map(|word| id(word)).collect()).collect()
            })
            .collect();
        let automaton = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&words).ok();
        Shelf { rules, automaton, clauses, literal_count: words.len() }
    }

    /// Rules of a shelf whose literals occur in the file.
    fn candidates(&self, shelf: &Shelf, file: &SourceFile) -> Vec<usize> {
        let mut seen = vec![false; shelf.literal_count];
        match &shelf.automaton {
            Some(automaton) => {
                let mut left = shelf.literal_count;
                for found in automaton.find_overlapping_iter(&*file.text) {
                    let at = found.pattern().as_usize();
                    if !std::mem::replace(&mut seen[at], true) {
                        left -= 1;
                        if left == 0 {
                            break;
                        }
                    }
                }
            }
            None => seen.fill(true),
        }
        let holds = |clauses: &[Vec<u32>]| clauses.iter().all(|clause| clause.iter().any(|&word| seen[word as usize]));
        shelf.rules.iter().zip(&shelf.clauses).filter(|(_, clauses)| holds(clauses)).map(|(&at, _)| at).collect()
    }
}

impl Rule {
    fn new(id: Arc<str>, languages: Vec<Language>, literals: Vec<Vec<Box<str>>>, text: Text) -> Self {
        let keys: Vec<Option<Language>> =
            if languages.is_empty() { vec![None] } else { languages.iter().copied().map(Some).collect() };
        let compiled = keys.into_iter().map(|key| (key, OnceLock::new())).collect();
        Self { id, languages, literals, text, compiled }
    }

    /// Rules from the text of a YAML file that may hold several documents, ours or ast-grep's. `folder` names the
    /// language where the rule does not.
    ///
    /// # Errors
    /// [`RuleError`] naming the file and what is wrong with it.
    pub fn read(path: &Path, text: &str) -> Result<Vec<Self>, RuleError> {
        load::read(path, text)
    }

    fn compiled(&self, language: Option<Language>) -> Result<&Compiled, &RuleError> {
        let (key, slot) =
            self.compiled.iter().find(|(key, _)| key.is_none() || *key == language).unwrap_or(&self.compiled[0]);
        slot.get_or_init(|| load::compile(&self.id, self.text.json(), *key)).as_ref()
    }

    /// Compiles it for every language it names.
    ///
    /// # Errors
    /// The first [`RuleError`].
    pub fn check(&self) -> Result<(), &RuleError> {
        self.compiled.iter().try_for_each(|(key, _)| self.compiled(*key).map(|_| ()))
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// [`RuleError`] when it does not compile.
    pub fn meta(&self) -> Result<&Meta, &RuleError> {
        self.compiled(self.compiled[0].0).map(|compiled| &compiled.meta)
    }

    /// Its documentation and examples.
    ///
    /// # Errors
    /// [`RuleError`] when its file cannot be read as a rule.
    pub fn doc(&self) -> Result<RuleDoc, RuleError> {
        load::doc(&self.id, self.text.yaml())
    }
}

impl Compiled {
    fn applies_to(&self, file: &SourceFile) -> bool {
        self.files.as_ref().is_none_or(|globs| globs.is_match(&file.path))
            && !self.ignores.as_ref().is_some_and(|globs| globs.is_match(&file.path))
    }
}
