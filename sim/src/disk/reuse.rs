//! Connections that are used again: where a database is opened that is as an installation left it, a
//! connection of a world that is over is given the files of this one. It keeps the statements that
//! were prepared on it, which is what most of opening and a seventh of a run's time would go into.
//!
//! A run cannot tell whether that happened. What opening such a database does depends on what it
//! reads there: that is the schema, and a connection is used again where all of it is as it was
//! ([`Opening::would_be_same_for`]). Then opening finds no log, and makes an empty one; a connection
//! that is used again has that done in its place, and finds its locks and the log's index as a new
//! one does. Neither has a page in memory, and both know the schema. SQLite itself looks at the index
//! when a transaction begins, as it does because another process may have written meanwhile.
//!
//! Only a connection that is like a new one is kept: its incarnation is over, it was idle then, no
//! operation of its files ever failed, nothing was ever the matter with its disk, and no statement
//! did more than read and change rows.

use std::{cell::RefCell, ops::Range, sync::Arc};

use libsqlite3_sys as ffi;
use rusqlite::Connection;
use transport::database::{prepare_connection, settle_log};

use super::{
    DiskStats,
    connection::{forget_last_row, watch_statements},
    directory::FileRef,
    incarnation::Incarnation,
    io::with_files,
    pages::Pages,
    vfs::Vfs,
};

/// Connections that a thread keeps; beyond that the one kept longest is closed.
const MAX_KEPT: usize = 64;

/// Bytes of a database's header that change without the schema, and that a transaction on a database
/// with a log looks at as it begins, if at all: the change counter, the size in pages, the list of
/// free pages, and for which change the version is valid (SQLite's file format, section 1.3).
const PASSING: [Range<usize>; 2] = [24..40, 92..96];

thread_local! {
    /// The connections that wait for their next world, that kept longest first.
    static KEPT: RefCell<Vec<Opened>> = const { RefCell::new(Vec::new()) };

    /// Where they wait.
    static NOWHERE: Arc<Incarnation> = Incarnation::nowhere();
}

/// An open connection.
pub(super) struct Opened {
    pub(super) connection: Connection,
    vfs: Arc<Vfs>,
    /// What opening it did, if it may be used again.
    opening: Option<Opening>,
}

/// What opening a database did that an installation left behind.
struct Opening {
    /// The database.
    file: String,
    /// What was read of it, by offset.
    seen: Vec<(usize, Vec<u8>)>,
    /// Reads that it took.
    reads: u64,
    /// What the index of the log held.
    index: Vec<Vec<u64>>,
}

/// Opens the database `file`, and creates it if need be.
pub(super) fn open(incarnation: &Arc<Incarnation>, file: &str) -> rusqlite::Result<Opened> {
    let Some(pages) = incarnation.volume().untouched(incarnation.epoch(), file) else {
        let opened = connect(Vfs::register(incarnation), file)?;
        settle_log(&opened.connection)?;
        return Ok(opened);
    };
    let kept = take(file, &pages).filter(|kept| kept.move_to(incarnation));
    kept.map_or_else(|| open_first(incarnation, file, &pages), Ok)
}

/// Takes a connection that was kept and whose opening would be that of `pages` under the name `file`.
fn take(file: &str, pages: &Pages) -> Option<Opened> {
    KEPT.with_borrow_mut(|kept| {
        let is_it = |it: &Opening| it.would_be_same_for(file, pages);
        let at = kept.iter().rposition(|kept| kept.opening.as_ref().is_some_and(is_it))?;
        Some(kept.remove(at))
    })
}

fn connect(vfs: Arc<Vfs>, file: &str) -> rusqlite::Result<Opened> {
    let connection = vfs.connect(file)?;
    prepare_connection(&connection)?;
    Ok(Opened { connection, vfs, opening: None })
}

/// Opens a database that an installation left behind, with a connection that may be used again.
fn open_first(
    incarnation: &Arc<Incarnation>,
    file: &str,
    pages: &Pages,
) -> rusqlite::Result<Opened> {
    let before = incarnation.volume().stats();
    let vfs = Vfs::register(incarnation);
    vfs.note_reads(true);
    let mut opened = connect(vfs, file)?;
    let Opened { connection, vfs, .. } = &opened;
    // One that is used again knows the schema.
    drop(connection.prepare("SELECT 1 FROM sqlite_schema")?);
    connection.release_memory()?;
    let after = incarnation.volume().stats();
    let only_read = DiskStats { reads: before.reads, ..after } == before;
    let opening = with_files(connection, |database, log| {
        let index = database.idle_index().filter(|_| only_read && log.is_new_log())?;
        let seen = database.take_read().into_iter().map(|place| (place.start, see(pages, place)));
        let (file, seen) = (file.to_owned(), seen.collect());
        Some(Opening { file, seen, reads: after.reads - before.reads, index })
    });
    vfs.note_reads(false);
    if let Some(opening) = opening.flatten() {
        watch_statements(connection, vfs);
        opened.opening = Some(opening);
    }
    Ok(opened)
}

