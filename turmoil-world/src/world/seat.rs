//! Tasks of a machine that may be given before its turmoil host exists: those of a seat.

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

use super::Shared;

/// Tasks of one boot of a machine. A panic of one ends the run.
pub(crate) struct LateTasks {
    shared: Shared,
    machine: Arc<str>,
    runtime: Mutex<Runtime>,
}

enum Runtime {
    /// There is none yet: what was given until now.
    None(Vec<BoxFuture<'static, ()>>),
    /// The turmoil host's own.
    Bound(Handle),
}

impl LateTasks {
    pub(super) fn new(shared: Shared, machine: &Arc<str>) -> Self {
        let runtime = Mutex::new(Runtime::None(Vec::new()));
        Self { shared, machine: Arc::clone(machine), runtime }
    }

    /// From now on tasks run here: in the turmoil host that calls this.
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

    /// The task, telling the run of its panic.
    fn watched(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let (shared, machine) = (self.shared.clone(), Arc::clone(&self.machine));
        Box::pin(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                shared.lock().panicked(&machine, &*panic);
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
