//! What a record has beside the run itself: what clients of other federations did, and what may differ
//! between equal runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What clients did, counted in their words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deeds {
    /// How many there were.
    pub count: u64,
    /// The word for several, such as `posts`.
    pub word: String,
}

/// What may differ between two runs of the same scenario and seed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Meta {
    /// How long the run took.
    pub wall_ms: u64,
    /// Which build of the program ran it; empty if nobody knows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub build: String,
}
