//! Stored events that this thread has parsed: an event is read again for every device and for every
//! event that builds on it, and its text never changes.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use super::{Malformed, Pdu};

/// Events that one thread keeps parsed; the one parsed first makes room.
const MAX_PARSED: usize = 1024;

#[derive(Default)]
struct Parsed {
    by_id: BTreeMap<String, (String, Pdu)>,
    in_order: VecDeque<String>,
}

thread_local! {
    static PARSED: RefCell<Parsed> = RefCell::default();
}

/// What `parse` makes of an event; not called where this very text was parsed before.
pub(super) fn recall(
    event_id: &str,
    room_id: &str,
    json: &str,
    parse: impl FnOnce() -> Result<Pdu, Malformed>,
) -> Result<Pdu, Malformed> {
    let known = PARSED.with_borrow(|parsed| parsed.find(event_id, room_id, json));
    if let Some(pdu) = known {
        return Ok(pdu);
    }
    let pdu = parse()?;
    PARSED.with_borrow_mut(|parsed| parsed.keep(event_id, json, &pdu));
    Ok(pdu)
}

impl Parsed {
    /// The event, if exactly this text of it was parsed.
    fn find(&self, event_id: &str, room_id: &str, json: &str) -> Option<Pdu> {
        let (text, pdu) = self.by_id.get(event_id)?;
        (text == json && pdu.room_id == room_id).then(|| pdu.clone())
    }

    fn keep(&mut self, event_id: &str, json: &str, pdu: &Pdu) {
        let entry = (json.to_owned(), pdu.clone());
        if self.by_id.insert(event_id.to_owned(), entry).is_some() {
            return;
        }
        self.in_order.push_back(event_id.to_owned());
        if self.in_order.len() > MAX_PARSED
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}
