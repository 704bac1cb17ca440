//! Does each rule keep its word? Every example of a rule file is a test of it.

use std::{fmt, sync::Arc};

use rayon::prelude::*;

use crate::{
    change::{self, FileChange, LineSet},
    check::{
        Target,
        rule::{Example, Rule, RuleSet},
    },
    config::ChecksConfig,
    edit::{self, Edit},
    finding::Finding,
    patch,
    source::{Language, RepoPath, SourceFile},
};

/// An example that does not hold, or a rule that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// The rule.
    pub rule: Arc<str>,
    /// Which example, in words; empty for the rule itself.
    pub example: String,
    /// What happened.
    pub why: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.example.as_str() {
            "" => write!(f, "{}: {}", self.rule, self.why),
            example => write!(f, "{} {example}: {}", self.rule, self.why),
        }
    }
}

/// What was tested.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rules.
    pub rules: usize,
    /// Examples, counted once a language.
    pub examples: usize,
    /// Fixes that were proven.
    pub fixes: usize,
    /// What does not hold.
    pub broken: Vec<Broken>,
}

impl Tally {
    fn and(mut self, other: Self) -> Self {
        self.rules += other.rules;
        self.examples += other.examples;
        self.fixes += other.fixes;
        self.broken.extend(other.broken);
        self
    }
}

/// Runs every example of every rule for which `wanted` says yes.
///
/// A valid example must stay silent. An invalid one must be found, on the given lines where it gives them; each fix
/// must pass every proof of [`patch::prove`], and all of them together must give exactly `fixed`.
pub fn test(rules: &RuleSet, limits: &ChecksConfig, wanted: impl Fn(&str) -> bool + Sync) -> Tally {
    let chosen: Vec<&Rule> = rules.iter().filter(|rule| wanted(&rule.id)).collect();
    chosen.into_par_iter().map(|rule| test_rule(rules, limits, rule)).reduce(Tally::default, Tally::and)
}

fn test_rule(rules: &RuleSet, limits: &ChecksConfig, rule: &Rule) -> Tally {
    let mut tally = Tally { rules: 1, ..Tally::default() };
    let mut broken =
        |example: String, why: String| tally.broken.push(Broken { rule: Arc::clone(&rule.id), example, why });
    if let Err(error) = rule.check() {
        broken(String::new(), error.why.clone());
        return tally;
    }
    let doc = match rule.doc() {
        Ok(doc) => doc,
        Err(error) => {
            broken(String::new(), error.why);
            return tally;
        }
    };
    if doc.valid.is_empty() || doc.invalid.is_empty() {
        broken(String::new(), "it needs at least one valid and one invalid example".into());
    }
    let languages: Vec<Option<Language>> =
        if rule.languages.is_empty() { vec![None] } else { rule.languages.iter().copied().map(Some).collect() };
    for language in languages {
        let bench = Bench { rules, limits, rule, language };
        for (kind, examples) in [("valid", &doc.valid), ("invalid", &doc.invalid)] {
            for (at, example) in examples.iter().enumerate().filter(|(_, example)| bench.concerns(example)) {
                tally.examples += 1;
                let name = format!("{kind}[{at}]{}", language.map(|name| format!(" in {name}")).unwrap_or_default());
                match bench.try_example(example, kind == "invalid", doc.fixable.is_some()) {
                    Ok(fixes) => tally.fixes += fixes,
                    Err(why) => tally.broken.push(Broken { rule: Arc::clone(&rule.id), example: name, why }),
                }
            }
        }
    }
    tally
}

struct Bench<'a> {
    rules: &'a RuleSet,
    limits: &'a ChecksConfig,
    rule: &'a Rule,
    language: Option<Language>,
}

