//! How is Go read?

use super::*;

pub(super) const DIALECT: Dialect = Dialect { expr, statement };

fn expr(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    match &*node.kind() {
        "identifier" | "field_identifier" | "package_identifier" | "type_identifier" | "label_name" => lower.name(node),
        "selector_expression" => lower.member(node, "operand", "field"),
        "index_expression" => {
            let (base, key) = (lower.field(node, "operand"), lower.field(node, "index"));
            lower.index(node, base, key)
        }
        "slice_expression" => lower.field(node, "operand"),
        "call_expression" => call(lower, node),
        "interpreted_string_literal" | "raw_string_literal" => lower.literal(node, unquoted(&node.text())),
        "int_literal" | "float_literal" | "rune_literal" | "true" | "false" | "nil" | "imaginary_literal" => {
            lower.literal(node, &node.text())
        }
        "binary_expression" => binary(lower, node),
        "unary_expression" => {
            let operand = lower.field(node, "operand");
            let kind = match node.field("operator").map(|operator| operator.text().into_owned()).as_deref() {
                Some("!") => Kind::Not(operand),
                Some("&" | "*" | "<-") => Kind::Either(vec![operand]),
                _ => Kind::Pure(vec![operand]),
            };
            lower.add(node, kind)
        }
        "composite_literal" => composite(lower, node),
        "literal_value" => literal_value(lower, node),
        "literal_element" | "parenthesized_expression" | "variadic_argument" | "expression_statement" => {
            let parts = lower.parts(node);
            lower.add(node, Kind::Either(parts))
        }
        "expression_list" => list(lower, node),
        "type_assertion_expression" => {
            let operand = lower.field(node, "operand");
            let path = lower.type_path(&node.field("type").map(|node| node.text()).unwrap_or_default());
            lower.add(node, Kind::Typed(operand, path))
        }
        "type_conversion_expression" => lower.field(node, "operand"),
        "func_literal" => {
            let id = function(lower, node, None, None);
            lower.add(node, Kind::Function(id))
        }
        "comment" => lower.add(node, Kind::Opaque),
        _ => lower.pure(node),
    }
}

/// One expression as itself, several as a list.
fn list(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let parts = lower.parts(node);
    match parts[..] {
        [part] => part,
        _ => lower.add(node, Kind::List(parts)),
    }
}

