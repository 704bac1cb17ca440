//! How does one request become one answer? Fault, route, credential, contract, rules, deed, contract again.

use crate::auth::{self, Who};
use crate::faults::{self, What};
use crate::fill::{Blank, fill};
use crate::rest::{self, Call};
use crate::rules;
use crate::state::{Exchange, State};
use crate::wire::{Answer, Refusal, Reply, Request};
use crate::{contract, graphql, smart};
use serde_json::Value;

/// Answers a request, and writes it into the log.
pub(crate) fn answer(state: &mut State, request: &Request) -> Reply {
    let (operation, mut reply) = faulted(state, request);
    if reply.cut {
        reply.status = 0;
    }
    state.requests.push(Exchange {
        method: request.method.clone(),
        path: request.path.clone(),
        query: request.raw_query.clone(),
        operation,
        status: reply.status,
        body: request.json(),
        at: std::time::Instant::now(),
    });
    reply
}

fn faulted(state: &mut State, request: &Request) -> (String, Reply) {
    let Some(what) = faults::of_request(&mut state.faults, &request.method, &request.path) else {
        return served(state, request);
    };
    let none = String::new;
    match what {
        What::DropBefore => (none(), Reply::cut()),
        What::DropAfterWrite => (served(state, request).0, Reply::cut()),
        What::Status(status, headers) => {
            let reply = Refusal::new(status, "a fault of the forge").reply();
            (none(), headers.into_iter().fold(reply, |r, (k, v)| r.with(&k, v)))
        }
        What::ExpireToken => {
            auth::expire(state, request);
            served(state, request)
        }
        What::SuspendInstallation => {
            let now = state.now();
            state.installations.values_mut().for_each(|i| i.suspended = Some(now));
            served(state, request)
        }
        _ => served(state, request),
    }
}

/// The operation's name and its answer.
fn served(state: &mut State, request: &Request) -> (String, Reply) {
    if let Some((full, rest)) = smart::split(&request.path) {
        return ("git".to_owned(), smart::serve(state, request, &full, rest));
    }
    if let Some(id) = request.path.strip_prefix("/_artifacts/").and_then(|p| p.strip_suffix(".zip")) {
        return ("artifact".to_owned(), artifact(state, id));
    }
    if request.path == "/graphql" {
        return ("graphql".to_owned(), graphql::serve(state, request));
    }
    let Some((route, params)) = contract::find(&request.method, &request.path) else {
        state.violate("route", request.at(), "no such operation is described");
        return (String::new(), Refusal::missing().reply());
    };
    let id = route.id.clone();
    let reply = match described(state, request, route, params) {
        Ok(answer) => finish(state, request, &id, answer),
        Err(refusal) => refuse(state, request, &id, &refusal),
    };
    (id, limits(state, reply))
}

fn described(
    state: &mut State,
    request: &Request,
    route: &contract::Route,
    params: std::collections::BTreeMap<String, String>,
) -> Result<Answer, Refusal> {
    let broken = contract::request(route, &params, request);
    for (_, what) in &broken {
        state.violate("request", format!("{} ({})", request.at(), route.id), what);
    }
    if request.header("user-agent").is_none_or(str::is_empty) {
        return Err(Refusal::new(403, "Request forbidden by administrative rules. A User-Agent header is needed."));
    }
    let who = auth::who(state, request)?;
    rules::permitted(&who, &route.id)?;
    spend(state, &who)?;
    if let Some((_, what)) = broken.iter().find(|(fatal, _)| *fatal) {
        return Err(Refusal::invalid(what.clone()));
    }
    let mut call = Call { state, who, params, request, body: request.json() };
    rest::answer(&route.id, &mut call)
}

/// One request of the hour's.
fn spend(state: &mut State, who: &Who) -> Result<(), Refusal> {
    if matches!(who, Who::App) {
        return Ok(());
    }
    if state.spent >= state.limit {
        return Err(Refusal::new(403, "API rate limit exceeded for installation."));
    }
    state.spent += 1;
    Ok(())
}

fn refuse(state: &mut State, request: &Request, id: &str, refusal: &Refusal) -> Reply {
    if refusal.status == 500 {
        state.violate("answer", format!("{} ({id})", request.at()), refusal.message.clone());
    }
    let plain = refusal.reply();
    let broken = disagreement(id, &plain);
    if broken.is_empty() {
        return plain;
    }
    // Some operations put what is wrong into words, others into objects.
    let reply = refusal.in_objects().reply();
    for error in disagreement(id, &reply) {
        state.violate("answer", format!("{} ({id}) {}", request.at(), reply.status), error);
    }
    reply
}

fn disagreement(id: &str, reply: &Reply) -> Vec<String> {
    contract::answer(id, reply.status, serde_json::from_slice(&reply.body).ok().as_ref())
}

