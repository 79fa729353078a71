//! Hashing passwords, beside everything else: so many at once, and so many that wait.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use transport::{DatabaseError, Host, Lock};

use super::{
    AccountError,
    password::{Cost, Memory, hash_password, password_matches},
};

/// Hashes computed at once: each takes a processor and, by default, 19 MiB.
const AT_ONCE: usize = 2;

/// Passwords that may wait for their turn; any more are refused.
const MAX_WAITING: usize = 64;

/// The salt of hashes that nobody is told of.
const NO_SALT: [u8; 16] = [0; 16];

/// Computes hashes. Cheap to clone; clones share what there is.
#[derive(Clone)]
pub(super) struct Hashing {
    host: Host,
    cost: Cost,
    at_once: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// That of hashes that are done, for those to come.
    memories: Arc<Lock<Vec<Memory>>>,
}

impl Hashing {
    pub(super) fn new(host: Host, cost: Cost) -> Self {
        let (at_once, waiting) = (Semaphore::new(AT_ONCE), Semaphore::new(MAX_WAITING));
        let (at_once, waiting) = (Arc::new(at_once), Arc::new(waiting));
        Self { host, cost, at_once, waiting, memories: Arc::default() }
    }

    /// Returns what is stored of `password`.
    ///
    /// # Errors
    /// [`AccountError::Busy`], or the server is stopping.
    pub(super) async fn hash(&self, password: &str) -> Result<String, AccountError> {
        let (password, salt, cost) = (password.to_owned(), self.host.random_bytes(), self.cost);
        self.compute(move |memory| hash_password(&password, salt, cost, memory)).await
    }

    /// Returns whether `password` is the one that `stored` was made of. It takes as long if nothing is
    /// stored, so that nobody learns from that who has an account here.
    ///
    /// # Errors
    /// [`AccountError::Busy`], or the server is stopping.
    pub(super) async fn matches(
        &self,
        password: &str,
        stored: Option<String>,
    ) -> Result<bool, AccountError> {
        let (password, cost) = (password.to_owned(), self.cost);
        self.compute(move |memory| {
            if let Some(stored) = stored {
                return password_matches(&password, &stored, memory);
            }
            hash_password(&password, NO_SALT, cost, memory);
            false
        })
        .await
    }

    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> T + Send + 'static,
    ) -> Result<T, AccountError> {
        let turn = self.turn().await?;
        let memories = Arc::clone(&self.memories);
        let computed = self.host.compute(move || {
            // It is computed to its end, whether somebody still waits for it or not.
            let _turn = turn;
            // Apart, so that it is not locked while this is computed.
            let kept = memories.lock().pop();
            let mut memory = kept.unwrap_or_default();
            let computed = work(&mut memory);
            let mut memories = memories.lock();
            if memories.len() < AT_ONCE {
                memories.push(memory);
            }
            computed
        });
        computed.await.ok_or_else(|| DatabaseError::Closed.into())
    }

    async fn turn(&self) -> Result<OwnedSemaphorePermit, AccountError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| AccountError::Busy)?;
        Arc::clone(&self.at_once).acquire_owned().await.map_err(|_| AccountError::Busy)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::FutureExt as _;
    use transport::real::{self, RealConfig};

    use super::*;
    use crate::Config;

    #[tokio::test]
    async fn who_goes_away_half_way_leaves_no_more_hashes_than_may_be_computed_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let host = real::host(directory.path(), &RealConfig::default()).unwrap();
        let hashing = Hashing::new(host, Cost::from(&Config::default()));
        let mut ends = Vec::new();
        for _ in 0..20 {
            let (end, ended) = mpsc::channel::<()>();
            let computed = hashing.compute(move |_| ended.recv().is_ok());
            assert!(computed.now_or_never().is_none(), "it is dropped before it is done");
            ends.push(end);
        }
        assert_eq!(hashing.at_once.available_permits(), 0);
        drop(ends);
        let all = u32::try_from(AT_ONCE).unwrap();
        let _all = hashing.at_once.acquire_many(all).await.unwrap();
        assert!(hashing.memories.lock().len() <= AT_ONCE);
    }
}
