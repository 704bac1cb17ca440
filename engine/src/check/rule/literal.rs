//! Which texts must a file contain for a rule to match it?
//!
//! The answer is in conjunctive form: of each clause at least one literal must occur somewhere in the file. It is
//! read off the rule's own patterns and regular expressions, errs towards no clause at all, and lets most files be
//! passed over before they are parsed. The same, asked of the matched node alone (what stands around it left out), lets
//! most nodes be passed over before they are matched. Also compiled into the build script.

use std::collections::BTreeSet;

use regex_syntax::hir::{
    Hir, HirKind,
    literal::{ExtractKind, Extractor},
};
use serde_json::{Map, Value};

/// Clauses, each a set of alternatives.
type Clauses = Vec<Vec<String>>;

/// Longer alternations are not worth their cost.
const MOST_ALTERNATIVES: usize = 96;

/// Where the text has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// Anywhere in the file.
    File,
    /// Inside the matched node.
    Node,
}

/// The clauses that the matched node's own text must meet.
pub(crate) fn required_of_node(file: &Map<String, Value>) -> Clauses {
    tidy(of_rule_and_constraints(file, Scope::Node))
}

fn of_rule_and_constraints(file: &Map<String, Value>, scope: Scope) -> Clauses {
    let Some(rule) = file.get("rule") else { return Clauses::new() };
    let around = Around { utils: file.get("utils").and_then(Value::as_object), scope };
    let mut clauses = of_rule(rule, around, 0);
    let bound = bound_variables(rule, scope);
    for (variable, constraint) in file.get("constraints").and_then(Value::as_object).into_iter().flatten() {
        if bound.contains(variable) {
            clauses.extend(of_rule(constraint, around, 0));
        }
    }
    clauses
}

/// The clauses of a whole rule file: its `literals`, `rule`, `taint` and what `constraints` add for certain.
pub(crate) fn required(file: &Map<String, Value>) -> Clauses {
    let mut clauses = of_rule_and_constraints(file, Scope::File);
    if let Some(Value::Array(literals)) = file.get("literals") {
        clauses.push(literals.iter().filter_map(|literal| literal.as_str().map(str::to_owned)).collect());
    }
    clauses.extend(file.get("taint").and_then(of_sinks));
    tidy(clauses)
}

/// One clause for all sinks of a `taint` field: of each name its last word or, where many files have that, its first.
fn of_sinks(taint: &Value) -> Option<Vec<String>> {
    let mut words = BTreeSet::new();
    for sink in taint.get("sinks")?.as_array()? {
        if sink.get("return").is_some() {
            return None;
        }
        for signature in ["call", "assign"].iter().filter_map(|key| sink.get(key)).flat_map(strings) {
            words.extend(alternatives(signature).iter().map(|path| {
                let last = path.rsplit('.').next().unwrap_or(path).trim_start_matches("new ");
                let first = path.split('.').next().unwrap_or(path);
                if is_common(last) && !first.is_empty() { first.to_owned() } else { last.to_owned() }
            }));
        }
    }
    (!words.is_empty()).then(|| words.into_iter().collect())
}

fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// What a signature with `{a,b}` in it stands for.
pub(crate) fn alternatives(signature: &str) -> Vec<String> {
    let parts = signature.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    let Some((before, (inner, after))) = parts else { return vec![signature.to_owned()] };
    inner.split(',').flat_map(|choice| alternatives(&format!("{before}{}{after}", choice.trim()))).collect()
}

/// What a rule's parts are read against.
#[derive(Clone, Copy)]
struct Around<'a> {
    utils: Option<&'a Map<String, Value>>,
    scope: Scope,
}

fn of_rule(rule: &Value, around: Around<'_>, depth: u32) -> Clauses {
    let Some(rule) = rule.as_object() else { return Clauses::new() };
    if depth > 8 {
        return Clauses::new();
    }
    let mut clauses = Clauses::new();
    for (key, value) in rule {
        match (key.as_str(), value) {
            ("pattern", Value::String(pattern)) => clauses.extend(words(pattern).map(|word| vec![word])),
            ("pattern", Value::Object(pattern))
                if !pattern.contains_key("selector") && pattern.get("strictness").is_none() =>
            {
                let pattern = pattern.get("context").and_then(Value::as_str).unwrap_or("");
                clauses.extend(words(pattern).map(|word| vec![word]));
            }
            ("regex", Value::String(regex)) => clauses.extend(of_regex(regex)),
            ("kind", Value::String(kind)) => clauses.extend(keyword(kind).map(|word| vec![word.to_owned()])),
            ("all", Value::Array(rules)) => {
                clauses.extend(rules.iter().flat_map(|rule| of_rule(rule, around, depth + 1)))
            }
            ("any", Value::Array(rules)) => {
                clauses.extend(any_of(rules.iter().map(|rule| of_rule(rule, around, depth + 1))))
            }
            ("has", inner) => clauses.extend(of_rule(inner, around, depth + 1)),
            ("inside" | "follows" | "precedes", related) if around.scope == Scope::File => {
                clauses.extend(of_rule(related, around, depth + 1));
            }
            ("matches", Value::String(name)) => {
                if let Some(util) = around.utils.and_then(|utils| utils.get(name)) {
                    clauses.extend(of_rule(util, around, depth + 1));
                }
            }
            _ => {}
        }
    }
    clauses
}

