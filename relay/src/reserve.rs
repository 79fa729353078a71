//! Room on the disk that is set aside, so that who empties a mailbox always can: a full disk takes no
//! write, and what frees room must be written first.
//!
//! While the reserve is used up, nothing new is kept. It is made whole again as soon as there is room.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;
use transport::{DatabaseError, Host, Lock};

use crate::refusal::Refusal;

/// The pause between two attempts to make the reserve whole.
const RESTORE_PAUSE: Duration = Duration::from_secs(5);

/// The reserve of one relay. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Reserve {
    host: Host,
    bytes: u64,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    is_whole: AtomicBool,
    /// When it was last tried to make it whole.
    tried: Lock<Instant>,
}

impl Reserve {
    /// Returns a reserve of `bytes`, made whole if there is room for it; of 0, none.
    pub(crate) async fn open(host: &Host, bytes: u64) -> Self {
        let state = State { is_whole: AtomicBool::new(false), tried: Lock::new(Instant::now()) };
        let reserve = Self { host: host.clone(), bytes, state: Arc::new(state) };
        reserve.restore().await;
        reserve
    }

    /// Whether there is all of it.
    pub(crate) fn is_whole(&self) -> bool {
        self.state.is_whole.load(Ordering::Relaxed)
    }

    /// Refuses while the reserve is used up.
    pub(crate) async fn check(&self) -> Result<(), Refusal> {
        if !self.is_whole() && self.may_try() {
            self.restore().await;
        }
        if self.is_whole() { Ok(()) } else { Err(Refusal::DiskFull(RESTORE_PAUSE)) }
    }

    /// Gives the reserve to whoever empties, if `error` is about a full disk; returns whether there
    /// was any.
    pub(crate) async fn helps_with(&self, error: &DatabaseError) -> bool {
        if !error.is_disk_trouble() {
            return false;
        }
        match self.host.disk.release_reserve().await {
            Ok(false) => false,
            Ok(true) => {
                self.state.is_whole.store(false, Ordering::Relaxed);
                *self.state.tried.lock() = Instant::now();
                tracing::warn!("the disk is full: the reserve is used, and nothing new is kept");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the disk is full, and its reserve cannot be used");
                false
            }
        }
    }

    fn may_try(&self) -> bool {
        let mut tried = self.state.tried.lock();
        let may = tried.elapsed() >= RESTORE_PAUSE;
        if may {
            *tried = Instant::now();
        }
        may
    }

    async fn restore(&self) {
        match self.host.disk.keep_reserve(self.bytes).await {
            Ok(()) => {
                let was_whole = self.state.is_whole.swap(true, Ordering::Relaxed);
                if !was_whole {
                    tracing::debug!(bytes = self.bytes, "the disk's reserve is whole");
                }
            }
            Err(error) => {
                let bytes = self.bytes;
                tracing::warn!(%error, bytes, "there is no room for the reserve, and for nothing new");
            }
        }
    }
}
