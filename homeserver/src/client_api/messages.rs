//! `/rooms/{roomId}/messages` and `/rooms/{roomId}/event/{eventId}`: reading what was said.
//!
//! A token is a point between two events: `s7` stands after the event at position 7 and before the
//! next one.

use axum::{Json, extract::State};
use ruma::{OwnedEventId, RoomId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{Caller, PathOf, QueryOf, id, room_of},
};
use crate::{
    event::Pdu,
    messaging::rooms::{Direction, RoomError},
};

/// Events of a page when the client does not say.
const DEFAULT_LIMIT: usize = 10;

/// Most events of a page.
const MAX_LIMIT: usize = 1000;

#[derive(Deserialize)]
pub(super) struct MessagesQuery {
    from: Option<String>,
    to: Option<String>,
    dir: String,
    limit: Option<usize>,
}

/// `GET /_matrix/client/v3/rooms/{roomId}/messages`.
pub(super) async fn messages(
    State(api): State<ClientApi>,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<MessagesQuery>,
) -> Result<Json<Stretch>, MatrixError> {
    let room = room_of(&api, &device.user_id, &room).await?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let from = query.from.as_deref().map(parse_token).transpose()?;
    let to = query.to.as_deref().map(parse_token).transpose()?;
    let mut page = match query.dir.as_str() {
        "b" => backwards(&api, &room, from, limit).await?,
        "f" => forwards(&api, &room, from, limit).await?,
        _ => return Err(MatrixError::invalid_param("`dir` must be `b` or `f`")),
    };
    if let Some(to) = to {
        page.events.retain(|(position, _)| (*position > to) == (query.dir == "b"));
    }
    let chunk = page.events.iter().map(|(_, event)| event.client_format().to_owned()).collect();
    Ok(Json(Stretch { chunk, end: page.end.map(token), start: token(page.start) }))
}

/// What is answered: events, and the points before and after them.
#[derive(Serialize)]
pub(super) struct Stretch {
    chunk: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<String>,
    start: String,
}

/// Events between two points.
struct Page {
    start: i64,
    /// `None`: there are no more events in that direction.
    end: Option<i64>,
    events: Vec<(i64, Pdu)>,
}

async fn forwards(
    api: &ClientApi,
    room: &RoomId,
    from: Option<i64>,
    limit: usize,
) -> Result<Page, RoomError> {
    let events = api.messaging.rooms.timeline(room, from, Direction::Forwards, limit).await?;
    let first = events.first().map_or(0, |(position, _)| position - 1);
    let end = events.last().map(|(position, _)| *position);
    Ok(Page { start: from.unwrap_or(first), end, events })
}

/// Returns a page backwards; when there is none, history is fetched from other servers first, to
/// the end even if the client hangs up.
async fn backwards(
    api: &ClientApi,
    room: &RoomId,
    from: Option<i64>,
    limit: usize,
) -> Result<Page, MatrixError> {
    let rooms = &api.messaging.rooms;
    // The event at a token's position stands before the token.
    let beyond = from.map(|position| position.saturating_add(1));
    let mut events = rooms.timeline(room, beyond, Direction::Backwards, limit).await?;
    let (backfilling, id) = (rooms.clone(), room.to_owned());
    let backfill = async move { backfilling.backfill(&id).await };
    if events.is_empty() && api.finish(backfill).await? > 0 {
        events = rooms.timeline(room, beyond, Direction::Backwards, limit).await?;
    }
    let first = events.first().map_or(0, |(position, _)| *position);
    let end = events.last().map(|(position, _)| position - 1);
    Ok(Page { start: from.unwrap_or(first), end, events })
}

/// `GET /_matrix/client/v3/rooms/{roomId}/event/{eventId}`.
pub(super) async fn event(
    State(api): State<ClientApi>,
    Caller(device): Caller,
    PathOf((room, event)): PathOf<(String, String)>,
) -> Result<Json<Box<RawValue>>, MatrixError> {
    let room = room_of(&api, &device.user_id, &room).await?;
    let event = api.messaging.rooms.event(&id::<OwnedEventId>(event)?).await?;
    match event.filter(|event| event.room_id == room) {
        Some(event) => Ok(Json(event.client_format().to_owned())),
        None => Err(MatrixError::not_found("there is no such event in the room")),
    }
}

/// Returns the token of the point after `position`.
pub(super) fn token(position: i64) -> String {
    format!("s{position}")
}

/// Returns the position before a token.
pub(super) fn parse_token(token: &str) -> Result<i64, MatrixError> {
    token
        .strip_prefix('s')
        .and_then(|position| position.parse().ok())
        .ok_or_else(|| MatrixError::invalid_param(format!("{token} is not a token of this server")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_other_text_is_refused() {
        assert_eq!(parse_token(&token(-3)).unwrap(), -3);
        assert!(parse_token("t12").is_err());
        assert!(parse_token("sixty").is_err());
    }
}
