//! Randomness: one named stream per (seed, purpose), so that taking one thing out of a run does not
//! shift the randomness of the others.

use rand_chacha::{ChaCha12Rng, rand_core::SeedableRng};

/// Returns the stream of `purpose` (as `link a b`, or `disk tears a`) under `seed`.
pub fn stream(seed: u64, purpose: &str) -> ChaCha12Rng {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(purpose.as_bytes());
    ChaCha12Rng::from_seed(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::stream;

    #[test]
    fn streams_differ_by_seed_and_by_purpose_and_repeat() {
        let first = |seed, purpose| stream(seed, purpose).next_u64();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
    }
}
