//! A disk as SQLite sees it: a table of C functions that open, look for and delete files.
#![expect(unsafe_code, reason = "SQLite calls a VFS through C function pointers")]

use std::{
    ffi::{CStr, c_char, c_int},
    ptr, slice,
    sync::Arc,
    time::Duration,
};

use libsqlite3_sys as ffi;

use super::{handle::Handle, io, vfs::Vfs};

/// Bytes that a file name may have, its terminating zero included.
const NAME_BYTES_MAX: c_int = 512;

/// The Unix epoch in SQLite's time: milliseconds since noon of November 24, 4714 BC, Greenwich.
const UNIX_EPOCH_MILLIS: i64 = 210_866_760_000_000;

/// Returns the table that SQLite reads. There are no shared libraries on a simulated disk.
pub(super) fn table(name: &CStr) -> ffi::sqlite3_vfs {
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

// Only SQLite calls the functions below, through the table above. It passes a registered VFS of
// ours, names that end in a zero, and pointers that are valid for what the interface says.

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
    let code = vfs.guard(ffi::SQLITE_CANTOPEN, |incarnation| {
        let handle = Handle::open(Arc::clone(&vfs), Arc::clone(incarnation), name, flags)?;
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
    vfs.guard(ffi::SQLITE_IOERR_DELETE, |incarnation| {
        incarnation.delete(&name, sync_directory != 0)
    })
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
    vfs.guard(ffi::SQLITE_IOERR_ACCESS, |incarnation| {
        *out = c_int::from(incarnation.access(&name, flags)?);
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
    vfs.incarnation().volume().fill_random(out);
    count
}

unsafe extern "C" fn sleep(raw: *mut ffi::sqlite3_vfs, micros: c_int) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    let vfs = unsafe { vfs_of(raw) };
    vfs.incarnation().volume().add_busy(Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
    micros
}

unsafe extern "C" fn current_time_millis(
    raw: *mut ffi::sqlite3_vfs,
    out: *mut ffi::sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite keeps its promises (above).
    let (vfs, out) = unsafe { (vfs_of(raw), &mut *out) };
    vfs.guard(ffi::SQLITE_ERROR, |incarnation| {
        *out = incarnation.volume().unix_millis().saturating_add(UNIX_EPOCH_MILLIS);
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

/// There is no operating system whose last error could be reported.
unsafe extern "C" fn last_error(
    _raw: *mut ffi::sqlite3_vfs,
    _room: c_int,
    _out: *mut c_char,
) -> c_int {
    0
}
