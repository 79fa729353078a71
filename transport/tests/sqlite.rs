//! What SQLite is told before it starts. A program of its own: whoever uses SQLite first decides.
#![expect(unsafe_code, reason = "SQLite's counters are C functions")]

use transport::{
    Database, DatabaseError,
    real::{RealConfig, host},
};

async fn open(directory: &tempfile::TempDir) -> Database {
    let host = host(directory.path(), &RealConfig::default()).expect("a directory is a machine");
    host.open("test").await.expect("the directory is writable")
}

#[tokio::test]
async fn sqlite_does_not_count_its_memory() {
    let directory = tempfile::tempdir().unwrap();
    let _database = open(&directory).await;
    // SAFETY: it takes nothing and reads a counter.
    assert_eq!(unsafe { rusqlite::ffi::sqlite3_memory_used() }, 0);
}

#[tokio::test]
async fn what_is_temporary_stays_in_memory() {
    const MEMORY: i64 = 2;
    let directory = tempfile::tempdir().unwrap();
    let read = |connection: &mut rusqlite::Connection| {
        let store = connection.pragma_query_value(None, "temp_store", |row| row.get::<_, i64>(0));
        Ok::<_, DatabaseError>(store?)
    };
    assert_eq!(open(&directory).await.call(read).await.unwrap(), MEMORY);
}
