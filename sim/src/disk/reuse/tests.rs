//! Tests of connections that are used again.

use std::sync::{Arc, Mutex};

use transport::{Database, DatabaseError};

use super::KEPT;
use crate::disk::{Disk, DiskFaults, DiskImage, DiskObserver, DiskStats, image::Epoch};

#[derive(Default)]
struct Synced(Mutex<Vec<(String, u64)>>);

impl DiskObserver for Synced {
    fn synced(&self, file: &str, bytes: u64) {
        self.0.lock().expect("no panic").push((file.to_owned(), bytes));
    }
    fn injected(&self, _fault: u64) {}
    fn died(&self, _faults: &[u64]) {}
}

const TABLE: &str = "CREATE TABLE letter (id INTEGER PRIMARY KEY, body BLOB) STRICT";

/// A disk on which a table was installed, and its database, open.
async fn world() -> (Arc<Disk>, Arc<Synced>, Database) {
    world_with(TABLE).await
}

/// A disk on which an installation did `sql`, and its database, open.
async fn world_with(sql: &'static str) -> (Arc<Disk>, Arc<Synced>, Database) {
    let image =
        DiskImage::made_by(|disk| async move { execute(&disk.open("letters").await?, sql).await });
    let synced = Arc::new(Synced::default());
    let disk = Disk::new(7, "a", Arc::new(Epoch), Arc::clone(&synced) as _);
    disk.restore(&image.expect("an empty disk takes a table"));
    let database = disk.mount().open("letters").await.expect("it is there");
    (disk, synced, database)
}

async fn execute(database: &Database, sql: &'static str) -> Result<(), DatabaseError> {
    database.call(move |connection| Ok(connection.execute_batch(sql)?)).await
}

/// Writes letters until the log has been copied into the database twice, with reads and a
/// transaction that is undone in between; returns everything that the disk did.
async fn work(world: &(Arc<Disk>, Arc<Synced>, Database)) -> (DiskStats, Vec<(String, u64)>) {
    let (disk, synced, database) = world;
    for number in 0..500 {
        let write = move |connection: &mut rusqlite::Connection| {
            let letters: i64 = connection
                .prepare_cached("SELECT count(*) FROM letter")?
                .query_row([], |row| row.get(0))?;
            assert_eq!(letters, number);
            assert_eq!(connection.last_insert_rowid(), number, "no row of another world");
            let sql = "INSERT INTO letter (body) VALUES (zeroblob(4000))";
            connection.execute(sql, [])?;
            Ok::<_, DatabaseError>(())
        };
        database.call(write).await.expect("the disk is healthy");
    }
    execute(database, "BEGIN; DELETE FROM letter; ROLLBACK").await.expect("undone");
    (disk.stats(), synced.0.lock().expect("no panic").clone())
}

fn kept() -> usize {
    KEPT.with_borrow(Vec::len)
}

#[tokio::test(start_paused = true)]
async fn a_disk_cannot_tell_whether_a_connection_was_used_before() {
    KEPT.take();
    let new = world().await;
    let by_new = work(&new).await;
    new.0.kill();
    drop(new);
    assert_eq!(kept(), 1);

    let again = world().await;
    assert_eq!(kept(), 0, "it is used again");
    let by_again = work(&again).await;
    assert!(by_new.1.len() > 500, "it has written");
    assert_eq!(by_new, by_again);
}

