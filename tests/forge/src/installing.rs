//! What happens when the app is installed, suspended or taken away?

use crate::state::{Installation, Repository, State};
use crate::{hooks, view};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn named(state: &State, names: impl Fn(&Repository) -> bool) -> Vec<Value> {
    let one = |r: &Repository| {
        json!({ "id": r.id, "node_id": view::node("R", r.id), "name": r.name, "full_name": r.full_name(),
            "private": r.private })
    };
    state.repos.values().filter(|r| names(r)).map(one).collect()
}

/// Does what [`crate::Forge`] says of it.
pub(crate) fn install(state: &mut State, account: &str, only: Option<BTreeSet<String>>) -> u64 {
    let (id, now) = (state.id(), state.now());
    state.user(account);
    let permissions = state.app.permissions.clone();
    let installation =
        Installation { id, account: account.to_owned(), suspended: None, only, permissions, created: now };
    state.installations.insert(id, installation);
    about(state, account, "created");
    id
}

/// `installation.*`.
fn about(state: &mut State, account: &str, action: &str) {
    let Some(found) = state.installations.values().find(|i| i.account == account) else { return };
    let only = found.only.clone();
    let repositories = named(state, |r| r.owner == account && only.as_ref().is_none_or(|o| o.contains(&r.full_name())));
    let value = view::installation(state, found);
    let (id, sender) = (found.id, account.to_owned());
    let fields = json!({ "installation": value, "repositories": repositories, "requester": null });
    hooks::send(state, "installation", Some(action), &sender, fields, Some((id, None)));
}

/// Does what [`crate::Forge`] says of it.
pub(crate) fn suspend(state: &mut State, account: &str, on: bool) {
    let now = state.now();
    for installation in state.installations.values_mut().filter(|i| i.account == account) {
        installation.suspended = on.then_some(now);
    }
    about(state, account, if on { "suspend" } else { "unsuspend" });
}

/// Does what [`crate::Forge`] says of it.
pub(crate) fn uninstall(state: &mut State, account: &str) {
    about(state, account, "deleted");
    state.installations.retain(|_, i| i.account != account);
}

/// Does what [`crate::Forge`] says of it.
pub(crate) fn selected(state: &mut State, account: &str, full_name: &str, add: bool) {
    let Some(found) = state.installations.values_mut().find(|i| i.account == account) else { return };
    let only = found.only.get_or_insert_with(BTreeSet::new);
    if add {
        only.insert(full_name.to_owned())
    } else {
        only.remove(full_name)
    };
    let id = found.id;
    let Some(found) = state.installations.get(&id) else { return };
    let value = view::installation(state, found);
    let names = named(state, |r| r.full_name() == full_name);
    let (added, removed) = if add { (names, Vec::new()) } else { (Vec::new(), names) };
    let fields = json!({
        "installation": value, "repositories_added": added, "repositories_removed": removed, "requester": null,
        "repository_selection": "selected",
    });
    let action = Some(if add { "added" } else { "removed" });
    hooks::send(state, "installation_repositories", action, account, fields, Some((id, None)));
}
