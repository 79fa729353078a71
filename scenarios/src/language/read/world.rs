//! Reads the network, the machines, the users and the conversations.

use std::collections::BTreeMap;

use settings::{HOMESERVER, RELAY};
use toml::de::DeValue;

use super::{settings::settings, shorthand};
use crate::{
    language::{
        mistake::{Code, Mistake},
        read::LATENCY,
        reader::Reader,
        table::Item,
    },
    scenario::{Backend, Conversation, Delivery, Latency, Network, Reads, Relay, Schedule, User},
};

/// The words for how a device reads.
pub(in crate::language) const READS: &[(&str, Reads)] =
    &[("sync", Reads::Sync), ("await", Reads::Await), ("never", Reads::Never)];

/// The words for delivery policies.
pub(in crate::language) const DELIVERIES: &[(&str, Delivery)] = &Delivery::WORDS;

/// The words for schedules that need no more than a word.
const SCHEDULES: &[(&str, Schedule)] = &[("fixed", Schedule::Fixed), ("random", Schedule::Random)];

/// Reads a schedule: `"fixed"`, `"random"`, or `{ priorities = 3 }`.
pub(super) fn schedule(item: &Item<'_>, reader: &mut Reader) -> Option<Schedule> {
    if !matches!(item.value, DeValue::Table(_)) {
        return reader.choice(item, SCHEDULES);
    }
    let mut table = reader.table(item)?;
    let priorities = table.need("priorities", reader);
    table.done(reader);
    reader.whole(&priorities?).map(Schedule::Priorities)
}

/// Reads a section whose keys are names.
pub(super) fn each<T>(
    section: &Item<'_>,
    reader: &mut Reader,
    one: fn(&Item<'_>, &mut Reader) -> T,
) -> BTreeMap<String, T> {
    let Some(table) = reader.table(section) else { return BTreeMap::new() };
    let named = table.named(reader);
    named.into_iter().map(|(name, item)| (name, one(&item, reader))).collect()
}

pub(super) fn network(item: &Item<'_>, reader: &mut Reader) -> Network {
    let mut network = Network { latency: Latency::Fixed(LATENCY), loss: 0.0 };
    let Some(mut table) = reader.table(item) else { return network };
    if let Some(item) = table.take("latency", reader) {
        network.latency = latency(&item, reader).unwrap_or(network.latency);
    }
    if let Some(loss) = table.take("loss", reader) {
        network.loss = reader.number(&loss).unwrap_or(0.0);
    }
    table.done(reader);
    network
}

/// Reads a latency: `"5ms"` or `{ uniform = ["5ms", "40ms"] }`.
pub(in crate::language) fn latency(item: &Item<'_>, reader: &mut Reader) -> Option<Latency> {
    if !matches!(item.value, DeValue::Table(_)) {
        return reader.duration(item).map(Latency::Fixed);
    }
    let mut table = reader.table(item)?;
    let range = table.need("uniform", reader);
    table.done(reader);
    match reader.list(&range?)?.as_slice() {
        [low, high] => {
            let (low, high) = (reader.duration(low), reader.duration(high));
            Some(Latency::Uniform(low?, high?))
        }
        other => {
            let message = format!("a range needs two durations, and this one has {}", other.len());
            let mistake = Mistake::new(Code::BadValue, message)
                .label("expected two durations")
                .help("write, for example, { uniform = [\"5ms\", \"40ms\"] }");
            reader.broken(item, mistake);
            None
        }
    }
}

pub(super) fn backend(item: &Item<'_>, reader: &mut Reader) -> Backend {
    let mut backend = Backend::default();
    let Some(mut table) = reader.table(item) else { return backend };
    if let Some(relays) = table.take("relays", reader) {
        backend.relays = reader.texts(&relays);
    }
    if let Some(learned) = table.take("relays-learned", reader) {
        backend.relays_learned = reader.flag(&learned).unwrap_or(false);
    }
    let short = ("attempts-before-relay", "attempts_before_relay");
    backend.settings = settings(&mut table, &HOMESERVER, short, reader);
    shorthand::online(&mut table, reader);
    table.done(reader);
    backend
}

pub(super) fn relay(item: &Item<'_>, reader: &mut Reader) -> Relay {
    let mut relay = Relay::default();
    let Some(mut table) = reader.table(item) else { return relay };
    let short = ("quota", "max_entries_per_destination");
    relay.settings = settings(&mut table, &RELAY, short, reader);
    table.done(reader);
    relay
}

pub(super) fn user(item: &Item<'_>, reader: &mut Reader) -> User {
    let mut user = User { backend: String::new(), devices: 1, reads: Reads::default() };
    let Some(mut table) = reader.table(item) else {
        reader.places.mark_broken(format!("{}.backend", item.at));
        return user;
    };
    if let Some(backend) = table.need("backend", reader) {
        user.backend = reader.text(&backend).unwrap_or_default();
    }
    if let Some(devices) = table.take("devices", reader) {
        user.devices = reader.whole(&devices).unwrap_or(1);
    }
    if let Some(reads) = table.take("reads", reader) {
        user.reads = reader.choice(&reads, READS).unwrap_or_default();
    }
    shorthand::online(&mut table, reader);
    table.done(reader);
    user
}

pub(super) fn conversation(item: &Item<'_>, reader: &mut Reader) -> Conversation {
    let mut conversation =
        Conversation { creator: String::new(), members: Vec::new(), delivery: Delivery::default() };
    let Some(mut table) = reader.table(item) else {
        reader.places.mark_broken(format!("{}.creator", item.at));
        return conversation;
    };
    if let Some(creator) = table.need("creator", reader) {
        conversation.creator = reader.text(&creator).unwrap_or_default();
    }
    if let Some(members) = table.take("members", reader) {
        conversation.members = reader.texts(&members);
    }
    if let Some(delivery) = table.take("delivery", reader) {
        conversation.delivery = reader.choice(&delivery, DELIVERIES).unwrap_or_default();
    }
    table.done(reader);
    conversation
}
