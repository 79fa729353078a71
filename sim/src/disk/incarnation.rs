//! A disk as one incarnation of its machine sees it: dead for good once that has ended.

use std::sync::Arc;

use libsqlite3_sys as ffi;

use super::{
    Unobserved,
    directory::FileRef,
    image::Epoch,
    volume::{Answer, Volume, VolumeState, lock},
};

/// A disk, and the incarnation that may use it.
pub(super) struct Incarnation {
    volume: Arc<Volume>,
    epoch: u64,
}

impl Incarnation {
    /// Returns the one that is alive now.
    pub(super) fn alive(volume: &Arc<Volume>) -> Arc<Self> {
        Arc::new(Self { volume: Arc::clone(volume), epoch: volume.epoch() })
    }

    /// Returns one that is dead, of a disk that nobody has.
    pub(super) fn nowhere() -> Arc<Self> {
        let volume = Volume::new(0, "nowhere", Arc::new(Epoch), Arc::new(Unobserved));
        let nowhere = Self::alive(&Arc::new(volume));
        nowhere.volume.kill();
        nowhere
    }

    pub(super) fn volume(&self) -> &Volume {
        &self.volume
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Returns whether this incarnation is the one that lives.
    pub(super) fn is_alive(&self) -> bool {
        self.volume.epoch() == self.epoch
    }

    pub(super) fn operate<T>(
        &self,
        code: i32,
        op: impl FnOnce(&mut VolumeState) -> Answer<T>,
    ) -> Answer<T> {
        self.volume.operate(self.epoch, code, op)
    }

    pub(super) fn change<T>(
        &self,
        code: i32,
        op: impl FnOnce(&mut VolumeState) -> Answer<T>,
    ) -> Answer<T> {
        self.volume.change(self.epoch, code, op)
    }

    /// Deletes `name`.
    pub(super) fn delete(&self, name: &str, sync_directory: bool) -> Answer<()> {
        self.change(ffi::SQLITE_IOERR_DELETE, |state| {
            if !state.directory.remove(name) {
                return Err(ffi::SQLITE_IOERR_DELETE_NOENT);
            }
            if sync_directory {
                state.directory.sync();
            }
            Ok(())
        })
    }

    /// Returns whether `name` is there. An empty file does not count as existing, as in SQLite's
    /// own Unix VFS: an empty journal proves nothing.
    pub(super) fn access(&self, name: &str, flags: i32) -> Answer<bool> {
        self.operate(ffi::SQLITE_IOERR_ACCESS, |state| {
            let exists =
                |file: &FileRef| flags != ffi::SQLITE_ACCESS_EXISTS || lock(file).len() > 0;
            Ok(state.directory.get(name).is_some_and(exists))
        })
    }
}
