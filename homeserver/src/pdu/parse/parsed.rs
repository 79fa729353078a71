//! Stored events that this thread has parsed: an event is read again for every device and for every
//! event that builds on it, and its text never changes.

use std::cell::RefCell;

use transport::memo::Memo;

use super::{Malformed, Pdu};

/// Events that one thread keeps parsed.
const MAX_PARSED: usize = 4096;

/// An event and the text that it was parsed from.
type Parsed = (Box<str>, Pdu);

thread_local! {
    static PARSED: RefCell<Memo<Box<str>, Parsed>> = const { RefCell::new(Memo::new(MAX_PARSED)) };
}

/// What `parse` makes of an event; not called where this very text was parsed before.
pub(super) fn recall(
    event_id: &str,
    room_id: &str,
    json: &str,
    parse: impl FnOnce() -> Result<Pdu, Malformed>,
) -> Result<Pdu, Malformed> {
    let known = PARSED.with_borrow(|parsed| match parsed.get(event_id) {
        Some((text, pdu)) if **text == *json && pdu.room_id == room_id => Some(pdu.clone()),
        _ => None,
    });
    if let Some(pdu) = known {
        return Ok(pdu);
    }
    let pdu = parse()?;
    PARSED.with_borrow_mut(|parsed| parsed.keep(event_id.into(), (json.into(), pdu.clone())));
    Ok(pdu)
}

#[cfg(test)]
mod tests {
    use super::{Malformed, recall};

    fn parse(event_id: &str, json: &str) -> Result<String, Malformed> {
        let parse = || super::Pdu::parse_stored(event_id, "!room:a", json);
        recall(event_id, "!room:a", json, parse).map(|pdu| pdu.kind.clone())
    }

    fn event(kind: &str) -> String {
        let fields = r#""sender": "@user:a", "origin_server_ts": 1, "depth": 1, "content": {}"#;
        format!(r#"{{"type": "{kind}", {fields}, "prev_events": [], "auth_events": []}}"#)
    }

    #[test]
    fn an_event_whose_text_has_changed_is_parsed_again() {
        for kind in ["m.one", "m.one", "m.other"] {
            assert_eq!(parse("$event", &event(kind)), Ok(kind.to_owned()));
        }
        assert!(parse("$event", "{}").is_err());
    }
}
