//! What is read when everything has settled: every device's stream to its end, and every room's
//! events and state at every member backend.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use checks::history::Note;
use http::Method;
use scenarios::{
    endpoint::percent_encoded,
    scenario::{Reads, Scenario},
};
use serde_json::Value;

use super::{
    cluster::Cluster,
    device::{DEADLINE, Device, room_path},
    reading,
    setup::{everywhere, state},
};

/// How often a read is tried.
const MAX_TRIES: usize = 3;

/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// The most syncs until nothing is new.
const MAX_SYNCS: usize = 100;

/// Events on one page, and the most pages of one room.
const PAGE: usize = 100;
const MAX_PAGES: usize = 1000;

/// Reads all of it into the journal.
pub(super) async fn read(cluster: &Cluster) {
    for device in cluster.devices.values() {
        reading::stop(device);
    }
    let (gone, here): (Vec<_>, Vec<_>) =
        cluster.devices.values().partition(|device| device.progress().has_logged_out);
    // Nobody is to answer them any more; checks see in the journal whether anybody does.
    everywhere(gone.into_iter(), |device| async move { ask_once_more(&device).await }).await;
    let behind = everywhere(here.into_iter(), |device| async move {
        tries(|| read_to_the_end(&device)).await.is_some()
    })
    .await;
    for (conversation, room) in cluster.rooms() {
        for reader in readers(cluster, conversation) {
            read_room(cluster, conversation, room, reader).await;
        }
    }
    if behind.is_empty() {
        cluster.note(&Note::Finished {});
    }
}

/// Tries, repeatedly, something that a restart may interrupt.
async fn tries<T, F: Future<Output = Result<T, String>>>(work: impl Fn() -> F) -> Option<T> {
    for _ in 0..MAX_TRIES {
        if let Ok(value) = work().await {
            return Some(value);
        }
        tokio::time::sleep(PAUSE).await;
    }
    None
}

/// Asks for news in a session that is over.
async fn ask_once_more(device: &Device) -> bool {
    let target = "/notifications?size=1";
    device.client().call(Method::GET, target, None, DEADLINE).await.is_ok()
}

async fn read_to_the_end(device: &Device) -> Result<(), String> {
    if device.reads != Reads::Sync {
        return reading::catch_up(device).await.map(drop);
    }
    for _ in 0..MAX_SYNCS {
        if !reading::sync(device, Duration::ZERO).await? {
            return Ok(());
        }
    }
    Err(format!("news without an end after {MAX_SYNCS} syncs"))
}

/// Returns for each backend the users who may be able to read a conversation there, members first.
fn readers<'c>(cluster: &'c Cluster, conversation: &str) -> Vec<Vec<&'c Arc<Device>>> {
    let mut by_backend: BTreeMap<&str, Vec<&Arc<Device>>> = BTreeMap::new();
    for user in candidates(&cluster.scenario, conversation) {
        let mut devices = cluster.devices_of(user);
        let Some(device) = devices.find(|it| !it.progress().has_logged_out) else { continue };
        by_backend.entry(&device.backend).or_default().push(device);
    }
    by_backend.into_values().collect()
}

fn candidates<'s>(scenario: &'s Scenario, conversation: &str) -> Vec<&'s String> {
    use scenarios::scenario::OpKind;
    let known = &scenario.conversations[conversation];
    let joined = scenario.ops.iter().filter_map(|op| match &op.kind {
        OpKind::Join { user, conversation: joined } if joined == conversation => Some(user),
        _ => None,
    });
    let mut users = Vec::new();
    for user in std::iter::once(&known.creator).chain(&known.members).chain(joined) {
        if !users.contains(&user) {
            users.push(user);
        }
    }
    users
}

