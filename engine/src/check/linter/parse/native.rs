//! What does a tool's own JSON say, read through the pointers of its file?

use serde_json::Value;

use super::{cwe, number, scalar};
use crate::check::linter::{
    diagnostic::{Diagnostic, Region, Suggestion},
    spec::{FixMap, Mapping, PlaceMap, Unit},
};

/// The diagnostics of one JSON value.
pub(super) fn parse(mapping: &Mapping, value: &Value, unit: Unit) -> Vec<Diagnostic> {
    let mut scopes = vec![vec![value]];
    for pointer in &mapping.items {
        scopes = scopes.into_iter().flat_map(|scope| opened(&scope, pointer)).collect();
    }
    scopes.iter().filter_map(|scope| diagnostic(mapping, scope, unit)).collect()
}

/// A scope (outermost value first) with each element of what a pointer leads to put inside it.
fn opened<'a>(scope: &[&'a Value], pointer: &str) -> Vec<Vec<&'a Value>> {
    let inside = |value: &'a Value| scope.iter().copied().chain([value]).collect();
    match scope.last().and_then(|value| follow(value, pointer)) {
        Some(Value::Array(values)) => values.iter().map(inside).collect(),
        Some(Value::Object(values)) => values.values().map(inside).collect(),
        _ => Vec::new(),
    }
}

fn diagnostic(mapping: &Mapping, scope: &[&Value], unit: Unit) -> Option<Diagnostic> {
    if let Some(only) = &mapping.only
        && !find(scope, &only.at).and_then(scalar).is_some_and(|value| only.is.contains(&value))
    {
        return None;
    }
    let word = |pointer: &Option<String>| find(scope, pointer.as_ref()?).and_then(scalar);
    let region = region(&mapping.place, scope);
    Some(Diagnostic {
        path: find(scope, &mapping.path).and_then(scalar)?,
        unit,
        code: word(&mapping.code).filter(|code| !code.is_empty()),
        level: word(&mapping.level),
        message: message(&mapping.message, scope),
        url: word(&mapping.url).filter(|url| !url.is_empty()),
        cwe: mapping.cwe.as_ref().and_then(|pointer| find(scope, pointer)).and_then(weakness),
        suggestion: mapping.fix.as_ref().and_then(|fix| suggestion(fix, scope, &region)),
        region,
    })
}

/// The value at a pointer in the innermost value of a scope that has one there.
fn find<'a>(scope: &[&'a Value], pointer: &str) -> Option<&'a Value> {
    scope.iter().rev().find_map(|value| follow(value, pointer)).filter(|value| !value.is_null())
}

/// A JSON pointer with one more kind of segment: `{key=value}` picks an element of an array.
fn follow<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    let Some((before, rest)) = pointer.split_once("/{") else { return value.pointer(pointer) };
    let (condition, after) = rest.split_once('}')?;
    let (key, wanted) = condition.split_once('=')?;
    let holds = |element: &&Value| element.get(key).and_then(scalar).as_deref() == Some(wanted);
    follow(value.pointer(before)?.as_array()?.iter().find(holds)?, after)
}

fn weakness(value: &Value) -> Option<u32> {
    match value {
        Value::Array(values) => values.iter().find_map(weakness),
        value => cwe(&scalar(value)?),
    }
}

/// A message: what a pointer leads to, or a text with pointers in braces.
fn message(template: &str, scope: &[&Value]) -> String {
    let shown = |pointer: &str| match find(scope, pointer) {
        Some(Value::Array(values)) => values.iter().filter_map(scalar).collect::<Vec<_>>().join("`, `"),
        Some(value) => scalar(value).unwrap_or_default(),
        None => String::new(),
    };
    if template.starts_with('/') {
        return shown(template);
    }
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{/") {
        let (pointer, tail) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(before);
        text.push_str(&shown(&format!("/{pointer}")));
        rest = tail;
    }
    text + rest
}

