//! Where in a file do the rules match? One walk over the tree for all of them.

use ast_grep_core::{Matcher, NodeMatch, matcher::MatcherExt};

use super::{Compiled, Matching, Ready};
use crate::{
    check::{Node, Target, taint},
    edit::{Applicability, Edit, Fix},
    finding::Finding,
};

/// Everything `rules` say of the target, in no particular order.
pub(super) fn run(target: &Target<'_>, rules: &[Ready<'_>]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for Ready { rule, .. } in rules {
        if let Matching::Native(native) = &rule.matching {
            native.run(target, &rule.meta, &mut findings);
        }
    }
    let followed = rules.iter().filter_map(|Ready { rule, .. }| match &rule.matching {
        Matching::Taint(spec) => Some((&rule.meta, &**spec)),
        _ => None,
    });
    taint::run(target, &followed.collect::<Vec<_>>(), &mut findings);
    patterns(target, rules, &mut findings);
    findings
}

fn patterns(target: &Target<'_>, rules: &[Ready<'_>], findings: &mut Vec<Finding>) {
    let mut by_kind: Vec<Vec<&Ready<'_>>> = Vec::new();
    for rule in rules {
        let Matching::Pattern { rule: config, .. } = &rule.rule.matching else { continue };
        for kind in config.matcher.potential_kinds().iter().flat_map(|kinds| kinds.iter()) {
            if by_kind.len() <= kind {
                by_kind.resize_with(kind + 1, Vec::new);
            }
            by_kind[kind].push(rule);
        }
    }
    if by_kind.is_empty() {
        return;
    }
    let Some(tree) = target.tree() else { return };
    let mut passed_over = 0;
    for node in tree.root().dfs() {
        if node.range().start < passed_over {
            continue;
        }
        if is_table(&node) {
            passed_over = node.range().end;
            target.pass_over(target.file.lines.position(node.range().start).line);
            continue;
        }
        let Some(rules) = by_kind.get(usize::from(node.kind_id())) else { continue };
        let range = node.range();
        findings.extend(
            rules.iter().filter(|rule| rule.may_match(&range)).filter_map(|rule| try_rule(target, rule.rule, &node)),
        );
    }
}

/// Asking a node for its parent costs a walk over the children of each of its ancestors, so that a rule that looks
/// around (`inside`, `follows`) takes time quadratic in the length of a list. Lists so long that this would be felt are
/// tables of data and are passed over.
fn is_table(node: &Node<'_>) -> bool {
    const LONG: usize = 2_000;
    const STEPS: usize = 400_000_000;
    let node = node.get_inner_node();
    let children = node.child_count();
    children as usize > LONG && (children as usize).saturating_mul(node.descendant_count()) > STEPS
}

fn try_rule(target: &Target<'_>, rule: &Compiled, node: &Node<'_>) -> Option<Finding> {
    let Matching::Pattern { rule: config, applicability } = &rule.matching else { return None };
    let matched = config.matcher.match_node(node.clone())?;
    let mut finding = rule.meta.finding(target.file, matched.range());
    finding.what = config.get_message(&matched);
    finding.fix = fix(target, config, *applicability, &matched);
    Some(finding)
}

fn fix(
    target: &Target<'_>,
    config: &ast_grep_config::RuleConfig<crate::source::Language>,
    applicability: Option<Applicability>,
    matched: &NodeMatch<'_, ast_grep_core::tree_sitter::StrDoc<crate::source::Language>>,
) -> Option<Fix> {
    let fixer = config.fixer.first()?;
    let edit = matched.make_edit(&config.matcher, fixer);
    let text = String::from_utf8(edit.inserted_text).ok()?;
    let text = match target.file.newline() {
        crate::source::Newline::CrLf => text.replace("\r\n", "\n").replace('\n', "\r\n"),
        crate::source::Newline::Lf => text,
    };
    let edit = Edit::replace(edit.position..edit.position + edit.deleted_length, text);
    Fix::new(applicability.unwrap_or(Applicability::Unsafe), vec![edit]).ok()
}
