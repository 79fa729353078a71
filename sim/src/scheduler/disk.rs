//! A disk whose databases have their callers give way before each job and after it, as on a machine
//! where a thread does the jobs: what others do in between shows where a program checks and acts in
//! two jobs, or goes to sleep after it has looked.

use std::sync::Arc;

use tokio::sync::Mutex;
use transport::{
    BoxFuture, Database, DatabaseError,
    host::{Disk, Job, Worker},
};

use super::Scheduler;

/// Returns `disk`, seen by tasks that give way.
pub(crate) fn giving_way(disk: Arc<dyn Disk>, scheduler: &Arc<Scheduler>) -> Arc<dyn Disk> {
    Arc::new(YieldingDisk { disk, scheduler: Arc::clone(scheduler) })
}

struct YieldingDisk {
    disk: Arc<dyn Disk>,
    scheduler: Arc<Scheduler>,
}

impl Disk for YieldingDisk {
    fn open(&self, name: &str) -> BoxFuture<'_, Result<Database, DatabaseError>> {
        let name = name.to_owned();
        Box::pin(async move {
            let database = self.disk.open(&name).await?;
            let scheduler = Arc::clone(&self.scheduler);
            let worker = YieldingWorker { database, scheduler, turn: Mutex::new(()) };
            Ok(Database::new(Arc::new(worker)))
        })
    }
}

struct YieldingWorker {
    database: Database,
    scheduler: Arc<Scheduler>,
    /// Jobs are done in the order in which they came, however long one waits to be begun.
    turn: Mutex<()>,
}

impl Worker for YieldingWorker {
    fn run(&self, job: Job) -> BoxFuture<'_, Result<(), DatabaseError>> {
        Box::pin(async move {
            let turn = self.turn.lock().await;
            self.scheduler.give_way().await;
            let done = self.database.call(move |connection| {
                job(connection);
                Ok(())
            });
            let done = done.await;
            drop(turn);
            self.scheduler.give_way().await;
            done
        })
    }
}
