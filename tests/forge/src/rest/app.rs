//! What does GitHub answer the app about itself: installations, tokens, deliveries?

use super::{Call, Outcome, unplayed};
use crate::auth::Who;
use crate::clock::iso;
use crate::state::{Delivery, Holder, Installation, State, Token};
use crate::wire::{Answer, Refusal};
use crate::{hooks, view};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// How long an installation's token is good for, in seconds.
const TOKEN_LIFE: i64 = 3_600;

pub(super) fn answer(operation: &str, call: &mut Call<'_>) -> Outcome {
    match operation {
        "meta/root" => Ok(Answer::Json(200, json!({ "current_user_url": format!("{}/user", call.state.base) }))),
        "meta/get" => Ok(Answer::Json(200, json!({ "verifiable_password_authentication": false, "hooks": [] }))),
        "rate-limit/get" => Ok(rate_limit(call.state)),
        "users/get-authenticated" => me(call),
        "users/get-by-username" => user(call),
        "apps/get-authenticated" => Ok(Answer::Json(200, view::app(call.state))),
        "apps/get-webhook-config-for-app" => Ok(hook_config(call.state)),
        "apps/create-from-manifest" => Ok(manifest(call.state)),
        "apps/list-installations" => Ok(installations(call.state)),
        "apps/get-installation" => {
            let installation = installation(call)?;
            Ok(Answer::Json(200, view::installation(call.state, installation)))
        }
        "apps/get-repo-installation" => repo_installation(call),
        "apps/create-installation-access-token" => mint(call),
        "apps/revoke-installation-access-token" => revoke(call),
        "apps/list-repos-accessible-to-installation" => repositories(call),
        "apps/list-webhook-deliveries" => Ok(deliveries(call.state)),
        "apps/get-webhook-delivery" => delivery(call),
        "apps/redeliver-webhook-delivery" => redeliver(call),
        other => Err(unplayed(other)),
    }
}

fn rate_limit(state: &State) -> Answer {
    let rate = |limit: u64, used: u64| json!({ "limit": limit, "used": used, "remaining": limit.saturating_sub(used), "reset": state.now() + 3600 });
    let core = rate(state.limit, state.spent);
    let resources = json!({ "core": core, "search": rate(30, 0), "graphql": rate(5000, 0) });
    Answer::Json(200, json!({ "resources": resources, "rate": core }))
}

fn me(call: &mut Call<'_>) -> Outcome {
    match call.who.clone() {
        Who::Person(login) => Ok(Answer::Json(200, view::user(call.state, &login))),
        Who::Nobody => Err(Refusal::new(401, "Requires authentication")),
        _ => Err(Refusal::new(403, "Resource not accessible by integration")),
    }
}

fn user(call: &mut Call<'_>) -> Outcome {
    let login = call.param("username").to_owned();
    if !call.state.users.contains_key(&login) {
        return Err(Refusal::missing());
    }
    Ok(Answer::Json(200, view::user(call.state, &login)))
}

fn hook_config(state: &State) -> Answer {
    let url = state.app.hook_url.clone().unwrap_or_default();
    Answer::Json(200, json!({ "content_type": "json", "insecure_ssl": "0", "secret": "********", "url": url }))
}

/// The conversion hands out the app the forge already has; its private key stays with the test.
fn manifest(state: &State) -> Answer {
    let mut app = view::app(state);
    app["client_secret"] = "not-a-secret".into();
    app["webhook_secret"] = state.app.secret.as_str().into();
    app["pem"] = crate::TEST_KEY.into();
    Answer::Json(201, app)
}

fn installations(state: &State) -> Answer {
    Answer::Json(200, state.installations.values().map(|i| view::installation(state, i)).collect())
}

fn installation<'a>(call: &'a Call<'_>) -> Result<&'a Installation, Refusal> {
    call.state.installations.get(&call.number("installation_id")?).ok_or_else(Refusal::missing)
}

fn repo_installation(call: &mut Call<'_>) -> Outcome {
    let found = call.state.installation(&call.full()).ok_or_else(Refusal::missing)?;
    Ok(Answer::Json(200, view::installation(call.state, found)))
}

