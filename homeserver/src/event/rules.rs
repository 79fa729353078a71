//! The rules of the room versions, each of them at one place for as long as the program runs: what
//! was worked out under some rules is recalled under these very ones.

use std::{collections::BTreeMap, sync::LazyLock};

use ruma::{RoomVersionId, room_version_rules::RoomVersionRules};

/// The rules of a room version, as `of` gives them.
pub type Rules = &'static RoomVersionRules;

static STABLE: LazyLock<BTreeMap<RoomVersionId, RoomVersionRules>> = LazyLock::new(|| {
    let versions = (1..=12).filter_map(|number: u8| number.to_string().try_into().ok());
    versions
        .filter_map(|version: RoomVersionId| Some((version.clone(), version.rules()?)))
        .collect()
});

/// Returns the rules of `version`; `None` unless it is a stable one.
pub fn of(version: &RoomVersionId) -> Option<Rules> {
    STABLE.get(version)
}
