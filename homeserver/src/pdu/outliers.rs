//! Outliers: events that are known only because others need them for authorization or state.

use std::collections::BTreeMap;

use ruma::OwnedEventId;
use transport::Transaction;

use super::{
    Graph, Refusal, Unavailable,
    auth::Loader,
    fetch::{Found, Source},
};
use crate::{
    event::{Pdu, rules::Rules},
    store::{
        StoreError,
        events::{self, StoredEvent},
    },
};

/// Authorization events fetched for one event.
const MAX_AUTH_EVENTS_FETCHED: usize = 200;

/// Stores events as outliers, each after those that authorize it, and judged by those. The ids of
/// events that authorize one of them and are not here; what depends on such is not stored.
pub(crate) fn store_outliers(
    tx: &Transaction<'_>,
    rules: Rules,
    pdus: Vec<Pdu>,
) -> Result<Vec<OwnedEventId>, StoreError> {
    let mut waiting: BTreeMap<OwnedEventId, Pdu> =
        pdus.into_iter().map(|pdu| (pdu.event_id.clone(), pdu)).collect();
    loop {
        let before = waiting.len();
        for (id, pdu) in std::mem::take(&mut waiting) {
            if absent(tx, &needed(rules, &pdu))?.is_empty() {
                store_outlier(tx, rules, pdu)?;
            } else {
                waiting.insert(id, pdu);
            }
        }
        if waiting.len() == before {
            break;
        }
    }
    let mut missing = Vec::new();
    for pdu in waiting.values() {
        missing.extend(absent(tx, &needed(rules, pdu))?);
    }
    missing.sort();
    missing.dedup();
    missing.retain(|id| !waiting.contains_key(id));
    Ok(missing)
}

/// Returns what an event is judged by: the events that it names, and since room version 12 the
/// creation of the room, which it does not name.
fn needed(rules: Rules, pdu: &Pdu) -> Vec<OwnedEventId> {
    let mut needed = pdu.auth_events.clone();
    if rules.authorization.room_create_event_id_as_room_id && pdu.kind != "m.room.create" {
        needed.extend(OwnedEventId::try_from(format!("${}", pdu.room_id.strip_sigil())).ok());
    }
    needed
}

fn store_outlier(tx: &Transaction<'_>, rules: Rules, pdu: Pdu) -> Result<(), StoreError> {
    if events::place(tx, &pdu.event_id)?.is_some() {
        return Ok(());
    }
    let rejected = Loader::new(tx).allowed_by_auth_events(rules, &pdu)?.err();
    events::put(tx, &StoredEvent { pdu, states: None, rejected, soft_failed: false })
}

/// Returns those of the ids that are not stored.
pub(crate) fn absent(
    connection: &rusqlite::Connection,
    ids: &[OwnedEventId],
) -> Result<Vec<OwnedEventId>, StoreError> {
    let mut absent = Vec::new();
    for id in ids {
        if events::place(connection, id)?.is_none() {
            absent.push(id.clone());
        }
    }
    Ok(absent)
}

impl Graph {
    /// Fetches events one by one, with everything that authorizes them, and stores them as
    /// outliers.
    pub(crate) async fn fetch_outliers(
        &self,
        source: &Source<'_>,
        mut wanted: Vec<OwnedEventId>,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        let mut fetched = BTreeMap::new();
        while let Some(id) = wanted.pop() {
            if fetched.contains_key(&id) {
                continue;
            }
            if fetched.len() >= MAX_AUTH_EVENTS_FETCHED {
                return Ok(Err(Refusal::MissingEvents("too many of them".to_owned())));
            }
            let pdu = match self.ask_event(source, &id).await? {
                Found::Here(pdu) => pdu,
                Found::Nowhere | Found::Withheld => {
                    return Ok(Err(Refusal::MissingEvents(id.to_string())));
                }
                Found::Unknown(reason) => return Err(Unavailable::Elsewhere(reason)),
            };
            let named = pdu.auth_events.clone();
            wanted.extend(self.core.database.call(move |db| absent(db, &named)).await?);
            fetched.insert(id, pdu);
        }
        let rules = source.rules;
        let events = fetched.into_values().collect();
        let missing: Vec<OwnedEventId> =
            self.core.database.transaction(move |tx| store_outliers(tx, rules, events)).await?;
        Ok(match missing.first() {
            Some(id) => Err(Refusal::MissingEvents(id.to_string())),
            None => Ok(()),
        })
    }
}
