//! A disk that counts the jobs of its databases.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use transport::{
    BoxFuture, Database, DatabaseError,
    host::{Disk, Job, Worker},
};

/// Jobs so far.
pub(crate) type Jobs = Arc<AtomicUsize>;

pub(crate) struct Counted {
    disk: Arc<dyn Disk>,
    jobs: Jobs,
}

impl Counted {
    pub(crate) fn new(disk: Arc<dyn Disk>, jobs: &Jobs) -> Self {
        Self { disk, jobs: Arc::clone(jobs) }
    }
}

impl Disk for Counted {
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let (database, jobs) = (self.disk.open(&name).await?, Arc::clone(&self.jobs));
            Ok(Database::new(Arc::new(CountedWorker { database, jobs })))
        })
    }
}

struct CountedWorker {
    database: Database,
    jobs: Jobs,
}

impl Worker for CountedWorker {
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>> {
        self.jobs.fetch_add(1, Ordering::SeqCst);
        Box::pin(self.database.call(move |connection| {
            job(connection);
            Ok(())
        }))
    }
}
