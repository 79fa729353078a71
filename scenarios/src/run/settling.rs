//! Waits until nothing is pending any more: queues, relays, requests, and devices that are not
//! attached to their backend.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    client::Client,
    cluster::{Cluster, OBSERVER, OBSERVER_DEADLINE, on},
};
use crate::{history::endpoint, scenario::Reads};

/// The time between two looks.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Looks in a row at which nothing may be pending.
const QUIET_PROBES: usize = 3;

/// Endpoints whose requests are always in flight.
const LONG_POLLS: [&str; 2] = ["sync", "await"];

const QUEUES: &str = "/_fedsim/admin/v1/queues";
const RELAY_STATUS: &str = "/_relay/admin/v1/status";

/// What is pending, as of one look.
pub(super) struct Pending {
    /// All of it, in sentences.
    pub(super) sentences: Vec<String>,
    /// What each homeserver has pending, none of it 0; none where it does not tell.
    pub(super) queues: Told,
    /// What each relay keeps by destination, none of it 0; none where it does not tell.
    pub(super) mail: Told,
}

/// Waits until the world has settled, or the scenario's time for it is over; then what is still
/// pending.
pub(super) async fn settle(cluster: &Cluster) -> Pending {
    let deadline = Instant::now() + cluster.scenario.settle;
    let mut quiet = 0;
    loop {
        let pending = pending(cluster).await;
        quiet = if pending.sentences.is_empty() { quiet + 1 } else { 0 };
        if quiet == QUIET_PROBES || Instant::now() >= deadline {
            return pending;
        }
        tokio::time::sleep(PROBE_EVERY).await;
    }
}

async fn pending(cluster: &Cluster) -> Pending {
    let (queues, mail) = (homeserver_queues(cluster).await, relay_mail(cluster).await);
    let mut sentences = in_words(&queues, &mail);
    sentences.extend(cluster.world.requests_in_flight().into_iter().filter_map(
        |(machine, method, target)| {
            let name = endpoint::name(&method, &target).unwrap_or_default();
            let is_pending = machine != OBSERVER && !LONG_POLLS.contains(&name);
            is_pending.then(|| format!("{machine} waits for {method} {}", endpoint::path(&target)))
        },
    ));
    for device in cluster.devices.values() {
        if device.reads != Reads::Never && !device.progress().is_attached {
            sentences.push(format!("{} does not reach {}", device.name, device.backend));
        }
    }
    Pending { sentences, queues, mail }
}

/// What homeservers and relays still have to hand on, in sentences.
pub(super) async fn queued(cluster: &Cluster) -> Vec<String> {
    in_words(&homeserver_queues(cluster).await, &relay_mail(cluster).await)
}

fn in_words(queues: &Told, mail: &Told) -> Vec<String> {
    let mut sentences = Vec::new();
    for (backend, pending) in queues {
        match pending {
            Some(pending) => sentences.extend(
                pending
                    .iter()
                    .map(|(what, count)| format!("{backend} has {count} pending: {what}")),
            ),
            None => sentences.push(format!("{backend} does not tell its queues")),
        }
    }
    for (relay, entries) in mail {
        match entries {
            Some(entries) => sentences.extend(
                entries.iter().map(|(whose, count)| format!("{relay} keeps {count} for {whose}")),
            ),
            None => sentences.push(format!("{relay} does not tell its mail")),
        }
    }
    sentences
}

async fn homeserver_queues(cluster: &Cluster) -> Told {
    ask_all(cluster, cluster.homeservers(), QUEUES, queues_of).await
}

async fn relay_mail(cluster: &Cluster) -> Told {
    ask_all(cluster, cluster.relays(), RELAY_STATUS, mail_of).await
}

type Counts = BTreeMap<String, u64>;

/// Counts by server; none where it does not tell.
pub(super) type Told = BTreeMap<String, Option<Counts>>;

async fn ask_all(
    cluster: &Cluster,
    servers: &BTreeMap<String, Client>,
    target: &'static str,
    read: fn(&Value) -> Counts,
) -> Told {
    let asked = servers.iter().map(|(name, client)| {
        let client = client.clone();
        let answer = on(cluster.observer(), async move {
            client.get(target, OBSERVER_DEADLINE).await.ok().map(|body| read(&body))
        });
        async move { (name.clone(), answer.await.unwrap_or(None)) }
    });
    join_all(asked).await.into_iter().collect()
}

/// The entries of each destination of a relay's status.
fn mail_of(status: &Value) -> Counts {
    let destinations = status.get("destinations").and_then(Value::as_array);
    let entries = destinations.into_iter().flatten().filter_map(|mailbox| {
        let whose = mailbox.get("destination").and_then(Value::as_str)?;
        Some((whose.to_owned(), mailbox.get("entries").and_then(Value::as_u64)?))
    });
    entries.filter(|(_, entries)| *entries > 0).collect()
}

/// What a homeserver has not finished: PDUs and EDUs for a destination, commits that it has not
/// acknowledged, votes whose decision an owner has not told.
fn queues_of(answer: &Value) -> Counts {
    let queues = answer.get("queues").and_then(Value::as_array);
    let queued = queues.into_iter().flatten().filter_map(|queue| {
        let destination = queue.get("destination").and_then(Value::as_str)?;
        Some((format!("events for {destination}"), queue.get("pending").and_then(Value::as_u64)?))
    });
    let m1 = [("commits", "commits for"), ("in_doubt", "in doubt about")];
    let unfinished = m1.into_iter().flat_map(|(field, what)| {
        let counts = answer.pointer(&format!("/m1/{field}")).and_then(Value::as_object);
        let counts = counts.into_iter().flatten();
        counts
            .filter_map(move |(server, count)| Some((format!("{what} {server}"), count.as_u64()?)))
    });
    queued.chain(unfinished).filter(|(_, count)| *count > 0).collect()
}
