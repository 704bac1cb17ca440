//! Which rules are there, and which of them can match this file?

pub(super) mod literal;
mod load;
mod scan;

pub use load::{Example, RuleDoc, RuleError};

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, LazyLock, OnceLock},
};

use aho_corasick::{AhoCorasick, MatchKind};
use ast_grep_config::RuleConfig;
use globset::GlobSet;
use rayon::prelude::*;

use super::{Meta, Target, native, taint};
use crate::{
    finding::Finding,
    source::{Language, SourceFile},
};

/// A rule of the compiled-in table, as `build.rs` writes it.
struct Embedded {
    id: &'static str,
    languages: &'static [&'static str],
    literals: &'static [&'static [&'static str]],
    own_literals: &'static [&'static [&'static str]],
    json: &'static str,
    yaml: &'static str,
}

static BUILTIN: &[Embedded] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));

/// The rules in force: the compiled-in ones and the team's own. Nothing is compiled until a file needs it.
pub struct RuleSet {
    rules: Vec<Arc<Rule>>,
    shelves: Arc<Shelves>,
}

/// The rules by what they read, each shelf put up when the first file asks for it.
struct Shelves {
    by_language: Vec<OnceLock<Shelf>>,
    any_language: OnceLock<Shelf>,
}

impl Shelves {
    fn empty() -> Arc<Self> {
        let by_language = Language::ALL.iter().map(|_| OnceLock::new()).collect();
        Arc::new(Self { by_language, any_language: OnceLock::new() })
    }
}

/// The compiled-in rules, shared by every set of this process: a server compiles each of them once.
static SHARED: LazyLock<(Vec<Arc<Rule>>, Arc<Shelves>)> = LazyLock::new(|| {
    let rule = |rule: &Embedded| {
        let languages = rule.languages.iter().filter_map(|name| name.parse().ok()).collect();
        let literals = Literals { file: Clauses::Builtin(rule.literals), node: Clauses::Builtin(rule.own_literals) };
        Arc::new(Rule::new(rule.id.into(), languages, literals, Text::Builtin { json: rule.json, yaml: rule.yaml }))
    };
    (BUILTIN.iter().map(rule).collect(), Shelves::empty())
});

/// A rule that may not have been compiled yet.
pub struct Rule {
    /// Its name.
    pub id: Arc<str>,
    /// The languages it reads; none for a rule that reads every text.
    pub languages: Vec<Language>,
    literals: Literals,
    text: Text,
    compiled: Vec<Slot>,
}

/// A rule on one language, compiled when the first file asks for it.
type Slot = (Option<Language>, OnceLock<Result<Compiled, RuleError>>);

/// Texts that must occur, in conjunctive form; see [`literal`].
struct Literals {
    /// Somewhere in the file.
    file: Clauses,
    /// Inside the matched node.
    node: Clauses,
}

/// Clauses of the compiled-in table as they are, or of a rule read at run time.
enum Clauses {
    Builtin(&'static [&'static [&'static str]]),
    Own(Vec<Vec<String>>),
}

impl Clauses {
    fn iter(&self) -> impl Iterator<Item = Vec<&str>> {
        let (builtin, own): (&[&[&str]], &[Vec<String>]) = match self {
            Self::Builtin(clauses) => (clauses, &[]),
            Self::Own(clauses) => (&[], clauses),
        };
        builtin
            .iter()
            .map(|clause| clause.to_vec())
            .chain(own.iter().map(|clause| clause.iter().map(String::as_str).collect()))
    }
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
    Taint(Box<taint::Spec>),
}

/// The rules of one language with one automaton over all their literals, which asks without regard to case: patterns
/// that do the same stay within reach, and the others lose little.
struct Shelf {
    rules: Vec<Shelved>,
    automaton: Option<AhoCorasick>,
    literal_count: usize,
}

/// A rule's clauses as ids of a shelf's literals.
struct Shelved {
    rule: usize,
    file: Vec<Vec<u32>>,
    node: Vec<Vec<u32>>,
}

/// A rule that can match a file, as far as its literals tell.
struct Candidate {
    rule: usize,
    /// Byte offsets of which at least one lies inside any node the rule matches; `None` where every node may match.
    gate: Option<Vec<u32>>,
}

/// A compiled candidate.
struct Ready<'r> {
    rule: &'r Compiled,
    gate: Option<Vec<u32>>,
}

impl Ready<'_> {
    /// Whether a node of this range can match at all.
    fn may_match(&self, range: &std::ops::Range<usize>) -> bool {
        self.gate.as_ref().is_none_or(|offsets| {
            let at = offsets.partition_point(|&offset| (offset as usize) < range.start);
            offsets.get(at).is_some_and(|&offset| (offset as usize) < range.end)
        })
    }
}

impl RuleSet {
    /// The compiled-in rules. Costs next to nothing; what one set has compiled the others have, too.
    pub fn builtin() -> Self {
        let (rules, shelves) = &*SHARED;
        Self { rules: rules.clone(), shelves: Arc::clone(shelves) }
    }

    fn of(rules: Vec<Arc<Rule>>) -> Self {
        Self { rules, shelves: Shelves::empty() }
    }

    /// These rules alone.
    pub fn only(rules: Vec<Rule>) -> Self {
        Self::of(rules.into_iter().map(Arc::new).collect())
    }

    /// The same with more rules; one with the id of an existing rule replaces it.
    #[must_use]
    pub fn with(mut self, more: Vec<Rule>) -> Self {
        self.rules.retain(|rule| !more.iter().any(|new| new.id == rule.id));
        self.rules.extend(more.into_iter().map(Arc::new));
        Self::of(self.rules)
    }

