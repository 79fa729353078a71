//! The policy `eventual`: stored here at once, sent to each backend until it arrives.

use serde_json::Value;

use super::{
    answers::{Earlier, Outcome, SendKey, earlier, keep_outcome},
    moment::now_ms,
    rooms::{Draft, RoomError, Rooms},
};

/// Sends a message. One transaction stores the event, its notifications, its place in the queue of
/// every destination, and the answer; so a crash leaves all of them or none.
pub(crate) async fn send(
    rooms: &Rooms,
    key: SendKey,
    content: Value,
) -> Result<Outcome, RoomError> {
    let (inside, now) = (rooms.clone(), now_ms(&rooms.core().host));
    let outcome = rooms
        .database()
        .transaction(move |tx| {
            if let Some(Earlier::Ended(outcome)) = earlier(tx, &key)? {
                return Ok::<_, RoomError>(outcome);
            }
            let draft = Draft { kind: &key.kind, state_key: None, content };
            let event = inside.build_in(tx, &key.device.user_id, &key.room_id, draft)?;
            let checked = inside.trusted(event);
            inside.insert(tx, &checked)?;
            inside.enqueue(tx, &checked.pdu)?;
            let event_id = checked.pdu.event_id.clone();
            let outcome =
                Outcome::Delivered { event_id: event_id.clone(), failed_to_send: Vec::new() };
            keep_outcome(tx, &key, (&event_id, &outcome), now)?;
            Ok(outcome)
        })
        .await?;
    rooms.committed();
    Ok(outcome)
}
