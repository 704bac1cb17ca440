//! How is Java read?

use super::*;

pub(super) const DIALECT: Dialect = Dialect { expr, statement };

fn expr(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    match &*node.kind() {
        "identifier" | "this" | "super" | "type_identifier" => lower.name(node),
        "field_access" => field_access(lower, node),
        "array_access" => {
            let (base, key) = (lower.field(node, "array"), lower.field(node, "index"));
            lower.index(node, base, key)
        }
        "method_invocation" => invocation(lower, node),
        "object_creation_expression" => creation(lower, node),
        "string_literal" => lower.literal(node, unquoted(&node.text())),
        "decimal_integer_literal"
        | "decimal_floating_point_literal"
        | "hex_integer_literal"
        | "character_literal"
        | "true"
        | "false"
        | "null_literal" => lower.literal(node, &node.text()),
        "binary_expression" => binary(lower, node),
        "unary_expression" => {
            let operand = lower.field(node, "operand");
            let is_not = node.field("operator").is_some_and(|operator| operator.text() == "!");
            lower.add(node, if is_not { Kind::Not(operand) } else { Kind::Pure(vec![operand]) })
        }
        "ternary_expression" => {
            let condition = lower.field(node, "condition");
            let (then, other) = (lower.field(node, "consequence"), lower.field(node, "alternative"));
            lower.add(node, Kind::Choice(condition, then, other))
        }
        "assignment_expression" => {
            let (target, value) = (lower.field(node, "left"), lower.field(node, "right"));
            let adds = node.field("operator").is_some_and(|operator| operator.text() == "+=");
            lower.add(node, Kind::Assign { target, value, adds })
        }
        "cast_expression" => {
            let value = lower.field(node, "value");
            typed(lower, node, value)
        }
        "lambda_expression" => {
            let id = lambda(lower, node);
            lower.add(node, Kind::Function(id))
        }
        "array_initializer" => {
            let parts = lower.parts(node);
            lower.add(node, Kind::List(parts))
        }
        "array_creation_expression" => lower.field(node, "value"),
        "parenthesized_expression" | "expression_statement" => {
            let parts = lower.parts(node);
            lower.add(node, Kind::Either(parts))
        }
        "switch_expression" => {
            let mut block = Block::new();
            choose(lower, node, &mut block);
            lower.add(node, Kind::Opaque)
        }
        "line_comment" | "block_comment" | "class_literal" | "method_reference" => lower.add(node, Kind::Opaque),
        _ => lower.pure(node),
    }
}

/// A class named in full is known by its last name, as all classes are here.
fn field_access(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let text = node.text();
    let field = node.field("field");
    let is_package = |object: &str| object.split('.').all(|part| part.starts_with(|c: char| c.is_ascii_lowercase()));
    match (text.rsplit_once('.'), field) {
        (Some((object, name)), Some(field))
            if object.contains('.') && is_package(object) && name.starts_with(|c: char| c.is_ascii_uppercase()) =>
        {
            lower.name(&field)
        }
        _ => lower.member(node, "object", "field"),
    }
}

fn arguments(lower: &mut Lowering, node: &Node<'_>) -> Vec<Argument> {
    let list = node.field("arguments");
    let arguments: Vec<_> = list.iter().flat_map(|list| list.named_children().collect::<Vec<_>>()).collect();
    arguments.iter().filter(|node| !node.kind().ends_with("comment")).map(|node| plain(lower.expr(node))).collect()
}

fn invocation(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let callee = match node.field("object") {
        Some(_) => lower.member(node, "object", "name"),
        None => lower.field(node, "name"),
    };
    let arguments = arguments(lower, node);
    lower.call(node, callee, arguments)
}

