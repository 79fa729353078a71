//! One file: its bytes as a process reads them, and what a power loss may take back.

use std::collections::BTreeMap;

use super::locks::Locking;

/// The unit in which a disk writes: all of a sector reaches the medium, or none of it.
pub(super) const SECTOR: usize = 512;

/// What became of unsynced sectors in a power loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) kept: u64,
    pub(super) reverted: u64,
}

/// A file. `undo` holds each sector written since the last sync as it was at that sync, so that a
/// sync costs what was written and not what the file is long.
#[derive(Default)]
pub(super) struct File {
    bytes: Vec<u8>,
    undo: BTreeMap<usize, Box<[u8; SECTOR]>>,
    synced_len: usize,
    /// Who holds it; lives no longer than the processes do.
    pub(super) locking: Locking,
}

impl File {
    /// A file that is durable as it is.
    pub(super) fn durable(bytes: Vec<u8>) -> Self {
        Self { synced_len: bytes.len(), bytes, ..Self::default() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn unsynced_sectors(&self) -> usize {
        self.undo.len()
    }

    /// Copies what the file has at `offset` into `out`; returns how many bytes it had.
    pub(super) fn read(&self, offset: usize, out: &mut [u8]) -> usize {
        let there = self.bytes.get(offset..).unwrap_or_default();
        let count = there.len().min(out.len());
        out[..count].copy_from_slice(&there[..count]);
        count
    }

    /// Writes `bytes` at `offset`, growing the file (with zeros in a gap) if need be.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        self.remember(offset, end);
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    /// Cuts or extends the file to `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.remember(len, self.bytes.len());
        self.bytes.resize(len, 0);
    }

    /// Makes the file durable as it is; returns how many bytes were not.
    pub(super) fn sync(&mut self) -> usize {
        let len = self.bytes.len();
        let unsynced =
            self.undo.keys().map(|sector| len.saturating_sub(sector * SECTOR).min(SECTOR));
        let unsynced = unsynced.sum();
        self.undo.clear();
        self.synced_len = len;
        unsynced
    }

    /// Keeps or reverts the length and each unsynced sector, as `keep` says in turn; of a sector
    /// that is kept, as many bytes are new as `written` says.
    pub(super) fn lose_power(
        &mut self,
        keep: &mut impl FnMut() -> bool,
        written: &mut impl FnMut() -> usize,
    ) -> Fate {
        let mut fate = Fate::default();
        let written_len = self.bytes.len();
        if written_len != self.synced_len && !keep() {
            self.bytes.resize(self.synced_len, 0);
        }
        for (sector, old) in std::mem::take(&mut self.undo) {
            // Cutting a file does not touch its sectors: where the cut is forgotten, what it had
            // cut off is back.
            let cut_off = sector * SECTOR >= written_len;
            if !cut_off && keep() {
                fate.kept += 1;
                self.put_back(sector, &old, written());
            } else {
                fate.reverted += 1;
                self.put_back(sector, &old, 0);
            }
        }
        self.synced_len = self.bytes.len();
        fate
    }

    /// Puts a sector back as it was, from byte `from` of it on.
    fn put_back(&mut self, sector: usize, old: &[u8; SECTOR], from: usize) {
        let start = sector * SECTOR;
        let end = self.bytes.len().min(start + SECTOR);
        if let Some(target) = self.bytes.get_mut(start + from..end) {
            target.copy_from_slice(&old[from..from + target.len()]);
        }
    }

    /// Flips `bits` of the byte at `offset`, unless its sector is not synced; returns whether.
    pub(super) fn flip(&mut self, offset: usize, bits: u8) -> bool {
        if self.undo.contains_key(&(offset / SECTOR)) || offset >= self.synced_len {
            return false;
        }
        self.bytes[offset] ^= bits;
        true
    }

    /// Saves the sectors that `start..end` touches, unless they were changed since the last sync.
    fn remember(&mut self, start: usize, end: usize) {
        if start >= end {
            return;
        }
        for sector in start / SECTOR..=(end - 1) / SECTOR {
            let bytes = &self.bytes;
            self.undo.entry(sector).or_insert_with(|| {
                let mut old = Box::new([0; SECTOR]);
                let there = bytes.get(sector * SECTOR..).unwrap_or_default();
                let count = there.len().min(SECTOR);
                old[..count].copy_from_slice(&there[..count]);
                old
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, File, SECTOR};

    fn file() -> File {
        File::durable(vec![1; 3 * SECTOR])
    }

    #[test]
    fn unsynced_sectors_are_kept_or_reverted_one_by_one() {
        let mut file = file();
        file.write(SECTOR - 1, &[2; SECTOR + 2]);
        let mut answers = [true, false, true].into_iter();
        let fate = file.lose_power(&mut || answers.next().expect("three sectors"), &mut || SECTOR);
        assert_eq!(fate, Fate { kept: 2, reverted: 1 });
        assert_eq!(file.bytes()[SECTOR - 1], 2);
        assert_eq!(file.bytes()[SECTOR..2 * SECTOR], [1; SECTOR]);
        assert_eq!(file.bytes()[2 * SECTOR], 2);
    }

    #[test]
    fn a_sync_makes_every_later_revert_stop_there() {
        let mut file = file();
        file.write(0, &[2; 10]);
        assert_eq!(file.sync(), SECTOR);
        file.write(0, &[3; 10]);
        file.lose_power(&mut || false, &mut || SECTOR);
        assert_eq!(file.bytes()[..10], [2; 10]);
    }

    #[test]
    fn a_forgotten_cut_brings_back_what_it_cut_off() {
        let mut file = file();
        file.truncate(0);
        let mut answers = [false, true, true, true].into_iter();
        file.lose_power(
            &mut || answers.next().expect("length, then at most three sectors"),
            &mut || SECTOR,
        );
        assert_eq!(file.bytes(), [1; 3 * SECTOR]);
    }

    #[test]
    fn a_kept_length_over_reverted_sectors_reads_as_zeros() {
        let mut file = file();
        file.write(3 * SECTOR, &[2; SECTOR]);
        let mut answers = [true, false].into_iter();
        file.lose_power(&mut || answers.next().expect("length, then one sector"), &mut || SECTOR);
        assert_eq!(file.len(), 4 * SECTOR);
        assert_eq!(file.bytes()[3 * SECTOR..], [0; SECTOR]);
    }

    #[test]
    fn a_torn_sector_is_new_up_to_the_tear_and_old_beyond_it() {
        let mut file = file();
        file.write(0, &[2; SECTOR]);
        file.lose_power(&mut || true, &mut || 100);
        assert_eq!(file.bytes()[..100], [2; 100]);
        assert_eq!(file.bytes()[100..SECTOR], [1; SECTOR - 100]);
    }

    #[test]
    fn only_what_is_synced_rots() {
        let mut file = file();
        file.write(0, &[2; 1]);
        assert!(!file.flip(7, 4) && file.flip(SECTOR, 4));
        assert_eq!((file.bytes()[7], file.bytes()[SECTOR]), (1, 5));
    }
}
