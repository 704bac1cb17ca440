//! How is Python read?

use super::*;

pub(super) const DIALECT: Dialect = Dialect { expr, statement };

fn expr(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    match &*node.kind() {
        "identifier" => lower.name(node),
        "attribute" => lower.member(node, "object", "attribute"),
        "subscript" => subscript(lower, node),
        "call" => call(lower, node),
        "string" => string(lower, node),
        "integer" | "float" | "true" | "false" | "none" => lower.literal(node, &node.text()),
        "concatenated_string" => {
            let parts = lower.parts(node);
            lower.add(node, Kind::Text(parts))
        }
        "binary_operator" => binary(lower, node),
        "boolean_operator" => {
            let (left, right) = (lower.field(node, "left"), lower.field(node, "right"));
            let is_and = node.field("operator").is_some_and(|operator| operator.text() == "and");
            lower.add(node, if is_and { Kind::And(left, right) } else { Kind::Or(left, right) })
        }
        "not_operator" => {
            let argument = lower.field(node, "argument");
            lower.add(node, Kind::Not(argument))
        }
        "comparison_operator" => comparison(lower, node),
        "conditional_expression" => {
            let parts = lower.parts(node);
            match parts[..] {
                [then, condition, other] => lower.add(node, Kind::Choice(condition, then, other)),
                _ => lower.add(node, Kind::Pure(parts)),
            }
        }
        "list" | "tuple" | "set" | "expression_list" | "pattern_list" | "tuple_pattern" | "list_pattern" => {
            let parts = lower.parts(node);
            lower.add(node, Kind::List(parts))
        }
        "dictionary" => dictionary(lower, node),
        "list_comprehension" | "set_comprehension" | "generator_expression" | "dictionary_comprehension" => {
            comprehension(lower, node)
        }
        "pair" => lower.field(node, "value"),
        "named_expression" => assignment(lower, node, "name", "value"),
        "assignment" => assignment(lower, node, "left", "right"),
        "augmented_assignment" => augmented(lower, node),
        "lambda" => {
            let id = function(lower, node, Vec::new(), None);
            lower.add(node, Kind::Function(id))
        }
        "await" => {
            let parts = lower.parts(node);
            match parts.first() {
                Some(&part) => lower.add(node, Kind::Await(part)),
                None => lower.add(node, Kind::Opaque),
            }
        }
        "parenthesized_expression"
        | "list_splat"
        | "dictionary_splat"
        | "as_pattern_target"
        | "yield"
        | "list_splat_pattern"
        | "expression_statement" => {
            let parts = lower.parts(node);
            lower.add(node, Kind::Either(parts))
        }
        "type" => lower.add(node, Kind::Opaque),
        _ => lower.pure(node),
    }
}

fn subscript(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let base = lower.field(node, "value");
    match node.field("subscript") {
        Some(key) if key.kind() == "slice" => base,
        Some(key) => {
            let key = lower.expr(&key);
            lower.index(node, base, key)
        }
        None => base,
    }
}

fn call(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let callee = lower.field(node, "function");
    let mut arguments = Vec::new();
    if let Some(list) = node.field("arguments") {
        if list.kind() == "generator_expression" {
            arguments.push(plain(lower.expr(&list)));
        } else {
            for argument in list.named_children().collect::<Vec<_>>() {
                match (&*argument.kind(), argument.field("name")) {
                    ("comment", _) => {}
                    ("keyword_argument", Some(name)) => {
                        let name = Some(lower.word(&name));
                        arguments.push(Argument { name, value: lower.field(&argument, "value") });
                    }
                    _ => arguments.push(plain(lower.expr(&argument))),
                }
            }
        }
    }
    lower.call(node, callee, arguments)
}

fn string(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let mut parts = Vec::new();
    for child in node.named_children().collect::<Vec<_>>() {
        match &*child.kind() {
            "string_content" => parts.push(lower.literal(&child, &child.text())),
            "interpolation" => parts.push(lower.field(&child, "expression")),
            _ => {}
        }
    }
    match parts[..] {
        [] => lower.literal(node, ""),
        [part] if matches!(lower.program.expr(part).kind, Kind::Literal(_)) => part,
        _ => lower.add(node, Kind::Text(parts)),
    }
}