/// Reads a room at one backend, through the first of its users who is a member there. A backend
/// where no member is left has nothing to show.
async fn read_room(cluster: &Cluster, conversation: &str, room: &str, users: Vec<&Arc<Device>>) {
    let backend = users.first().map_or(String::new(), |device| device.backend.clone());
    let mut is_anyone_left = false;
    for device in users {
        let (reader, target) = (Arc::clone(device), room.to_owned());
        let read = device.on(async move { read_as(&reader, &target).await }).await;
        match read {
            Ok(Reading::Read { events, redacted, state, members }) => {
                let conversation = conversation.to_owned();
                cluster.note(&Note::FinalTimeline {
                    backend: backend.clone(),
                    conversation: conversation.clone(),
                    events: Some(events),
                    redacted,
                });
                let members =
                    cluster.scenario.users.keys().filter(|user| {
                        members.contains(cluster.first_device(user).user_id.as_str())
                    });
                let members = members.cloned().collect();
                let events = Some(state);
                cluster.note(&Note::FinalState { backend, conversation, events, members });
                return;
            }
            Ok(Reading::NoMember) => {}
            Ok(Reading::Failed) | Err(_) => is_anyone_left = true,
        }
    }
    if is_anyone_left {
        let conversation = conversation.to_owned();
        let (events, members) = (None, BTreeSet::new());
        cluster.note(&Note::FinalState { backend, conversation, events, members });
    }
}

enum Reading {
    Read {
        events: Vec<String>,
        redacted: Vec<String>,
        state: BTreeMap<String, String>,
        members: BTreeSet<String>,
    },
    NoMember,
    Failed,
}

async fn read_as(device: &Device, room: &str) -> Reading {
    let Some(state) = tries(|| state_or_none(device, room)).await else { return Reading::Failed };
    let Some(state) = state else { return Reading::NoMember };
    let text = |event: &Value, field: &str| {
        event.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let is_member = |event: &&Value| {
        event["type"] == "m.room.member" && event["content"]["membership"] == "join"
    };
    let members = state.iter().filter(is_member).map(|event| text(event, "state_key")).collect();
    let state: BTreeMap<String, String> = state
        .iter()
        .map(|event| {
            let key = format!("{}|{}", text(event, "type"), text(event, "state_key"));
            (key, text(event, "event_id"))
        })
        .collect();
    match tries(|| timeline(device, room)).await {
        Some((events, redacted)) => Reading::Read { events, redacted, state, members },
        None => Reading::Failed,
    }
}

/// Returns the state; none for a user who is not a member, or no longer one.
async fn state_or_none(device: &Device, room: &str) -> Result<Option<Vec<Value>>, String> {
    match state(device, room).await {
        Ok(state) => {
            let is_own = |event: &&Value| {
                event["type"] == "m.room.member" && event["state_key"] == device.user_id.as_str()
            };
            let own = state.iter().find(is_own);
            let is_joined = own.is_some_and(|event| event["content"]["membership"] == "join");
            Ok(Some(state).filter(|_| is_joined))
        }
        Err(error) if error.starts_with("403") || error.starts_with("404") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns the ids of all events of a room that the device can read, newest first; and those of the
/// messages among them that say nothing any more.
async fn timeline(device: &Device, room: &str) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut events, mut redacted) = (Vec::new(), Vec::new());
    let mut from: Option<String> = None;
    for _ in 0..MAX_PAGES {
        let mut rest = format!("messages?dir=b&limit={PAGE}");
        if let Some(from) = &from {
            rest.push_str("&from=");
            rest.push_str(&percent_encoded(from));
        }
        let page = device.get(&room_path(room, &rest), DEADLINE).await?;
        let chunk = page["chunk"].as_array().map(Vec::as_slice).unwrap_or_default();
        let id = |event: &Value| event["event_id"].as_str().map(str::to_owned);
        events.extend(chunk.iter().filter_map(id));
        let says_nothing = |event: &&Value| {
            event["type"] == "m.room.message" && event["content"].get("body").is_none()
        };
        redacted.extend(chunk.iter().filter(says_nothing).filter_map(id));
        match page["end"].as_str().filter(|_| !chunk.is_empty()) {
            Some(end) => from = Some(end.to_owned()),
            None => return Ok((events, redacted)),
        }
    }
    Err(format!("a history without an end after {MAX_PAGES} pages"))
}
