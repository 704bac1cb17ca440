//! Did the change make a function harder to follow than anyone should have to?

pub(in crate::check) mod roles;
mod score;

use std::collections::BTreeSet;

use score::Unit;

use crate::{
    change::{LineSet, Status},
    check::{Meta, Target},
    finding::{Because, Finding},
    source::SourceFile,
};

/// Functions past the limit whose cognitive complexity the change raised. The place told is where the change adds
/// most, the function's name stands beside it.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    if matches!(target.change.status, Status::Whole | Status::Mode) {
        return;
    }
    let Some(roles) = target.file.language.and_then(roles::of) else { return };
    let Some(tree) = target.tree() else { return };
    let limit = target.limits.complexity;
    let units = score::units(&tree.root(), roles);
    if units.iter().all(|unit| unit.score <= limit) {
        return;
    }
    let old = target.tree_before().map(|tree| score::units(&tree.root(), roles)).unwrap_or_default();
    for unit in units.iter().filter(|unit| unit.score > limit) {
        let former = former(unit, target.file, &units, &old, target.before);
        if former.is_none_or(|former| is_felt(former.score, unit.score)) {
            findings.push(finding(target, meta, unit, former));
        }
    }
}

/// Whether a function got so much worse that it is worth a word: by three at least, and by a tenth of what it was. One
/// more condition in a function that is long past the limit is not where it went wrong.
fn is_felt(before: u32, after: u32) -> bool {
    after >= before.saturating_add((before / 10).max(3))
}

fn finding(target: &Target<'_>, meta: &Meta, unit: &Unit, former: Option<&Unit>) -> Finding {
    let (file, limit) = (target.file, target.limits.complexity);
    let name_line = file.lines.position(unit.name_at.start).line;
    let line = told_line(unit, file, &target.change.touched).unwrap_or(name_line);
    let at = if line == name_line { unit.name_at.clone() } else { trimmed(file, line) };
    let mut finding = meta.finding(file, at);
    let before = former.map(|former| format!(", {} before the change", former.score)).unwrap_or_default();
    finding.what =
        format!("`{}` has a cognitive complexity of {} (checks.complexity = {limit}{before})", unit.name, unit.score);
    if line != name_line {
        finding.because.push(Because {
            path: file.path.clone(),
            span: file.span(unit.name_at.clone()),
            note: "the function".into(),
        });
    }
    finding
}

/// The line of the name where the change touched it, otherwise the touched line that costs most.
fn told_line(unit: &Unit, file: &SourceFile, touched: &LineSet) -> Option<u32> {
    let name_line = file.lines.position(unit.name_at.start).line;
    if touched.contains(name_line) {
        return Some(name_line);
    }
    let steps = unit.steps.iter().map(|&(at, cost)| (file.lines.position(at).line, cost));
    let worst =
        steps.filter(|&(line, _)| touched.contains(line)).max_by_key(|&(line, cost)| (cost, std::cmp::Reverse(line)));
    worst.map(|(line, _)| line).or_else(|| file.span(unit.bytes.clone()).lines().find(|&line| touched.contains(line)))
}

fn trimmed(file: &SourceFile, line: u32) -> std::ops::Range<usize> {
    let range = file.lines.range(line);
    let text = file.line(line);
    let indent = text.len() - text.trim_start().len();
    range.start + indent..range.start + text.trim_end().len().max(indent)
}

/// What the function was before the change: the one of its name, or, where there is none or several, the one that
/// shares most lines with it.
fn former<'o>(
    unit: &Unit,
    file: &SourceFile,
    units: &[Unit],
    old: &'o [Unit],
    before: Option<&SourceFile>,
) -> Option<&'o Unit> {
    let before = before?;
    let same_name: Vec<&Unit> = old.iter().filter(|other| other.name == unit.name).collect();
    if let ([former], 1) = (same_name.as_slice(), units.iter().filter(|other| other.name == unit.name).count()) {
        return Some(former);
    }
    const LEAST_SHARE: f64 = 0.5;
    let own = lines(file, unit);
    let share = |other: &&Unit| {
        let theirs = lines(before, other);
        own.intersection(&theirs).count() as f64 / own.len().max(1) as f64
    };
    let alike = old.iter().map(|other| (share(&other), other)).filter(|(share, _)| *share >= LEAST_SHARE);
    alike.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, other)| other)
}

fn lines<'f>(file: &'f SourceFile, unit: &Unit) -> BTreeSet<&'f str> {
    let text = file.text.get(unit.bytes.clone()).unwrap_or("");
    text.lines().map(str::trim).filter(|line| line.len() > 3).collect()
}
