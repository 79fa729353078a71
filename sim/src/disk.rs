//! The simulated disk: a SQLite VFS whose files know which sectors are synced.
//!
//! Reading order:
//! - `file`: one file, its bytes (in `pages`) and what a power loss may take back. `directory`: the
//!   names. `image`: all of it as a value.
//! - `volume`: the whole disk under one lock, its incarnation (`epoch`), and how it dies.
//!   `incarnation`: the disk as one of them sees it.
//! - `faults`: what goes wrong in an operation. `handle`: an open file, and SQLite's operations
//!   on it, over `locks` (who may write) and `shm` (the index of the write-ahead log).
//! - `vfs`: the disk registered with SQLite for one connection; `calls` and `io`: the disk and its
//!   open files as tables of C functions; `connection`: what SQLite tells of a connection. The only
//!   unsafe code.
//! - `reuse`: connections that go on after their machine's next boot, or in the next world.
//! - `mount`: databases as the programs of a machine see them.
//!
//! Invariants:
//! - What a successful sync covered survives every power loss.
//! - A handle of an earlier incarnation changes nothing, however and whenever it is used.
//! - What a disk does depends on nothing that another disk's connections did before.
//! - The observer is called with no lock of the disk held.

mod calls;
mod connection;
mod directory;
mod faults;
mod file;
mod handle;
mod image;
mod incarnation;
mod io;
mod locks;
mod mount;
mod pages;
mod reuse;
mod shm;
mod vfs;
mod volume;

use std::{sync::Arc, time::Duration};

pub use self::image::{DiskImage, ImageError};
use self::{mount::Mount, volume::Volume};

/// How a disk misbehaves while a fault lasts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiskFaults {
    /// Probability that a read fails with EIO.
    pub eio_read: f64,
    /// Probability that a write fails with EIO.
    pub eio_write: f64,
    /// Probability that a sync fails with EIO.
    pub eio_sync: f64,
    /// Bytes that all files may take together; growing beyond fails with ENOSPC.
    pub capacity: Option<u64>,
    /// Probability that a sync answers ok and syncs nothing.
    pub lying_sync: f64,
    /// Time that each write takes.
    pub write_time: Duration,
    /// Time that each sync takes.
    pub sync_time: Duration,
    /// The machine dies right after this many more writes, syncs, truncations or deletions.
    pub die_after: Option<u64>,
    /// Bits of synced sectors that flip at once, as [`Disk::rot`] says. They stay flipped.
    pub rot: u32,
}

/// What is wrong with the disk, in a few words, such as `full, slow`.
impl std::fmt::Display for DiskFaults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = [
            (self.capacity.is_some(), "full"),
            (self.eio_read > 0.0 || self.eio_write > 0.0 || self.eio_sync > 0.0, "failing"),
            (self.lying_sync > 0.0, "lying"),
            (self.write_time > Duration::ZERO || self.sync_time > Duration::ZERO, "slow"),
            (self.die_after.is_some(), "dying"),
            (self.rot > 0, "rotting"),
        ];
        let words: Vec<_> = words.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
        f.write_str(&words.join(", "))
    }
}

/// What a disk reports to the world as it works: called from inside a database job, with no lock of
/// the disk held.
pub trait DiskObserver: Send + Sync {
    /// A sync made `bytes` bytes of `file` durable.
    fn synced(&self, file: &str, bytes: u64);
    /// `bytes` bytes of `file` were written. Called only while [`Disk::watch_writes`] asks for it.
    fn wrote(&self, _file: &str, _bytes: u64) {}
    /// Fault number `fault` was injected into an operation (EIO, ENOSPC, a lie, slowness).
    fn injected(&self, fault: u64);
    /// The last operation that [`DiskFaults::die_after`] of these faults allows was done; the
    /// machine is to lose power.
    fn died(&self, faults: &[u64]);
    /// Returns whether the machine must not be scheduled. Asked after each database job; if so, the
    /// job's task yields before it learns the outcome.
    fn holds(&self) -> bool {
        false
    }
}

/// An observer that ignores everything.
#[derive(Clone, Copy, Debug)]
pub struct Unobserved;

impl DiskObserver for Unobserved {
    fn synced(&self, _file: &str, _bytes: u64) {}
    fn injected(&self, _fault: u64) {}
    fn died(&self, _faults: &[u64]) {}
}

