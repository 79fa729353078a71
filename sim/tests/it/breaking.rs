//! Faults of machines and disks, shown on a plain SQLite program: no homeserver, no relay.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use journal::Event;
use rusqlite::params;
use sim::{
    MachineState, Outcome, World,
    disk::DiskFaults,
    fault::{ClockFault, DiskFate, DiskWatch, FaultId, Operation, Shift, Storm},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::sleep,
};
use transport::{Database, DatabaseError, Host};

use crate::support::{PORT, Run, config, ms, on_seat, secs};

/// What each incarnation of the diary found on its disk when it booted.
type Found = Arc<Mutex<Vec<BTreeSet<i64>>>>;

async fn open(host: &Host) -> Result<Database, DatabaseError> {
    let database = host.open("diary").await?;
    let table = "CREATE TABLE IF NOT EXISTS day (number INTEGER, shown TEXT)";
    database.call(move |sql| Ok::<_, DatabaseError>(sql.execute_batch(table)?)).await?;
    Ok(database)
}

async fn days(database: &Database) -> Result<BTreeSet<i64>, DatabaseError> {
    database
        .call(|sql| {
            let mut days = sql.prepare("SELECT number FROM day")?;
            Ok(days.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
}

/// Commits one number a second, two commits in each database job, and says each over TCP.
fn diary(found: Found) -> Run<impl Fn(Host) -> transport::BoxFuture<'static, Result<(), String>>> {
    Run(move |host: Host| {
        let found = Arc::clone(&found);
        Box::pin(async move { keep(host, found).await.map_err(|error| error.to_string()) }) as _
    })
}

async fn keep(host: Host, found: Found) -> Result<(), DatabaseError> {
    let database = open(&host).await?;
    let first = days(&database).await?;
    found.lock().unwrap().push(first.clone());
    let next = first.last().map_or(0, |last| last + 1);
    let reader = Arc::new(tokio::sync::Mutex::new(None));
    let (arriving, door) = (Arc::clone(&reader), host.clone());
    host.spawn(async move {
        let mut listener = door.listen(PORT).await.unwrap();
        *arriving.lock().await = listener.accept().await.ok().map(|(stream, _)| stream);
    });
    host.spawn(async move {
        for number in (next..).step_by(2) {
            sleep(secs(1)).await;
            let written = database.call(move |sql| {
                for number in [number, number + 1] {
                    sql.execute("INSERT INTO day VALUES (?1, datetime('now'))", params![number])?;
                }
                Ok::<_, DatabaseError>(())
            });
            let said = if written.await.is_ok() { "ok\n" } else { "no\n" };
            if let Some(reader) = &mut *reader.lock().await {
                // A reader that is gone need not be told.
                drop(reader.write_all(said.as_bytes()).await);
            }
        }
    });
    Ok(())
}

/// Runs `test` at a seat while `a` keeps a diary to which the seat listens; what `a` found at each
/// boot, and all that the seat heard from its first incarnation until that fell silent.
fn with_diary<T, Fut>(test: impl FnOnce(World) -> Fut + Send + 'static) -> (T, Told)
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let found = Found::default();
    let told = Arc::clone(&found);
    let outcome: Outcome<(T, String, bool)> = sim::run(config(), |world| async move {
        world.add_machine("a", Arc::new(diary(told)));
        world.boot("a");
        let seat = world.add_seat("seat");
        sleep(ms(100)).await;
        let heard = Arc::new(Mutex::new((String::new(), false)));
        let ear = Arc::clone(&heard);
        let listening = seat.clone();
        seat.spawn(async move {
            let Ok(mut stream) = listening.net.connect("a", PORT).await else { return };
            let mut bytes = [0; 64];
            while let Ok(length @ 1..) = stream.read(&mut bytes).await {
                let text = std::str::from_utf8(&bytes[..length]).unwrap();
                ear.lock().unwrap().0.push_str(text);
            }
            ear.lock().unwrap().1 = true;
        });
        let value = on_seat(seat, test(world)).await;
        let (text, closed) = heard.lock().unwrap().clone();
        (value, text, closed)
    });
    let journal: Vec<Event> =
        outcome.journal.entries().iter().map(|entry| entry.event.clone()).collect();
    let (value, heard, closed) = outcome.value.expect("the test ended");
    let found = found.lock().unwrap().clone();
    (value, Told { found, heard, closed, journal })
}

struct Told {
    found: Vec<BTreeSet<i64>>,
    heard: String,
    closed: bool,
    journal: Vec<Event>,
}

/// Lets `act` happen at the n-th operation of `a` from now on; the fault that it was.
fn at_operation(
    world: &World,
    operation: Operation,
    nth: u64,
    act: impl FnOnce(&World, Option<u64>) -> FaultId + Send + 'static,
) -> Arc<Mutex<Option<FaultId>>> {
    let fault = Arc::new(Mutex::new(None));
    let (set, own) = (Arc::clone(&fault), world.clone());
    world.on_disk(DiskWatch {
        machine: "a".into(),
        operation,
        nth,
        action: Box::new(move |entry| {
            *set.lock().unwrap() = Some(act(&own, Some(entry)));
        }),
    });
    fault
}

fn crash(world: &World, cause: Option<u64>) -> FaultId {
    world.crash("a", DiskFate::LoseUnsynced, cause)
}

/// The second job commits 2 and 3, a sync each.
#[test]
fn a_crash_at_a_sync_keeps_that_commit_and_lets_nothing_of_the_same_job_happen_after_it() {
    let ((), told) = with_diary(|world| async move {
        let fault = at_operation(&world, Operation::Synced, 3, crash);
        sleep(secs(10)).await;
        let fault = fault.lock().unwrap().expect("it fired");
        assert!(world.state("a") == MachineState::Down && world.live_tasks("a") == 0);
        world.repair(fault);
        sleep(ms(500)).await;
    });
    assert_eq!(told.found[1], BTreeSet::from([0, 1, 2]));
    assert_eq!(told.heard, "ok\n", "nobody hears of the job in which it died");
    assert!(!told.closed, "a power loss is silent");
}

#[test]
fn a_kill_at_a_sync_closes_sockets_and_says_nothing_more() {
    let ((), told) = with_diary(|world| async move {
        at_operation(&world, Operation::Synced, 3, |world, cause| world.kill("a", cause));
        sleep(secs(10)).await;
        assert!(world.state("a") == MachineState::Down && world.live_tasks("a") == 0);
    });
    assert!(told.closed, "the kernel closes what the process had open");
    assert_eq!(told.heard, "ok\n");
}

#[test]
fn a_pause_at_a_sync_keeps_the_job_from_being_heard_of_until_it_is_over() {
    let ((), told) = with_diary(|world| async move {
        let fault =
            at_operation(&world, Operation::Synced, 3, |world, cause| world.pause("a", cause));
        sleep(ms(3500)).await;
        world.note("seat", None, "before", serde_json::Value::Null);
        world.repair(fault.lock().unwrap().expect("it fired"));
        sleep(ms(100)).await;
    });
    assert_eq!(told.heard, "ok\nok\n", "the paused job ends well, once");
    let syncs = |events: &[Event]| {
        events.iter().filter(|event| matches!(event, Event::DiskSynced { .. })).count()
    };
    let note = told.journal.iter().position(|event| matches!(event, Event::Note { .. }));
    let (before, after) = told.journal.split_at(note.expect("the note"));
    assert_eq!(syncs(after), 0, "the job had done all it does: {}", syncs(before));
}

/// Power is lost between the writes of one commit: it must be gone as a whole or not begun.
#[test]
fn a_crash_at_a_write_is_in_the_middle_of_a_commit() {
    for nth in 1..8 {
        let ((), told) = with_diary(move |world| async move {
            let fault = at_operation(&world, Operation::Written, nth, crash);
            sleep(secs(10)).await;
            world.repair(fault.lock().unwrap().expect("it fired"));
            sleep(ms(500)).await;
        });
        let writes = told.journal.iter().filter(|event| matches!(event, Event::DiskWritten { .. }));
        assert_eq!(writes.count(), 1, "only the write that fired is written down");
        assert!(
            told.found[1].len() < 4 && told.found[1].iter().zip(0..).all(|(found, n)| *found == n)
        );
        let said = told.heard.lines().count() * 2;
        assert!(told.found[1].len() >= said, "{nth}: {said} were acknowledged");
    }
}

#[test]
fn an_io_error_that_begins_at_a_sync_strikes_the_very_next_operation() {
    let ((), told) = with_diary(|world| async move {
        let fault = at_operation(&world, Operation::Synced, 3, |world, cause| {
            let broken = DiskFaults { eio_write: 1.0, ..DiskFaults::default() };
            world.break_disk("a", broken, cause)
        });
        sleep(ms(2600)).await;
        let fault = fault.lock().unwrap().expect("it fired");
        assert!(world.fault(fault).hits > 0);
        world.crash("a", DiskFate::LoseUnsynced, None);
        world.repair_all();
        sleep(ms(500)).await;
    });
    assert_eq!(told.heard, "ok\nno\n", "3 could not be written any more");
    assert_eq!(told.found[1], BTreeSet::from([0, 1, 2]));
}

#[test]
fn a_wiped_machine_boots_on_an_empty_disk() {
    let ((), told) = with_diary(|world| async move {
        sleep(secs(3)).await;
        let fault = world.crash("a", DiskFate::Wiped, None);
        world.repair(fault);
        sleep(secs(1)).await;
        assert!(world.fault(fault).hits > 0);
        assert_eq!(world.fault(fault).what, "wipe a");
    });
    assert_eq!(told.found, [BTreeSet::new(), BTreeSet::new()]);
}

#[test]
fn a_restored_machine_boots_on_the_backup_and_has_forgotten_what_came_after() {
    let ((), told) = with_diary(|world| async move {
        sleep(ms(2500)).await;
        let image = world.image("a");
        sleep(secs(5)).await;
        let fault = world.crash("a", DiskFate::Restored(image), None);
        world.repair(fault);
        sleep(ms(100)).await;
    });
    assert_eq!(told.found[1], BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn a_backup_taken_in_the_middle_of_a_commit_has_it_or_does_not() {
    let ((), told) = with_diary(|world| async move {
        let image = Arc::new(Mutex::new(None));
        let (taken, own) = (Arc::clone(&image), world.clone());
        world.on_disk(DiskWatch {
            machine: "a".into(),
            operation: Operation::Written,
            nth: 2,
            action: Box::new(move |_| *taken.lock().unwrap() = Some(own.image("a"))),
        });
        sleep(secs(3)).await;
        let image = image.lock().unwrap().take().expect("it was taken");
        world.repair(world.crash("a", DiskFate::Restored(image), None));
        sleep(ms(100)).await;
    });
    assert!(told.found[1].len() <= 1, "{:?}", told.found[1]);
}

#[test]
fn a_storm_takes_a_machine_down_as_often_as_it_says_and_then_leaves_it_up() {
    let storm = Storm { times: 4, up: ms(3500), down: secs(1), is_kill: false };
    let ((), told) = with_diary(move |world| async move {
        let fault = world.storm("a", storm, None);
        sleep(storm.lasts() + ms(100)).await;
        assert_eq!(world.state("a"), MachineState::Up);
        assert_eq!(world.fault(fault).until, Some(ms(100) + storm.lasts()));
        assert!(world.fault(fault).hits >= 4);
    });
    // Three seconds and a half are three jobs of two days.
    let kept: Vec<usize> = told.found.iter().map(BTreeSet::len).collect();
    assert_eq!(kept, [0, 0, 6, 12, 18], "five boots, each on what the one before left");
}

#[test]
fn a_storm_that_is_repaired_half_way_ends_there_with_the_machine_up() {
    let storm = Storm { times: 100, up: secs(1), down: secs(1), is_kill: true };
    let ((), told) = with_diary(move |world| async move {
        let fault = world.storm("a", storm, None);
        sleep(ms(2500)).await;
        assert_eq!(world.state("a"), MachineState::Down);
        world.repair(fault);
        assert_eq!(world.state("a"), MachineState::Up);
        sleep(secs(60)).await;
        assert_eq!(world.state("a"), MachineState::Up);
    });
    assert_eq!(told.found.len(), 3);
}

/// Asks a clock and SQLite what time it is, and a timer how long a second is.
async fn clocks(host: Host) -> (i64, i64, Duration) {
    let epoch = config().epoch.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let began = tokio::time::Instant::now();
    sleep(secs(1)).await;
    let timer = began.elapsed();
    let database = host.open("clock").await.unwrap();
    let ask = |sql: &mut rusqlite::Connection| {
        let now = sql.query_row("SELECT unixepoch('now')", [], |row| row.get(0));
        Ok::<i64, DatabaseError>(now?)
    };
    let whole = |number: u128| i64::try_from(number).unwrap();
    let sqlite = database.call(ask).await.unwrap() - whole(epoch.as_secs().into());
    let since_1970 = host.now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let clock = whole(since_1970.as_millis()) - whole(epoch.as_millis());
    (clock, sqlite, timer)
}

fn clock_test<T: Send + 'static, Fut: Future<Output = T> + Send + 'static>(
    test: impl FnOnce(World, Host) -> Fut + Send + 'static,
) -> T {
    let outcome = sim::run(config(), |world| async move {
        let host = world.add_seat("a");
        on_seat(host.clone(), test(world, host)).await
    });
    outcome.value.expect("it ended")
}

#[test]
fn a_skewed_clock_is_wrong_for_the_host_and_sqlite_alike_while_it_lasts_and_timers_are_right() {
    let (during, after, hits) = clock_test(|world, host| async move {
        let ahead = ClockFault::Skew(Shift::Ahead(secs(3600)));
        let fault = world.break_clock("a", ahead, None);
        let during = clocks(host.clone()).await;
        world.repair(fault);
        let hits = world.fault(fault).hits;
        let after = clocks(host).await;
        assert_eq!(world.fault(fault).hits, hits, "a right clock is not touched");
        (during, after, hits)
    });
    assert_eq!(during, (3_601_000, 3601, secs(1)));
    assert_eq!(after, (2000, 2, secs(1)));
    assert!(hits >= 2, "{hits}");
}

#[test]
fn a_clock_that_was_set_stays_so_and_changes_add_up() {
    let shown = clock_test(|world, host| async move {
        let jump = world.break_clock("a", ClockFault::Jump(Shift::Behind(secs(60))), None);
        world.repair(jump);
        let skew = world.break_clock("a", ClockFault::Skew(Shift::Ahead(secs(10))), None);
        let both = clocks(host.clone()).await;
        world.repair(skew);
        let epoch = config().epoch;
        (both.1, epoch.duration_since(host.now()).unwrap())
    });
    assert_eq!(shown, (1 + 10 - 60, secs(59)));
}

#[test]
fn a_drifting_clock_gains_by_its_rate_and_is_right_again_afterwards() {
    let shown = clock_test(|world, host| async move {
        sleep(secs(9)).await;
        let fault = world.break_clock("a", ClockFault::Drift(1.5), None);
        let (after_one, ..) = clocks(host.clone()).await;
        let (after_two, ..) = clocks(host.clone()).await;
        world.repair(fault);
        (after_one, after_two, clocks(host).await.0)
    });
    assert_eq!(shown, (10_500, 12_000, 12_000));
}

#[test]
fn a_fault_at_an_operation_that_never_comes_does_not_begin() {
    let (begun, _) = with_diary(|world| async move {
        let fault = at_operation(&world, Operation::Synced, 10_000, crash);
        sleep(secs(10)).await;
        fault
    });
    assert!(begun.lock().unwrap().is_none());
}
