//! What does a condition prove?

use super::*;
use crate::check::taint::{names, program::Comparison};

impl<'a> Flow<'a> {
    /// What holds where a condition has turned out true or false: a value that was looked up in a list, compared
    /// with a constant or asked about by a validating function is harmless from there.
    pub(super) fn assume(&mut self, condition: ExprId, truth: bool, env: &mut Env) {
        match &self.program.expr(condition).kind {
            Kind::Not(part) => self.assume(*part, !truth, env),
            Kind::Either(parts) if parts.len() == 1 => self.assume(parts[0], truth, env),
            Kind::And(left, right) | Kind::Or(left, right) => {
                let is_and = matches!(self.program.expr(condition).kind, Kind::And(..));
                if is_and == truth {
                    self.assume(*left, truth, env);
                    self.assume(*right, truth, env);
                } else {
                    self.asked_about(*left, env);
                    self.asked_about(*right, env);
                }
            }
            Kind::Compare(comparison, left, right) => self.compared(*comparison, [*left, *right], truth, env),
            Kind::Call(_) => {
                self.listed(condition, truth, env);
                self.asked_about(condition, env);
            }
            // `if allowed[x]`
            Kind::Index(_, key) if truth => self.prove(*key, env),
            Kind::Assign { value, .. } => self.assume(*value, truth, env),
            _ => {}
        }
    }

    fn compared(&mut self, comparison: Comparison, [left, right]: [ExprId; 2], truth: bool, env: &mut Env) {
        let holds = match comparison {
            Comparison::Equal | Comparison::In => truth,
            Comparison::Unequal | Comparison::NotIn => !truth,
        };
        match comparison {
            Comparison::Equal | Comparison::Unequal => {
                for (side, other) in [(left, right), (right, left)] {
                    match &self.program.expr(other).kind {
                        // `x == ""` and `x != nil` prove nothing worth having.
                        Kind::Literal(text) if text.is_empty() || matches!(&**text, "nil" | "null" | "None") => {}
                        Kind::Literal(_) if holds => self.prove(side, env),
                        _ => {}
                    }
                    self.asked_about(side, env);
                }
            }
            Comparison::In | Comparison::NotIn => {
                let is_text = matches!(self.program.expr(left).kind, Kind::Literal(_));
                if is_text {
                    // `".." in path` and the like: whoever asks has thought of it.
                    self.prove(right, env);
                } else if holds && !self.eval(right, env).carries() {
                    self.prove(left, env);
                }
            }
        }
    }

    /// `ALLOWED.includes(x)` and `slices.Contains(allowed, x)`.
    fn listed(&mut self, condition: ExprId, truth: bool, env: &mut Env) {
        let Kind::Call(call) = &self.program.expr(condition).kind else { return };
        let Some(name) = self.callee_name(call.callee) else { return };
        let is_list = matches!(
            &*name,
            "includes" | "has" | "contains" | "Contains" | "containsKey" | "equals" | "hasOwnProperty"
        );
        if is_list && truth {
            for argument in &call.arguments {
                self.prove(argument.value, env);
            }
        }
    }

    /// A call whose name says that it validates, or that asks about a text's own shape.
    fn asked_about(&mut self, condition: ExprId, env: &mut Env) {
        match &self.program.expr(condition).kind {
            Kind::Not(part) => self.asked_about(*part, env),
            Kind::Either(parts) if parts.len() == 1 => self.asked_about(parts[0], env),
            Kind::And(left, right) | Kind::Or(left, right) | Kind::Compare(_, left, right) => {
                self.asked_about(*left, env);
                self.asked_about(*right, env);
            }
            Kind::Pure(parts) => parts.iter().for_each(|&part| self.asked_about(part, env)),
            Kind::Call(call) => self.validated(call, env),
            _ => {}
        }
    }

    fn validated(&mut self, call: &'a super::super::program::Call, env: &mut Env) {
        if !self.callee_name(call.callee).is_some_and(|name| names::validates(&name)) {
            return;
        }
        let owner = match self.program.expr(call.callee).kind {
            Kind::Member(base, _) => Some(base),
            _ => None,
        };
        for asked in call.arguments.iter().map(|argument| argument.value).chain(owner) {
            self.prove(asked, env);
        }
    }

    /// A statement such as `check_path(name)`, which does not return if it does not like what it sees.
    pub(super) fn checked_by_name(&mut self, expr: ExprId, env: &mut Env) {
        let call = match &self.program.expr(expr).kind {
            Kind::Call(call) => call,
            Kind::Either(parts) | Kind::Pure(parts) if parts.len() == 1 => return self.checked_by_name(parts[0], env),
            Kind::Await(part) => return self.checked_by_name(*part, env),
            // Go: `if err := validate(x); err != nil`.
            Kind::Assign { value, .. } => return self.checked_by_name(*value, env),
            _ => return,
        };
        let Some(name) = self.callee_name(call.callee) else { return };
        if names::validates(&name) && names::cleans(&name) {
            for argument in &call.arguments {
                self.prove(argument.value, env);
            }
        }
    }

    fn callee_name(&self, callee: ExprId) -> Option<Arc<str>> {
        match self.program.expr(callee).kind {
            Kind::Name(word) | Kind::Member(_, word) => Some(Arc::clone(self.program.text(word))),
            _ => None,
        }
    }

    fn prove(&mut self, id: ExprId, env: &mut Env) {
        let value = self.eval(id, env);
        if value.carries() {
            env.cleanse(&value);
            env.proven.insert(self.written(id).into());
        }
    }
}
