//! The file as a whole: its head, its network, its machines, its users and its conversations.

use settings::{HOMESERVER, Kind, Setting};

use super::{
    Key,
    Value::{
        Bytes, Duration, Either, Faults, Flag, Milliseconds, Named, Number, Operations, Range,
        Table, Text, Texts, Whole, Words,
    },
    doings, expect, may, need,
};
use crate::{
    language::generate::{MOST_MACHINES, MOST_SENDS},
    scenario::{MOST_DEVICES, MOST_PRIORITIES},
};

/// The whole file.
pub(super) const FILE: &[Key] = &[
    need(
        "name",
        Text("a name"),
        "what the scenario is called: a run's folder is named after it",
        "\"what-it-shows\"",
    ),
    may(
        "about",
        Text("sentences"),
        "nothing",
        "what the scenario shows; its report begins with it",
        "\"Nobody sees a message that its sender was told is refused.\"",
    ),
    may(
        "tags",
        Texts("words"),
        "none",
        "words to select it by, as with `--filter tag:relay`",
        "[\"relay\"]",
    ),
    may(
        "seed",
        Whole(0, u64::MAX),
        "1",
        "what everything drawn is drawn from; the same seed repeats the run",
        "7",
    ),
    may(
        "limit",
        Duration,
        "1m",
        "the time by which operations must have ended; they and faults begin before it",
        "\"2m\"",
    ),
    may(
        "settle",
        Duration,
        "as `limit`, but 2m at least and 75m at most",
        "the time that everything has to come to rest once it is repaired",
        "\"5m\"",
    ),
    may(
        "schedule",
        Either(&[Words(&["fixed", "random"]), Table(SCHEDULE)]),
        "fixed",
        "in which order the tasks of all machines run: in turn, at random, or by random priorities",
        "\"random\"",
    ),
    may(
        "network",
        Table(NETWORK),
        "5ms, and nothing is lost",
        "the links between all machines",
        "{ latency = \"5ms\" }",
    ),
    may(
        "backends",
        Named(BACKEND),
        "none, so that `generate` has to make some",
        "the homeservers by name, which is also the server name",
        "{ a = {}, b = {} }",
    ),
    may(
        "relays",
        Named(RELAY),
        "none",
        "the relays by name, which is also the server name",
        "{ r1 = {} }",
    ),
    may("users", Named(USER), "none", "the users by name", "{ alice = { backend = \"a\" } }"),
    may(
        "conversations",
        Named(CONVERSATION),
        "none",
        "the rooms by name; they are made, and all members have joined, before anything else begins",
        "{ team = { creator = \"alice\", members = [\"bob\"] } }",
    ),
    may(
        "ops",
        Operations(doings::OPERATION),
        "none",
        "what clients do",
        "[{ at = \"1s\", send = { id = \"m1\", from = \"alice\", to = \"team\" } }]",
    ),
    may(
        "faults",
        Faults(doings::FAULT),
        "none",
        "what is broken",
        "[{ at = \"1s\", for = \"5s\", crash = { node = \"a\" } }]",
    ),
    may(
        "expect",
        Table(expect::EXPECT),
        "every check that applies must hold",
        "what must hold",
        "{ sometimes = [\"machine-restarted\"] }",
    ),
    may(
        "generate",
        Table(GENERATE),
        "nothing",
        "a large world from a few numbers, drawn from the seed; what is written out is added to it",
        "{ backends = 10, rooms-of = 5, sends-per-second = 2.0, for = \"1m\" }",
    ),
];

const SCHEDULE: &[Key] = &[need(
    "priorities",
    Whole(1, MOST_PRIORITIES as u64),
    "how many priorities there are: tasks run in their order, and change them at random moments",
    "3",
)];

const NETWORK: &[Key] = &[
    may(
        "latency",
        LATENCY,
        "5ms",
        "how long every segment is on its way",
        "{ uniform = [\"5ms\", \"40ms\"] }",
    ),
    may(
        "loss",
        Number(0.0, 1.0),
        "0.0",
        "the probability that a segment is lost, and sent again",
        "0.01",
    ),
];

/// A delay of a link.
pub(in crate::language) const LATENCY: super::Value = Either(&[
    Duration,
    Table(&[need(
        "uniform",
        Range,
        "a delay drawn evenly between two durations, for each segment anew",
        "[\"5ms\", \"40ms\"]",
    )]),
]);

const ONLINE: &[Key] = &[
    need(
        "for",
        Duration,
        "for how long it can be reached, at the beginning of each period",
        "\"5s\"",
    ),
    need("every", Duration, "the period", "\"1m\""),
];

const BACKEND: &[Key] =
    &together::<{ OF_BACKEND.len() + HOMESERVER.settings.len() }>(OF_BACKEND, HOMESERVER.settings);

const RELAY: &[Key] = &together::<{ OF_RELAY.len() + settings::RELAY.settings.len() }>(
    OF_RELAY,
    settings::RELAY.settings,
);

