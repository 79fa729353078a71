//! Ctrl-C while something long goes on: the first one asks it to come to its end and to show what
//! is known, the second one ends the program.

use std::{
    process,
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// What is said of runs that Ctrl-C ended.
pub(crate) const ENDED: &str = "ended by Ctrl-C before all runs were made";

/// The exit code of a program that Ctrl-C ended, as shells have it.
const INTERRUPTED: i32 = 130;

/// Returns a flag that the first Ctrl-C sets. Where the system cannot tell of it, Ctrl-C ends the
/// program at once, as it does without this.
pub(crate) fn flag() -> &'static AtomicBool {
    static FLAG: OnceLock<AtomicBool> = OnceLock::new();
    static HANDLER: OnceLock<bool> = OnceLock::new();
    let flag = FLAG.get_or_init(AtomicBool::default);
    HANDLER.get_or_init(|| {
        let told = ctrlc::set_handler(move || {
            if flag.swap(true, Ordering::Relaxed) {
                process::exit(INTERRUPTED);
            }
        });
        told.is_ok()
    });
    flag
}

/// Returns whether Ctrl-C was pressed.
pub(crate) fn is_set() -> bool {
    flag().load(Ordering::Relaxed)
}
