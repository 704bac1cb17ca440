//! What is the value of an expression?

use super::*;
use crate::check::taint::{names, value::Key};

impl<'a> Flow<'a> {
    /// The value of an expression; its effects are done.
    pub(super) fn eval(&mut self, id: ExprId, env: &mut Env) -> Value {
        self.work += 1;
        if self.is_spent() {
            return Value::default();
        }
        let value = self.eval_kind(id, env);
        if value.carries() && !env.proven.is_empty() && env.proven.contains(self.written(id)) {
            return Value { trace: None, parameters: Vec::new(), shape: None, ..value };
        }
        value
    }

    fn eval_kind(&mut self, id: ExprId, env: &mut Env) -> Value {
        match &self.program.expr(id).kind {
            Kind::Literal(text) => Value::constant(text),
            Kind::Opaque => Value::default(),
            Kind::Name(word) => self.name(id, *word, env),
            Kind::Member(base, name) => self.member(id, *base, *name, env),
            Kind::Index(base, key) => {
                self.eval(*key, env);
                self.eval(*base, env).data()
            }
            Kind::Call(call) => self.call(id, call, env),
            Kind::Text(parts) => Value::written(&self.all(parts, env), ["", "", ""]),
            Kind::List(parts) => Value::written(&self.all(parts, env), ["[", ", ", "]"]),
            Kind::Record(fields) => {
                let parts: Vec<ExprId> = fields.iter().map(|(_, value)| *value).collect();
                let parts = self.all(&parts, env);
                Value::written(&parts, ["{", ", ", "}"])
            }
            Kind::Format(template, values) => {
                let template = self.eval(*template, env);
                let values = self.all(values, env);
                self.format(&template, &values)
            }
            Kind::Either(parts) => self.either(parts, env),
            Kind::Await(part) => self.waited(*part, env),
            Kind::Not(part) => {
                self.eval(*part, env);
                Value::default()
            }
            Kind::And(left, right) => {
                self.eval(*left, env);
                let mut inner = self.fork(env);
                self.assume(*left, true, &mut inner);
                self.eval(*right, &mut inner)
            }
            Kind::Or(left, right) => {
                let mut value = self.eval(*left, env);
                let mut inner = self.fork(env);
                self.assume(*left, false, &mut inner);
                value.join(&self.eval(*right, &mut inner));
                value
            }
            Kind::Compare(_, left, right) => {
                self.eval(*left, env);
                self.eval(*right, env);
                Value::default()
            }
            Kind::Choice(condition, then, other) => self.choice([*condition, *then, *other], env),
            Kind::Typed(part, of_type) => {
                let mut value = self.eval(*part, env);
                value.paths[1] = Some(Arc::clone(of_type));
                if is_number(of_type) { Value::default() } else { value }
            }
            Kind::Assign { target, value, adds } => self.assign(*target, *value, *adds, env),
            Kind::Function(function) => {
                self.nested(*function, env, None);
                Value::default()
            }
            Kind::Comprehension { binds, conditions, result } => {
                let mut inner = self.fork(env);
                for &(target, values) in binds {
                    let values = self.eval(values, &mut inner);
                    self.bind(target, &values.data(), &mut inner);
                }
                for &condition in conditions {
                    self.eval(condition, &mut inner);
                    self.assume(condition, true, &mut inner);
                }
                self.eval(*result, &mut inner).data()
            }
            Kind::Pure(parts) => {
                self.all(parts, env);
                Value::default()
            }
        }
    }

    pub(super) fn all(&mut self, parts: &[ExprId], env: &mut Env) -> Vec<Value> {
        parts.iter().map(|&part| self.eval(part, env)).collect()
    }

    fn either(&mut self, parts: &[ExprId], env: &mut Env) -> Value {
        let mut value = Value::default();
        for (at, &part) in parts.iter().enumerate() {
            let part = self.eval(part, env);
            if at == 0 { value = part } else { value.join(&part) }
        }
        value
    }

    /// What something unknown answers after a wait comes from elsewhere; what a known function answers does not.
    fn waited(&mut self, part: ExprId, env: &mut Env) -> Value {
        let value = self.eval(part, env);
        match &self.program.expr(part).kind {
            Kind::Call(call)
                if self.local(call).is_none() && !self.is_source_call(&value) && !self.is_carrier(call, env) =>
            {
                Value::default()
            }
            _ => value,
        }
    }

    fn is_source_call(&self, value: &Value) -> bool {
        value.paths.iter().flatten().any(|path| path.starts_with('!'))
    }

