//! What does a rule's text mean? Raw YAML or JSON becomes a checked rule.

use std::{path::Path, sync::Arc};

use ast_grep_config::{GlobalRules, RuleConfig, SerializableRuleConfig};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Clauses, Compiled, Literals, Matching, Rule, Text, literal};
use crate::{
    check::{Meta, native, taint},
    edit::Applicability,
    finding::{Category, CheckId, Confidence, Severity},
    source::Language,
};

/// Why a rule cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("rule `{rule}`: {why}")]
pub struct RuleError {
    /// Its id, or its file.
    pub rule: String,
    /// What is wrong.
    pub why: String,
}

/// The fields around the matching part, as written.
#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    category: Option<Category>,
    #[serde(default)]
    severity: Option<String>,
    #[serde(default)]
    confidence: Option<Confidence>,
    #[serde(default)]
    cwe: Option<u32>,
    #[serde(default, alias = "message")]
    what: String,
    #[serde(default, alias = "note")]
    why: String,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    references: Vec<String>,
    #[serde(default)]
    applicability: Option<Applicability>,
    #[serde(default)]
    native: Option<String>,
    #[serde(default)]
    files: Vec<Value>,
    #[serde(default)]
    ignores: Vec<Value>,
}

/// Our own fields; all others are ast-grep's.
const OURS: &[&str] = &[
    "languages",
    "category",
    "severity",
    "confidence",
    "cwe",
    "what",
    "why",
    "references",
    "applicability",
    "native",
    "taint",
    "literals",
    "valid",
    "invalid",
    "message",
    "note",
    "url",
    "files",
    "ignores",
    "id",
    "language",
    "metadata",
    "labels",
];

/// A rule's documentation, which is also its test.
#[derive(Debug, Clone)]
pub struct RuleDoc {
    /// What is wrong, with metavariables as written.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// Where to read more.
    pub references: Vec<String>,
    /// Whether it offers a fix.
    pub fixable: Option<Applicability>,
    /// Code on which it is silent.
    pub valid: Vec<Example>,
    /// Code in which it finds something.
    pub invalid: Vec<Example>,
}

