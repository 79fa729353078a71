//! A program that commits letters of three parts, and a listener for what its disk tells.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use sim::disk::{Disk, DiskObserver};
use transport::{Database, DatabaseError, host::Clock};

/// Rows of each transaction.
pub(crate) const PARTS: i64 = 3;

pub(crate) struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_hours(438_288)
    }
}

#[derive(Default)]
pub(crate) struct Told {
    pub(crate) synced: Mutex<Vec<(String, u64)>>,
    pub(crate) injected: AtomicU64,
    pub(crate) died: AtomicU64,
}

impl DiskObserver for Told {
    fn synced(&self, file: &str, bytes: u64) {
        self.synced.lock().expect("no panic").push((file.to_owned(), bytes));
    }

    fn injected(&self, _: u64) {
        self.injected.fetch_add(1, Ordering::Relaxed);
    }

    fn died(&self, _: &[u64]) {
        self.died.fetch_add(1, Ordering::Relaxed);
    }
}

pub(crate) fn disk(seed: u64) -> (Arc<Disk>, Arc<Told>) {
    let told = Arc::new(Told::default());
    (Disk::new(seed, "a", Arc::new(FixedClock), Arc::clone(&told) as _), told)
}

pub(crate) async fn open(disk: &Arc<Disk>) -> Result<Database, DatabaseError> {
    disk.mount().open("letters").await
}

/// Opens the database and runs `sql` on its connection.
pub(crate) async fn open_with(disk: &Arc<Disk>, sql: &str) -> Result<Database, DatabaseError> {
    let database = open(disk).await?;
    // Small, so that short programs also die while the log is copied into the database.
    let schema = "PRAGMA wal_autocheckpoint = 6;
        CREATE TABLE IF NOT EXISTS letter (number INTEGER, part INTEGER, body BLOB)";
    execute(&database, &format!("{schema}; {sql}")).await?;
    Ok(database)
}

pub(crate) async fn execute(database: &Database, sql: &str) -> Result<(), DatabaseError> {
    let sql = sql.to_owned();
    database.call(move |connection| Ok(connection.execute_batch(&sql)?)).await
}

/// Acknowledged transactions. A commit counts from the moment at which SQLite says that it is
/// done, be it that the machine is dead by then and its program never hears of it.
pub(crate) type Acknowledged = Arc<Mutex<BTreeSet<i64>>>;

/// Commits letter `number`, in three parts.
pub(crate) async fn commit(
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
pub(crate) async fn parts(database: &Database) -> Result<BTreeMap<i64, i64>, DatabaseError> {
    let read = |connection: &mut rusqlite::Connection| {
        let sql = "SELECT number, count(*) FROM letter GROUP BY number";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    };
    database.call(read).await
}

/// The letters in the database, each of them whole.
pub(crate) async fn letters(database: &Database) -> BTreeSet<i64> {
    let parts = parts(database).await.expect("the database can be read");
    assert!(parts.values().all(|&count| count == PARTS), "half a letter: {parts:?}");
    parts.into_keys().collect()
}

pub(crate) async fn is_sound(database: &Database) -> bool {
    let check = |connection: &mut rusqlite::Connection| {
        let verdict = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0));
        Ok::<String, DatabaseError>(verdict?)
    };
    database.call(check).await.is_ok_and(|verdict| verdict == "ok")
}