/// `new T(…)` calls `new T` and is a `T`.
fn creation(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let name = node.field("type").map(|node| simple(&node.text()).to_owned()).unwrap_or_default();
    let word = lower.program.word(&format!("new {name}"));
    let callee = lower.add(node, Kind::Name(word));
    let arguments = arguments(lower, node);
    let call = lower.call(node, callee, arguments);
    for body in node.named_children().filter(|child| child.kind() == "class_body").collect::<Vec<_>>() {
        let mut block = Block::new();
        members(lower, &body, &mut block);
        lower.program.top.append(&mut block);
    }
    lower.add(node, Kind::Typed(call, name.into()))
}

fn typed(lower: &mut Lowering, node: &Node<'_>, value: ExprId) -> ExprId {
    match node.field("type").map(|node| simple(&node.text()).to_owned()) {
        Some(name) if name != "var" => lower.add(node, Kind::Typed(value, name.into())),
        _ => value,
    }
}

/// A type's last name without its arguments.
fn simple(text: &str) -> &str {
    let end = text.find(['<', '[', ' ']).unwrap_or(text.len());
    text[..end].rsplit('.').next().unwrap_or("")
}

fn binary(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let operator = node.field("operator").map(|operator| operator.text().into_owned()).unwrap_or_default();
    if operator == "+" {
        return lower.concatenation(node, "+");
    }
    let (left, right) = (lower.field(node, "left"), lower.field(node, "right"));
    let kind = match &*operator {
        "&&" => Kind::And(left, right),
        "||" => Kind::Or(left, right),
        "==" => Kind::Compare(Comparison::Equal, left, right),
        "!=" => Kind::Compare(Comparison::Unequal, left, right),
        _ => Kind::Pure(vec![left, right]),
    };
    lower.add(node, kind)
}

fn statement(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    match &*node.kind() {
        "line_comment" | "block_comment" | "package_declaration" | "import_declaration" => {}
        "class_declaration" | "interface_declaration" | "enum_declaration" | "record_declaration" => {
            let name = node.field("name").map(|name| lower.word(&name));
            let outer = std::mem::replace(&mut lower.class, name);
            if let Some(body) = node.field("body") {
                members(lower, &body, block);
            }
            lower.class = outer;
        }
        "local_variable_declaration" | "field_declaration" => {
            for declarator in node.field_children("declarator").collect::<Vec<_>>() {
                let value = lower.field(&declarator, "value");
                let value = typed(lower, node, value);
                let target = lower.field(&declarator, "name");
                let assigned = lower.assign(&declarator, target, value);
                block.push(Stmt::Expr(assigned));
            }
        }
        "if_statement" => {
            let condition = lower.field(node, "condition");
            let then = lower.single(node.field("consequence"));
            let other = lower.single(node.field("alternative"));
            block.push(Stmt::If { condition, then, other });
        }
        "enhanced_for_statement" => {
            let target = lower.field(node, "name");
            let value = lower.field(node, "value");
            let body = lower.single(node.field("body"));
            block.push(Stmt::Loop { bind: Some((target, value)), condition: None, body });
        }
        "for_statement" => {
            block.extend(lower.single(node.field("init")));
            let condition = node.field("condition").map(|condition| lower.expr(&condition));
            let body = lower.single(node.field("body"));
            block.push(Stmt::Loop { bind: None, condition, body });
        }
        "while_statement" | "do_statement" => {
            let condition = Some(lower.field(node, "condition"));
            let body = lower.single(node.field("body"));
            block.push(Stmt::Loop { bind: None, condition, body });
        }
        "switch_expression" | "switch_statement" => choose(lower, node, block),
        "try_statement" | "try_with_resources_statement" => attempt(lower, node, block),
        "return_statement" => {
            let value = lower.parts(node).first().copied();
            block.push(Stmt::Return(value));
        }
        "throw_statement" => {
            let value = lower.parts(node).first().copied();
            block.push(Stmt::Throw(value));
        }
        "break_statement" | "continue_statement" | "yield_statement" => block.push(Stmt::Jump),
        "block" | "synchronized_statement" => block.push(Stmt::Block(lower.block(node))),
        "method_declaration" | "constructor_declaration" => method(lower, node, block),
        _ => block.push(Stmt::Expr(lower.expr(node))),
    }
}

