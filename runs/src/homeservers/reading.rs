//! How devices learn of messages by asking: `/sync` and `/notifications`.

use std::{sync::Arc, time::Duration};

use checks::history::{Note, note::Via};
use http::Method;
use scenarios::{endpoint::percent_encoded, scenario::Reads};
use serde_json::Value;

use super::{
    awaiting,
    device::{DEADLINE, Device, room_path},
};

/// How long a sync waits for news.
const LONG_POLL: Duration = Duration::from_secs(30);

/// How much longer its answer may take.
const LONG_POLL_GRACE: Duration = Duration::from_secs(15);

/// The waits after failures in a row; the last one repeats.
const BACK_OFF: [Duration; 4] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
];

/// The most pages that one catch-up may fetch.
const MAX_PAGES: usize = 1000;

/// Notifications on one page.
const PAGE: usize = 1000;

/// Events on one page of a room's history.
const HISTORY_PAGE: usize = 100;

/// Starts the background reader of a device, if it has one; the reader starts again after each
/// boot.
pub(super) fn start(device: &Arc<Device>) {
    let reader = Arc::clone(device);
    let Some(host) = device.host() else { return };
    let task = match device.reads {
        Reads::Sync => host.spawn(async move { sync_forever(&reader).await }),
        Reads::Await => host.spawn(async move { await_forever(&reader).await }),
        Reads::Never => return,
    };
    let mut progress = device.progress();
    progress.is_reading = true;
    progress.reader = Some(task);
}

/// Stops the background reader for good.
pub(super) fn stop(device: &Device) {
    let mut progress = device.progress();
    progress.is_reading = false;
    let reader = progress.reader.take();
    drop(progress);
    if let Some(reader) = reader {
        reader.abort();
    }
}

/// Returns the wait after the n-th failure in a row, counted from 1.
fn back_off(failures: usize) -> Duration {
    let last = BACK_OFF.len() - 1;
    BACK_OFF[failures.saturating_sub(1).min(last)]
}

async fn sync_forever(device: &Device) {
    let mut failures = 0;
    loop {
        let is_answered = sync(device, LONG_POLL).await.is_ok();
        device.progress().is_attached = is_answered;
        failures = if is_answered { 0 } else { failures + 1 };
        if !is_answered {
            tokio::time::sleep(back_off(failures)).await;
        }
    }
}

async fn await_forever(device: &Device) {
    let mut failures = 0;
    loop {
        let was_attached = awaiting::attend(device).await;
        device.progress().is_attached = false;
        failures = if was_attached { 1 } else { failures + 1 };
        tokio::time::sleep(back_off(failures)).await;
    }
}

/// Syncs once, from where the device has read to. Returns whether anything was new.
///
/// # Errors
/// There was no answer, or another one than expected; the error is a sentence.
pub(super) async fn sync(device: &Device, wait: Duration) -> Result<bool, String> {
    let since = device.progress().since.clone();
    let mut target = format!("/_matrix/client/v3/sync?timeout={}", wait.as_millis());
    if let Some(since) = &since {
        target.push_str("&since=");
        target.push_str(&percent_encoded(since));
    }
    let deadline = wait + LONG_POLL_GRACE;
    let reply = device.call((Method::GET, &target), None, deadline, since.is_some()).await;
    let answer = reply.map_err(|error| error.to_string())?.ok()?;
    let next = answer.get("next_batch").and_then(Value::as_str).ok_or("a sync without an end")?;
    let joined = answer.pointer("/rooms/join").and_then(Value::as_object);
    let mut fresh = Vec::new();
    for (room, news) in joined.into_iter().flatten() {
        fresh.push((room.clone(), room_events(device, room, news, since.as_deref()).await?));
    }
    // There is no await between showing and moving on, so that nothing is shown twice.
    for (room, events) in &fresh {
        device.progress().rooms.insert(room.clone());
        for event in events {
            device.show(event, Some(room), Via::Sync);
        }
    }
    for (room, news) in joined.into_iter().flatten() {
        note_typing(device, room, news);
    }
    note_removals(device, &answer);
    device.progress().since = Some(next.to_owned());
    Ok(fresh.iter().any(|(_, events)| !events.is_empty()))
}

/// Notes who else types in a room, as a sync tells.
fn note_typing(device: &Device, room: &str, news: &Value) {
    let events = news["ephemeral"]["events"].as_array();
    let typing = events.into_iter().flatten().filter(|event| event["type"] == "m.typing");
    let users = typing.filter_map(|event| event["content"]["user_ids"].as_array()).flatten();
    for user in users.filter_map(Value::as_str).filter(|user| *user != device.user_id) {
        let (user, room) = (user.to_owned(), room.to_owned());
        device.note(None, &Note::TypingSeen { device: device.name.clone(), user, room });
    }
}

/// Notes the rooms from which somebody else has removed the user, as a sync tells.
fn note_removals(device: &Device, answer: &Value) {
    let left = answer.pointer("/rooms/leave").and_then(Value::as_object);
    for (room, news) in left.into_iter().flatten() {
        let lists = [&news["timeline"]["events"], &news["state"]["events"]];
        let mut events = lists.into_iter().filter_map(Value::as_array).flatten();
        let is_removal = |event: &&Value| {
            event["type"] == "m.room.member"
                && event["state_key"] == device.user_id.as_str()
                && event["sender"] != device.user_id.as_str()
                && (event["content"]["membership"] == "leave"
                    || event["content"]["membership"] == "ban")
        };
        if events.any(|event| is_removal(&event)) {
            let (user, room) = (device.user.clone(), room.clone());
            device.note(None, &Note::RemovalSeen { user, room });
        }
    }
}