/// Returns keys, and the settings of a server as further ones.
const fn together<const ALL: usize>(
    own: &'static [Key],
    settings: &'static [Setting],
) -> [Key; ALL] {
    let mut keys = [own[0]; ALL];
    let mut n = 0;
    while n < ALL {
        keys[n] = if n < own.len() { own[n] } else { set(&settings[n - own.len()]) };
        n += 1;
    }
    keys
}

/// Returns the key of a setting.
const fn set(setting: &'static Setting) -> Key {
    let value = match setting.kind {
        Kind::Flag => Flag,
        Kind::Count => Whole(0, u32::MAX as u64),
        Kind::Number => Whole(0, u64::MAX),
        Kind::Duration => Milliseconds,
        Kind::Bytes => Bytes,
        Kind::Names => Texts("backends"),
    };
    let default = match setting.simulated {
        Some(default) => default,
        None => setting.default,
    };
    let default = if default.is_empty() { "none" } else { default };
    may(setting.key, value, default, setting.means, setting.example)
}

/// The keys of a backend that are no settings of a homeserver.
const OF_BACKEND: &[Key] = &[
    may(
        "relays",
        Texts("relays"),
        "none",
        "its own relays, where others leave its mail and where it asks for it",
        "[\"r1\"]",
    ),
    may(
        "relays-learned",
        Flag,
        "false",
        "whether the other servers learn its relays from what it publishes with its keys, and are not \
         told of them",
        "true",
    ),
    may(
        "attempts-before-relay",
        Whole(1, u32::MAX as u64),
        "3",
        "the same as `attempts_before_relay`",
        "1",
    ),
    may(
        "online",
        Table(ONLINE),
        "all the time",
        "when other servers can reach it, and it them; short for a `partition` of each absence",
        "{ for = \"5s\", every = \"1m\" }",
    ),
];

/// The keys of a relay that are no settings of it.
const OF_RELAY: &[Key] = &[may(
    "quota",
    Whole(1, u64::MAX),
    "10000",
    "the same as `max_entries_per_destination`",
    "100",
)];

const USER: &[Key] = &[
    need("backend", Text("a backend"), "the user's homeserver", "\"a\""),
    may(
        "devices",
        Whole(1, MOST_DEVICES as u64),
        "1",
        "how many devices the user has: `alice/1`, `alice/2` ..",
        "2",
    ),
    may(
        "reads",
        Words(&["sync", "await", "never"]),
        "sync",
        "how the devices learn of messages: by `/sync`, by holding `/await` open and asking for what they missed, or only when a `fetch` says so",
        "\"await\"",
    ),
    may(
        "online",
        Table(ONLINE),
        "all the time",
        "when the devices can reach their backend; short for a `partition` of each absence",
        "{ for = \"5s\", every = \"1m\" }",
    ),
];

const CONVERSATION: &[Key] = &[
    need(
        "creator",
        Text("a user"),
        "who makes the room; the creator's backend owns it under `m1`",
        "\"alice\"",
    ),
    may("members", Texts("users"), "none", "the other members", "[\"bob\", \"carol\"]"),
    may(
        "delivery",
        DELIVERY,
        "eventual",
        "what is promised about a message: it arrives in the end, at all member backends or at none, or as Wire had it in October 2021",
        "\"m1\"",
    ),
];

const DELIVERY: super::Value = Words(&["eventual", "m1", "m1-2021"]);

const GENERATE: &[Key] = &[
    need(
        "backends",
        Whole(1, MOST_MACHINES),
        "how many backends there are, each with one user with one device",
        "10",
    ),
    need("rooms-of", Whole(1, u64::MAX), "how many users one after another share a room", "5"),
    may("delivery", DELIVERY, "eventual", "what the rooms promise", "\"m1\""),
    need(
        "sends-per-second",
        Number(0.0, MOST_SENDS),
        "how many messages are sent per second, over all rooms",
        "2.0",
    ),
    may(
        "retries",
        Whole(0, u32::MAX as u64),
        "1",
        "how often a client repeats what got no answer",
        "3",
    ),
    need("for", Duration, "for how long messages are sent and machines crash", "\"2m\""),
    may("crashes-every", Duration, "no crash", "the mean time between two crashes", "\"20s\""),
    may(
        "down-for",
        Range,
        "5s to 40s",
        "how long a crashed machine is down, drawn evenly",
        "[\"5s\", \"40s\"]",
    ),
    may("rest", Duration, "10s", "how long a machine is left alone after it came back", "\"10s\""),
    may(
        "calm",
        Duration,
        "30s",
        "how long no machine is down at the end, so that the last message has a fair chance",
        "\"30s\"",
    ),
    may(
        "relays",
        Whole(0, MOST_MACHINES),
        "0",
        "how many relays there are; the backends use them in turn",
        "2",
    ),
    may(
        "reads",
        Words(&["sync", "await", "never"]),
        "sync",
        "how the devices learn of messages",
        "\"await\"",
    ),
];