fn members(lower: &mut Lowering, body: &Node<'_>, block: &mut Block) {
    for member in body.named_children().collect::<Vec<_>>() {
        if member.kind() == "enum_body_declarations" {
            members(lower, &member, block);
        } else {
            lower.statement(&member, block);
        }
    }
}

fn attempt(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let resources = node.field("resources");
    for resource in resources.iter().flat_map(|list| list.named_children().collect::<Vec<_>>()) {
        if let (Some(name), Some(value)) = (resource.field("name"), resource.field("value")) {
            let value = lower.expr(&value);
            let value = typed(lower, &resource, value);
            let target = lower.expr(&name);
            let assigned = lower.assign(&resource, target, value);
            block.push(Stmt::Expr(assigned));
        }
    }
    let body = lower.block_of(node.field("body"));
    let (mut handlers, mut last) = (Vec::new(), Block::new());
    for clause in node.named_children().collect::<Vec<_>>() {
        match &*clause.kind() {
            "catch_clause" => handlers.push(lower.block_of(clause.field("body"))),
            "finally_clause" => last = lower.block(&clause),
            _ => {}
        }
    }
    block.push(Stmt::Try { body, handlers, last });
}

fn choose(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let subject = node.field("condition").map(|subject| lower.expr(&subject));
    let mut cases: Vec<Case> = Vec::new();
    for arm in node.field("body").iter().flat_map(|body| body.named_children().collect::<Vec<_>>()) {
        let mut labels = Vec::new();
        let mut body = Block::new();
        for child in arm.named_children().collect::<Vec<_>>() {
            match &*child.kind() {
                "switch_label" => labels.extend(lower.parts(&child)),
                _ => lower.statement(&child, &mut body),
            }
        }
        body.retain(|stmt| !matches!(stmt, Stmt::Jump));
        cases.push(Case { labels, body });
    }
    block.push(Stmt::Switch { subject, cases });
}

fn marks(node: &Node<'_>) -> Vec<Arc<str>> {
    let modifiers = node.named_children().find(|child| child.kind() == "modifiers");
    let all = modifiers.iter().flat_map(|modifiers| modifiers.named_children().collect::<Vec<_>>());
    all.filter(|mark| mark.kind().ends_with("annotation")).map(|mark| mark.text().into()).collect()
}

fn method(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let name = node.field("name").map(|name| lower.word(&name));
    let mut parameters = Vec::new();
    for child in node.field("parameters").iter().flat_map(|list| list.named_children().collect::<Vec<_>>()) {
        let Some(name) = child.field("name") else { continue };
        let of_type = child.field("type").map(|declared| Arc::from(simple(&declared.text())));
        let mut parameter = lower.parameter(&name, of_type);
        parameter.marks = marks(&child);
        parameters.push(parameter);
    }
    let head = Head { name, class: lower.class, parameters, marks: marks(node) };
    let id = lower.function(head, |lower| lower.block_of(node.field("body")));
    let defined = lower.add(node, Kind::Function(id));
    block.push(Stmt::Expr(defined));
}

fn lambda(lower: &mut Lowering, node: &Node<'_>) -> FunctionId {
    let mut parameters = Vec::new();
    match node.field("parameters") {
        Some(single) if single.kind() == "identifier" => parameters.push(lower.parameter(&single, None)),
        Some(list) => {
            for child in list.named_children().collect::<Vec<_>>() {
                let name = child.field("name").unwrap_or(child);
                parameters.push(lower.parameter(&name, None));
            }
        }
        None => {}
    }
    let head = Head { parameters, class: lower.class, ..Head::default() };
    lower.function(head, |lower| match node.field("body") {
        Some(body) if body.kind() == "block" => lower.block(&body),
        Some(body) => vec![Stmt::Return(Some(lower.expr(&body)))],
        None => Block::new(),
    })
}
