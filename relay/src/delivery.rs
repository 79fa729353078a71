//! The sender-side mode: the relay itself keeps trying to reach the destinations, with back-off,
//! one transaction in flight for each.
//!
//! What goes out is signed by the relay, so that a destination believes the PDUs (each has its own
//! signatures) and not the EDUs (which are believed from their sender's server only). So PDUs are
//! sent, and the EDUs of an entry stay for the retriever, which says whose they are.

mod attempt;

use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use ruma::{OwnedServerName, ServerName};
use tokio::{sync::Notify, time::Instant};
use transport::{DatabaseError, Host, Lock};

pub(crate) use self::attempt::Attempt;
use self::attempt::Ended;
use crate::{store::PAGE, switch::Switch};

/// The wait after the first failed attempt; doubled after each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Destinations that the relay tries to reach at once.
const MAX_IN_FLIGHT: usize = 64;

/// The pause after the database refused to say what waits.
const DISK_PAUSE: Duration = Duration::from_secs(10);

/// Delivers in the background. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Delivery {
    host: Host,
    attempt: Arc<Attempt>,
    destinations: Arc<Lock<BTreeMap<OwnedServerName, Progress>>>,
    woken: Arc<Notify>,
}

/// How one destination fares. Not kept over a restart: a restart is a good time to try again.
#[derive(Clone, Copy)]
struct Progress {
    in_flight: bool,
    /// Failed attempts since the last good one.
    failed: u32,
    /// When to try next.
    due: Instant,
}

impl Delivery {
    /// Starts delivering what is in the store of `attempt`, which is made for each destination anew.
    pub(crate) fn start(attempt: Attempt, switch: &Switch) -> Self {
        let host = attempt.host.clone();
        let delivery = Self {
            host: host.clone(),
            attempt: Arc::new(attempt),
            destinations: Arc::default(),
            woken: Arc::default(),
        };
        host.spawn(delivery.clone().run(switch.clone()));
        delivery
    }

    /// Takes note that there is something new to deliver.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Takes note that `origin` has just called: it is back, and its back-off is over.
    pub(crate) fn heard_from(&self, origin: &ServerName) {
        if let Some(progress) = self.destinations().get_mut(origin) {
            progress.failed = 0;
            progress.due = Instant::now();
            self.woken.notify_one();
        }
    }

    async fn run(self, switch: Switch) {
        loop {
            let next = if switch.is_on() { self.start_due().await } else { Ok(None) };
            let next = next.unwrap_or_else(|error| {
                tracing::warn!(%error, "failed to look for entries to deliver");
                Some(Instant::now() + DISK_PAUSE)
            });
            let due = async {
                match next {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = switch.changed() => {}
                () = self.woken.notified() => {}
                () = due => {}
            }
        }
    }

    /// Starts an attempt for every destination that is due, and returns when the next one is due.
    async fn start_due(&self) -> Result<Option<Instant>, DatabaseError> {
        let waiting = self.waiting().await?;
        let now = Instant::now();
        let mut destinations = self.destinations();
        destinations.retain(|name, progress| progress.in_flight || waiting.contains(name));
        let mut in_flight = destinations.values().filter(|progress| progress.in_flight).count();
        let mut next = None;
        for name in waiting {
            let fresh = Progress { in_flight: false, failed: 0, due: now };
            let progress = destinations.entry(name.clone()).or_insert(fresh);
            if progress.in_flight {
                continue;
            }
            if progress.due > now {
                next = Some(next.map_or(progress.due, |next: Instant| next.min(progress.due)));
            } else if in_flight < MAX_IN_FLIGHT {
                in_flight += 1;
                progress.in_flight = true;
                self.host.spawn(self.clone().deliver_to(name));
            }
        }
        Ok(next)
    }

    /// Returns the destinations with something to forward.
    async fn waiting(&self) -> Result<Vec<OwnedServerName>, DatabaseError> {
        let mut waiting = Vec::new();
        loop {
            let page = self.attempt.store.destinations_to_forward(waiting.last().cloned()).await?;
            let is_last = page.len() < PAGE;
            waiting.extend(page);
            if is_last {
                return Ok(waiting);
            }
        }
    }

    async fn deliver_to(self, name: OwnedServerName) {
        let ended = self.attempt.deliver_all(&name).await;
        if let Some(progress) = self.destinations().get_mut(&name) {
            progress.in_flight = false;
            match ended {
                Ended::NothingLeft => progress.failed = 0,
                Ended::Failed => {
                    progress.due = Instant::now() + wait_after(progress.failed);
                    progress.failed = progress.failed.saturating_add(1);
                }
            }
        }
        self.woken.notify_one();
    }

    fn destinations(&self) -> MutexGuard<'_, BTreeMap<OwnedServerName, Progress>> {
        self.destinations.lock()
    }
}

/// Returns the wait after one more failure than `failed`.
fn wait_after(failed: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(failed)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_an_hour() {
        assert_eq!(wait_after(0), Duration::from_secs(1));
        assert_eq!(wait_after(3), Duration::from_secs(8));
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
