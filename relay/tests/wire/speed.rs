//! How fast a relay is on this machine: measured, not judged. `cargo test --workspace --test wire --
//! --ignored --nocapture`; with `--release` for figures that count.

use std::time::Duration;

use http::{Method, Request};
use relay::Config;
use ruma::ServerName;
use serde_json::json;
use tokio::time::Instant;

use crate::world::World;

/// Who sends at once.
const SENDERS: usize = 64;

/// What each of them sends.
const OF_EACH: usize = 40;

const MANY: usize = SENDERS * OF_EACH;

/// A transaction as small rooms have it.
fn body() -> String {
    format!(r#"{{"pdus":[{{"content":"{}"}}]}}"#, "x".repeat(700))
}

fn unbounded(config: &mut Config) {
    config.max_deposits_per_minute = u32::MAX;
    config.max_entries_per_destination = 1 << 40;
    config.max_entries_per_origin = 1 << 40;
    config.origin_share_percent = 100;
}

fn per_second(count: usize, took: Duration) -> u64 {
    let millis = u64::try_from(took.as_millis()).unwrap().max(1);
    count as u64 * 1000 / millis
}

/// Leaves [`MANY`] transactions for b; returns how long that took.
async fn leave_many(world: &World) -> Duration {
    let requests: Vec<Request<bytes::Bytes>> = (0..MANY)
        .map(|number| {
            let path = format!("/_matrix/federation/v1/send_relay/t{number}/{}", world.b.user_id());
            world.a.signed(&world.relay_name, Method::PUT, &path, &body())
        })
        .collect();
    let began = Instant::now();
    let senders = requests.chunks(OF_EACH).map(async |requests| {
        for request in requests {
            assert_eq!(world.send(request.clone()).await.body, "null");
        }
    });
    futures_util::future::join_all(senders).await;
    began.elapsed()
}

/// Commits the same rows in groups of 64 with nothing but SQLite; returns how long that took.
fn commit_many(world: &World, destination: &ServerName) -> Duration {
    let from = world.directory.path().join("relay.sqlite");
    let to = world.directory.path().join("yardstick.sqlite");
    transport::real::copy_database(&from, &to).unwrap();
    let mut connection = rusqlite::Connection::open(&to).unwrap();
    let settings = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; DELETE FROM entries;";
    connection.execute_batch(settings).unwrap();
    let began = Instant::now();
    for group in 0..MANY / SENDERS {
        let transaction = connection.transaction().unwrap();
        for number in 0..SENDERS {
            let id = format!("y{}", group * SENDERS + number);
            let sql = "INSERT INTO entries
                (destination, origin, transaction_id, body_hash, bytes, stored_ms, body)
                VALUES (?1, 'a', ?2, zeroblob(32), 1300, 0, ?3)";
            let row = (destination.as_str(), id, body().into_bytes());
            transaction.prepare_cached(sql).unwrap().execute(row).unwrap();
        }
        transaction.commit().unwrap();
    }
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures this machine"]
async fn figures() {
    let world = World::with(unbounded).await;
    let left = leave_many(&world).await;
    let committed = commit_many(&world, world.b.name());
    let (of_relay, of_sqlite) = (per_second(MANY, left), per_second(MANY, committed));
    say(&format!(
        "{SENDERS} senders: {of_relay} accepted a second, SQLite in groups of {SENDERS}: {of_sqlite}"
    ));
    let began = Instant::now();
    let mut answer = world.b_takes(0).await;
    let mut drained = 0;
    while drained < MANY / 4 {
        answer = world.b_takes(answer.entry_id()).await;
        drained += 1;
    }
    say(&format!("one by one: {} drained a second", per_second(drained, began.elapsed())));
    let (began, mut acknowledged, mut taken) = (Instant::now(), Vec::<i64>::new(), 0);
    loop {
        let path =
            format!("/_matrix/federation/unstable/org.fedsim.relay/take/{}", world.b.user_id());
        let body = json!({ "acknowledged": acknowledged, "max_entries": 100 }).to_string();
        let answer =
            world.send(world.b.signed(&world.relay_name, Method::POST, &path, &body)).await;
        let entries = answer.json()["entries"].as_array().cloned().unwrap();
        if entries.is_empty() {
            break;
        }
        taken += entries.len();
        acknowledged = entries.iter().map(|entry| entry["entry_id"].as_i64().unwrap()).collect();
    }
    say(&format!("in batches of 100: {} drained a second", per_second(taken, began.elapsed())));
}

#[expect(clippy::print_stderr, reason = "figures are what this is for")]
fn say(line: &str) {
    eprintln!("{line}");
}
