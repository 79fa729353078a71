//! Fetching history backwards. It changes nothing about the present: it goes before everything else
//! in the timeline.

use ruma::{OwnedEventId, RoomId, room_version_rules::RoomVersionRules};
use rusqlite::Transaction;

use super::{
    Checked, Graph, Pdu, Refusal, Unavailable,
    fetch::{Found, Source},
    insert::known_room,
    judge::{missing, standing, state_before},
};
use crate::store::{
    StoreError, events,
    state::{self, State},
};

/// Events fetched at once.
const BACKFILL_LIMIT: u32 = 50;

/// Ends of the known history that are asked about at once.
const MAX_ENDS: usize = 20;

impl Graph {
    /// Fetches events from before the oldest ones of `room`; how many of those were new.
    pub(crate) async fn backfill(
        &self,
        room: &RoomId,
        rules: &RoomVersionRules,
    ) -> Result<Result<usize, Refusal>, Unavailable> {
        let id = room.to_owned();
        let ends: Vec<OwnedEventId> = self
            .core
            .database
            .call(move |db| events::missing_parents(db, &id, MAX_ENDS))
            .await
            .map_err(Unavailable::Store)?;
        if ends.is_empty() {
            return Ok(Ok(0));
        }
        let source = self.source(room, rules, self.core.server_name()).await?;
        let mut history = match self.ask_backfill(&source, &ends, BACKFILL_LIMIT).await? {
            Found::Here(history) => history,
            Found::Nowhere => return Ok(Ok(0)),
            Found::Unknown(reason) => return Err(Unavailable::Elsewhere(reason)),
        };
        history.sort_by(|a, b| (a.depth, &a.event_id).cmp(&(b.depth, &b.event_id)));
        let mut new = Vec::new();
        for pdu in history {
            match self.place_in_history(&source, pdu).await? {
                Ok(placed) => new.extend(placed),
                Err(refusal) => tracing::info!(%refusal, "history that cannot be placed"),
            }
        }
        self.show_history(new).await.map(Ok)
    }

    /// Makes an event of the past part of the graph; the event, if it is new and to be shown.
    async fn place_in_history(
        &self,
        source: &Source<'_>,
        pdu: Pdu,
    ) -> Result<Result<Option<Pdu>, Refusal>, Unavailable> {
        let event = pdu.clone();
        let (known, lacking) = self
            .core
            .database
            .call(move |db| {
                let place = events::place(db, &event.event_id)?;
                let known = place.is_some_and(|place| place.state_after.is_some());
                Ok::<_, StoreError>((known, missing(db, &event)?))
            })
            .await?;
        if known {
            return Ok(Ok(None));
        }
        let elsewhere = if lacking.prev_events.is_empty() {
            None
        } else {
            match self.state_before_elsewhere(source, &pdu).await? {
                Ok(ids) => Some(ids),
                Err(refusal) => return Ok(Err(refusal)),
            }
        };
        if let Err(refusal) = self.fetch_outliers(source, lacking.auth_events).await? {
            return Ok(Err(refusal));
        }
        self.core
            .database
            .transaction(move |tx| {
                let state = match elsewhere {
                    Some(ids) => match super::adopt::usable_state(tx, &pdu, &ids)? {
                        Ok(state) => Some(state),
                        Err(refusal) => return Ok(Err(refusal)),
                    },
                    None => None,
                };
                place_in(tx, pdu, state).map(Ok)
            })
            .await
            .map_err(Unavailable::Store)
    }

    /// Puts events that became part of the graph before everything else in the timeline; they come
    /// oldest first.
    async fn show_history(&self, events: Vec<Pdu>) -> Result<usize, Unavailable> {
        let count = events.len();
        self.core
            .database
            .transaction(move |tx| events.iter().rev().try_for_each(|pdu| events::prepend(tx, pdu)))
            .await
            .map_err(Unavailable::Store)?;
        Ok(count)
    }
}

fn place_in(
    tx: &Transaction<'_>,
    pdu: Pdu,
    state: Option<State>,
) -> Result<Option<Pdu>, StoreError> {
    let (mut room, rules) = known_room(tx, &pdu.room_id)?;
    let before = match state {
        Some(state) => state::whole(tx, &state)?,
        None => state_before(tx, &rules, &pdu)?,
    };
    // What is allowed now is no matter for the past.
    room.current_group = before;
    let standing = standing(tx, &room, &rules, (&pdu, before))?;
    let checked = Checked { pdu, standing };
    super::insert::store(tx, &checked, before)?;
    Ok((checked.standing == super::Standing::Accepted).then_some(checked.pdu))
}
