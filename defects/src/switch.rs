//! The switch: which defect is planted on this thread.

#[cfg(feature = "planted")]
use std::cell::Cell;

use crate::Defect;

/// Whether this build can plant a defect: whether it has the feature `planted`.
pub const CAN_PLANT: bool = cfg!(feature = "planted");

#[cfg(feature = "planted")]
thread_local! {
    static PLANTED: Cell<Option<Defect>> = const { Cell::new(None) };
}

/// Returns whether a defect is planted on this thread.
#[cfg(feature = "planted")]
pub fn planted(defect: Defect) -> bool {
    PLANTED.get() == Some(defect)
}

/// Returns whether a defect is planted: never, in a build without the feature `planted`.
#[cfg(not(feature = "planted"))]
pub const fn planted(_: Defect) -> bool {
    false
}

/// Restores, when it is dropped, what was planted before. It belongs to the thread that made it;
/// it can be sent because what a world plays can be, and is dropped where it was made.
#[derive(Debug)]
#[must_use = "what is planted is taken out again when this is dropped"]
pub struct Planted {
    before: Option<Defect>,
}

/// Plants a defect on this thread, or none. Planting one in a build without the feature `planted`
/// is a bug of the caller and panics: a search would report that it found nothing.
pub fn plant(defect: Option<Defect>) -> Planted {
    assert!(CAN_PLANT || defect.is_none(), "this build was made without the feature `planted`");
    Planted { before: replace(defect) }
}

impl Drop for Planted {
    fn drop(&mut self) {
        replace(self.before);
    }
}

#[cfg(feature = "planted")]
fn replace(defect: Option<Defect>) -> Option<Defect> {
    PLANTED.replace(defect)
}

#[cfg(not(feature = "planted"))]
const fn replace(_: Option<Defect>) -> Option<Defect> {
    None
}
