//! The index of a write-ahead log: memory that the connections of one machine share, and its locks.

use std::{
    ffi::c_void,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use libsqlite3_sys as ffi;

/// Locks that an index has.
pub(super) const SLOTS: usize = ffi::SQLITE_SHM_NLOCK as usize;

/// Regions that an index may have: 32 KiB each, so enough for a log of 16 GiB.
const REGIONS_MAX: usize = 1024;

/// An index. Its regions are atomics because SQLite writes them behind our back, and never move
/// while a handle holds the index.
#[derive(Default)]
pub(super) struct Shm {
    regions: Vec<Arc<[AtomicU64]>>,
    slots: [Slot; SLOTS],
}

#[derive(Clone, Copy, Default)]
struct Slot {
    readers: u32,
    exclusive: bool,
}

/// The locks of an index that one handle holds.
#[derive(Default)]
pub(super) struct Held([Hold; SLOTS]);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Hold {
    #[default]
    None,
    Shared,
    Exclusive,
}

impl Held {
    /// Returns whether no lock is held.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|hold| *hold == Hold::None)
    }
}

impl Shm {
    /// Returns where region `index`, of `size` bytes, lies; it and those before it are made,
    /// zeroed, if `extend` says so.
    pub(super) fn region(
        &mut self,
        index: usize,
        size: usize,
        extend: bool,
    ) -> Option<*mut c_void> {
        if extend && index < REGIONS_MAX {
            while self.regions.len() <= index {
                let words = size.div_ceil(size_of::<AtomicU64>());
                self.regions.push((0..words).map(|_| AtomicU64::new(0)).collect());
            }
        }
        self.regions.get(index).map(|region| region.as_ptr().cast_mut().cast())
    }

    /// Returns what the regions hold.
    pub(super) fn regions(&self) -> Vec<Vec<u64>> {
        let words = |region: &Arc<[AtomicU64]>| region.iter().map(|it| it.load(Relaxed)).collect();
        self.regions.iter().map(words).collect()
    }

    /// Makes the regions, which stay where they are, hold that again, and releases every lock.
    pub(super) fn reset(&mut self, regions: &[Vec<u64>]) {
        for (region, words) in self.regions.iter().zip(regions) {
            for (word, value) in region.iter().zip(words) {
                word.store(*value, Relaxed);
            }
        }
        self.slots = Default::default();
    }

    /// Takes `slots` for reading; returns false if another handle has one of them exclusively.
    pub(super) fn share(&mut self, held: &mut Held, slots: Range<usize>) -> bool {
        let taken = |slot: usize| self.slots[slot].exclusive && held.0[slot] != Hold::Exclusive;
        if slots.clone().any(taken) {
            return false;
        }
        for slot in slots {
            if held.0[slot] == Hold::None {
                self.slots[slot].readers += 1;
                held.0[slot] = Hold::Shared;
            }
        }
        true
    }

    /// Takes `slots` for one handle alone; returns false if another handle has one of them.
    pub(super) fn exclude(&mut self, held: &mut Held, slots: Range<usize>) -> bool {
        let taken = |slot: usize| {
            let own_reader = u32::from(held.0[slot] == Hold::Shared);
            let others_write = self.slots[slot].exclusive && held.0[slot] != Hold::Exclusive;
            others_write || self.slots[slot].readers > own_reader
        };
        if slots.clone().any(taken) {
            return false;
        }
        for slot in slots {
            self.slots[slot] = Slot { readers: 0, exclusive: true };
            held.0[slot] = Hold::Exclusive;
        }
        true
    }

    /// Releases `slots`.
    pub(super) fn release(&mut self, held: &mut Held, slots: Range<usize>) {
        for slot in slots {
            match std::mem::take(&mut held.0[slot]) {
                Hold::None => {}
                Hold::Shared => self.slots[slot].readers -= 1,
                Hold::Exclusive => self.slots[slot].exclusive = false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Held, Shm};

    #[test]
    fn a_slot_has_many_readers_or_one_writer() {
        let mut shm = Shm::default();
        let (mut a, mut b) = (Held::default(), Held::default());
        assert!(shm.share(&mut a, 3..4) && shm.share(&mut b, 3..4));
        assert!(!shm.exclude(&mut a, 0..8), "b reads slot 3");
        shm.release(&mut b, 0..8);
        assert!(shm.exclude(&mut a, 0..8));
        assert!(!shm.share(&mut b, 5..6), "a has slot 5");
        shm.release(&mut a, 0..8);
        assert!(shm.exclude(&mut b, 5..6));
    }
}
