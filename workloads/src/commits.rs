//! One commit after another, WAL and `synchronous=FULL`, on the simulated disk and on a real one.

use std::time::Duration;

use transport::{
    Database, DatabaseError, Host,
    real::{RealConfig, host},
};

use crate::{clock::WallTime, loopback::block_on, simulated::in_world};

/// Where the real file is: on the disk that the project is on, not on a temporary one in memory.
const FOLDER: &str = "target/fedsim";

/// Bytes of a row.
const ROW: usize = 150;

/// Longer than any number of commits takes.
const LONG: Duration = Duration::from_hours(24);

/// Wall time of `commits` commits on the simulated disk.
///
/// # Errors
/// One failed.
pub fn simulated(commits: u64) -> Result<Duration, String> {
    in_world(LONG, move |world| {
        let seat = world.add_seat("m");
        async move { measure(&seat, commits).await }
    })?
    .map_err(|error| error.to_string())
}

/// Wall time of `commits` commits on a real file: a real disk is waited for.
///
/// # Errors
/// One failed, or there is no room for the file.
pub fn on_file(commits: u64) -> Result<Duration, String> {
    std::fs::create_dir_all(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    let home = tempfile::tempdir_in(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    block_on(async {
        let host = host(home.path(), &RealConfig::default()).map_err(|error| error.to_string())?;
        measure(&host, commits).await.map_err(|error| error.to_string())
    })
}

async fn measure(host: &Host, commits: u64) -> Result<Duration, DatabaseError> {
    let database = host.open("bench").await?;
    let table = "CREATE TABLE row (id INTEGER PRIMARY KEY, body BLOB NOT NULL)";
    database.transaction::<_, DatabaseError>(|it| Ok(it.execute_batch(table)?)).await?;
    let began = WallTime::now();
    for _ in 0..commits {
        insert(&database).await?;
    }
    Ok(began.elapsed())
}

async fn insert(database: &Database) -> Result<(), DatabaseError> {
    database
        .transaction(|transaction| {
            let mut insert = transaction.prepare_cached("INSERT INTO row (body) VALUES (?1)")?;
            insert.execute([[7_u8; ROW].as_slice()])?;
            Ok(())
        })
        .await
}
