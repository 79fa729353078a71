//! Races that the fixed order never shows, and a seeded order does; and what a schedule is not
//! allowed to change.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use sim::{Ended, Schedule, WorldConfig};
use tokio::{sync::Notify, time::sleep};
use transport::{Database, DatabaseError, Host};

use crate::support::{Run, config, ms, secs};

/// The seeds within which a race has to show.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=20;

const SEEDED: [Schedule; 2] = [Schedule::Random, Schedule::Priorities(3)];

/// Runs `program` on one machine for a second; returns what it counted.
fn counted<F, Fut>(schedule: Schedule, seed: u64, program: F) -> usize
where
    F: Fn(Host, Database, Arc<AtomicUsize>) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let node = Run(move |host: Host| {
        let (program, counter) = (program.clone(), Arc::clone(&counter));
        async move {
            let database = host.open("main").await.map_err(|error| error.to_string())?;
            let created = run(&database, "CREATE TABLE seats(n INTEGER)").await;
            created.map_err(|error| error.to_string())?;
            program(host, database, counter).await;
            Ok(())
        }
    });
    let outcome = sim::run(WorldConfig { seed, schedule, ..config() }, |world| async move {
        world.add_machine("a", Arc::new(node));
        world.boot("a");
        sleep(secs(1)).await;
    });
    assert_eq!(outcome.ended, Ended::Finished);
    count.load(Relaxed)
}

async fn run(database: &Database, sql: &'static str) -> Result<(), DatabaseError> {
    database.transaction(move |transaction| Ok(transaction.execute_batch(sql)?)).await
}

async fn is_empty(database: &Database) -> bool {
    let count = database.call(|connection| {
        let count = connection.query_row("SELECT COUNT(*) FROM seats", [], |row| row.get(0));
        count.map_err(DatabaseError::from)
    });
    count.await.is_ok_and(|count: i64| count == 0)
}

/// Two tasks that each look whether the only seat is free, and take it in a second job.
async fn two_take_a_seat(host: Host, database: Database, taken: Arc<AtomicUsize>) {
    for _ in 0..2 {
        let (database, taken) = (database.clone(), Arc::clone(&taken));
        host.spawn(async move {
            if is_empty(&database).await
                && run(&database, "INSERT INTO seats VALUES(1)").await.is_ok()
            {
                taken.fetch_add(1, Relaxed);
            }
        });
    }
}

/// A task that looks, finds nothing, and sleeps until it is rung; another one rings after it has
/// put something there. Counts when the first one has found it.
async fn one_waits_for_the_bell(host: Host, database: Database, found: Arc<AtomicUsize>) {
    let bell = Arc::new(Notify::new());
    let (other, rung) = (database.clone(), Arc::clone(&bell));
    host.spawn(async move {
        while is_empty(&other).await {
            rung.notified().await;
        }
        found.fetch_add(1, Relaxed);
    });
    host.spawn(async move {
        sleep(ms(1)).await;
        run(&database, "INSERT INTO seats VALUES(1)").await.expect("the disk is sound");
        bell.notify_waiters();
    });
}

#[test]
fn two_tasks_take_the_same_seat_under_a_seeded_order_and_never_under_the_fixed_one() {
    let most = |schedule| SEEDS.map(|seed| counted(schedule, seed, two_take_a_seat)).max();
    assert_eq!(most(Schedule::Fixed), Some(1));
    assert_eq!(SEEDED.map(most), [Some(2); 2]);
}

#[test]
fn a_wake_up_is_lost_under_a_seeded_order_and_never_under_the_fixed_one() {
    let least = |schedule| SEEDS.map(|seed| counted(schedule, seed, one_waits_for_the_bell)).min();
    assert_eq!(least(Schedule::Fixed), Some(1));
    assert_eq!(SEEDED.map(least), [Some(0); 2]);
}

#[test]
fn jobs_of_one_database_are_done_in_the_order_in_which_they_came() {
    async fn in_order(_: Host, database: Database, ordered: Arc<AtomicUsize>) {
        let job = |n: usize| {
            let ordered = Arc::clone(&ordered);
            database.call(move |_| {
                let is_next = ordered.compare_exchange(n, n + 1, Relaxed, Relaxed);
                is_next.map(drop).map_err(|_| DatabaseError::Closed)
            })
        };
        drop(tokio::join!(job(0), job(1), job(2), job(3)));
    }
    for schedule in SEEDED {
        let least = SEEDS.map(|seed| counted(schedule, seed, in_order)).min();
        assert_eq!(least, Some(4));
    }
}

#[test]
fn a_task_that_only_yields_lets_time_pass_for_others_under_every_schedule() {
    async fn busy(host: Host, _: Database, ticks: Arc<AtomicUsize>) {
        host.spawn(async move {
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            sleep(Duration::from_millis(1)).await;
            ticks.fetch_add(1, Relaxed);
        });
    }
    for schedule in SEEDED {
        assert_eq!(counted(schedule, 1, busy), 1);
    }
}

#[test]
fn a_run_ends_when_its_journal_reaches_the_limit_of_entries() {
    let noisy = WorldConfig { max_entries: 1000, ..config() };
    let outcome = sim::run(noisy, |world| async move {
        loop {
            world.note("a", None, "noise", serde_json::Value::Null);
            sleep(ms(1)).await;
        }
    });
    let outcome: sim::Outcome<()> = outcome;
    assert_eq!(outcome.ended, Ended::EntryLimit(1000));
    assert_eq!(outcome.journal.entries().len(), 1000);
}
