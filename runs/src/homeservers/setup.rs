//! Makes the cluster ready, without faults: users and devices registered, conversations made,
//! everybody joined, nothing pending.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::future::{join_all, try_join_all};
use http::Method;
use scenarios::{
    endpoint::percent_encoded,
    scenario::{Conversation, Delivery, Reads},
};
use serde_json::{Value, json};

use super::{
    cluster::{Cluster, OBSERVER_DEADLINE},
    device::{DEADLINE, Device, room_path},
    queues::Queues,
    reading,
};
use crate::federation::on_host;

/// How often a step is tried: a machine that has just booted may not serve yet.
const MAX_TRIES: usize = 30;

/// Time for every machine to boot.
const BOOT: Duration = Duration::from_millis(100);

/// The wait between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// The most probes until everybody has joined and nothing is pending.
const MAX_PROBES: usize = 240;

/// Where a homeserver is told to ask the server that is named behind it for its version.
const REACH: &str = "/_fedsim/admin/v1/reach";

/// Makes the cluster ready, and returns the room ids by conversation.
///
/// # Errors
/// Something never came about; the error is a sentence.
pub(super) async fn prepare(cluster: &Cluster) -> Result<BTreeMap<String, String>, String> {
    if let Some(stranger) = &cluster.stranger {
        stranger.prepare().await?;
    }
    tokio::time::sleep(BOOT).await;
    for is_first in [true, false] {
        let devices = cluster.devices.values();
        let devices = devices.filter(|device| device.name.ends_with("/1") == is_first);
        try_join_all(devices.map(start_session)).await?;
    }
    let conversations = cluster.scenario.conversations.iter();
    let rooms =
        try_join_all(conversations.map(|(name, made)| converse(cluster, name, made))).await?;
    let rooms: BTreeMap<String, String> = rooms.into_iter().collect();
    for (name, room) in &rooms {
        await_members(cluster, name, room).await?;
    }
    await_quiet(cluster).await?;
    Ok(rooms)
}

/// Makes a cluster ready that was prepared: its servers have booted again.
///
/// # Errors
/// Something never came about; the error is a sentence.
pub(super) async fn resume(cluster: &Cluster) -> Result<(), String> {
    if let Some(stranger) = &cluster.stranger {
        stranger.prepare().await?;
    }
    tokio::time::sleep(BOOT).await;
    meet(cluster).await;
    await_quiet(cluster).await
}

/// Has each homeserver reach those with which it shares a conversation: they have had to do with each
/// other, and would keep connections.
async fn meet(cluster: &Cluster) {
    let mut pairs = BTreeSet::new();
    for conversation in cluster.scenario.conversations.values() {
        let users = conversation.members.iter().chain([&conversation.creator]);
        let backends: BTreeSet<&str> =
            users.map(|user| &*cluster.first_device(user).backend).collect();
        let others = |one| backends.iter().map(move |other| (one, *other));
        pairs.extend(backends.iter().flat_map(|one| others(*one)));
    }
    let homeservers = cluster.homeservers();
    let pairs = pairs.into_iter().filter(|(from, to)| from != to);
    let asked = pairs.filter_map(|(from, to)| {
        let (admin, path) = (homeservers.get(from)?.clone(), format!("{REACH}/{to}"));
        // Whoever cannot be told to do so begins anew.
        let ask =
            async move { admin.call(Method::GET, &path, None, OBSERVER_DEADLINE).await.is_ok() };
        Some(on_host(cluster.observer(), ask))
    });
    join_all(asked).await;
}

