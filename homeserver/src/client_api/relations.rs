//! `/relations`, `/threads`, `/search` and `/timestamp_to_event`: finding events by what they belong to,
//! say, or when they were sent.

use axum::Json;
use ruma::{OwnedEventId, OwnedRoomId};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, QueryOf, id, room_of},
};
use crate::{
    messaging::timeline,
    pdu::sight::Sight,
    store::{
        StoreError,
        accounts::Device,
        events, memberships,
        relations::{self, Thread, Timed, Wanted},
        sends::for_device,
    },
};

/// Events of a page when the client does not say, and most of them.
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// Rooms that are searched at once.
const MAX_ROOMS: usize = 100;

/// Bytes of what is looked for.
const MAX_TERM: usize = 255;

#[derive(Deserialize)]
pub(super) struct Which {
    room_id: String,
    event_id: String,
    relation: Option<String>,
    kind: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct PageQuery {
    from: Option<String>,
    limit: Option<usize>,
    dir: Option<String>,
    include: Option<String>,
}

impl PageQuery {
    fn limit(&self) -> usize {
        self.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT)
    }

    /// A page goes on from the position of its last event.
    fn position(&self) -> Result<Option<i64>, MatrixError> {
        let wrong = |_| MatrixError::invalid_param("`from` is not a token of this server");
        self.from
            .as_deref()
            .map(|from| from.trim_start_matches('p').parse())
            .transpose()
            .map_err(wrong)
    }
}

/// Events in the client format, and the position after them.
type Page = (Vec<Box<RawValue>>, Option<i64>);

/// `GET /_matrix/client/v1/rooms/{roomId}/relations/{eventId}`, and below it of a kind.
pub(super) async fn relations(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(which): PathOf<Which>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<Value>, MatrixError> {
    let (room, parent): (OwnedRoomId, OwnedEventId) = (id(which.room_id)?, id(which.event_id)?);
    let wanted = Wanted {
        parent,
        relation: which.relation,
        kind: which.kind,
        forwards: query.dir.as_deref() == Some("f"),
        from: query.position()?,
    };
    let (limit, user) = (query.limit(), device.user_id.clone());
    let look = move |db: &Connection, sight: &Sight<'_>| {
        seen(db, sight, &device, relations::children(db, &wanted, limit)?, limit)
    };
    let page = api.messaging.rooms.seen_by(&user, &room, look).await?;
    Ok(Json(shown(page)))
}

/// `GET /_matrix/client/v1/rooms/{roomId}/threads`.
pub(super) async fn threads(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<PageQuery>,
) -> Result<Json<Value>, MatrixError> {
    let room: OwnedRoomId = id(room)?;
    let (limit, from) = (query.limit(), query.position()?);
    let own = query.include.as_deref() == Some("participated");
    let user = device.user_id.clone();
    let look = move |db: &Connection, sight: &Sight<'_>| {
        let me = device.user_id.as_str();
        let found = relations::threads(db, sight.room, me, from, limit)?;
        let next = found.last().filter(|_| found.len() == limit).map(|last| last.latest_position);
        let mut chunk = Vec::new();
        for thread in found.iter().filter(|thread| !own || thread.participated) {
            chunk.extend(with_thread(db, sight, &device, thread)?);
        }
        Ok((chunk, next))
    };
    let (chunk, next) = api.messaging.rooms.seen_by(&user, &room, look).await?;
    let mut answer = json!({ "chunk": chunk });
    if let Some(next) = next {
        answer["next_batch"] = format!("p{next}").into();
    }
    Ok(Json(answer))
}

/// Returns the first event of a thread as it is shown in a list of threads.
fn with_thread(
    connection: &Connection,
    sight: &Sight<'_>,
    device: &Device,
    thread: &Thread,
) -> Result<Option<Value>, StoreError> {
    let event = |id| -> Result<Option<Value>, StoreError> {
        let Some(found) = events::find(connection, id)? else { return Ok(None) };
        if !found.is_accepted() || !sight.sees(events::position(connection, id)?, &found)? {
            return Ok(None);
        }
        let shown = for_device(connection, device, &found.pdu)?;
        serde_json::from_str(shown.get()).map(Some).map_err(StoreError::corrupt)
    };
    let (Some(mut root), Some(latest)) = (event(&thread.root)?, event(&thread.latest)?) else {
        return Ok(None);
    };
    root["unsigned"]["m.relations"]["m.thread"] = json!({
        "latest_event": latest,
        "count": thread.count,
        "current_user_participated": thread.participated,
    });
    Ok(Some(root))
}

#[derive(Deserialize)]
pub(super) struct SearchRequest {
    search_categories: Categories,
}

