//! `get_missing_events`, `backfill`, `state`, `state_ids`, `event` and `event_auth` of
//! `/_matrix/federation/v1`. Whoever is a member may ask for all of a room, and whoever was one for
//! what happened while it was.

use std::collections::BTreeSet;

use axum::{extract::State, response::Response};
use ruma::{
    EventId, MilliSecondsSinceUnixEpoch, RoomId, ServerName, UInt,
    api::federation::{
        authorization::get_event_authorization::v1 as get_event_auth,
        backfill::get_backfill::v1 as get_backfill,
        event::{
            get_event::v1 as get_event, get_missing_events::v1 as get_missing_events_,
            get_room_state::v1 as get_state, get_room_state_ids::v1 as get_state_ids,
        },
    },
};
use rusqlite::Connection;
use transport::{
    MatrixError,
    federation::{Signed, ruma_answer},
};

use super::FederationApi;
use crate::{
    event::Pdu,
    pdu::serve,
    store::{
        StoreError,
        events::{self, StoredEvent},
    },
};

/// Answers with the events between two points of the graph.
pub(super) async fn get_missing_events(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<get_missing_events_::Request>,
) -> Result<Response, MatrixError> {
    let room = request.room_id.clone();
    let find = move |db: &Connection| {
        let gap = serve::Gap {
            earliest: &request.earliest_events,
            latest: &request.latest_events,
            limit: as_usize(request.limit),
            min_depth: u64::from(request.min_depth),
        };
        serve::missing_events(db, &request.room_id, &gap)
    };
    let found = visible_events(&api, &origin, &room, find).await?;
    Ok(ruma_answer(get_missing_events_::Response::new(found.iter().map(Pdu::to_raw).collect())))
}

/// Answers with history, newest first.
pub(super) async fn backfill(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<get_backfill::Request>,
) -> Result<Response, MatrixError> {
    let room = request.room_id.clone();
    let find = move |db: &Connection| {
        serve::backfill(db, &request.room_id, &request.v, as_usize(request.limit))
    };
    let found = visible_events(&api, &origin, &room, find).await?;
    let pdus = found.iter().map(Pdu::to_raw).collect();
    let (name, now) = (api.rooms().core().owned_server_name(), now(&api));
    Ok(ruma_answer(get_backfill::Response::new(name, now, pdus)))
}

/// Returns those of the events found that `origin` may be told of; refuses if it is no member and
/// may be told of none.
async fn visible_events(
    api: &FederationApi,
    origin: &ServerName,
    room: &RoomId,
    find: impl FnOnce(&Connection) -> Result<Vec<StoredEvent>, StoreError> + Send + 'static,
) -> Result<Vec<Pdu>, MatrixError> {
    api.must_be_let_in(origin, room).await?;
    let (server, id) = (origin.to_owned(), room.to_owned());
    let found = api.read(move |db| serve::visible_to(db, &id, &server, &find(db)?)).await?;
    if found.is_empty() {
        api.must_be_member(origin, room).await?;
    }
    Ok(found)
}

/// Returns an event of the room as `origin` may be told of it; refuses if it may not be.
async fn must_see(
    api: &FederationApi,
    origin: &ServerName,
    room: &RoomId,
    event: &EventId,
) -> Result<Option<Pdu>, MatrixError> {
    api.must_be_let_in(origin, room).await?;
    let (server, id, of_room) = (origin.to_owned(), event.to_owned(), room.to_owned());
    let shown = move |db: &Connection| match events::find(db, &id)? {
        Some(record) if record.pdu.room_id == of_room => serve::shown_to(db, &server, &record),
        _ => Ok(None),
    };
    let shown = api.read(shown).await?;
    if shown.is_none() {
        api.must_be_member(origin, room).await?;
    }
    Ok(shown)
}

/// Returns the state before an event, and what authorizes it.
pub(super) async fn state(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<get_state::Request>,
) -> Result<Response, MatrixError> {
    must_see(&api, &origin, &request.room_id, &request.event_id).await?;
    let (state, chain) = state_before(&api, &request.room_id, &request.event_id).await?;
    let (chain, pdus) =
        api.read(move |db| Ok((serve::raw(db, &chain)?, serve::raw(db, &state)?))).await?;
    Ok(ruma_answer(get_state::Response::new(chain, pdus)))
}

/// Returns the ids of the state before an event, and of what authorizes it.
pub(super) async fn state_ids(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<get_state_ids::Request>,
) -> Result<Response, MatrixError> {
    must_see(&api, &origin, &request.room_id, &request.event_id).await?;
    let (state, chain) = state_before(&api, &request.room_id, &request.event_id).await?;
    let (chain, state) = (chain.into_iter().collect(), state.into_iter().collect());
    Ok(ruma_answer(get_state_ids::Response::new(chain, state)))
}

async fn state_before(
    api: &FederationApi,
    room: &RoomId,
    id: &EventId,
) -> Result<serve::StateIds, MatrixError> {
    let (room, event) = (room.to_owned(), id.to_owned());
    let found = api.read(move |db| serve::state_before(db, &room, &event)).await?;
    found.ok_or_else(|| MatrixError::not_found(format!("the state before {id} is not known")))
}

/// Answers with one event.
pub(super) async fn event(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<get_event::Request>,
) -> Result<Response, MatrixError> {
    let id = request.event_id.clone();
    let found = api.read(move |db| events::find(db, &id)).await?;
    let not_known = || MatrixError::not_found(format!("event {} is not known", request.event_id));
    let found = found.filter(|found| found.rejected.is_none()).ok_or_else(not_known)?;
    let shown = must_see(&api, &origin, &found.pdu.room_id, &found.pdu.event_id).await?;
    let shown = shown.ok_or_else(not_known)?;
    let (name, now) = (api.rooms().core().owned_server_name(), now(&api));
    Ok(ruma_answer(get_event::Response::new(name, now, shown.to_raw())))
}

/// Answers with what authorizes an event.
pub(super) async fn event_auth(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<get_event_auth::Request>,
) -> Result<Response, MatrixError> {
    must_see(&api, &origin, &request.room_id, &request.event_id).await?;
    let id = request.event_id.clone();
    let room = request.room_id;
    let chain = api
        .read(move |db| {
            let known = events::find(db, &id)?.is_some_and(|found| found.pdu.room_id == room);
            if !known {
                return Ok(None);
            }
            let chain = serve::chain_above(db, &BTreeSet::from([id]))?;
            serve::raw(db, &chain).map(Some)
        })
        .await?;
    let not_known = || MatrixError::not_found(format!("event {} is not known", request.event_id));
    Ok(ruma_answer(get_event_auth::Response::new(chain.ok_or_else(not_known)?)))
}

fn now(api: &FederationApi) -> MilliSecondsSinceUnixEpoch {
    let now = UInt::try_from(api.rooms().core().host.unix_ms()).unwrap_or(UInt::MAX);
    MilliSecondsSinceUnixEpoch(now)
}

fn as_usize(limit: UInt) -> usize {
    usize::try_from(u64::from(limit)).unwrap_or(usize::MAX)
}
