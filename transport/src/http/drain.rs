//! An end without broken answers: a server that drains takes nothing new, and answers what it has
//! begun.

use std::{future, sync::Arc, time::Duration};

use tokio::sync::watch;

/// Ends the servers that it was given to. Cheap to clone; clones end the same servers.
#[derive(Clone, Debug)]
pub struct Drain {
    /// Whether the end has begun.
    begun: Arc<watch::Sender<bool>>,
    /// How many requests are being answered.
    busy: Arc<watch::Sender<usize>>,
    /// How many connections are coming to their end, with what is still to be written on them.
    ending: Arc<watch::Sender<usize>>,
}

/// A request that is being answered, or a connection that comes to its end, until this is dropped.
pub(super) struct Busy(Arc<watch::Sender<usize>>);

impl Default for Drain {
    fn default() -> Self {
        Self {
            begun: Arc::new(watch::Sender::new(false)),
            busy: Arc::default(),
            ending: Arc::default(),
        }
    }
}

impl Drain {
    /// Has the servers take no connection and no request any more, and waits until every request that
    /// they have is answered and every answer is written, for `within` at most. Returns how many were not
    /// answered.
    pub async fn drain(&self, within: Duration) -> usize {
        self.begun.send_replace(true);
        let (mut busy, mut ending) = (self.busy.subscribe(), self.ending.subscribe());
        let idle = async {
            drop(busy.wait_for(|busy| *busy == 0).await);
            drop(ending.wait_for(|ending| *ending == 0).await);
        };
        match tokio::time::timeout(within, idle).await {
            Ok(()) => 0,
            Err(_) => *self.busy.borrow(),
        }
    }

    /// Resolves when the end begins.
    pub(super) async fn begun(&self) {
        if self.begun.subscribe().wait_for(|begun| *begun).await.is_err() {
            // Nobody is left who could begin it.
            future::pending::<()>().await;
        }
    }

    /// Counts a connection that comes to its end.
    pub(super) fn ending(&self) -> Busy {
        self.ending.send_modify(|ending| *ending += 1);
        Busy(Arc::clone(&self.ending))
    }

    /// Counts a request.
    pub(super) fn busy(&self) -> Busy {
        self.busy.send_modify(|busy| *busy += 1);
        Busy(Arc::clone(&self.busy))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.send_modify(|busy| *busy -= 1);
    }
}
