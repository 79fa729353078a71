//! What this process holds outside Rust's heap: SQLite's memory, and the disks registered with it.
#![expect(unsafe_code, reason = "SQLite is C")]

use std::{
    ffi::CStr,
    ptr,
    sync::{Mutex, MutexGuard, Once, PoisonError},
};

use libsqlite3_sys as ffi;

/// Bytes that SQLite has allocated and not freed, in the whole process.
pub(crate) fn sqlite_bytes() -> i64 {
    // SAFETY: it takes nothing and reads a counter.
    unsafe { ffi::sqlite3_memory_used() }
}

/// Simulated disks that SQLite knows, in the whole process.
pub(crate) fn registered_disks() -> usize {
    let mut count = 0;
    // SAFETY: the list holds valid tables with valid names; whoever registers or unregisters one
    // in this process has `alone`.
    unsafe {
        let mut vfs = ffi::sqlite3_vfs_find(ptr::null());
        while !vfs.is_null() {
            count += usize::from(CStr::from_ptr((*vfs).zName).to_bytes().starts_with(b"sim-disk-"));
            vfs = (*vfs).pNext;
        }
    }
    count
}

/// Keeps the other tests of this process waiting: some counts are of the whole process. And lets
/// SQLite count, which it does only if it was told so before anybody used it.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    static COUNTED: Once = Once::new();
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    COUNTED.call_once(|| {
        // SAFETY: the option takes one int. Every test of this process begins here, so that none
        // of them is inside SQLite.
        let codes = unsafe {
            [ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 1_i32), ffi::sqlite3_initialize()]
        };
        assert_eq!(codes, [ffi::SQLITE_OK; 2], "somebody was first");
    });
    alone
}
