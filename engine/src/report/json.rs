//! The review as one JSON object, or as one finding a line.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    change::{Change, Origin},
    edit::Applicability,
    finding::{Category, Confidence, Finding, Severity},
    notice::Notice,
    patch::Proof,
    review::{Counts, Review, Reviewed},
    source::{SourceFile, Span},
    suggest::Spent,
    taste::Say,
};

/// A whole review.
#[derive(Serialize, JsonSchema)]
struct Report<'a> {
    /// The version of this format; it grows only when a field changes its meaning or goes.
    version: u32,
    /// What was read.
    change: ChangeSummary<'a>,
    /// What is told.
    findings: Vec<Told<'a>>,
    /// What could not be done.
    notices: &'a [Notice],
    /// How many of each.
    summary: Counts,
    /// What asking a model took, where one was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<Asked<'a>>,
}

/// What asking a model took.
#[derive(Serialize, JsonSchema)]
struct Asked<'a> {
    /// The model.
    name: &'a str,
    /// Questions it was asked.
    asked: usize,
    /// Questions that were answered before and cost nothing.
    kept: usize,
    /// Answers that were not of the form that was asked for.
    malformed: usize,
    /// Tokens of the questions.
    prompt_tokens: usize,
    /// How many of these had been read before.
    reused_tokens: usize,
    /// Tokens of the answers.
    answer_tokens: usize,
}

/// What was read.
#[derive(Serialize, JsonSchema)]
struct ChangeSummary<'a> {
    /// `staged`, `worktree`, `commit`, `range`, `diff` or `all`, with its ids.
    #[schemars(with = "std::collections::BTreeMap<String, String>")]
    origin: &'a Origin,
    /// The paths, in order.
    files: Vec<&'a str>,
}

/// One finding.
#[derive(Serialize, JsonSchema)]
struct Told<'a> {
    /// Its place in this report, 1-based.
    id: usize,
    /// The same for the same defect across moves and renames: 32 hex digits.
    fingerprint: String,
    /// The check's name.
    check: &'a str,
    /// What it is about.
    category: Category,
    /// How bad it is.
    severity: Severity,
    /// How likely it is right.
    confidence: Confidence,
    /// Where, from the repository's root.
    path: &'a str,
    /// Where in the file.
    span: Range,
    /// What is wrong.
    what: &'a str,
    /// Why it matters and what to do.
    why: &'a str,
    /// Other places that explain it.
    because: Vec<Place<'a>>,
    /// A number of the CWE list.
    #[serde(skip_serializing_if = "Option::is_none")]
    cwe: Option<u32>,
    /// Where to read more.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    /// Its proven patch.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<Patch<'a>>,
    /// Why its fix is only words.
    #[serde(skip_serializing_if = "Option::is_none")]
    unproven: Option<String>,
    /// What people's answers say of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    taste: Option<Weighed<'a>>,
}

/// What people's answers say of a finding.
#[derive(Serialize, JsonSchema)]
struct Weighed<'a> {
    /// How likely it is taken up, 0 to 1.
    p: f64,
    /// Whether it is told where it is seen; a severe one that is not wanted is folded away.
    posted: bool,
    /// Why.
    reason: &'a str,
}

/// Lines and columns are 1-based, columns count UTF-8 bytes, the end is exclusive.
#[derive(Serialize, JsonSchema)]
struct Range {
    start_line: u32,
    start_column: u32,
    end_line: u32,
    end_column: u32,
}

impl From<&Span> for Range {
    fn from(span: &Span) -> Self {
        Self {
            start_line: span.from.line,
            start_column: span.from.column,
            end_line: span.to.line,
            end_column: span.to.column,
        }
    }
}

/// Another place.
#[derive(Serialize, JsonSchema)]
struct Place<'a> {
    path: &'a str,
    span: Range,
    note: &'a str,
}

/// A patch that was proven.
#[derive(Serialize, JsonSchema)]
struct Patch<'a> {
    /// How far to trust it.
    applicability: Applicability,
    /// What was shown about it.
    proofs: &'a [Proof],
    /// The patch as a unified diff.
    diff: String,
    /// The same as replacements.
    edits: Vec<Replacement<'a>>,
}

/// Text that replaces a range.
#[derive(Serialize, JsonSchema)]
struct Replacement<'a> {
    span: Range,
    text: &'a str,
}

pub(super) fn render(review: &Review) -> String {
    let report = Report {
        version: 1,
        change: summary(&review.change),
        findings: told(review).collect(),
        notices: &review.notices,
        summary: review.counts(),
        model: review.spent.as_ref().map(asked),
    };
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}

pub(super) fn render_lines(review: &Review) -> String {
    told(review).filter_map(|finding| serde_json::to_string(&finding).ok()).map(|line| line + "\n").collect()
}

/// The JSON Schema of [`super::Format::Json`], pretty-printed with a newline at the end.
pub fn schema() -> String {
    serde_json::to_string_pretty(&schemars::schema_for!(Report<'_>)).unwrap_or_default() + "\n"
}

fn asked(spent: &Spent) -> Asked<'_> {
    let Spent { model, asked, kept, malformed, usage, .. } = spent;
    Asked {
        name: model,
        asked: *asked,
        kept: *kept,
        malformed: *malformed,
        prompt_tokens: usage.prompt,
        reused_tokens: usage.reused,
        answer_tokens: usage.answer,
    }
}

fn summary(change: &Change) -> ChangeSummary<'_> {
    ChangeSummary { origin: &change.origin, files: change.files.iter().map(|file| file.path.as_str()).collect() }
}

fn told(review: &Review) -> impl Iterator<Item = Told<'_>> {
    (1..).zip(review.told()).map(|(id, reviewed)| finding(review, id, reviewed))
}

fn finding<'a>(review: &'a Review, id: usize, reviewed: &'a Reviewed) -> Told<'a> {
    let Finding {
        check, category, severity, confidence, path, span, what, why, because, cwe, url, fingerprint, ..
    } = &reviewed.finding;
    Told {
        id,
        fingerprint: fingerprint.to_string(),
        check: &check.0,
        category: *category,
        severity: *severity,
        confidence: *confidence,
        path: path.as_str(),
        span: span.into(),
        what,
        why,
        because: because
            .iter()
            .map(|place| Place { path: place.path.as_str(), span: (&place.span).into(), note: &place.note })
            .collect(),
        cwe: *cwe,
        url: url.as_deref(),
        patch: review.file(path).and_then(|file| patch(file, reviewed)),
        unproven: reviewed.unproven.as_ref().map(ToString::to_string),
        taste: reviewed.weighed.as_ref().map(|(_, decision)| Weighed {
            // More digits than anybody could mean would differ between machines.
            p: (decision.probability * 1e4).round() / 1e4,
            posted: decision.say == Say::Post,
            reason: &decision.reason,
        }),
    }
}

fn patch<'a>(file: &SourceFile, reviewed: &'a Reviewed) -> Option<Patch<'a>> {
    let patch = reviewed.patch.as_ref()?;
    let edits = patch.edits();
    Some(Patch {
        applicability: patch.applicability(),
        proofs: patch.proofs(),
        diff: patch.diff(file),
        edits: edits
            .iter()
            .map(|edit| Replacement { span: (&file.span(edit.start..edit.end)).into(), text: &edit.text })
            .collect(),
    })
}
