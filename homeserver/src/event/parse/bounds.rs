//! What an event may be at most, whoever made it: small and flat enough for every later stage.
//! Integers beyond 2^53 - 1 and fractions are no canonical JSON, and so never come as far as this.

use ruma::{CanonicalJsonObject, CanonicalJsonValue};
use transport::bounds::MAX_EVENT_DEPTH;

use super::Malformed;

/// Bytes of an event's canonical JSON, whole (client-server API, "Size limits"), in words; ruma
/// counts them.
pub(super) const PDU_BYTES: &str = "65535";

/// Bytes of an event as it comes, with what is unsigned in it, white space and escapes.
pub(super) const MAX_RAW_BYTES: usize = 128 << 10;

/// Keys of all objects in an event.
const MAX_KEYS: usize = 4096;

/// Refuses an event that has too many levels or keys.
pub(super) fn check(object: &CanonicalJsonObject) -> Result<(), Malformed> {
    let mut keys = 0;
    check_object(object, 1, &mut keys)
}

fn check_object(
    object: &CanonicalJsonObject,
    depth: usize,
    keys: &mut usize,
) -> Result<(), Malformed> {
    *keys += object.len();
    if *keys > MAX_KEYS {
        return Err(Malformed::Wrong(format!("it has more than {MAX_KEYS} keys")));
    }
    object.values().try_for_each(|value| check_value(value, depth + 1, keys))
}

fn check_value(
    value: &CanonicalJsonValue,
    depth: usize,
    keys: &mut usize,
) -> Result<(), Malformed> {
    let is_nested = matches!(value, CanonicalJsonValue::Object(_) | CanonicalJsonValue::Array(_));
    if is_nested && depth > MAX_EVENT_DEPTH {
        return Err(Malformed::Wrong(format!("it is nested deeper than {MAX_EVENT_DEPTH} levels")));
    }
    match value {
        CanonicalJsonValue::Object(object) => check_object(object, depth, keys),
        CanonicalJsonValue::Array(array) => {
            array.iter().try_for_each(|value| check_value(value, depth + 1, keys))
        }
        _ => Ok(()),
    }
}
