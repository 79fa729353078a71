//! One incarnation's VFS: registered with SQLite while anything of it is open.
#![expect(unsafe_code, reason = "SQLite calls a VFS through C function pointers")]

use std::{
    ffi::{CStr, CString, c_char, c_int},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use libsqlite3_sys as ffi;
use rusqlite::{Connection, OpenFlags};

use super::{
    directory::FileRef,
    handle::Handle,
    io,
    volume::{Answer, State, Volume, lock},
};

/// Bytes that a file name may have, its terminating zero included.
const NAME_BYTES_MAX: c_int = 512;

/// The Unix epoch in SQLite's time: milliseconds since noon of November 24, 4714 BC, Greenwich.
const UNIX_EPOCH_MILLIS: i64 = 210_866_760_000_000;

/// Numbers VFSs, because SQLite knows them by name, process-wide. The name is seen nowhere else:
/// how many disks other runs of the process have must not show.
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
    /// A VFS for the incarnation that is alive now.
    pub(super) fn register(volume: &Arc<Volume>) -> Arc<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = CString::new(format!("sim-disk-{number}")).unwrap_or_default();
        let raw = Box::into_raw(Box::new(methods(&name)));
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

    /// A connection to the database in `file`, bare. Every file that it opens holds this VFS.
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

    /// Whether this incarnation is the one that lives.
    pub(super) fn is_alive(&self) -> bool {
        self.volume.epoch() == self.epoch
    }

    pub(super) fn operate<T>(
        &self,
        code: i32,
        op: impl FnOnce(&mut State) -> Answer<T>,
    ) -> Answer<T> {
        self.volume.operate(self.epoch, code, op)
    }

    pub(super) fn change<T>(
        &self,
        code: i32,
        op: impl FnOnce(&mut State) -> Answer<T>,
    ) -> Answer<T> {
        self.volume.change(self.epoch, code, op)
    }

    /// Runs `op` on behalf of SQLite; `code` if it panics, which must not cross C frames. The
    /// panic goes on when the job that called SQLite is over.
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

    fn delete(&self, name: &str, sync_directory: bool) -> Answer<()> {
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

    /// Whether `name` is there. An empty file does not count as existing, as in SQLite's own Unix
    /// VFS: an empty journal proves nothing.
    fn access(&self, name: &str, flags: i32) -> Answer<bool> {
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

/// The table that SQLite reads. There are no shared libraries on a simulated disk.
fn methods(name: &CStr) -> ffi::sqlite3_vfs {
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: io::FILE_BYTES,
        mxPathname: NAME_BYTES_MAX,
        pNext: ptr::null_mut(),
        zName: name.as_ptr(),
        pAppData: ptr::null_mut(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: None,
        xDlError: None,
        xDlSym: None,
        xDlClose: None,
        xRandomness: Some(randomness),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(last_error),
        xCurrentTimeInt64: Some(current_time_millis),
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

// The functions below are called by SQLite only, through the table above. It passes a registered
// VFS of ours, names that end in a zero, and pointers that are valid for what the interface says.

/// # Safety
/// `raw` is a VFS that [`Vfs::register`] registered.
unsafe fn vfs_of<'a>(raw: *mut ffi::sqlite3_vfs) -> &'a Vfs {
    // SAFETY: `pAppData` points into the `Arc` that keeps `raw` registered.
    unsafe { &*(*raw).pAppData.cast::<Vfs>() }
}

/// # Safety
/// `name` ends in a zero.
unsafe fn text(name: *const c_char) -> String {
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned()
}

unsafe extern "C" fn open(
    raw: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    flags_out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above). An `Arc` is made of a pointer that came from one
    // that is alive, after counting it.
    let (vfs, name) = unsafe {
        io::clear(file);
        let pointer = ptr::from_ref(vfs_of(raw));
        Arc::increment_strong_count(pointer);
        (Arc::from_raw(pointer), (!name.is_null()).then(|| text(name)))
    };
    let code = Arc::clone(&vfs).guard(ffi::SQLITE_CANTOPEN, || {
        let handle = Handle::open(vfs, name, flags)?;
        // SAFETY: `file` has room for `szOsFile` bytes and was cleared.
        unsafe { io::install(file, handle) };
        Ok(())
    });
    if code == ffi::SQLITE_OK && !flags_out.is_null() {
        // SAFETY: not null, so it is valid.
        unsafe { *flags_out = flags };
    }
    code
}

unsafe extern "C" fn delete(
    raw: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    let (vfs, name) = unsafe { (vfs_of(raw), text(name)) };
    vfs.guard(ffi::SQLITE_IOERR_DELETE, || vfs.delete(&name, sync_directory != 0))
}

unsafe extern "C" fn access(
    raw: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    let (vfs, name, out) = unsafe { (vfs_of(raw), text(name), &mut *out) };
    *out = 0;
    vfs.guard(ffi::SQLITE_IOERR_ACCESS, || {
        *out = c_int::from(vfs.access(&name, flags)?);
        Ok(())
    })
}

/// There is one directory, so a name is a full path.
unsafe extern "C" fn full_pathname(
    _raw: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    room: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes_with_nul();
    if bytes.len() > usize::try_from(room).unwrap_or(0) {
        return ffi::SQLITE_CANTOPEN;
    }
    // SAFETY: `out` has `room` bytes, and is a buffer of SQLite's apart from `name`.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr().cast(), out, bytes.len()) };
    ffi::SQLITE_OK
}

unsafe extern "C" fn randomness(
    raw: *mut ffi::sqlite3_vfs,
    count: c_int,
    out: *mut c_char,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above): `out` has `count` bytes, zeroed here first
    // because they may never have been written.
    let (vfs, out) = unsafe {
        let count = usize::try_from(count).unwrap_or(0);
        ptr::write_bytes(out, 0, count);
        (vfs_of(raw), slice::from_raw_parts_mut(out.cast::<u8>(), count))
    };
    vfs.volume.fill_random(out);
    count
}

unsafe extern "C" fn sleep(raw: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    let vfs = unsafe { vfs_of(raw) };
    vfs.volume.add_busy(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    micros
}

unsafe extern "C" fn current_time_millis(
    raw: *mut ffi::sqlite3_vfs,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    let (vfs, out) = unsafe { (vfs_of(raw), &mut *out) };
    vfs.guard(ffi::SQLITE_ERROR, || {
        *out = vfs.volume.unix_millis().saturating_add(UNIX_EPOCH_MILLIS);
        Ok(())
    })
}

/// Days instead of milliseconds; SQLite asks this only of older VFSs.
#[expect(clippy::cast_precision_loss, reason = "the interface wants days as a float")]
unsafe extern "C" fn current_time(raw: *mut ffi::sqlite3_vfs, out: *mut f64) -> c_int {
    let mut millis = 0;
    // SAFETY: as for the function called, whose promises these are.
    unsafe {
        let code = current_time_millis(raw, &raw mut millis);
        *out = millis as f64 / 86_400_000.0;
        code
    }
}

/// There is no operating system whose last error could be told.
unsafe extern "C" fn last_error(
    _raw: *mut ffi::sqlite3_vfs,
    _room: c_int,
    _out: *mut c_char,
) -> c_int {
    0
}

#[cfg(test)]
mod tests {
    use std::{ffi::CStr, sync::Arc, time::SystemTime};

    use libsqlite3_sys as ffi;
    use transport::host::Clock;

    use super::{Vfs, Volume};
    use crate::disk::DiskObserver;

    struct Nobody;

    impl Clock for Nobody {
        fn now(&self) -> SystemTime {
            SystemTime::UNIX_EPOCH
        }
    }

    impl DiskObserver for Nobody {
        fn synced(&self, _file: &str, _bytes: u64) {}
        fn injected(&self) {}
        fn died(&self) {}
    }

    fn is_registered(name: &CStr) -> bool {
        // SAFETY: a string that ends in a zero.
        !unsafe { ffi::sqlite3_vfs_find(name.as_ptr()) }.is_null()
    }

    #[test]
    fn a_vfs_is_registered_until_the_last_file_on_it_is_closed() {
        let volume = Arc::new(Volume::new(0, "a", Arc::new(Nobody), Arc::new(Nobody)));
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