/// One clause that holds whichever alternative matches: the most telling clause of each, together.
fn any_of(alternatives: impl Iterator<Item = Clauses>) -> Option<Vec<String>> {
    let mut union = BTreeSet::new();
    for clauses in alternatives {
        let best = clauses.into_iter().filter(|clause| !clause.is_empty()).max_by_key(|clause| telling(clause))?;
        union.extend(best);
    }
    (!union.is_empty() && union.len() <= MOST_ALTERNATIVES).then(|| union.into_iter().collect())
}

/// How much a clause rules out: its shortest literal's length, common words counted as nothing.
fn telling(clause: &[String]) -> usize {
    clause.iter().map(|word| if is_common(word) { 0 } else { word.len() }).min().unwrap_or(0)
}

fn is_common(word: &str) -> bool {
    const COMMON: &[&str] = &[
        "if", "else", "for", "in", "return", "def", "function", "func", "fn", "var", "let", "const", "new", "class",
        "self", "this", "import", "from", "true", "false", "True", "False", "None", "null", "nil", "try", "catch",
        "except", "public", "static", "void", "int", "string", "String", "err", "and", "or", "not", "is", "as", "do",
        "end", "then", "while", "async", "await", "mut", "use", "pub", "get", "set", "name", "value", "data",
    ];
    COMMON.contains(&word)
}

/// The identifiers and words of a pattern that are not metavariables and have at least two bytes.
fn words(pattern: &str) -> impl Iterator<Item = String> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(|c| is_word(c) || c == '$') {
        rest = &rest[at..];
        let sigils = rest.bytes().take_while(|&b| b == b'$').count();
        rest = &rest[sigils..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        let is_variable = sigils > 0 && !word.starts_with(|c: char| c.is_ascii_lowercase());
        if !is_variable && word.len() >= 2 {
            found.push(word.to_owned());
        }
        rest = after;
    }
    found.into_iter()
}

/// What every text that the expression matches must contain: the set of its beginnings, that of its ends, and those of
/// its parts that cannot be left out.
fn of_regex(regex: &str) -> Clauses {
    // Literals are looked for without regard to case, so the flag need not be unfolded into each spelling.
    match regex_syntax::parse(regex.strip_prefix("(?i)").unwrap_or(regex)) {
        Ok(hir) => of_hir(&hir),
        Err(_) => Clauses::new(),
    }
}

fn of_hir(hir: &Hir) -> Clauses {
    let mut clauses: Clauses =
        [ExtractKind::Prefix, ExtractKind::Suffix].into_iter().filter_map(|kind| ends(hir, kind)).collect();
    match hir.kind() {
        HirKind::Concat(parts) => clauses.extend(parts.iter().flat_map(of_hir)),
        HirKind::Capture(capture) => clauses.extend(of_hir(&capture.sub)),
        HirKind::Repetition(repetition) if repetition.min > 0 => clauses.extend(of_hir(&repetition.sub)),
        HirKind::Alternation(parts) => clauses.extend(any_of(parts.iter().map(of_hir))),
        _ => {}
    }
    clauses
}

fn ends(hir: &Hir, kind: ExtractKind) -> Option<Vec<String>> {
    let sequence = Extractor::new().kind(kind).limit_total(MOST_ALTERNATIVES).extract(hir);
    let literals: Option<Vec<String>> = sequence
        .literals()?
        .iter()
        .map(|literal| String::from_utf8(literal.as_bytes().to_vec()).ok().filter(|text| text.len() >= 2))
        .collect();
    literals.filter(|literals| !literals.is_empty())
}

/// The word that a node of this kind begins with or holds in every grammar that has the kind.
fn keyword(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "assert_statement" => "assert",
        "await" | "await_expression" => "await",
        "catch_clause" => "catch",
        "defer_statement" => "defer",
        "delete_statement" => "del",
        "except_clause" => "except",
        "finally_clause" => "finally",
        "go_statement" => "go",
        "import_from_statement" => "import",
        "lock_statement" => "lock",
        "raise_statement" => "raise",
        "switch_statement" => "switch",
        "synchronized_statement" => "synchronized",
        "throw_statement" => "throw",
        "unsafe_block" => "unsafe",
        "while_statement" => "while",
        "with_statement" => "with",
        "yield" => "yield",
        _ => return None,
    })
}