fn binary(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    match node.field("operator").map(|operator| operator.text().into_owned()).as_deref() {
        Some("+") => lower.concatenation(node, "+"),
        // `/` joins paths.
        Some("/") => {
            let leaves = lower.operands(node, |node| {
                node.kind() == "binary_operator" && node.field("operator").is_some_and(|found| found.text() == "/")
            });
            let mut parts = Vec::new();
            for leaf in &leaves {
                if !parts.is_empty() {
                    parts.push(lower.literal(leaf, "/"));
                }
                parts.push(lower.expr(leaf));
            }
            lower.add(node, Kind::Text(parts))
        }
        Some("%") => {
            let template = lower.field(node, "left");
            let values = match node.field("right") {
                Some(tuple) if tuple.kind() == "tuple" => lower.parts(&tuple),
                Some(value) => vec![lower.expr(&value)],
                None => Vec::new(),
            };
            lower.add(node, Kind::Format(template, values))
        }
        Some("|") => {
            let parts = lower.parts(node);
            lower.add(node, Kind::List(parts))
        }
        _ => lower.pure(node),
    }
}

fn comparison(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let parts = lower.parts(node);
    let operator =
        node.field("operators").map(|operator| operator.text().split_whitespace().collect::<Vec<_>>().join(" "));
    let comparison = match operator.as_deref() {
        Some("==" | "is") => Some(Comparison::Equal),
        Some("!=" | "is not") => Some(Comparison::Unequal),
        Some("in") => Some(Comparison::In),
        Some("not in") => Some(Comparison::NotIn),
        // The first word of a two-word operator may be a token of its own.
        Some("not") => Some(Comparison::NotIn),
        _ => None,
    };
    match (comparison, &parts[..]) {
        (Some(comparison), &[left, right]) => lower.add(node, Kind::Compare(comparison, left, right)),
        _ => lower.add(node, Kind::Pure(parts)),
    }
}

fn dictionary(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let mut fields = Vec::new();
    for child in node.named_children().collect::<Vec<_>>() {
        let key = child.field("key").filter(|key| key.kind() == "string");
        let key = key.map(|key| lower.program.word(unquoted(&key.text())));
        fields.push((key, lower.expr(&child)));
    }
    lower.add(node, Kind::Record(fields))
}

fn comprehension(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let (mut binds, mut conditions) = (Vec::new(), Vec::new());
    for child in node.named_children().collect::<Vec<_>>() {
        match &*child.kind() {
            "for_in_clause" => binds.push((lower.field(&child, "left"), lower.field(&child, "right"))),
            "if_clause" => conditions.extend(lower.parts(&child)),
            _ => {}
        }
    }
    let result = lower.field(node, "body");
    lower.add(node, Kind::Comprehension { binds, conditions, result })
}

fn assignment(lower: &mut Lowering, node: &Node<'_>, target: &str, value: &str) -> ExprId {
    let target = lower.field(node, target);
    let value = match (node.field(value), node.field("type")) {
        (Some(value), _) => lower.expr(&value),
        (None, Some(declared)) => {
            let path = lower.type_path(&declared.text());
            let opaque = lower.add(node, Kind::Opaque);
            lower.add(node, Kind::Typed(opaque, path))
        }
        (None, None) => return target,
    };
    lower.assign(node, target, value)
}

fn augmented(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let (target, value) = (lower.field(node, "left"), lower.field(node, "right"));
    if node.field("operator").is_some_and(|operator| matches!(&*operator.text(), "+=" | "/=" | "|=")) {
        lower.add(node, Kind::Assign { target, value, adds: true })
    } else {
        lower.add(node, Kind::Pure(vec![value]))
    }
}

