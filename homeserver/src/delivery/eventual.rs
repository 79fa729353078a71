//! The policy `eventual`: stored here at once, sent to each backend until it arrives.

use defects::{Defect, planted};
use ruma::OwnedServerName;
use serde_json::Value;
use transport::BoxFuture;

use super::{Policy, SendError};
use crate::{
    messaging::rooms::{Draft, RoomError, Rooms},
    store::sends::{Earlier, Outcome, SendKey, earlier, keep_outcome},
};

/// The policy over this server's rooms.
pub(super) struct Eventual {
    rooms: Rooms,
}

impl Policy for Eventual {
    fn send(
        &self,
        _owner: OwnedServerName,
        key: SendKey,
        content: Value,
    ) -> BoxFuture<'_, Result<Outcome, SendError>> {
        Box::pin(async move { Ok(self.put(key, content).await?) })
    }
}

impl Eventual {
    pub(super) fn new(rooms: Rooms) -> Self {
        Self { rooms }
    }

    /// Sends a message. One transaction stores the event, its notifications, its place in the queue
    /// of every destination, and the answer; so a crash leaves all of them or none.
    async fn put(&self, key: SendKey, content: Value) -> Result<Outcome, RoomError> {
        let (rooms, now) = (self.rooms.clone(), self.rooms.core().ages.now_ms());
        self.rooms
            .database()
            .transaction(move |tx| {
                if let Some(Earlier::Ended(outcome)) = earlier(tx, &key)?
                    && !planted(Defect::RetryIsASecondMessage)
                {
                    return Ok::<_, RoomError>(outcome);
                }
                let draft = Draft::message(&key.device.user_id, &key.kind, content);
                let event = rooms.build_in(tx, &key.room_id, &draft)?;
                let checked = rooms.trusted(event);
                rooms.insert(tx, &checked)?;
                rooms.enqueue(tx, &checked.pdu)?;
                let event_id = checked.pdu.event_id.clone();
                let outcome =
                    Outcome::Delivered { event_id: event_id.clone(), failed_to_send: Vec::new() };
                keep_outcome(tx, &key, &event_id, &outcome, now)?;
                Ok(outcome)
            })
            .await
    }
}
