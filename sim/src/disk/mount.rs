//! Databases as the programs of one incarnation see them: jobs run inline, one at a time.

use std::sync::Arc;

use tokio::{
    sync::Mutex,
    time::{Instant, sleep_until},
};
use transport::{
    BoxFuture, Database, DatabaseError,
    host::{Job, Worker},
};

use super::{
    incarnation::Incarnation,
    reuse::{self, Opened},
    volume::Volume,
};

/// Returns the name of the file that a database is in.
pub(super) fn file_of(database: &str) -> String {
    format!("{database}.sqlite")
}

/// A disk as the incarnation that was alive when it was mounted sees it.
pub(super) struct Mount {
    incarnation: Arc<Incarnation>,
}

impl Mount {
    pub(super) fn new(volume: &Arc<Volume>) -> Self {
        Self { incarnation: Incarnation::alive(volume) }
    }
}

impl transport::host::Disk for Mount {
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        let file = file_of(name);
        Box::pin(async move {
            let incarnation = &self.incarnation;
            if !incarnation.is_alive() {
                return Err(DatabaseError::Closed);
            }
            let opened = reuse::open(incarnation, &file);
            settle(incarnation).await;
            let free_at = Instant::now() + incarnation.volume().take_busy();
            wait_until(free_at).await;
            let desk = Mutex::new(Desk { opened: Some(opened?), panicked: false, free_at });
            Ok(Database::new(Arc::new(InlineWorker { desk, incarnation: Arc::clone(incarnation) })))
        })
    }
}

/// Runs jobs where they are asked for. Its mutex serves callers in the order in which they came.
struct InlineWorker {
    desk: Mutex<Desk>,
    incarnation: Arc<Incarnation>,
}

/// A connection, and when the disk will be done with what the last job asked of it. A caller that
/// gives up waiting does not make the disk any faster for the next one.
struct Desk {
    /// There until the worker is dropped.
    opened: Option<Opened>,
    /// Whether a job has begun that did not return: it panicked.
    panicked: bool,
    free_at: Instant,
}

impl Worker for InlineWorker {
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>> {
        Box::pin(async move {
            let mut desk = self.desk.lock().await;
            wait_until(desk.free_at).await;
            let Desk { opened, panicked, .. } = &mut *desk;
            let Some(opened) = opened.as_mut().filter(|_| self.incarnation.is_alive()) else {
                return Err(DatabaseError::Closed);
            };
            let before = std::mem::replace(panicked, true);
            job(&mut opened.connection);
            *panicked = before;
            settle(&self.incarnation).await;
            // The machine died in the middle of the job: what the job believes must not get out;
            // only the disk can tell whether it was done.
            if !self.incarnation.is_alive() {
                return Err(DatabaseError::Closed);
            }
            desk.free_at = Instant::now() + self.incarnation.volume().take_busy();
            wait_until(desk.free_at).await;
            Ok(())
        })
    }
}

impl Drop for InlineWorker {
    fn drop(&mut self) {
        let Desk { opened, panicked, .. } = self.desk.get_mut();
        if let Some(opened) = opened.take().filter(|_| !*panicked) {
            reuse::keep(opened, &self.incarnation);
        }
    }
}

/// Ends a job: resumes a panic that was caught below SQLite, and lets a machine that must not be
/// scheduled any more stop right here, before its node learns what became of the job.
async fn settle(incarnation: &Incarnation) {
    incarnation.volume().resume_panic();
    if incarnation.volume().is_held() {
        tokio::task::yield_now().await;
    }
}

/// Sleeps until `time`; does not even yield if that has passed.
async fn wait_until(time: Instant) {
    if time > Instant::now() {
        sleep_until(time).await;
    }
}
