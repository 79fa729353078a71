//! An open file as SQLite sees it: a table of C functions, and a pointer to our handle.
#![expect(unsafe_code, reason = "SQLite calls a file's methods through C function pointers")]

use std::{
    ffi::{c_int, c_void},
    panic::{AssertUnwindSafe, catch_unwind},
    ptr, slice,
    sync::atomic::{Ordering, fence},
};

use libsqlite3_sys as ffi;
use rusqlite::Connection;

use super::{handle::Handle, locks::Level, volume::Answer};

/// What SQLite allocates for each file that it opens.
#[repr(C)]
struct RawFile {
    base: ffi::sqlite3_file,
    handle: *mut Handle,
}

/// How much that is.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "two pointers are a small number of bytes"
)]
pub(super) const FILE_BYTES: c_int = size_of::<RawFile>() as c_int;

/// What SQLite's own Unix VFS answers, so that SQLite takes the same path here as on a real disk.
/// With `POWERSAFE_OVERWRITE` below it does not rely on this number.
const SECTOR_BYTES: c_int = 4096;

/// As in the Unix VFS: a write that power loss tears leaves the bytes around it alone (true of our
/// sectors, which change as a whole or not at all), and part of a page may be read. Nothing more:
/// whoever claims atomic or ordered writes here makes SQLite leave out syncs.
const CHARACTERISTICS: c_int =
    ffi::SQLITE_IOCAP_POWERSAFE_OVERWRITE | ffi::SQLITE_IOCAP_SUBPAGE_READ;

/// Version 2: with the shared memory of write-ahead logs, without mapping of the file itself.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Marks `file` as not open, so that SQLite does not close what could not be opened.
///
/// # Safety
/// `file` has [`FILE_BYTES`] bytes.
pub(super) unsafe fn clear(file: *mut ffi::sqlite3_file) {
    // SAFETY: the caller's promise.
    unsafe { (*file).pMethods = ptr::null() };
}

/// Makes `file` stand for `handle`, which lives until SQLite closes it.
///
/// # Safety
/// `file` has [`FILE_BYTES`] bytes and is not open.
pub(super) unsafe fn install(file: *mut ffi::sqlite3_file, handle: Handle) {
    let base = ffi::sqlite3_file { pMethods: &raw const METHODS };
    let raw = RawFile { base, handle: Box::into_raw(Box::new(handle)) };
    // SAFETY: the caller's promise; SQLite aligns what it allocates for pointers.
    unsafe { file.cast::<RawFile>().write(raw) };
}

/// Runs `op` on the handle of `file`; returns `code` if it panics.
///
/// # Safety
/// `file` is one that [`install`] filled and SQLite has not closed, and SQLite, which uses a file
/// from one thread at a time, is not inside another of its methods.
unsafe fn with_handle(
    file: *mut ffi::sqlite3_file,
    code: c_int,
    op: impl FnOnce(&mut Handle) -> Answer<()>,
) -> c_int {
    // SAFETY: the caller's promise.
    let handle = unsafe { &mut *(*file.cast::<RawFile>()).handle };
    let done = catch_unwind(AssertUnwindSafe(|| op(handle)));
    handle.conclude(code, done)
}

/// Runs `op` on the files that `connection` has open: the database and its write-ahead log. Returns
/// nothing if it has no log, or other files than ours.
pub(super) fn with_files<T>(
    connection: &Connection,
    op: impl FnOnce(&mut Handle, &mut Handle) -> T,
) -> Option<T> {
    let [database, log] = [ffi::SQLITE_FCNTL_FILE_POINTER, ffi::SQLITE_FCNTL_JOURNAL_POINTER]
        .map(|which| file_of(connection, which));
    let (database, log) = (database?, log?);
    if database == log {
        return None;
    }
    // SAFETY: these are two open files that `install` filled. We are not inside a method of either,
    // because nobody else uses a connection that is borrowed here: it cannot be shared by threads.
    unsafe {
        let handle = |file: *mut ffi::sqlite3_file| &mut *(*file.cast::<RawFile>()).handle;
        Some(op(handle(database), handle(log)))
    }
}

