//! Signatures that are known to be valid, so that no thread verifies one twice.
//!
//! Whether a signature is valid depends on nothing but the key, the message and the signature: a
//! hash over the three stands for the answer "it is". What a server signs is known to be valid from
//! the start, so where both ends of a conversation run on one thread, as in a simulated world, no
//! honest signature is ever computed again. An invalid signature is never remembered.

use std::{
    cell::RefCell,
    collections::{BTreeSet, VecDeque},
};

/// Signatures that one thread remembers; the one learnt first makes room.
const MAX_PROVEN: usize = 4096;

/// A signature by one key of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proof([u8; 32]);

impl Proof {
    /// Stands for everything that decides whether a signature is valid: what kind of statement it
    /// is under, then the key, the signature, and all parts of the message.
    pub fn of<'p>(kind: &'p str, parts: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in std::iter::once(kind.as_bytes()).chain(parts) {
            // With its length, so that no two lists of parts are one text.
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// Whether it is known to be valid. If not, nobody knows.
    pub fn is_known(&self) -> bool {
        PROVEN.with_borrow(|proven| proven.known.contains(self))
    }

    /// Remembers that it is valid: it was verified, or made here.
    pub fn learn(self) {
        PROVEN.with_borrow_mut(|proven| proven.learn(self));
    }
}

#[derive(Default)]
struct Proven {
    known: BTreeSet<Proof>,
    in_order: VecDeque<Proof>,
}

impl Proven {
    fn learn(&mut self, proof: Proof) {
        if !self.known.insert(proof) {
            return;
        }
        self.in_order.push_back(proof);
        if self.in_order.len() > MAX_PROVEN
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

thread_local! {
    static PROVEN: RefCell<Proven> = RefCell::default();
}

#[cfg(test)]
mod tests {
    use super::{MAX_PROVEN, Proof};

    fn proof(number: usize) -> Proof {
        Proof::of("test", [number.to_le_bytes().as_slice()])
    }

    #[test]
    fn the_signature_learnt_first_makes_room() {
        for number in 0..=MAX_PROVEN {
            proof(number).learn();
        }
        assert!(!proof(0).is_known());
        assert!(proof(1).is_known() && proof(MAX_PROVEN).is_known());
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
