//! Which webhooks does GitHub send, how are they signed, and what became of each?

use crate::faults::{self, What};
use crate::fill::{Blank, fill};
use crate::state::{Delivery, State};
use crate::{contract, view};
use ring::hmac;
use serde_json::{Value, json};
use std::time::Duration;

/// How long GitHub waits for an answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What happened: an event about a repository, by someone.
pub(crate) struct Event<'a> {
    /// `pull_request`, `push`…
    pub(crate) name: &'a str,
    pub(crate) action: Option<&'a str>,
    /// `owner/name`
    pub(crate) repo: &'a str,
    pub(crate) sender: &'a str,
    /// The fields of this event; the repository, the sender and the installation are added.
    pub(crate) fields: Value,
}

/// Puts an event into the app's post, if the app is installed there and not suspended.
pub(crate) fn emit(state: &mut State, event: Event<'_>) {
    state.user(event.sender);
    let Some(installation) = state.installation(event.repo).filter(|i| i.suspended.is_none()) else { return };
    let installation = installation.id;
    let mut fields = event.fields;
    if let Some(repository) = state.repo(event.repo) {
        fields["repository"] = view::repo(state, repository);
    }
    fields["installation"] = json!({ "id": installation, "node_id": view::node("I", installation) });
    let repository = state.repo(event.repo).map(|r| r.id);
    let about = Some((installation, repository));
    send(state, event.name, event.action, event.sender, fields, about);
}

/// Puts an event about the app itself into the post.
pub(crate) fn send(
    state: &mut State,
    name: &str,
    action: Option<&str>,
    sender: &str,
    mut fields: Value,
    about: Option<(u64, Option<u64>)>,
) {
    state.user(sender);
    fields["sender"] = view::user(state, sender);
    if let Some(action) = action {
        fields["action"] = action.into();
    }
    let full = action.map_or_else(|| name.to_owned(), |a| format!("{name}.{a}"));
    let blank = Blank { now: state.iso(), base: state.base.clone() };
    let payload = match contract::webhook_schema(&full) {
        Some(schema) => fill(schema, fields, &blank),
        None => fields,
    };
    for error in contract::webhook(&full, &payload) {
        state.violate("webhook", &full, error);
    }
    post(state, name, action, payload, about);
}

fn post(state: &mut State, name: &str, action: Option<&str>, payload: Value, about: Option<(u64, Option<u64>)>) {
    let id = state.id();
    let delivery = Delivery {
        id,
        guid: guid(id),
        event: name.to_owned(),
        action: action.map(str::to_owned),
        payload,
        status: 0,
        redelivery: false,
        done: false,
        installation: about.map(|a| a.0),
        repository: about.and_then(|a| a.1),
        at: state.now(),
    };
    let full = action.map_or_else(|| name.to_owned(), |a| format!("{name}.{a}"));
    let fault = faults::of_hook(&mut state.faults, &full);
    let at = state.deliveries.len();
    state.deliveries.push(delivery);
    match fault {
        Some(What::HookLost) => state.deliveries[at].done = true,
        Some(What::HookReorder) => return state.held.push(at),
        Some(What::HookDuplicate) => {
            let twin = Delivery { id: state.id(), ..state.deliveries[at].clone() };
            state.deliveries.push(twin);
            state.outbox.extend([at, at + 1]);
        }
        _ => state.outbox.push(at),
    }
    let held = std::mem::take(&mut state.held);
    state.outbox.extend(held);
}

/// Sends a delivery once more under its old GUID, as the redelivery button does.
pub(crate) fn redeliver(state: &mut State, id: u64) -> bool {
    let Some(old) = state.deliveries.iter().find(|d| d.id == id).cloned() else { return false };
    let again = Delivery { id: state.id(), status: 0, redelivery: true, done: false, at: state.now(), ..old };
    state.outbox.push(state.deliveries.len());
    state.deliveries.push(again);
    true
}

/// A GUID in UUID's form that counts up, so that a run can be told from its log.
fn guid(id: u64) -> String {
    format!("{:08x}-f0e6-4e00-8000-{id:012x}", id)
}

/// `sha256=` and the HMAC of the body.
pub(crate) fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    let hex: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("sha256={hex}")
}

/// Posts one delivery; the status answered, 0 for none.
pub(crate) fn deliver(client: &reqwest::blocking::Client, url: &str, app: (u64, &str), delivery: &Delivery) -> u16 {
    let body = delivery.payload.to_string();
    let sent = client
        .post(url)
        .timeout(PATIENCE)
        .header("content-type", "application/json")
        .header("user-agent", "GitHub-Hookshot/f0e6e00")
        .header("accept", "*/*")
        .header("x-github-event", &delivery.event)
        .header("x-github-delivery", &delivery.guid)
        .header("x-github-hook-id", "1")
        .header("x-github-hook-installation-target-id", app.0.to_string())
        .header("x-github-hook-installation-target-type", "integration")
        .header("x-hub-signature-256", signature(app.1, body.as_bytes()))
        .body(body)
        .send();
    sent.map_or(0, |answer| answer.status().as_u16())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_signature_is_the_one_of_githubs_documentation() {
        // docs.github.com, "Validating webhook deliveries", its test values.
        let got = super::signature("It's a Secret to Everybody", b"Hello, World!");
        assert_eq!(got, "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");
    }
}
