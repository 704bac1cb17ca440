//! What comes out of a call, and what goes into it?

use super::*;
use crate::check::taint::{
    names,
    program::{Argument, Call},
    spec::Selector,
};

/// A call with everything known of it.
struct Site<'c> {
    id: ExprId,
    call: &'c Call,
    /// What the function is called, last part first.
    last: Arc<str>,
    paths: [Option<Arc<str>>; 2],
    /// What a method is called on.
    receiver: Option<(ExprId, Value)>,
    values: Vec<Value>,
}

impl<'a> Flow<'a> {
    /// The value of a call.
    pub(super) fn call(&mut self, id: ExprId, call: &'a Call, env: &mut Env) -> Value {
        let site = self.site(id, call, env);
        self.lambdas(&site, env);
        self.sinks(&site);
        let local = self.local(call);
        if let Some(function) = local {
            self.enter(&site, function);
        }
        let value = self.result(&site, local);
        self.effects(&site, env);
        value
    }

    fn site(&mut self, id: ExprId, call: &'a Call, env: &mut Env) -> Site<'a> {
        let (last, paths, receiver) = match self.program.expr(call.callee).kind {
            Kind::Member(base, name) => {
                let last = Arc::clone(self.program.text(name));
                let whole = self.eval(base, env);
                let owner = Value { paths: self.base(base, env).paths, ..whole };
                (Arc::clone(&last), self.member_paths(&owner, &last), Some((base, owner)))
            }
            _ => {
                let paths = self.eval(call.callee, env).paths;
                let last = paths.iter().flatten().next().map_or_else(|| Arc::from(""), |path| last_part(path));
                (last, paths, None)
            }
        };
        let values = call.arguments.iter().map(|argument| self.argument(argument, env)).collect();
        Site { id, call, last, paths, receiver, values }
    }

    /// A function handed over is followed once the call is known, see [`Flow::lambdas`].
    fn argument(&mut self, argument: &Argument, env: &mut Env) -> Value {
        match self.program.expr(argument.value).kind {
            Kind::Function(_) => Value::default(),
            _ => self.eval(argument.value, env),
        }
    }

    /// Follows functions written as arguments; some are called with what the receiver holds.
    fn lambdas(&mut self, site: &Site<'a>, env: &mut Env) {
        let given = site.receiver.as_ref().map(|(_, receiver)| receiver.data());
        let given = given.filter(|receiver| receiver.carries() && names::hands_on(&site.last));
        for argument in &site.call.arguments {
            if let Kind::Function(id) = self.program.expr(argument.value).kind {
                self.nested(id, env, given.as_ref());
            }
        }
    }

    fn sinks(&mut self, site: &Site<'a>) {
        let sinks: Vec<Arc<Sink>> = self.spec.calls.find(&site.paths, &site.last).cloned().collect();
        for sink in sinks {
            let on = sink.on.as_ref();
            let called = |on| site.receiver.as_ref().is_some_and(|(base, value)| self.goes_by(*base, value, on));
            if !on.is_none_or(called) || !self.holds(site, &sink.when) {
                continue;
            }
            let label = self.label(site);
            for (at, value) in site.values.iter().enumerate() {
                let name = site.call.arguments[at].name.map(|name| &**self.program.text(name));
                if sink.arguments.is_empty() || sink.arguments.iter().any(|wanted| wanted.takes(at, name)) {
                    self.arrive(&sink, self.program.expr(site.id).range.clone(), &label, value);
                }
            }
            if let Some((_, receiver)) = &site.receiver
                && sink.arguments.contains(&Selector::Name("receiver".into()))
            {
                self.arrive(&sink, self.program.expr(site.id).range.clone(), &label, receiver);
            }
        }
    }

    /// How a finding names the function: as it is written, where that is short.
    fn label(&self, site: &Site<'a>) -> String {
        match self.program.dotted(site.call.callee) {
            Some(dotted) if dotted.len() < 50 => dotted,
            _ => site.last.to_string(),
        }
    }

    /// Whether all conditions of a sink on its other arguments are met.
    fn holds(&self, site: &Site<'a>, when: &[(Selector, regex::Regex)]) -> bool {
        when.iter().all(|(selector, wanted)| {
            let found = site.values.iter().enumerate().find(|(at, _)| {
                let name = site.call.arguments[*at].name.map(|name| &**self.program.text(name));
                selector.takes(*at, name)
            });
            found.and_then(|(_, value)| value.shape.as_deref()).is_some_and(|shape| wanted.is_match(shape))
        })
    }

    /// Whether something, or its type, is called so.
    pub(super) fn goes_by(&self, base: ExprId, value: &Value, on: &regex::Regex) -> bool {
        let written = match &self.program.expr(base).kind {
            Kind::Name(word) | Kind::Member(_, word) => Some(Arc::clone(self.program.text(*word))),
            Kind::Call(call) => match self.program.expr(call.callee).kind {
                Kind::Name(word) | Kind::Member(_, word) => Some(Arc::clone(self.program.text(word))),
                _ => None,
            },
            _ => None,
        };
        written.iter().chain(value.paths.iter().flatten()).any(|path| on.is_match(path))
    }

    /// The function of this file that is called, where there is no doubt.
    pub(super) fn local(&self, call: &Call) -> Option<FunctionId> {
        let (name, on_self) = match self.program.expr(call.callee).kind {
            Kind::Name(word) if !self.program.imports.contains_key(&word) => (word, true),
            Kind::Member(base, word) => (word, self.is_own(base)),
            _ => return None,
        };
        let candidates = self.by_name.get(&name)?;
        let fits = |id: &&FunctionId| {
            let count = self.program.function(**id).parameters.len();
            call.arguments.len() <= count && count <= call.arguments.len() + 3
        };
        let mut fitting = candidates.iter().filter(fits);
        let first = fitting.next().copied().filter(|_| on_self)?;
        fitting.next().is_none().then_some(first)
    }

    /// Whether a receiver is the object itself, its class, or Go's receiver.
    fn is_own(&self, base: ExprId) -> bool {
        let Kind::Name(word) = self.program.expr(base).kind else { return false };
        let text = self.program.text(word);
        matches!(&**text, "self" | "this" | "cls")
            || self.program.functions.iter().any(|function| function.class == Some(word))
            || self.spec.language == crate::source::Language::Go
                && text.len() <= 3
                && !self.program.imports.contains_key(&word)
    }

    /// Tells of sinks inside a function of this file that the arguments reach.
    fn enter(&mut self, site: &Site<'a>, id: FunctionId) {
        let function = self.program.function(id);
        let range = self.program.expr(site.id).range.clone();
        for (at, value) in site.values.iter().enumerate().filter(|(_, value)| value.carries()) {
            let Some(parameter) = self.parameter_of(function, site, at) else { continue };
            for reach in self.reached[parameter as usize].clone() {
                let note = format!("passed to `{}` here", site.last);
                self.tell(&reach, value, Some(Step { range: range.clone(), note }));
            }
        }
    }

    /// The number of the parameter that takes an argument.
    fn parameter_of(&self, function: &Function, site: &Site<'a>, at: usize) -> Option<u32> {
        let named = site.call.arguments.get(at)?.name;
        let place = match named {
            Some(name) => function.parameters.iter().position(|parameter| parameter.name == Some(name))?,
            None => at,
        };
        (place < function.parameters.len()).then_some(function.first_parameter + place as u32)
    }

    fn result(&mut self, site: &Site<'a>, local: Option<FunctionId>) -> Value {
        let paths = self.result_paths(site);
        if let Some(group) = self.source_group(site) {
            return Value {
                trace: Some(self.source(site.id, group)),
                paths: [Some("!".into()), paths[0].clone()],
                ..Value::default()
            };
        }
        let cleaned = self.facts.cleaners.get(&site.paths).is_some() || self.spec.sanitizers.get(&site.paths).is_some();
        let mut value = match local {
            _ if cleaned => Value::default(),
            Some(_) if names::cleans(&site.last) => Value::default(),
            Some(function) => self.returned_by(site, function),
            None => self.propagated(site),
        };
        value.paths = paths;
        value
    }

    fn result_paths(&self, site: &Site<'a>) -> [Option<Arc<str>>; 2] {
        if let ("require", [argument]) = (&*site.last, &site.values[..])
            && let Some(module) = &argument.shape
        {
            return [Some(super::super::lower::module_path(module).into()), None];
        }
        let result = |path: &Option<Arc<str>>| path.as_ref().map(|path| self.typed(format!("{path}()")));
        match &site.receiver {
            // `promisify(exec)` and the like are what they are made of.
            None if site.values.len() == 1 && &*site.last == "promisify" => site.values[0].paths.clone(),
            Some(_) if &*site.last == "promisify" => {
                site.values.first().map(|value| value.paths.clone()).unwrap_or_default()
            }
            _ => [result(&site.paths[0]), result(&site.paths[1])],
        }
    }

    fn source_group(&self, site: &Site<'a>) -> Option<usize> {
        self.spec
            .groups
            .iter()
            .copied()
            .find(|&group| self.facts.groups[group].calls.find(&site.paths, &site.last).next().is_some())
    }

    /// What a function of this file makes of the arguments.
    fn returned_by(&self, site: &Site<'a>, id: FunctionId) -> Value {
        let function = self.program.function(id);
        let summary = &self.returns[id.0 as usize];
        let own = function.first_parameter..function.first_parameter + function.parameters.len() as u32;
        let mut value = Value { shape: None, ..summary.clone() };
        value.parameters.retain(|parameter| !own.contains(parameter));
        let mut filling = None;
        for (at, argument) in site.values.iter().enumerate().filter(|(_, value)| value.carries()) {
            if self.parameter_of(function, site, at).is_some_and(|number| summary.parameters.contains(&number)) {
                filling.get_or_insert_with(|| argument.shape().to_owned());
                value.absorb(argument);
            }
        }
        if let Some(shape) = &summary.shape {
            value.shape =
                Some(filled(shape, filling.as_deref().unwrap_or(if value.carries() { DATA } else { "◇" })).into());
        }
        value
    }

    /// What a function that is not in this file most likely makes of the arguments.
    fn propagated(&self, site: &Site<'a>) -> Value {
        if self.facts.formatters.find(&site.paths, &site.last).next().is_some() {
            return self.formatted(site);
        }
        let mut value = Value::default();
        if names::cleans(&site.last) {
            return value;
        }
        if let Some((_, receiver)) = &site.receiver
            && (!names::looks_up(&site.last) || self.facts.carriers.get(&site.paths).is_some())
        {
            value.absorb(receiver);
        }
        if self.carries_arguments(site) {
            let parts: Vec<&Value> = site.values.iter().filter(|value| value.carries()).collect();
            parts.iter().for_each(|part| value.absorb(part));
            if let ([part], None, 1) = (&parts[..], &site.receiver, site.values.len()) {
                value.shape.clone_from(&part.shape);
            } else if site.values.len() > 1 && self.facts.carriers.get(&site.paths).is_none() && value.carries() {
                // Where in the result the data is, nobody knows.
                value.shape = Some("◇◆".into());
            }
        }
        if let (Some((_, receiver)), []) = (&site.receiver, &site.values[..])
            && names::keeps_text(&site.last)
        {
            value.shape.clone_from(&receiver.shape);
        }
        if let ("new StringBuilder" | "new StringBuffer", [text]) = (&*site.last, &site.values[..]) {
            value.shape.clone_from(&text.shape);
        }
        if &*site.last == "join" {
            value.shape = Some(self.joined(site));
        }
        value
    }

    /// The shape of parts joined into a path or a text.
    fn joined(&self, site: &Site<'a>) -> Arc<str> {
        Value::written(&site.values, ["", "/", ""]).shape.unwrap_or_default()
    }

    fn carries_arguments(&self, site: &Site<'a>) -> bool {
        if self.facts.carriers.get_in_full(&site.paths).is_some() {
            return true;
        }
        if names::looks_up(&site.last) {
            return false;
        }
        match &site.receiver {
            None => true,
            Some((base, receiver)) => receiver.carries() || names::makes(&site.last) || self.is_module(*base),
        }
    }

    /// Whether functions of this are functions of an imported module.
    fn is_module(&self, base: ExprId) -> bool {
        match self.program.expr(base).kind {
            Kind::Name(word) => self.program.imports.contains_key(&word),
            Kind::Member(base, _) => self.is_module(base),
            _ => false,
        }
    }

    pub(super) fn is_carrier(&mut self, call: &Call, env: &mut Env) -> bool {
        let paths = self.eval(call.callee, env).paths;
        self.facts.carriers.get(&paths).is_some()
    }

    fn formatted(&self, site: &Site<'a>) -> Value {
        match (&site.receiver, &site.values[..]) {
            (Some((_, receiver)), values) if receiver.shape.is_some() => self.format(receiver, values),
            (_, [template, values @ ..]) => self.format(template, values),
            _ => Value::default(),
        }
    }

    /// A template with its placeholders filled in order.
    pub(super) fn format(&self, template: &Value, values: &[Value]) -> Value {
        let mut pieces = Vec::new();
        let (mut rest, mut at) = (template.shape(), 0);
        while let Some((start, length)) = placeholder(rest) {
            let part = values.get(at).or(values.last()).map_or("◇", |value| value.shape());
            pieces.push(rest[..start].to_owned());
            pieces.push(part.to_owned());
            rest = &rest[start + length..];
            at += 1;
        }
        pieces.push(rest.to_owned());
        let constants: Vec<Value> = pieces.iter().map(|piece| Value::constant(piece)).collect();
        let mut value = Value::written(&constants, ["", "", ""]);
        value.absorb(template);
        values.iter().for_each(|part| value.absorb(part));
        value
    }

    /// Puts the arguments of `append` and the like into the variable it is called on.
    fn added(&self, site: &Site<'a>, base: ExprId, data: &Value, env: &mut Env) {
        let Some(key) = self.root(base) else { return };
        if !data.carries() && env.get(key).is_none() {
            return;
        }
        let mut held = env.get(key).cloned().unwrap_or_default();
        let before = held.shape.take().unwrap_or_else(|| if held.carries() { DATA.into() } else { "".into() });
        held.absorb(data);
        if site.values.len() == 1 {
            held.shape = Value::written(&[Value::constant(&before), site.values[0].clone()], ["", "", ""]).shape;
        }
        env.set(key, held);
    }

    /// What a call does besides giving a value.
    fn effects(&mut self, site: &Site<'a>, env: &mut Env) {
        let mut data = Value::default();
        site.values.iter().for_each(|value| data.absorb(value));
        if let Some((base, receiver)) = &site.receiver {
            if names::adds_to_receiver(&site.last) {
                self.added(site, *base, &data, env);
            }
            data.absorb(receiver);
        }
        if let Some(&at) = self.facts.writers.get(&site.paths).filter(|_| data.carries())
            && let Some(key) = site.call.arguments.get(at).and_then(|argument| self.root(argument.value))
        {
            env.add(key, &data.data());
        }
        if self.facts.exits.get(&site.paths).is_some() {
            env.dead = true;
        }
    }
}

impl Selector {
    /// Whether this names the argument at a place, which may have a name.
    fn takes(&self, at: usize, name: Option<&str>) -> bool {
        match self {
            Self::Position(position) => name.is_none() && *position == at,
            Self::Name(wanted) => name == Some(&**wanted),
        }
    }
}

fn last_part(path: &str) -> Arc<str> {
    path.rsplit('.').next().unwrap_or(path).into()
}

/// Where the first placeholder of a template is and how many bytes it has: `{}`, `{name}`, `%s`, `%(name)s`.
fn placeholder(template: &str) -> Option<(usize, usize)> {
    let bytes = template.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| matches!(byte, b'{' | b'%')) {
        let start = at + found;
        let rest = &template[start..];
        let length = if bytes[start] == b'{' {
            rest.find('}').filter(|&end| end < 40).map(|end| end + 1)
        } else {
            conversion(&rest[1..]).map(|length| length + 1)
        };
        if let Some(length) = length {
            return Some((start, length));
        }
        at = start + 1;
    }
    None
}

/// The bytes of a `%` conversion after its sign.
fn conversion(rest: &str) -> Option<usize> {
    let end = rest.find(|c: char| c.is_ascii_alphabetic() && !rest.starts_with('('));
    let end = if rest.starts_with('(') { rest.find(')').map(|close| close + 1) } else { end }?;
    let flags = rest[..end].bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'#' | b'$'));
    let letter = rest.as_bytes().get(end).is_some_and(|byte| b"sdvqxrfieTtpXcgbou".contains(byte));
    ((flags || rest.starts_with('(')) && letter && end < 40).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_all_languages_are_found() {
        assert_eq!(placeholder("a {} b"), Some((2, 2)));
        assert_eq!(placeholder("100% of %-5s"), Some((8, 4)));
        assert_eq!(placeholder("%(name)s"), Some((0, 8)));
        assert_eq!(placeholder("%5"), None);
        assert_eq!(placeholder("ü%"), None);
    }
}