impl Opening {
    /// Returns whether opening the database `file` that holds `pages` would do what this did: whether
    /// it would read the same.
    fn would_be_same_for(&self, file: &str, pages: &Pages) -> bool {
        let is_seen = |(offset, bytes): &(usize, Vec<u8>)| {
            see(pages, *offset..*offset + bytes.len()) == *bytes
        };
        self.file == file && self.seen.iter().all(is_seen)
    }
}

/// Returns what opening learns of `place`: what is there, without the fields of the header that every
/// transaction reads again.
fn see(pages: &Pages, place: Range<usize>) -> Vec<u8> {
    let mut bytes = vec![0; place.len()];
    pages.read(place.start, &mut bytes);
    for at in PASSING.into_iter().flatten().filter(|at| place.contains(at)) {
        bytes[at - place.start] = 0;
    }
    bytes
}

/// Keeps a connection for a later world if it is like a new one, and closes it otherwise.
pub(super) fn keep(opened: Opened, incarnation: &Incarnation) {
    // A thread that ends keeps nothing.
    let closed = if opened.is_like_new(incarnation) && opened.leave() {
        KEPT.try_with(|kept| push(&mut kept.borrow_mut(), opened)).ok().flatten()
    } else {
        Some(opened)
    };
    drop(closed);
}

/// Returns the connection that has to go instead.
fn push(kept: &mut Vec<Opened>, opened: Opened) -> Option<Opened> {
    kept.push(opened);
    (kept.len() > MAX_KEPT).then(|| kept.remove(0))
}

impl Opened {
    /// Returns whether this connection, which `incarnation` opened, is like one that was just
    /// opened by nobody.
    fn is_like_new(&self, incarnation: &Incarnation) -> bool {
        let Some(opening) = &self.opening else { return false };
        !incarnation.is_alive()
            && !incarnation.volume().was_troubled()
            && !self.vfs.is_spoilt()
            && !std::thread::panicking()
            && self.connection.is_autocommit()
            && !self.connection.is_busy()
            && with_files(&self.connection, |database, log| {
                let index = database.idle_index();
                let is_own = database.is_of(&self.vfs) && log.is_of(&self.vfs);
                is_own && index.is_some_and(|index| index.len() == opening.index.len())
            }) == Some(true)
    }

    /// Forgets the world that is over; returns whether it could.
    fn leave(&self) -> bool {
        forget_last_row(&self.connection);
        let Ok(nowhere) = NOWHERE.try_with(Arc::clone) else { return false };
        let left = with_files(&self.connection, |database, log| {
            database.move_to(&nowhere, FileRef::default());
            log.move_to(&nowhere, FileRef::default());
        });
        self.vfs.move_to(&nowhere);
        left.is_some() && self.connection.release_memory().is_ok()
    }

    /// Does what opening the database again would do, on the disk of `incarnation`; returns whether
    /// it could.
    fn move_to(&self, incarnation: &Arc<Incarnation>) -> bool {
        let Some(opening) = &self.opening else { return false };
        let log_name = format!("{}-wal", opening.file);
        let moved = with_files(&self.connection, |database, log| {
            incarnation.operate(ffi::SQLITE_CANTOPEN, |state| {
                let file = state.directory.get(&opening.file).ok_or(ffi::SQLITE_CANTOPEN)?;
                database.open_again(incarnation, Arc::clone(file), &opening.index);
                log.create_again(incarnation, state.directory.create(&log_name));
                state.stats.reads += opening.reads;
                Ok(())
            })
        });
        let is_moved = matches!(moved, Some(Ok(())));
        if is_moved {
            self.vfs.move_to(incarnation);
        }
        is_moved
    }
}

#[cfg(test)]
mod tests {
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
            DiskImage::made_by(
                |disk| async move { execute(&disk.open("letters").await?, sql).await },
            );
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
            Ok::<i64, DatabaseError>(
                connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?,
            )
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
}
