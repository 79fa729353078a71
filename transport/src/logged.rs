//! Which records of a log are worth reading.

use tracing::{Level, Metadata, level_filters::LevelFilter};

/// What the names of crates begin with that tell at `INFO` how they came to each of their answers: a line
/// for every event that is judged, of use only to who debugs them.
const TALKATIVE: &str = "ruma";

/// Returns whether a record is written where `level` was asked for. What those crates tell at `INFO` is written
/// from `DEBUG` on.
pub fn is_written(about: &Metadata<'_>, level: LevelFilter) -> bool {
    let is_talk = *about.level() == Level::INFO && about.target().starts_with(TALKATIVE);
    *about.level() <= level && !(is_talk && level <= LevelFilter::INFO)
}
