//! What is shown of a room to who is outside of it: the state that comes along with an invite, or with the
//! answer to a knock. Nobody answers for it: it is a hint, for clients.

use serde_json::{Map, Value};

/// Events of it.
pub(crate) const MAX_SHOWN_STATE: usize = 100;

/// Bytes of them that are kept: every initial sync has them in it, of every invite and knock.
const MAX_SHOWN_BYTES: usize = 32 << 10;

/// Returns what is kept of such a state, as clients see it. What does not fit is left out: the invite or
/// the knock counts without it.
pub(crate) fn stripped_state(shown: &Value) -> Value {
    let mut left = MAX_SHOWN_BYTES;
    let fits = |event: &Value| {
        let bytes = event.to_string().len();
        let fits = bytes <= left;
        left = left.saturating_sub(if fits { bytes } else { 0 });
        fits
    };
    let events = shown.as_array().into_iter().flatten().take(MAX_SHOWN_STATE);
    Value::Array(events.map(stripped).filter(fits).collect())
}

/// Returns a state event with what a client needs to show it (client-server API, "Stripped state").
pub(super) fn stripped(event: &Value) -> Value {
    let fields = ["type", "state_key", "sender", "content"];
    let kept: Map<_, _> = fields
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), event.get(name)?.clone())))
        .collect();
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_SHOWN_BYTES, MAX_SHOWN_STATE, stripped_state};

    #[test]
    fn what_does_not_fit_is_left_out_and_the_rest_is_kept() {
        let event =
            |bytes: usize| json!({ "type": "m.x", "content": "x".repeat(bytes), "more": 1 });
        let shown = json!([event(1), event(MAX_SHOWN_BYTES), event(2)]);
        let kept = stripped_state(&shown);
        assert_eq!(
            kept,
            json!([
                { "type": "m.x", "content": "x" },
                { "type": "m.x", "content": "xx" },
            ])
        );
        let many = Value::Array(vec![event(1); MAX_SHOWN_STATE + 1]);
        assert_eq!(stripped_state(&many).as_array().map(Vec::len), Some(MAX_SHOWN_STATE));
    }
}