/// Tries a step on a device's machine until it works.
async fn step<T, F>(
    device: &Arc<Device>,
    what: String,
    work: impl Fn(Arc<Device>) -> F,
) -> Result<T, String>
where
    F: Future<Output = Result<T, String>> + Send + 'static,
    T: Send + 'static,
{
    let mut why = String::new();
    for _ in 0..MAX_TRIES {
        match device.on(work(Arc::clone(device))).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => why = error,
            Err(_) => "the device is gone".clone_into(&mut why),
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(format!("failed to {what}: {why}"))
}

async fn start_session(device: &Arc<Device>) -> Result<(), String> {
    let what = format!("start a session for {}", device.name);
    step(device, what, |device| async move { device.start_session().await }).await
}

/// Creates a conversation, and lets its members be invited and join, one after another.
async fn converse(
    cluster: &Cluster,
    name: &str,
    conversation: &Conversation,
) -> Result<(String, String), String> {
    let creator = cluster.first_device(&conversation.creator);
    let delivery = match conversation.delivery {
        Delivery::Eventual => "eventual",
        Delivery::M1 => "m1",
        Delivery::M1Of2021 => "m1-2021",
    };
    let body = json!({"name": name, "preset": "private_chat",
                      "creation_content": {"org.fedsim.delivery": delivery}});
    let room = step(creator, format!("create {name}"), move |creator| {
        let body = body.clone();
        async move {
            let made = creator.client();
            let made = made.post("/_matrix/client/v3/createRoom", &body, DEADLINE).await?;
            let room = made.get("room_id").and_then(Value::as_str);
            room.map(str::to_owned).ok_or_else(|| "no room id in the answer".to_owned())
        }
    });
    let room: String = room.await?;
    for user in conversation.members.iter().filter(|user| **user != conversation.creator) {
        let member = cluster.first_device(user);
        let what = format!("invite {user} to {name}");
        let (target, invited) = (room.clone(), member.user_id.clone());
        step(creator, what, move |creator| {
            let (room, user_id) = (target.clone(), invited.clone());
            async move { invite(&creator, &room, &user_id).await }
        })
        .await?;
        let (target, via) = (room.clone(), creator.backend.clone());
        step(member, format!("let {user} join {name}"), move |member| {
            let (room, via) = (target.clone(), via.clone());
            async move { join(&member, &room, &via).await }
        })
        .await?;
    }
    Ok((name.to_owned(), room))
}

async fn invite(creator: &Device, room: &str, user_id: &str) -> Result<(), String> {
    // An earlier try whose answer was lost may have invited the member; then the state shows it.
    if membership(creator, room, user_id).await?.is_some() {
        return Ok(());
    }
    let body = json!({"user_id": user_id});
    creator.client().post(&room_path(room, "invite"), &body, DEADLINE).await.map(drop)
}

async fn join(member: &Device, room: &str, via: &str) -> Result<(), String> {
    member.client().post(&join_path(room, via), &json!({}), DEADLINE).await.map(drop)
}

/// Returns the path that joins a room through a server that is in it.
pub(super) fn join_path(room: &str, via: &str) -> String {
    let (room, via) = (percent_encoded(room), percent_encoded(via));
    format!("/_matrix/client/v3/join/{room}?server_name={via}&via={via}")
}

/// Returns the current state of a room as the device's backend has it.
pub(super) async fn state(device: &Device, room: &str) -> Result<Vec<Value>, String> {
    let state = device.get(&room_path(room, "state"), DEADLINE).await?;
    state.as_array().cloned().ok_or_else(|| "a state that is no list".to_owned())
}

async fn membership(device: &Device, room: &str, user: &str) -> Result<Option<String>, String> {
    let state = state(device, room).await?;
    let is_it = |event: &&Value| event["type"] == "m.room.member" && event["state_key"] == user;
    let event = state.iter().find(is_it);
    Ok(event.and_then(|event| event["content"]["membership"].as_str()).map(str::to_owned))
}

/// Waits until every member's backend shows all members joined.
async fn await_members(cluster: &Cluster, name: &str, room: &str) -> Result<(), String> {
    let conversation = &cluster.scenario.conversations[name];
    let members = std::iter::once(&conversation.creator).chain(&conversation.members);
    let members: Vec<&Arc<Device>> = members.map(|user| cluster.first_device(user)).collect();
    let ids: Vec<String> = members.iter().map(|member| member.user_id.clone()).collect();
    for member in members {
        let (room, ids) = (room.to_owned(), ids.clone());
        let what = format!("see all members of {name} at {}", member.backend);
        step(member, what, move |member| {
            let (room, ids) = (room.clone(), ids.clone());
            async move { see_members(&member, &room, &ids).await }
        })
        .await?;
    }
    Ok(())
}

async fn see_members(device: &Device, room: &str, ids: &[String]) -> Result<(), String> {
    let state = state(device, room).await?;
    let is_joined = |id: &String| {
        state.iter().any(|event| {
            event["type"] == "m.room.member"
                && event["state_key"] == id.as_str()
                && event["content"]["membership"] == "join"
        })
    };
    match ids.iter().find(|id| !is_joined(id)) {
        Some(missing) => Err(format!("{missing} has not joined")),
        None => Ok(()),
    }
}

async fn await_quiet(cluster: &Cluster) -> Result<(), String> {
    let mut pending = Vec::new();
    for _ in 0..MAX_PROBES {
        pending = Queues::ask(cluster).await.in_words();
        if pending.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(format!("the set-up did not end: {}", pending.join(", ")))
}

/// Lets every device read what there is so far, so that it goes on from there.
///
/// # Errors
/// One of them cannot; the error is a sentence.
pub(super) async fn read_all(cluster: &Cluster) -> Result<(), String> {
    try_join_all(cluster.devices.values().map(read_to_the_end)).await.map(drop)
}

async fn read_to_the_end(device: &Arc<Device>) -> Result<(), String> {
    let what = format!("let {} read", device.name);
    step(device, what, |device| async move {
        match device.reads {
            Reads::Sync => reading::sync(&device, Duration::ZERO).await.map(drop),
            Reads::Await | Reads::Never => reading::catch_up(&device).await.map(drop),
        }
    })
    .await
}

/// Runs one piece of work per device, each on its own machine, all at once. Returns the names of
/// the devices that failed.
pub(super) async fn everywhere<F>(
    devices: impl Iterator<Item = &Arc<Device>>,
    work: impl Fn(Arc<Device>) -> F,
) -> Vec<String>
where
    F: Future<Output = bool> + Send + 'static,
{
    let results = devices.map(|device| {
        let result = device.on(work(Arc::clone(device)));
        async move { (device.name.clone(), result.await.unwrap_or(false)) }
    });
    let results = join_all(results).await;
    results.into_iter().filter(|(_, is_done)| !is_done).map(|(name, _)| name).collect()
}
