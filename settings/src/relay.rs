//! The keys of a relay's configuration.

use super::{
    Wrong,
    homeserver::PORTS,
    rules::{positive, wrong},
    table::{
        Kind::{Bytes, Count, Duration, Flag, Names, Number},
        Setting, Settings, setting,
    },
};

/// Bytes of a body that a sender may send: 50 PDUs of 64 KiB each (server-server API, "PDUs"), as many
/// for each of 100 EDUs, and 64 KiB for what is around them. A relay that took less would be sent the
/// same again and again.
pub const LEGAL_BODY_BYTES: usize = 151 * (64 << 10);

/// Bytes of the smallest reserve that is of use: twice what the database's log grows to. With the
/// largest transactions it takes more.
const LEAST_RESERVE: u64 = 4 << 20;

/// Every key of a relay's configuration.
pub const RELAY: Settings = Settings {
    settings: SETTINGS,
    elsewhere: &[
        ("server_name", "a relay's name in the scenario is its server name"),
        ("port", PORTS),
        ("admin_port", PORTS),
        ("metrics_port", PORTS),
        ("admin_token", "the run itself operates the servers"),
        ("operators", "the run itself operates the servers"),
        ("proxies", "no machine of a scenario is a proxy in front of another one"),
        ("machine", "a simulated machine has no paths, addresses, certificates or logs of its own"),
    ],
    ordered: None,
};

const SETTINGS: &[Setting] = &[
    setting(
        "destinations",
        Names,
        "",
        "the backends whose mail it keeps; everybody's, if the list is empty",
        "[\"b\"]",
    ),
    setting(
        "forward",
        Flag,
        "false",
        "whether it also keeps trying to forward what it has, as a relay on the sender's side does",
        "true",
    ),
    setting("time_to_live", Duration, "28d", "how long it keeps a transaction", "\"1h\"")
        .ruled(kept),
    setting(
        "max_handouts",
        Number,
        "1000",
        "how often a transaction is handed out and not acknowledged before it is set aside",
        "10",
    )
    .ruled(kept),
    setting(
        "request_timeout",
        Duration,
        "10s",
        "how long another server may take to answer it",
        "\"3s\"",
    )
    .ruled(kept),
    setting(
        "max_entries_per_destination",
        Number,
        "10000",
        "the most transactions that it keeps for one destination",
        "100",
    )
    .ruled(kept),
    setting(
        "max_bytes_per_destination",
        Bytes,
        "256MiB",
        "the most bytes that it keeps for one destination",
        "\"1MiB\"",
    )
    .ruled(kept),
    setting(
        "origin_share_percent",
        Number,
        "25",
        "the hundredths of these that may be from one server",
        "50",
    )
    .ruled(share),
    setting(
        "max_entries_per_origin",
        Number,
        "50000",
        "the most transactions that it keeps from one server in all",
        "100",
    )
    .ruled(kept),
    setting(
        "max_bytes_per_origin",
        Bytes,
        "512MiB",
        "the most bytes that it keeps from one server in all",
        "\"1MiB\"",
    )
    .ruled(kept),
    setting(
        "max_bytes_in_all",
        Bytes,
        "4GiB",
        "the most bytes that it keeps from everybody for everybody",
        "\"8MiB\"",
    )
    .ruled(kept),
    setting(
        "max_deposits_per_minute",
        Count,
        "6000",
        "how many transactions one server may leave within a minute",
        "60",
    )
    .ruled(kept),
    setting("max_body_bytes", Bytes, "10MiB", "the most bytes of one request's body", "\"16MiB\"")
        .ruled(body),
    setting(
        "disk_reserve",
        Bytes,
        "32MiB",
        "what is set aside of the disk, so that mail can be taken out of a full one; 0 for nothing",
        "\"8MiB\"",
    )
    .ruled(reserve),
    setting("max_connections", Number, "1024", "how many connections it serves at once", "64")
        .ruled(kept),
    setting(
        "connections_per_address",
        Number,
        "512",
        "how many of these may be of one machine",
        "16",
    )
    .ruled(kept),
    setting(
        "max_buffered",
        Bytes,
        "32MiB",
        "how much the bodies of all requests may take up together",
        "\"16MiB\"",
    ),
];

/// It is 1 at least, and no more than the database can count.
fn kept(key: &'static str, amount: u64) -> Result<(), Wrong> {
    positive(key, amount, "leave the key out for the default, or set at least 1")?;
    if i64::try_from(amount).is_err() {
        let problem = format!("is {amount}, which is more than the database can count");
        return Err(wrong(key, &problem, "set a smaller number"));
    }
    Ok(())
}

fn share(key: &'static str, amount: u64) -> Result<(), Wrong> {
    kept(key, amount)?;
    if amount > 100 {
        let problem = format!("is {amount}, which is more than the whole");
        return Err(wrong(key, &problem, "set a number from 1 to 100"));
    }
    Ok(())
}

fn body(key: &'static str, amount: u64) -> Result<(), Wrong> {
    if amount < LEGAL_BODY_BYTES as u64 {
        let remedy = format!("set at least {LEGAL_BODY_BYTES}, or leave the key out");
        return Err(wrong(key, "is less than what a sender may send", &remedy));
    }
    Ok(())
}

fn reserve(key: &'static str, amount: u64) -> Result<(), Wrong> {
    if (1..LEAST_RESERVE).contains(&amount) {
        let remedy = "give it at least \"4MiB\", or 0 for none";
        return Err(wrong(key, "is less than it takes to empty a full disk", remedy));
    }
    Ok(())
}
