//! One file: its bytes as a process reads them, and what a power loss may take back.

use std::collections::BTreeMap;

use super::{
    locks::Locking,
    pages::{PAGE, Page, Pages},
};

/// The unit in which a disk writes: all of a sector reaches the medium, or none of it.
pub(super) const SECTOR: usize = 512;

/// Sectors of a page.
const SECTORS: usize = PAGE / SECTOR;

/// Sectors that a mask has bits for.
const SECTOR_BITS: usize = u8::BITS as usize;

const _: () = assert!(SECTORS <= SECTOR_BITS);

/// What became of unsynced sectors in a power loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct SectorFates {
    pub(super) kept: u64,
    pub(super) reverted: u64,
}

/// A file. `undo` holds each page written since the last sync as it was at that sync, so that the
/// cost of a sync depends on what was written, and not on the length of the file.
#[derive(Default)]
pub(super) struct File {
    pages: Pages,
    undo: BTreeMap<usize, Undo>,
    synced_len: usize,
    /// Who has it locked; lives no longer than the processes do.
    pub(super) locking: Locking,
}

/// A page as it was at the last sync.
struct Undo {
    /// None if the file did not reach this far.
    page: Option<Page>,
    /// Which of its sectors were written since, a bit each, the first sector lowest.
    written: u8,
}

impl Undo {
    fn sectors(&self) -> impl Iterator<Item = usize> {
        let written = self.written;
        (0..SECTORS).filter(move |sector| written & (1 << sector) != 0)
    }
}

impl File {
    /// Returns a file that is durable as it is.
    pub(super) fn durable(pages: Pages) -> Self {
        Self { synced_len: pages.len(), pages, ..Self::default() }
    }

    pub(super) fn pages(&self) -> &Pages {
        &self.pages
    }

    pub(super) fn len(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn unsynced_sectors(&self) -> usize {
        self.undo.values().map(|undo| undo.written.count_ones() as usize).sum()
    }

    /// Returns whether the file is as it was last synced, and nobody of `epoch` has it open as a
    /// database.
    pub(super) fn is_at_rest(&mut self, epoch: u64) -> bool {
        self.undo.is_empty() && self.synced_len == self.len() && self.locking.is_free(epoch)
    }

    /// Copies what the file has at `offset` into `out`; returns how many bytes it had.
    pub(super) fn read(&self, offset: usize, out: &mut [u8]) -> usize {
        self.pages.read(offset, out)
    }

    /// Writes `bytes` at `offset`, growing the file (with zeros in a gap) if need be.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.remember(offset, offset + bytes.len());
        self.pages.write(offset, bytes);
    }

    /// Cuts or extends the file to `len`.
    pub(super) fn truncate(&mut self, len: usize) {
        self.remember(len, self.len());
        self.pages.resize(len);
    }

    /// Makes the file durable as it is; returns how many bytes were not.
    pub(super) fn sync(&mut self) -> usize {
        let len = self.len();
        let mut unsynced = 0;
        for (page, undo) in std::mem::take(&mut self.undo) {
            let left = |sector| len.saturating_sub(page * PAGE + sector * SECTOR).min(SECTOR);
            unsynced += undo.sectors().map(left).sum::<usize>();
        }
        self.synced_len = len;
        unsynced
    }

    /// Keeps or reverts the length and each unsynced sector, as `keep` says in turn; of a sector
    /// that is kept, as many bytes are new as `written` says.
    pub(super) fn lose_power(
        &mut self,
        keep: &mut impl FnMut() -> bool,
        written: &mut impl FnMut() -> usize,
    ) -> SectorFates {
        let mut fate = SectorFates::default();
        let written_len = self.len();
        if written_len != self.synced_len && !keep() {
            self.pages.resize(self.synced_len);
        }
        for (page, undo) in std::mem::take(&mut self.undo) {
            for sector in undo.sectors() {
                let start = page * PAGE + sector * SECTOR;
                let old = undo.page.as_ref().map_or(&[0; SECTOR], |page| old_sector(page, sector));
                // Cutting a file does not touch its sectors: where the cut is forgotten, what it
                // had cut off is back.
                if start < written_len && keep() {
                    fate.kept += 1;
                    self.put_back(start, old, written());
                } else {
                    fate.reverted += 1;
                    self.put_back(start, old, 0);
                }
            }
        }
        self.synced_len = self.len();
        fate
    }

