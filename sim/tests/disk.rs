//! The simulated disk under a plain SQLite program: what SQLite guarantees on a disk that fails in
//! the documented ways holds on this one, and what it does not guarantee is really lost.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use rand::RngExt;
use sim::disk::{Disk, DiskFaults, DiskObserver};
use tokio::time::Instant;
use transport::{Database, DatabaseError, host::Clock};

/// Transactions that a program tries.
const TRANSACTIONS: i64 = 12;
/// Rows of each transaction.
const PARTS: i64 = 3;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(438_288)
    }
}

#[derive(Default)]
struct Told {
    synced: Mutex<Vec<(String, u64)>>,
    injected: AtomicU64,
    died: AtomicU64,
}

impl DiskObserver for Told {
    fn synced(&self, file: &str, bytes: u64) {
        self.synced.lock().expect("no panic").push((file.to_owned(), bytes));
    }

    fn injected(&self) {
        self.injected.fetch_add(1, Ordering::Relaxed);
    }

    fn died(&self) {
        self.died.fetch_add(1, Ordering::Relaxed);
    }
}

fn disk(seed: u64) -> (Arc<Disk>, Arc<Told>) {
    let told = Arc::new(Told::default());
    (Disk::new(seed, "a", Arc::new(FixedClock), Arc::clone(&told) as _), told)
}

async fn open(disk: &Arc<Disk>) -> Result<Database, DatabaseError> {
    disk.mount().open("letters").await
}

/// Opens the database and runs `sql` on its connection.
async fn open_with(disk: &Arc<Disk>, sql: &str) -> Result<Database, DatabaseError> {
    let database = open(disk).await?;
    // Small, so that short programs also die while the log is copied into the database.
    let schema = "PRAGMA wal_autocheckpoint = 6;
        CREATE TABLE IF NOT EXISTS letter (number INTEGER, part INTEGER, body BLOB)";
    execute(&database, &format!("{schema}; {sql}")).await?;
    Ok(database)
}

async fn execute(database: &Database, sql: &str) -> Result<(), DatabaseError> {
    let sql = sql.to_owned();
    database.call(move |connection| Ok(connection.execute_batch(&sql)?)).await
}

/// Acknowledged transactions. A commit counts from the moment at which SQLite says that it is
/// done, be it that the machine is dead by then and its program never hears of it.
type Acknowledged = Arc<Mutex<BTreeSet<i64>>>;

/// Commits letter `number`, in three parts.
async fn commit(
    database: &Database,
    number: i64,
    acknowledged: &Acknowledged,
) -> Result<(), DatabaseError> {
    let acknowledged = Arc::clone(acknowledged);
    let work = move |connection: &mut rusqlite::Connection| {
        let transaction = connection.transaction()?;
        for part in 0..PARTS {
            let bytes = 100 + 900 * (number % 3);
            let sql = "INSERT INTO letter VALUES (?1, ?2, zeroblob(?3))";
            transaction.prepare_cached(sql)?.execute((number, part, bytes))?;
        }
        transaction.commit()?;
        acknowledged.lock().expect("no panic").insert(number);
        Ok(())
    };
    database.call(work).await
}

