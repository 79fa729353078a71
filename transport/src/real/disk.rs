//! SQLite files in a directory, one dedicated thread per database.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{
    database::{MAX_QUEUED_JOBS, prepare_connection},
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
        (queued.job)(&mut connection);
        // Nobody waits any more when the caller was dropped.
        queued.done.send(()).ok();
    }
}

struct QueuedJob {
    job: Job,
    done: oneshot::Sender<()>,
}

struct ThreadWorker {
    jobs: mpsc::Sender<QueuedJob>,
}

impl Worker for ThreadWorker {
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>> {
        Box::pin(async move {
            let (done, finished) = oneshot::channel();
            self.jobs.send(QueuedJob { job, done }).await.map_err(|_| DatabaseError::Closed)?;
            finished.await.map_err(|_| DatabaseError::Closed)
        })
    }
}
