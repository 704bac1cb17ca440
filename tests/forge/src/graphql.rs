//! How is a GraphQL operation checked against GitHub's schema, and answered?

use crate::auth::{self, Who};
use crate::state::State;
use crate::wire::{Refusal, Reply, Request};
use crate::{graph, mutate};
use apollo_compiler::resolvers::{Execution, FieldError, ObjectValue, ResolveInfo, ResolvedValue};
use apollo_compiler::response::JsonMap;
use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use std::cell::RefCell;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Result<Valid<Schema>, String>> = LazyLock::new(|| {
    Schema::parse_and_validate(include_str!("../contract/schema.graphql"), "schema.graphql")
        .map_err(|e| e.errors.to_string())
});

/// The most items a connection gives at once.
const PAGE: u64 = 100;

/// Answers `POST /graphql`.
pub(crate) fn serve(state: &mut State, request: &Request) -> Reply {
    if request.header("user-agent").is_none_or(str::is_empty) {
        return Refusal::new(403, "Request forbidden by administrative rules. A User-Agent header is needed.").reply();
    }
    let who = match auth::who(state, request) {
        Ok(Who::Nobody | Who::App) => {
            return Refusal::new(401, "This endpoint requires you to be authenticated.").reply();
        }
        Ok(who) => who,
        Err(refusal) => return refusal.reply(),
    };
    let body = request.json();
    for name in body.as_object().into_iter().flat_map(Map::keys) {
        if !["query", "variables", "operationName", "extensions"].contains(&name.as_str()) {
            state.violate("graphql", request.at(), format!("no such part of a request: `{name}`"));
        }
    }
    let graph = Graph { state: RefCell::new(state), who, complaints: RefCell::default() };
    let answer = execute(&graph, &body).unwrap_or_else(|complaint| {
        graph.complain(&complaint);
        json!({ "errors": [{ "message": complaint }] })
    });
    let complaints = graph.complaints.take();
    for what in complaints {
        state.violate("graphql", request.at(), what);
    }
    Reply::json(200, &answer).with("x-ratelimit-resource", "graphql")
}

fn execute(graph: &Graph<'_>, body: &Value) -> Result<Value, String> {
    let schema = SCHEMA.as_ref()?;
    let query = body["query"].as_str().ok_or("A query attribute must be specified and must be a string.")?;
    let document =
        ExecutableDocument::parse_and_validate(schema, query, "request.graphql").map_err(|e| e.errors.to_string())?;
    let variables: JsonMap = match &body["variables"] {
        Value::Null => JsonMap::new(),
        other => serde_json::from_value(other.clone()).map_err(|e| e.to_string())?,
    };
    let execution = Execution::new(schema, &document).raw_variable_values(&variables);
    let execution = execution.operation_name(body["operationName"].as_str()).map_err(|e| format!("{e:?}"))?;
    let operation = document.operations.get(body["operationName"].as_str()).map_err(|e| format!("{e:?}"))?;
    let kind = if operation.is_mutation() { "Mutation" } else { "Query" };
    let root = Object { graph, kind: kind.to_owned(), fields: Map::new() };
    let answer = execution.execute_sync(&root).map_err(|e| format!("{e:?}"))?;
    let mut answer = serde_json::to_value(&answer).map_err(|e| e.to_string())?;
    for error in answer.get_mut("errors").and_then(Value::as_array_mut).into_iter().flatten() {
        named(graph, error);
    }
    Ok(answer)
}

/// What GitHub itself would say no with, and its word for it; any other error is a mistake of who asks, or ours.
const REFUSALS: [(&str, &str); 2] = [("Could not resolve to a", "NOT_FOUND"), ("Resource not accessible", "FORBIDDEN")];

/// Gives an error GitHub's type, or complains of it.
fn named(graph: &Graph<'_>, error: &mut Value) {
    let message = error["message"].as_str().unwrap_or_default();
    let message = message.strip_prefix("resolver error: ").unwrap_or(message).to_owned();
    match REFUSALS.iter().find(|(start, _)| message.starts_with(start)) {
        Some((_, kind)) => error["type"] = (*kind).into(),
        None => graph.complain(&message),
    }
    error["message"] = message.into();
}

/// The state as a graph, as someone sees it.
pub(crate) struct Graph<'s> {
    pub(crate) state: RefCell<&'s mut State>,
    pub(crate) who: Who,
    complaints: RefCell<Vec<String>>,
}

impl Graph<'_> {
    fn complain(&self, what: &str) {
        self.complaints.borrow_mut().push(what.to_owned());
    }
}

/// One object of the graph: scalars, lists, `{"@": id}` for another node, `{"@list": […], "@type": …}` for a connection.
struct Object<'g, 's> {
    graph: &'g Graph<'s>,
    kind: String,
    fields: Map<String, Value>,
}

impl ObjectValue for Object<'_, '_> {
    fn type_name(&self) -> &str {
        &self.kind
    }

