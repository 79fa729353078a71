//! Which machine's task is being polled on this thread, and what led to what it does now.

use std::cell::Cell;

/// The task being polled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    /// Index of its machine.
    pub(crate) machine: usize,
    /// Which boot of that machine it belongs to.
    pub(crate) incarnation: u64,
    /// The journal entry that led to what it does now.
    pub(crate) cause: Option<u64>,
    /// Whether it has read a request and not yet written the answer. Until then its cause is that
    /// request, whoever else may wake it.
    pub(crate) serving: bool,
}

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
}

/// Returns the task being polled; none while the driver or the harness runs.
pub(crate) fn get() -> Option<Current> {
    CURRENT.get()
}

/// Returns what led to what is being done now.
pub(crate) fn cause() -> Option<u64> {
    get().and_then(|current| current.cause)
}

/// Makes `current` the task being polled while `run` runs; returns what it has become.
pub(crate) fn scope<T>(current: Current, run: impl FnOnce() -> T) -> (Current, T) {
    let restore = Restore(CURRENT.replace(Some(current)));
    let value = run();
    let after = CURRENT.get().unwrap_or(current);
    drop(restore);
    (after, value)
}

/// Makes the previous task current again when it is dropped, even by a panic, which is caught
/// further up on the same thread.
struct Restore(Option<Current>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// Notes that the task being polled has read the whole of a message whose arrival is entry `cause`.
pub(crate) fn has_read(cause: u64, is_request: bool) {
    update(|current| {
        current.cause = Some(cause);
        current.serving = is_request;
    });
}

/// Notes that the task being polled has begun to answer.
pub(crate) fn has_answered() {
    update(|current| current.serving = false);
}

fn update(change: impl FnOnce(&mut Current)) {
    if let Some(mut current) = CURRENT.get() {
        change(&mut current);
        CURRENT.set(Some(current));
    }
}
