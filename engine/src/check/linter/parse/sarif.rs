//! What does a SARIF 2.1.0 log say?

use serde_json::Value;

use super::{array, cwe, number_at, path_of_uri, text};
use crate::check::linter::{
    diagnostic::{Diagnostic, Region, Suggestion},
    spec::Unit,
};

/// The results of every run that fail and are not suppressed. `columns` is how the tool counts where it does not say;
/// without it UTF-16 code units.
pub(super) fn parse(log: &Value, columns: Option<Unit>) -> Result<Vec<Diagnostic>, String> {
    if !log.is_null() && log.pointer("/runs").is_none() {
        return Err("its output is JSON but not SARIF: there are no `runs`".to_owned());
    }
    Ok(array(log, "/runs").iter().flat_map(|run| run_results(run, columns)).collect())
}

fn run_results(run: &Value, columns: Option<Unit>) -> Vec<Diagnostic> {
    let unit = match text(run, "/columnKind").as_deref() {
        Some("unicodeCodePoints") => Unit::Codepoints,
        Some("utf16CodeUnits") => Unit::Utf16,
        _ => columns.unwrap_or(Unit::Utf16),
    };
    array(run, "/results")
        .iter()
        .filter(|result| is_told(result))
        .filter_map(|result| diagnostic(run, result, unit))
        .collect()
}

fn is_told(result: &Value) -> bool {
    let kind = text(result, "/kind");
    let suppressed = array(result, "/suppressions")
        .iter()
        .any(|suppression| !matches!(text(suppression, "/status").as_deref(), Some("rejected" | "underReview")));
    matches!(kind.as_deref(), None | Some("fail" | "open" | "review")) && !suppressed
}

fn diagnostic(run: &Value, result: &Value, unit: Unit) -> Option<Diagnostic> {
    let rule = rule(run, result);
    let of_rule = |pointer: &str| rule.and_then(|rule| text(rule, pointer));
    let location = result.pointer("/locations/0/physicalLocation")?;
    let path = artifact(run, location)?;
    Some(Diagnostic {
        region: region(location.pointer("/region")),
        unit,
        code: text(result, "/ruleId").or_else(|| text(result, "/rule/id")).or_else(|| of_rule("/id")),
        level: text(result, "/level").or_else(|| of_rule("/defaultConfiguration/level")),
        message: message(result, rule),
        url: of_rule("/helpUri"),
        cwe: rule.and_then(weakness),
        suggestion: array(result, "/fixes").iter().find_map(|fix| suggestion(run, fix, &path)),
        path,
    })
}

fn rule<'a>(run: &'a Value, result: &Value) -> Option<&'a Value> {
    let rules = run.pointer("/tool/driver/rules")?.as_array()?;
    let index = number_at(result, "/ruleIndex").or_else(|| number_at(result, "/rule/index"));
    let id = text(result, "/ruleId").or_else(|| text(result, "/rule/id"));
    let by_index = index.and_then(|index| rules.get(index as usize));
    by_index.or_else(|| rules.iter().find(|rule| id.is_some() && text(rule, "/id") == id))
}

fn artifact(run: &Value, location: &Value) -> Option<String> {
    let by_index = || {
        let index = number_at(location, "/artifactLocation/index")?;
        text(run.pointer("/artifacts")?.get(index as usize)?, "/location/uri")
    };
    Some(path_of_uri(&text(location, "/artifactLocation/uri").or_else(by_index)?))
}

fn region(region: Option<&Value>) -> Region {
    let Some(region) = region else { return Region::File };
    let at = |pointer: &str| number_at(region, pointer);
    if let Some(line) = at("/startLine") {
        // An end without a column is the end of that line; a start without one is its beginning.
        let end_column = at("/endColumn");
        let column = at("/startColumn").or(end_column.map(|_| 1));
        return Region::Lines { line, column, end_line: at("/endLine"), end_column };
    }
    match (at("/charOffset"), at("/charLength")) {
        (Some(start), length) => offsets(start, length.unwrap_or(0)),
        (None, _) => Region::File,
    }
}

fn offsets(start: u32, length: u32) -> Region {
    Region::Offsets { start: start as usize, end: start as usize + length as usize }
}