/// Metavariables that are bound whenever the rule matches, to nodes that lie in the scope.
fn bound_variables(rule: &Value, scope: Scope) -> BTreeSet<String> {
    let Some(rule) = rule.as_object() else { return BTreeSet::new() };
    let mut bound = BTreeSet::new();
    for (key, value) in rule {
        match (key.as_str(), value) {
            ("pattern", Value::String(pattern)) => bound.extend(variables(pattern)),
            ("all", Value::Array(rules)) => bound.extend(rules.iter().flat_map(|rule| bound_variables(rule, scope))),
            ("has", inner) => bound.extend(bound_variables(inner, scope)),
            ("inside" | "follows" | "precedes", related) if scope == Scope::File => {
                bound.extend(bound_variables(related, scope));
            }
            ("any", Value::Array(rules)) => {
                let mut sets = rules.iter().map(|rule| bound_variables(rule, scope));
                let first = sets.next().unwrap_or_default();
                bound.extend(sets.fold(first, |all, one| all.intersection(&one).cloned().collect()));
            }
            _ => {}
        }
    }
    bound
}

fn variables(pattern: &str) -> impl Iterator<Item = String> + '_ {
    pattern.split('$').skip(1).filter_map(|rest| {
        let end =
            rest.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')).unwrap_or(rest.len());
        (end > 0 && !rest.starts_with('_')).then(|| rest[..end].to_owned())
    })
}

/// Drops clauses that another one implies or that nearly every file meets, and repeats.
fn tidy(clauses: Clauses) -> Clauses {
    let mut kept: Clauses = Vec::new();
    for mut clause in clauses {
        clause.sort();
        clause.dedup();
        if telling(&clause) >= 2 && !kept.contains(&clause) {
            kept.push(clause);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(rule: Value) -> Clauses {
        required(rule.as_object().unwrap())
    }

    #[test]
    fn a_pattern_requires_its_own_words() {
        assert_eq!(of(json!({"rule": {"pattern": "yaml.load($DATA, $$$REST)"}})), [["yaml"], ["load"]]);
        assert_eq!(of(json!({"rule": {"pattern": "$X == $X"}})), Clauses::new());
    }

    #[test]
    fn a_regex_requires_its_literals_whatever_their_case() {
        assert_eq!(of(json!({"rule": {"kind": "call", "regex": "(?i)^(passwd|secret)$"}})), [["passwd", "secret"]]);
        assert_eq!(of(json!({"rule": {"kind": "call", "regex": "\\w+"}})), Clauses::new());
        assert_eq!(of(json!({"rule": {"kind": "call", "regex": "^\\(\\s*(abc\\.)?ABC\\s*\\)$"}})), [["ABC"]]);
    }

    #[test]
    fn alternatives_become_one_clause_or_none() {
        let rule = json!({"rule": {"any": [{"pattern": "eval($X)"}, {"pattern": "exec($X)"}]}});
        assert_eq!(of(rule), [["eval", "exec"]]);
        assert_eq!(of(json!({"rule": {"any": [{"pattern": "eval($X)"}, {"kind": "call"}]}})), Clauses::new());
    }

    #[test]
    fn a_constraint_counts_only_where_its_variable_is_always_bound() {
        let constraints = json!({"M": {"regex": "^(md5|sha1)$"}});
        let always = json!({"rule": {"pattern": "hashlib.$M($X)"}, "constraints": constraints});
        assert_eq!(of(always), [vec!["hashlib"], vec!["md5", "sha1"]]);
        let sometimes = json!({"rule": {"any": [{"pattern": "hashlib.$M($X)"}, {"pattern": "bad($X)"}]}, "constraints": constraints});
        assert_eq!(of(sometimes), [["bad", "hashlib"]]);
    }

    #[test]
    fn the_node_itself_need_not_hold_what_stands_around_it() {
        let rule = json!({"rule": {"pattern": "open($P)", "inside": {"pattern": "with $A: $$$B", "regex": "urlopen"}}});
        let rule = rule.as_object().unwrap();
        assert_eq!(required(rule), [["open"], ["with"], ["urlopen"]]);
        assert_eq!(required_of_node(rule), [["open"]]);
    }

    #[test]
    fn one_of_the_sinks_must_occur() {
        let taint = json!({"taint": {"sources": ["request"], "sinks": [
            {"call": ["os.{system,popen}", "requests.get"]}, {"assign": ".innerHTML"}]}});
        assert_eq!(of(taint), [["innerHTML", "popen", "requests", "system"]]);
        let returned = json!({"taint": {"sources": ["request"], "sinks": [{"return": "@app"}, {"call": "eval"}]}});
        assert_eq!(of(returned), Clauses::new());
    }

    #[test]
    fn what_must_not_be_there_is_not_required() {
        assert_eq!(
            of(json!({"rule": {"pattern": "open($P)", "not": {"inside": {"pattern": "with $$$: $$$"}}}})),
            [["open"]]
        );
    }
}
