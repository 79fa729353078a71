//! Signatures that are known to be valid, so that no thread verifies one twice.
//!
//! Whether a signature is valid depends on nothing but the key, the message and the signature: a
//! hash over the three stands for the answer "it is". What a server signs is known to be valid from
//! the start, so where both ends of a conversation run on one thread, as in a simulated world, no
//! honest signature is ever computed again. An invalid signature is never remembered.
//!
//! What one server asks again and again, such as its relay for mail, is the same request each time,
//! and ed25519 makes the same signature for it (RFC 8032, section 5.1.6): so that is made once.

use std::cell::RefCell;

use hashlink::LruCache;
use http::HeaderValue;

/// Valid signatures that one thread remembers.
const MAX_PROVEN: usize = 4096;

/// Signed requests whose signatures one thread remembers.
const MAX_MADE: usize = 4096;

/// A signature by one key of one message; or, of what is about to be signed, the key and the
/// message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Proof([u8; 32]);

impl Proof {
    /// Returns what stands for everything that decides whether a signature is valid: what kind of
    /// statement it is under, then the key, the signature, and all parts of the message.
    pub fn of<'p>(kind: &'p str, parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in std::iter::once(kind.as_bytes()).chain(parts) {
            // With its length, so that no two lists of parts are one text.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Returns whether it is known to be valid. If not, it may be valid or invalid.
    pub fn is_known(&self) -> bool {
        PROVEN.with_borrow_mut(|proven| proven.get(self).is_some())
    }

    /// Remembers that it is valid: it was verified, or made here.
    pub fn learn(self) {
        PROVEN.with_borrow_mut(|proven| proven.insert(self, ()));
    }

    /// Returns the `Authorization` header of the request that this stands for: what was made on
    /// this thread before, or what `make` makes now.
    pub(super) fn authorization<E>(
        self,
        make: impl FnOnce() -> Result<HeaderValue, E>,
    ) -> Result<HeaderValue, E> {
        if let Some(made) = MADE.with_borrow_mut(|made| made.get(&self).cloned()) {
            return Ok(made);
        }
        let header = make()?;
        MADE.with_borrow_mut(|made| made.insert(self, header.clone()));
        Ok(header)
    }
}

thread_local! {
    static PROVEN: RefCell<LruCache<Proof, ()>> = RefCell::new(LruCache::new(MAX_PROVEN));
    static MADE: RefCell<LruCache<Proof, HeaderValue>> = RefCell::new(LruCache::new(MAX_MADE));
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::Proof;

    #[test]
    fn a_signature_is_made_once() {
        let request = Proof::of("test", [b"GET".as_slice()]);
        let made = |value| request.authorization(|| Ok::<_, ()>(HeaderValue::from_static(value)));
        assert_eq!((made("first"), made("second")), (made("first"), made("first")));
        assert_eq!(made("third"), Ok(HeaderValue::from_static("first")));
    }

    #[test]
    fn a_byte_that_moves_from_one_part_to_the_next_makes_another_message() {
        let parts = |one: &'static str, other: &'static str| [one.as_bytes(), other.as_bytes()];
        Proof::of("test", parts("ab", "c")).learn();
        assert!(Proof::of("test", parts("ab", "c")).is_known());
        assert!(!Proof::of("test", parts("a", "bc")).is_known());
        assert!(!Proof::of("other", parts("ab", "c")).is_known());
    }
}
