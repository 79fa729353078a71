//! SQLite's file locks: many readers, or one writer on its way to exclusive.

use std::sync::{Arc, Mutex, Weak};

use libsqlite3_sys as ffi;

use super::shm::Shm;

/// A lock on a file, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    #[default]
    Unlocked,
    Shared,
    Reserved,
    Pending,
    Exclusive,
}

impl Level {
    /// Returns the level that SQLite calls `number`; an unknown number counts as the strongest.
    pub(super) fn from_sqlite(number: i32) -> Self {
        match number {
            ffi::SQLITE_LOCK_NONE => Self::Unlocked,
            ffi::SQLITE_LOCK_SHARED => Self::Shared,
            ffi::SQLITE_LOCK_RESERVED => Self::Reserved,
            ffi::SQLITE_LOCK_PENDING => Self::Pending,
            _ => Self::Exclusive,
        }
    }
}

/// The locks on one file, those of the log's index included. They belong to the processes of one
/// incarnation: whoever asks under a later epoch finds nothing locked and no index.
#[derive(Default)]
pub(super) struct Locking {
    epoch: u64,
    locks: Locks,
    shm: Weak<Mutex<Shm>>,
}

impl Locking {
    pub(super) fn locks(&mut self, epoch: u64) -> &mut Locks {
        self.forget_the_dead(epoch);
        &mut self.locks
    }

    /// Returns the index that this file's handles share; it lives while one of them holds it.
    pub(super) fn shm(&mut self, epoch: u64) -> Arc<Mutex<Shm>> {
        self.forget_the_dead(epoch);
        self.shm.upgrade().unwrap_or_else(|| {
            let shm = Arc::default();
            self.shm = Arc::downgrade(&shm);
            shm
        })
    }

    /// Returns whether nothing is locked, and nobody has an index.
    pub(super) fn is_free(&mut self, epoch: u64) -> bool {
        self.forget_the_dead(epoch);
        let Locks { readers, writer } = self.locks;
        readers == 0 && writer == Level::Unlocked && self.shm.strong_count() == 0
    }

    /// Makes `shm` the index that this file's handles share, as if the first of them had asked.
    pub(super) fn share(&mut self, epoch: u64, shm: &Arc<Mutex<Shm>>) {
        self.forget_the_dead(epoch);
        self.shm = Arc::downgrade(shm);
    }

    fn forget_the_dead(&mut self, epoch: u64) {
        if self.epoch != epoch {
            *self = Self { epoch, ..Self::default() };
        }
    }
}

/// Who reads, and how far the one writer has come.
#[derive(Debug, Default)]
pub(super) struct Locks {
    readers: u32,
    writer: Level,
}

impl Locks {
    /// Raises a handle's lock from `held` to `wanted`; returns false if another handle is in the
    /// way. A writer that must wait for readers to leave stays `Pending`, which lets no new one in.
    pub(super) fn raise(&mut self, held: &mut Level, wanted: Level) -> bool {
        if wanted <= *held {
            return true;
        }
        let others_write = self.writer > Level::Unlocked && *held < Level::Reserved;
        match wanted {
            Level::Unlocked => return true,
            Level::Shared if self.writer >= Level::Pending => return false,
            Level::Shared => self.readers += 1,
            _ if others_write => return false,
            Level::Exclusive if self.readers > 1 => {
                (*held, self.writer) = (Level::Pending, Level::Pending);
                return false;
            }
            Level::Reserved | Level::Pending | Level::Exclusive => self.writer = wanted,
        }
        *held = wanted;
        true
    }

    /// Lowers a handle's lock from `held` to `wanted`, which is `Shared` or `Unlocked`.
    pub(super) fn lower(&mut self, held: &mut Level, wanted: Level) {
        if wanted >= *held {
            return;
        }
        if *held >= Level::Reserved {
            self.writer = Level::Unlocked;
        }
        if wanted == Level::Unlocked {
            self.readers = self.readers.saturating_sub(1);
        }
        *held = wanted;
    }

    /// Returns whether a handle holds `Reserved` or more.
    pub(super) fn is_reserved(&self) -> bool {
        self.writer >= Level::Reserved
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, Locks};

    #[test]
    fn a_writer_waits_for_readers_and_lets_no_new_one_in() {
        let mut locks = Locks::default();
        let (mut writer, mut reader, mut late) = Default::default();
        assert!(locks.raise(&mut writer, Level::Shared));
        assert!(locks.raise(&mut reader, Level::Shared));
        assert!(locks.raise(&mut writer, Level::Reserved));
        assert!(!locks.raise(&mut reader, Level::Reserved), "two writers");
        assert!(!locks.raise(&mut writer, Level::Exclusive), "a reader is left");
        assert!(!locks.raise(&mut late, Level::Shared), "a reader slipped in");
        locks.lower(&mut reader, Level::Unlocked);
        assert!(locks.raise(&mut writer, Level::Exclusive));
        locks.lower(&mut writer, Level::Unlocked);
        assert!(locks.raise(&mut late, Level::Shared));
    }
}
