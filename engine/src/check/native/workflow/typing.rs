//! Is each expression one that GitHub can compute, of names that are there?

use super::{
    FileKind, Report, Workflow,
    expression::{Ast, Node, Operator},
    sites::{self, Site},
    types::{self, Type},
};

/// Something wrong with an expression.
struct Problem<'a> {
    at: &'a Ast,
    what: String,
    about: About,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    /// A context or function that nothing has.
    Name,
    /// A property that its object does not have.
    Property,
    /// A value of the wrong kind.
    Kind,
}

/// An expression that does not parse.
pub(super) fn syntax(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    for site in sites::all(workflow).iter().filter(|site| is_read(site)) {
        for template in &site.templates {
            if let Err(error) = &template.ast {
                let end = site.scalar.text.len().max(error.at);
                let span = site.scalar.range(error.at.min(end)..(error.at + 1).min(end));
                report.say(span, format!("this is not an expression: {}", error.why));
            }
        }
    }
}

/// Texts for people are not computed.
fn is_read(site: &Site<'_>) -> bool {
    !matches!(site.path.last(), Some(&"description"))
}

/// A context or function that is not there.
pub(super) fn name(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    problems(workflow, report, About::Name);
}

/// A property that is not there, and so empty.
pub(super) fn property(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    problems(workflow, report, About::Property);
}

/// A value of a kind that cannot stand where it does.
pub(super) fn kind(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    problems(workflow, report, About::Kind);
}

fn problems(workflow: &Workflow<'_>, report: &mut Report<'_>, about: About) {
    for site in sites::all(workflow).iter().filter(|site| is_read(site)) {
        let mut inference = Inference { workflow, site, problems: Vec::new() };
        for ast in site.asts() {
            let kind = inference.kind(ast);
            inference.placed(ast, &kind);
        }
        for problem in inference.problems.into_iter().filter(|problem| problem.about == about) {
            report.say(site.range(problem.at), problem.what);
        }
    }
}

/// A context or function where GitHub does not have it yet.
pub(super) fn availability(workflow: &Workflow<'_>, report: &mut Report<'_>) {
    if workflow.kind != FileKind::Workflow {
        return;
    }
    for site in sites::all(workflow) {
        let Some(allowed) = types::availability(&site.path).filter(|_| is_read(&site)) else { continue };
        let mut found = Vec::new();
        for ast in site.asts() {
            ast.walk(&mut |part| match &part.node {
                Node::Context(name) if types::CONTEXTS.contains(&&**name) && !allowed.contexts.contains(&&**name) => {
                    found.push((site.range(part), format!("`{name}` is not there yet when this is computed")));
                }
                Node::Call(name, _) if is_status(name) && !allowed.status => {
                    found.push((site.range(part), format!("`{name}()` can only be called in an `if`")));
                }
                Node::Call(name, _) if name == "hashfiles" && !allowed.hash_files => {
                    found.push((site.range(part), "`hashFiles()` can only be called in a step".to_owned()));
                }
                _ => {}
            });
        }
        found.into_iter().for_each(|(span, what)| report.say(span, what));
    }
}

fn is_status(name: &str) -> bool {
    matches!(name, "always" | "success" | "failure" | "cancelled")
}

struct Inference<'w, 's, 'a> {
    workflow: &'w Workflow<'a>,
    site: &'s Site<'a>,
    problems: Vec<Problem<'s>>,
}

impl<'s> Inference<'_, 's, '_> {
    fn say(&mut self, at: &'s Ast, about: About, what: String) {
        self.problems.push(Problem { at, what, about });
    }

    fn kind(&mut self, ast: &'s Ast) -> Type {
        match &ast.node {
            Node::Null => Type::Null,
            Node::Bool(_) => Type::Bool,
            Node::Number(_) => Type::Number,
            Node::Text(_) => Type::Text,
            Node::Context(name) => self.context(ast, name),
            Node::Property(object, name) => {
                let object = self.kind(object);
                self.property(ast, object, name)
            }
            Node::Index(object, index) => self.index(object, index),
            Node::Star(object) => match self.kind(object) {
                Type::List(item) => Type::List(item),
                Type::Object { known, open: false } => {
                    let item = known.into_values().reduce(Type::or).unwrap_or(Type::Any);
                    Type::List(Box::new(item))
                }
                Type::Object { .. } => Type::List(Box::new(Type::Any)),
                _ => Type::Any,
            },
            Node::Call(name, arguments) => self.call(ast, name, arguments),
            Node::Not(inner) => {
                self.kind(inner);
                Type::Bool
            }
            Node::Binary(operator, a, b) => self.binary(ast, *operator, a, b),
        }
    }

