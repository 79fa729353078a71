//! Invites that were signed here in rooms that this server is in. They come by the graph, and the
//! invited user may hear of one, and try to join, before it has come.

use std::sync::Arc;

use hashlink::LruCache;
use ruma::{OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, UserId};
use transport::Lock;

use super::{RoomError, Rooms};
use crate::{event::Pdu, pdu::Found, store::events, transaction::PduHandler};

/// Invites that are remembered; one that is forgotten, or lost by a restart, still comes by the
/// graph.
const MAX_REMEMBERED: usize = 1024;

/// An invite and the server that made it.
type Invite = (OwnedEventId, OwnedServerName);

/// The last invite that was signed here, by room and user. Cheap to clone.
#[derive(Clone)]
pub(super) struct EarlyInvites(Arc<Lock<LruCache<(OwnedRoomId, OwnedUserId), Invite>>>);

impl Default for EarlyInvites {
    fn default() -> Self {
        Self(Arc::new(Lock::new(LruCache::new(MAX_REMEMBERED))))
    }
}

impl EarlyInvites {
    /// Remembers an invite of one of this server's users.
    pub(super) fn remember(&self, invite: &Pdu) {
        let user = invite.state_key.as_deref().and_then(|user| OwnedUserId::try_from(user).ok());
        let Some(user) = user else { return };
        let (id, from) = (invite.event_id.clone(), invite.sender.server_name().to_owned());
        let mut known = self.0.lock();
        known.insert((invite.room_id.clone(), user), (id, from));
    }

    fn get(&self, user: &UserId, room: &RoomId) -> Option<Invite> {
        let mut known = self.0.lock();
        known.get(&(room.to_owned(), user.to_owned())).cloned()
    }
}

impl Rooms {
    /// Fetches the invite of `user` from the server that made it, if one was signed here and has
    /// not come yet; whether it has now.
    ///
    /// # Errors
    /// That server does not answer, or the store refuses.
    pub(super) async fn fetch_early_invite(
        &self,
        user: &UserId,
        room: &RoomId,
    ) -> Result<bool, RoomError> {
        let Some((id, from)) = self.early_invites.get(user, room) else { return Ok(false) };
        let known = id.clone();
        if self.database().call(move |db| events::place(db, &known)).await?.is_some() {
            return Ok(false);
        }
        let Some((_, rules)) = self.graph.rules_of(room).await? else { return Ok(false) };
        let source = self.graph.source(room, rules, &from, Some(&from)).await?;
        let Found::Here(invite) = self.graph.ask_event(&source, &id).await? else {
            return Ok(false);
        };
        // Not part of any transaction: there is nothing to record.
        self.graph.receive(&from, &[invite.to_raw()], Arc::new(|_, _| Ok(()))).await?;
        Ok(true)
    }
}
