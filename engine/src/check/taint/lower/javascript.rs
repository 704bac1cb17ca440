//! How are JavaScript and TypeScript read?

use super::*;

pub(super) const DIALECT: Dialect = Dialect { expr, statement };

fn expr(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    match &*node.kind() {
        "identifier" | "this" | "super" | "shorthand_property_identifier_pattern" | "property_identifier" => {
            lower.name(node)
        }
        "member_expression" => lower.member(node, "object", "property"),
        "subscript_expression" => {
            let (base, key) = (lower.field(node, "object"), lower.field(node, "index"));
            lower.index(node, base, key)
        }
        "call_expression" => call(lower, node, "function"),
        "new_expression" => call(lower, node, "constructor"),
        "string" => lower.literal(node, unquoted(&node.text())),
        "number" | "true" | "false" | "null" | "undefined" | "regex" => lower.literal(node, &node.text()),
        "template_string" => template(lower, node),
        "binary_expression" => binary(lower, node),
        "unary_expression" => {
            let argument = lower.field(node, "argument");
            let is_not = node.field("operator").is_some_and(|operator| operator.text() == "!");
            lower.add(node, if is_not { Kind::Not(argument) } else { Kind::Pure(vec![argument]) })
        }
        "ternary_expression" => {
            let condition = lower.field(node, "condition");
            let (then, other) = (lower.field(node, "consequence"), lower.field(node, "alternative"));
            lower.add(node, Kind::Choice(condition, then, other))
        }
        "array" | "array_pattern" => {
            let parts = lower.parts(node);
            lower.add(node, Kind::List(parts))
        }
        "object" | "object_pattern" => object(lower, node),
        "pair" | "pair_pattern" => lower.field(node, "value"),
        "assignment_pattern" | "object_assignment_pattern" => lower.field(node, "left"),
        "assignment_expression" => {
            let (target, value) = (lower.field(node, "left"), lower.field(node, "right"));
            lower.assign(node, target, value)
        }
        "augmented_assignment_expression" => {
            let (target, value) = (lower.field(node, "left"), lower.field(node, "right"));
            let adds = node.field("operator").is_some_and(|op| matches!(&*op.text(), "+=" | "||=" | "??="));
            let kind = if adds { Kind::Assign { target, value, adds } } else { Kind::Pure(vec![value]) };
            lower.add(node, kind)
        }
        "arrow_function" | "function_expression" | "function" | "generator_function" | "method_definition" => {
            let id = function(lower, node, None);
            lower.add(node, Kind::Function(id))
        }
        "class" => {
            let mut block = Block::new();
            class(lower, node, &mut block);
            lower.add(node, Kind::Opaque)
        }
        "await_expression" => {
            let parts = lower.parts(node);
            match parts.first() {
                Some(&part) => lower.add(node, Kind::Await(part)),
                None => lower.add(node, Kind::Opaque),
            }
        }
        "as_expression" | "satisfies_expression" => match node.named_children().next() {
            Some(inner) => lower.expr(&inner),
            None => lower.add(node, Kind::Opaque),
        },
        "parenthesized_expression"
        | "non_null_expression"
        | "spread_element"
        | "rest_pattern"
        | "sequence_expression"
        | "expression_statement"
        | "jsx_expression"
        | "type_assertion"
        | "yield_expression" => {
            let parts = lower.parts(node);
            lower.add(node, Kind::Either(parts))
        }
        "jsx_attribute" => jsx_attribute(lower, node),
        "type_annotation" | "type_arguments" | "type_identifier" | "comment" => lower.add(node, Kind::Opaque),
        _ => lower.pure(node),
    }
}

/// A property of an element, as an assignment to a member of `JSX`.
fn jsx_attribute(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let children: Vec<_> = node.named_children().collect();
    let [name, value] = &children[..] else { return lower.add(node, Kind::Opaque) };
    let value = lower.expr(value);
    let (element, word) = (lower.program.word("JSX"), lower.word(name));
    let element = lower.add(name, Kind::Name(element));
    let target = lower.add(name, Kind::Member(element, word));
    lower.assign(node, target, value)
}

fn call(lower: &mut Lowering, node: &Node<'_>, callee: &str) -> ExprId {
    let callee = lower.field(node, callee);
    let list = node.field("arguments");
    if let Some(template) = list.as_ref().filter(|list| list.kind() == "template_string") {
        // A tag receives the pieces apart, as parameters do.
        return lower.pure(template);
    }
    let arguments: Vec<_> = list.iter().flat_map(|list| list.named_children().collect::<Vec<_>>()).collect();
    let arguments =
        arguments.iter().filter(|node| node.kind() != "comment").map(|node| plain(lower.expr(node))).collect();
    lower.call(node, callee, arguments)
}

