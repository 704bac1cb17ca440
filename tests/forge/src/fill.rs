//! How does an answer become whole? What the forge does not model gets the emptiest value its schema allows.

use crate::contract::follow;
use serde_json::{Map, Value};

/// What text that must be a time or an address is filled with.
pub(crate) struct Blank {
    pub(crate) now: String,
    pub(crate) base: String,
}

/// The value with every required field the schema names; what is there stays as it is.
pub(crate) fn fill(schema: &'static Value, value: Value, blank: &Blank) -> Value {
    let schema = follow(schema);
    let value = parts(schema, value, blank);
    match value {
        Value::Object(map) => Value::Object(fields(schema, map, blank)),
        Value::Array(items) if schema.get("items").is_some() => {
            items.into_iter().map(|item| fill(&schema["items"], item, blank)).collect()
        }
        other => other,
    }
}

/// Goes through `allOf`, and through the one branch of `anyOf` or `oneOf` that fits best.
fn parts(schema: &'static Value, mut value: Value, blank: &Blank) -> Value {
    for part in list(schema, "allOf") {
        value = fill(part, value, blank);
    }
    for key in ["anyOf", "oneOf"] {
        if let Some(best) = list(schema, key).iter().max_by_key(|branch| fit(follow(branch), &value)) {
            value = fill(best, value, blank);
        }
    }
    value
}

/// How many of the value's fields a branch knows; a branch that forbids one is out.
fn fit(branch: &'static Value, value: &Value) -> i64 {
    if !types(branch).is_empty() && !types(branch).contains(&kind(value)) {
        return -1;
    }
    let Value::Object(map) = value else { return 0 };
    let forbidden = |key: &String, v: &Value| {
        let allowed = follow(&branch["properties"][key])["enum"].as_array();
        allowed.is_some_and(|list| !list.contains(v))
    };
    if map.iter().any(|(k, v)| forbidden(k, v)) {
        return -1;
    }
    i64::try_from(map.keys().filter(|k| branch["properties"].get(k.as_str()).is_some()).count()).unwrap_or(0)
}

fn fields(schema: &'static Value, mut map: Map<String, Value>, blank: &Blank) -> Map<String, Value> {
    let Some(properties) = schema["properties"].as_object() else { return map };
    for (name, property) in properties {
        if let Some(value) = map.get_mut(name) {
            *value = fill(property, value.take(), blank);
        }
    }
    for name in list(schema, "required").iter().filter_map(Value::as_str) {
        if !map.contains_key(name) {
            map.insert(name.to_owned(), properties.get(name).map_or(Value::Null, |p| empty(p, blank)));
        }
    }
    map
}

/// The emptiest value: null where it may be null.
fn empty(schema: &'static Value, blank: &Blank) -> Value {
    let schema = follow(schema);
    let types = types(schema);
    let branches: Vec<&'static Value> =
        ["anyOf", "oneOf", "allOf"].iter().flat_map(|k| list(schema, k)).map(follow).collect();
    let nulls = branches.iter().filter(|b| self::types(b).contains(&"null")).count();
    // `oneOf` wants exactly one branch to hold; some of GitHub's allow null twice, some not at all.
    if (types.contains(&"null") && branches.is_empty()) || nulls == 1 || (nulls > 1 && schema.get("oneOf").is_none()) {
        return Value::Null;
    }
    if let Some(first) = list(schema, "enum").iter().find(|v| !v.is_null()) {
        return first.clone();
    }
    if !branches.is_empty() && schema.get("allOf").is_none() {
        return solid(branches[0], blank);
    }
    match types.iter().find(|t| **t != "null") {
        Some(&"string") => text(schema, blank),
        Some(&"integer" | &"number") => schema.get("minimum").cloned().unwrap_or_else(|| 0.into()),
        Some(&"boolean") => false.into(),
        Some(&"array") => Value::Array(Vec::new()),
        _ => fill(schema, Value::Object(Map::new()), blank),
    }
}

/// The emptiest value of a branch that may not be null here.
fn solid(schema: &'static Value, blank: &Blank) -> Value {
    match types(schema).iter().find(|t| **t != "null") {
        Some(&"integer" | &"number") => 0.into(),
        Some(&"string") => text(schema, blank),
        _ => empty(schema, blank),
    }
}

fn text(schema: &Value, blank: &Blank) -> Value {
    match schema["format"].as_str() {
        Some("date-time") => blank.now.clone().into(),
        Some("date") => blank.now.chars().take(10).collect::<String>().into(),
        Some("uri" | "uri-template") => format!("{}/not-modelled", blank.base).into(),
        _ => "".into(),
    }
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(one) => vec![one.as_str()],
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn list<'a>(schema: &'a Value, key: &str) -> &'a [Value] {
    schema[key].as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;
    use serde_json::json;

    fn blank() -> Blank {
        Blank { now: "2026-01-01T00:00:00Z".to_owned(), base: "http://forge".to_owned() }
    }

    #[test]
    fn what_is_filled_from_nothing_keeps_the_contract() {
        for id in ["repos/get", "pulls/get", "pulls/create-review", "checks/create", "apps/get-authenticated"] {
            let status = if id == "checks/create" { 201 } else { 200 };
            let value = fill(contract::answer_schema(id, status).unwrap(), json!({}), &blank());
            assert_eq!(contract::answer(id, status, Some(&value)), Vec::<String>::new(), "{id}");
        }
    }

    #[test]
    fn a_webhook_filled_from_its_action_keeps_the_contract() {
        for (name, action) in [
            ("pull_request.opened", "opened"),
            ("pull_request_review_comment.created", "created"),
            ("check_run.rerequested", "rerequested"),
            ("installation.created", "created"),
        ] {
            let schema = contract::webhook_schema(name).unwrap();
            let value = fill(schema, json!({ "action": action }), &blank());
            assert_eq!(contract::webhook(name, &value), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn what_is_there_stays() {
        let schema = contract::answer_schema("pulls/get", 200).unwrap();
        let value = fill(schema, json!({ "title": "x", "user": { "login": "ann" } }), &blank());
        assert_eq!((&value["title"], &value["user"]["login"]), (&json!("x"), &json!("ann")));
        assert_eq!(value["user"]["site_admin"], json!(false));
    }
}