    fn choice(&mut self, [condition, then, other]: [ExprId; 3], env: &mut Env) -> Value {
        self.eval(condition, env);
        let mut if_not = self.fork(env);
        self.assume(condition, true, env);
        self.assume(condition, false, &mut if_not);
        let mut value = self.eval(then, env);
        value.join(&self.eval(other, &mut if_not));
        env.join(if_not);
        value
    }

    fn name(&mut self, id: ExprId, word: Word, env: &Env) -> Value {
        if let Some(value) = env.whole(word).or_else(|| self.globals.whole(word)) {
            return value;
        }
        let path = self.program.imports.get(&word).unwrap_or_else(|| self.program.text(word));
        let value = Value::of_path(Arc::clone(path));
        self.with_source(id, value)
    }

    fn member(&mut self, id: ExprId, base: ExprId, name: Word, env: &mut Env) -> Value {
        if let Kind::Name(word) = self.program.expr(base).kind {
            let key = (word, Some(name));
            if let Some(value) = env.get(key).or_else(|| self.globals.get(key)) {
                return value.clone();
            }
        }
        let owner = self.base(base, env);
        self.member_of(id, &owner, name)
    }

    /// What something is whose member is asked for: its own data, not that of its other members.
    pub(super) fn base(&mut self, base: ExprId, env: &mut Env) -> Value {
        match self.program.expr(base).kind {
            Kind::Name(word) => match env.get((word, None)).or_else(|| self.globals.get((word, None))) {
                Some(value) => value.clone(),
                None if env.whole(word).is_some() => Value::of_path(Arc::clone(self.program.text(word))),
                None => self.name(base, word, env),
            },
            _ => self.eval(base, env),
        }
    }

    /// A member of a value that is not kept apart.
    fn member_of(&self, id: ExprId, owner: &Value, name: Word) -> Value {
        let name = self.program.text(name);
        let paths = self.member_paths(owner, name);
        let mut value = if names::measures(name) { Value::default() } else { owner.data() };
        value.paths = paths;
        self.with_source(id, value)
    }

    pub(super) fn member_paths(&self, owner: &Value, name: &str) -> [Option<Arc<str>>; 2] {
        let member = |path: &Option<Arc<str>>| path.as_ref().map(|path| self.typed(format!("{path}.{name}")));
        [member(&owner.paths[0]), member(&owner.paths[1])]
    }

    /// The type of a path where the facts know it, or the path itself.
    pub(super) fn typed(&self, path: String) -> Arc<str> {
        self.facts.types.get(&path).map_or_else(|| path.into(), Arc::clone)
    }

    /// Marks a value that is a source.
    fn with_source(&self, id: ExprId, mut value: Value) -> Value {
        let group = self.spec.groups.iter().find(|&&group| self.facts.groups[group].values.get(&value.paths).is_some());
        if let Some(&group) = group {
            value.trace = Some(self.source(id, group));
            value.shape = None;
        }
        value
    }

    pub(super) fn source(&self, id: ExprId, group: usize) -> Arc<Trace> {
        let range = self.program.expr(id).range.clone();
        let note = format!("this comes from {}", self.facts.groups[group].what);
        Arc::new(Trace { group, steps: vec![Step { range, note }] })
    }

    fn assign(&mut self, target: ExprId, value: ExprId, adds: bool, env: &mut Env) -> Value {
        let mut held = self.eval(value, env);
        if adds {
            let before = self.eval(target, env);
            held = Value::written(&[before, held], ["", "", ""]);
        }
        self.sink_of_assignment(target, &held, env);
        self.bind_parts(target, value, &held, env);
        held
    }

    /// Binds part by part where both sides are written out.
    fn bind_parts(&mut self, target: ExprId, value: ExprId, held: &Value, env: &mut Env) {
        match (&self.program.expr(target).kind, &self.program.expr(value).kind) {
            (Kind::List(targets), Kind::List(values)) if targets.len() == values.len() => {
                let (targets, values) = (targets.clone(), values.clone());
                let values: Vec<Value> = values.iter().map(|&value| self.eval(value, env)).collect();
                for (target, value) in targets.iter().zip(&values) {
                    self.bind(*target, value, env);
                }
            }
            (Kind::Name(word), Kind::Record(fields)) => {
                let (word, fields) = (*word, fields.clone());
                env.set((word, None), Value { shape: held.shape.clone(), ..Value::default() });
                for (name, part) in fields {
                    let part = self.eval(part, env);
                    match name {
                        Some(_) => env.set((word, name), part),
                        None => env.add((word, None), &part),
                    }
                }
            }
            _ => self.bind(target, held, env),
        }
    }

