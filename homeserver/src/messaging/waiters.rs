//! Bounds how many requests of one device wait at the same time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::store::accounts::Device;

/// Counts the waiting requests of each device, up to a limit. Clones share the counts.
#[derive(Clone)]
pub(crate) struct Waiters {
    limit: usize,
    waiting: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// One waiting request; it counts until it is dropped.
pub(crate) struct Waiting {
    waiters: Waiters,
    key: String,
}

impl Waiters {
    /// At most `limit` at a time of each device.
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, waiting: Arc::default() }
    }

    /// Counts one more of `device`; `None` when that would be too many.
    pub(crate) fn enter(&self, device: &Device) -> Option<Waiting> {
        let key = format!("{} {}", device.user_id, device.device_id);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(key.clone()).or_default();
        if *count >= self.limit {
            return None;
        }
        *count += 1;
        Some(Waiting { waiters: self.clone(), key })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waiting = self.waiters.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_too_many_of_a_device_is_refused_until_another_ends() {
        let device = Device {
            user_id: ruma::user_id!("@a:a").to_owned(),
            device_id: ruma::owned_device_id!("ONE"),
        };
        let waiters = Waiters::new(1);
        let first = waiters.enter(&device);
        assert!(first.is_some());
        assert!(waiters.enter(&device).is_none());
        drop(first);
        assert!(waiters.enter(&device).is_some());
    }
}
