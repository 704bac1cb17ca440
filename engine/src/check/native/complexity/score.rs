//! How hard is each function to follow?
//!
//! Cognitive complexity as G. Ann Campbell defines it (SonarSource, 2018): breaks in the linear flow cost one, more
//! by one for each level they are nested in; sequences of one logical operator cost one. Recursion is not counted.

use std::ops::Range;

use super::roles::Roles;
use crate::check::Node;

/// A function with what it costs a reader.
pub(super) struct Unit {
    pub(super) name: String,
    pub(super) name_at: Range<usize>,
    pub(super) bytes: Range<usize>,
    pub(super) score: u32,
    /// Where each cost arises: byte and cost.
    pub(super) steps: Vec<(usize, u32)>,
}

/// Deeper trees are generated ones, and the stack is not endless.
const DEEPEST: u32 = 400;

/// Every function of a tree that has a name. A named function inside another counts by itself; one without a name
/// counts for the function around it.
pub(super) fn units(root: &Node<'_>, roles: &Roles) -> Vec<Unit> {
    let mut walk = Walk { roles, done: Vec::new(), open: Vec::new() };
    walk.visit(root, &Place { nesting: 0, depth: 0, named_by: None, operator: None, after_else: false, in_if: false });
    walk.done
}

/// What is known of a node from above; looking up again would cost a walk from the root each time.
#[derive(Clone)]
struct Place<'t> {
    nesting: u32,
    depth: u32,
    /// The name that a function expression is bound to.
    named_by: Option<Node<'t>>,
    /// The logical operator of the expression that this is an operand of.
    operator: Option<String>,
    /// Whether this is what an `else` leads to.
    after_else: bool,
    /// Whether the node above is a condition or a branch of one.
    in_if: bool,
}

struct Walk<'r> {
    roles: &'r Roles,
    done: Vec<Unit>,
    open: Vec<Unit>,
}

impl Walk<'_> {
    fn visit<'t>(&mut self, node: &Node<'t>, place: &Place<'t>) {
        if place.depth > DEEPEST {
            return;
        }
        let kind = node.kind();
        let kind = if node.is_named() { &*kind } else { "" };
        let is_bound = self.roles.closures.contains(&kind) && place.named_by.is_some();
        if self.roles.functions.contains(&kind) || is_bound {
            self.function(node, place);
        } else {
            let below = self.step(node, kind, place);
            self.children(node, kind, &below);
        }
    }

    fn function<'t>(&mut self, node: &Node<'t>, place: &Place<'t>) {
        let name = name_of(node).or_else(|| place.named_by.clone());
        let name_at = name.as_ref().map_or_else(|| node.range().start..node.range().start, Node::range);
        let name = name.map_or_else(|| "this function".into(), |name| name.text().into_owned());
        self.open.push(Unit { name, name_at, bytes: node.range(), score: 0, steps: Vec::new() });
        let below = Place {
            nesting: 0,
            depth: place.depth + 1,
            named_by: None,
            operator: None,
            after_else: false,
            in_if: false,
        };
        self.children(node, "", &below);
        self.done.extend(self.open.pop());
    }

    /// Counts the node itself and says what its children stand in.
    fn step<'t>(&mut self, node: &Node<'t>, kind: &str, place: &Place<'t>) -> Place<'t> {
        let roles = self.roles;
        let mut below = Place {
            depth: place.depth + 1,
            named_by: None,
            operator: None,
            after_else: false,
            in_if: false,
            ..place.clone()
        };
        let is_if = roles.ifs.contains(&kind);
        if is_if && place.after_else {
            self.cost(node, 1);
            below.in_if = true;
        } else if is_if || roles.nesting.contains(&kind) {
            self.cost(node, 1 + place.nesting);
            below.nesting += 1;
            below.in_if = is_if || kind.starts_with("for") || kind.starts_with("while");
        } else if roles.elses.contains(&kind) {
            self.branch(node, place, &mut below);
        } else if roles.closures.contains(&kind) {
            below.nesting += 1;
        } else if roles.jumps.contains(&kind) {
            self.cost(node, 1);
        } else if roles.logical.contains(&kind) {
            below.operator = self.logical(node, place);
        } else if kind.contains("parenthesized") {
            below.operator = place.operator.clone();
        } else if kind == "control_structure_body" || kind == "expression_statement" {
            below.after_else = place.after_else && node.named_children().count() == 1;
        }
        below
    }

    fn branch<'t>(&mut self, node: &Node<'t>, place: &Place<'t>, below: &mut Place<'t>) {
        let leads_to_if = node.named_children().next().is_some_and(|child| self.roles.ifs.contains(&&*child.kind()))
            && node.kind() == "else_clause";
        below.in_if = place.in_if;
        below.after_else = leads_to_if;
        if place.in_if && !leads_to_if {
            self.cost(node, 1);
        }
    }

    /// One for each run of the same operator: `a && b && c` is one step, `a && b || c` two.
    fn logical(&mut self, node: &Node<'_>, place: &Place<'_>) -> Option<String> {
        let operator = match &*node.kind() {
            "conjunction_expression" => "&&".to_owned(),
            "disjunction_expression" => "||".to_owned(),
            _ => node.children().nth(1).map(|operator| operator.text().into_owned())?,
        };
        let operator = match operator.as_str() {
            "&&" | "and" => "&&",
            "||" | "or" => "||",
            _ => return None,
        };
        if place.operator.as_deref() != Some(operator) {
            self.cost(node, 1);
        }
        Some(operator.to_owned())
    }

    fn children<'t>(&mut self, node: &Node<'t>, kind: &str, below: &Place<'t>) {
        let is_if = self.roles.ifs.contains(&kind);
        let binds = binds(kind).and_then(|field| node.field(field));
        let mut after_else = false;
        for child in node.children() {
            if is_if && !child.is_named() && child.kind() == "else" {
                after_else = true;
                continue;
            }
            let mut place = below.clone();
            place.named_by = binds.clone();
            if after_else {
                place.after_else = true;
                if !self.is_if(&child) {
                    self.cost(&child, 1);
                }
                after_else = false;
            }
            self.visit(&child, &place);
        }
    }

    /// Whether this is a condition, or a body made of one alone.
    fn is_if(&self, node: &Node<'_>) -> bool {
        self.roles.ifs.contains(&&*node.kind())
            || (node.kind() == "control_structure_body"
                && node.named_children().count() == 1
                && node.named_children().all(|child| self.roles.ifs.contains(&&*child.kind())))
    }

    fn cost(&mut self, node: &Node<'_>, cost: u32) {
        if let Some(unit) = self.open.last_mut() {
            unit.score += cost;
            unit.steps.push((node.range().start, cost));
        }
    }
}

/// The field that names what a node of this kind binds.
fn binds(kind: &str) -> Option<&'static str> {
    match kind {
        "variable_declarator" => Some("name"),
        "pair" => Some("key"),
        "assignment_expression" => Some("left"),
        "field_definition" => Some("property"),
        "public_field_definition" => Some("name"),
        _ => None,
    }
}

fn name_of<'t>(node: &Node<'t>) -> Option<Node<'t>> {
    if let Some(name) = node.field("name") {
        return Some(name);
    }
    let mut declarator = node.field("declarator");
    while let Some(inner) = declarator.as_ref().and_then(|node| node.field("declarator")) {
        declarator = Some(inner);
    }
    declarator.or_else(|| node.named_children().find(|child| child.kind() == "simple_identifier"))
}
