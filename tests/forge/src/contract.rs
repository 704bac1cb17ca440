//! Does an exchange agree with what GitHub publishes about itself?

use crate::wire::{Request, decode};
use jsonschema::{Registry, Validator};
use regex::Regex;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

const URN: &str = "urn:github";
const SOURCE: &str = include_str!("../contract/github.json");

static ROOT: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SOURCE).unwrap_or(Value::Null));
static REGISTRY: LazyLock<Option<Registry<'static>>> =
    LazyLock::new(|| Registry::new().add(URN, &*ROOT).ok()?.prepare().ok());
static ROUTES: LazyLock<Vec<Route>> = LazyLock::new(routes);
static CHECKS: LazyLock<Mutex<HashMap<String, Compiled>>> = LazyLock::new(Mutex::default);

type Compiled = Result<Arc<Validator>, String>;

/// One operation of the description and how its path is recognized.
pub(crate) struct Route {
    pub(crate) id: String,
    method: String,
    path: Regex,
    names: Vec<String>,
    weight: usize,
}

fn routes() -> Vec<Route> {
    let none = Map::new();
    let all = ROOT["operations"].as_object().unwrap_or(&none);
    let mut routes: Vec<Route> = all.iter().filter_map(|(id, o)| route(id, o)).collect();
    routes.sort_by_key(|r| std::cmp::Reverse(r.weight));
    routes
}

/// Names that hold slashes are matched greedily; the longest literal path is tried first.
fn route(id: &str, operation: &Value) -> Option<Route> {
    let (mut pattern, mut names, mut weight) = ("^".to_owned(), Vec::new(), 0);
    for part in operation["path"].as_str()?.split_inclusive(['{', '}']) {
        let Some(name) = part.strip_suffix('}') else {
            let literal = part.trim_end_matches('{');
            weight += literal.len();
            pattern += &regex::escape(literal);
            continue;
        };
        let wide = ["path", "ref", "basehead", "branch"].contains(&name);
        pattern += if wide { "(.+)" } else { "([^/]+)" };
        names.push(name.to_owned());
    }
    let path = Regex::new(&(pattern + "$")).ok()?;
    Some(Route { id: id.to_owned(), method: operation["method"].as_str()?.to_owned(), path, names, weight })
}

/// The operation a request means, and what stands in its path.
pub(crate) fn find(method: &str, path: &str) -> Option<(&'static Route, BTreeMap<String, String>)> {
    ROUTES.iter().filter(|r| r.method == method).find_map(|route| {
        let found = route.path.captures(path)?;
        let values = found.iter().skip(1).flatten().map(|m| decode(m.as_str()));
        Some((route, route.names.iter().cloned().zip(values).collect()))
    })
}

/// What a request breaks: `(fatal, words)`; GitHub answers 422 to what is fatal and overlooks the rest.
pub(crate) fn request(route: &Route, params: &BTreeMap<String, String>, request: &Request) -> Vec<(bool, String)> {
    let operation = &ROOT["operations"][&route.id];
    let mut found = Vec::new();
    for (name, value) in params {
        parameter(operation, &route.id, "path", name, value, &mut found);
    }
    for (name, value) in &request.query {
        parameter(operation, &route.id, "query", name, value, &mut found);
    }
    body(operation, &route.id, request, &mut found);
    found
}

fn parameter(o: &Value, id: &str, place: &str, name: &str, value: &str, found: &mut Vec<(bool, String)>) {
    let list = o["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let Some(at) = list.iter().position(|p| p["in"] == place && p["name"] == name) else {
        found.push((false, format!("no {place} parameter `{name}`")));
        return;
    };
    let pointer = format!("/operations/{}/parameters/{at}/schema", escape(id));
    let errors = check(&pointer, &typed(&list[at]["schema"], value));
    found.extend(errors.into_iter().map(|e| (true, format!("{place} parameter `{name}`: {e}"))));
}

/// A parameter's text as the type its schema names.
fn typed(schema: &Value, text: &str) -> Value {
    let plain = || Value::from(text);
    match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().map_or_else(|_| plain(), Value::from),
        Some("boolean") => text.parse::<bool>().map_or_else(|_| plain(), Value::from),
        Some("string") => plain(),
        _ => text.parse::<i64>().map_or_else(|_| plain(), Value::from),
    }
}

fn body(operation: &Value, id: &str, request: &Request, found: &mut Vec<(bool, String)>) {
    let described = &operation["body"];
    if request.body.is_empty() {
        if described["required"] == true {
            found.push((true, "a body is required".to_owned()));
        }
        return;
    }
    let Some(contents) = described["content"].as_object() else {
        found.push((false, "no body is described".to_owned()));
        return;
    };
    let kind = request.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !contents.contains_key(kind) {
        found.push((false, format!("content type `{kind}` is not described")));
    }
    let Ok(value) = serde_json::from_slice::<Value>(&request.body) else {
        found.push((true, "the body is not JSON".to_owned()));
        return;
    };
    let pointer = format!("/operations/{}/body/content/application~1json", escape(id));
    for error in check(&pointer, &value) {
        found.push((!error.contains("dditional propert"), format!("body{error}")));
    }
}