fn region(map: &PlaceMap, scope: &[&Value]) -> Region {
    let value = |pointer: &Option<String>| find(scope, pointer.as_ref()?).and_then(number);
    if let (Some(start), Some(end)) = (value(&map.start), value(&map.end)) {
        return Region::Offsets { start: start as usize, end: end as usize };
    }
    let Some(line) = value(&map.line) else { return Region::File };
    let column = value(&map.column).map(|column| column.saturating_add(map.column_shift));
    let end_column = value(&map.end_column)
        .map(|end| end.saturating_add(map.column_shift).saturating_add(map.end_column_shift))
        .or_else(|| {
            let length = find(scope, map.length_of.as_ref()?)?.as_str()?.len();
            column?.checked_add(u32::try_from(length).ok()?)
        });
    let shifted = |line: u32| line.saturating_add(map.line_shift);
    Region::Lines { line: shifted(line), column, end_line: value(&map.end_line).map(shifted), end_column }
}

fn suggestion(map: &FixMap, scope: &[&Value], region: &Region) -> Option<Suggestion> {
    if let Some(pointer) = &map.single
        && find(scope, pointer)?.as_array()?.len() != 1
    {
        return None;
    }
    let choices = match &map.choices {
        Some(pointer) => opened(scope, pointer),
        None => vec![scope.to_vec()],
    };
    choices.iter().find_map(|choice| edits(map, choice, region))
}

fn edits(map: &FixMap, scope: &[&Value], whole: &Region) -> Option<Suggestion> {
    let scopes = match &map.edits {
        Some(pointer) => opened(scope, pointer),
        None => vec![scope.to_vec()],
    };
    let own_place = map.place != PlaceMap::default();
    let edit = |scope: &Vec<&Value>| {
        let text = scalar(find(&scope[scope.len() - 1..], &map.text).or_else(|| find(scope, &map.text))?)?;
        let place = if own_place { region(&map.place, scope) } else { whole.clone() };
        (place != Region::File).then_some((place, text))
    };
    let edits: Vec<_> = scopes.iter().map(edit).collect::<Option<_>>()?;
    let is_safe = |scope: &Vec<&Value>| {
        let word = map.level.as_ref().and_then(|pointer| find(scope, pointer)).and_then(scalar);
        word.is_some_and(|word| map.safe.contains(&word))
    };
    (!edits.is_empty()).then(|| Suggestion { safe: scopes.iter().all(is_safe), edits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_look_inside_first_and_then_around() {
        let value = serde_json::json!([{ "file": "a.js", "messages": [
            { "rule": "r", "line": 2, "column": 0, "end": 4, "severity": 2, "spans": [{ "p": false }, { "p": true, "x": "é" }] },
        ] }]);
        let mapping: Mapping = toml::from_str(
            "items = ['', '/messages']\npath = '/file'\ncode = '/rule'\nlevel = '/severity'\nmessage = 'see {/spans/{p=true}/x}'\n\
             place = { line = '/line', column = '/column', end_column = '/end', column_shift = 1 }",
        )
        .unwrap();
        let found = parse(&mapping, &value, Unit::Utf16);
        let region = Region::Lines { line: 2, column: Some(1), end_line: None, end_column: Some(5) };
        assert_eq!((found[0].path.as_str(), &found[0].region, found[0].level.as_deref()), ("a.js", &region, Some("2")));
    }

    #[test]
    fn the_first_choice_with_edits_is_the_fix() {
        let value = serde_json::json!({ "path": "a", "line": 1, "kids": [
            { "spans": [] },
            { "spans": [{ "s": 3, "e": 5, "t": "x", "sure": "yes" }, { "s": 7, "e": 7, "t": "", "sure": "yes" }] },
        ] });
        let mapping: Mapping = toml::from_str(
            "path = '/path'\nmessage = 'm'\nplace = { line = '/line' }\n[fix]\nchoices = '/kids'\nedits = '/spans'\n\
             place = { start = '/s', end = '/e' }\ntext = '/t'\nlevel = '/sure'\nsafe = ['yes']",
        )
        .unwrap();
        let fix = parse(&mapping, &value, Unit::Bytes).remove(0).suggestion.unwrap();
        assert!(fix.safe);
        assert_eq!(fix.edits[1], (Region::Offsets { start: 7, end: 7 }, String::new()));
    }
}