fn mint(call: &mut Call<'_>) -> Outcome {
    let installation = installation(call)?.clone();
    if installation.suspended.is_some() {
        return Err(Refusal::new(403, "This installation has been suspended"));
    }
    let permissions = asked(&call.body, &installation)?;
    let names = call.body["repositories"].as_array().cloned().unwrap_or_default();
    let only = if names.is_empty() {
        installation.only.clone()
    } else {
        Some(names.iter().filter_map(Value::as_str).map(|n| format!("{}/{n}", installation.account)).collect())
    };
    let selected = only.is_some();
    let state = &mut *call.state;
    let text = format!("ghs_{:036}", state.id());
    let expires = state.now() + TOKEN_LIFE;
    let holder = Holder::Installation { id: installation.id, permissions: permissions.clone(), only };
    state.tokens.insert(text.clone(), Token { holder, expires: Some(expires) });
    state.minted += 1;
    let selection = if selected { "selected" } else { "all" };
    let value = json!({
        "token": text, "expires_at": iso(expires), "permissions": permissions, "repository_selection": selection,
    });
    Ok(Answer::Json(201, value))
}

/// The permissions asked for: never more than the installation has.
fn asked(body: &Value, installation: &Installation) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(wanted) = body["permissions"].as_object() else { return Ok(installation.permissions.clone()) };
    let mut given = BTreeMap::new();
    for (name, level) in wanted {
        let level = level.as_str().unwrap_or("read");
        let has = installation.permissions.get(name).map(String::as_str);
        if has.is_none() || (level == "write" && has == Some("read")) {
            return Err(Refusal::new(422, "The permissions requested are not granted to this installation."));
        }
        given.insert(name.clone(), level.to_owned());
    }
    Ok(given)
}

fn revoke(call: &mut Call<'_>) -> Outcome {
    let header = call.request.header("authorization").unwrap_or_default();
    let token = header.split_once(' ').map_or("", |(_, t)| t);
    call.state.tokens.remove(token);
    Ok(Answer::Json(204, Value::Null))
}

fn repositories(call: &mut Call<'_>) -> Outcome {
    let Who::Installation { id, only, .. } = &call.who else {
        return Err(Refusal::new(403, "You must authenticate with an installation access token"));
    };
    let state = &*call.state;
    let seen = state.repos.values().filter(|r| {
        state.installation(&r.full_name()).is_some_and(|i| i.id == *id)
            && only.as_ref().is_none_or(|o| o.contains(&r.full_name()))
    });
    let list: Vec<Value> = seen.map(|r| view::repo(state, r)).collect();
    Ok(Answer::Json(200, json!({ "total_count": list.len(), "repositories": list })))
}

fn summary(delivery: &Delivery) -> Value {
    let status = match delivery.status {
        200..=299 => "OK",
        0 => "failed to connect to host",
        _ => "Invalid HTTP Response",
    };
    json!({
        "id": delivery.id, "guid": delivery.guid, "delivered_at": iso(delivery.at), "duration": 0.1,
        "redelivery": delivery.redelivery, "status": status, "status_code": delivery.status,
        "event": delivery.event, "action": delivery.action, "installation_id": delivery.installation,
        "repository_id": delivery.repository, "throttled_at": null,
    })
}

/// Newest first, as GitHub lists them.
fn deliveries(state: &State) -> Answer {
    Answer::Json(200, state.deliveries.iter().rev().filter(|d| d.done).map(summary).collect())
}

fn delivery(call: &mut Call<'_>) -> Outcome {
    let id = call.number("delivery_id")?;
    let found = call.state.deliveries.iter().find(|d| d.id == id).ok_or_else(Refusal::missing)?;
    let mut value = summary(found);
    value["request"] = json!({ "headers": { "X-GitHub-Delivery": found.guid }, "payload": found.payload });
    value["response"] = json!({ "headers": {}, "payload": "" });
    value["url"] = call.state.app.hook_url.clone().unwrap_or_default().into();
    Ok(Answer::Json(200, value))
}

fn redeliver(call: &mut Call<'_>) -> Outcome {
    let id = call.number("delivery_id")?;
    match hooks::redeliver(call.state, id) {
        true => Ok(Answer::Json(202, json!({}))),
        false => Err(Refusal::missing()),
    }
}
