//! What SQLite can tell of a connection and rusqlite has no name for.
#![expect(unsafe_code, reason = "SQLite asks an authorizer through a C function pointer")]

use std::{
    ffi::{CStr, c_char, c_int, c_void},
    sync::Arc,
};

use libsqlite3_sys as ffi;
use rusqlite::Connection;

use super::vfs::Vfs;

/// What statements do that leave nothing behind in their connection: they read and change rows.
/// Everything else (the schema, a PRAGMA, another database) may.
const ORDINARY: [c_int; 8] = [
    ffi::SQLITE_SELECT,
    ffi::SQLITE_READ,
    ffi::SQLITE_INSERT,
    ffi::SQLITE_UPDATE,
    ffi::SQLITE_DELETE,
    ffi::SQLITE_TRANSACTION,
    ffi::SQLITE_FUNCTION,
    ffi::SQLITE_RECURSIVE,
];

/// The one PRAGMA that leaves nothing behind that a run could notice either: a checkpoint.
const CHECKPOINT: &CStr = c"wal_checkpoint";

/// Has `vfs`, on which `connection` is, spoilt by the first statement prepared from now on that does
/// more than read and change rows.
pub(super) fn watch_statements(connection: &Connection, vfs: &Arc<Vfs>) {
    // SAFETY: the connection is open. Its files hold `vfs`, so that this lives while statements can
    // be prepared on it.
    unsafe {
        let vfs = Arc::as_ptr(vfs).cast_mut().cast();
        ffi::sqlite3_set_authorizer(connection.handle(), Some(prepared), vfs);
    }
}

/// Forgets which row was inserted last.
pub(super) fn forget_last_row(connection: &Connection) {
    // SAFETY: the connection is open.
    unsafe { ffi::sqlite3_set_last_insert_rowid(connection.handle(), 0) };
}

/// Allows everything.
unsafe extern "C" fn prepared(
    vfs: *mut c_void,
    action: c_int,
    first: *const c_char,
    _: *const c_char,
    _: *const c_char,
    _: *const c_char,
) -> c_int {
    // SAFETY: the first argument of a PRAGMA is its name.
    let is_checkpoint =
        action == ffi::SQLITE_PRAGMA && unsafe { CStr::from_ptr(first) } == CHECKPOINT;
    if !ORDINARY.contains(&action) && !is_checkpoint {
        // SAFETY: the pointer that `watch_statements` gave, which is valid as it says.
        unsafe { &*vfs.cast::<Vfs>() }.spoil();
    }
    ffi::SQLITE_OK
}
