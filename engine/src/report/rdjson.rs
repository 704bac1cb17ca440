//! Reviewdog Diagnostic Format (rdf.DiagnosticResult); columns count UTF-8 bytes, 1-based.

use serde_json::{Value, json};

use super::HOME;
use crate::{
    review::{Review, Reviewed},
    source::Span,
};

pub(super) fn render(review: &Review) -> String {
    let diagnostics: Vec<Value> = review.told().map(|reviewed| diagnostic(review, reviewed)).collect();
    let result = json!({ "source": { "name": "apprentice", "url": HOME }, "diagnostics": diagnostics });
    serde_json::to_string_pretty(&result).unwrap_or_default() + "\n"
}

fn diagnostic(review: &Review, reviewed: &Reviewed) -> Value {
    let finding = &reviewed.finding;
    let message =
        if finding.why.is_empty() { finding.what.clone() } else { format!("{}\n\n{}", finding.what, finding.why) };
    let mut diagnostic = json!({
        "message": message,
        "location": { "path": finding.path, "range": range(&finding.span) },
        "severity": finding.severity.word().to_uppercase(),
        "code": { "value": finding.check },
    });
    if let Some(url) = &finding.url {
        diagnostic["code"]["url"] = json!(url);
    }
    if let (Some(patch), Some(file)) = (&reviewed.patch, review.file(&finding.path)) {
        diagnostic["suggestions"] = patch
            .edits()
            .iter()
            .map(|edit| json!({ "range": range(&file.span(edit.start..edit.end)), "text": edit.text }))
            .collect();
    }
    diagnostic
}

fn range(span: &Span) -> Value {
    json!({
        "start": { "line": span.from.line, "column": span.from.column },
        "end": { "line": span.to.line, "column": span.to.column },
    })
}
