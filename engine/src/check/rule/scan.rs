//! Where in a file do the rules match? One walk over the tree for all of them.

use ast_grep_core::{Matcher, NodeMatch, matcher::MatcherExt};

use super::{Compiled, Matching};
use crate::{
    check::{Node, Target},
    edit::{Applicability, Edit, Fix},
    finding::Finding,
};

/// Everything `rules` say of the target, in no particular order.
pub(super) fn run(target: &Target<'_>, rules: &[&Compiled]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in rules {
        if let Matching::Native(native) = &rule.matching {
            native.run(target, &rule.meta, &mut findings);
        }
    }
    patterns(target, rules, &mut findings);
    findings
}

fn patterns(target: &Target<'_>, rules: &[&Compiled], findings: &mut Vec<Finding>) {
    let mut by_kind: Vec<Vec<&Compiled>> = Vec::new();
    for &rule in rules {
        let Matching::Pattern { rule: config, .. } = &rule.matching else { continue };
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
    for node in tree.root().dfs() {
        let Some(rules) = by_kind.get(usize::from(node.kind_id())) else { continue };
        for rule in rules {
            if let Some(finding) = try_rule(target, rule, &node) {
                findings.push(finding);
            }
        }
    }
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
