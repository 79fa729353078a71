//! What one incarnation shares, and what a dead one can no longer do.

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
};

use sim::disk::{Disk, DiskFaults};
use transport::DatabaseError;

use crate::program::{Acknowledged, commit, disk, execute, letters, open, open_with};

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
async fn a_restored_disk_holds_what_it_held() {
    let (disk, _) = disk(9);
    let database = open_with(&disk, "").await.expect("open");
    commit(&database, 0, &Acknowledged::default()).await.expect("commit");
    let image = disk.snapshot();
    commit(&database, 1, &Acknowledged::default()).await.expect("commit");
    disk.restore(&image);
    assert!(commit(&database, 2, &Acknowledged::default()).await.is_err());
    disk.power_loss();
    assert_eq!(disk.snapshot(), image);
    let database = open_with(&disk, "").await.expect("open again");
    assert_eq!(letters(&database).await, BTreeSet::from([0]));
}

#[tokio::test(start_paused = true)]
async fn at_its_worst_a_power_loss_keeps_nothing_that_a_lying_disk_has_not_written() {
    let mut kept_by_luck = 0;
    for seed in 0..20 {
        let letters_after = async |lose_power: fn(&Disk)| {
            let (disk, _) = disk(seed);
            let database = open_with(&disk, "").await.expect("open");
            commit(&database, 0, &Acknowledged::default()).await.expect("commit");
            disk.set_faults(DiskFaults { lying_sync: 1.0, ..DiskFaults::default() });
            commit(&database, 1, &Acknowledged::default()).await.expect("it lies");
            lose_power(&disk);
            disk.set_faults(DiskFaults::default());
            letters(&open_with(&disk, "").await.expect("open again")).await
        };
        assert_eq!(letters_after(Disk::power_loss_of_all).await, BTreeSet::from([0]));
        kept_by_luck += usize::from(letters_after(Disk::power_loss).await.contains(&1));
    }
    assert!((1..20).contains(&kept_by_luck), "{kept_by_luck} of 20");
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
