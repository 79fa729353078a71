//! Bells by key: a ring of a key wakes those who listen to it, in the order in which they began to
//! listen, and nobody else.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use tokio::sync::Notify;
use transport::Lock;

/// The bells of all keys. Cheap to clone; every clone rings the same ones.
pub(crate) struct Bells<K>(Arc<Lock<Ropes<K>>>);

struct Ropes<K> {
    /// Who began to listen later has the larger number.
    next: u64,
    by_key: BTreeMap<K, BTreeMap<u64, Arc<Ear<K>>>>,
}

struct Ear<K> {
    /// What has rung and was not heard yet.
    rung: Lock<BTreeSet<K>>,
    wake: Notify,
}

/// Listens to some keys until every clone is dropped.
pub(crate) struct Listener<K: Ord + Clone>(Arc<Listening<K>>);

struct Listening<K: Ord + Clone> {
    bells: Bells<K>,
    number: u64,
    keys: Lock<BTreeSet<K>>,
    ear: Arc<Ear<K>>,
}

impl<K> Clone for Bells<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Ord> Default for Bells<K> {
    fn default() -> Self {
        Self(Arc::new(Lock::new(Ropes { next: 0, by_key: BTreeMap::new() })))
    }
}

impl<K: Ord + Clone> Clone for Listener<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Ord + Clone> Bells<K> {
    /// Rings the bells of `keys`.
    pub(crate) fn ring(&self, keys: impl IntoIterator<Item = K>) {
        let mut ears = BTreeMap::new();
        let ropes = self.0.lock();
        for key in keys {
            for (number, ear) in ropes.by_key.get(&key).into_iter().flatten() {
                ear.rung.lock().insert(key.clone());
                ears.insert(*number, Arc::clone(ear));
            }
        }
        drop(ropes);
        for ear in ears.values() {
            ear.wake.notify_one();
        }
    }

    /// Returns a listener to `key`.
    pub(crate) fn listen(&self, key: K) -> Listener<K> {
        let mut ropes = self.0.lock();
        let number = ropes.next;
        ropes.next += 1;
        drop(ropes);
        let ear = Arc::new(Ear { rung: Lock::default(), wake: Notify::new() });
        let (bells, keys) = (self.clone(), Lock::default());
        let listener = Listener(Arc::new(Listening { bells, number, keys, ear }));
        listener.listen_to(BTreeSet::from([key]));
        listener
    }
}

impl<K: Ord + Clone> Listener<K> {
    /// Listens to `keys` from now on, and to no others.
    pub(crate) fn listen_to(&self, keys: BTreeSet<K>) {
        let Listening { bells, number, keys: known, ear } = &*self.0;
        let mut known = known.lock();
        let mut ropes = bells.0.lock();
        for gone in known.difference(&keys) {
            ropes.let_go(gone, *number);
        }
        for new in keys.difference(&known) {
            ropes.by_key.entry(new.clone()).or_default().insert(*number, Arc::clone(ear));
        }
        drop(ropes);
        *known = keys;
    }

    /// Resolves when something has rung that was not heard yet.
    pub(crate) async fn rung(&self) {
        while self.0.ear.rung.lock().is_empty() {
            self.0.ear.wake.notified().await;
        }
    }

    /// Returns what has rung so far, which does not count any more.
    pub(crate) fn heard(&self) -> BTreeSet<K> {
        std::mem::take(&mut *self.0.ear.rung.lock())
    }
}

impl<K: Ord> Ropes<K> {
    fn let_go(&mut self, key: &K, number: u64) {
        let Some(ears) = self.by_key.get_mut(key) else { return };
        ears.remove(&number);
        if ears.is_empty() {
            self.by_key.remove(key);
        }
    }
}

impl<K: Ord + Clone> Drop for Listening<K> {
    fn drop(&mut self) {
        let mut ropes = self.bells.0.lock();
        for key in &*self.keys.lock() {
            ropes.let_go(key, self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use futures_util::FutureExt;

    use super::Bells;

    #[test]
    fn a_ring_is_heard_once_by_those_who_listen_to_its_key() {
        let bells = Bells::default();
        let (one, other) = (bells.listen(1), bells.listen(2));
        bells.ring([1, 1]);
        assert!(one.rung().now_or_never().is_some());
        assert_eq!(one.heard(), BTreeSet::from([1]));
        assert!(one.rung().now_or_never().is_none());
        assert!(other.rung().now_or_never().is_none());
        other.listen_to(BTreeSet::from([1, 3]));
        bells.ring([2]);
        bells.ring([3]);
        assert_eq!(other.heard(), BTreeSet::from([3]));
    }

    #[test]
    fn who_does_not_listen_any_more_leaves_nothing() {
        let bells = Bells::default();
        let listener = bells.listen("a");
        listener.listen_to(BTreeSet::from(["b", "c"]));
        drop(listener.clone());
        assert_eq!(bells.0.lock().by_key.len(), 2);
        drop(listener);
        assert!(bells.0.lock().by_key.is_empty());
    }
}