/// What a disk has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Reads attempted, without those that opened a database which was there and not open, on a disk
    /// with which nothing was ever the matter.
    pub reads: u64,
    /// Writes attempted.
    pub writes: u64,
    /// Syncs attempted.
    pub syncs: u64,
    /// Operations into which a fault was injected.
    pub injected: u64,
    /// Operations that were refused because their handle was dead.
    pub refused: u64,
    /// Unsynced sectors that power losses kept.
    pub kept: u64,
    /// Unsynced sectors that power losses reverted.
    pub reverted: u64,
}

/// One file of a disk, as [`Disk::files`] lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// Its name.
    pub name: String,
    /// Its length in bytes.
    pub len: u64,
    /// Its sectors (of 512 bytes) that were written since its last sync.
    pub unsynced_sectors: u64,
}

/// One machine's disk; outlives the machine's incarnations.
pub struct Disk {
    volume: Arc<Volume>,
}

impl Disk {
    /// Returns an empty disk whose fates and faults are drawn from `seed`.
    pub fn new(
        seed: u64,
        name: &str,
        clock: Arc<dyn transport::host::Clock>,
        observer: Arc<dyn DiskObserver>,
    ) -> Arc<Self> {
        Arc::new(Self { volume: Arc::new(Volume::new(seed, name, clock, observer)) })
    }

    /// Returns this disk as the processes of one incarnation see it: opens databases that run their
    /// jobs inline, one at a time, in order. Handles of earlier incarnations are dead.
    pub fn mount(self: &Arc<Self>) -> Arc<dyn transport::host::Disk> {
        Arc::new(Mount::new(&self.volume))
    }

    /// The process died, the kernel lives: handles opened before are dead, all written bytes stay.
    pub fn kill(&self) {
        self.volume.kill();
    }

    /// The machine lost power: handles opened before are dead, each unsynced sector and directory
    /// entry is kept or reverted by the seed.
    pub fn power_loss(&self) {
        self.volume.power_loss();
    }

    /// The machine lost power while the disk was writing: like [`Self::power_loss`], but of each
    /// sector that is kept, only the first bytes may be new, as many as the seed says. Bytes that
    /// were not written since the last sync are never touched.
    pub fn power_loss_torn(&self) {
        self.volume.power_loss_torn();
    }

    /// The machine lost power, and nothing that was not synced is kept: the worst that
    /// [`Self::power_loss`] does.
    pub fn power_loss_of_all(&self) {
        self.volume.power_loss_of_all();
    }

    /// Draws `bits` bits of all files from the seed, and flips those in synced sectors; reads see
    /// that at once. Returns how many were flipped.
    pub fn rot(&self, bits: u32) -> u32 {
        self.volume.rot(bits)
    }

    /// Starts or stops telling the observer of each write.
    pub fn watch_writes(&self, watch: bool) {
        self.volume.watch_writes(watch);
    }

    /// Makes the disk misbehave like this from now on, in addition to other faults: the worst of
    /// each kind of trouble counts.
    pub fn add_fault(&self, fault: u64, faults: DiskFaults) {
        self.volume.add_fault(fault, faults);
    }

    /// Ends what fault number `fault` does to the disk; other faults go on.
    pub fn remove_fault(&self, fault: u64) {
        self.volume.remove_fault(fault);
    }

    /// Makes the disk misbehave like this from now on, and in no other way; for a disk outside any
    /// world, where faults have no numbers.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.volume.set_faults(faults);
    }

    /// Returns the bytes of every file, as a process would read them now.
    pub fn snapshot(&self) -> DiskImage {
        DiskImage { files: Arc::new(self.volume.snapshot()) }
    }

    /// Makes the disk hold exactly what `image` holds, all of it durable. Handles opened before are
    /// dead.
    pub fn restore(&self, image: &DiskImage) {
        self.volume.restore(&image.files);
    }

    /// Returns the files, by name.
    pub fn files(&self) -> Vec<FileSummary> {
        self.volume.files()
    }

    /// Returns what this disk has done so far.
    pub fn stats(&self) -> DiskStats {
        self.volume.stats()
    }
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disk").field("files", &self.files()).finish_non_exhaustive()
    }
}