    fn resolve_field<'a>(&'a self, info: &'a ResolveInfo<'a>) -> Result<ResolvedValue<'a>, FieldError> {
        let name = info.field_name();
        let arguments = serde_json::to_value(info.arguments()).unwrap_or(Value::Null);
        let found = match self.kind.as_str() {
            "Query" => graph::query(self.graph, name, &arguments),
            "Mutation" => mutate::mutate(self.graph, name, &arguments["input"]),
            "Repository" if name.starts_with("pullRequest") => graph::pulls(self.graph, &self.fields, name, &arguments),
            _ => Ok(self.fields.get(name).cloned()),
        };
        let value = found.map_err(|message| FieldError { message })?;
        let value = value.ok_or_else(|| {
            let message = format!("the forge does not play `{}.{name}`", self.kind);
            FieldError { message }
        })?;
        self.resolved(value, &arguments)
    }
}

impl<'g, 's> Object<'g, 's> {
    fn resolved<'a>(&'a self, value: Value, arguments: &Value) -> Result<ResolvedValue<'a>, FieldError> {
        match value {
            Value::Array(items) => {
                let items = items.into_iter().map(|v| self.resolved(v, &Value::Null)).collect::<Vec<_>>();
                Ok(ResolvedValue::List(Box::new(items.into_iter())))
            }
            Value::Object(mut map) => {
                if let Some(id) = map.get("@").and_then(Value::as_str) {
                    return Ok(self.node(id));
                }
                if let Some(Value::Array(list)) = map.remove("@list") {
                    return self.connection(&list, map["@type"].as_str().unwrap_or_default(), arguments);
                }
                Ok(self.object(map))
            }
            other => Ok(ResolvedValue::leaf(other)),
        }
    }

    fn object<'a>(&self, mut fields: Map<String, Value>) -> ResolvedValue<'a>
    where
        'g: 'a,
        's: 'a,
    {
        let kind = fields.remove("__typename").and_then(|k| k.as_str().map(str::to_owned)).unwrap_or_default();
        ResolvedValue::object(Object { graph: self.graph, kind, fields })
    }

    fn node<'a>(&'a self, id: &str) -> ResolvedValue<'a> {
        match graph::node(self.graph, id) {
            Some(Value::Object(fields)) => self.object(fields),
            _ => ResolvedValue::null(),
        }
    }

    fn connection<'a>(
        &'a self,
        list: &[Value],
        kind: &str,
        arguments: &Value,
    ) -> Result<ResolvedValue<'a>, FieldError> {
        let (from, to) = window(list.len(), arguments).map_err(|message| FieldError { message })?;
        let cursor = |at: usize| STANDARD.encode(format!("cursor:{at}"));
        let edge = kind.replace("Connection", "Edge");
        let edges: Vec<Value> =
            (from..to).map(|at| json!({ "__typename": edge, "cursor": cursor(at), "node": list[at] })).collect();
        let page = json!({
            "__typename": "PageInfo", "hasNextPage": to < list.len(), "hasPreviousPage": from > 0,
            "startCursor": (from < to).then(|| cursor(from)), "endCursor": (from < to).then(|| cursor(to - 1)),
        });
        let fields = json!({
            "__typename": kind, "totalCount": list.len(), "nodes": list[from..to], "edges": edges, "pageInfo": page,
        });
        self.resolved(fields, &Value::Null)
    }
}

/// The part of a connection that is asked for; GitHub wants `first` or `last`, at most 100.
fn window(length: usize, arguments: &Value) -> Result<(usize, usize), String> {
    let count = |name: &str| arguments[name].as_u64();
    let place = |name: &str| -> Option<usize> {
        let bytes = STANDARD.decode(arguments[name].as_str()?).ok()?;
        String::from_utf8_lossy(&bytes).strip_prefix("cursor:")?.parse().ok()
    };
    let (first, last) = (count("first"), count("last"));
    let Some(size) = first.or(last) else {
        return Err("You must provide a `first` or `last` value to properly paginate the connection.".to_owned());
    };
    if size > PAGE {
        return Err(format!(
            "Requesting {size} records on the connection exceeds the `first` limit of {PAGE} records."
        ));
    }
    let size = usize::try_from(size).unwrap_or(0);
    let from = place("after").map_or(0, |at| (at + 1).min(length));
    let to = place("before").map_or(length, |at| at.min(length)).max(from);
    Ok(if first.is_some() { (from, to.min(from + size)) } else { (to.saturating_sub(size).max(from), to) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_schema_is_read() {
        assert_eq!(SCHEMA.as_ref().err(), None);
    }

    #[test]
    fn connections_come_in_windows() {
        assert_eq!(window(5, &json!({ "first": 2 })), Ok((0, 2)));
        assert_eq!(window(5, &json!({ "first": 2, "after": STANDARD.encode("cursor:1") })), Ok((2, 4)));
        assert_eq!(window(5, &json!({ "last": 2 })), Ok((3, 5)));
        assert!(window(5, &json!({})).is_err());
        assert!(window(5, &json!({ "first": 101 })).is_err());
    }
}
