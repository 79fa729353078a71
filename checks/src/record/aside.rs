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
    /// What the programs logged, in order, if that was kept: of a run that does not pass, the last ten
    /// thousand lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<LogLine>,
}

/// A line that a program has logged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogLine {
    /// When, in simulated nanoseconds since the cluster was ready; negative before.
    pub at_ns: i64,
    /// The machine.
    pub node: String,
    /// How bad it is: `ERROR`, `WARN` or `INFO`.
    pub level: String,
    /// What it says.
    pub text: String,
}
