//! What can we prove about a fix?

use std::collections::HashMap;

use serde::Serialize;

use crate::{
    change::LineSet,
    check,
    edit::{self, Applicability, Edit, Fix},
    finding::{CheckId, Finding},
    secret,
    source::{RepoPath, SourceFile, Unreadable},
};

/// One thing that was shown to hold of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Its edits fit the reviewed bytes exactly.
    Applies,
    /// The result has no syntax error that was not there before.
    Parses,
    /// The check that made the finding is silent about it afterwards.
    ClearsFinding,
    /// No check says anything it did not say before.
    AddsNoFinding,
    /// Nothing outside the allowed lines changes.
    StaysInside,
    /// The same check offers no further change to what the patch wrote.
    Converges,
}

/// Why a fix is only words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The edits do not fit the reviewed bytes.
    #[error("it does not apply: {0}")]
    DoesNotApply(#[from] edit::EditError),
    /// The edits change nothing.
    #[error("it changes nothing")]
    NoChange,
    /// The result is not a text.
    #[error("its result is not a text file")]
    NotText,
    /// It breaks the syntax.
    #[error("its result has {after} syntax errors where there were {before}")]
    BreaksSyntax {
        /// Errors before.
        before: usize,
        /// Errors after.
        after: usize,
    },
    /// The finding is still there.
    #[error("`{0}` still finds the same in its result")]
    KeepsFinding(CheckId),
    /// Something new is found.
    #[error("its result has a new finding of `{0}`")]
    AddsFinding(CheckId),
    /// It changes lines it may not.
    #[error("it changes line {0}, which is outside the reviewed lines")]
    LeavesScope(u32),
    /// The external tool that found it could not be asked about its result.
    #[error("the tool that found it did not run again: {0}")]
    NotRechecked(String),
    /// The file has more fixes than are proven in one run.
    #[error("only the first {0} fixes of a file are proven in one run")]
    TooMany(usize),
    /// The same check would change its result again.
    #[error("`{0}` would change its result again")]
    Diverges(CheckId),
}

/// A patch of one file with everything that was shown about it. There is no other way to make one than [`prove`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedPatch {
    path: RepoPath,
    applicability: Applicability,
    edits: Vec<Edit>,
    proofs: Vec<Proof>,
    /// The blake3 hash of the bytes it applies to.
    base: [u8; 32],
}

impl VerifiedPatch {
    /// The file it changes.
    pub fn path(&self) -> &RepoPath {
        &self.path
    }

    /// How far to trust it.
    pub fn applicability(&self) -> Applicability {
        self.applicability
    }

    /// Its edits, ordered and disjoint, in bytes of the reviewed version.
    pub fn edits(&self) -> &[Edit] {
        &self.edits
    }

    /// What was shown.
    pub fn proofs(&self) -> &[Proof] {
        &self.proofs
    }

    /// The patch as a unified diff with three lines of context, to be read: bytes that are not UTF-8 show as `?` and
    /// secrets as `*`. What is to be applied is [`VerifiedPatch::edits`].
    pub fn diff(&self, file: &SourceFile) -> String {
        let after = self.apply(&file.bytes).unwrap_or_else(|_| file.bytes.to_vec());
        let after = SourceFile::new(file.path.clone(), after.into(), u64::MAX)
            .map_or_else(|_| file.text.clone(), |file| file.text);
        let (before, after) = (secret::mask(&file.text), secret::mask(&after));
        let diff = similar::TextDiff::from_lines(&*before, &*after);
        diff.unified_diff()
            .context_radius(3)
            .header(&format!("a/{}", self.path), &format!("b/{}", self.path))
            .to_string()
    }

    /// The patched bytes.
    ///
    /// # Errors
    /// [`Unproven::DoesNotApply`] when `bytes` are not the bytes it was proven on.
    pub fn apply(&self, bytes: &[u8]) -> Result<Vec<u8>, Unproven> {
        if blake3::hash(bytes).as_bytes() != &self.base {
            return Err(edit::EditError::OutOfRange { start: 0, end: 0, len: bytes.len() }.into());
        }
        Ok(edit::apply(bytes, &self.edits)?)
    }
}

/// A fix and what it has to be held against.
pub struct Claim<'a> {
    /// The reviewed version.
    pub file: &'a SourceFile,
    /// The finding with the fix.
    pub finding: &'a Finding,
    /// Everything found in that version, the finding included.
    pub found: &'a [Finding],
    /// Lines it may change besides those of the finding itself.
    pub allowed: &'a LineSet,
    /// Whether a check can say that the finding is gone. A model's own finding has none: its patch is proven without
    /// [`Proof::ClearsFinding`] and [`Proof::Converges`], and says so.
    pub is_checked: bool,
}

