//! Machines that die at thousands of different operations: what survives, by SQLite's settings.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use rand::RngExt;
use sim::disk::DiskFaults;

use crate::program::{Acknowledged, PARTS, commit, disk, is_sound, open_with, parts};

/// Transactions that an incarnation tries.
const TRANSACTIONS: i64 = 12;

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