    /// The same without the rules for which `keep` says no.
    #[must_use]
    pub fn filtered(mut self, keep: impl Fn(&str) -> bool) -> Self {
        let many = self.rules.len();
        self.rules.retain(|rule| keep(&rule.id));
        if self.rules.len() == many { self } else { Self::of(self.rules) }
    }

    /// Every rule, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        let mut rules: Vec<&Rule> = self.rules.iter().map(|rule| &**rule).collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        rules.into_iter()
    }

    /// The rule with this id.
    pub fn get(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().map(|rule| &**rule).find(|rule| &*rule.id == id)
    }

    /// What the rules say of a file, in order of place. Rules that do not compile are told once through `broken`.
    pub fn run(&self, target: &Target<'_>, broken: &mut dyn FnMut(&RuleError)) -> Vec<Finding> {
        let ready: Vec<Ready<'_>> = self
            .candidates(target.file)
            .into_iter()
            .filter_map(|Candidate { rule, gate }| match self.rules[rule].compiled(target.file.language) {
                Ok(rule) => rule.applies_to(target.file).then_some(Ready { rule, gate }),
                Err(error) => {
                    broken(error);
                    None
                }
            })
            .collect();
        let mut findings = scan::run(target, &ready);
        findings.sort_by(|a, b| (a.span, &a.check).cmp(&(b.span, &b.check)));
        findings.dedup_by(|a, b| a.span == b.span && a.check == b.check);
        crate::finding::number(target.file, &mut findings);
        findings
    }

    /// Compiles, on all threads at once, the rules that these files are going to need. Without it the threads of a
    /// review would meet at the same rules in the same order and wait for each other.
    pub fn prepare(&self, files: &[&SourceFile]) {
        let wanted: BTreeSet<(usize, Option<Language>)> = files
            .par_iter()
            .flat_map_iter(|file| self.candidates(file).into_iter().map(|candidate| (candidate.rule, file.language)))
            .collect();
        let wanted: Vec<_> = wanted.into_iter().collect();
        // Errors are kept in the rule and told when it is run.
        wanted.into_par_iter().with_max_len(1).for_each(|(rule, language)| {
            let _ = self.rules[rule].compiled(language);
        });
    }

    /// Rules whose literals occur in the file: those of its language and those of every text.
    fn candidates(&self, file: &SourceFile) -> Vec<Candidate> {
        let mut candidates = on_shelf(self.shelves.any_language.get_or_init(|| self.shelf(None)), file);
        if let Some(language) = file.language {
            let at = Language::ALL.iter().position(|&other| other == language).unwrap_or_default();
            candidates.extend(on_shelf(self.shelves.by_language[at].get_or_init(|| self.shelf(Some(language))), file));
        }
        candidates
    }

    fn shelf(&self, language: Option<Language>) -> Shelf {
        let belongs = |rule: &Rule| match language {
            Some(language) => rule.languages.contains(&language),
            None => rule.languages.is_empty(),
        };
        let rules: Vec<usize> = (0..self.rules.len()).filter(|&at| belongs(&self.rules[at])).collect();
        let literals = |at: &usize| &self.rules[*at].literals;
        let mut words: Vec<&str> =
            rules.iter().map(literals).flat_map(|of| of.file.iter().chain(of.node.iter())).flatten().collect();
        words.sort_unstable();
        words.dedup();
        let id = |word: &str| words.binary_search(&word).map_or(0, |at| at as u32);
        let ids = |clauses: &Clauses| -> Vec<Vec<u32>> {
            clauses.iter().map(|clause| clause.into_iter().map(id).collect()).collect()
        };
        let shelved = |at: &usize| Shelved { rule: *at, file: ids(&literals(at).file), node: ids(&literals(at).node) };
        let automaton =
            AhoCorasick::builder().match_kind(MatchKind::Standard).ascii_case_insensitive(true).build(&words).ok();
        Shelf { rules: rules.iter().map(shelved).collect(), automaton, literal_count: words.len() }
    }
}

/// Rules of a shelf whose literals occur in the file. One pass over the text.
fn on_shelf(shelf: &Shelf, file: &SourceFile) -> Vec<Candidate> {
    let Some(automaton) = &shelf.automaton else {
        return shelf.rules.iter().map(|shelved| Candidate { rule: shelved.rule, gate: None }).collect();
    };
    let mut places: Vec<Vec<u32>> = vec![Vec::new(); shelf.literal_count];
    for found in automaton.find_overlapping_iter(&*file.text) {
        places[found.pattern().as_usize()].push(found.start() as u32);
    }
    let holds = |clause: &Vec<u32>| clause.iter().any(|&word| !places[word as usize].is_empty());
    let count = |clause: &&Vec<u32>| clause.iter().map(|&word| places[word as usize].len()).sum::<usize>();
    let gate = |shelved: &Shelved| {
        let rarest = shelved.node.iter().min_by_key(count)?;
        let mut offsets: Vec<u32> = rarest.iter().flat_map(|&word| places[word as usize].iter().copied()).collect();
        offsets.sort_unstable();
        Some(offsets)
    };
    let can_match = shelf.rules.iter().filter(|shelved| shelved.file.iter().all(holds));
    can_match.map(|shelved| Candidate { rule: shelved.rule, gate: gate(shelved) }).collect()
}

impl Rule {
    fn new(id: Arc<str>, languages: Vec<Language>, literals: Literals, text: Text) -> Self {
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
