//! Invites that were signed here in rooms that this server is in. They come by the graph, and the
//! invited user may hear of one, and try to join, before it has come.

use std::{sync::Arc, time::Duration};

use hashlink::LruCache;
use ruma::{OwnedEventId, OwnedRoomId, OwnedServerName, OwnedUserId, RoomId, UserId};
use tokio::time::Instant;
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

/// How long a join waits for the invite that it builds on.
const WAITED_FOR: Duration = Duration::from_secs(60);

/// An invite, the server that made it, and when it was signed here.
#[derive(Clone)]
struct Invite {
    id: OwnedEventId,
    from: OwnedServerName,
    signed: Instant,
}

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
        known.insert((invite.room_id.clone(), user), Invite { id, from, signed: Instant::now() });
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
    Withheld,
    /// It has not come, and cannot be had, or be judged, for now.
    NotYet,
    /// As before, and it was waited for long enough: who is down must not keep others out.
    NotInTime,
    /// It has not come, and its sender knows of none: it was not needed any more when it was signed.
    Void,
}

impl Rooms {
    /// Returns the server that made the last invite of `user` that was signed here.
    pub(super) fn early_inviter(&self, user: &UserId, room: &RoomId) -> Option<OwnedServerName> {
        self.early_invites.get(user, room).map(|invite| invite.from)
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
        let Some(Invite { id, from, signed }) = self.early_invites.get(user, room) else {
            return Ok(EarlyInvite::None);
        };
        let is_late = signed.elapsed() >= WAITED_FOR;
        let not_yet = if is_late { EarlyInvite::NotInTime } else { EarlyInvite::NotYet };
        let known = id.clone();
        if self.database().call(move |db| events::place(db, &known)).await?.is_some() {
            return Ok(EarlyInvite::None);
        }
        let Some((_, rules)) = self.graph.rules_of(room).await? else {
            return Ok(EarlyInvite::None);
        };
        let everybody = self.graph.source(room, rules, &from, Some(&from)).await?;
        // What its maker says of it counts before what others do not say.
        let mut maker = everybody.whoever_sent_it();
        (maker.servers, maker.sender) = (vec![from.clone()], Some(from.clone()));
        let mut asked = self.graph.ask_event(&maker, &id).await;
        if matches!(asked, Ok(Found::Unknown(_))) {
            asked = self.graph.ask_event(&everybody, &id).await;
        }
        let invite = match asked {
            Ok(Found::Here(invite)) => invite,
            Err(Unavailable::Store(error)) => return Err(error.into()),
            Ok(Found::Nowhere) => return Ok(EarlyInvite::Void),
            // Whoever is not told of the invite of its own user counts as out where that was made.
            Ok(Found::Withheld) => return Ok(EarlyInvite::Withheld),
            Ok(Found::Unknown(_)) | Err(_) => return Ok(not_yet),
        };
        // Not part of any transaction: there is nothing to record.
        self.graph.receive(&from, &[invite.to_raw()], Arc::new(|_, _| Ok(()))).await?;
        let is_here = self.database().call(move |db| events::place(db, &id)).await?.is_some();
        Ok(if is_here { EarlyInvite::Here } else { not_yet })
    }
}
