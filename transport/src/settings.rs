//! Files by which operators set a server: durations and sizes with units, and mistakes that point at
//! what is wrong in the text.

use serde::{Deserialize, de};

pub use settings::{Document, Mistake, Wrong, bytes, duration, duration_text, some_bytes};

/// Reads how much is logged: error, warn, info, debug or trace.
///
/// # Errors
/// It is none of these.
pub fn level<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<tracing::Level>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let expected = || de::Error::custom("expected error, warn, info, debug or trace");
    text.parse().map(Some).map_err(|_| expected())
}