fn statement(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    match &*node.kind() {
        "comment" | "pass_statement" | "global_statement" | "nonlocal_statement" => {}
        "import_statement" | "import_from_statement" => import(lower, node),
        "function_definition" => define(lower, node, Vec::new(), block),
        "decorated_definition" => decorated(lower, node, block),
        "class_definition" => class(lower, node, block),
        "return_statement" => {
            let value = lower.parts(node).first().copied();
            block.push(Stmt::Return(value));
        }
        "raise_statement" => {
            let value = lower.parts(node).first().copied();
            block.push(Stmt::Throw(value));
        }
        "break_statement" | "continue_statement" => block.push(Stmt::Jump),
        "if_statement" => branch(lower, node, block),
        "for_statement" => {
            let bind = Some((lower.field(node, "left"), lower.field(node, "right")));
            let body = lower.block_of(node.field("body"));
            block.push(Stmt::Loop { bind, condition: None, body });
            else_of_loop(lower, node, block);
        }
        "while_statement" => {
            let condition = Some(lower.field(node, "condition"));
            let body = lower.block_of(node.field("body"));
            block.push(Stmt::Loop { bind: None, condition, body });
            else_of_loop(lower, node, block);
        }
        "try_statement" => attempt(lower, node, block),
        "with_statement" => with(lower, node, block),
        "match_statement" => choose(lower, node, block),
        "block" => block.push(Stmt::Block(lower.block(node))),
        "assert_statement" => {
            let condition = lower.parts(node).first().copied();
            if let Some(condition) = condition {
                block.push(Stmt::If { condition, then: Block::new(), other: vec![Stmt::Throw(None)] });
            }
        }
        _ => block.push(Stmt::Expr(lower.expr(node))),
    }
}

fn import(lower: &mut Lowering, node: &Node<'_>) {
    let module = node.field("module_name").map(|module| module.text().trim_start_matches('.').to_owned());
    for name in node.field_children("name").collect::<Vec<_>>() {
        let (path, alias) = match name.field("alias") {
            Some(alias) => (name.field("name").map(|name| name.text().into_owned()), Some(alias.text().into_owned())),
            None => (Some(name.text().into_owned()), None),
        };
        let Some(path) = path else { continue };
        match (&module, alias) {
            (Some(module), alias) => lower.import(alias.as_ref().unwrap_or(&path), &format!("{module}.{path}")),
            (None, Some(alias)) => lower.import(&alias, &path),
            (None, None) => {
                let first = path.split('.').next().unwrap_or(&path);
                lower.import(first, first);
            }
        }
    }
}

fn define(lower: &mut Lowering, node: &Node<'_>, marks: Vec<Arc<str>>, block: &mut Block) {
    let name = node.field("name").map(|name| lower.word(&name));
    let id = function(lower, node, marks, name);
    let defined = lower.add(node, Kind::Function(id));
    block.push(Stmt::Expr(defined));
}

fn decorated(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let marks = node.named_children().filter(|child| child.kind() == "decorator").map(|child| child.text().into());
    let marks: Vec<Arc<str>> = marks.collect();
    match node.field("definition") {
        Some(definition) if definition.kind() == "function_definition" => define(lower, &definition, marks, block),
        Some(definition) => lower.statement(&definition, block),
        None => {}
    }
}

fn class(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let name = node.field("name").map(|name| lower.word(&name));
    let outer = std::mem::replace(&mut lower.class, name);
    let body = lower.block_of(node.field("body"));
    lower.class = outer;
    block.push(Stmt::Block(body));
}

fn function(lower: &mut Lowering, node: &Node<'_>, marks: Vec<Arc<str>>, name: Option<Word>) -> FunctionId {
    let is_method = lower.class.is_some() && name.is_some();
    let mut parameters = Vec::new();
    if let Some(list) = node.field("parameters") {
        for child in list.named_children().collect::<Vec<_>>() {
            parameters.extend(parameter(lower, &child));
        }
    }
    if is_method && !marks.iter().any(|mark| mark.contains("staticmethod")) && !parameters.is_empty() {
        parameters.remove(0);
    }
    let class = lower.class.take();
    let id = lower.function(Head { name, class, parameters, marks }, |lower| match node.field("body") {
        Some(body) if body.kind() == "block" => lower.block(&body),
        Some(body) => vec![Stmt::Return(Some(lower.expr(&body)))],
        None => Block::new(),
    });
    lower.class = class;
    id
}

