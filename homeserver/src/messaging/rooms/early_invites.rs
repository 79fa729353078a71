//! Invites that were signed here in rooms that this server is in. They come by the graph, and the
//! invited user may hear of one, and try to join, before it has come.

use std::sync::Arc;

use hashlink::LruCache;
use ruma::{OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, UserId};
use transport::Lock;

use super::{RoomError, Rooms};
use crate::{
    event::Pdu,
    pdu::{Found, Unavailable},
    store::events,
    transaction::PduHandler,
};

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

/// What there is of an invite that was signed here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EarlyInvite {
    /// None was signed here, or it came by the graph already.
    None,
    /// It was fetched now.
    Here,
    /// It has not come, and its sender does not hand it out.
    NotToBeHad,
    /// It has not come, and its sender knows of none: it was not needed any more when it was signed.
    Void,
}

impl Rooms {
    /// Returns the server that made the last invite of `user` that was signed here.
    pub(super) fn early_inviter(&self, user: &UserId, room: &RoomId) -> Option<OwnedServerName> {
        self.early_invites.get(user, room).map(|(_, from)| from)
    }

    /// Fetches the invite of `user` from the server that made it, if one was signed here and has
    /// not come yet.
    ///
    /// # Errors
    /// The store refuses.
    pub(super) async fn early_invite(
        &self,
        user: &UserId,
        room: &RoomId,
    ) -> Result<EarlyInvite, RoomError> {
        let Some((id, from)) = self.early_invites.get(user, room) else {
            return Ok(EarlyInvite::None);
        };
        let known = id.clone();
        if self.database().call(move |db| events::place(db, &known)).await?.is_some() {
            return Ok(EarlyInvite::None);
        }
        let Some((_, rules)) = self.graph.rules_of(room).await? else {
            return Ok(EarlyInvite::None);
        };
        let source = self.graph.source(room, rules, &from, Some(&from)).await?;
        let invite = match self.graph.ask_event(&source, &id).await {
            Ok(Found::Here(invite)) => invite,
            Err(Unavailable::Store(error)) => return Err(error.into()),
            Ok(Found::Nowhere) => return Ok(EarlyInvite::Void),
            Ok(Found::Unknown(_)) | Err(_) => return Ok(EarlyInvite::NotToBeHad),
        };
        // Not part of any transaction: there is nothing to record.
        self.graph.receive(&from, &[invite.to_raw()], Arc::new(|_, _| Ok(()))).await?;
        let is_here = self.database().call(move |db| events::place(db, &id)).await?.is_some();
        Ok(if is_here { EarlyInvite::Here } else { EarlyInvite::NotToBeHad })
    }
}