/// Returns the open file that `which` asks for, if it is one of ours.
fn file_of(connection: &Connection, which: c_int) -> Option<*mut ffi::sqlite3_file> {
    let mut file: *mut ffi::sqlite3_file = ptr::null_mut();
    // SAFETY: the connection is open and stays so; for these operations the argument is where
    // SQLite writes a pointer to one of its files, which is null or valid while it is open.
    unsafe {
        let out = (&raw mut file).cast::<c_void>();
        let code = ffi::sqlite3_file_control(connection.handle(), ptr::null(), which, out);
        let is_ours = code == ffi::SQLITE_OK
            && !file.is_null()
            && ptr::eq((*file).pMethods, &raw const METHODS);
        is_ours.then_some(file)
    }
}

// Only SQLite calls the functions below, through the table above: with a file that is open, and
// pointers that are valid for what the interface says.

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite keeps its promises (above). The handle came from `install` and is not used
    // again: SQLite forgets a file that it closed, whatever we answer.
    unsafe {
        let code = with_handle(file, ffi::SQLITE_IOERR_CLOSE, Handle::close);
        drop(Box::from_raw((*file.cast::<RawFile>()).handle));
        clear(file);
        code
    }
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    let count = usize::try_from(count).unwrap_or(0);
    // SAFETY: SQLite keeps its promises (above). The buffer is zeroed first: it may never have
    // been written, and SQLite wants zeros where the file ends early.
    unsafe {
        ptr::write_bytes(out.cast::<u8>(), 0, count);
        let out = slice::from_raw_parts_mut(out.cast::<u8>(), count);
        with_handle(file, ffi::SQLITE_IOERR_READ, |handle| handle.read(offset, out))
    }
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    bytes: *const c_void,
    count: c_int,
    offset: ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    unsafe {
        let bytes = slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(count).unwrap_or(0));
        with_handle(file, ffi::SQLITE_IOERR_WRITE, |handle| handle.write(offset, bytes))
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, len: ffi::sqlite3_int64) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    unsafe { with_handle(file, ffi::SQLITE_IOERR_TRUNCATE, |handle| handle.truncate(len)) }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    unsafe { with_handle(file, ffi::SQLITE_IOERR_FSYNC, Handle::sync) }
}

unsafe extern "C" fn file_size(
    file: *mut ffi::sqlite3_file,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    unsafe {
        let out = &mut *out;
        with_handle(file, ffi::SQLITE_IOERR_FSTAT, |handle| {
            *out = handle.len()?;
            Ok(())
        })
    }
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let level = Level::from_sqlite(level);
    // SAFETY: SQLite keeps its promises (above).
    unsafe { with_handle(file, ffi::SQLITE_IOERR_LOCK, |handle| handle.lock(level)) }
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    let level = Level::from_sqlite(level);
    // SAFETY: SQLite keeps its promises (above).
    unsafe { with_handle(file, ffi::SQLITE_IOERR_UNLOCK, |handle| handle.unlock(level)) }
}

unsafe extern "C" fn check_reserved_lock(file: *mut ffi::sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    unsafe {
        let out = &mut *out;
        *out = 0;
        with_handle(file, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK, |handle| {
            *out = c_int::from(handle.is_reserved()?);
            Ok(())
        })
    }
}

/// This disk takes no requests beyond the interface.
unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    SECTOR_BYTES
}

unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    CHARACTERISTICS
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    region: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    let number = |number: c_int| usize::try_from(number).map_err(|_| ffi::SQLITE_IOERR_SHMMAP);
    // SAFETY: SQLite keeps its promises (above).
    unsafe {
        let out = &mut *out;
        *out = ptr::null_mut();
        with_handle(file, ffi::SQLITE_IOERR_SHMMAP, |handle| {
            let mapped = handle.map_shm(number(region)?, number(size)?, extend != 0)?;
            *out = mapped.unwrap_or(ptr::null_mut());
            Ok(())
        })
    }
}

unsafe extern "C" fn shm_lock(
    file: *mut ffi::sqlite3_file,
    first: c_int,
    count: c_int,
    flags: c_int,
) -> c_int {
    let number = |number: c_int| usize::try_from(number).unwrap_or(0);
    let slots = number(first)..number(first).saturating_add(number(count));
    // SAFETY: SQLite keeps its promises (above).
    unsafe { with_handle(file, ffi::SQLITE_IOERR_SHMLOCK, |handle| handle.lock_shm(slots, flags)) }
}

unsafe extern "C" fn shm_barrier(_file: *mut ffi::sqlite3_file) {
    fence(Ordering::SeqCst);
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, _delete: c_int) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    unsafe {
        with_handle(file, ffi::SQLITE_IOERR_SHMMAP, |handle| {
            handle.unmap_shm();
            Ok(())
        })
    }
}
