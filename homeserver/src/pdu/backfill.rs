//! Fetching history backwards. It changes nothing about the present: it goes before everything else
//! in the timeline.

use std::collections::BTreeSet;

use ruma::{EventId, OwnedEventId, OwnedRoomId, RoomId};
use rusqlite::Connection;
use transport::Transaction;

use super::{
    Checked, Graph, Refusal, Unavailable,
    auth::Loader,
    fetch::{Found, Source},
    insert::known_room,
    judge::{missing, standing, state_before},
};
use crate::{
    event::{Pdu, rules::Rules},
    store::{
        StoreError, backward_extremities, events,
        state::{self, State},
    },
};

/// Events fetched at once.
const BACKFILL_LIMIT: u32 = 50;

/// Ends of the known history that are asked about at once.
const MAX_ENDS: usize = 20;

impl Graph {
    /// Fetches events from before the oldest ones of `room`, and returns how many were new.
    pub(crate) async fn backfill(
        &self,
        room: &RoomId,
        rules: Rules,
    ) -> Result<Result<usize, Refusal>, Unavailable> {
        let id = room.to_owned();
        let ends: Vec<OwnedEventId> = self
            .core
            .database
            .call(move |db| backward_extremities::of_room(db, &id, MAX_ENDS))
            .await
            .map_err(Unavailable::Store)?;
        if ends.is_empty() {
            return Ok(Ok(0));
        }
        let source = self.source_of_history(room, rules).await?;
        let mut history = match self.ask_backfill(&source, &ends, BACKFILL_LIMIT).await? {
            Found::Here(history) => history,
            Found::Nowhere | Found::Withheld => return Ok(Ok(0)),
            Found::Unknown(reason) => return Err(Unavailable::Elsewhere(reason)),
        };
        history.sort_by(|a, b| (a.depth, &a.event_id).cmp(&(b.depth, &b.event_id)));
        let (mut found, mut before) = (Vec::new(), BTreeSet::new());
        for pdu in history {
            match self.complete(&source, &pdu, &before).await? {
                Ok(state) => {
                    before.insert(pdu.event_id.clone());
                    found.push((pdu, state));
                }
                Err(refusal) => tracing::info!(%refusal, "skipped history that cannot be placed"),
            }
        }
        // All at once: what is part of the graph and not of the timeline would never be asked for
        // again, nor shown.
        let shown = self.core.database.transaction(move |tx| show_history(tx, found)).await;
        shown.map(Ok).map_err(Unavailable::Store)
    }

    /// Fetches events from before the oldest ones of a room; returns whether more of it is known now.
    pub(super) async fn extend_history(&self, source: &Source<'_>) -> Result<bool, Unavailable> {
        let ends = |room: OwnedRoomId| {
            self.core.database.call(move |db| backward_extremities::of_room(db, &room, MAX_ENDS))
        };
        let before = ends(source.room.to_owned()).await.map_err(Unavailable::Store)?;
        // What was refused of it does not move the ends.
        drop(self.backfill(source.room, source.rules).await?);
        Ok(ends(source.room.to_owned()).await.map_err(Unavailable::Store)? != before)
    }

    /// Fetches the event `id`, at which this server's history of the room ends, and makes it part of
    /// that history.
    pub(super) async fn place_end(
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
        self.place_at_end(source, pdu).await
    }