/// Proves the fix of a finding, running `recheck` once on the patched file.
///
/// # Errors
/// [`Unproven`] with the first thing that does not hold.
pub fn prove(
    claim: &Claim<'_>,
    fix: &Fix,
    recheck: &mut dyn FnMut(&SourceFile) -> Vec<Finding>,
) -> Result<VerifiedPatch, Unproven> {
    let Claim { file, finding, found, allowed, is_checked } = *claim;
    let bytes = edit::apply(&file.bytes, fix.edits())?;
    if *bytes == *file.bytes {
        return Err(Unproven::NoChange);
    }
    stays_inside(file, finding, fix, allowed)?;
    let patched =
        SourceFile::new(file.path.clone(), bytes.into(), u64::MAX).map_err(|_: Unreadable| Unproven::NotText)?;
    parses(file, &patched)?;
    let after = recheck(&patched);
    let mut proofs = vec![Proof::Applies, Proof::Parses];
    if is_checked {
        clears(finding, found, &after)?;
        proofs.push(Proof::ClearsFinding);
    }
    adds_none(found, &after)?;
    proofs.extend([Proof::AddsNoFinding, Proof::StaysInside]);
    if is_checked {
        converges(finding, fix, &after)?;
        proofs.push(Proof::Converges);
    }
    Ok(VerifiedPatch {
        path: file.path.clone(),
        applicability: fix.applicability,
        edits: fix.edits().to_vec(),
        proofs,
        base: *blake3::hash(&file.bytes).as_bytes(),
    })
}

fn stays_inside(file: &SourceFile, finding: &Finding, fix: &Fix, allowed: &LineSet) -> Result<(), Unproven> {
    for edit in fix.edits() {
        let lines = file.span(edit.start..edit.end).lines();
        if let Some(outside) =
            lines.into_iter().find(|&line| !finding.span.lines().contains(&line) && !allowed.contains(line))
        {
            return Err(Unproven::LeavesScope(outside));
        }
    }
    Ok(())
}

fn parses(file: &SourceFile, patched: &SourceFile) -> Result<(), Unproven> {
    let errors = |file: &SourceFile| check::parse(file).map_or(0, |tree| syntax_errors(&tree));
    let after = errors(patched);
    if after == 0 {
        return Ok(());
    }
    let before = errors(file);
    if after > before { Err(Unproven::BreaksSyntax { before, after }) } else { Ok(()) }
}

/// Whether these bytes have more syntax errors than the file.
pub fn breaks_syntax(file: &SourceFile, bytes: &[u8]) -> bool {
    match SourceFile::new(file.path.clone(), bytes.into(), u64::MAX) {
        Ok(patched) => parses(file, &patched).is_err(),
        Err(_) => true,
    }
}

/// How many places the parser could not read, or had to imagine a token at.
pub fn syntax_errors(tree: &check::Tree) -> usize {
    if !tree.root().get_inner_node().has_error() {
        return 0;
    }
    tree.root().dfs().filter(|node| node.is_error() || node.is_missing()).count()
}

fn clears(finding: &Finding, found: &[Finding], after: &[Finding]) -> Result<(), Unproven> {
    let of = |findings: &[Finding]| findings.iter().filter(|other| other.check == finding.check).count();
    if of(after) >= of(found) { Err(Unproven::KeepsFinding(finding.check.clone())) } else { Ok(()) }
}

/// Whether no check says more than before.
///
/// # Errors
/// [`Unproven::AddsFinding`] with the first that does.
pub(crate) fn adds_none(found: &[Finding], after: &[Finding]) -> Result<(), Unproven> {
    let count = |findings: &[Finding]| {
        findings.iter().fold(HashMap::<CheckId, usize>::new(), |mut counts, finding| {
            *counts.entry(finding.check.clone()).or_default() += 1;
            counts
        })
    };
    let (before, now) = (count(found), count(after));
    let of = |counts: &HashMap<CheckId, usize>, check: &CheckId| counts.get(check).copied().unwrap_or(0);
    match now.keys().filter(|check| of(&now, check) > of(&before, check)).min() {
        Some(check) => Err(Unproven::AddsFinding(check.clone())),
        None => Ok(()),
    }
}

fn converges(finding: &Finding, fix: &Fix, after: &[Finding]) -> Result<(), Unproven> {
    let mut shift = 0isize;
    let written: Vec<(usize, usize)> = fix
        .edits()
        .iter()
        .map(|edit| {
            let start = edit.start.saturating_add_signed(shift);
            shift += edit.text.len() as isize - (edit.end - edit.start) as isize;
            (start, start + edit.text.len())
        })
        .collect();
    let again =
        after.iter().filter(|other| other.check == finding.check).filter_map(|other| other.fix.as_ref()).any(|fix| {
            fix.edits().iter().any(|edit| written.iter().any(|&(start, end)| edit.start < end && start < edit.end))
        });
    if again { Err(Unproven::Diverges(finding.check.clone())) } else { Ok(()) }
}
