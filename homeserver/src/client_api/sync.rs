//! `GET /sync`: what is new for a device, waiting for it if there is nothing yet.

mod answer;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::Json;
use defects::{Defect, planted};
use ruma::OwnedRoomId;
use rusqlite::Connection;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use transport::{Lock, MatrixError};

use self::answer::{SyncAnswer, answer};
use super::{
    ClientApi, PLACE_PAUSE, POLLS,
    extract::{Holder, QueryOf, unknown_token},
    filter,
    token::Token,
};
use crate::{
    messaging::{
        beside::{self, Beside, Points, beside},
        edus::Passing,
        filter::Filter,
        notifications::{Waiting, concerns, listen_to_rooms},
        stream::{Changes, Told, Wanted, changes},
        unread::{Counter, Counts, Unread},
    },
    store::{
        StoreError,
        accounts::{self, Authority, Device},
        events,
    },
};

/// The longest that a request waits; a client that wants to wait longer asks again.
const MAX_WAIT: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
pub(super) struct SyncQuery {
    since: Option<String>,
    /// Milliseconds.
    timeout: Option<u64>,
    /// A filter's id, or the filter itself.
    filter: Option<String>,
    /// Whether the whole state is wanted of every room that the user is in.
    #[serde(default)]
    full_state: bool,
}

/// `GET /_matrix/client/v3/sync`. It is held as long as there is nothing new and the token that it was
/// asked with is the device's.
pub(super) async fn sync(
    api: ClientApi,
    Holder(authority): Holder,
    QueryOf(query): QueryOf<SyncQuery>,
) -> Result<Json<SyncAnswer>, MatrixError> {
    let device = authority.device.clone();
    let filter = filter_of(&api, &device, query.filter.as_deref()).await?;
    let wait = Duration::from_millis(query.timeout.unwrap_or(0)).min(MAX_WAIT);
    let deadline = Instant::now() + wait;
    let token = query.since.as_deref().map(Token::parse).transpose()?;
    if let Some(token) = &token {
        api.messaging.edus.has(device.clone(), token.beside).await?;
    }
    let is_held = token.is_some() && !query.full_state;
    let passing = api.messaging.edus.passing();
    let waiting = api.messaging.notifications.listen(&device.user_id);
    let mut look = Look {
        authority,
        token,
        looked_through: None,
        filter: Arc::new(filter),
        full_state: query.full_state,
        waiting,
        passing,
        told: Arc::clone(&api.told),
        counts: Arc::clone(&api.counts),
    };
    let mut place = None;
    loop {
        let mut news = read(&api, &look).await?.ok_or_else(unknown_token)?;
        let is_empty = news.is_empty();
        if !is_held || !is_empty || Instant::now() >= deadline {
            if planted(Defect::SyncTokenSkipsWhatComesMeanwhile) {
                news.changes.next =
                    api.core.database.call(|db| events::newest_position(db)).await?;
            }
            return Ok(Json(answer(news)));
        }
        if place.is_none() {
            place = Some(api.polls.try_hold(device.clone(), POLLS).ok_or_else(too_many)?);
        }
        // What was looked through is not looked through again.
        look.looked_through = Some((news.changes.next, news.beside.next));
        // Either way it is time to look again.
        drop(timeout_at(deadline, look.waiting.rung()).await);
    }
}

/// What a request looks for, again and again.
#[derive(Clone)]
struct Look {
    authority: Authority,
    /// The point after which the device asks.
    token: Option<Token>,
    /// The points of this database up to which there was nothing, a moment ago; `waiting` has listened
    /// to the user's rooms since.
    looked_through: Option<(i64, Points)>,
    filter: Arc<Filter>,
    full_state: bool,
    waiting: Waiting,
    /// Who types and who is there.
    passing: Arc<Lock<Passing>>,
    /// Whom the devices were told of.
    told: Arc<Lock<Told>>,
    /// How much the users have not read.
    counts: Arc<Lock<Counts>>,
}

/// What is new.
struct News {
    /// In rooms.
    changes: Changes,
    /// Beside events.
    beside: Beside,
    /// How much is unread of the rooms that there are news of.
    unread: BTreeMap<OwnedRoomId, Unread>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.beside.is_empty()
    }
}

impl Look {
    /// Returns what is new; `None` if the device has lost its token.
    fn news(&self, connection: &Connection) -> Result<Option<News>, StoreError> {
        let Self { authority, filter, waiting, .. } = self;
        if !accounts::holds(connection, authority)? {
            return Ok(None);
        }
        let has = self.token.as_ref().map(|token| token.point(connection)).transpose()?;
        let points = self.token.as_ref().map(|token| token.beside);
        let (since, points) = self
            .looked_through
            .map_or((has, points), |(point, beside)| (Some(point), Some(beside)));
        let wanted = Wanted {
            has,
            since,
            filter: Arc::clone(filter),
            full_state: self.full_state,
            told: Arc::clone(&self.told),
        };
        let changes = changes(connection, &authority.device, &wanted)?;
        let device = &authority.device;
        let passing = &*self.passing;
        let beside = beside(&beside::Look {
            connection,
            device,
            since: points,
            passing,
            changes: &changes,
            filter,
        })?;
        let user = &device.user_id;
        let is_empty = changes.is_empty() && beside.is_empty();
        if is_empty && (concerns(&waiting.heard(), user) || self.looked_through.is_none()) {
            listen_to_rooms(connection, waiting, user)?;
        }
        let mut unread = BTreeMap::new();
        if !is_empty {
            let mut counter = Counter::of_user(connection, user, &self.counts, changes.next)?;
            let of_events = changes.joined.iter().map(|room| &room.room_id);
            for room in of_events.chain(beside.rooms.keys()) {
                unread.insert(room.clone(), counter.count(room)?);
            }
        }
        Ok(Some(News { changes, beside, unread }))
    }
}

async fn read(api: &ClientApi, look: &Look) -> Result<Option<News>, MatrixError> {
    let look = look.clone();
    Ok(api.core.database.call(move |connection| look.news(connection)).await?)
}

/// Returns the filter that is named, or given as it is.
async fn filter_of(
    api: &ClientApi,
    device: &Device,
    filter: Option<&str>,
) -> Result<Filter, MatrixError> {
    match filter {
        None => Ok(Filter::default()),
        Some(inline) if inline.starts_with('{') => filter::parse(inline),
        Some(filter_id) => filter::parse(&filter::find(api, &device.user_id, filter_id).await?),
    }
}

fn too_many() -> MatrixError {
    MatrixError::limit_exceeded("the device has too many requests waiting", PLACE_PAUSE)
}