async fn count(database: &Database) -> i64 {
    let count = |connection: &mut rusqlite::Connection| {
        let sql = "SELECT count(*) FROM letter";
        Ok::<i64, DatabaseError>(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    };
    database.call(count).await.expect("it can be read")
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_used_again_for_other_rows_and_sees_them() {
    KEPT.take();
    let (disk, _, database) = world().await;
    assert_eq!(count(&database).await, 0);
    disk.kill();
    drop(database);
    let written = "CREATE TABLE letter (id INTEGER PRIMARY KEY, body BLOB) STRICT;
         INSERT INTO letter (body) VALUES (zeroblob(9000)), (zeroblob(9000))";
    let again = world_with(written).await;
    assert_eq!(kept(), 0, "it is used again");
    assert_eq!(count(&again.2).await, 2);
    let by_again = again.0.stats();
    KEPT.take();
    let new = world_with(written).await;
    assert_eq!(count(&new.2).await, 2);
    assert_eq!(new.0.stats(), by_again);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_used_again_for_another_schema() {
    KEPT.take();
    let (disk, _, database) = world().await;
    disk.kill();
    drop(database);
    let (_disk, _, database) = world_with(
        "CREATE TABLE sender (id INTEGER PRIMARY KEY) STRICT;
        CREATE TABLE letter (id INTEGER PRIMARY KEY, body BLOB) STRICT;
        INSERT INTO letter DEFAULT VALUES",
    )
    .await;
    assert_eq!(kept(), 1);
    assert_eq!(count(&database).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_connection_that_is_used_again_commits_survives_a_power_loss() {
    KEPT.take();
    let first = world().await;
    first.0.kill();
    drop(first);
    let again = world().await;
    assert_eq!(kept(), 0, "it is used again");
    work(&again).await;
    again.0.power_loss_of_all();
    let database = again.0.mount().open("letters").await.expect("the next incarnation");
    assert_eq!(count(&database).await, 500);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_not_like_a_new_one_is_not_kept() {
    KEPT.take();
    let unlike = ["PRAGMA synchronous = NORMAL", "CREATE TABLE t (c)", "BEGIN IMMEDIATE"];
    for sql in unlike {
        let (disk, _, database) = world().await;
        execute(&database, sql).await.expect(sql);
        disk.kill();
        drop(database);
        assert_eq!(kept(), 0, "{sql}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_only_if_its_incarnation_is_over_and_its_disk_was_sound() {
    KEPT.take();
    let (_alive, _, database) = world().await;
    drop(database);
    assert_eq!(kept(), 0);
    let (failing, _, database) = world().await;
    failing.add_fault(1, DiskFaults { eio_read: 0.5, ..DiskFaults::default() });
    failing.remove_fault(1);
    failing.kill();
    drop(database);
    assert_eq!(kept(), 0);
}

/// What a machine does that works, goes down as `down` says, and works again; with the connection
/// that it had, or with a new one.
async fn work_twice(down: fn(&Disk), reuse: bool) -> [(DiskStats, Vec<(String, u64)>); 2] {
    KEPT.take();
    let world = world().await;
    let first = work(&world).await;
    down(&world.0);
    let (disk, synced, database) = world;
    drop(database);
    assert_eq!(kept(), 1);
    if !reuse {
        KEPT.take();
    }
    let database = disk.mount().open("letters").await.expect("the next incarnation");
    assert_eq!(kept(), 0, "the connection is used again if there is one");
    execute(&database, "DELETE FROM letter").await.expect("the disk is healthy");
    [first, work(&(disk, synced, database)).await]
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_boots_again_cannot_tell_whether_it_has_the_same_connection() {
    let ways: [fn(&Disk); 4] =
        [Disk::kill, Disk::power_loss, Disk::power_loss_torn, Disk::power_loss_of_all];
    for (way, down) in ways.into_iter().enumerate() {
        let [new, again] = [work_twice(down, false).await, work_twice(down, true).await];
        assert_eq!(new, again, "way {way}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_was_set_back_is_opened_by_another_connection() {
    KEPT.take();
    let world = world().await;
    let backup = world.0.snapshot();
    work(&world).await;
    let (disk, _, database) = world;
    disk.restore(&backup);
    drop(database);
    assert_eq!(kept(), 1);
    let database = disk.mount().open("letters").await.expect("it is there");
    assert_eq!(kept(), 1, "it knows another file");
    assert_eq!(count(&database).await, 0);
}
