//! SARIF 2.1.0 (OASIS Standard, 27 March 2020).

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{HOME, utf16};
use crate::{
    finding::Severity,
    notice::Gravity,
    review::{Review, Reviewed, Standing},
    source::{Position, SourceFile, Span},
};

pub(super) fn render(review: &Review) -> String {
    let reported: Vec<&Reviewed> = review
        .findings
        .iter()
        .filter(|reviewed| {
            let standing = &reviewed.standing;
            matches!(standing, Standing::Told | Standing::Allowed { .. } | Standing::Baseline | Standing::Muted { .. })
        })
        .collect();
    let mut rules: Vec<&Reviewed> = reported.clone();
    rules.sort_by(|a, b| a.finding.check.cmp(&b.finding.check));
    rules.dedup_by(|a, b| a.finding.check == b.finding.check);
    let index = |reviewed: &Reviewed| rules.iter().position(|rule| rule.finding.check == reviewed.finding.check);
    let run = json!({
        "tool": { "driver": {
            "name": "apprentice",
            "version": env!("CARGO_PKG_VERSION"),
            "informationUri": HOME,
            "rules": rules.iter().map(|rule| descriptor(rule)).collect::<Vec<_>>(),
        }},
        "columnKind": "utf16CodeUnits",
        "originalUriBaseIds": { "SRCROOT": { "description": { "text": "the root of the repository" } } },
        "invocations": [{
            "executionSuccessful": !review.is_incomplete(),
            "toolExecutionNotifications": review.notices.iter().map(|notice| json!({
                "level": if notice.gravity == Gravity::Failure { "error" } else { "note" },
                "message": { "text": format!("{}: {}", notice.about, notice.what) },
            })).collect::<Vec<_>>(),
        }],
        "results": reported.iter().map(|reviewed| result(review, reviewed, index(reviewed))).collect::<Vec<_>>(),
    });
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [run],
    });
    serde_json::to_string_pretty(&log).unwrap_or_default() + "\n"
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Info => "note",
    }
}

fn descriptor(reviewed: &Reviewed) -> Value {
    let finding = &reviewed.finding;
    let mut tags = vec![finding.category.word().to_owned()];
    tags.extend(finding.cwe.map(|cwe| format!("external/cwe/cwe-{cwe:03}")));
    let mut rule = json!({
        "id": finding.check,
        "shortDescription": { "text": finding.what },
        "defaultConfiguration": { "level": level(finding.severity) },
        "properties": { "tags": tags, "precision": finding.confidence },
    });
    if !finding.why.is_empty() {
        rule["fullDescription"] = json!({ "text": finding.why });
    }
    if let Some(url) = &finding.url {
        rule["helpUri"] = json!(url);
    }
    rule
}

fn result(review: &Review, reviewed: &Reviewed, index: Option<usize>) -> Value {
    let finding = &reviewed.finding;
    let mut result = json!({
        "ruleId": finding.check,
        "level": level(finding.severity),
        "message": { "text": finding.what },
        "locations": [{ "physicalLocation": {
            "artifactLocation": artifact(finding.path.as_str()),
            "region": {
                "startLine": finding.span.from.line,
                "startColumn": utf16(review, reviewed, finding.span.from),
                "endLine": finding.span.to.line,
                "endColumn": utf16(review, reviewed, finding.span.to),
            },
        }}],
        "partialFingerprints": { "apprentice/v1": finding.fingerprint.to_string() },
    });
    if let Some(index) = index {
        result["ruleIndex"] = json!(index);
    }
    if !finding.because.is_empty() {
        result["relatedLocations"] = finding
            .because
            .iter()
            .map(|place| {
                json!({
                    "physicalLocation": {
                        "artifactLocation": artifact(place.path.as_str()),
                        "region": { "startLine": place.span.from.line, "endLine": place.span.to.line },
                    },
                    "message": { "text": place.note },
                })
            })
            .collect();
    }
    match &reviewed.standing {
        Standing::Allowed { reason } => {
            result["suppressions"] = json!([{ "kind": "inSource", "justification": reason }])
        }
        Standing::Baseline => result["suppressions"] = json!([{ "kind": "external" }]),
        Standing::Muted { because } => {
            result["suppressions"] = json!([{ "kind": "external", "justification": because }])
        }
        _ => {}
    }
    if let (Some(patch), Some(file)) = (&reviewed.patch, review.file(&finding.path)) {
        result["fixes"] = json!([{
            "description": { "text": format!("a proven patch for {}", finding.check) },
            "artifactChanges": [{
                "artifactLocation": artifact(finding.path.as_str()),
                "replacements": patch.edits().iter().map(|edit| json!({
                    "deletedRegion": region(file, &file.span(edit.start..edit.end)),
                    "insertedContent": { "text": edit.text },
                })).collect::<Vec<_>>(),
            }],
        }]);
    }
    result
}

fn region(file: &SourceFile, span: &Span) -> Value {
    let column = |position: Position| {
        let line = file.text.get(file.lines.range(position.line)).unwrap_or("");
        line.get(..position.column as usize - 1).unwrap_or(line).encode_utf16().count() + 1
    };
    json!({
        "startLine": span.from.line,
        "startColumn": column(span.from),
        "endLine": span.to.line,
        "endColumn": column(span.to),
    })
}

fn artifact(path: &str) -> Value {
    json!({ "uri": percent_encoded(path), "uriBaseId": "SRCROOT" })
}

/// RFC 3986: everything but unreserved characters and `/`.
fn percent_encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(byte as char),
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_become_uris() {
        assert_eq!(super::percent_encoded("a b/ü#?.py"), "a%20b/%C3%BC%23%3F.py");
    }
}
