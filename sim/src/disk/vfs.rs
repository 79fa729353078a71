//! One connection's VFS: registered with SQLite while anything of it is open.
#![expect(unsafe_code, reason = "SQLite calls a VFS through C function pointers")]

use std::{
    any::Any,
    ffi::{CString, c_int},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use libsqlite3_sys as ffi;
use rusqlite::{Connection, OpenFlags};
use transport::database::disable_memory_statistics;

use super::{
    calls,
    incarnation::Incarnation,
    volume::{Answer, lock},
};

/// Numbers VFSs, because SQLite knows them by name, process-wide. The name appears nowhere else,
/// because it depends on how many disks other runs of the process have.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A disk as one connection sees it. SQLite opens, looks for and deletes files with nothing but the
/// VFS in hand, and a connection that outlived its incarnation must not do so in the next one's
/// name; one that is used again ([`super::reuse`]) does so in the name of its new incarnation.
pub(super) struct Vfs {
    incarnation: Mutex<Arc<Incarnation>>,
    /// Whether something was done by which the connection differs from one that was just opened.
    spoilt: AtomicBool,
    /// Whether files take note of what is read of them.
    notes_reads: AtomicBool,
    name: CString,
    raw: *mut ffi::sqlite3_vfs,
}

/// What an operation did: an answer, or a panic that must not cross C frames.
pub(super) type Caught = Result<Answer<()>, Box<dyn Any + Send>>;

// SAFETY: `raw` is owned. Between registration and `drop` only SQLite writes through it (its list
// of VFSs, under its own mutex); everything else in here is `Send` and `Sync`.
unsafe impl Send for Vfs {}
// SAFETY: as above.
unsafe impl Sync for Vfs {}

impl Vfs {
    /// Registers a VFS for `incarnation`, and returns it.
    pub(super) fn register(incarnation: &Arc<Incarnation>) -> Arc<Self> {
        // Registering starts SQLite.
        disable_memory_statistics();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("sim-disk-{number}")).unwrap_or_default();
        let raw = Box::into_raw(Box::new(calls::table(&name)));
        let incarnation = Mutex::new(Arc::clone(incarnation));
        let [spoilt, notes_reads] = [false, false].map(AtomicBool::new);
        let vfs = Arc::new(Self { incarnation, spoilt, notes_reads, name, raw });
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

    /// Returns the incarnation in whose name SQLite opens, looks for and deletes files.
    pub(super) fn incarnation(&self) -> Arc<Incarnation> {
        Arc::clone(&lock(&self.incarnation))
    }

    /// Makes it that of `incarnation` instead. Its open files are moved by themselves.
    pub(super) fn move_to(&self, incarnation: &Arc<Incarnation>) {
        *lock(&self.incarnation) = Arc::clone(incarnation);
    }

    /// Has files take note of what is read of them, or no longer.
    pub(super) fn note_reads(&self, notes: bool) {
        self.notes_reads.store(notes, Ordering::Relaxed);
    }

    pub(super) fn notes_reads(&self) -> bool {
        self.notes_reads.load(Ordering::Relaxed)
    }

    /// Keeps the connection from being used again.
    pub(super) fn spoil(&self) {
        self.spoilt.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_spoilt(&self) -> bool {
        self.spoilt.load(Ordering::Relaxed)
    }

    /// Runs `op` on behalf of SQLite, in the name of the VFS and of no open file.
    pub(super) fn guard(
        &self,
        code: c_int,
        op: impl FnOnce(&Arc<Incarnation>) -> Answer<()>,
    ) -> c_int {
        let incarnation = self.incarnation();
        let done = catch_unwind(AssertUnwindSafe(|| op(&incarnation)));
        self.conclude(&incarnation, code, done)
    }

    /// Returns what SQLite is told of an operation: `code` if it panicked. The panic resumes when
    /// the job that called SQLite is over.
    pub(super) fn conclude(&self, incarnation: &Incarnation, code: c_int, done: Caught) -> c_int {
        match done {
            Ok(Ok(())) => return ffi::SQLITE_OK,
            Ok(Err(refusal)) => {
                self.spoil();
                return refusal;
            }
            Err(panic) => incarnation.volume().keep_panic(panic),
        }
        self.spoil();
        code
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

    use super::Vfs;
    use crate::disk::{Unobserved, image::Epoch, incarnation::Incarnation, volume::Volume};

    fn is_registered(name: &CStr) -> bool {
        // SAFETY: a string that ends in a zero.
        !unsafe { ffi::sqlite3_vfs_find(name.as_ptr()) }.is_null()
    }

    #[test]
    fn a_vfs_is_registered_until_the_last_file_on_it_is_closed() {
        let volume = Arc::new(Volume::new(0, "a", Arc::new(Epoch), Arc::new(Unobserved)));
        let vfs = Vfs::register(&Incarnation::alive(&volume));
        let name = vfs.name.clone();
        let connection = vfs.connect("a").expect("an empty disk takes a database");
        drop(vfs);
        assert!(is_registered(&name), "the connection still needs it");
        connection.execute_batch("CREATE TABLE t (c)").expect("it is open");
        drop(connection);
        assert!(!is_registered(&name));
    }
}
