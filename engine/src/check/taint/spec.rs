//! What does the `taint` field of a rule ask for?

use std::sync::Arc;

use regex::Regex;
use serde_json::{Map, Value};

use super::{
    facts::{self, Facts},
    signature::{Table, texts},
};
use crate::source::Language;

/// A checked `taint` field.
pub(crate) struct Spec {
    pub(super) language: Language,
    /// Indices of the groups of [`Facts`] it follows.
    pub(super) groups: Vec<usize>,
    pub(super) calls: Table<Arc<Sink>>,
    pub(super) assignments: Table<Arc<Sink>>,
    pub(super) returns: Vec<(Regex, Arc<Sink>)>,
    pub(super) sanitizers: Table<()>,
}

/// Where hostile data must not arrive.
#[derive(Debug)]
pub(super) struct Sink {
    /// The arguments it must not be in; none for all.
    pub(super) arguments: Vec<Selector>,
    /// What other arguments must be for this to be a sink.
    pub(super) when: Vec<(Selector, Regex)>,
    /// What the receiver, or its type, must be called.
    pub(super) on: Option<Regex>,
    /// What the value must look like, `◆` standing for the data and `◇` for what is not known.
    pub(super) shape: Option<Regex>,
}

/// An argument by place or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Selector {
    Position(usize),
    Name(Box<str>),
}

impl Spec {
    /// Reads the `taint` field of a rule for one language.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(crate) fn read(taint: &Value, language: Language) -> Result<Self, String> {
        let taint = taint.as_object().ok_or("`taint` is not a map")?;
        let known = ["sources", "sinks", "sanitizers"];
        if let Some(key) = taint.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("`taint` has no `{key}`, only {}", known.join(", ")));
        }
        let facts = Facts::of(language)?.ok_or_else(|| format!("data is not followed in {language}"))?;
        let group =
            |name: &String| facts.group(name).ok_or_else(|| format!("there are no sources `{name}` for {language}"));
        let mut spec = Self {
            language,
            groups: texts(taint.get("sources"))?.iter().map(group).collect::<Result<_, _>>()?,
            calls: Table::default(),
            assignments: Table::default(),
            returns: Vec::new(),
            sanitizers: facts::set(&texts(taint.get("sanitizers"))?),
        };
        let Some(Value::Array(sinks)) = taint.get("sinks") else { return Err("`taint.sinks` is not a list".into()) };
        sinks.iter().try_for_each(|sink| spec.add(sink))?;
        if spec.groups.is_empty() {
            return Err("`taint.sources` is empty".into());
        }
        Ok(spec)
    }

    fn add(&mut self, sink: &Value) -> Result<(), String> {
        let sink = sink.as_object().ok_or_else(|| format!("the sink `{sink}` is not a map"))?;
        let known = ["call", "assign", "return", "argument", "when", "on", "shape"];
        if let Some(key) = sink.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("a sink has no `{key}`, only {}", known.join(", ")));
        }
        let checked = Arc::new(Sink::read(sink)?);
        for signature in texts(sink.get("call"))? {
            self.calls.add(&signature, &checked);
        }
        for signature in texts(sink.get("assign"))? {
            self.assignments.add(&signature, &checked);
        }
        if let Some(mark) = pattern(sink, "return")? {
            self.returns.push((mark, checked));
        }
        Ok(())
    }
}

impl Sink {
    fn read(sink: &Map<String, Value>) -> Result<Self, String> {
        let arguments = texts(sink.get("argument"))?.iter().map(|text| Selector::read(text)).collect();
        let mut when = Vec::new();
        for (argument, value) in sink.get("when").and_then(Value::as_object).into_iter().flatten() {
            let text = value.as_str().ok_or_else(|| format!("`when` of `{argument}` is not a regular expression"))?;
            when.push((Selector::read(argument), compiled(text)?));
        }
        Ok(Self { arguments, when, on: pattern(sink, "on")?, shape: pattern(sink, "shape")? })
    }
}

impl Selector {
    fn read(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.into()), Self::Position)
    }
}

fn pattern(map: &Map<String, Value>, key: &str) -> Result<Option<Regex>, String> {
    map.get(key).and_then(Value::as_str).map(compiled).transpose()
}

fn compiled(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| error.to_string())
}
