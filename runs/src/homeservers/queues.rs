//! What homeservers and relays still have to pass on, and which devices do not reach their backend.

use std::collections::BTreeMap;

use checks::history::Note;
use futures_util::future::join_all;
use http::Method;
use scenarios::scenario::Reads;
use serde_json::Value;

use super::{
    client::Client,
    cluster::{Cluster, OBSERVER_DEADLINE},
};
use crate::federation::on_host;

const QUEUES: &str = "/_fedsim/admin/v1/queues";
const RELAY_STATUS: &str = "/_relay/admin/v1/status";

/// What servers had pending when they were asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues {
    /// What each homeserver has pending.
    homeservers: CountsByServer,
    /// Homeservers of a kind that tells nobody what it has pending.
    untold: Vec<String>,
    /// What each relay keeps, by destination.
    relays: CountsByServer,
}

impl Queues {
    /// Asks every server.
    pub(super) async fn ask(cluster: &Cluster) -> Self {
        let mut told = ask_all(cluster, cluster.homeservers(), QUEUES, queues_of).await;
        let untold = told.extract_if(.., |_, told| matches!(told, Told::HasNone));
        let untold = untold.map(|(name, _)| name).collect();
        let relays = ask_all(cluster, cluster.relays(), RELAY_STATUS, mail_of).await;
        Self { homeservers: counts(told), untold, relays: counts(relays) }
    }

    /// Returns whether some homeserver tells nobody what it has pending.
    pub(super) fn are_incomplete(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Returns what is in them, in sentences.
    pub(super) fn in_words(&self) -> Vec<String> {
        in_words(&self.homeservers, &self.relays)
    }

    /// Notes them as what is left at the end.
    pub(super) fn note(self, cluster: &Cluster) {
        for (backend, pending) in self.homeservers {
            cluster.note(&Note::FinalQueues { backend, pending });
        }
        for backend in self.untold {
            cluster.note(&Note::Untold { backend });
        }
        for (relay, entries) in self.relays {
            cluster.note(&Note::FinalMail { relay, entries });
        }
    }
}

/// Returns the devices that should reach their backend and do not, in sentences.
pub(super) fn detached(cluster: &Cluster) -> impl Iterator<Item = String> {
    let devices = cluster.devices.values();
    let detached =
        devices.filter(|device| device.reads != Reads::Never && !device.progress().is_reached());
    detached.map(|device| format!("{} does not reach {}", device.name, device.backend))
}

fn in_words(queues: &CountsByServer, mail: &CountsByServer) -> Vec<String> {
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

type Counts = BTreeMap<String, u64>;

/// Counts by server, without zeros; none for a server that does not answer.
type CountsByServer = BTreeMap<String, Option<Counts>>;

/// What a server says of what it has pending.
enum Told {
    /// So much.
    Counts(Counts),
    /// It does not answer.
    Nothing,
    /// It has no API for that.
    HasNone,
}

fn counts(told: BTreeMap<String, Told>) -> CountsByServer {
    let counts = |told| match told {
        Told::Counts(counts) => Some(counts),
        Told::Nothing | Told::HasNone => None,
    };
    told.into_iter().map(|(name, told)| (name, counts(told))).collect()
}

async fn ask_all(
    cluster: &Cluster,
    servers: &BTreeMap<String, Client>,
    target: &'static str,
    read: fn(&Value) -> Counts,
) -> BTreeMap<String, Told> {
    let asked = servers.iter().map(|(name, client)| {
        let client = client.clone();
        let answer = on_host(cluster.observer(), async move {
            match client.call(Method::GET, target, None, OBSERVER_DEADLINE).await {
                Ok(reply) if reply.status == 200 => Told::Counts(read(&reply.body)),
                Ok(reply) if reply.status == 404 => Told::HasNone,
                Ok(_) | Err(_) => Told::Nothing,
            }
        });
        async move { (name.clone(), answer.await.unwrap_or(Told::Nothing)) }
    });
    join_all(asked).await.into_iter().collect()
}

/// Reads the entries of each destination from a relay's status.
fn mail_of(status: &Value) -> Counts {
    let destinations = status.get("destinations").and_then(Value::as_array);
    let entries = destinations.into_iter().flatten().filter_map(|mailbox| {
        let whose = mailbox.get("destination").and_then(Value::as_str)?;
        Some((whose.to_owned(), mailbox.get("entries").and_then(Value::as_u64)?))
    });
    entries.filter(|(_, entries)| *entries > 0).collect()
}

/// Reads what a homeserver has not finished: PDUs and EDUs for a destination, commits that the
/// destination has not acknowledged, votes about which an owner has not told its decision, what it was
/// sent and cannot judge yet, and joins that are neither done nor withdrawn.
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
    let deferred = answer.get("deferred").and_then(Value::as_object).into_iter().flatten();
    let unjudged = deferred.filter_map(|(giver, count)| {
        Some((format!("to judge what {giver} sent"), count.as_u64()?))
    });
    let joins = answer.get("joins").and_then(Value::as_object).into_iter().flatten();
    let joins = joins
        .filter_map(|(server, count)| Some((format!("joins through {server}"), count.as_u64()?)));
    let pending = queued.chain(unfinished).chain(unjudged).chain(joins);
    pending.filter(|(_, count)| *count > 0).collect()
}
