//! What does an output in the reviewdog diagnostic format say?

use serde_json::Value;

use super::{array, number_at, text};
use crate::check::linter::{
    diagnostic::{Diagnostic, Region, Suggestion},
    spec::Unit,
};

/// One `DiagnosticResult`.
pub(super) fn parse(result: &Value, unit: Unit) -> Result<Vec<Diagnostic>, String> {
    if !result.is_null() && result.pointer("/diagnostics").is_none() {
        return Err("its output is JSON but not rdjson: there are no `diagnostics`".to_owned());
    }
    let level = text(result, "/severity");
    Ok(array(result, "/diagnostics").iter().filter_map(|entry| diagnostic(entry, level.as_ref(), unit)).collect())
}

/// One `Diagnostic` a line.
pub(super) fn parse_lines(lines: &[Value], unit: Unit) -> Vec<Diagnostic> {
    lines.iter().filter_map(|entry| diagnostic(entry, None, unit)).collect()
}

fn diagnostic(entry: &Value, level: Option<&String>, unit: Unit) -> Option<Diagnostic> {
    Some(Diagnostic {
        path: text(entry, "/location/path")?,
        region: region(entry.pointer("/location/range")),
        unit,
        code: text(entry, "/code/value"),
        level: text(entry, "/severity").or_else(|| level.cloned()),
        message: text(entry, "/message").unwrap_or_default(),
        url: text(entry, "/code/url"),
        cwe: None,
        suggestion: suggestion(array(entry, "/suggestions")),
    })
}

fn region(range: Option<&Value>) -> Region {
    let Some(range) = range else { return Region::File };
    let at = |pointer: &str| number_at(range, pointer);
    match at("/start/line") {
        Some(line) => Region::Lines {
            line,
            column: at("/start/column"),
            end_line: at("/end/line"),
            end_column: at("/end/column"),
        },
        None => Region::File,
    }
}

/// All suggestions together, as tools that split one action into several edits mean it. Where they are alternatives
/// they overlap or leave the file broken, and the fix does not survive its proof.
fn suggestion(suggestions: &[Value]) -> Option<Suggestion> {
    let edit = |entry: &Value| {
        let mut region = region(entry.pointer("/range"));
        if let Region::Lines { line, column, end_line, end_column } = &mut region {
            // Without columns whole lines are replaced; without an end the place is empty.
            match (*column, *end_column) {
                (None, _) => {
                    (*column, *end_line, *end_column) =
                        (Some(1), Some(end_line.unwrap_or(*line).saturating_add(1)), Some(1))
                }
                (Some(start), None) => (*end_line, *end_column) = (Some(*line), Some(start)),
                _ => {}
            }
        }
        Some((region, text(entry, "/text").unwrap_or_default()))
    };
    let edits: Vec<_> = suggestions.iter().map(edit).collect::<Option<_>>()?;
    (!edits.is_empty()).then_some(Suggestion { safe: false, edits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_with_a_suggestion() {
        let range = serde_json::json!({ "start": { "line": 2, "column": 3 }, "end": { "line": 2, "column": 9 } });
        let entry = serde_json::json!({
            "message": "no", "location": { "path": "a.go", "range": range }, "code": { "value": "X1", "url": "u" },
            "suggestions": [{ "range": range, "text": "yes" }],
        });
        let result = serde_json::json!({ "severity": "ERROR", "diagnostics": [entry] });
        let found = parse(&result, Unit::Bytes).unwrap();
        let region = Region::Lines { line: 2, column: Some(3), end_line: Some(2), end_column: Some(9) };
        assert_eq!((found[0].level.as_deref(), &found[0].region), (Some("ERROR"), &region));
        assert_eq!(found[0].suggestion.as_ref().unwrap().edits, [(region, "yes".to_owned())]);
        assert_eq!(parse_lines(&[entry], Unit::Bytes)[0].code.as_deref(), Some("X1"));
    }
}
