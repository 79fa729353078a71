//! The keys of a homeserver's configuration.

use std::ops::RangeInclusive;

use super::{
    Wrong,
    rules::{count, time, wrong},
    table::{
        Kind::{Bytes, Count, Duration, Flag, Number},
        Setting, Settings, setting,
    },
};

/// Range of `password_memory_kib`: from what Argon2 needs (RFC 9106, section 3.1) to what every request
/// may take.
const PASSWORD_MEMORY_KIB: RangeInclusive<u64> = 8..=1 << 20;

/// Range of `password_passes`.
const PASSWORD_PASSES: RangeInclusive<u64> = 1..=100;

/// Every key of a homeserver's configuration.
pub const HOMESERVER: Settings = Settings {
    settings: SETTINGS,
    elsewhere: &[
        ("server_name", "a backend's name in the scenario is its server name"),
        ("federation_port", PORTS),
        ("client_port", PORTS),
        ("metrics_port", PORTS),
        ("admin_token", "the run itself operates the servers"),
        ("open_registration", "the run itself registers the users"),
        ("registration_token", "the run itself registers the users"),
        ("proxies", "no machine of a scenario is a proxy in front of another one"),
        ("machine", "a simulated machine has no paths, addresses, certificates or logs of its own"),
    ],
    ordered: Some(("backoff_max", "backoff_first")),
};

/// Why a scenario has no ports.
pub(super) const PORTS: &str = "every server of a scenario has the usual ports";

// Nobody guesses passwords in a simulation, and a thousand users register and log in at once.
const SETTINGS: &[Setting] = &[
    setting(
        "attempts_before_relay",
        Count,
        "3",
        "how many attempts fail before what it sends goes to the destination's relays",
        "1",
    ).ruled(count),
    setting(
        "relay_copies",
        Count,
        "1",
        "how many of a destination's relays must have taken something before it counts as delivered; all \
         of a destination with fewer",
        "2",
    ).ruled(count),
    setting(
        "relays_in_turn",
        Flag,
        "false",
        "whether a destination's relays are asked one after another until there are so many copies, and \
         not all of them at once",
        "true",
    ),
    setting(
        "seal_mail",
        Flag,
        "true",
        "whether what it leaves at relays is sealed for those destinations that publish a key for it; the \
         checks of a scenario see what is in mail that is not",
        "true",
    ).simulated("false"),
    setting(
        "relay_poll_interval",
        Duration,
        "30s",
        "how often it asks its own relays for mail",
        "\"5s\"",
    ).ruled(time),
    setting(
        "backoff_first",
        Duration,
        "1s",
        "how long it waits after the first failure of a destination; twice as long after each further one",
        "\"500ms\"",
    ).ruled(time),
    setting(
        "backoff_max",
        Duration,
        "1h",
        "the longest wait between two attempts; no less than `backoff_first`",
        "\"10s\"",
    ),
    setting(
        "request_timeout",
        Duration,
        "10s",
        "how long another server may take to answer",
        "\"3s\"",
    ).ruled(time),
    setting(
        "vote_timeout",
        Duration,
        "5s",
        "how long the owner of an `m1` room waits for a vote",
        "\"2s\"",
    ).ruled(time),
    setting(
        "doubt_after",
        Duration,
        "10s",
        "how long a backend that has voted waits for the decision before it asks the owner",
        "\"3s\"",
    ).ruled(time),
    setting(
        "notification_time_to_live",
        Duration,
        "28d",
        "how long a device's notifications are kept",
        "\"1h\"",
    ).ruled(time),
    setting(
        "answer_time_to_live",
        Duration,
        "7d",
        "how long the answer to a send is kept for retries, and what `m1` decided about it",
        "\"1h\"",
    ).ruled(time),
    setting(
        "max_connections",
        Number,
        "1024",
        "how many connections each of its APIs serves at once",
        "64",
    ).ruled(count),
    setting(
        "connections_per_address",
        Number,
        "512",
        "how many of these may be of one machine",
        "16",
    ).ruled(count),
    setting(
        "max_buffered",
        Bytes,
        "32MiB",
        "how much the bodies of all requests to one of its APIs may take up together",
        "\"16MiB\"",
    ),
    setting(
        "requests_per_peer",
        Count,
        "1000",
        "how many requests another server may make at once, and then in a second",
        "20",
    ).ruled(count),
    setting(
        "requests_per_user",
        Count,
        "1000",
        "how many requests a user may make at once, and then in a second",
        "20",
    ).ruled(count),
    setting(
        "wrong_passwords",
        Count,
        "10",
        "how many wrong passwords may be tried for one user at once",
        "3",
    ).ruled(count),
    setting(
        "wrong_password_pause",
        Duration,
        "30s",
        "the time between two attempts after that",
        "\"1m\"",
    ).ruled(time),
    setting(
        "registrations_per_address",
        Count,
        "50",
        "how many accounts one machine may make in an hour",
        "50",
    ).ruled(count).simulated("4294967295"),
    setting(
        "password_memory_kib",
        Count,
        "19456",
        "the memory that hashing a password takes, in KiB",
        "64",
    ).ruled(memory).simulated("8"),
    setting(
        "password_passes",
        Count,
        "2",
        "how often hashing a password passes over that memory",
        "2",
    ).ruled(passes).simulated("1"),
];

fn memory(key: &'static str, amount: u64) -> Result<(), Wrong> {
    within(key, amount, PASSWORD_MEMORY_KIB)
}

fn passes(key: &'static str, amount: u64) -> Result<(), Wrong> {
    within(key, amount, PASSWORD_PASSES)
}

fn within(key: &'static str, amount: u64, range: RangeInclusive<u64>) -> Result<(), Wrong> {
    if range.contains(&amount) {
        return Ok(());
    }
    let (least, most) = range.into_inner();
    Err(wrong(key, &format!("is {amount}"), &format!("give it between {least} and {most}")))
}
