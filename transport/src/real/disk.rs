//! SQLite files in a directory, one dedicated thread per database.

use std::{
    fmt,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, ffi};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use crate::{
    database::{MAX_QUEUED_JOBS, disable_memory_statistics, prepare_connection, settle_log},
    host::{
        BoxFuture, Database, DatabaseError, Disk, Job, Secret, Worker,
        transaction::{commit_group, group_commits},
    },
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

    fn note(&self, name: &str) -> BoxFuture<'_, io::Result<Option<String>>> {
        let path = self.directory.join(format!("{name}.note"));
        Box::pin(async move { read_if_there(&path) })
    }

    fn keep_note(&self, name: &str, text: String) -> BoxFuture<'_, io::Result<()>> {
        let path = self.directory.join(format!("{name}.note"));
        Box::pin(async move { write_whole(&path, &text) })
    }

    fn keep_reserve(&self, bytes: u64) -> BoxFuture<'_, io::Result<()>> {
        let path = self.directory.join(RESERVE);
        Box::pin(async move {
            // Allocating takes no time where files have extents.
            let kept = allocate(&path, bytes).map_err(|error| named(&path, &error));
            kept.inspect_err(|_| drop(std::fs::remove_file(&path)))
        })
    }

    fn release_reserve(&self) -> BoxFuture<'_, io::Result<bool>> {
        let path = self.directory.join(RESERVE);
        Box::pin(async move {
            match std::fs::remove_file(&path) {
                Ok(()) => Ok(true),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
                Err(error) => Err(named(&path, &error)),
            }
        })
    }
}

/// How long a check waits for whoever reads the database meanwhile, such as a backup.
const BUSY: Duration = Duration::from_secs(10);

/// Returns the first thing that is wrong with a database file; none, if it is in order.
///
/// # Errors
/// It cannot be read at all.
pub(super) fn first_defect(path: &Path) -> rusqlite::Result<Option<String>> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let said: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    Ok(Some(said).filter(|said| said != "ok"))
}

/// The file that takes up what is set aside of the disk.
const RESERVE: &str = "reserve";

/// Has a file take up `bytes` of the disk; no file, if that is 0.
fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let known = std::fs::metadata(path).map_or(0, |file| file.len());
    if known == bytes {
        return Ok(());
    }
    let file = std::fs::File::create(path)?;
    if bytes == 0 {
        return std::fs::remove_file(path);
    }
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
    file.sync_all()
}

/// Returns the secret in a file of hexadecimal digits; `None` if there is no such file.
fn read_secret(path: &Path) -> io::Result<Option<Secret>> {
    let Some(text) = read_if_there(path)? else { return Ok(None) };
    let text = text.trim();
    let byte = |at: usize| text.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..text.len()).step_by(2).map(byte).collect();
    let secret = bytes.and_then(|bytes| Secret::try_from(bytes).ok());
    let malformed = || io::Error::other("it is not 64 hexadecimal digits");
    secret.map(Some).ok_or_else(|| named(path, &malformed()))
}

/// Returns the text of a file; `None` if there is no such file.
fn read_if_there(path: &Path) -> io::Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(named(path, &error)),
    }
}

fn write_secret(path: &Path, secret: &Secret) -> io::Result<()> {
    let mut text = String::new();
    for byte in secret {
        fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}")).map_err(io::Error::other)?;
    }
    write_whole(path, &text)
}

/// Writes the file whole or not at all, for this machine's operator alone.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
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
    let connection = Connection::open(path).and_then(|connection| {
        prepare_connection(&connection)?;
        settle_log(&connection)?;
        Ok(connection)
    });
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
    group_commits();
    while let Some(queued) = jobs.blocking_recv() {
        run_group(queued, &mut jobs, &mut connection);
    }
}

