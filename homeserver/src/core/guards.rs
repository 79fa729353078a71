//! Guards by key: for a room, an event, a device, one at a time, or so many, or as long as anybody
//! holds one.

use std::{borrow::Borrow, collections::BTreeMap, sync::Arc};

use tokio::sync::{Notify, OwnedMutexGuard};
use transport::Lock;

/// Hands out guards, and knows who holds one for which key. Clones hand out the same ones.
pub(crate) struct Guards<K>(Arc<Keys<K>>);

struct Keys<K> {
    held: Lock<BTreeMap<K, Holders>>,
    /// Rung whenever the last guard of a key is dropped.
    released: Notify,
}

/// Who holds a key, or waits for a turn of it.
#[derive(Default)]
struct Holders {
    count: usize,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// How many guards there may be at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Of one key.
    pub(crate) per_key: usize,
    /// Keys with a guard.
    pub(crate) keys: usize,
}

/// Holds a key until it is dropped.
pub(crate) struct Guard<K: Ord> {
    guards: Guards<K>,
    key: K,
    turn: Option<OwnedMutexGuard<()>>,
}

impl<K> Clone for Guards<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Guards<K> {
    fn default() -> Self {
        Self(Arc::new(Keys { held: Lock::default(), released: Notify::new() }))
    }
}

impl<K: Ord + Clone> Guards<K> {
    /// Returns a guard of `key`, whoever else holds one.
    pub(crate) fn hold(&self, key: K) -> Guard<K> {
        self.0.held.lock().entry(key.clone()).or_default().count += 1;
        Guard { guards: self.clone(), key, turn: None }
    }

    /// Returns a guard of `key`; `None` if that would be one too many.
    pub(crate) fn try_hold(&self, key: K, bounds: Bounds) -> Option<Guard<K>> {
        let mut held = self.0.held.lock();
        let is_new = !held.contains_key(&key);
        if is_new && held.len() >= bounds.keys {
            return None;
        }
        if held.get(&key).is_some_and(|holders| holders.count >= bounds.per_key) {
            return None;
        }
        held.entry(key.clone()).or_default().count += 1;
        drop(held);
        Some(Guard { guards: self.clone(), key, turn: None })
    }

    /// Waits for the turn of `key` and returns its guard: one such guard at a time, in the order in
    /// which they were asked for.
    pub(crate) async fn alone(&self, key: K) -> Guard<K> {
        // Held before the wait, so that a caller dropped while it waits is cleaned up after too.
        let mut guard = self.hold(key);
        let turn = self.0.held.lock().get(&guard.key).map(|holders| Arc::clone(&holders.turn));
        if let Some(turn) = turn {
            guard.turn = Some(turn.lock_owned().await);
        }
        guard
    }

    /// Returns whether anybody holds a guard of `key`.
    pub(crate) fn is_held<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.held.lock().contains_key(key)
    }

    /// Waits until nobody holds a guard of `key`.
    pub(crate) async fn released<Q: Ord + ?Sized>(&self, key: &Q)
    where
        K: Borrow<Q>,
    {
        loop {
            let released = self.0.released.notified();
            if !self.is_held(key) {
                return;
            }
            released.await;
        }
    }
}

impl<K: Ord> Drop for Guard<K> {
    fn drop(&mut self) {
        self.turn = None;
        let mut held = self.guards.0.held.lock();
        let Some(holders) = held.get_mut(&self.key) else { return };
        holders.count -= 1;
        if holders.count == 0 {
            held.remove(&self.key);
            drop(held);
            self.guards.0.released.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_second_of_one_key_waits_for_the_first_and_nothing_stays() {
        let guards = Guards::<&str>::default();
        let first = guards.alone("a").now_or_never();
        assert!(first.is_some() && guards.alone("b").now_or_never().is_some());
        let mut second = Box::pin(guards.alone("a"));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        assert!(second.now_or_never().is_some());
        assert!(!guards.is_held("a"));
    }

    #[test]
    fn who_gives_up_waiting_leaves_the_turn_to_the_next() {
        let guards = Guards::<&str>::default();
        let first = guards.alone("a").now_or_never();
        let mut second = Box::pin(guards.alone("a"));
        let mut third = Box::pin(guards.alone("a"));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        drop((second, first));
        assert!(third.now_or_never().is_some());
    }

    #[test]
    fn one_too_many_is_refused_until_another_is_dropped() {
        let guards = Guards::<&str>::default();
        let bounds = Bounds { per_key: 1, keys: 2 };
        let first = guards.try_hold("a", bounds);
        assert!(first.is_some() && guards.try_hold("a", bounds).is_none());
        let other = guards.try_hold("b", bounds);
        assert!(other.is_some() && guards.try_hold("c", bounds).is_none());
        drop(first);
        assert!(guards.try_hold("a", bounds).is_some());
    }

    #[test]
    fn a_key_is_released_when_its_last_guard_is() {
        let guards = Guards::<&str>::default();
        let (first, second) = (guards.hold("a"), guards.hold("a"));
        let mut released = Box::pin(guards.released("a"));
        drop(first);
        assert!(released.as_mut().now_or_never().is_none());
        drop(second);
        assert!(released.now_or_never().is_some());
    }
}
