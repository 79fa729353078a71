//! Work that goes on when nobody waits for its result any more.

use transport::Host;

/// Runs `work` as a task of its own and waits for it; `None` when the process ends first.
///
/// A handler is dropped when its caller hangs up. What it has begun must be finished all the same:
/// a commit whose watchers are never woken would lie there unseen.
pub(crate) async fn to_the_end<T: Send + 'static>(
    host: &Host,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (sender, result) = tokio::sync::oneshot::channel();
    host.spawn(async move {
        // Nobody may be waiting any more, which is the point.
        drop(sender.send(work.await));
    });
    result.await.ok()
}
