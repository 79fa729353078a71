//! A bounded map for what is pure and expensive to compute again.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, VecDeque},
};

/// Remembers at most so many values by key; the one that was kept first makes room. What is
/// forgotten is computed again, so that nothing depends on what is in here.
#[derive(Debug)]
pub struct Memo<K, V> {
    values: BTreeMap<K, V>,
    in_order: VecDeque<K>,
    limit: usize,
}

impl<K: Ord + Clone, V> Memo<K, V> {
    /// An empty memo for `limit` values.
    pub const fn new(limit: usize) -> Self {
        Self { values: BTreeMap::new(), in_order: VecDeque::new(), limit }
    }

    /// The value of `key`, if it is remembered.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.values.get(key)
    }

    /// Remembers `value`, in place of an earlier one of `key`.
    pub fn keep(&mut self, key: K, value: V) {
        if self.values.insert(key.clone(), value).is_some() {
            return;
        }
        self.in_order.push_back(key);
        if self.in_order.len() > self.limit
            && let Some(first) = self.in_order.pop_front()
        {
            self.values.remove(&first);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Memo;

    #[test]
    fn the_value_kept_first_makes_room() {
        let mut memo = Memo::new(2);
        for number in 0..3 {
            memo.keep(number, "first");
        }
        memo.keep(1, "again");
        assert_eq!(
            [0, 1, 2].map(|key| memo.get(&key).copied()),
            [None, Some("again"), Some("first")]
        );
    }
}