/// What an answer breaks.
pub(crate) fn answer(id: &str, status: u16, body: Option<&Value>) -> Vec<String> {
    let responses = &ROOT["operations"][id]["responses"];
    let Some(contents) = responses.get(status.to_string()) else {
        // Refusals every operation may give are described once, in GitHub's prose.
        return if status >= 400 { Vec::new() } else { vec![format!("status {status} is not described")] };
    };
    let media = contents.as_object().and_then(|c| c.keys().find(|k| k.contains("json")));
    let (Some(media), Some(body)) = (media, body) else { return Vec::new() };
    check(&format!("/operations/{}/responses/{status}/{}", escape(id), escape(media)), body)
}

/// Where the schema of an operation's good answer is.
pub(crate) fn answer_schema(id: &str, status: u16) -> Option<&'static Value> {
    let contents = ROOT["operations"][id]["responses"].get(status.to_string())?.as_object()?;
    contents.values().next()
}

/// The schema of a webhook, by `event.action`.
pub(crate) fn webhook_schema(name: &str) -> Option<&'static Value> {
    ROOT["webhooks"].get(name)
}

/// What a webhook breaks.
pub(crate) fn webhook(name: &str, payload: &Value) -> Vec<String> {
    if webhook_schema(name).is_none() {
        return vec!["not described".to_owned()];
    }
    check(&format!("/webhooks/{}", escape(name)), payload)
}

/// What a `$ref` points at.
pub(crate) fn follow(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str().and_then(|r| ROOT.pointer(&r[1..])) {
        Some(target) => follow(target),
        None => schema,
    }
}

fn escape(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

fn check(pointer: &str, value: &Value) -> Vec<String> {
    let validator = match validator(pointer) {
        Ok(validator) => validator,
        Err(error) => return vec![format!(": the schema at {pointer} cannot be compiled: {error}")],
    };
    validator.iter_errors(value).map(|e| format!(" at `{}`: {}", e.instance_path(), short(&e.to_string()))).collect()
}

/// An error quotes the whole value: what is beyond 400 characters helps nobody.
fn short(text: &str) -> String {
    text.char_indices().nth(400).map_or_else(|| text.to_owned(), |(end, _)| format!("{}…", &text[..end]))
}

fn validator(pointer: &str) -> Compiled {
    let mut checks = CHECKS.lock().unwrap_or_else(PoisonError::into_inner);
    checks.entry(pointer.to_owned()).or_insert_with(|| compile(pointer)).clone()
}

fn compile(pointer: &str) -> Compiled {
    let schema = json!({ "$ref": format!("{URN}#{pointer}") });
    let registry = REGISTRY.as_ref().ok_or("the contract is no registry")?;
    jsonschema::options().with_registry(registry).build(&schema).map(Arc::new).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_literal_path_wins() {
        let id = |m, p| find(m, p).map(|(r, _)| r.id.as_str());
        assert_eq!(id("GET", "/repos/a/b/commits/heads/x/check-runs"), Some("checks/list-for-ref"));
        assert_eq!(id("GET", "/repos/a/b/commits/heads/x"), Some("repos/get-commit"));
        assert_eq!(id("GET", "/repos/a/b/pulls/comments/3"), Some("pulls/get-review-comment"));
        assert_eq!(id("GET", "/repos/a/b/pulls/3/comments"), Some("pulls/list-review-comments"));
        assert_eq!(id("GET", "/nowhere"), None);
    }

    #[test]
    fn every_schema_of_the_contract_can_be_compiled() {
        for (id, o) in ROOT["operations"].as_object().unwrap() {
            for (status, contents) in o["responses"].as_object().unwrap() {
                for media in contents.as_object().unwrap().keys() {
                    let pointer = format!("/operations/{}/responses/{status}/{}", escape(id), escape(media));
                    assert_eq!(validator(&pointer).err(), None, "{pointer}");
                }
            }
        }
        for name in ROOT["webhooks"].as_object().unwrap().keys() {
            assert_eq!(validator(&format!("/webhooks/{}", escape(name))).err(), None, "{name}");
        }
    }

    #[test]
    fn the_forges_own_mistakes_would_be_seen() {
        assert!(!answer("pulls/get", 200, Some(&json!({ "number": 1 }))).is_empty());
        assert!(!answer("pulls/get", 299, Some(&json!({}))).is_empty());
        assert!(!webhook("pull_request.opened", &json!({ "action": "opened" })).is_empty());
        assert!(!webhook("pull_request.eaten", &json!({})).is_empty());
    }

    #[test]
    fn the_notice_names_these_very_files() {
        let notice = include_str!("../contract/NOTICE.md");
        for source in [SOURCE, include_str!("../contract/schema.graphql")] {
            let digest = ring::digest::digest(&ring::digest::SHA256, source.as_bytes());
            let sum: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
            assert!(notice.contains(&sum), "{sum}: refresh with scripts/refresh-contract.mjs");
        }
    }
}
