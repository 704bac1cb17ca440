//! Did the change add a block that the file already has?

use std::collections::{HashMap, HashSet};

use crate::{
    change::Status,
    check::{Meta, Node, Target},
    finding::{Because, Finding},
    source::Language,
};

/// Added blocks of at least `checks.duplicate_lines` lines that stand elsewhere in the file too, whatever their white
/// space and comments. Imports, tables and lines of brackets do not count. Across files this needs an index.
pub(super) fn check(target: &Target<'_>, meta: &Meta, findings: &mut Vec<Finding>) {
    let is_change = !matches!(target.change.status, Status::Whole | Status::Mode);
    if !is_change || !target.file.language.is_some_and(is_program) || is_test(target.file.path.as_str()) {
        return;
    }
    let Some(tree) = target.tree() else { return };
    let lines = read(&tree.root(), target);
    let least = (target.limits.duplicate_lines as usize).max(2);
    for (copy, first, length) in copies(&lines, least, |line| target.change.touched.contains(line)) {
        findings.push(finding(target, meta, &lines[copy..copy + length], &lines[first..first + length]));
    }
}

/// A line with code in it.
struct CodeLine {
    number: u32,
    hash: u64,
    /// Whether it says something: a name and more than brackets.
    counts: bool,
    is_import: bool,
}

fn is_program(language: Language) -> bool {
    use Language::{Bash, Css, Dockerfile, Hcl, Html, Json, Sql, Yaml};
    !matches!(language, Bash | Css | Dockerfile | Hcl | Html | Json | Sql | Yaml)
}

fn is_test(path: &str) -> bool {
    path.to_ascii_lowercase()
        .split(['/', '_', '.', '-'])
        .any(|part| matches!(part, "test" | "tests" | "spec" | "specs"))
}

/// The lines of code of a tree in order, comments left out.
fn read(root: &Node<'_>, target: &Target<'_>) -> Vec<CodeLine> {
    let mut lines: Vec<CodeLine> = Vec::new();
    let mut hasher = blake3::Hasher::new();
    let (mut tokens, mut names) = (0, 0);
    let close = |lines: &mut Vec<CodeLine>, hasher: &mut blake3::Hasher, tokens: u32, names: u32| {
        if let Some(line) = lines.last_mut() {
            let mut short = [0; 8];
            short.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
            line.hash = u64::from_le_bytes(short);
            line.counts = names >= 1 && tokens >= 3;
        }
        hasher.reset();
    };
    let leaves = root.dfs().filter(|node| node.is_leaf() && !node.kind().contains("comment"));
    for leaf in leaves {
        let text = leaf.text();
        let number = target.file.lines.position(leaf.range().start).line;
        if text.trim().is_empty() {
            continue;
        }
        if lines.last().is_none_or(|line| line.number != number) {
            close(&mut lines, &mut hasher, tokens, names);
            (tokens, names) = (0, 0);
            lines.push(CodeLine { number, hash: 0, counts: false, is_import: is_import(target.file.line(number)) });
        }
        hasher.update(text.as_bytes()).update(b"\0");
        tokens += 1;
        names += u32::from(leaf.is_named() && text.starts_with(|c: char| c.is_alphabetic() || c == '_'));
    }
    close(&mut lines, &mut hasher, tokens, names);
    lines
}

fn is_import(line: &str) -> bool {
    let line = line.trim_start();
    ["import ", "from ", "use ", "using ", "#include", "require", "package ", "export * from", "pub use ", "mod "]
        .iter()
        .any(|word| line.starts_with(word))
}

/// Blocks of touched lines that repeat earlier ones or untouched ones: index of the copy, of the first, and length.
fn copies(lines: &[CodeLine], least: usize, touched: impl Fn(u32) -> bool) -> Vec<(usize, usize, usize)> {
    let is_touched: Vec<bool> = lines.iter().map(|line| touched(line.number)).collect();
    let mut places: HashMap<u64, Vec<usize>> = HashMap::new();
    let windows = || lines.windows(least).enumerate().filter(|(_, window)| !window.iter().any(|line| line.is_import));
    for (at, window) in windows() {
        places.entry(roll(window)).or_default().push(at);
    }
    let mut found = Vec::new();
    let mut done = 0;
    for (at, window) in windows() {
        if at < done || !lines[at].counts || !is_touched[at..at + least].iter().all(|&touched| touched) {
            continue;
        }
        let others = places.get(&roll(window)).into_iter().flatten().copied();
        let candidates = others.filter(|&other| other + least <= at || (other >= at + least && !is_touched[other]));
        let longest = candidates.map(|other| (same(lines, &is_touched, at, other), other)).max();
        if let Some((length, other)) = longest.filter(|&(length, _)| says_enough(&lines[at..at + length], least)) {
            found.push((at, other, length));
            done = at + length;
        }
    }
    found
}

fn roll(window: &[CodeLine]) -> u64 {
    window.iter().fold(0, |sum: u64, line| sum.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(line.hash))
}

/// How many lines from `at` on, all touched, equal those from `other` on, the two not overlapping.
fn same(lines: &[CodeLine], is_touched: &[bool], at: usize, other: usize) -> usize {
    let most = at.abs_diff(other).min(lines.len() - at.max(other));
    let equal = |&step: &usize| {
        let (a, b) = (&lines[at + step], &lines[other + step]);
        a.hash == b.hash && is_touched[at + step] && !a.is_import
    };
    (0..most).take_while(equal).count()
}

/// Whether enough of the lines say something, and not all the same thing.
fn says_enough(block: &[CodeLine], least: usize) -> bool {
    let telling: HashSet<u64> = block.iter().filter(|line| line.counts).map(|line| line.hash).collect();
    block.iter().filter(|line| line.counts).count() >= least * 3 / 4 && telling.len() >= least * 2 / 3
}

fn finding(target: &Target<'_>, meta: &Meta, copy: &[CodeLine], first: &[CodeLine]) -> Finding {
    let file = target.file;
    let span = |block: &[CodeLine]| {
        let line = |line: Option<&CodeLine>| line.map_or(1, |line| line.number);
        file.lines.range(line(block.first())).start..file.lines.range(line(block.last())).end
    };
    let mut finding = meta.finding(file, span(copy));
    let from = first.first().map_or(1, |line| line.number);
    finding.what = format!("these {} lines of code already stand at line {from}", copy.len());
    finding.because.push(Because {
        path: file.path.clone(),
        span: file.span(span(first)),
        note: "the same code".into(),
    });
    finding
}
