//! Deliveries that did not reach us. GitHub never repeats one by itself; it keeps them for some days and repeats one when
//! asked ("Handling failed webhook deliveries").

use std::collections::{BTreeMap, HashSet};

use serde::Deserialize;

use super::call::{Api, decode};
use crate::{
    clock,
    forge::{Answer, Missed},
};

#[derive(Deserialize)]
struct DeliveryWire {
    id: u64,
    guid: String,
    delivered_at: String,
    status_code: i64,
}

pub(super) async fn missed(api: &Api, since: i64) -> Answer<Vec<Missed>> {
    let mut failed: BTreeMap<u64, String> = BTreeMap::new();
    let mut arrived = HashSet::new();
    for entry in api.pages("/app/hook/deliveries?per_page=100", "the list of deliveries").await? {
        let delivery: DeliveryWire = decode("a delivery", entry)?;
        if clock::parse_iso(&delivery.delivered_at).is_none_or(|at| at < since) {
            continue;
        }
        match (200..300).contains(&delivery.status_code) {
            true => {
                arrived.insert(delivery.guid);
            }
            false => {
                failed.insert(delivery.id, delivery.guid);
            }
        }
    }
    // Several attempts at one delivery have one guid; the first is enough to ask for.
    let mut seen = HashSet::new();
    let first = failed.into_iter().filter(|(_, guid)| !arrived.contains(guid) && seen.insert(guid.clone()));
    Ok(first.map(|(id, guid)| Missed { id, guid }).collect())
}
