//! Adopting an event whose history is not known here: it comes with the state before it, as another
//! server has it.

use std::collections::BTreeSet;

use ruma::{EventId, OwnedEventId};
use transport::Transaction;

use super::{
    Checked, Graph, Refusal, Unavailable,
    auth::Loader,
    fetch::{Found, Source},
    insert::known_room,
    judge::{present_for, standing},
    outliers::{absent, store_outliers},
};
use crate::{
    event::Pdu,
    store::{
        StoreError, backward_extremities, events,
        state::{self, State},
    },
};

/// Events of a state that are fetched one by one; more are fetched at once.
const MAX_SINGLE_FETCHES: usize = 10;

/// Events of one state, and of what authorizes it.
const MAX_STATE_EVENTS: usize = 50_000;

impl Graph {
    /// Fetches the event `id` and the state before it, and makes it part of the graph.
    pub(crate) async fn adopt(
        &self,
        source: &Source<'_>,
        id: &EventId,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        let pdu = match self.ask_event(source, id).await? {
            Found::Here(pdu) => pdu,
            Found::Nowhere | Found::Withheld => {
                return Ok(Err(Refusal::MissingEvents(id.to_string())));
            }
            Found::Unknown(reason) => return Err(Unavailable::Elsewhere(reason)),
        };
        self.adopt_known(source, pdu).await
    }

    /// Fetches the state before an event, and makes the event part of the graph.
    pub(crate) async fn adopt_known(
        &self,
        source: &Source<'_>,
        pdu: Pdu,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        let state = match self.state_before_elsewhere(source, &pdu).await? {
            Ok(state) => state,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let graph = self.clone();
        self.core
            .database
            .transaction(move |tx| graph.adopt_in(tx, pdu, &state))
            .await
            .map_err(Unavailable::Store)
    }

    /// Returns the ids of the state before `pdu`; its events are stored as outliers.
    pub(super) async fn state_before_elsewhere(
        &self,
        source: &Source<'_>,
        pdu: &Pdu,
    ) -> Result<Result<BTreeSet<OwnedEventId>, Refusal>, Unavailable> {
        let ids = match self.ask_state_ids(source, &pdu.event_id).await {
            Found::Here(ids) => ids,
            Found::Nowhere | Found::Withheld => return Ok(Err(no_state(&pdu.event_id))),
            Found::Unknown(reason) => return Err(Unavailable::Elsewhere(reason)),
        };
        if ids.pdu_ids.len() + ids.auth_chain_ids.len() > MAX_STATE_EVENTS {
            return Ok(Err(Refusal::MissingEvents("its state is too large".to_owned())));
        }
        let all: Vec<_> = ids.pdu_ids.iter().chain(&ids.auth_chain_ids).cloned().collect();
        let absent: Vec<OwnedEventId> = self
            .core
            .database
            .call(move |db| absent(db, &all))
            .await
            .map_err(Unavailable::Store)?;
        let fetched = if absent.len() <= MAX_SINGLE_FETCHES {
            self.fetch_outliers(source, absent).await?
        } else {
            self.fetch_state(source, pdu).await?
        };
        Ok(fetched.map(|()| ids.pdu_ids.into_iter().collect()))
    }

    async fn fetch_state(
        &self,
        source: &Source<'_>,
        pdu: &Pdu,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        let events = match self.ask_state(source, &pdu.event_id).await? {
            Found::Here(events) => events,
            Found::Nowhere | Found::Withheld => return Ok(Err(no_state(&pdu.event_id))),
            Found::Unknown(reason) => return Err(Unavailable::Elsewhere(reason)),
        };
        let rules = source.rules;
        let missing: Vec<OwnedEventId> = self
            .core
            .database
            .transaction(move |tx| store_outliers(tx, rules, events))
            .await
            .map_err(Unavailable::Store)?;
        if missing.is_empty() {
            return Ok(Ok(()));
        }
        self.fetch_outliers(source, missing).await
    }

    fn adopt_in(
        &self,
        tx: &Transaction<'_>,
        pdu: Pdu,
        ids: &BTreeSet<OwnedEventId>,
    ) -> Result<Result<(), Refusal>, StoreError> {
        let room = known_room(tx, &pdu.room_id)?;
        if let Some(place) = events::place(tx, &pdu.event_id)?
            && place.state_after.is_some()
        {
            return Ok(Ok(()));
        }
        if let Some(id) = absent(tx, &pdu.auth_events)?.first() {
            return Ok(Err(Refusal::MissingEvents(id.to_string())));
        }
        let state = match usable_state(tx, &pdu, ids)? {
            Ok(state) => state,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let before = state::whole(tx, &state)?;
        let present = present_for(tx, &room, &pdu)?;
        let standing = standing(&Loader::new(tx), &present, &pdu, before)?;
        backward_extremities::add_parents_of(tx, &pdu)?;
        self.insert_received(tx, &room, &Checked { pdu, standing }, before)?;
        Ok(Ok(()))
    }
}

/// Returns the state made of the stored events `ids`, without those that were rejected or are of
/// another room than `pdu`.
pub(super) fn usable_state(
    tx: &Transaction<'_>,
    pdu: &Pdu,
    ids: &BTreeSet<OwnedEventId>,
) -> Result<Result<State, Refusal>, StoreError> {
    let mut state = State::new();
    for id in ids {
        let Some(found) = events::find(tx, id)? else {
            return Ok(Err(Refusal::MissingEvents(id.to_string())));
        };
        if found.rejected.is_some() || found.pdu.room_id != pdu.room_id {
            continue;
        }
        if let Some(key) = &found.pdu.state_key {
            state.insert((found.pdu.kind.clone(), key.clone()), id.clone());
        }
    }
    Ok(Ok(state))
}

fn no_state(id: &EventId) -> Refusal {
    Refusal::MissingEvents(format!("the state before {id}"))
}
