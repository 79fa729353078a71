//! `hierarchy` and `timestamp_to_event` of `/_matrix/federation/v1`: looking around in and from rooms.

use axum::{extract::State, response::Response};
use ruma::{
    OwnedServerName, RoomId,
    api::{
        Direction,
        federation::{
            event::get_event_by_timestamp::v1 as get_event_by_timestamp,
            space::get_hierarchy::v1 as get_hierarchy,
        },
    },
};
use rusqlite::Connection;
use serde_json::{Value, json};
use transport::{
    MatrixError,
    federation::{Signed, json_answer},
};

use super::FederationApi;
use crate::{
    messaging::{
        summaries::{self, Onlooker},
        timeline,
    },
    pdu::sight::Sight,
    store::{StoreError, relations::Timed},
};

/// Children of a space in one answer.
const MAX_CHILDREN: usize = 50;

/// Answers with a space and its children, as far as the asking server may know of them.
pub(super) async fn hierarchy(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<get_hierarchy::Request>,
) -> Result<Response, MatrixError> {
    let (room, suggested_only) = (request.room_id, request.suggested_only);
    api.must_be_let_in(&origin, &room).await?;
    let found = api.read(move |db| around(db, &origin, &room, suggested_only)).await?;
    let unknown = || MatrixError::not_found("there is no such space, or it is not shown");
    Ok(json_answer(&found.ok_or_else(unknown)?))
}

fn around(
    connection: &Connection,
    origin: &OwnedServerName,
    space: &RoomId,
    suggested_only: bool,
) -> Result<Option<Value>, StoreError> {
    let onlooker = Onlooker::Server(origin);
    if !summaries::may_look(connection, space, onlooker)? {
        return Ok(None);
    }
    let Some(mut room) = summaries::summary(connection, space)? else { return Ok(None) };
    let named = summaries::children(connection, space, suggested_only, MAX_CHILDREN)?;
    let (mut children, mut inaccessible) = (Vec::new(), Vec::new());
    for child in &named {
        let id = child["state_key"].as_str().and_then(|id| RoomId::parse(id).ok());
        let Some(id) = id else { continue };
        let Some(summary) = summaries::summary(connection, &id)? else { continue };
        if summaries::may_look(connection, &id, onlooker)? {
            children.push(summary);
        } else {
            inaccessible.push(id);
        }
    }
    room["children_state"] = json!(named);
    Ok(Some(json!({
        "room": room, "children": children, "inaccessible_children": inaccessible,
    })))
}

/// Answers with the event of a room that is nearest to a time.
pub(super) async fn timestamp_to_event(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<get_event_by_timestamp::Request>,
) -> Result<Response, MatrixError> {
    let (room, ts) = (request.room_id, request.ts);
    api.must_be_member(&origin, &room).await?;
    api.must_be_let_in(&origin, &room).await?;
    let forwards = matches!(request.dir, Direction::Forward);
    let ts = i64::from(ts.get());
    let look = move |db: &Connection| {
        timeline::nearest(db, &Sight::of_server(db, &room, &origin)?, ts, forwards)
    };
    let unknown = || MatrixError::not_found("there is no event on that side of the time");
    let Timed { event_id, ts, .. } = api.read(look).await?.ok_or_else(unknown)?;
    Ok(json_answer(&json!({ "event_id": event_id, "origin_server_ts": ts })))
}
