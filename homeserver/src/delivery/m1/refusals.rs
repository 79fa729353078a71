//! Why the owner does not deliver a message, and what it remembers of that.

use defects::{Defect, planted};
use ruma::RoomId;
use transport::endpoints::m1::{Decision, Sent};

use super::{
    super::Handed,
    coordinator::{Ballots, Coordinator, delivered, is_shown},
    ensure_owner, refused,
    votes::Ballot,
};
use crate::{
    messaging::rooms::RoomError,
    pdu::{Checked, Standing},
    store::{
        m1::{self, Message},
        memberships,
    },
};

/// Why an event that was aborted before is aborted again.
pub(super) const ABORTED_BEFORE: &str = "an earlier attempt to send this message was aborted";

impl Coordinator {
    /// Refuses a message of a backend that has nobody in the room anymore, unless it was answered before.
    /// Nobody asks for its vote then; but the request may come once more after somebody is back, and
    /// must be refused then, too.
    ///
    /// # Errors
    /// The backend never was in the room, this server does not own it, or nothing can be promised: too
    /// much is recorded for the backend already, or the store refuses.
    pub(crate) async fn turn_away(
        &self,
        handed: Handed,
        reason: String,
    ) -> Result<Sent, RoomError> {
        let Handed { origin, room_id, message_id, event } = handed;
        let _alone = self.messages.alone((origin.clone(), message_id.clone())).await;
        let event = self.parsed(&room_id, &event).await?;
        let event = event.filter(|event| event.sender.server_name() == origin);
        let (core, now) = (self.rooms.core().clone(), self.rooms.core().ages.now_ms());
        self.rooms
            .database()
            .transaction(move |tx| {
                if !memberships::was_ever_in(tx, &room_id, &origin)? {
                    return Err(RoomError::Forbidden(reason));
                }
                ensure_owner(tx, &room_id, core.server_name())?;
                if let Some(sent) = m1::answer(tx, &origin, &message_id)? {
                    return Ok(sent);
                }
                let Some(event) = event else { return Ok(refused(reason)) };
                // What was decided long ago is recorded no more, but shown.
                if is_shown(tx, &room_id, &event.event_id)? {
                    return Ok(delivered());
                }
                match m1::abort_for(tx, &room_id, &event.event_id, &origin, now)? {
                    Some(Decision::Abort) => Ok(refused(reason)),
                    Some(Decision::Commit) => Ok(delivered()),
                    None => Err(RoomError::Unavailable("too many refusals are kept".to_owned())),
                }
            })
            .await
    }
}

/// Returns why the event is not one that is sent in this way; `None` if it is.
pub(super) fn objection(message: &Message, room_id: &RoomId, checked: &Checked) -> Option<String> {
    let event = &checked.pdu;
    if let Standing::SoftFailed(reason) | Standing::Rejected(reason) = &checked.standing {
        return Some(reason.clone());
    }
    if event.sender.server_name() != message.origin {
        return Some(format!("{} is not a user of {}", event.sender, message.origin));
    }
    if event.room_id != room_id {
        return Some("the event belongs to another room".to_owned());
    }
    event.state_key.is_some().then(|| "a state event cannot be sent as a message".to_owned())
}

/// Returns the answer that the ballots make inevitable; `None`: all said yes.
pub(super) fn refusal(ballots: &Ballots) -> Option<Sent> {
    let unreachable: Vec<String> = ballots
        .iter()
        .filter(|(_, ballot)| **ballot == Ballot::Unreachable)
        .filter(|_| !planted(Defect::M1SilenceCountsAsYes))
        .map(|(member, _)| member.to_string())
        .collect();
    let reason = ballots.values().find_map(|ballot| match ballot {
        Ballot::No(reason) => Some(reason.clone()),
        Ballot::Yes | Ballot::Unreachable => None,
    });
    if unreachable.is_empty() && reason.is_none() {
        return None;
    }
    Some(Sent {
        delivered: false,
        unreachable_backends: unreachable,
        failed_to_send: Vec::new(),
        reason,
    })
}
