//! Databases as the programs of one incarnation see them: jobs run inline, one at a time.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};
use transport::{
    BoxFuture, Database, DatabaseError,
    database::prepare_connection,
    host::{Job, Worker},
};

use super::{vfs::Vfs, volume::Volume};

/// A disk as the incarnation that was alive when it was mounted sees it.
pub(super) struct Mount {
    vfs: Arc<Vfs>,
}

impl Mount {
    pub(super) fn new(volume: &Arc<Volume>) -> Self {
        Self { vfs: Vfs::register(volume) }
    }
}

impl transport::host::Disk for Mount {
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        let file = format!("{name}.sqlite");
        Box::pin(async move {
            if !self.vfs.is_alive() {
                return Err(DatabaseError::Closed);
            }
            let connection = self.vfs.connect(&file).and_then(|connection| {
                prepare_connection(&connection)?;
                Ok(connection)
            });
            settle(&self.vfs).await;
            let free_at = Instant::now() + self.vfs.volume().take_busy();
            wait_until(free_at).await;
            let desk = Mutex::new(Desk { connection: connection?, free_at });
            Ok(Database::new(Arc::new(InlineWorker { desk, vfs: Arc::clone(&self.vfs) })))
        })
    }
}

/// Runs jobs where they are asked for. Its mutex serves callers in the order in which they came.
struct InlineWorker {
    desk: Mutex<Desk>,
    vfs: Arc<Vfs>,
}

/// A connection, and when the disk will be done with what the last job asked of it. A caller that
/// gives up waiting does not make the disk any faster for the next one.
struct Desk {
    connection: Connection,
    free_at: Instant,
}

impl Worker for InlineWorker {
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>> {
        Box::pin(async move {
            let mut desk = self.desk.lock().await;
            wait_until(desk.free_at).await;
            if !self.vfs.is_alive() {
                return Err(DatabaseError::Closed);
            }
            job(&mut desk.connection);
            settle(&self.vfs).await;
            // The machine died in the middle of the job: what the job believes must not get out;
            // only the disk can tell whether it was done.
            if !self.vfs.is_alive() {
                return Err(DatabaseError::Closed);
            }
            desk.free_at = Instant::now() + self.vfs.volume().take_busy();
            wait_until(desk.free_at).await;
            Ok(())
        })
    }
}

/// Ends a job: resumes a panic that was caught below SQLite, and lets a machine that must not be
/// scheduled any more stop right here, before its node learns what became of the job.
async fn settle(vfs: &Vfs) {
    vfs.volume().resume_panic();
    if vfs.volume().is_held() {
        tokio::task::yield_now().await;
    }
}

/// Sleeps until `time`; does not even yield if that has passed.
async fn wait_until(time: Instant) {
    if time > Instant::now() {
        sleep_until(time).await;
    }
}
