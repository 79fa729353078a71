//! Background tasks on the tokio runtime.

use tokio::task::JoinSet;

use crate::{
    Lock,
    host::{BoxFuture, TaskHandle, Tasks},
};

/// Tasks that end when this is dropped, and with the runtime at the latest (the loop of a server
/// holds its machine, so that a process that serves ends its tasks by ending).
#[derive(Default)]
pub(super) struct TokioTasks {
    running: Lock<JoinSet<()>>,
}

impl Tasks for TokioTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let mut running = self.running.lock();
        while let Some(ended) = running.try_join_next() {
            if ended.is_err_and(|error| error.is_panic()) {
                tracing::error!("a background task panicked");
            }
        }
        let handle = running.spawn(task);
        TaskHandle::new(move || handle.abort())
    }

    #[expect(clippy::disallowed_methods, reason = "this is where real threads enter")]
    fn compute(&self, work: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        let running = tokio::task::spawn_blocking(work);
        Box::pin(async move {
            if running.await.is_err_and(|error| error.is_panic()) {
                tracing::error!("a computation panicked");
            }
        })
    }
}
