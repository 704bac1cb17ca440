//! Which data reaches which sink? Statements are followed in order; branches are joined and loops run twice.

mod call;
mod expr;
mod guard;

use std::{collections::HashMap, ops::Range, sync::Arc};

use super::{
    facts::Facts,
    program::{Block, Case, ExprId, Function, FunctionId, Kind, Parameter, Program, Stmt, Word},
    spec::{Sink, Spec},
    value::{DATA, Env, Step, Trace, Value, filled},
};

/// A file that needs more work than this for each of its expressions is given up, and nothing is said of it. The
/// unit is one expression evaluated or one variable copied.
const MOST_WORK_EACH: usize = 40;

/// What any file may need.
const LEAST_WORK: usize = 20_000;

/// What no file may need: about a tenth of a second.
const MOST_WORK: usize = 400_000;

/// How often all functions are followed so that what they do for each other is known.
const MOST_ROUNDS: usize = 4;

/// A parameter reaches at most this many sinks that are told.
const MOST_SINKS: usize = 16;

/// Hostile data at a sink.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    /// The call or assignment.
    pub(super) range: Range<usize>,
    /// What is called or assigned, as written.
    pub(super) sink: String,
    pub(super) trace: Arc<Trace>,
}

/// A sink that a parameter's data reaches.
#[derive(Debug, Clone)]
struct Reach {
    range: Range<usize>,
    label: String,
    sink: Arc<Sink>,
    /// What is known of the text there.
    shape: Arc<str>,
    steps: Vec<Step>,
}

/// Everything a rule has to say of a program, in order of place; none where following it takes too long.
pub(super) fn follow(program: &Program, facts: &Facts, spec: &Spec, text: &str) -> Option<Vec<Hit>> {
    let mut flow = Flow::new(program, facts, spec, text);
    for _ in 0..MOST_ROUNDS {
        flow.changed = false;
        flow.hits.clear();
        flow.round();
        if flow.is_spent() {
            return None;
        }
        if !flow.changed {
            break;
        }
    }
    Some(outermost(flow.hits))
}

/// Each place once, in order; a sink that is an argument of another one is told there.
fn outermost(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| (hit.range.start, std::cmp::Reverse(hit.range.end)));
    let mut kept: Vec<Hit> = Vec::new();
    for hit in hits {
        if kept.last().is_none_or(|last| hit.range.end > last.range.end) {
            kept.push(hit);
        }
    }
    kept
}

struct Flow<'a> {
    program: &'a Program,
    facts: &'a Facts,
    spec: &'a Spec,
    text: &'a str,
    /// What each function returns.
    returns: Vec<Value>,
    /// The sinks each parameter reaches.
    reached: Vec<Vec<Reach>>,
    by_name: HashMap<Word, Vec<FunctionId>>,
    globals: Env,
    hits: Vec<Hit>,
    changed: bool,
    work: usize,
    most_work: usize,
    /// The function being followed and what it has returned so far.
    function: Option<FunctionId>,
    returned: Value,
    /// What holds where loops are left early.
    jumps: Vec<Env>,
}

impl<'a> Flow<'a> {
    fn new(program: &'a Program, facts: &'a Facts, spec: &'a Spec, text: &'a str) -> Self {
        let mut by_name: HashMap<Word, Vec<FunctionId>> = HashMap::new();
        for (at, function) in program.functions.iter().enumerate() {
            if let Some(name) = function.name {
                by_name.entry(name).or_default().push(FunctionId(at as u32));
            }
        }
        Self {
            program,
            facts,
            spec,
            text,
            returns: vec![Value::default(); program.functions.len()],
            reached: vec![Vec::new(); program.parameter_count as usize],
            by_name,
            globals: Env::default(),
            hits: Vec::new(),
            changed: false,
            work: 0,
            most_work: (program.exprs.len() * MOST_WORK_EACH).clamp(LEAST_WORK, MOST_WORK),
            function: None,
            returned: Value::default(),
            jumps: Vec::new(),
        }
    }

    fn is_spent(&self) -> bool {
        self.work > self.most_work
    }

    /// A copy of what is known, for the other branch.
    fn fork(&mut self, env: &Env) -> Env {
        self.work += env.size() / 4;
        env.clone()
    }

    fn round(&mut self) {
        let mut env = Env::default();
        self.block(&self.program.top, &mut env);
        env.dead = false;
        self.globals = env;
        for (at, function) in self.program.functions.iter().enumerate() {
            if !function.nested {
                self.function(FunctionId(at as u32), function, Env::default(), None);
            }
        }
    }

