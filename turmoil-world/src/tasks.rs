//! Background tasks on the runtime of a turmoil host: turmoil drops that in a crash, and them with
//! it.

use futures_util::future::abortable;
use tokio::runtime::Handle;
use transport::{
    BoxFuture,
    host::{TaskHandle, Tasks},
};

/// Tasks of the host whose runtime it is. Other hosts may give it tasks, too.
pub(crate) struct RuntimeTasks(pub(crate) Handle);

impl Tasks for RuntimeTasks {
    fn spawn(&self, task: BoxFuture<'static, ()>) -> TaskHandle {
        let (task, abort) = abortable(task);
        self.0.spawn(task);
        TaskHandle::new(move || abort.abort())
    }
}
