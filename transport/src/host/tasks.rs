//! Background tasks of a machine.

use std::{future::Future, sync::Arc};

use super::BoxFuture;

/// Spawns tasks that end with the process they belong to: a crash ends every one of them.
pub trait Tasks: Send + Sync + 'static {
    /// Runs `task` in the background.
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle;

    /// Runs `work`, which computes for long and waits for nothing, where it holds up no task; resolves
    /// when it has run. A simulated machine has one processor, and runs it at once.
    fn compute(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move { work() })
    }
}

/// A running task. Dropping the handle leaves the task running.
pub struct TaskHandle {
    abort: Box<dyn Fn() + Send + Sync>,
}

impl TaskHandle {
    /// Returns a handle whose [`TaskHandle::abort`] calls `abort`.
    pub fn new(abort: impl Fn() + Send + Sync + 'static) -> Self {
        Self { abort: Box::new(abort) }
    }

    /// Ends the task at its next await point; does nothing if it has ended already.
    pub fn abort(&self) {
        (self.abort)();
    }
}

impl std::fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TaskHandle").finish_non_exhaustive()
    }
}

/// hyper's executor over [`Tasks`], so that hyper's connection tasks are tracked like all others.
#[derive(Clone)]
pub struct Executor(pub Arc<dyn Tasks>);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        self.0.spawn(Box::pin(async move {
            drop(task.await);
        }));
    }
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").finish_non_exhaustive()
    }
}
