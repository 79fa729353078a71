//! A bell: a ring wakes everybody who listens, in the order in which they began to wait.
//!
//! Not `tokio::sync::watch`: that one spreads its listeners over several lists at random, so that
//! the order in which they wake cannot be repeated.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::Notify;

/// Rings. Cheap to clone; every clone is the same bell.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<Rings>);

#[derive(Default)]
struct Rings {
    count: AtomicU64,
    waiting: Notify,
}

/// Hears every ring from its making on.
pub(crate) struct Listener {
    bell: Bell,
    heard: u64,
}

impl Bell {
    /// Wakes everybody who listens.
    pub(crate) fn ring(&self) {
        self.0.count.fetch_add(1, Ordering::SeqCst);
        self.0.waiting.notify_waiters();
    }

    /// Returns a listener who has heard nothing yet.
    pub(crate) fn listen(&self) -> Listener {
        Listener { bell: self.clone(), heard: self.count() }
    }

    fn count(&self) -> u64 {
        self.0.count.load(Ordering::SeqCst)
    }
}

impl Listener {
    /// Resolves when the bell has rung since this was last called.
    pub(crate) async fn rung(&mut self) {
        loop {
            let mut ring = std::pin::pin!(self.bell.0.waiting.notified());
            ring.as_mut().enable();
            let count = self.bell.count();
            if count != self.heard {
                self.heard = count;
                return;
            }
            ring.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::Bell;

    #[test]
    fn a_ring_is_heard_once_also_by_who_was_not_yet_waiting() {
        let bell = Bell::default();
        let mut listener = bell.listen();
        assert!(listener.rung().now_or_never().is_none());
        bell.ring();
        bell.ring();
        assert!(listener.rung().now_or_never().is_some());
        assert!(listener.rung().now_or_never().is_none());
    }
}