fn finish(state: &mut State, request: &Request, id: &str, answer: Answer) -> Reply {
    let (status, value) = match answer {
        Answer::Json(status, value) => (status, value),
        Answer::Text(text) => return etag(request, plain("application/vnd.github.diff; charset=utf-8", text.into())),
        Answer::Bytes(bytes) => return etag(request, plain("application/vnd.github.raw; charset=utf-8", bytes)),
        Answer::Redirect(to) => return Reply { status: 302, ..Reply::default() }.with("location", to),
    };
    let blank = Blank { now: crate::clock::iso(state.started), base: state.base.clone() };
    let (value, link) = page(state, request, value);
    let value = match contract::answer_schema(id, status) {
        Some(schema) => fill(schema, value, &blank),
        None => value,
    };
    for error in contract::answer(id, status, Some(&value)) {
        state.violate("answer", format!("{} ({id}) {status}", request.at()), error);
    }
    let mut reply = Reply::json(status, &value);
    if let Some(link) = link {
        reply = reply.with("link", link);
    }
    etag(request, reply)
}

fn plain(kind: &str, body: Vec<u8>) -> Reply {
    Reply { status: 200, body, ..Reply::default() }.with("content-type", kind)
}

/// Cuts a list to the page asked for; the `Link` header that names the others.
fn page(state: &State, request: &Request, mut value: Value) -> (Value, Option<String>) {
    if request.method != "GET" {
        return (value, None);
    }
    let list = match &mut value {
        Value::Array(list) => Some(list),
        Value::Object(map) if map.contains_key("total_count") => map.values_mut().find_map(Value::as_array_mut),
        _ => None,
    };
    let Some(list) = list else { return (value, None) };
    let number = |name: &str, default: usize| request.query(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let (size, at) = (number("per_page", 30).clamp(1, 100), number(turns_by(request), 1).max(1));
    let last = list.len().div_ceil(size).max(1);
    let kept: Vec<Value> = std::mem::take(list).into_iter().skip((at - 1) * size).take(size).collect();
    *list = kept;
    (value, link(state, request, at, last))
}

/// The parameter that names a page; the list of deliveries alone goes on by a cursor.
fn turns_by(request: &Request) -> &'static str {
    if request.path == "/app/hook/deliveries" { "cursor" } else { "page" }
}

fn link(state: &State, request: &Request, at: usize, last: usize) -> Option<String> {
    let name = turns_by(request);
    let is_other = |part: &&str| !part.is_empty() && part.split('=').next() != Some(name);
    let others: Vec<String> = request.raw_query.split('&').filter(is_other).map(str::to_owned).collect();
    let url = |page: usize, rel: &str| {
        let query = others.iter().cloned().chain([format!("{name}={page}")]).collect::<Vec<_>>().join("&");
        format!("<{}{}?{query}>; rel=\"{rel}\"", state.base, request.path)
    };
    let mut links = Vec::new();
    if at > 1 {
        links.extend([url(at - 1, "prev"), url(1, "first")]);
    }
    if at < last {
        links.extend([url(at + 1, "next"), url(last, "last")]);
    }
    (!links.is_empty()).then(|| links.join(", "))
}

/// Marks a GET's answer, and answers 304 where the asker has it already.
fn etag(request: &Request, reply: Reply) -> Reply {
    if request.method != "GET" || reply.status != 200 {
        return reply;
    }
    let digest = ring::digest::digest(&ring::digest::SHA256, &reply.body);
    let hex: String = digest.as_ref().iter().take(16).map(|b| format!("{b:02x}")).collect();
    let tag = format!("W/\"{hex}\"");
    if request.header("if-none-match") == Some(&tag) {
        return Reply { status: 304, ..Reply::default() }.with("etag", tag);
    }
    reply.with("etag", tag)
}

fn limits(state: &mut State, reply: Reply) -> Reply {
    if reply.status == 304 {
        state.spent = state.spent.saturating_sub(1);
    }
    let left = state.limit.saturating_sub(state.spent);
    reply
        .with("x-ratelimit-limit", state.limit.to_string())
        .with("x-ratelimit-remaining", left.to_string())
        .with("x-ratelimit-used", state.spent.to_string())
        .with("x-ratelimit-reset", (state.now() + 3_600).to_string())
        .with("x-ratelimit-resource", "core")
        .with("x-github-request-id", format!("F0:{:08X}", state.requests.len()))
        .with("x-github-media-type", "github.v3; format=json")
}

fn artifact(state: &State, id: &str) -> Reply {
    let found = state.repos.values().flat_map(|r| &r.runs).flat_map(|r| &r.artifacts).find(|a| a.0.to_string() == id);
    match found {
        Some((_, _, zip)) => plain("application/zip", zip.clone()),
        None => Refusal::missing().reply(),
    }
}