    fn context(&mut self, ast: &'s Ast, name: &str) -> Type {
        if !types::CONTEXTS.contains(&name) {
            self.say(ast, About::Name, format!("there is no context `{name}`; a text is written in single quotes"));
            return Type::Any;
        }
        types::context(self.workflow, name, self.site.job, self.site.step)
    }

    fn property(&mut self, ast: &'s Ast, object: Type, name: &str) -> Type {
        match object {
            Type::Object { mut known, open } => match known.remove(name) {
                Some(kind) => kind,
                None if open => Type::Any,
                None => {
                    self.say(ast, About::Property, missing(ast, name));
                    Type::Any
                }
            },
            Type::List(item) => match *item {
                Type::Object { mut known, .. } => Type::List(Box::new(known.remove(name).unwrap_or(Type::Any))),
                _ => Type::Any,
            },
            _ => Type::Any,
        }
    }

    fn index(&mut self, object: &'s Ast, index: &'s Ast) -> Type {
        let (container, key) = (self.kind(object), self.kind(index));
        match (container, key) {
            (Type::List(_), Type::Text | Type::Bool) => {
                self.say(index, About::Kind, "a list is indexed by a number".to_owned());
                Type::Any
            }
            (Type::Object { .. }, Type::Bool | Type::Number) => {
                self.say(index, About::Kind, "an object is indexed by a text".to_owned());
                Type::Any
            }
            (Type::List(item), _) => *item,
            _ => Type::Any,
        }
    }

    fn binary(&mut self, ast: &'s Ast, operator: Operator, a: &'s Ast, b: &'s Ast) -> Type {
        let told = self.problems.len();
        let left = self.kind(a);
        if operator == Operator::Or && a.path().is_some() {
            // `x.y || 'default'` is how an absent property is provided for.
            self.problems.truncate(told);
        }
        let right = self.kind(b);
        match operator {
            Operator::And => Type::or(left, right),
            Operator::Or => match left {
                Type::Null => right,
                left => left.or(right),
            },
            _ => {
                let ordered = !matches!(operator, Operator::Equal | Operator::NotEqual);
                if !comparable(&left, &right, ordered) {
                    let what =
                        format!("{} is compared with {}, which is never what it seems", left.name(), right.name());
                    self.say(ast, About::Kind, what);
                }
                Type::Bool
            }
        }
    }

    fn call(&mut self, ast: &'s Ast, name: &str, arguments: &'s [Ast]) -> Type {
        let kinds: Vec<Type> = arguments.iter().map(|argument| self.kind(argument)).collect();
        let Some((least, most, result)) = signature(name) else {
            self.say(ast, About::Name, format!("there is no function `{name}`"));
            return Type::Any;
        };
        if arguments.len() < least || arguments.len() > most {
            self.say(ast, About::Kind, format!("`{name}` does not take {} arguments", arguments.len()));
            return result;
        }
        match name {
            "startswith" | "endswith" => {
                let wrong = kinds.iter().position(|kind| matches!(kind, Type::List(_) | Type::Object { .. }));
                if let Some(at) = wrong {
                    self.say(
                        &arguments[at],
                        About::Kind,
                        format!("`{name}` takes texts, and this is {}", kinds[at].name()),
                    );
                }
            }
            "format" => self.format(arguments),
            "fromjson" => return self.json(&arguments[0]),
            _ => {}
        }
        result
    }

    fn format(&mut self, arguments: &'s [Ast]) {
        let Some((Ast { node: Node::Text(pattern), .. }, rest)) = arguments.split_first() else { return };
        let used = placeholders(pattern);
        if let Some(highest) = used.iter().max().filter(|&&highest| highest >= rest.len()) {
            self.say(&arguments[0], About::Kind, format!("`{{{highest}}}` has no argument"));
        } else if let Some(idle) = (0..rest.len()).find(|at| !used.contains(at)) {
            self.say(&rest[idle], About::Kind, format!("the format never uses this argument, `{{{idle}}}`"));
        }
    }

    fn json(&mut self, argument: &'s Ast) -> Type {
        let Node::Text(text) = &argument.node else { return Type::Any };
        match serde_json::from_str::<serde_json::Value>(text) {
            Ok(value) => of_json(&value),
            Err(error) => {
                self.say(argument, About::Kind, format!("this is not JSON: {error}"));
                Type::Any
            }
        }
    }