fn message(result: &Value, rule: Option<&Value>) -> String {
    let by_id = || {
        let id = text(result, "/message/id")?;
        text(rule?.pointer("/messageStrings")?.get(&id)?, "/text")
    };
    let own = text(result, "/message/text").or_else(by_id);
    let of_rule = || rule.and_then(|rule| text(rule, "/shortDescription/text"));
    let mut message = own.or_else(of_rule).unwrap_or_default();
    for (at, argument) in array(result, "/message/arguments").iter().enumerate() {
        message = message.replace(&format!("{{{at}}}"), argument.as_str().unwrap_or_default());
    }
    message
}

fn weakness(rule: &Value) -> Option<u32> {
    let tags = array(rule, "/properties/tags").iter().filter_map(Value::as_str);
    tags.filter(|tag| tag.to_ascii_lowercase().contains("cwe")).find_map(cwe)
}

/// A fix whose changes are all in the file of the result.
fn suggestion(run: &Value, fix: &Value, path: &str) -> Option<Suggestion> {
    let changes = array(fix, "/artifactChanges");
    let same_file = |change: &&Value| artifact(run, change).as_deref() == Some(path);
    if changes.is_empty() || !changes.iter().all(|change| same_file(&change)) {
        return None;
    }
    let edit = |replacement: &Value| {
        let mut region = region(Some(replacement.pointer("/deletedRegion")?));
        if let Region::Lines { column: Some(column), end_column: end @ None, .. } = &mut region {
            *end = Some(*column);
        }
        Some((region, text(replacement, "/insertedContent/text").unwrap_or_default()))
    };
    let edits = changes.iter().flat_map(|change| array(change, "/replacements")).map(edit).collect::<Option<_>>()?;
    Some(Suggestion { safe: false, edits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(result: serde_json::Value) -> serde_json::Value {
        serde_json::json!({ "version": "2.1.0", "runs": [{
            "columnKind": "unicodeCodePoints",
            "tool": { "driver": { "name": "t", "rules": [{
                "id": "R1", "helpUri": "https://x", "defaultConfiguration": { "level": "error" },
                "messageStrings": { "m": { "text": "do not {0}" } }, "properties": { "tags": ["CWE-79: XSS"] },
            }] } },
            "results": [result],
        }] })
    }

    #[test]
    fn a_result_with_its_rule_and_fix() {
        let location = |column: u32, end: u32| {
            serde_json::json!({
                "artifactLocation": { "uri": "a%20b.py" }, "region": { "startLine": 3, "startColumn": column, "endColumn": end },
            })
        };
        let found = parse(&log(serde_json::json!({
            "ruleIndex": 0, "message": { "id": "m", "arguments": ["that"] },
            "locations": [{ "physicalLocation": location(2, 5) }],
            "fixes": [{ "artifactChanges": [{ "artifactLocation": { "uri": "a%20b.py" }, "replacements": [
                { "deletedRegion": { "startLine": 3, "startColumn": 2, "endColumn": 5 }, "insertedContent": { "text": "x" } },
            ] }] }],
        })), None).unwrap();
        let region = Region::Lines { line: 3, column: Some(2), end_line: None, end_column: Some(5) };
        let expected = Diagnostic {
            path: "a b.py".into(),
            region: region.clone(),
            unit: Unit::Codepoints,
            code: Some("R1".into()),
            level: Some("error".into()),
            message: "do not that".into(),
            url: Some("https://x".into()),
            cwe: Some(79),
            suggestion: Some(Suggestion { safe: false, edits: vec![(region, "x".into())] }),
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_passed_or_is_suppressed_is_not_told() {
        let place = serde_json::json!([{ "physicalLocation": { "artifactLocation": { "uri": "a" } } }]);
        let of = |extra: serde_json::Value| {
            let mut result = serde_json::json!({ "ruleId": "R1", "message": { "text": "x" }, "locations": place });
            result.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            parse(&log(result), None).unwrap().len()
        };
        assert_eq!(of(serde_json::json!({})), 1);
        assert_eq!(of(serde_json::json!({ "kind": "pass" })), 0);
        assert_eq!(of(serde_json::json!({ "suppressions": [{ "kind": "inSource" }] })), 0);
        assert!(parse(&serde_json::json!({ "a": 1 }), None).is_err());
    }
}
