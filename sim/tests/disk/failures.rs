//! A disk that fails, is full, or is slow; and what it tells of that.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::Duration,
};

use sim::disk::{Disk, DiskFaults, DiskObserver};
use tokio::time::Instant;

use crate::program::{
    Acknowledged, FixedClock, PARTS, commit, disk, execute, is_sound, letters, open, open_with,
    parts,
};

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

/// More than the 64 KiB that SQLite keeps in memory by itself, and less than it keeps of a database.
#[tokio::test(start_paused = true)]
async fn what_a_statement_may_have_to_undo_is_not_written() {
    let (disk, _) = disk(9);
    let database = open_with(&disk, "CREATE TABLE big (n INTEGER UNIQUE, body BLOB)").await;
    let database = database.expect("open");
    let fill =
        "WITH RECURSIVE series (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM series LIMIT 500)
        INSERT INTO big SELECT n, zeroblob(1000) FROM series";
    execute(&database, fill).await.expect("a healthy disk");
    let before = disk.stats().writes;
    let change = "BEGIN; UPDATE big SET body = zeroblob(900), n = n + 1000";
    execute(&database, change).await.expect("a healthy disk");
    assert_eq!(disk.stats().writes, before);
    execute(&database, "COMMIT").await.expect("a healthy disk");
    assert!(disk.stats().writes > before + 64);
}

/// What a program learns of a disk that has rotted.
#[derive(Default)]
struct Rot {
    /// SQLite says that the database is broken, or refuses it.
    told: u32,
    /// All is as it was: what rotted was not used.
    harmless: u32,
    /// Another answer than what was stored, and not a word.
    silent: u32,
}

/// Letters whose body is not what was stored.
async fn scribbled(database: &transport::Database) -> Option<i64> {
    let count = |connection: &mut rusqlite::Connection| {
        let sql = "SELECT count(*) FROM letter WHERE body <> zeroblob(length(body))";
        Ok::<i64, transport::DatabaseError>(connection.query_row(sql, [], |row| row.get(0))?)
    };
    database.call(count).await.ok()
}

/// Stores letters, lets `bits` of their disk flip while nobody has it open, and reads them.
async fn read_after_rot(seeds: u64, bits: u32, checkpoint: &str) -> Rot {
    let mut rot = Rot::default();
    for seed in 0..seeds {
        let (disk, _) = disk(seed);
        let database = open_with(&disk, "PRAGMA wal_autocheckpoint = 1000").await.expect("open");
        let acknowledged = Acknowledged::default();
        for number in 0..20 {
            commit(&database, number, &acknowledged).await.expect("commit");
        }
        execute(&database, checkpoint).await.expect("a healthy disk");
        disk.kill();
        assert!(disk.rot(bits) > 0);
        let reading = async {
            let database = open_with(&disk, "").await.ok()?;
            is_sound(&database)
                .await
                .then_some((parts(&database).await.ok()?, scribbled(&database).await?))
        };
        match reading.await {
            None => rot.told += 1,
            Some((parts, 0)) if parts == (0..20).map(|number| (number, PARTS)).collect() => {
                rot.harmless += 1;
            }
            Some(_) => rot.silent += 1,
        }
    }
    rot
}

/// The honest table: SQLite notices a broken structure; a page has no checksum, and a frame of the
/// log whose checksum fails ends the log there, which silently forgets what came after.
#[tokio::test(start_paused = true)]
async fn rot_is_told_where_it_breaks_structure_and_silent_in_contents_and_in_the_log() {
    let pages = read_after_rot(100, 30, "PRAGMA wal_checkpoint(TRUNCATE)").await;
    assert!(pages.told > 10, "{} {} {}", pages.told, pages.harmless, pages.silent);
    assert!(pages.silent > 10, "{} {} {}", pages.told, pages.harmless, pages.silent);
    let log = read_after_rot(100, 3, "SELECT 1").await;
    assert!(log.silent > 50, "{} {} {}", log.told, log.harmless, log.silent);
}

struct Buggy;

impl DiskObserver for Buggy {
    fn synced(&self, _file: &str, _bytes: u64) {
        panic!("the observer has a bug");
    }

    fn injected(&self, _: u64) {}
    fn died(&self, _: &[u64]) {}
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the observer has a bug")]
async fn a_panic_below_sqlite_is_not_taken_for_a_disk_error() {
    let disk = Disk::new(11, "a", Arc::new(FixedClock), Arc::new(Buggy));
    drop(open(&disk).await);
}
