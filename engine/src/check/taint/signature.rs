//! How are functions and values named in rules and facts?
//!
//! `os.system` is a full path, imports resolved; `.execute` is that name on any receiver. `{a,b}` stands for both.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use crate::check::rule::literal::alternatives;

/// Things found by signature.
#[derive(Debug)]
pub(super) struct Table<T> {
    by_last: HashMap<Box<str>, Vec<Entry<T>>>,
}

/// A full path, where one is asked for, and what goes by it.
type Entry<T> = (Option<Box<str>>, T);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { by_last: HashMap::new() }
    }
}

impl<T: Clone> Table<T> {
    /// Adds all that a signature stands for.
    pub(super) fn add(&mut self, signature: &str, thing: &T) {
        for path in alternatives(signature) {
            let last = path.rsplit('.').next().unwrap_or(&path).into();
            let full = (!path.starts_with('.')).then(|| path.as_str().into());
            self.by_last.entry(last).or_default().push((full, thing.clone()));
        }
    }
}

impl<T> Table<T> {
    /// What is known of something that goes by any of these paths and has this last name.
    pub(super) fn find<'s>(&'s self, paths: &'s [Option<Arc<str>>], last: &str) -> impl Iterator<Item = &'s T> {
        let entries = self.by_last.get(last).map(Vec::as_slice).unwrap_or_default();
        entries.iter().filter(move |(full, _)| is_one_of(full.as_deref(), paths)).map(|(_, thing)| thing)
    }

    /// The first thing known by one of these paths in full, not by its last name alone.
    pub(super) fn get_in_full(&self, paths: &[Option<Arc<str>>]) -> Option<&T> {
        paths.iter().flatten().find_map(|path| {
            let entries = self.by_last.get(path.rsplit('.').next()?)?;
            entries.iter().find(|(full, _)| full.as_deref() == Some(&**path)).map(|(_, thing)| thing)
        })
    }

    /// The first thing known by one of these paths; its last name is read off them.
    pub(super) fn get(&self, paths: &[Option<Arc<str>>]) -> Option<&T> {
        paths.iter().flatten().find_map(|path| {
            let last = path.rsplit('.').next().unwrap_or(path);
            let entries = self.by_last.get(last)?;
            entries.iter().find(|(full, _)| full.as_deref().is_none_or(|full| full == &**path)).map(|(_, thing)| thing)
        })
    }
}

fn is_one_of(full: Option<&str>, paths: &[Option<Arc<str>>]) -> bool {
    full.is_none_or(|full| paths.iter().flatten().any(|path| **path == *full))
}

/// The texts of a string or a list of strings.
pub(super) fn texts(value: Option<&Value>) -> Result<Vec<String>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("`{other}` is neither a text nor a number")),
    };
    match value {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => values.iter().map(text).collect(),
        Some(value) => text(value).map(|text| vec![text]),
    }
}
