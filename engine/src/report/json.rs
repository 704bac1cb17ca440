//! The review as one JSON object.

use serde_json::{Value, json};

use crate::review::{Review, Reviewed};

pub(super) fn render(review: &Review) -> String {
    let findings: Vec<Value> = review.told().map(finding).collect();
    let object = json!({
        "version": 1,
        "change": review.change,
        "findings": findings,
        "notices": review.notices,
        "summary": review.counts(),
    });
    serde_json::to_string_pretty(&object).unwrap_or_default() + "\n"
}

fn finding(reviewed: &Reviewed) -> Value {
    let finding = &reviewed.finding;
    json!({
        "fingerprint": finding.fingerprint,
        "check": finding.check,
        "category": finding.category,
        "severity": finding.severity,
        "confidence": finding.confidence,
        "path": finding.path,
        "span": {
            "start_line": finding.span.from.line,
            "start_column": finding.span.from.column,
            "end_line": finding.span.to.line,
            "end_column": finding.span.to.column,
        },
        "what": finding.what,
        "why": finding.why,
        "because": finding.because,
        "cwe": finding.cwe,
    })
}