fn template(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let mut parts = Vec::new();
    for child in node.named_children().collect::<Vec<_>>() {
        match &*child.kind() {
            "string_fragment" => parts.push(lower.literal(&child, &child.text())),
            "template_substitution" => parts.extend(lower.parts(&child)),
            _ => {}
        }
    }
    match parts[..] {
        [] => lower.literal(node, unquoted(&node.text())),
        [part] if matches!(lower.program.expr(part).kind, Kind::Literal(_)) => part,
        _ => lower.add(node, Kind::Text(parts)),
    }
}

fn binary(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let operator = node.field("operator").map(|operator| operator.text().into_owned()).unwrap_or_default();
    if operator == "+" {
        return lower.concatenation(node, "+");
    }
    let (left, right) = (lower.field(node, "left"), lower.field(node, "right"));
    let kind = match &*operator {
        "&&" => Kind::And(left, right),
        "||" | "??" => Kind::Or(left, right),
        "===" | "==" => Kind::Compare(Comparison::Equal, left, right),
        "!==" | "!=" => Kind::Compare(Comparison::Unequal, left, right),
        "in" => Kind::Compare(Comparison::In, left, right),
        _ => Kind::Pure(vec![left, right]),
    };
    lower.add(node, kind)
}

fn object(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let mut fields = Vec::new();
    for child in node.named_children().collect::<Vec<_>>() {
        let key = match &*child.kind() {
            "pair" | "pair_pattern" => child.field("key"),
            "shorthand_property_identifier" | "shorthand_property_identifier_pattern" => Some(child.clone()),
            "object_assignment_pattern" => child.field("left"),
            "method_definition" => child.field("name"),
            _ => None,
        };
        let key = key.filter(|key| key.kind() != "computed_property_name");
        let key = key.map(|key| lower.program.word(unquoted(&key.text())));
        let value =
            if child.kind() == "shorthand_property_identifier" { lower.name(&child) } else { lower.expr(&child) };
        fields.push((key, value));
    }
    lower.add(node, Kind::Record(fields))
}

fn statement(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    match &*node.kind() {
        "comment" | "empty_statement" | "interface_declaration" | "type_alias_declaration" | "enum_declaration" => {}
        "import_statement" => import(lower, node),
        "lexical_declaration" | "variable_declaration" => {
            for declarator in node.named_children().collect::<Vec<_>>() {
                declare(lower, &declarator, block);
            }
        }
        "function_declaration" | "generator_function_declaration" => {
            let name = node.field("name").map(|name| lower.word(&name));
            let id = function(lower, node, name);
            let defined = lower.add(node, Kind::Function(id));
            block.push(Stmt::Expr(defined));
        }
        "class_declaration" | "abstract_class_declaration" => class(lower, node, block),
        "export_statement" => {
            for child in node.named_children().collect::<Vec<_>>() {
                lower.statement(&child, block);
            }
        }
        "return_statement" => {
            let value = lower.parts(node).first().copied();
            block.push(Stmt::Return(value));
        }
        "throw_statement" => {
            let value = lower.parts(node).first().copied();
            block.push(Stmt::Throw(value));
        }
        "break_statement" | "continue_statement" => block.push(Stmt::Jump),
        "if_statement" => {
            let condition = lower.field(node, "condition");
            let then = lower.single(node.field("consequence"));
            let other = node.field("alternative").map(|clause| lower.block(&clause)).unwrap_or_default();
            block.push(Stmt::If { condition, then, other });
        }
        "for_in_statement" => {
            let bind = Some((lower.field(node, "left"), lower.field(node, "right")));
            let body = lower.single(node.field("body"));
            block.push(Stmt::Loop { bind, condition: None, body });
        }
        "for_statement" => {
            block.extend(lower.single(node.field("initializer")));
            let condition = node.field("condition").map(|condition| lower.expr(&condition));
            let body = lower.single(node.field("body"));
            block.push(Stmt::Loop { bind: None, condition, body });
        }
        "while_statement" | "do_statement" => {
            let condition = Some(lower.field(node, "condition"));
            let body = lower.single(node.field("body"));
            block.push(Stmt::Loop { bind: None, condition, body });
        }
        "switch_statement" => choose(lower, node, block),
        "try_statement" => {
            let body = lower.block_of(node.field("body"));
            let handlers =
                node.field("handler").map(|handler| lower.block_of(handler.field("body"))).into_iter().collect();
            let last = node.field("finalizer").map(|last| lower.block_of(last.field("body"))).unwrap_or_default();
            block.push(Stmt::Try { body, handlers, last });
        }
        "statement_block" => block.push(Stmt::Block(lower.block(node))),
        "labeled_statement" => lower.single(node.field("body")).into_iter().for_each(|stmt| block.push(stmt)),
        _ => block.push(Stmt::Expr(lower.expr(node))),
    }
}

