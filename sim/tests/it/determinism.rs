//! The same seed gives the same journal, byte for byte; another seed gives another.

use std::sync::Arc;

use axum::{Router, routing::put};
use bytes::Bytes;
use http::Request;
use journal::Journal;
use sim::{
    Node, Schedule, World, WorldConfig,
    fault::{Change, Cut, DiskFate, LinkChange},
};
use tokio::time::sleep;
use transport::{
    Database, DatabaseError, Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

use crate::support::{PORT, Run, ms, secs};

const NAMES: [&str; 3] = ["a", "b", "c"];

const SCHEDULES: [Schedule; 3] = [Schedule::Fixed, Schedule::Random, Schedule::Priorities(3)];

/// Stores what it is sent, and sends on its own to the two others at random times.
fn gossip(me: &'static str) -> impl Node {
    Run(move |host: Host| async move {
        let database = host.open("main").await.map_err(|error| error.to_string())?;
        store(&database, "CREATE TABLE IF NOT EXISTS seen(n INTEGER PRIMARY KEY)")
            .await
            .map_err(|error| error.to_string())?;
        let handler =
            put(async move || match store(&database, "INSERT INTO seen DEFAULT VALUES").await {
                Ok(()) => "stored",
                Err(_) => "failed",
            });
        let router = Router::new().route("/{*path}", handler);
        serve(&host, PORT, router, ServerLimits::default()).await.map_err(|e| e.to_string())?;
        let client = Client::new(&host, ClientLimits::default());
        for peer in NAMES.into_iter().filter(|name| *name != me) {
            let (client, inner) = (client.clone(), host.clone());
            host.spawn(async move { send_for_ever(&inner, &client, peer).await });
        }
        Ok(())
    })
}

async fn store(database: &Database, sql: &'static str) -> Result<(), DatabaseError> {
    database.transaction(move |transaction| Ok(transaction.execute_batch(sql)?)).await
}

async fn send_for_ever(host: &Host, client: &Client, peer: &str) {
    let address = Address { name: peer.into(), port: PORT };
    loop {
        let [wait] = host.random_bytes();
        sleep(ms(u64::from(wait) * 4)).await;
        let request = Request::put(format!("/{wait}")).body(Bytes::from_static(b"x")).unwrap();
        drop(client.send(&address, request, secs(5)).await);
    }
}

/// Half a minute of gossip while links and machines break and come back.
fn chaos(schedule: Schedule, seed: u64) -> Journal {
    let config = WorldConfig { seed, schedule, ..WorldConfig::default() };
    let outcome = sim::run(config, |world| async move {
        for name in NAMES {
            world.add_machine(name, Arc::new(gossip(name)));
            world.boot(name);
        }
        break_and_mend(&world).await;
    });
    outcome.journal
}

async fn break_and_mend(world: &World) {
    let one = |name: &str| vec![name.to_owned()];
    sleep(secs(3)).await;
    let cut = world.partition(&Cut::Between(one("a"), one("b")), None);
    sleep(secs(2)).await;
    let crash = world.crash("c", DiskFate::LoseUnsynced, None);
    let change = Change { loss: Some(0.2), ..Change::default() };
    let change = LinkChange { from: one("b"), to: one("c"), both_ways: true, change };
    let lossy = world.change_links(&change, None);
    sleep(secs(4)).await;
    world.repair(cut);
    world.restart(crash);
    let paused = world.pause("a", None);
    sleep(secs(6)).await;
    world.repair(paused);
    let killed = world.kill("b", None);
    sleep(secs(3)).await;
    world.restart(killed);
    world.repair(lossy);
    sleep(secs(12)).await;
}

#[test]
fn the_same_seed_gives_the_same_journal_line_by_line() {
    for schedule in SCHEDULES {
        let (first, second) = (chaos(schedule, 1), chaos(schedule, 1));
        let differing = first.to_lines().zip(second.to_lines()).find(|(one, other)| one != other);
        assert_eq!(differing, None);
        assert_eq!(first.entries().len(), second.entries().len());
    }
}

#[test]
fn another_seed_gives_another_journal() {
    for schedule in SCHEDULES {
        assert_ne!(chaos(schedule, 1).hash(), chaos(schedule, 2).hash());
    }
}

#[test]
fn another_schedule_gives_another_journal() {
    let [fixed, random, priorities] = SCHEDULES.map(|schedule| chaos(schedule, 1).hash());
    assert!(fixed != random && random != priorities && priorities != fixed);
}

#[test]
fn runs_on_two_threads_at_once_do_not_touch_each_other() {
    for schedule in SCHEDULES {
        let hash = move |seed| chaos(schedule, seed).hash();
        let alone: Vec<String> = (1..=4).map(hash).collect();
        let together: Vec<String> = std::thread::scope(|scope| {
            let runs: Vec<_> = (1..=4).map(|seed| scope.spawn(move || hash(seed))).collect();
            runs.into_iter().map(|run| run.join().unwrap()).collect()
        });
        assert_eq!(alone, together);
    }
}