    /// Makes an event the end of this server's history of its room.
    pub(super) async fn place_at_end(
        &self,
        source: &Source<'_>,
        pdu: Pdu,
    ) -> Result<Result<(), Refusal>, Unavailable> {
        let state = match self.complete(source, &pdu, &BTreeSet::new()).await? {
            Ok(state) => state,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let shown = self.core.database.transaction(|tx| show_history(tx, vec![(pdu, state)])).await;
        shown.map(|_| Ok(())).map_err(Unavailable::Store)
    }

    /// Fetches what an event of the past lacks to become part of the graph after the events
    /// `before` it. Returns the state before it as others have it, if its parents cannot be had.
    async fn complete(
        &self,
        source: &Source<'_>,
        pdu: &Pdu,
        before: &BTreeSet<OwnedEventId>,
    ) -> Result<Result<StateElsewhere, Refusal>, Unavailable> {
        let event = pdu.clone();
        let (known, mut lacking) = self
            .core
            .database
            .call(move |db| Ok::<_, StoreError>((is_placed(db, &event)?, missing(db, &event)?)))
            .await?;
        if known {
            return Ok(Ok(None));
        }
        lacking.prev_events.retain(|id| !before.contains(id));
        lacking.auth_events.retain(|id| !before.contains(id));
        let elsewhere = if lacking.prev_events.is_empty() {
            None
        } else {
            match self.state_before_elsewhere(source, pdu).await? {
                Ok(ids) => Some(ids),
                Err(refusal) => return Ok(Err(refusal)),
            }
        };
        let fetched = self.fetch_outliers(source, lacking.auth_events).await?;
        Ok(fetched.map(|()| elsewhere))
    }
}

/// The ids of the state before an event, if it is not the state after its parents.
type StateElsewhere = Option<BTreeSet<OwnedEventId>>;

/// Makes events of the past, which come oldest first, part of the graph. Puts those that are new
/// and shown before everything else in the timeline, and returns how many these are.
fn show_history(
    tx: &Transaction<'_>,
    found: Vec<(Pdu, StateElsewhere)>,
) -> Result<usize, StoreError> {
    let mut shown = Vec::new();
    for (pdu, state) in found {
        if is_placed(tx, &pdu)? {
            continue;
        }
        match place_in_history(tx, pdu, state)? {
            Ok(placed) => shown.extend(placed),
            Err(refusal) => tracing::info!(%refusal, "skipped history that cannot be placed"),
        }
    }
    shown.iter().rev().try_for_each(|pdu| events::prepend(tx, pdu))?;
    Ok(shown.len())
}

fn place_in_history(
    tx: &Transaction<'_>,
    pdu: Pdu,
    elsewhere: StateElsewhere,
) -> Result<Result<Option<Pdu>, Refusal>, StoreError> {
    // The events that it was to come after may not have been placed.
    let mut lacking = missing(tx, &pdu)?;
    if elsewhere.is_some() {
        lacking.prev_events.clear();
    }
    if !lacking.is_empty() {
        return Ok(Err(lacking.into()));
    }
    let state = match elsewhere {
        Some(ids) => match super::adopt::usable_state(tx, &pdu, &ids)? {
            Ok(state) => Some(state),
            Err(refusal) => return Ok(Err(refusal)),
        },
        None => None,
    };
    place_in(tx, pdu, state).map(Ok)
}

fn is_placed(connection: &Connection, pdu: &Pdu) -> Result<bool, StoreError> {
    let place = events::place(connection, &pdu.event_id)?;
    Ok(place.is_some_and(|place| place.state_after.is_some()))
}

fn place_in(
    tx: &Transaction<'_>,
    pdu: Pdu,
    state: Option<State>,
) -> Result<Option<Pdu>, StoreError> {
    let mut room = known_room(tx, &pdu.room_id)?;
    let before = match state {
        Some(state) => {
            backward_extremities::add_parents_of(tx, &pdu)?;
            state::whole(tx, &state)?
        }
        None => state_before(tx, room.rules, &pdu)?,
    };
    // What is allowed now does not matter for the past.
    room.row.current_group = before;
    let standing = standing(&Loader::new(tx), &room, &pdu, before)?;
    let checked = Checked { pdu, standing };
    super::insert::store(tx, &checked, before)?;
    super::redact::apply_earlier(tx, room.rules, &checked.pdu)?;
    if checked.standing != super::Standing::Accepted {
        return Ok(None);
    }
    super::redact::apply(tx, room.rules, &checked.pdu)?;
    Ok(Some(checked.pdu))
}