fn call(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let callee = lower.field(node, "function");
    let list = node.field("arguments");
    let arguments: Vec<_> = list.iter().flat_map(|list| list.named_children().collect::<Vec<_>>()).collect();
    let arguments =
        arguments.iter().filter(|node| node.kind() != "comment").map(|node| plain(lower.expr(node))).collect();
    lower.call(node, callee, arguments)
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

fn composite(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let body = lower.field(node, "body");
    match node.field("type") {
        Some(named) if matches!(&*named.kind(), "type_identifier" | "qualified_type") => {
            let path = lower.type_path(&named.text());
            lower.add(node, Kind::Typed(body, path))
        }
        _ => body,
    }
}

fn literal_value(lower: &mut Lowering, node: &Node<'_>) -> ExprId {
    let mut fields = Vec::new();
    for child in node.named_children().collect::<Vec<_>>() {
        let parts: Vec<_> = child.named_children().collect();
        match (&*child.kind(), &parts[..]) {
            ("comment", _) => {}
            ("keyed_element", [key, value]) => {
                let key = lower.program.word(unquoted(&key.text()));
                fields.push((Some(key), lower.expr(value)));
            }
            _ => fields.push((None, lower.expr(&child))),
        }
    }
    if fields.iter().all(|(key, _)| key.is_none()) {
        let parts = fields.into_iter().map(|(_, value)| value).collect();
        return lower.add(node, Kind::List(parts));
    }
    lower.add(node, Kind::Record(fields))
}

fn statement(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    match &*node.kind() {
        "comment" | "package_clause" | "type_declaration" | "empty_statement" => {}
        "import_declaration" => import(lower, node),
        "function_declaration" | "method_declaration" => {
            let name = node.field("name").map(|name| lower.word(&name));
            let receiver = node.field("receiver").and_then(|list| list.named_children().next());
            let id = function(lower, node, name, receiver);
            let defined = lower.add(node, Kind::Function(id));
            block.push(Stmt::Expr(defined));
        }
        "short_var_declaration" => {
            let (target, value) = (lower.field(node, "left"), lower.field(node, "right"));
            let assigned = lower.assign(node, target, value);
            block.push(Stmt::Expr(assigned));
        }
        "assignment_statement" => assignment(lower, node, block),
        "var_declaration" | "const_declaration" | "var_spec_list" => {
            for child in node.named_children().collect::<Vec<_>>() {
                match &*child.kind() {
                    "var_spec" | "const_spec" => declare(lower, &child, block),
                    _ => lower.statement(&child, block),
                }
            }
        }
        "if_statement" => {
            block.extend(lower.single(node.field("initializer")));
            let condition = lower.field(node, "condition");
            let then = lower.block_of(node.field("consequence"));
            let other = match node.field("alternative") {
                Some(chained) if chained.kind() == "if_statement" => lower.single(Some(chained)),
                other => lower.block_of(other),
            };
            block.push(Stmt::If { condition, then, other });
        }
        "for_statement" => repeat(lower, node, block),
        "expression_switch_statement" | "type_switch_statement" | "select_statement" => choose(lower, node, block),
        "return_statement" => {
            let value = lower.parts(node).first().copied();
            block.push(Stmt::Return(value));
        }
        "break_statement" | "continue_statement" | "goto_statement" => block.push(Stmt::Jump),
        "block" | "statement_list" => block.push(Stmt::Block(lower.block(node))),
        "go_statement" | "defer_statement" | "labeled_statement" => {
            for child in node.named_children().collect::<Vec<_>>() {
                lower.statement(&child, block);
            }
        }
        _ => block.push(Stmt::Expr(lower.expr(node))),
    }
}

fn import(lower: &mut Lowering, node: &Node<'_>) {
    for spec in node.dfs().filter(|node| node.kind() == "import_spec").collect::<Vec<_>>() {
        let Some(path) = spec.field("path") else { continue };
        let text = path.text();
        let package = package_name(unquoted(&text));
        let alias = spec.field("name").map_or_else(|| package.to_owned(), |name| name.text().into_owned());
        lower.import(&alias, package);
    }
}

/// A package's own name by its path: `os/exec` is `exec`, `github.com/go-redis/redis/v9` is `redis`.
fn package_name(path: &str) -> &str {
    let is_version =
        |part: &str| part.len() > 1 && part.starts_with('v') && part[1..].bytes().all(|b| b.is_ascii_digit());
    let last = path.rsplit('/').find(|part| !is_version(part)).unwrap_or(path);
    last.split_once(".v").map_or(last, |(name, _)| name)
}

fn assignment(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let (target, value) = (lower.field(node, "left"), lower.field(node, "right"));
    let operator = node.field("operator").map(|operator| operator.text().into_owned()).unwrap_or_default();
    let kind = match &*operator {
        "=" => Kind::Assign { target, value, adds: false },
        "+=" => Kind::Assign { target, value, adds: true },
        _ => Kind::Pure(vec![value]),
    };
    let assigned = lower.add(node, kind);
    block.push(Stmt::Expr(assigned));
}

fn declare(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let names: Vec<_> = node.field_children("name").filter(|name| name.is_named()).collect();
    let targets: Vec<ExprId> = names.iter().map(|name| lower.expr(name)).collect();
    let value = lower.field(node, "value");
    let value = match node.field("type") {
        Some(declared) => {
            let path = lower.type_path(&declared.text());
            lower.add(node, Kind::Typed(value, path))
        }
        None => value,
    };
    let target = match targets[..] {
        [target] => target,
        _ => lower.add(node, Kind::List(targets)),
    };
    let assigned = lower.assign(node, target, value);
    block.push(Stmt::Expr(assigned));
}

fn repeat(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    let head = node.named_children().find(|child| child.kind() != "block" && child.kind() != "comment");
    let (mut bind, mut condition) = (None, None);
    match head {
        Some(clause) if clause.kind() == "range_clause" => {
            let right = lower.field(&clause, "right");
            // Only the value is data of the container; the key is where it stands.
            let left = clause.field("left").map(|left| left.named_children().last().unwrap_or(left));
            if let Some(left) = left {
                bind = Some((lower.expr(&left), right));
            }
        }
        Some(clause) if clause.kind() == "for_clause" => {
            block.extend(lower.single(clause.field("initializer")));
            condition = clause.field("condition").map(|condition| lower.expr(&condition));
        }
        Some(other) => condition = Some(lower.expr(&other)),
        None => {}
    }
    let body = lower.block_of(node.field("body"));
    block.push(Stmt::Loop { bind, condition, body });
}

fn choose(lower: &mut Lowering, node: &Node<'_>, block: &mut Block) {
    block.extend(lower.single(node.field("initializer")));
    let subject = node.field("value").map(|value| lower.expr(&value));
    if let (Some(alias), Some(value)) = (node.field("alias"), subject) {
        let target = lower.expr(&alias);
        let assigned = lower.assign(&alias, target, value);
        block.push(Stmt::Expr(assigned));
    }
    let mut cases = Vec::new();
    for arm in node.named_children().filter(|child| child.kind().ends_with("_case")).collect::<Vec<_>>() {
        let labels = match (&*arm.kind(), arm.field("value")) {
            ("expression_case", Some(values)) => lower.parts(&values),
            _ => Vec::new(),
        };
        let mut body = lower.block(&arm);
        body.retain(|stmt| !matches!(stmt, Stmt::Jump));
        cases.push(Case { labels, body });
    }
    block.push(Stmt::Switch { subject, cases });
}

fn function(lower: &mut Lowering, node: &Node<'_>, name: Option<Word>, receiver: Option<Node<'_>>) -> FunctionId {
    let class = receiver.as_ref().and_then(|receiver| receiver.field("type")).map(|declared| {
        let path = lower.type_path(&declared.text());
        lower.program.word(&path)
    });
    let mut parameters = Vec::new();
    for child in node.field("parameters").iter().flat_map(|list| list.named_children().collect::<Vec<_>>()) {
        let of_type = child.field("type").map(|declared| lower.type_path(&declared.text()));
        for name in child.field_children("name").collect::<Vec<_>>() {
            parameters.push(lower.parameter(&name, of_type.clone()));
        }
    }
    lower.function(Head { name, class, parameters, marks: Vec::new() }, |lower| lower.block_of(node.field("body")))
}