    /// Follows a function's body. `given` is data its caller is known to hand to each parameter.
    fn function(&mut self, id: FunctionId, function: &'a Function, mut env: Env, given: Option<&Value>) {
        if self.is_spent() {
            return;
        }
        for (at, parameter) in function.parameters.iter().enumerate() {
            let mut value = self.parameter(function, parameter, at);
            if let Some(given) = given {
                value.absorb(given);
            }
            self.bind(parameter.target, &value, &mut env);
        }
        let outer = (self.function.replace(id), std::mem::take(&mut self.returned), std::mem::take(&mut self.jumps));
        self.block(&function.body, &mut env);
        let returned;
        (self.function, returned, self.jumps) = (outer.0, std::mem::replace(&mut self.returned, outer.1), outer.2);
        let held = &mut self.returns[id.0 as usize];
        let fresh = held.trace.is_none() && returned.trace.is_some() || held.parameters != returned.parameters;
        if fresh || held.shape != returned.shape && !held.carries() {
            self.changed = true;
        }
        *held = returned;
    }

    fn parameter(&self, function: &Function, parameter: &Parameter, at: usize) -> Value {
        let named = self.facts.parameters.iter().find(|known| self.is_known_as(known, function, parameter, at));
        let of_type = named.map(|known| Arc::clone(&known.of_type)).or_else(|| parameter.of_type.clone());
        let mut value = Value {
            paths: [of_type, None],
            parameters: vec![function.first_parameter + at as u32],
            ..Value::default()
        };
        let sources = self.spec.groups.iter().map(|&group| (group, &self.facts.groups[group]));
        for (group, facts) in sources {
            if facts.parameters.iter().any(|source| self.is_source(source, function, parameter)) {
                let name = parameter.name.map_or("it", |name| self.program.text(name));
                let note = format!("`{name}` comes from {} here", facts.what);
                let steps = vec![Step { range: parameter.range.clone(), note }];
                value.trace = Some(Arc::new(Trace { group, steps }));
                break;
            }
        }
        value
    }

    fn is_known_as(&self, known: &super::facts::Typed, function: &Function, parameter: &Parameter, at: usize) -> bool {
        let name = |parameter: &Parameter| parameter.name.map(|name| self.program.text(name));
        name(parameter).is_some_and(|name| known.name.is_match(name))
            && parameter.of_type.is_none()
            && known.position.is_none_or(|position| position == at)
            && known
                .beside
                .as_ref()
                .is_none_or(|beside| function.parameters.iter().filter_map(name).any(|other| beside.is_match(other)))
    }

    fn is_source(&self, source: &super::facts::ParameterSource, function: &Function, parameter: &Parameter) -> bool {
        let name = parameter.name.map_or("", |name| self.program.text(name));
        let function_name = function.name.map_or("", |name| self.program.text(name));
        let of_type = parameter.of_type.as_deref().unwrap_or("");
        let any = |marks: &[Arc<str>], regex: &regex::Regex| marks.iter().any(|mark| regex.is_match(mark));
        let converted =
            |mark: &Arc<str>| ["int", "float", "uuid"].iter().any(|kind| mark.contains(&format!("<{kind}:{name}>")));
        source.name.as_ref().is_none_or(|regex| regex.is_match(name))
            && source.function.as_ref().is_none_or(|regex| regex.is_match(function_name))
            && source.function_mark.as_ref().is_none_or(|regex| any(&function.marks, regex))
            && source.mark.as_ref().is_none_or(|regex| any(&parameter.marks, regex))
            && !source.not_mark.as_ref().is_some_and(|regex| any(&parameter.marks, regex))
            && source.of_type.as_ref().is_none_or(|regex| regex.is_match(of_type))
            && !source.not_type.as_ref().is_some_and(|regex| regex.is_match(of_type))
            && !function.marks.iter().any(converted)
    }

    fn block(&mut self, block: &'a Block, env: &mut Env) {
        for stmt in block {
            if env.dead || self.is_spent() {
                return;
            }
            self.statement(stmt, env);
        }
    }

    fn statement(&mut self, stmt: &'a Stmt, env: &mut Env) {
        match stmt {
            Stmt::Expr(expr) => self.expression_statement(*expr, env),
            Stmt::Block(block) => self.block(block, env),
            Stmt::If { condition, then, other } => self.branch(*condition, then, other, env),
            Stmt::Loop { bind, condition, body } => self.repeat(*bind, *condition, body, env),
            Stmt::Switch { subject, cases } => self.switch(*subject, cases, env),
            Stmt::Try { body, handlers, last } => self.attempt(body, handlers, last, env),
            Stmt::Return(value) => self.give_back(*value, env),
            Stmt::Throw(value) => {
                if let Some(value) = value {
                    self.eval(*value, env);
                }
                env.dead = true;
            }
            Stmt::Jump => {
                let jump = self.fork(env);
                self.jumps.push(jump);
                env.dead = true;
            }
        }
    }

    fn expression_statement(&mut self, expr: ExprId, env: &mut Env) {
        if let Kind::Function(id) = self.program.expr(expr).kind {
            self.nested(id, env, None);
            return;
        }
        self.eval(expr, env);
        self.checked_by_name(expr, env);
    }

    /// Follows a function where it is written, with what is known there; outer functions are followed on their own.
    fn nested(&mut self, id: FunctionId, env: &Env, given: Option<&Value>) {
        let function = self.program.function(id);
        if function.nested || given.is_some() {
            let inner = self.fork(env);
            self.function(id, function, inner, given);
        }
    }

