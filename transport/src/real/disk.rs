//! SQLite files in a directory, one dedicated thread per database.

use std::{
    fmt,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{
    database::{MAX_QUEUED_JOBS, disable_memory_statistics, prepare_connection},
    host::{BoxFuture, Database, DatabaseError, Disk, Job, Secret, Worker},
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

    fn secret(&self, name: &str) -> BoxFuture<'_, io::Result<Option<Secret>>> {
        let path = self.directory.join(format!("{name}.key"));
        Box::pin(async move { read_secret(&path) })
    }

    fn keep_secret(&self, name: &str, secret: Secret) -> BoxFuture<'_, io::Result<()>> {
        let path = self.directory.join(format!("{name}.key"));
        Box::pin(async move { write_secret(&path, &secret) })
    }
}

/// Returns the secret in a file of hexadecimal digits; `None` if there is no such file.
fn read_secret(path: &Path) -> io::Result<Option<Secret>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(named(path, &error)),
    };
    let text = text.trim();
    let byte = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    let secret = bytes.and_then(|bytes| Secret::try_from(bytes).ok());
    let malformed = || io::Error::other("it is not 64 hexadecimal digits");
    secret.map(Some).ok_or_else(|| named(path, &malformed()))
}

/// Writes the file whole or not at all.
fn write_secret(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut text = String::new();
    for byte in secret {
        fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}")).map_err(io::Error::other)?;
    }
    let beside = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside).map_err(|error| named(&beside, &error))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let directory = path.parent().unwrap_or(path);
    std::fs::File::open(directory)?.sync_all()
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
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
