//! Randomness of a machine.

/// A source of random bytes, fit for keys and tokens.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with randomness.
    fn fill(&self, bytes: &mut [u8]);
}
