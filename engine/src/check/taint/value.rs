//! What is known of a value while a function is followed?

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use super::program::Word;

/// Stands for followed data in a shape.
pub(super) const DATA: &str = "◆";

/// Stands for what is not known in a shape.
pub(super) const UNKNOWN: &str = "◇";

/// Longer shapes keep their beginning.
const LONGEST_SHAPE: usize = 2_000;

/// Longer explanations help nobody.
const MOST_STEPS: usize = 8;

/// What is known of a value.
#[derive(Debug, Clone, Default)]
pub(super) struct Value {
    /// What it is called and what type it has, as dotted paths.
    pub(super) paths: [Option<Arc<str>>; 2],
    /// Its text with [`DATA`] and [`UNKNOWN`] in it; none where nothing of it is known.
    pub(super) shape: Option<Arc<str>>,
    /// Where hostile data in it comes from.
    pub(super) trace: Option<Arc<Trace>>,
    /// Numbers of the parameters whose data is in it, in order.
    pub(super) parameters: Vec<u32>,
}

/// How data came here.
#[derive(Debug)]
pub(super) struct Trace {
    /// The group of sources.
    pub(super) group: usize,
    /// What happened, oldest first.
    pub(super) steps: Vec<Step>,
}

/// One place on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) range: Range<usize>,
    pub(super) note: String,
}

impl Trace {
    /// The same with one step more.
    pub(super) fn then(&self, range: Range<usize>, note: String) -> Arc<Self> {
        let mut steps = self.steps.clone();
        if steps.len() < MOST_STEPS && steps.iter().all(|step| step.range != range) {
            steps.push(Step { range, note });
        }
        Arc::new(Self { group: self.group, steps })
    }

    /// Where it begins.
    pub(super) fn source(&self) -> usize {
        self.steps.first().map_or(0, |step| step.range.start)
    }
}

impl Value {
    pub(super) fn constant(text: &str) -> Self {
        Self { shape: Some(text.into()), ..Self::default() }
    }

    pub(super) fn of_path(path: Arc<str>) -> Self {
        Self { paths: [Some(path), None], ..Self::default() }
    }

    /// Whether data that matters is in it.
    pub(super) fn carries(&self) -> bool {
        self.trace.is_some() || !self.parameters.is_empty()
    }

    /// Its text as far as it is known.
    pub(super) fn shape(&self) -> &str {
        self.shape.as_deref().unwrap_or(if self.carries() { DATA } else { UNKNOWN })
    }

    /// The data alone, without what is known of the value itself.
    pub(super) fn data(&self) -> Self {
        Self { trace: self.trace.clone(), parameters: self.parameters.clone(), ..Self::default() }
    }

    /// Takes up another value's data.
    pub(super) fn absorb(&mut self, other: &Self) {
        if self.trace.is_none() {
            self.trace.clone_from(&other.trace);
        }
        if !other.parameters.is_empty() {
            self.parameters.extend(&other.parameters);
            self.parameters.sort_unstable();
            self.parameters.dedup();
        }
    }

    /// Either of two values.
    pub(super) fn join(&mut self, other: &Self) {
        if !self.carries() && other.carries() || self.shape.is_none() && self.carries() == other.carries() {
            self.shape.clone_from(&other.shape);
        }
        for (mine, theirs) in self.paths.iter_mut().zip(&other.paths) {
            if mine.is_none() {
                mine.clone_from(theirs);
            }
        }
        self.absorb(other);
    }

    /// The texts of the parts put between `open` and `close`, separated.
    pub(super) fn written(parts: &[Self], [open, between, close]: [&str; 3]) -> Self {
        let mut value = Self::default();
        let mut shape = String::from(open);
        for (at, part) in parts.iter().enumerate() {
            if at > 0 {
                shape.push_str(between);
            }
            if shape.len() < LONGEST_SHAPE {
                shape.push_str(part.shape());
            }
            value.absorb(part);
        }
        shape.push_str(close);
        value.shape = Some(shape.into());
        value
    }
}

/// A shape with `filling` for its data.
pub(super) fn filled(shape: &str, filling: &str) -> String {
    if shape == DATA {
        return filling.to_owned();
    }
    let mut text = shape.replace(DATA, filling);
    if text.len() > LONGEST_SHAPE {
        let end = (0..=LONGEST_SHAPE).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

/// A variable, or one member of it.
pub(super) type Key = (Word, Option<Word>);

/// What is known of the variables at one point of a function.
#[derive(Debug, Clone, Default)]
pub(super) struct Env {
    values: BTreeMap<Key, Value>,
    /// Expressions, as written, that a condition has shown to be harmless.
    pub(super) proven: BTreeSet<Arc<str>>,
    /// Whether this point cannot be reached.
    pub(super) dead: bool,
}

impl Env {
    /// How much there is to copy.
    pub(super) fn size(&self) -> usize {
        self.values.len() + self.proven.len()
    }

    pub(super) fn get(&self, key: Key) -> Option<&Value> {
        self.values.get(&key)
    }

    /// A variable with all its members' data.
    pub(super) fn whole(&self, word: Word) -> Option<Value> {
        let mut found: Option<Value> = None;
        for ((_, member), value) in self.values.range((word, None)..).take_while(|((of, _), _)| *of == word) {
            match (&mut found, member) {
                (None, None) => found = Some(value.clone()),
                (None, Some(_)) if value.carries() => found = Some(value.data()),
                (None, Some(_)) => {}
                (Some(found), _) => found.absorb(value),
            }
        }
        found
    }

    /// Sets a variable and forgets its members, or sets one member.
    pub(super) fn set(&mut self, key: Key, value: Value) {
        if key.1.is_none() {
            let members: Vec<Key> =
                self.values.range((key.0, None)..).map(|(&key, _)| key).take_while(|(of, _)| *of == key.0).collect();
            members.iter().for_each(|member| {
                self.values.remove(member);
            });
        }
        self.values.insert(key, value);
    }

    /// Adds data to a variable.
    pub(super) fn add(&mut self, key: Key, value: &Value) {
        let held = self.values.entry(key).or_default();
        if !held.carries() && value.carries() {
            held.shape = None;
        }
        held.absorb(value);
    }

    /// What may hold where two ways meet.
    pub(super) fn join(&mut self, other: Self) {
        if other.dead {
            return;
        }
        if self.dead {
            *self = other;
            return;
        }
        for (key, value) in other.values {
            match self.values.get_mut(&key) {
                Some(mine) => mine.join(&value),
                None => {
                    self.values.insert(key, value);
                }
            }
        }
        self.proven = self.proven.intersection(&other.proven).cloned().collect();
    }

    /// Forgets all data that comes from nowhere but where `proven` comes from.
    pub(super) fn cleanse(&mut self, proven: &Value) {
        let covered = |value: &Value| {
            let source = |value: &Value| value.trace.as_ref().map(|trace| trace.source());
            value.carries()
                && (value.trace.is_none() || source(value) == source(proven))
                && value.parameters.iter().all(|parameter| proven.parameters.contains(parameter))
        };
        for value in self.values.values_mut().filter(|value| covered(value)) {
            value.trace = None;
            value.parameters.clear();
            value.shape = None;
        }
    }
}