/// Returns the new events of a room: first what its timeline leaves out, then the timeline. In a room
/// that the device did not know, what is new begins with the own join.
async fn room_events(
    device: &Device,
    room: &str,
    news: &Value,
    since: Option<&str>,
) -> Result<Vec<Value>, String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let timeline = list(&news["timeline"]["events"]);
    let is_limited = news["timeline"]["limited"] == true;
    let is_known = device.progress().rooms.contains(room);
    let begins = |event: &Value| !is_known && is_own_join(device, event);
    let is_gap = is_limited && !timeline.iter().any(begins);
    let gap = news["timeline"]["prev_batch"].as_str().zip(since).filter(|_| is_gap);
    let Some((start, until)) = gap else { return Ok(timeline) };
    let mut missed = Vec::new();
    let mut from = start.to_owned();
    for _ in 0..MAX_PAGES {
        let target = room_path(
            room,
            &format!(
                "messages?dir=b&from={}&to={}&limit={HISTORY_PAGE}",
                percent_encoded(&from),
                percent_encoded(until),
            ),
        );
        let page = device.get(&target, DEADLINE).await?;
        let mut chunk = list(&page["chunk"]);
        let beginning = chunk.iter().position(begins);
        chunk.truncate(beginning.map_or(chunk.len(), |place| place + 1));
        let is_last = chunk.is_empty() || beginning.is_some();
        missed.extend(chunk);
        match page["end"].as_str().filter(|_| !is_last) {
            Some(end) => end.clone_into(&mut from),
            None => break,
        }
    }
    missed.reverse();
    missed.extend(timeline);
    Ok(missed)
}

/// Returns whether an event is the join of the device's user.
fn is_own_join(device: &Device, event: &Value) -> bool {
    event["type"] == "m.room.member"
        && event["state_key"] == device.user_id.as_str()
        && event["content"]["membership"] == "join"
}

/// Fetches all of the device's notifications. Returns how many messages were new to it.
///
/// # Errors
/// There was no answer, or another one than expected; the error is a sentence.
pub(super) async fn catch_up(device: &Device) -> Result<u64, String> {
    let mut fresh = 0;
    for _ in 0..MAX_PAGES {
        let since = device.progress().since.clone();
        let mut target = format!("/notifications?size={PAGE}");
        if let Some(since) = &since {
            target.push_str("&since=");
            target.push_str(&percent_encoded(since));
        }
        let reply = device.call((Method::GET, &target), None, DEADLINE, since.is_some()).await;
        let reply = reply.map_err(|error| error.to_string())?;
        // An id that is not known anymore is answered with 404, and with what there is: a server whose
        // disk was set back may have given out lesser ids since.
        let has_list = reply.body.get("notifications").is_some();
        if reply.status != 200 && !(reply.status == 404 && has_list) {
            return Err(reply.to_string());
        }
        let notifications = reply.body["notifications"].as_array();
        for notification in notifications.into_iter().flatten() {
            fresh += match reply.status {
                404 => process_anew(device, notification),
                _ => process(device, notification, Via::Notifications),
            };
        }
        if reply.body["has_more"] != true {
            return Ok(fresh);
        }
    }
    Err(format!("notifications without an end after {MAX_PAGES} pages"))
}

/// Fetches the notifications and notes that the device has caught up.
///
/// # Errors
/// The same as those of [`catch_up`].
pub(super) async fn catch_up_and_note(device: &Device) -> Result<(), String> {
    let fresh = catch_up(device).await?;
    device.note(None, &Note::CaughtUp { device: device.name.clone(), fresh });
    Ok(())
}

/// Shows a notification, unless the device has read past it, and moves on to it. Ids are UUIDs of
/// version 7, whose text sorts by time. Returns how many messages it showed.
pub(super) fn process(device: &Device, notification: &Value, via: Via) -> u64 {
    let Some(id) = notification.get("id").and_then(Value::as_str) else { return 0 };
    if device.progress().since.as_deref().is_some_and(|since| id <= since) {
        return 0;
    }
    show_payload(device, (id, notification), via, |_| true)
}

/// Does the same with a notification of a server that does not know how far the device has read: what
/// it has not shown is new to it, whatever the id.
fn process_anew(device: &Device, notification: &Value) -> u64 {
    let Some(id) = notification.get("id").and_then(Value::as_str) else { return 0 };
    show_payload(device, (id, notification), Via::Notifications, |event| {
        let event_id = event.get("event_id").and_then(Value::as_str).unwrap_or_default();
        !device.progress().shown.contains(event_id)
    })
}

/// Shows the events of a notification that are new to the device, and moves on to it. Returns how many
/// messages it showed.
fn show_payload(
    device: &Device,
    (id, notification): (&str, &Value),
    via: Via,
    is_new: impl Fn(&Value) -> bool,
) -> u64 {
    let payload = notification.get("payload").and_then(Value::as_array);
    let new = payload.into_iter().flatten().filter(|event| is_new(event));
    let shown = new.filter(|event| device.show(event, None, via)).count();
    device.progress().since = Some(id.to_owned());
    shown as u64
}
