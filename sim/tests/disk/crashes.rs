//! SQLite's documented guarantees, over thousands of machines that die: what survives, by mode.
//!
//! Two kinds of death: power loss while a transaction is open (in two of three seeds a large one that
//! has already spilled out of the cache), and death at an operation that the seed chooses.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use rand::RngExt;
use sim::disk::{Disk, DiskFaults, DiskImage};

use crate::program::{
    Acknowledged, PARTS, commit, disk, execute, is_sound, open, open_with, parts,
};

/// Transactions that an incarnation tries.
const TRANSACTIONS: i64 = 12;

/// Number of the letter whose transaction is open at the power loss.
const OPEN: i64 = 1000;

const DELETE_EXTRA: &str = "PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA";
const DELETE_FULL: &str = "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL";
const DELETE_OFF: &str = "PRAGMA journal_mode = DELETE; PRAGMA synchronous = OFF";
const TRUNCATE_FULL: &str = "PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL";
const PERSIST_FULL: &str = "PRAGMA journal_mode = PERSIST; PRAGMA synchronous = FULL";
const MEMORY_FULL: &str = "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL";
const WAL_FULL: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";
const WAL_NORMAL: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL";
const WAL_OFF: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF";

#[derive(Debug, PartialEq)]
enum Verdict {
    /// What survived, every acknowledged letter among it.
    Kept(BTreeSet<i64>),
    /// An acknowledged letter is gone; every other one is whole.
    Lost,
    /// Some of a transaction survived, and some did not.
    Torn,
    /// The database cannot be opened, or its integrity check fails.
    Corrupt,
}

/// Opens what is left on a disk that works again.
async fn judge(disk: &Arc<Disk>, acknowledged: &Acknowledged) -> Verdict {
    disk.set_faults(DiskFaults::default());
    let Ok(database) = open_with(disk, "").await else { return Verdict::Corrupt };
    if !is_sound(&database).await {
        return Verdict::Corrupt;
    }
    let parts = parts(&database).await.expect("a sound database can be read");
    if parts.iter().any(|(&number, &count)| number == OPEN || count != PARTS) {
        return Verdict::Torn;
    }
    let survivors: BTreeSet<i64> = parts.into_keys().collect();
    let acknowledged = acknowledged.lock().expect("no panic");
    if acknowledged.is_subset(&survivors) { Verdict::Kept(survivors) } else { Verdict::Lost }
}

/// Lets a program die at an operation that the seed chooses, boots it, lets that die too (mostly
/// in its recovery), and looks at what is left.
async fn die_twice(seed: u64, sql: &str, faults: DiskFaults) -> Verdict {
    die_twice_by(seed, sql, faults, Disk::power_loss).await
}

/// As [`die_twice`]; power is lost as `lose_power` has it.
async fn die_twice_by(seed: u64, sql: &str, faults: DiskFaults, lose_power: fn(&Disk)) -> Verdict {
    let (disk, told) = disk(seed);
    let mut choices = journal::random::stream(seed, "test");
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
        if first == 0 && choices.random_bool(0.3) { disk.kill() } else { lose_power(&disk) }
    }
    assert!(told.died.load(Ordering::Relaxed) <= 2);
    judge(&disk, &acknowledged).await
}

/// A disk with a database in the mode of `sql`, in which letters are already.
async fn prepared(sql: &str) -> DiskImage {
    let (disk, _) = disk(0);
    let database = open_with(&disk, sql).await.expect("a healthy disk");
    for number in 0..TRANSACTIONS {
        commit(&database, number, &Acknowledged::default()).await.expect("a healthy disk");
    }
    drop(database);
    disk.snapshot()
}

/// Commits a few letters, begins one that is too large for the cache, and loses power.
async fn die_in_a_transaction(
    seed: u64,
    sql: &str,
    faults: DiskFaults,
    image: &DiskImage,
) -> Verdict {
    let (disk, _) = disk(seed);
    disk.restore(image);
    let acknowledged = Acknowledged::default();
    acknowledged.lock().expect("no panic").extend(0..TRANSACTIONS);
    let database = open(&disk).await.expect("a healthy disk");
    let settings = format!("PRAGMA cache_size = 4; PRAGMA wal_autocheckpoint = 6; {sql}");
    execute(&database, &settings).await.expect("a healthy disk");
    disk.set_faults(faults);
    let count = journal::random::stream(seed, "test").random_range(0..6);
    for number in TRANSACTIONS..TRANSACTIONS + count {
        commit(&database, number, &acknowledged).await.expect("a lie is no failure");
    }
    let small = format!("BEGIN; INSERT INTO letter VALUES ({OPEN}, 0, 'x')");
    let begin = if seed.is_multiple_of(3) { small } else { large() };
    execute(&database, &begin).await.expect("a lie is no failure");
    disk.power_loss();
    drop(database);
    judge(&disk, &acknowledged).await
}

