//! One incarnation's VFS: registered with SQLite while anything of it is open.
#![expect(unsafe_code, reason = "SQLite calls a VFS through C function pointers")]

use std::{
    ffi::{CString, c_int},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use libsqlite3_sys as ffi;
use rusqlite::{Connection, OpenFlags};
use transport::database::disable_memory_statistics;

use super::{
    calls,
    directory::FileRef,
    volume::{Answer, Volume, VolumeState, lock},
};

/// Numbers VFSs, because SQLite knows them by name, process-wide. The name appears nowhere else,
/// because it depends on how many disks other runs of the process have.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A disk as one incarnation of its machine sees it. There is one VFS per incarnation rather than
/// per disk: SQLite opens, looks for and deletes files with nothing but the VFS in hand, and a
/// connection that outlived its incarnation must not do so in the next one's name.
pub(super) struct Vfs {
    volume: Arc<Volume>,
    epoch: u64,
    name: CString,
    raw: *mut ffi::sqlite3_vfs,
}

// SAFETY: `raw` is owned. Between registration and `drop` only SQLite writes through it (its list
// of VFSs, under its own mutex); everything else in here is `Send` and `Sync`.
unsafe impl Send for Vfs {}
// SAFETY: as above.
unsafe impl Sync for Vfs {}

impl Vfs {
    /// Registers a VFS for the incarnation that is alive now, and returns it.
    pub(super) fn register(volume: &Arc<Volume>) -> Arc<Self> {
        // Registering starts SQLite.
        disable_memory_statistics();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("sim-disk-{number}")).unwrap_or_default();
        let raw = Box::into_raw(Box::new(calls::table(&name)));
        let vfs = Arc::new(Self { volume: Arc::clone(volume), epoch: volume.epoch(), name, raw });
        // SAFETY: `raw` was just made and nobody else has it yet. It, its name (which does not
        // move with its CString) and the `Vfs` behind `pAppData` live until `drop` unregisters it.
        let code = unsafe {
            (*raw).pAppData = Arc::as_ptr(&vfs).cast_mut().cast();
            ffi::sqlite3_vfs_register(raw, 0)
        };
        assert_eq!(code, ffi::SQLITE_OK, "SQLite refuses a VFS only when it could not start");
        vfs
    }

    /// Returns a bare connection to the database in `file`. Every file that it opens holds this
    /// VFS.
    pub(super) fn connect(&self, file: &str) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        Connection::open_with_flags_and_vfs(file, flags, self.name.as_c_str())
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

    /// Runs `op` on behalf of SQLite; returns `code` if it panics, because a panic must not cross C
    /// frames. It resumes when the job that called SQLite is over.
    pub(super) fn guard(&self, code: c_int, op: impl FnOnce() -> Answer<()>) -> c_int {
        match catch_unwind(AssertUnwindSafe(op)) {
            Ok(Ok(())) => ffi::SQLITE_OK,
            Ok(Err(refusal)) => refusal,
            Err(panic) => {
                self.volume.keep_panic(panic);
                code
            }
        }
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

impl Drop for Vfs {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `Box::into_raw` in `register`. Every open file holds an `Arc` of
        // this VFS, and a connection uses its VFS only while its files are open, so nobody is left
        // to use it once SQLite's list has let it go.
        unsafe {
            ffi::sqlite3_vfs_unregister(self.raw);
            drop(Box::from_raw(self.raw));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{ffi::CStr, sync::Arc};

    use libsqlite3_sys as ffi;

    use super::{Vfs, Volume};
    use crate::disk::{Unobserved, image::Epoch};

    fn is_registered(name: &CStr) -> bool {
        // SAFETY: a string that ends in a zero.
        !unsafe { ffi::sqlite3_vfs_find(name.as_ptr()) }.is_null()
    }

    #[test]
    fn a_vfs_is_registered_until_the_last_file_on_it_is_closed() {
        let volume = Arc::new(Volume::new(0, "a", Arc::new(Epoch), Arc::new(Unobserved)));
        let vfs = Vfs::register(&volume);
        let name = vfs.name.clone();
        let connection = vfs.connect("a").expect("an empty disk takes a database");
        drop(vfs);
        assert!(is_registered(&name), "the connection still needs it");
        connection.execute_batch("CREATE TABLE t (c)").expect("it is open");
        drop(connection);
        assert!(!is_registered(&name));
    }
}