/// How many parts of each letter the database has.
async fn parts(database: &Database) -> Result<BTreeMap<i64, i64>, DatabaseError> {
    let read = |connection: &mut rusqlite::Connection| {
        let sql = "SELECT number, count(*) FROM letter GROUP BY number";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    database.call(read).await
}

/// The letters in the database, each of them whole.
async fn letters(database: &Database) -> BTreeSet<i64> {
    let parts = parts(database).await.expect("the database can be read");
    assert!(parts.values().all(|&count| count == PARTS), "half a letter: {parts:?}");
    parts.into_keys().collect()
}

async fn is_sound(database: &Database) -> bool {
    let check = |connection: &mut rusqlite::Connection| {
        let verdict = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        Ok::<String, DatabaseError>(verdict?)
    };
    database.call(check).await.is_ok_and(|verdict| verdict == "ok")
}

#[derive(Debug, PartialEq)]
enum Verdict {
    /// What survived, every acknowledged letter among it.
    Kept(BTreeSet<i64>),
    /// An acknowledged letter is gone.
    Lost,
    /// Half a letter survived, or the database is broken.
    Corrupt,
}

/// Lets a program die at an operation that the seed chooses, boots it, lets that die too (mostly
/// in its recovery), and looks at what is left.
async fn die_twice(seed: u64, sql: &str, faults: DiskFaults) -> Verdict {
    let (disk, told) = disk(seed);
    let mut choices = sim::random::stream(seed, "test");
    let acknowledged = Acknowledged::default();
    for (first, operations) in [(0, 90), (TRANSACTIONS, 30)] {
        let die_after = Some(choices.random_range(1..operations));
        disk.set_faults(DiskFaults { die_after, ..faults.clone() });
        if let Ok(database) = open_with(&disk, sql).await {
            for number in first..first + TRANSACTIONS {
                if commit(&database, number, &acknowledged).await.is_err() {
                    break;
                }
            }
        }
        // A kill in between keeps what was never synced, names included, for the next to build on.
        if first == 0 && choices.random_bool(0.3) { disk.kill() } else { disk.power_loss() }
    }
    assert!(told.died.load(Ordering::Relaxed) <= 2);
    disk.set_faults(DiskFaults::default());
    let Ok(database) = open_with(&disk, "").await else { return Verdict::Corrupt };
    if !is_sound(&database).await {
        return Verdict::Corrupt;
    }
    let parts = parts(&database).await.expect("a sound database can be read");
    if parts.values().any(|&count| count != PARTS) {
        return Verdict::Corrupt;
    }
    let survivors: BTreeSet<i64> = parts.into_keys().collect();
    let acknowledged = acknowledged.lock().expect("no panic");
    if acknowledged.is_subset(&survivors) { Verdict::Kept(survivors) } else { Verdict::Lost }
}

#[derive(Debug, Default, PartialEq)]
struct Count {
    kept: u32,
    lost: u32,
    corrupt: u32,
}

async fn die_in_many_seeds(seeds: u64, sql: &str, faults: DiskFaults) -> Count {
    let mut count = Count::default();
    for seed in 0..seeds {
        match die_twice(seed, sql, faults.clone()).await {
            Verdict::Kept(_) => count.kept += 1,
            Verdict::Lost => count.lost += 1,
            Verdict::Corrupt => count.corrupt += 1,
        }
    }
    count
}

#[tokio::test(start_paused = true)]
async fn no_acknowledged_commit_is_lost_or_torn_wherever_the_machine_dies() {
    let count = die_in_many_seeds(5000, "", DiskFaults::default()).await;
    assert_eq!(count, Count { kept: 5000, lost: 0, corrupt: 0 });
}

#[tokio::test(start_paused = true)]
async fn without_a_sync_at_commit_acknowledged_commits_are_lost_but_nothing_is_torn() {
    let count = die_in_many_seeds(500, "PRAGMA synchronous = NORMAL", DiskFaults::default()).await;
    assert!(count.lost > 100 && count.corrupt == 0, "{count:?}");
}

#[tokio::test(start_paused = true)]
async fn without_any_sync_databases_are_lost() {
    let count = die_in_many_seeds(500, "PRAGMA synchronous = OFF", DiskFaults::default()).await;
    assert!(count.lost + count.corrupt > 100, "{count:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rollback_journal_is_only_durable_when_the_directory_is_synced_at_commit() {
    let journal = "PRAGMA journal_mode = DELETE; PRAGMA synchronous";
    let extra = format!("{journal} = EXTRA");
    let count = die_in_many_seeds(1000, &extra, DiskFaults::default()).await;
    assert_eq!(count, Count { kept: 1000, lost: 0, corrupt: 0 });
    let full = format!("{journal} = FULL");
    let count = die_in_many_seeds(1000, &full, DiskFaults::default()).await;
    assert!(count.lost > 5 && count.corrupt == 0, "{count:?}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_lies_about_syncs_loses_acknowledged_commits() {
    let lies = DiskFaults { lying_sync: 0.3, ..DiskFaults::default() };
    let count = die_in_many_seeds(500, "", lies).await;
    assert!(count.lost + count.corrupt > 50 && count.kept > 50, "{count:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_meets_the_same_fate_and_others_meet_others() {
    let mut fates = BTreeSet::new();
    for seed in 0..60 {
        let sql = "PRAGMA synchronous = NORMAL";
        let first = die_twice(seed, sql, DiskFaults::default()).await;
        assert_eq!(first, die_twice(seed, sql, DiskFaults::default()).await, "seed {seed}");
        fates.insert(format!("{first:?}"));
    }
    assert!(fates.len() > 10, "{fates:?}");
}

/// Commits on a disk with `faults`, which then heals, and returns how many commits were refused.
async fn refused_commits(seed: u64, faults: DiskFaults) -> usize {
    let (disk, told) = disk(seed);
    let database = open_with(&disk, "").await.expect("a healthy disk");
    disk.set_faults(faults);
    let acknowledged = Acknowledged::default();
    for number in 0..20 {
        if let Err(error) = commit(&database, number, &acknowledged).await {
            assert!(error.is_disk_trouble(), "{error}");
        }
    }
    assert_eq!(told.injected.load(Ordering::Relaxed), disk.stats().injected);
    disk.set_faults(DiskFaults::default());
    let acknowledged = acknowledged.lock().expect("no panic").clone();
    assert_eq!(letters(&database).await, acknowledged, "seed {seed}");
    assert!(is_sound(&database).await);
    disk.power_loss();
    let database = open_with(&disk, "").await.expect("open again");
    // A commit whose sync failed may have reached the disk all the same.
    assert!(letters(&database).await.is_superset(&acknowledged), "seed {seed}");
    20 - acknowledged.len()
}

#[tokio::test(start_paused = true)]
async fn what_was_acknowledged_between_io_errors_is_all_there_is() {
    let write = DiskFaults { eio_write: 0.05, ..DiskFaults::default() };
    let sync = DiskFaults { eio_sync: 0.1, ..DiskFaults::default() };
    let all = DiskFaults { eio_read: 0.1, eio_write: 0.05, eio_sync: 0.1, ..sync.clone() };
    let mut refused = [0; 3];
    for seed in 0..60 {
        for (count, faults) in refused.iter_mut().zip([&write, &sync, &all]) {
            *count += refused_commits(seed, faults.clone()).await;
        }
    }
    assert!(refused.iter().all(|&count| count > 50), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_cannot_be_read_opens_no_database() {
    let (disk, _) = disk(2);
    drop(open_with(&disk, "").await.expect("a healthy disk"));
    disk.set_faults(DiskFaults { eio_read: 1.0, ..DiskFaults::default() });
    assert!(open(&disk).await.is_err_and(|error| error.is_disk_trouble()));
    disk.set_faults(DiskFaults::default());
    assert!(open(&disk).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_refuses_and_loses_nothing_and_goes_on_when_there_is_room() {
    let (disk, _) = disk(1);
    let database = open_with(&disk, "").await.expect("a healthy disk");
    disk.set_faults(DiskFaults { capacity: Some(60_000), ..DiskFaults::default() });
    let acknowledged = Acknowledged::default();
    for number in 0..100 {
        let answer = commit(&database, number, &acknowledged).await;
        assert!(answer.is_ok() || answer.is_err_and(|error| error.is_disk_trouble()));
    }
    let stored = letters(&database).await;
    assert_eq!(stored, *acknowledged.lock().expect("no panic"));
    assert!(stored.len() > 5 && stored.len() < 95, "{}", stored.len());
    assert!(disk.files().iter().map(|file| file.len).sum::<u64>() <= 60_000);
    disk.set_faults(DiskFaults::default());
    commit(&database, 100, &acknowledged).await.expect("there is room again");
    assert!(is_sound(&database).await);
}

#[tokio::test(start_paused = true)]
async fn a_kill_keeps_what_was_never_synced() {
    for seed in 0..20 {
        let (disk, _) = disk(seed);
        let database = open_with(&disk, "PRAGMA synchronous = OFF").await.expect("open");
        let acknowledged = Acknowledged::default();
        for number in 0..20 {
            commit(&database, number, &acknowledged).await.expect("commit");
        }
        disk.kill();
        let database = open_with(&disk, "").await.expect("open again");
        assert_eq!(letters(&database).await.len(), 20);
    }
}

#[tokio::test(start_paused = true)]
async fn handles_of_a_dead_incarnation_do_nothing_even_when_they_are_dropped() {
    let (disk, _) = disk(3);
    let mount = disk.mount();
    let idle = open_with(&disk, "").await.expect("open");
    let busy = mount.open("letters").await.expect("open twice");
    execute(&busy, "BEGIN; INSERT INTO letter VALUES (1, 1, 'x')").await.expect("insert");
    disk.power_loss();
    let image = disk.snapshot();
    assert!(commit(&idle, 1, &Acknowledged::default()).await.is_err());
    assert!(execute(&busy, "COMMIT").await.is_err());
    assert!(mount.open("letters").await.is_err());
    let next = open_with(&disk, "").await.expect("the next incarnation");
    commit(&next, 2, &Acknowledged::default()).await.expect("commit");
    let later_image = disk.snapshot();
    drop((idle, busy, mount));
    assert_eq!(disk.snapshot(), later_image);
    assert_ne!(image, later_image);
    assert_eq!(letters(&next).await, BTreeSet::from([2]));
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_dies_inside_a_job_does_nothing_more() {
    let (disk, told) = disk(4);
    let database = open_with(&disk, "").await.expect("open");
    disk.set_faults(DiskFaults { die_after: Some(1), ..DiskFaults::default() });
    let inside = Arc::clone(&disk);
    let image = database.call::<_, DatabaseError>(move |connection| {
        let commit = connection.execute("INSERT INTO letter VALUES (1, 1, 'x')", []);
        assert_eq!(
            commit.expect_err("the first write kills").sqlite_error_code(),
            Some(rusqlite::ErrorCode::SystemIoFailure)
        );
        let image = inside.snapshot();
        for sql in ["DELETE FROM letter", "CREATE TABLE t (c)", "PRAGMA wal_checkpoint"] {
            assert!(connection.execute_batch(sql).is_err(), "{sql}");
        }
        assert_eq!(inside.snapshot(), image);
        Ok(())
    });
    assert!(matches!(image.await, Err(DatabaseError::Closed)), "the caller hears nothing");
    assert_eq!(told.died.load(Ordering::Relaxed), 1);
    assert!(disk.stats().refused > 0);
}

#[tokio::test(start_paused = true)]
async fn a_slow_disk_takes_simulated_time_to_the_millisecond_over_all() {
    let (disk, told) = disk(5);
    let database = open_with(&disk, "").await.expect("open");
    let (write_time, sync_time) = (Duration::from_micros(300), Duration::from_millis(5));
    disk.set_faults(DiskFaults { write_time, sync_time, ..DiskFaults::default() });
    let (begin, before) = (Instant::now(), disk.stats());
    for number in 0..10 {
        commit(&database, number, &Acknowledged::default()).await.expect("commit");
    }
    let (writes, syncs) = (disk.stats().writes - before.writes, disk.stats().syncs - before.syncs);
    let expected = u128::from(writes * 300 + syncs * 5000) / 1000;
    assert_eq!(begin.elapsed().as_millis(), expected);
    assert!(expected > 60, "{expected}");
    assert_eq!(told.injected.load(Ordering::Relaxed), writes + syncs);
}

#[tokio::test(start_paused = true)]
async fn jobs_run_one_at_a_time_in_the_order_in_which_they_came() {
    let (disk, _) = disk(6);
    let database = open_with(&disk, "").await.expect("open");
    disk.set_faults(DiskFaults { sync_time: Duration::from_millis(7), ..DiskFaults::default() });
    let order = Mutex::new(Vec::new());
    let jobs = (0..5).map(async |number| {
        commit(&database, number, &Acknowledged::default()).await.expect("commit");
        order.lock().expect("no panic").push((number, Instant::now()));
    });
    futures_util::future::join_all(jobs).await;
    let order = order.into_inner().expect("no panic");
    assert!(order.is_sorted() && order.iter().map(|entry| entry.0).eq(0..5), "{order:?}");
    assert!(order[4].1 - order[0].1 >= Duration::from_millis(4 * 7), "{order:?}");
}

#[tokio::test(start_paused = true)]
async fn two_connections_of_one_machine_share_the_database() {
    let (disk, _) = disk(7);
    let mount = disk.mount();
    let one = open_with(&disk, "").await.expect("open");
    let two = mount.open("letters").await.expect("open twice");
    for number in 0..20 {
        let writer = if number % 2 == 0 { &one } else { &two };
        commit(writer, number, &Acknowledged::default()).await.expect("commit");
        assert_eq!(letters(&one).await, letters(&two).await);
    }
    execute(&one, "BEGIN IMMEDIATE").await.expect("begin");
    let refused = execute(&two, "PRAGMA busy_timeout = 0; BEGIN IMMEDIATE").await;
    assert!(refused.is_err(), "two writers at once");
    execute(&one, "COMMIT").await.expect("commit");
    drop(one);
    assert_eq!(letters(&two).await.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn a_commit_is_told_as_a_sync_of_the_log() {
    let (disk, told) = disk(8);
    let database = open_with(&disk, "PRAGMA wal_autocheckpoint = 1000").await.expect("open");
    told.synced.lock().expect("no panic").clear();
    commit(&database, 2, &Acknowledged::default()).await.expect("commit");
    let synced = told.synced.lock().expect("no panic").clone();
    let log = disk.files().into_iter().find(|file| file.name == "letters.sqlite-wal");
    assert_eq!(log.map(|file| file.unsynced_sectors), Some(0));
    assert!(matches!(&synced[..], [(file, 4096..)] if file == "letters.sqlite-wal"), "{synced:?}");
}

struct Buggy;

impl DiskObserver for Buggy {
    fn synced(&self, _file: &str, _bytes: u64) {
        panic!("the observer has a bug");
    }

    fn injected(&self) {}
    fn died(&self) {}
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the observer has a bug")]
async fn a_panic_below_sqlite_is_not_taken_for_a_disk_error() {
    let disk = Disk::new(11, "a", Arc::new(FixedClock), Arc::new(Buggy));
    drop(open(&disk).await);
}

#[tokio::test(start_paused = true)]
async fn a_restored_disk_holds_what_it_held() {
    let (disk, _) = disk(9);
    let database = open_with(&disk, "").await.expect("open");
    commit(&database, 0, &Acknowledged::default()).await.expect("commit");
    let image = disk.snapshot();
    commit(&database, 1, &Acknowledged::default()).await.expect("commit");
    disk.restore(image.clone());
    assert!(commit(&database, 2, &Acknowledged::default()).await.is_err());
    disk.power_loss();
    assert_eq!(disk.snapshot(), image);
    let database = open_with(&disk, "").await.expect("open again");
    assert_eq!(letters(&database).await, BTreeSet::from([0]));
}

#[tokio::test(start_paused = true)]
async fn sqlite_reads_the_machines_clock() {
    let (disk, _) = disk(10);
    let database = open(&disk).await.expect("open");
    let ask = |connection: &mut rusqlite::Connection| {
        let now = connection.query_row("SELECT datetime('now')", [], |row| row.get(0));
        Ok::<String, DatabaseError>(now?)
    };
    assert_eq!(database.call(ask).await.expect("a time"), "2020-01-01 00:00:00");
}
