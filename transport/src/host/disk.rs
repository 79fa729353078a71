//! SQLite databases of a machine.
//!
//! One database has one worker and runs one query at a time (as in the Synapse note in the
//! project's seeds): a dedicated thread on a real machine, inline at an await point in the
//! simulated world.

use std::{io, sync::Arc};

use rusqlite::Connection;

use super::{BoxFuture, Transaction};

/// A piece of work on a connection, as a [`Worker`] takes it. It leaves the connection's settings as
/// they are, except by a PRAGMA: in the simulator, the connection may go on after a boot of its machine,
/// or in another world.
pub type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// A machine's disk.
pub trait Disk: Send + Sync + 'static {
    /// Opens (and creates, if need be) the database called `name`, in WAL mode with
    /// `synchronous=FULL`, so that a commit that returned survives a power loss.
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>>;

    /// Returns the secret called `name`, which is kept beside the databases and so is there when one of
    /// them was lost or is an older copy; `None`: there is none yet, or this disk keeps none.
    fn secret(&self, _name: &str) -> BoxFuture<'_, io::Result<Option<Secret>>> {
        Box::pin(async { Ok(None) })
    }

    /// Keeps a secret, readable for this machine's operator alone; durable when this returns.
    fn keep_secret(&self, _name: &str, _secret: Secret) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Returns the note called `name`, which is kept beside the databases as a secret is, but is none;
    /// `None`: there is none yet, or this disk keeps none.
    fn note(&self, _name: &str) -> BoxFuture<'_, io::Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }

    /// Keeps a note, in the place of the one before; durable when this returns.
    fn keep_note(&self, _name: &str, _text: String) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Sets `bytes` of this disk aside, unless they are already; nothing, on a disk whose room is not
    /// counted.
    fn keep_reserve(&self, _bytes: u64) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    /// Gives back what was set aside, for a database on a disk that is full; returns whether there was
    /// any.
    fn release_reserve(&self) -> BoxFuture<'_, io::Result<bool>> {
        Box::pin(async { Ok(false) })
    }
}

/// The bytes of a secret.
pub type Secret = [u8; 32];

/// Runs jobs on one connection, one after another, in the order in which they came.
pub trait Worker: Send + Sync + 'static {
    /// Runs `job`. Resolves when it has run; an error means that it never will.
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>>;
}

/// One open database. Cheap to clone; every clone is the same connection.
#[derive(Clone)]
pub struct Database {
    worker: Arc<dyn Worker>,
}

impl Database {
    /// Returns a database whose connection `worker` owns.
    pub fn new(worker: Arc<dyn Worker>) -> Self {
        Self { worker }
    }

    /// Runs `work` inside one `IMMEDIATE` transaction and commits it: all of it is durable when
    /// this returns `Ok`, and none of it happened when `work` returns an error. A commit that the
    /// disk refused is undone too, but may come back with the next power loss: its pages may have
    /// reached the medium before the sync failed. Callers treat it as indefinite.
    ///
    /// A caller that is dropped while this waits does not know whether the work was done.
    ///
    /// # Errors
    /// What `work` returned; or the database's own refusal, converted.
    pub async fn transaction<T, E>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        self.call(move |connection| {
            let sql = |error| E::from(DatabaseError::Sql(error));
            let transaction = Transaction::begin(connection).map_err(sql)?;
            let value = work(&transaction)?;
            transaction.commit().map_err(sql)?;
            Ok(value)
        })
        .await
    }

    /// Runs `work` on the connection, outside any transaction; meant for reads.
    ///
    /// # Errors
    /// What `work` returned; or [`DatabaseError::Closed`], converted.
    pub async fn call<T, E>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits for the answer any more: the caller was dropped.
            drop(sender.send(work(connection)));
        });
        self.worker.run(job).await?;
        receiver.await.map_err(|_| DatabaseError::Closed)?
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").finish_non_exhaustive()
    }
}

/// Why a database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// SQLite refused; full and failing disks land here.
    #[error("the database refused: {0}")]
    Sql(#[from] rusqlite::Error),
    /// What is stored is not this node's: its name, or its key, is another one.
    #[error("{0}")]
    Foreign(String),
    /// The worker is gone: the machine is shutting down.
    #[error("the database is closed")]
    Closed,
    /// The job panicked, which is a bug; its transaction is undone, and the database goes on.
    #[error("a database job panicked")]
    Panicked,
}

impl DatabaseError {
    /// Returns whether another process kept the database too long, so that the same request may succeed
    /// later.
    pub fn is_busy(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
        let code = match self {
            Self::Sql(error) => error.sqlite_error_code(),
            Self::Closed | Self::Panicked | Self::Foreign(_) => None,
        };
        matches!(code, Some(DatabaseBusy | DatabaseLocked))
    }

    /// Returns whether the disk is full or failing, so that the same request may succeed later.
    pub fn is_disk_trouble(&self) -> bool {
        use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
        match self {
            Self::Sql(error) => matches!(
                error.sqlite_error_code(),
                Some(DiskFull | SystemIoFailure | CannotOpen | ReadOnly)
            ),
            Self::Closed => true,
            Self::Panicked | Self::Foreign(_) => false,
        }
    }
}
