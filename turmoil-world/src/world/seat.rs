//! Tasks that may be given to a machine before its turmoil host exists: those of a seat.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::{FutureExt, future::abortable};
use tokio::runtime::Handle;
use transport::{
    BoxFuture,
    host::{TaskHandle, Tasks},
};

use super::TurmoilWorld;

/// Tasks of one boot of a machine. A panic of one ends the run.
pub(crate) struct LateTasks {
    world: TurmoilWorld,
    machine: Arc<str>,
    runtime: Mutex<Runtime>,
}

enum Runtime {
    /// There is none yet: what has been given so far.
    None(Vec<BoxFuture<'static, ()>>),
    /// The turmoil host's own.
    Bound(Handle),
}

impl LateTasks {
    pub(super) fn new(world: TurmoilWorld, machine: &Arc<str>) -> Self {
        let runtime = Mutex::new(Runtime::None(Vec::new()));
        Self { world, machine: Arc::clone(machine), runtime }
    }

    /// Runs all tasks here from now on: in the turmoil host that calls this.
    pub(super) fn bind(&self) {
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        let handle = Handle::current();
        let before = std::mem::replace(&mut *runtime, Runtime::Bound(handle.clone()));
        if let Runtime::None(tasks) = before {
            for task in tasks {
                handle.spawn(task);
            }
        }
    }

    /// Returns the task, which reports its panic to the run.
    fn watched(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let (world, machine) = (self.world.clone(), Arc::clone(&self.machine));
        Box::pin(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                world.lock().panicked(&machine, &*panic);
            }
        })
    }
}

impl Tasks for LateTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let (task, abort) = abortable(self.watched(task));
        let task: BoxFuture<'static, ()> = Box::pin(task.map(drop));
        let mut runtime = self.runtime.lock().unwrap_or_else(PoisonError::into_inner);
        if let Runtime::None(tasks) = &mut *runtime {
            tasks.push(task);
        } else if let Runtime::Bound(handle) = &*runtime {
            let handle = handle.clone();
            drop(runtime);
            handle.spawn(task);
        }
        TaskHandle::new(move || abort.abort())
    }
}