    /// Restores the sector that begins at `start` to what it was, from its byte `from` on.
    fn put_back(&mut self, start: usize, old: &[u8; SECTOR], from: usize) {
        let there = self.len().saturating_sub(start).min(SECTOR);
        if from < there {
            self.pages.write(start + from, &old[from..there]);
        }
    }

    /// Flips `bits` of the byte at `offset` if its sector is synced; returns whether it did.
    pub(super) fn flip(&mut self, offset: usize, bits: u8) -> bool {
        let sector = offset % PAGE / SECTOR;
        let undo = self.undo.get(&(offset / PAGE));
        let is_unsynced = undo.is_some_and(|undo| undo.written & (1 << sector) != 0);
        if is_unsynced || offset >= self.synced_len {
            return false;
        }
        let mut byte = [0];
        self.pages.read(offset, &mut byte);
        self.pages.write(offset, &[byte[0] ^ bits]);
        true
    }

    /// Saves the pages that `start..end` touches, unless they were changed since the last sync, and
    /// marks the sectors.
    fn remember(&mut self, start: usize, end: usize) {
        if start >= end {
            return;
        }
        let (first, last) = (start / SECTOR, (end - 1) / SECTOR);
        for page in first / SECTORS..=last / SECTORS {
            let begins = page * SECTORS;
            let from = first.max(begins) - begins;
            let to = last.min(begins + SECTORS - 1) - begins;
            let pages = &self.pages;
            let undo = self
                .undo
                .entry(page)
                .or_insert_with(|| Undo { page: pages.get(page).cloned(), written: 0 });
            undo.written |= (u8::MAX << from) & (u8::MAX >> (SECTOR_BITS - 1 - to));
        }
    }
}

/// Returns sector number `sector` of a page.
fn old_sector(page: &Page, sector: usize) -> &[u8; SECTOR] {
    page.as_chunks().0.get(sector).expect("it is a sector of a page")
}

#[cfg(test)]
mod tests {
    use super::{File, Pages, SECTOR, SectorFates};

    fn file() -> File {
        File::durable(Pages::from([1; 3 * SECTOR].as_slice()))
    }

    #[test]
    fn unsynced_sectors_are_kept_or_reverted_one_by_one() {
        let mut file = file();
        file.write(SECTOR - 1, &[2; SECTOR + 2]);
        let mut answers = [true, false, true].into_iter();
        let fate = file.lose_power(&mut || answers.next().expect("three sectors"), &mut || SECTOR);
        assert_eq!(fate, SectorFates { kept: 2, reverted: 1 });
        assert_eq!(file.pages().to_vec()[SECTOR - 1], 2);
        assert_eq!(file.pages().to_vec()[SECTOR..2 * SECTOR], [1; SECTOR]);
        assert_eq!(file.pages().to_vec()[2 * SECTOR], 2);
    }

    #[test]
    fn a_sync_makes_every_later_revert_stop_there() {
        let mut file = file();
        file.write(0, &[2; 10]);
        assert_eq!(file.sync(), SECTOR);
        file.write(0, &[3; 10]);
        file.lose_power(&mut || false, &mut || SECTOR);
        assert_eq!(file.pages().to_vec()[..10], [2; 10]);
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
        assert_eq!(file.pages().to_vec(), [1; 3 * SECTOR]);
    }

    #[test]
    fn a_kept_length_over_reverted_sectors_reads_as_zeros() {
        let mut file = file();
        file.write(3 * SECTOR, &[2; SECTOR]);
        let mut answers = [true, false].into_iter();
        file.lose_power(&mut || answers.next().expect("length, then one sector"), &mut || SECTOR);
        assert_eq!(file.len(), 4 * SECTOR);
        assert_eq!(file.pages().to_vec()[3 * SECTOR..], [0; SECTOR]);
    }

    #[test]
    fn a_torn_sector_is_new_up_to_the_tear_and_old_beyond_it() {
        let mut file = file();
        file.write(0, &[2; SECTOR]);
        file.lose_power(&mut || true, &mut || 100);
        assert_eq!(file.pages().to_vec()[..100], [2; 100]);
        assert_eq!(file.pages().to_vec()[100..SECTOR], [1; SECTOR - 100]);
    }

    #[test]
    fn only_what_is_synced_rots() {
        let mut file = file();
        file.write(0, &[2; 1]);
        assert!(!file.flip(7, 4) && file.flip(SECTOR, 4));
        assert_eq!((file.pages().to_vec()[7], file.pages().to_vec()[SECTOR]), (1, 5));
    }
}
