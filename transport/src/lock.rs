//! A lock that a panic does not poison.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value that one thread at a time reads and writes. Where a holder panicked, the next one takes
/// the value as it was left: whoever holds a lock here leaves the value whole between any two
/// statements, and a node that goes on is worth more than one that panics for ever after.
#[derive(Debug, Default)]
pub struct Lock<T>(Mutex<T>);

impl<T> Lock<T> {
    /// Returns a lock around `value`.
    pub const fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Waits until nobody else holds the value, and returns it until the guard is dropped.
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::Lock;

    #[test]
    fn a_panic_of_a_holder_does_not_keep_others_out() {
        let lock = Lock::new(1);
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let _held = lock.lock();
            panic!("while it is held");
        }));
        assert!(panicked.is_err());
        assert_eq!(*lock.lock(), 1);
    }
}
