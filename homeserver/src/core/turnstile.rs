//! One at a time per key: a send that is retried while its first try is under way waits for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

/// Lets one holder per key through; further ones wait in the order in which they came.
#[derive(Clone, Default)]
pub(crate) struct Turnstile {
    entered: Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

/// The right to act for one key, until it is dropped.
pub(crate) struct Entered {
    turnstile: Turnstile,
    key: String,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turnstile {
    /// Waits until nobody else is inside for `key`.
    pub(crate) async fn enter(&self, key: String) -> Entered {
        let lock = {
            let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(entered.entry(key.clone()).or_default())
        };
        // Made before the wait, so that a caller dropped while it waits is cleaned up after too.
        let mut inside = Entered { turnstile: self.clone(), key, guard: None };
        inside.guard = Some(lock.lock_owned().await);
        inside
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.guard = None;
        let mut entered = self.turnstile.entered.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's own reference is the last one when nobody is inside or waiting.
        if entered.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            entered.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_of_one_key_waits_for_the_first_and_nothing_stays() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter("a".to_owned()).await;
        drop(turnstile.enter("b".to_owned()).await);
        let mut second = std::pin::pin!(turnstile.enter("a".to_owned()));
        tokio::select! {
            biased;
            _ = &mut second => panic!("two are inside"),
            () = std::future::ready(()) => {}
        }
        drop(first);
        drop(second.await);
        assert!(turnstile.entered.lock().unwrap().is_empty());
    }
}