fn import(lower: &mut Lowering, node: &Node<'_>) {
    let Some(source) = node.field("source") else { return };
    let module = module_path(unquoted(&source.text()));
    for child in node.dfs().collect::<Vec<_>>() {
        let Some(parent) = child.parent() else { continue };
        match (&*child.kind(), &*parent.kind()) {
            ("identifier", "import_clause" | "namespace_import") => lower.import(&child.text(), &module),
            ("import_specifier", _) => {
                let Some(name) = child.field("name") else { continue };
                let alias = child.field("alias").unwrap_or_else(|| name.clone());
                lower.import(&alias.text(), &format!("{module}.{}", name.text()));
            }
            _ => {}
        }
    }
}

/// A module's name as the first part of a path: `fs/promises` and `node:fs/promises` are `fs.promises`.
pub(in crate::check::taint) fn module_path(module: &str) -> String {
    module.trim_start_matches("node:").trim_start_matches("./").replace('/', ".")
}

fn declare(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let (Some(name), Some(value)) = (node.field("name"), node.field("value")) else { return };
    let held = match &*value.kind() {
        "arrow_function" | "function_expression" | "function" if name.kind() == "identifier" => {
            let word = lower.word(&name);
            let id = function(lower, &value, Some(word));
            lower.add(&value, Kind::Function(id))
        }
        _ => lower.expr(&value),
    };
    let target = lower.expr(&name);
    let assigned = lower.assign(node, target, held);
    block.push(Stmt::Expr(assigned));
}

fn class(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let name = node.field("name").map(|name| lower.word(&name));
    let outer = std::mem::replace(&mut lower.class, name);
    for member in node.field("body").iter().flat_map(|body| body.named_children().collect::<Vec<_>>()) {
        match (&*member.kind(), member.field("value")) {
            ("method_definition", _) => {
                let name = member.field("name").map(|name| lower.word(&name));
                let id = function(lower, &member, name);
                let defined = lower.add(&member, Kind::Function(id));
                block.push(Stmt::Expr(defined));
            }
            (_, Some(value)) => {
                let value = lower.expr(&value);
                block.push(Stmt::Expr(value));
            }
            _ => {}
        }
    }
    lower.class = outer;
}

fn function(lower: &mut Lowering, node: &Node<'_>, name: Option<Word>) -> FunctionId {
    let marks = node.prev_all().take_while(|node| node.kind() == "decorator").map(|node| node.text().into()).collect();
    let mut parameters = Vec::new();
    if let Some(single) = node.field("parameter") {
        parameters.push(lower.parameter(&single, None));
    }
    for child in node.field("parameters").iter().flat_map(|list| list.named_children().collect::<Vec<_>>()) {
        parameters.extend(parameter(lower, &child));
    }
    let class = if name.is_some() { lower.class.take() } else { lower.class };
    let id = lower.function(Head { name, class, parameters, marks }, |lower| match node.field("body") {
        Some(body) if body.kind() == "statement_block" => lower.block(&body),
        Some(body) => vec![Stmt::Return(Some(lower.expr(&body)))],
        None => Block::new(),
    });
    lower.class = class;
    id
}

fn parameter(lower: &mut Lowering, node: &Node<'_>) -> Option<Parameter> {
    let (pattern, declared) = match &*node.kind() {
        "comment" | "decorator" => return None,
        "required_parameter" | "optional_parameter" => (node.field("pattern")?, node.field("type")),
        "assignment_pattern" => (node.field("left")?, None),
        _ => (node.clone(), None),
    };
    let of_type = declared.map(|declared| lower.type_path(&declared.text()));
    let marks = node.children().filter(|child| child.kind() == "decorator").map(|child| child.text().into()).collect();
    let mut parameter = if pattern.kind() == "identifier" {
        lower.parameter(&pattern, of_type)
    } else {
        let target = lower.expr(&pattern);
        Parameter { target, name: None, of_type, marks: Vec::new(), range: pattern.range() }
    };
    parameter.marks = marks;
    Some(parameter)
}

fn choose(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let subject = node.field("value").map(|value| lower.expr(&value));
    let mut cases: Vec<Case> = Vec::new();
    let mut labels = Vec::new();
    for arm in node.field("body").iter().flat_map(|body| body.named_children().collect::<Vec<_>>()) {
        labels.extend(arm.field("value").map(|value| lower.expr(&value)));
        let mut body = Block::new();
        for child in arm.field_children("body").collect::<Vec<_>>() {
            lower.statement(&child, &mut body);
        }
        if arm.kind() == "switch_default" {
            labels.clear();
        } else if body.is_empty() {
            continue;
        }
        body.retain(|stmt| !matches!(stmt, Stmt::Jump));
        cases.push(Case { labels: std::mem::take(&mut labels), body });
    }
    block.push(Stmt::Switch { subject, cases });
}