#[derive(Deserialize)]
struct Categories {
    room_events: Option<RoomEvents>,
}

#[derive(Deserialize)]
struct RoomEvents {
    search_term: String,
    #[serde(default)]
    filter: Filter,
}

#[derive(Default, Deserialize)]
struct Filter {
    rooms: Option<Vec<OwnedRoomId>>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
pub(super) struct SearchQuery {
    next_batch: Option<String>,
}

/// `POST /_matrix/client/v3/search`: messages with a text in them, room by room.
pub(super) async fn search(
    api: ClientApi,
    Caller(device): Caller,
    QueryOf(query): QueryOf<SearchQuery>,
    BodyOf(body): BodyOf<SearchRequest>,
) -> Result<Json<Value>, MatrixError> {
    let Some(wanted) = body.search_categories.room_events else {
        return Ok(Json(json!({ "search_categories": {} })));
    };
    let term = wanted.search_term;
    if term.is_empty() || term.len() > MAX_TERM {
        return Err(MatrixError::invalid_param("what is looked for is empty or too long"));
    }
    let from = PageQuery { from: query.next_batch, limit: None, dir: None, include: None };
    let (from, limit) = (from.position()?, wanted.filter.limit.unwrap_or(10).clamp(1, MAX_LIMIT));
    let rooms = wanted.filter.rooms;
    let found = api.core.database.call(move |db| {
        let joined = memberships::joined_rooms(db, &device.user_id)?.into_iter();
        let among = joined.filter(|room| rooms.as_ref().is_none_or(|rooms| rooms.contains(room)));
        let mut hits = Vec::new();
        for room in among.take(MAX_ROOMS) {
            let sight = Sight::of_user(db, &room, &device.user_id)?;
            for (position, id) in relations::search(db, &room, &term, from, limit)? {
                let (events, _) = seen(db, &sight, &device, vec![(position, id)], limit)?;
                hits.extend(events.into_iter().map(|event| (position, event)));
            }
        }
        Ok::<_, StoreError>(hits)
    });
    let mut hits: Vec<(i64, Box<RawValue>)> = found.await?;
    hits.sort_by_key(|(position, _)| std::cmp::Reverse(*position));
    let count = hits.len();
    hits.truncate(limit);
    let next = hits.last().filter(|_| count > limit).map(|(position, _)| format!("p{position}"));
    let results: Vec<_> =
        hits.iter().map(|(_, event)| json!({ "rank": 1.0, "result": event })).collect();
    let mut events = json!({ "count": count, "highlights": [], "results": results });
    if let Some(next) = next {
        events["next_batch"] = next.into();
    }
    Ok(Json(json!({ "search_categories": { "room_events": events } })))
}

#[derive(Deserialize)]
pub(super) struct TimeQuery {
    /// Milliseconds since the epoch.
    ts: i64,
    dir: String,
}

/// `GET /_matrix/client/v1/rooms/{roomId}/timestamp_to_event`.
pub(super) async fn timestamp_to_event(
    api: ClientApi,
    Caller(device): Caller,
    PathOf(room): PathOf<String>,
    QueryOf(query): QueryOf<TimeQuery>,
) -> Result<Json<Value>, MatrixError> {
    let room = room_of(&api, &device.user_id, &room).await?;
    let forwards = query.dir == "f";
    let look =
        move |db: &Connection, sight: &Sight<'_>| timeline::nearest(db, sight, query.ts, forwards);
    let found = api.messaging.rooms.seen_by(&device.user_id, &room, look).await?;
    let unknown = || MatrixError::not_found("there is no event on that side of the time");
    let Timed { event_id, ts, .. } = found.ok_or_else(unknown)?;
    Ok(Json(json!({ "event_id": event_id, "origin_server_ts": ts })))
}

/// Returns those of the events that are seen, and where the next page begins.
fn seen(
    connection: &Connection,
    sight: &Sight<'_>,
    device: &Device,
    found: Vec<(i64, OwnedEventId)>,
    limit: usize,
) -> Result<Page, StoreError> {
    let next = found.last().filter(|_| found.len() == limit).map(|(position, _)| *position);
    let mut chunk = Vec::new();
    for (position, id) in found {
        let Some(record) = events::find(connection, &id)? else { continue };
        if record.is_accepted()
            && record.pdu.room_id == sight.room
            && sight.sees(Some(position), &record)?
        {
            chunk.push(for_device(connection, device, &record.pdu)?);
        }
    }
    Ok((chunk, next))
}

fn shown((chunk, next): Page) -> Value {
    let mut answer = json!({ "chunk": chunk });
    if let Some(next) = next {
        answer["next_batch"] = format!("p{next}").into();
    }
    answer
}
