//! Letting another server's user into a restricted room: this server answers for the join in the name
//! of one of its members, and so checks the condition and signs.

use ruma::{OwnedUserId, RoomId, signatures::sign_event};
use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Draft, RoomError, Rooms};
use crate::{
    event::{Malformed, Membership, Pdu},
    pdu::restricted,
};

/// What of a join tells who answers for it.
#[derive(Deserialize)]
struct Join {
    sender: OwnedUserId,
    content: Content,
}

#[derive(Deserialize)]
struct Content {
    join_authorised_via_users_server: Option<OwnedUserId>,
}

impl Rooms {
    /// Returns a join that names a member of this server, with this server's signature; `None` of one
    /// that does not.
    ///
    /// # Errors
    /// The user does not fulfil the condition, or the store refuses.
    pub(crate) async fn authorised(
        &self,
        room: &RoomId,
        raw: &RawValue,
    ) -> Result<Option<Box<RawValue>>, RoomError> {
        let Ok(Join { sender, content }) = serde_json::from_str(raw.get()) else { return Ok(None) };
        let by = content.join_authorised_via_users_server;
        if !by.is_some_and(|by| self.core().is_local(&by)) {
            return Ok(None);
        }
        let (_, rules) = self.version_of(room).await?;
        let (id, own) = (room.to_owned(), self.core().owned_server_name());
        let draft = Draft::membership(&sender, &sender, Membership::Join);
        let may = self
            .database()
            .call(move |db| restricted::authorized(db, &own, &id, &draft).map(|may| may.map(drop)));
        may.await??;
        let identity = &self.core().identity;
        let pdu = Pdu::parse(raw, rules)?;
        identity.has_signed_for(pdu.origin_server_ts);
        let mut object = pdu.json.clone();
        let name = identity.server_name.as_str();
        sign_event(name, &*identity.key_pair, &mut object, &rules.redaction)
            .map_err(Malformed::because)?;
        to_raw_value(&object).map(Some).map_err(|error| RoomError::Invalid(error.to_string()))
    }
}