/// Changes every page that there is, and adds some, in a transaction that stays open.
fn large() -> String {
    format!(
        "BEGIN; UPDATE letter SET body = zeroblob(1500);
         WITH RECURSIVE part(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM part WHERE n < 30)
         INSERT INTO letter SELECT {OPEN}, n, zeroblob(900) FROM part"
    )
}

#[derive(Debug, Default, PartialEq)]
struct Count {
    kept: u32,
    lost: u32,
    torn: u32,
    corrupt: u32,
}

impl Count {
    fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Kept(_) => self.kept += 1,
            Verdict::Lost => self.lost += 1,
            Verdict::Torn => self.torn += 1,
            Verdict::Corrupt => self.corrupt += 1,
        }
    }
}

/// Both kinds of death in a mode, each as often as said: in a transaction, at an operation.
async fn die_often(sql: &str, faults: &DiskFaults, [first, second]: [u64; 2]) -> [Count; 2] {
    let mut counts = [Count::default(), Count::default()];
    let image = prepared(sql).await;
    for seed in 0..first {
        let verdict = die_in_a_transaction(seed, sql, faults.clone(), &image).await;
        counts[0].add(&verdict);
    }
    for seed in 0..second {
        counts[1].add(&die_twice(seed, sql, faults.clone()).await);
    }
    counts
}

/// Every acknowledged transaction survives, whole.
async fn keeps_all(sql: &str, points: [u64; 2]) {
    let counts = die_often(sql, &DiskFaults::default(), points).await;
    let kept = points.map(|points| u32::try_from(points).expect("a few thousand"));
    assert_eq!(counts, kept.map(|kept| Count { kept, ..Count::default() }), "{sql}");
}

/// Every transaction that survives is whole; acknowledged ones are lost, in both kinds of death.
async fn loses_whole_transactions(sql: &str, points: [u64; 2]) {
    for count in die_often(sql, &DiskFaults::default(), points).await {
        assert!(count.lost > 0 && count.torn + count.corrupt == 0, "{sql}: {count:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_ahead_log_with_full_syncs_keeps_every_acknowledged_transaction() {
    keeps_all(WAL_FULL, [2000, 4000]).await;
}

#[tokio::test(start_paused = true)]
async fn a_rollback_journal_whose_end_is_synced_keeps_every_acknowledged_transaction() {
    keeps_all(DELETE_EXTRA, [700, 1000]).await;
    keeps_all(TRUNCATE_FULL, [700, 1000]).await;
    keeps_all(PERSIST_FULL, [700, 1000]).await;
}

#[tokio::test(start_paused = true)]
async fn sectors_torn_inside_lose_and_break_no_acknowledged_commit_either() {
    let mut kept = BTreeSet::new();
    for seed in 0..2000 {
        let torn = die_twice_by(seed, WAL_FULL, DiskFaults::default(), Disk::power_loss_torn).await;
        assert!(matches!(torn, Verdict::Kept(_)), "seed {seed}: {torn:?}");
        kept.insert(format!("{torn:?}"));
    }
    assert!(kept.len() > 10, "{}", kept.len());
}

#[tokio::test(start_paused = true)]
async fn a_deleted_rollback_journal_comes_back_unless_the_directory_is_synced() {
    loses_whole_transactions(DELETE_FULL, [700, 1000]).await;
}

#[tokio::test(start_paused = true)]
async fn a_write_ahead_log_without_a_sync_at_commit_loses_transactions_and_tears_none() {
    loses_whole_transactions(WAL_NORMAL, [700, 500]).await;
}

#[tokio::test(start_paused = true)]
async fn without_syncs_or_without_a_journal_databases_break() {
    for sql in [DELETE_OFF, WAL_OFF, MEMORY_FULL] {
        let counts = die_often(sql, &DiskFaults::default(), [500, 500]).await;
        assert!(counts[0].torn + counts[0].corrupt > 25, "{sql}: {counts:?}");
        assert!(counts[1].kept < 500, "{sql}: {counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_lies_about_syncs_breaks_every_mode() {
    let lies = DiskFaults { lying_sync: 0.3, ..DiskFaults::default() };
    for sql in [WAL_FULL, DELETE_EXTRA] {
        let counts = die_often(sql, &lies, [500, 500]).await;
        let broken = |count: &Count| count.lost + count.torn + count.corrupt;
        assert!(counts.iter().all(|count| broken(count) > 25 && count.kept > 25), "{counts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_meets_the_same_fate_and_others_meet_others() {
    let mut fates = BTreeSet::new();
    for seed in 0..60 {
        let first = die_twice(seed, WAL_NORMAL, DiskFaults::default()).await;
        let second = die_twice(seed, WAL_NORMAL, DiskFaults::default()).await;
        assert_eq!(first, second, "seed {seed}");
        fates.insert(format!("{first:?}"));
    }
    assert!(fates.len() > 10, "{fates:?}");
}