impl Bench<'_> {
    /// Whether an example is of this language: one with a path is of its path's language alone.
    fn concerns(&self, example: &Example) -> bool {
        let path = example.path.as_deref().and_then(|path| RepoPath::new(path).ok());
        let of_path = path.and_then(|path| Language::detect(&path, &example.code));
        of_path.is_none_or(|language| self.language.is_none_or(|own| own == language))
    }

    /// How many fixes were proven, or what does not hold.
    fn try_example(&self, example: &Example, is_invalid: bool, has_fix: bool) -> Result<usize, String> {
        let file = self.file(example, &example.code)?;
        let before = example.before.as_deref().map(|text| self.file(example, text)).transpose()?;
        let change = change_of(before.as_ref(), &file);
        let limits = self.limits(example)?;
        let run = |file: &SourceFile| {
            let mut errors = Vec::new();
            let target = Target::new(file, before.as_ref(), &change, &limits);
            let found = self.rules.run(&target, &mut |error| errors.push(error.to_string()));
            (found, errors)
        };
        let (all, errors) = run(&file);
        if let Some(error) = errors.first() {
            return Err(error.clone());
        }
        let found: Vec<&Finding> = all.iter().filter(|finding| *finding.check.0 == *self.rule.id).collect();
        match (is_invalid, found.first()) {
            (false, Some(finding)) => return Err(format!("it is found on line {}", finding.span.from.line)),
            (true, None) => return Err("it is not found".into()),
            _ => {}
        }
        self.lines_agree(example, &found)?;
        let mut proven = 0;
        for finding in &found {
            let Some(fix) = &finding.fix else { continue };
            let claim = patch::Claim { file: &file, finding, found: &all, allowed: &LineSet::all(), is_checked: true };
            patch::prove(&claim, fix, &mut |file| run(file).0)
                .map_err(|why| format!("the fix on line {} is not proven: {why}", finding.span.from.line))?;
            proven += 1;
        }
        match (&example.fixed, has_fix && is_invalid) {
            (Some(fixed), _) => self.fixed_agrees(&file, fixed, &found)?,
            (None, true) if proven > 0 => {
                return Err("it has a fix, and the example does not show the text `fixed`".into());
            }
            _ => {}
        }
        Ok(proven)
    }

    /// The limits with those that the example sets itself.
    fn limits(&self, example: &Example) -> Result<ChecksConfig, String> {
        let words = |error: serde_json::Error| format!("its `limits` cannot be used: {error}");
        let mut limits = serde_json::to_value(self.limits).map_err(words)?;
        for (name, value) in &example.limits {
            let setting = limits.get_mut(name).ok_or_else(|| format!("there is no limit `{name}`"))?;
            *setting = value.clone();
        }
        serde_json::from_value(limits).map_err(words)
    }

    fn file(&self, example: &Example, text: &str) -> Result<SourceFile, String> {
        let path = example.path.clone().unwrap_or_else(|| format!("src/example.{}", extension(self.language)));
        let path = RepoPath::new(&path).map_err(|error| error.to_string())?;
        let mut file = SourceFile::new(path, text.as_bytes().into(), u64::MAX).map_err(|why| format!("{why:?}"))?;
        file.language = self.language.or(file.language);
        Ok(file)
    }

    fn lines_agree(&self, example: &Example, found: &[&Finding]) -> Result<(), String> {
        let Some(wanted) = &example.lines else { return Ok(()) };
        let got: Vec<u32> = found.iter().map(|finding| finding.span.from.line).collect();
        let set = |lines: &[u32]| lines.iter().copied().collect::<std::collections::BTreeSet<_>>();
        if set(wanted) == set(&got) { Ok(()) } else { Err(format!("it is found on lines {got:?}, not {wanted:?}")) }
    }

    fn fixed_agrees(&self, file: &SourceFile, fixed: &str, found: &[&Finding]) -> Result<(), String> {
        let mut edits: Vec<Edit> = Vec::new();
        for fix in found.iter().filter_map(|finding| finding.fix.as_ref()) {
            if !fix.edits().iter().any(|new| edits.iter().any(|old| edit::conflicts(old, new))) {
                edits.extend(fix.edits().iter().cloned());
            }
        }
        edits.sort();
        let got = edit::apply(&file.bytes, &edits).map_err(|error| error.to_string())?;
        if got == fixed.as_bytes() {
            return Ok(());
        }
        Err(format!("fixed it is\n{}\nnot\n{fixed}", String::from_utf8_lossy(&got)))
    }
}

fn change_of(before: Option<&SourceFile>, file: &SourceFile) -> FileChange {
    let whole = FileChange::whole(file.path.clone(), None);
    match before {
        None => whole,
        Some(before) => FileChange {
            status: change::Status::Modified,
            touched: change::touched_lines(&before.bytes, &file.bytes),
            ..whole
        },
    }
}

fn extension(language: Option<Language>) -> &'static str {
    match language {
        None => "txt",
        Some(language) => language.extension(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    /// What the harness says of a rule whose fix is `fix` and whose example is said to become `fixed`.
    fn said_of(fix: &str, fixed: &str) -> String {
        let text = format!(
            "severity: warning\nwhat: bad\nrule: {{pattern: bad($X)}}\nfix: {fix:?}\napplicability: safe\n\
             valid: [good(1)]\ninvalid: [{{code: 'y = bad(1)', fixed: {fixed:?}}}]\n"
        );
        let rules = Rule::read(Path::new("python/planted.yml"), &text).unwrap();
        let rules = RuleSet::builtin().with(rules);
        let tally = test(&rules, &Config::default().checks, |id| id == "python/planted");
        tally.broken.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_planted_wrong_fix_is_caught_whatever_is_wrong_with_it() {
        assert_eq!(said_of("good($X)", "y = good(1)"), "");
        assert!(said_of("good($X", "y = good(1").contains("syntax error"), "breaks the syntax");
        assert!(
            said_of("bad($X, 1) or bad($X)", "y = bad(1, 1) or bad(1)").contains("still finds"),
            "keeps the finding"
        );
        assert!(said_of("eval($X)", "y = eval(1)").contains("new finding"), "brings another finding");
        assert!(said_of("good($X)", "y = best(1)").contains("not"), "is not what the example says");
    }
}
