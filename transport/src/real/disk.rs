//! SQLite files in a directory, one dedicated thread per database.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{
    database::{MAX_QUEUED_JOBS, disable_memory_statistics, prepare_connection},
    host::{BoxFuture, Database, DatabaseError, Disk, Job, Worker},
};

/// A directory of databases, each in the file `<name>.sqlite`.
pub(super) struct DirectoryDisk {
    directory: PathBuf,
}

impl DirectoryDisk {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }
}

impl Disk for DirectoryDisk {
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        let path = self.directory.join(format!("{name}.sqlite"));
        let thread_name = name.to_owned();
        Box::pin(async move {
            let (opened, answer) = oneshot::channel();
            let (sender, jobs) = mpsc::channel(MAX_QUEUED_JOBS);
            std::thread::Builder::new()
                .name(thread_name)
                .spawn(move || work(&path, opened, jobs))
                .map_err(|_| DatabaseError::Closed)?;
            answer.await.map_err(|_| DatabaseError::Closed)??;
            Ok(Database::new(Arc::new(ThreadWorker { jobs: sender })))
        })
    }
}

/// The life of a database's thread: opens the file, then runs jobs until every clone of the
/// [`Database`] is gone.
fn work(
    path: &Path,
    opened: oneshot::Sender<Result<(), DatabaseError>>,
    mut jobs: mpsc::Receiver<QueuedJob>,
) {
    disable_memory_statistics();
    let connection = Connection::open(path)
        .and_then(|connection| prepare_connection(&connection).map(|()| connection));
    let mut connection = match connection {
        Ok(connection) => connection,
        Err(error) => {
            drop(opened.send(Err(error.into())));
            return;
        }
    };
    if opened.send(Ok(())).is_err() {
        return;
    }
    while let Some(queued) = jobs.blocking_recv() {
        let done = run(queued.job, &mut connection);
        // Nobody waits any more when the caller was dropped.
        queued.done.send(done).ok();
    }
}

/// Runs one job. A panic in it is its caller's trouble, and no reason to end the database for
/// everybody else.
fn run(job: Job, connection: &mut Connection) -> Result<(), DatabaseError> {
    // Unwinding drops what the job has borrowed of the connection, and a dropped transaction is
    // undone: the next job finds the connection as this one did.
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| job(connection))) else {
        return Ok(());
    };
    let said = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no reason given");
    tracing::error!(panic = said, "a database job panicked");
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    Err(DatabaseError::Panicked)
}

struct QueuedJob {
    job: Job,
    done: oneshot::Sender<Result<(), DatabaseError>>,
}

struct ThreadWorker {
    jobs: mpsc::Sender<QueuedJob>,
}

impl Worker for ThreadWorker {
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>> {
        Box::pin(async move {
            let (done, finished) = oneshot::channel();
            self.jobs.send(QueuedJob { job, done }).await.map_err(|_| DatabaseError::Closed)?;
            finished.await.map_err(|_| DatabaseError::Closed)?
        })
    }
}
