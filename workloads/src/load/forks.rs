//! How long a send waits while a member of another room forks that room again and again.

use std::{sync::Arc, time::Duration};

use homeserver::messaging::rooms::{CreateRoom, JoinRule, Rooms};
use ruma::{
    CanonicalJsonObject, MilliSecondsSinceUnixEpoch, OwnedRoomId, OwnedUserId, RoomVersionId,
    api::federation::{
        membership::prepare_join_event::v1 as make_join,
        transactions::send_transaction_message::v1 as send,
    },
    canonical_json::try_from_json_map,
    signatures::hash_and_sign_event,
};
use transport::federation::{Federation, Identity};

use super::{DEADLINE, Server};
use crate::{clock::WallTime, loopback::on_threads};

/// PDUs of a transaction.
const BATCH: usize = 50;

/// Sends before the forks come.
const CALM: u32 = 50;

/// How long sends waited for their answers.
#[derive(Clone, Copy, Debug)]
pub struct Waits {
    /// The mean wait before the forks came, in milliseconds.
    pub before: f64,
    /// The longest wait while they came.
    pub during: f64,
    /// How long all the forks took, in milliseconds.
    pub forks: f64,
}

/// Has a user of another server fork a room of `members` users `forks` times, each time by a change
/// of the same membership on the same place, while somebody else sends into another room.
///
/// # Errors
/// Something was refused, or something of the real machine could not be had.
pub fn waits_during_forks(members: usize, forks: usize) -> Result<Waits, String> {
    on_threads(async move {
        let (server, other) = (Server::start().await?, Server::start().await?);
        let user = server.user("sender").await?;
        let own_room = user.room().await?;
        let (room, forker) = crowd(&server, &other, members).await?;
        let began = WallTime::now();
        for number in 0..CALM {
            user.say(&own_room, number.into()).await?;
        }
        let before = millis(began) / f64::from(CALM);
        let federation = federation(&other).await?;
        let events = forked(&federation, &server, (&room, &forker), forks).await?;
        let flood = flood(federation, server.name.clone(), events);
        let mut flood = std::pin::pin!(flood);
        let (mut during, mut number): (f64, u64) = (0.0, 1000);
        loop {
            number += 1;
            let began = WallTime::now();
            let mut say = std::pin::pin!(user.say(&own_room, number));
            tokio::select! {
                biased;
                forks = &mut flood => {
                    say.await?;
                    during = during.max(millis(began));
                    return Ok(Waits { before, during, forks: forks? });
                }
                said = &mut say => said?,
            }
            during = during.max(millis(began));
        }
    })
}

fn millis(began: WallTime) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

/// Returns a room in which `members` users of `server` are, and one of `other`.
async fn crowd(
    server: &Server,
    other: &Server,
    members: usize,
) -> Result<(OwnedRoomId, OwnedUserId), String> {
    let rooms = server.homeserver.rooms();
    let user = |name: &str, server: &Server| {
        OwnedUserId::try_from(format!("@{name}:{}", server.name)).map_err(|error| error.to_string())
    };
    let options = CreateRoom {
        join_rule: JoinRule::Public,
        version: RoomVersionId::V11,
        ..CreateRoom::default()
    };
    let creator = user("creator", server)?;
    let room = rooms.create(&creator, options).await.map_err(|error| error.to_string())?;
    for number in 0..members {
        join(rooms, &user(&format!("member{number}"), server)?, &room, &[]).await?;
    }
    let forker = user("forker", other)?;
    let via = [server.name.clone()];
    join(other.homeserver.rooms(), &forker, &room, &via).await?;
    Ok((room, forker))
}

async fn join(
    rooms: &Rooms,
    user: &OwnedUserId,
    room: &OwnedRoomId,
    via: &[ruma::OwnedServerName],
) -> Result<(), String> {
    rooms.join(user, room, via).await.map_err(|error| error.to_string())
}

/// Returns calls in the name of `server`.
async fn federation(server: &Server) -> Result<Federation, String> {
    let database = server.host.open("homeserver").await.map_err(|error| error.to_string())?;
    let identity = Identity::open(&server.host, &database, server.name.clone()).await;
    let identity = identity.map_err(|error| error.to_string())?;
    let limits = transport::http::ClientLimits::default();
    Ok(Federation::new(identity, transport::http::Client::new(&server.host, limits)))
}

/// Returns `count` events, each of which changes the membership of `forker` on the same place.
async fn forked(
    federation: &Federation,
    at: &Server,
    (room, forker): (&OwnedRoomId, &OwnedUserId),
    count: usize,
) -> Result<Vec<Box<serde_json::value::RawValue>>, String> {
    let mut request = make_join::Request::new(room.clone(), forker.clone());
    request.ver = vec![RoomVersionId::V11];
    let made = federation.call(&at.name, request, DEADLINE).await;
    let template = made.map_err(|error| error.to_string())?.event;
    let mut events = Vec::with_capacity(count);
    for number in 0..count {
        let mut event: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(template.get()).map_err(|error| error.to_string())?;
        event.insert("origin_server_ts".to_owned(), (1_700_000_000_000_u64 + number as u64).into());
        let content =
            serde_json::json!({ "membership": "join", "displayname": number.to_string() });
        event.insert("content".to_owned(), content);
        let event = try_from_json_map(event).map_err(|error| error.to_string())?;
        events.push(signed(federation, event)?);
    }
    Ok(events)
}

fn signed(
    federation: &Federation,
    mut event: CanonicalJsonObject,
) -> Result<Box<serde_json::value::RawValue>, String> {
    let identity = &federation.identity;
    let rules = RoomVersionId::V11.rules().ok_or("ruma does not know room version 11")?;
    let (name, key) = (identity.server_name.as_str(), Arc::clone(&identity.key_pair));
    hash_and_sign_event(name, &*key, &mut event, &rules.redaction)
        .map_err(|error| error.to_string())?;
    serde_json::value::to_raw_value(&event).map_err(|error| error.to_string())
}

/// Sends the events to `to`, and returns how many milliseconds that took.
async fn flood(
    federation: Federation,
    to: ruma::OwnedServerName,
    events: Vec<Box<serde_json::value::RawValue>>,
) -> Result<f64, String> {
    let began = WallTime::now();
    for (number, batch) in events.chunks(BATCH).enumerate() {
        let mut request = send::Request::new(
            format!("fork{number}").into(),
            federation.identity.server_name.clone(),
            MilliSecondsSinceUnixEpoch(ruma::uint!(1_700_000_000)),
        );
        request.pdus = batch.to_vec();
        let answer = federation.call(&to, request, DEADLINE + Duration::from_secs(300)).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if let Some((id, Err(reason))) = answer.pdus.iter().find(|(_, outcome)| outcome.is_err()) {
            return Err(format!("{id}: {reason}"));
        }
    }
    Ok(millis(began))
}