fn parameter(lower: &mut Lowering, node: &Node<'_>) -> Option<Parameter> {
    let name = match &*node.kind() {
        "identifier" => node.clone(),
        "default_parameter" | "typed_default_parameter" => node.field("name")?,
        "typed_parameter" | "list_splat_pattern" | "dictionary_splat_pattern" => node.named_children().next()?,
        _ => return None,
    };
    let of_type = node.field("type").map(|declared| lower.type_path(optional(&declared.text())));
    let mut parameter = lower.parameter(&name, of_type);
    parameter.marks.extend(node.field("value").map(|value| Arc::from(&*value.text())));
    Some(parameter)
}

/// `str` of `Optional[str]`, `Annotated[str, …]` and `list[str]`.
fn optional(text: &str) -> &str {
    match text.split_once('[') {
        Some(("Optional" | "typing.Optional" | "Annotated" | "list" | "List" | "Union", inner)) => inner,
        _ => text,
    }
}

fn branch(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let condition = lower.field(node, "condition");
    let then = lower.block_of(node.field("consequence"));
    let alternatives: Vec<_> = node.field_children("alternative").collect();
    let other = alternatives_of(lower, &alternatives);
    block.push(Stmt::If { condition, then, other });
}

fn alternatives_of(lower: &mut Lowering, clauses: &[Node<'_>]) -> Block {
    let mut other = Block::new();
    for clause in clauses.iter().rev() {
        if clause.kind() == "elif_clause" {
            let condition = lower.field(clause, "condition");
            let then = lower.block_of(clause.field("consequence"));
            other = vec![Stmt::If { condition, then, other }];
        } else {
            other = lower.block_of(clause.field("body"));
        }
    }
    other
}

fn else_of_loop(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    if let Some(clause) = node.field("alternative") {
        let body = lower.block_of(clause.field("body"));
        block.push(Stmt::Block(body));
    }
}

fn attempt(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let mut body = lower.block_of(node.field("body"));
    let (mut handlers, mut last) = (Vec::new(), Block::new());
    for clause in node.named_children().collect::<Vec<_>>() {
        let inner = clause.named_children().find(|child| child.kind() == "block");
        match &*clause.kind() {
            "except_clause" | "except_group_clause" => handlers.push(lower.block_of(inner)),
            "else_clause" => body.extend(lower.block_of(clause.field("body"))),
            "finally_clause" => last = lower.block_of(inner),
            _ => {}
        }
    }
    block.push(Stmt::Try { body, handlers, last });
}

fn with(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let clause = node.named_children().find(|child| child.kind() == "with_clause");
    for item in clause.iter().flat_map(|clause| clause.named_children().collect::<Vec<_>>()) {
        let Some(value) = item.field("value") else { continue };
        let part = match (value.kind() == "as_pattern", value.field("alias")) {
            (true, Some(alias)) => {
                let held = value.named_children().next();
                let held = lower.optional(held);
                let target = lower.expr(&alias);
                held.map(|held| lower.assign(&value, target, held))
            }
            _ => Some(lower.expr(&value)),
        };
        block.extend(part.map(Stmt::Expr));
    }
    let body = lower.block_of(node.field("body"));
    block.push(Stmt::Block(body));
}

fn choose(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let subject = node.field("subject").map(|subject| lower.expr(&subject));
    let mut cases = Vec::new();
    let clauses = node.field("body").map(|body| body.named_children().collect::<Vec<_>>()).unwrap_or_default();
    for clause in clauses.iter().filter(|child| child.kind() == "case_clause") {
        let patterns: Vec<_> = clause.named_children().filter(|child| child.kind() == "case_pattern").collect();
        let is_constant = |pattern: &Node<'_>| pattern.text().starts_with(['"', '\'']);
        let constant = !patterns.is_empty() && patterns.iter().all(is_constant);
        let labels =
            if constant { patterns.iter().map(|label| lower.literal(label, "")).collect() } else { Vec::new() };
        cases.push(Case { labels, body: lower.block_of(clause.field("consequence")) });
    }
    block.push(Stmt::Switch { subject, cases });
}
