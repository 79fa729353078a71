//! SQLite's memory statistics, which are off.
#![expect(unsafe_code, reason = "the settings of SQLite's process are a C function")]

use std::sync::Once;

use rusqlite::ffi;

/// Turns SQLite's memory statistics off for the whole process: nobody reads them, and they cost each
/// allocation a lock that all databases share. Every [`crate::host::Disk`] calls this before it first
/// uses SQLite; only the first call does anything.
///
/// SQLite takes this setting until it starts. Where a program has already used it, the statistics
/// stay as they are, which costs time and changes nothing else. A program whose own threads use
/// SQLite beside its nodes calls this before it starts them.
pub fn disable_memory_statistics() {
    static DISABLED: Once = Once::new();
    DISABLED.call_once(|| {
        // SAFETY: this option takes one int. No other thread may be inside SQLite meanwhile: those
        // that open databases of ours wait here, and all others the documentation above forbids.
        // A late call is answered with SQLITE_MISUSE, and has done nothing.
        unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MEMSTATUS, 0_i32) };
    });
}