    /// Gives a value to a target, which may take it apart.
    pub(super) fn bind(&mut self, target: ExprId, value: &Value, env: &mut Env) {
        match &self.program.expr(target).kind {
            Kind::Name(word) => {
                let value = self.named(target, *word, value);
                env.set((*word, None), value);
            }
            Kind::Member(base, name) => match self.root(*base) {
                Some((word, None)) => {
                    let value = self.named(target, *name, value);
                    env.set((word, Some(*name)), value);
                }
                Some(key) => env.add(key, value),
                None => {}
            },
            Kind::Index(base, _) => {
                if let Some(key) = self.root(*base) {
                    env.add(key, value);
                }
            }
            Kind::List(parts) => {
                let only_first = self.text_is_failure(parts);
                for (at, &part) in parts.clone().iter().enumerate() {
                    let part_value = if at > 0 && only_first { Value::default() } else { value.data() };
                    let part_value = if at == 0 && only_first { value.clone() } else { part_value };
                    self.bind(part, &part_value, env);
                }
            }
            Kind::Record(fields) => {
                for (name, part) in fields.clone() {
                    let member = match name {
                        Some(name) => self.member_of(part, value, name),
                        None => value.clone(),
                    };
                    self.bind(part, &member, env);
                }
            }
            Kind::Either(parts) | Kind::Pure(parts) => {
                for part in parts.clone() {
                    self.bind(part, value, env);
                }
            }
            Kind::Typed(part, _) => self.bind(*part, value, env),
            _ => {}
        }
    }

    /// Whether targets are a result and Go's `err` or `ok`.
    fn text_is_failure(&self, parts: &[ExprId]) -> bool {
        let is_failure = |part: &ExprId| match self.program.expr(*part).kind {
            Kind::Name(word) => matches!(&**self.program.text(word), "err" | "ok" | "_" | "error" | "e"),
            _ => false,
        };
        parts.len() > 1 && parts.last().is_some_and(is_failure)
    }

    /// The value with a step that says under which name it goes on.
    fn named(&self, target: ExprId, word: Word, value: &Value) -> Value {
        let mut value = value.clone();
        let Some(trace) = &value.trace else { return value };
        let range = self.program.expr(target).range.clone();
        let name = self.program.text(word);
        let mentioned = format!("`{name}`");
        if trace.steps.iter().any(|step| step.note.starts_with(&mentioned)) {
            return value;
        }
        value.trace = Some(match &trace.steps[..] {
            [step] if step.note.starts_with("this") => {
                let note = format!("{mentioned} comes from {} here", self.facts.groups[trace.group].what);
                Arc::new(Trace { group: trace.group, steps: vec![Step { range: step.range.clone(), note }] })
            }
            _ => trace.then(range, format!("{mentioned} is made of it here")),
        });
        value
    }

    /// The variable, or member of `this`, that an expression is a part of.
    pub(super) fn root(&self, id: ExprId) -> Option<Key> {
        match &self.program.expr(id).kind {
            Kind::Name(word) => Some((*word, None)),
            Kind::Member(base, name) => match self.root(*base)? {
                (word, None) => Some((word, Some(*name))),
                key => Some(key),
            },
            Kind::Index(base, _) => self.root(*base),
            Kind::Either(parts) if parts.len() == 1 => self.root(parts[0]),
            Kind::Typed(part, _) => self.root(*part),
            // A builder's calls all give back the builder.
            Kind::Call(call) => match self.program.expr(call.callee).kind {
                Kind::Member(base, name) if names::adds_to_receiver(self.program.text(name)) => self.root(base),
                _ => None,
            },
            _ => None,
        }
    }

    fn sink_of_assignment(&mut self, target: ExprId, value: &Value, env: &mut Env) {
        let Kind::Member(base, name) = self.program.expr(target).kind else { return };
        let last = Arc::clone(self.program.text(name));
        if !value.carries() {
            return;
        }
        let owner = self.base(base, env);
        let paths = self.member_paths(&owner, &last);
        let sinks: Vec<Arc<Sink>> = self.spec.assignments.find(&paths, &last).cloned().collect();
        for sink in &sinks {
            if sink.on.as_ref().is_none_or(|on| self.goes_by(base, &owner, on)) {
                self.arrive(sink, self.program.expr(target).range.clone(), &last, value);
            }
        }
    }

    /// The text an expression is written as.
    pub(super) fn written(&self, id: ExprId) -> &'a str {
        self.text.get(self.program.expr(id).range.clone()).unwrap_or("")
    }
}

fn is_number(of_type: &str) -> bool {
    matches!(
        of_type,
        "int"
            | "long"
            | "short"
            | "double"
            | "float"
            | "boolean"
            | "Integer"
            | "Long"
            | "Boolean"
            | "Double"
            | "UUID"
            | "bool"
            | "int64"
            | "int32"
            | "uint"
            | "float64"
            | "number"
    )
}