    /// Whether the whole expression fits where it stands.
    fn placed(&mut self, ast: &'s Ast, kind: &Type) {
        let path = &*self.site.path;
        let last = path.last().copied().unwrap_or_default();
        let is_container = matches!(kind, Type::Object { .. } | Type::List(_) | Type::Null);
        let in_step = path.get(2) == Some(&"steps") || path.get(1) == Some(&"steps");
        let wants_text =
            in_step && (last == "run" || (path.len() >= 2 && matches!(path[path.len() - 2], "env" | "with")));
        let wants_object = matches!(last, "env" | "services" | "strategy" | "matrix") && self.site.is_whole;
        let what = if wants_text && is_container {
            format!("{} becomes a text here that says nothing of it; `toJSON` writes it out", kind.name())
        } else if wants_object && matches!(kind, Type::Text | Type::Number | Type::Bool) && path.len() <= 4 {
            format!("`{last}` is an object, and this is {}", kind.name())
        } else if last == "runs-on"
            && matches!(kind, Type::Object { .. } | Type::Number | Type::Bool)
            && !has_group(kind)
        {
            format!("`runs-on` is a label or a list of them, and this is {}", kind.name())
        } else {
            return;
        };
        self.say(ast, About::Kind, what);
    }
}

fn has_group(kind: &Type) -> bool {
    matches!(kind, Type::Object { known, open } if *open || known.contains_key("group") || known.contains_key("labels"))
}

fn missing(ast: &Ast, name: &str) -> String {
    let Node::Property(object, _) = &ast.node else { return format!("there is no `{name}`") };
    match object.path().map(|path| path.join(".")).as_deref() {
        Some("steps") => format!("no step before this one has the id `{name}`"),
        Some("needs") => format!("the job does not need `{name}`"),
        Some("matrix") => format!("the matrix has no `{name}`"),
        Some("inputs") => format!("there is no input `{name}`"),
        Some(path) => format!("`{path}` has no `{name}`"),
        None => format!("there is no `{name}`"),
    }
}

/// Whether comparing the two can ever say something.
fn comparable(a: &Type, b: &Type, ordered: bool) -> bool {
    let container = |kind: &Type| matches!(kind, Type::List(_) | Type::Object { .. });
    let scalar = |kind: &Type| matches!(kind, Type::Text | Type::Number | Type::Bool);
    let order_less = |kind: &Type| container(kind) || matches!(kind, Type::Null | Type::Bool);
    let mixed = (container(a) && scalar(b)) || (scalar(a) && container(b));
    let both = matches!((a, b), (Type::List(_), Type::Object { .. }) | (Type::Object { .. }, Type::List(_)));
    let lists = matches!((a, b), (Type::List(a), Type::List(b)) if a != b && **a != Type::Any && **b != Type::Any);
    !(mixed || both || lists || (ordered && (order_less(a) || order_less(b))))
}

/// The least and most arguments of a function and what it gives.
fn signature(name: &str) -> Option<(usize, usize, Type)> {
    Some(match name {
        "contains" | "startswith" | "endswith" => (2, 2, Type::Bool),
        "format" => (1, usize::MAX, Type::Text),
        "join" => (1, 2, Type::Text),
        "tojson" => (1, 1, Type::Text),
        "fromjson" => (1, 1, Type::Any),
        "hashfiles" => (1, usize::MAX, Type::Text),
        "case" => (3, usize::MAX, Type::Any),
        "success" | "failure" => (0, usize::MAX, Type::Bool),
        "always" | "cancelled" => (0, 0, Type::Bool),
        _ => return None,
    })
}

/// The numbers in `{…}` of a format, doubled braces aside.
fn placeholders(pattern: &str) -> Vec<usize> {
    let plain = pattern.replace("{{", "").replace("}}", "");
    plain.split('{').skip(1).filter_map(|rest| rest.split_once('}')?.0.trim().parse().ok()).collect()
}

fn of_json(value: &serde_json::Value) -> Type {
    match value {
        serde_json::Value::Null => Type::Null,
        serde_json::Value::Bool(_) => Type::Bool,
        serde_json::Value::Number(_) => Type::Number,
        serde_json::Value::String(_) => Type::Text,
        serde_json::Value::Array(items) => {
            Type::List(Box::new(items.iter().map(of_json).reduce(Type::or).unwrap_or(Type::Any)))
        }
        serde_json::Value::Object(fields) => {
            Type::closed(fields.iter().map(|(name, value)| (name.as_str(), of_json(value))))
        }
    }
}
