//! How often something may be done by key: so many times at once, and then once more each time that
//! some time has passed.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::Lock;

/// Keys that are remembered; of any more, those are forgotten that may soonest do it again.
const MAX_KEYS: usize = 10_000;

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many times at once.
    pub burst: u32,
    /// The time after which it may be done once more.
    pub pause: Duration,
}

impl Rate {
    /// Returns the rate of so many times at once, and in each second.
    pub fn a_second(times: u32) -> Self {
        let times = times.max(1);
        Self { burst: times, pause: Duration::from_secs(1) / times }
    }
}

/// Counts by key (as the generic cell rate algorithm does).
#[derive(Debug)]
pub struct Rates<K> {
    rate: Rate,
    /// When each key will have done nothing.
    debts: Lock<BTreeMap<K, Instant>>,
}

impl<K: Ord + Clone> Rates<K> {
    /// Returns counts of nothing.
    pub fn new(rate: Rate) -> Self {
        Self { rate, debts: Lock::default() }
    }

    /// Counts once for `key`.
    ///
    /// # Errors
    /// That would be too often; after how long it is not.
    pub fn take(&self, key: &K) -> Result<(), Duration> {
        let Rate { burst, pause } = self.rate;
        let now = Instant::now();
        let mut debts = self.debts.lock();
        let paid = debts.get(key).copied().filter(|paid| *paid > now).unwrap_or(now);
        let most = pause.saturating_mul(burst.saturating_sub(1));
        if let Some(wait) = (paid - now).checked_sub(most).filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        if debts.len() >= MAX_KEYS && !debts.contains_key(key) {
            make_room(&mut debts, now);
        }
        debts.insert(key.clone(), paid + pause);
        Ok(())
    }

    /// Takes back one that was counted.
    pub fn give_back(&self, key: &K) {
        if let Some(paid) = self.debts.lock().get_mut(key) {
            *paid -= self.rate.pause;
        }
    }
}

fn make_room<K: Ord + Clone>(debts: &mut BTreeMap<K, Instant>, now: Instant) {
    debts.retain(|_, paid| *paid > now);
    if debts.len() < MAX_KEYS {
        return;
    }
    let soonest = debts.iter().min_by_key(|(_, paid)| **paid).map(|(key, _)| key.clone());
    if let Some(key) = soonest {
        debts.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, pause: Duration::from_secs(10) };

    #[tokio::test(start_paused = true)]
    async fn after_a_burst_it_is_once_each_pause() {
        let rates = Rates::new(RATE);
        for _ in 0..3 {
            assert_eq!(rates.take(&"a"), Ok(()));
        }
        assert_eq!(rates.take(&"a"), Err(RATE.pause));
        assert_eq!(rates.take(&"b"), Ok(()));
        tokio::time::advance(RATE.pause).await;
        assert_eq!(rates.take(&"a"), Ok(()));
        assert!(rates.take(&"a").is_err());
        rates.give_back(&"a");
        assert_eq!(rates.take(&"a"), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_without_end_are_not_remembered() {
        let rates = Rates::new(RATE);
        for key in 0..2 * MAX_KEYS {
            assert_eq!(rates.take(&key), Ok(()));
        }
        assert_eq!(rates.debts.lock().len(), MAX_KEYS);
    }
}