    fn branch(&mut self, condition: ExprId, then: &'a Block, other: &'a Block, env: &mut Env) {
        self.eval(condition, env);
        let mut if_not = self.fork(env);
        self.assume(condition, true, env);
        self.assume(condition, false, &mut if_not);
        self.block(then, env);
        self.block(other, &mut if_not);
        env.join(if_not);
    }

    fn repeat(&mut self, bind: Option<(ExprId, ExprId)>, condition: Option<ExprId>, body: &'a Block, env: &mut Env) {
        let outer = std::mem::take(&mut self.jumps);
        let mut left = self.fork(env);
        for _ in 0..2 {
            if let Some((target, values)) = bind {
                let values = self.eval(values, env);
                self.bind(target, &values.data(), env);
            }
            if let Some(condition) = condition {
                self.eval(condition, env);
                self.assume(condition, true, env);
            }
            self.block(body, env);
            for jump in std::mem::take(&mut self.jumps) {
                env.join(jump);
            }
            let again = self.fork(env);
            left.join(again);
            *env = left.clone();
        }
        self.jumps = outer;
    }

    fn switch(&mut self, subject: Option<ExprId>, cases: &'a [Case], env: &mut Env) {
        let value = subject.map(|subject| self.eval(subject, env)).unwrap_or_default();
        let mut after = self.fork(env);
        after.dead = cases.iter().any(|case| case.labels.is_empty());
        for case in cases {
            let mut inner = self.fork(env);
            for &label in &case.labels {
                self.eval(label, &mut inner);
            }
            let constant = |label: &ExprId| matches!(self.program.expr(*label).kind, Kind::Literal(_));
            if !case.labels.is_empty() && subject.is_some() && case.labels.iter().all(constant) {
                inner.cleanse(&value);
            } else if let (None, [condition]) = (subject, &case.labels[..]) {
                self.assume(*condition, true, &mut inner);
            }
            self.block(&case.body, &mut inner);
            after.join(inner);
        }
        *env = after;
    }

    fn attempt(&mut self, body: &'a Block, handlers: &'a [Block], last: &'a Block, env: &mut Env) {
        let before = self.fork(env);
        self.block(body, env);
        let mut thrown = before;
        let finished = self.fork(env);
        thrown.join(finished);
        for handler in handlers {
            let mut inner = self.fork(&thrown);
            self.block(handler, &mut inner);
            env.join(inner);
        }
        let dead = std::mem::take(&mut env.dead);
        self.block(last, env);
        env.dead |= dead;
    }

    fn give_back(&mut self, value: Option<ExprId>, env: &mut Env) {
        if let Some(expr) = value {
            let value = self.eval(expr, env);
            self.sink_of_return(expr, &value);
            self.returned.join(&value);
        }
        env.dead = true;
    }

    fn sink_of_return(&mut self, expr: ExprId, value: &Value) {
        let Some(function) = self.function else { return };
        let marks = &self.program.function(function).marks;
        let sinks: Vec<Arc<Sink>> = self
            .spec
            .returns
            .iter()
            .filter(|(mark, _)| marks.iter().any(|found| mark.is_match(found)))
            .map(|(_, sink)| Arc::clone(sink))
            .collect();
        for sink in &sinks {
            self.arrive(sink, self.program.expr(expr).range.clone(), "return", value);
        }
    }

    /// Tells that a value is in a sink, or notes it for the parameters it comes from.
    fn arrive(&mut self, sink: &Arc<Sink>, range: Range<usize>, label: &str, value: &Value) {
        if !value.carries() {
            return;
        }
        let reach = Reach {
            range,
            label: label.to_owned(),
            sink: Arc::clone(sink),
            shape: value.shape().into(),
            steps: Vec::new(),
        };
        self.tell(&reach, value, None);
    }

    /// `through` is the step from the caller that holds `value` towards the sink.
    fn tell(&mut self, reach: &Reach, value: &Value, through: Option<Step>) {
        if !value.carries() {
            return;
        }
        let shape: Arc<str> =
            if through.is_some() { filled(&reach.shape, value.shape()).into() } else { Arc::clone(&reach.shape) };
        let steps: Vec<Step> = through.into_iter().chain(reach.steps.iter().cloned()).collect();
        let fits = reach.sink.shape.as_ref().is_none_or(|wanted| wanted.is_match(&shape));
        if let Some(trace) = value.trace.as_ref().filter(|_| fits) {
            let trace =
                steps.iter().fold(Arc::clone(trace), |trace, step| trace.then(step.range.clone(), step.note.clone()));
            self.hits.push(Hit { range: reach.range.clone(), sink: reach.label.clone(), trace });
        }
        for &parameter in &value.parameters {
            let known = &mut self.reached[parameter as usize];
            let is_new = known.iter().all(|other| other.range != reach.range || !Arc::ptr_eq(&other.sink, &reach.sink));
            if is_new && known.len() < MOST_SINKS && shape.contains(DATA) {
                known.push(Reach { shape: Arc::clone(&shape), steps: steps.clone(), ..reach.clone() });
                self.changed = true;
            }
        }
    }
}
