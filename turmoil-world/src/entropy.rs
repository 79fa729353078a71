//! Seeded randomness of one boot of a machine.

use std::sync::{Mutex, PoisonError};

use rand::Rng;
use rand_chacha::ChaCha12Rng;
use transport::host::Entropy;

/// A named stream, as fedsim's world has them.
pub(crate) struct Seeded(Mutex<ChaCha12Rng>);

impl Seeded {
    /// Returns the stream of the `boot`-th start of the machine called `name`.
    pub(crate) fn new(seed: u64, name: &str, boot: u64) -> Self {
        Self(Mutex::new(journal::random::stream(seed, &format!("entropy {name} {boot}"))))
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}
