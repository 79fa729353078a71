//! One commit on the simulated disk, against one on a real file: WAL and `synchronous=FULL` both.

use std::time::Duration;

use sim::{Ended, WorldConfig};
use transport::{
    Database, DatabaseError, Host,
    real::{RealConfig, host},
};

use super::{
    clock::WallTime,
    row::{Length, Measured},
};

/// Where the real file is: on the disk that the project is on, not on a temporary one in memory.
const FOLDER: &str = "target/fedsim";

/// Bytes of a row.
const ROW: usize = 150;

/// A commit's wall time, because a real disk is waited for. Mean over many.
pub(super) fn simulated_against_real(length: Length) -> Result<Measured, String> {
    let commits = length.pick(5000, 200);
    let simulated = simulated(commits)?;
    let real = real(commits)?;
    let [simulated, real] =
        [simulated, real].map(|time| time.as_secs_f64() * 1e6 / f64::from(commits));
    Ok(Measured {
        figure: simulated / real,
        detail: format!("{simulated:.1} us a commit against {real:.1} us"),
    })
}

fn simulated(commits: u32) -> Result<Duration, String> {
    let outcome = sim::run(WorldConfig::default(), move |world| {
        let seat = world.add_seat("m");
        async move { measure(&seat, commits).await }
    });
    match (outcome.ended, outcome.value) {
        (Ended::Finished, Some(measured)) => measured.map_err(|error| error.to_string()),
        (other, _) => Err(format!("the world ended otherwise than it should: {other:?}")),
    }
}

fn real(commits: u32) -> Result<Duration, String> {
    std::fs::create_dir_all(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    let home = tempfile::tempdir_in(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let host = host(home.path(), &RealConfig::default()).map_err(|error| error.to_string())?;
    runtime.block_on(measure(&host, commits)).map_err(|error| error.to_string())
}

async fn measure(host: &Host, commits: u32) -> Result<Duration, DatabaseError> {
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