/// Runs a job, and what is queued behind it, in one commit: a sync takes as long for many as for one,
/// and whoever waits for a commit waits for the same. Nobody learns what came of a job before what
/// the job may have seen is durable.
fn run_group(first: QueuedJob, jobs: &mut mpsc::Receiver<QueuedJob>, connection: &mut Connection) {
    let began = Instant::now();
    let (mut waiting, mut next) = (Vec::new(), Some(first));
    while let Some(queued) = next.take() {
        let was_open = !connection.is_autocommit();
        let done = run(queued.job, connection);
        if was_open && connection.is_autocommit() {
            // SQLite itself has undone all of it, as it does after some failures.
            fail_all(&mut waiting, &lost());
        }
        waiting.push((queued.done, done));
        let is_open = !connection.is_autocommit();
        if is_open && waiting.len() < MAX_GROUP && began.elapsed() < MAX_GROUP_TIME {
            next = jobs.try_recv().ok();
        }
    }
    if let Err(error) = commit_group(connection) {
        tracing::warn!(%error, "failed to commit");
        fail_all(&mut waiting, &error);
    }
    for (answer, done) in waiting {
        // Nobody waits any more when the caller was dropped.
        answer.send(done).ok();
    }
}

/// Tells those who wait that their jobs were undone.
fn fail_all(waiting: &mut [Waiting], error: &rusqlite::Error) {
    for (_, done) in waiting {
        let code = error.sqlite_error().copied().unwrap_or(ffi::Error::new(ffi::SQLITE_ABORT));
        let again = rusqlite::Error::SqliteFailure(code, Some(error.to_string()));
        *done = Err(DatabaseError::Sql(again));
    }
}

fn lost() -> rusqlite::Error {
    let code = ffi::Error::new(ffi::SQLITE_IOERR);
    rusqlite::Error::SqliteFailure(code, Some("undone with another job".to_owned()))
}

/// Jobs that are committed together at most.
const MAX_GROUP: usize = 64;

/// For how long jobs are added to a commit.
const MAX_GROUP_TIME: Duration = Duration::from_millis(5);

/// Whom to tell what came of a job, and that.
type Waiting = (oneshot::Sender<Result<(), DatabaseError>>, Result<(), DatabaseError>);

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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use futures_util::future::join_all;

    use super::DirectoryDisk;
    use crate::host::{Database, DatabaseError, Disk};

    async fn count(database: &Database) -> i64 {
        let sql = "SELECT count(*) FROM t";
        let read = database.call(|db| Ok::<_, DatabaseError>(db.query_row(sql, [], |r| r.get(0))?));
        read.await.expect("the table is there")
    }

    #[tokio::test]
    async fn what_is_set_aside_takes_room_until_it_is_given_back() {
        let home = tempfile::tempdir().expect("there is a place for temporary files");
        let (disk, path) = (DirectoryDisk::new(home.path()), home.path().join(super::RESERVE));
        let taken = || std::fs::metadata(&path).map_or(0, |file| file.blocks() * 512);
        assert!(!disk.release_reserve().await.unwrap());
        disk.keep_reserve(1 << 20).await.unwrap();
        assert!(taken() >= 1 << 20);
        assert!(disk.keep_reserve(1 << 50).await.is_err(), "no disk is as large");
        assert_eq!(taken(), 0, "half of it is of no use");
        disk.keep_reserve(1 << 20).await.unwrap();
        assert!(disk.release_reserve().await.unwrap());
        assert_eq!(taken(), 0);
    }

    #[tokio::test]
    async fn what_fails_among_many_takes_nothing_of_the_others_along() {
        let home = tempfile::tempdir().expect("there is a place for temporary files");
        let database = DirectoryDisk::new(home.path()).open("t").await.expect("it can be opened");
        let made = database.transaction(|tx| Ok(tx.execute_batch("CREATE TABLE t (n INTEGER)")?));
        made.await.unwrap_or_else(|error: DatabaseError| panic!("{error}"));
        let insert = |number: i64| {
            database.transaction(move |tx| {
                tx.execute("INSERT INTO t VALUES (?1)", [number])?;
                assert!(number % 5 != 0, "one that panics");
                Some(()).filter(|()| number % 2 == 1).ok_or(DatabaseError::Closed)
            })
        };
        let done = join_all((0..50).map(insert)).await;
        let kept = done.iter().filter(|done| done.is_ok()).count();
        assert_eq!((kept, count(&database).await), (20, 20));
        drop(database);
        let again = DirectoryDisk::new(home.path()).open("t").await.expect("it can be opened");
        assert_eq!(count(&again).await, 20);
    }
}
