//! Faults that hold a machine in a state together: it stays so as long as any of them does.

use std::{collections::BTreeMap, time::Duration};

/// The faults in force, by number. The oldest *leads*: what any of them would do alone is its
/// doing, so that one which never leads is inert.
#[derive(Debug)]
pub struct Holds<T> {
    faults: BTreeMap<u64, T>,
    /// Since when the leader leads.
    since: Duration,
}

impl<T> Default for Holds<T> {
    fn default() -> Self {
        Self { faults: BTreeMap::new(), since: Duration::ZERO }
    }
}

impl<T> Holds<T> {
    /// Adds a fault that holds from `now` on.
    pub fn add(&mut self, fault: u64, how: T, now: Duration) {
        let before = self.leader();
        self.faults.insert(fault, how);
        if self.leader() != before {
            self.since = now;
        }
    }

    /// Removes a fault. Returns whether it has led for any time; `None` if it did not hold.
    pub fn remove(&mut self, fault: u64, now: Duration) -> Option<bool> {
        let leads = self.leader() == Some(fault);
        self.faults.remove(&fault)?;
        let led = leads && now > self.since;
        if leads {
            self.since = now;
        }
        Some(led)
    }

    /// Returns the oldest.
    pub fn leader(&self) -> Option<u64> {
        self.faults.keys().next().copied()
    }

    /// Returns the oldest of those of which `is` is true.
    pub fn oldest(&self, is: impl Fn(&T) -> bool) -> Option<u64> {
        self.faults.iter().find(|(_, how)| is(how)).map(|(fault, _)| *fault)
    }

    /// Returns whether none holds.
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }
}