/// One example of a rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "RawExample")]
pub struct Example {
    /// The file's text.
    pub code: String,
    /// The text after the fixes.
    pub fixed: Option<String>,
    /// The exact 1-based lines on which findings start, where the example pins them.
    pub lines: Option<Vec<u32>>,
    /// The file's path, for rules that look at it.
    pub path: Option<String>,
    /// The text before the change, for checks that compare.
    pub before: Option<String>,
    /// Other values for some of `[checks]`, so that an example of a limit can be short.
    pub limits: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawExample {
    Code(String),
    Full {
        code: String,
        #[serde(default)]
        fixed: Option<String>,
        #[serde(default)]
        lines: Option<Vec<u32>>,
        #[serde(default)]
        path: Option<String>,
        #[serde(default)]
        before: Option<String>,
        #[serde(default)]
        limits: Map<String, Value>,
    },
}

impl From<RawExample> for Example {
    fn from(raw: RawExample) -> Self {
        match raw {
            RawExample::Code(code) => {
                Self { code, fixed: None, lines: None, path: None, before: None, limits: Map::new() }
            }
            RawExample::Full { code, fixed, lines, path, before, limits } => {
                Self { code, fixed, lines, path, before, limits }
            }
        }
    }
}

/// The rules of a YAML file: ours, or ast-grep's with an `id` and a `language` of their own.
pub(super) fn read(path: &Path, text: &str) -> Result<Vec<Rule>, RuleError> {
    let error = |why: String| RuleError { rule: path.display().to_string(), why };
    let documents: Vec<Map<String, Value>> =
        ast_grep_config::from_multiple(text).map_err(|cause| error(cause.to_string().trim().to_owned()))?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    documents.into_iter().map(|document| own_rule(document, &folder, &stem, text).map_err(error)).collect()
}

fn own_rule(document: Map<String, Value>, folder: &str, stem: &str, yaml: &str) -> Result<Rule, String> {
    let word = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
    let id = word("id").unwrap_or_else(|| format!("{folder}/{stem}"));
    let names: Vec<String> = match (document.get("languages"), word("language")) {
        (Some(Value::Array(names)), _) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        (_, Some(name)) => vec![name],
        _ if folder == "any" => Vec::new(),
        _ => vec![folder.to_owned()],
    };
    let languages = names.iter().map(|name| name.parse()).collect::<Result<Vec<Language>, String>>()?;
    let literals = Literals {
        file: Clauses::Own(literal::required(&document)),
        node: Clauses::Own(literal::required_of_node(&document)),
    };
    let json = serde_json::to_string(&document).map_err(|error| error.to_string())?;
    let rule = Rule::new(id.into(), languages, literals, Text::Own { json, yaml: yaml.to_owned() });
    rule.check().map_err(|error| error.why.clone())?;
    Ok(rule)
}

pub(super) fn compile(id: &Arc<str>, json: &str, language: Option<Language>) -> Result<Compiled, RuleError> {
    let error = |why: String| RuleError { rule: id.to_string(), why };
    let document: Map<String, Value> = serde_json::from_str(json).map_err(|cause| error(cause.to_string()))?;
    let raw: Raw = serde_json::from_value(Value::Object(document.clone())).map_err(|cause| error(cause.to_string()))?;
    let matching = matching(&document, &raw, language).map_err(error)?;
    Ok(Compiled {
        files: globs(&raw.files).map_err(error)?,
        ignores: globs(&raw.ignores).map_err(error)?,
        meta: meta(id, raw).map_err(error)?,
        matching,
    })
}

fn matching(document: &Map<String, Value>, raw: &Raw, language: Option<Language>) -> Result<Matching, String> {
    if let Some(name) = &raw.native {
        let native = native::find(name).ok_or_else(|| format!("there is no native check `{name}`"))?;
        return Ok(Matching::Native(native));
    }
    let language = language.ok_or("a rule with a pattern needs a language")?;
    if let Some(field) = document.get("taint") {
        return Ok(Matching::Taint(Box::new(taint::Spec::read(field, language)?)));
    }
    let mut core: Map<String, Value> = document
        .iter()
        .filter(|(key, _)| !OURS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    core.insert("language".into(), language.name().into());
    core.insert("message".into(), raw.what.clone().into());
    let raw_config: SerializableRuleConfig<Language> =
        serde_json::from_value(Value::Object(core)).map_err(|error| error.to_string())?;
    let config =
        RuleConfig::try_from(raw_config, &GlobalRules::default()).map_err(|error| crate::notice::chain(&error))?;
    Ok(Matching::Pattern { rule: Box::new(config), applicability: raw.applicability })
}

fn meta(id: &Arc<str>, raw: Raw) -> Result<Meta, String> {
    let severity = match raw.severity.as_deref() {
        Some("error") => Severity::Error,
        Some("warning") | None => Severity::Warning,
        Some("info" | "hint" | "off") => Severity::Info,
        Some(other) => return Err(format!("`{other}` is not a severity")),
    };
    if raw.what.is_empty() {
        return Err("it does not say what is wrong (`what`, or ast-grep's `message`)".into());
    }
    Ok(Meta {
        id: CheckId(Arc::clone(id)),
        category: raw.category.unwrap_or(Category::Maintainability),
        severity,
        confidence: raw.confidence.unwrap_or(Confidence::Medium),
        what: raw.what.into(),
        why: raw.why.trim().into(),
        cwe: raw.cwe,
        url: raw.url.or_else(|| raw.references.into_iter().next()).map(Into::into),
    })
}

fn globs(patterns: &[Value]) -> Result<Option<GlobSet>, String> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        let (glob, case_insensitive) = match pattern {
            Value::String(glob) => (glob.as_str(), false),
            Value::Object(fields) => (
                fields.get("glob").and_then(Value::as_str).unwrap_or_default(),
                fields.get("caseInsensitive").and_then(Value::as_bool).unwrap_or_default(),
            ),
            other => return Err(format!("`{other}` is not a glob")),
        };
        let glob = GlobBuilder::new(glob).literal_separator(true).case_insensitive(case_insensitive).build();
        set.add(glob.map_err(|error| error.to_string())?);
    }
    set.build().map(Some).map_err(|error| error.to_string())
}

pub(super) fn doc(id: &str, yaml: &str) -> Result<RuleDoc, RuleError> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default, alias = "message")]
        what: String,
        #[serde(default, alias = "note")]
        why: String,
        #[serde(default)]
        references: Vec<String>,
        #[serde(default)]
        fix: Option<Value>,
        #[serde(default)]
        applicability: Option<Applicability>,
        #[serde(default)]
        valid: Vec<Example>,
        #[serde(default)]
        invalid: Vec<Example>,
    }
    let page: Page = ast_grep_config::from_str(yaml)
        .map_err(|error| RuleError { rule: id.to_owned(), why: error.to_string().trim().to_owned() })?;
    Ok(RuleDoc {
        what: page.what,
        why: page.why.trim().to_owned(),
        references: page.references,
        fixable: page.applicability.or(page.fix.map(|_| Applicability::Unsafe)),
        valid: page.valid,
        invalid: page.invalid,
    })
}
