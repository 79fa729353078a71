//! What is let in at all: PDUs of rooms that this server is in, from servers that may take part in
//! them, well-formed and properly signed.

use ruma::{OwnedEventId, OwnedRoomId, RoomId, RoomVersionId, ServerName};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Graph, Refusal, Unavailable, acl, verify::verify};
use crate::{
    event::{
        Malformed, Pdu,
        rules::{self, Rules},
    },
    store::{StoreError, memberships, rooms},
};

impl Graph {
    /// Returns the id of a PDU that is well-formed and of a room that this server is in.
    pub(super) async fn id_of(&self, raw: &RawValue) -> Result<Option<OwnedEventId>, StoreError> {
        let Ok(room) = room_of(raw) else { return Ok(None) };
        let rules = match self.rules_of(&room).await {
            Ok(Some((_, rules))) => rules,
            Err(Unavailable::Store(error)) => return Err(error),
            Ok(None) | Err(Unavailable::Elsewhere(_) | Unavailable::Lacking(_)) => return Ok(None),
        };
        Ok(Pdu::parse(raw, rules).ok().map(|pdu| pdu.event_id.clone()))
    }

    /// Parses and verifies a PDU of a room that this server is in and that lets `origin` take part.
    pub(super) async fn admit(
        &self,
        origin: &ServerName,
        raw: &RawValue,
    ) -> Result<Result<Pdu, (Option<OwnedEventId>, Refusal)>, Unavailable> {
        let room = match room_of(raw) {
            Ok(room) => room,
            Err(refusal) => return Ok(Err((None, refusal))),
        };
        self.joining.released(&*room).await;
        let Some((rules, is_let_in)) = self.rules_for(&room, origin).await? else {
            // The id depends on the version; of most versions it is this one.
            let rules = rules::of(&RoomVersionId::V11).expect("ruma knows version 11");
            let id = Pdu::parse(raw, rules).ok().map(|pdu| pdu.event_id.clone());
            return Ok(Err((id, Refusal::UnknownRoom(room))));
        };
        let pdu = match Pdu::parse(raw, rules) {
            Ok(pdu) => pdu,
            Err(malformed) => return Ok(Err((None, malformed.into()))),
        };
        let id = pdu.event_id.clone();
        if !is_let_in {
            let reason = format!("the room does not let {origin} take part");
            return Ok(Err((Some(id), Refusal::NotAllowed(reason))));
        }
        let verified = verify(&self.core.keys, pdu, rules, Some(origin)).await?;
        Ok(verified.map_err(|refusal| (Some(id), refusal)))
    }

    /// Returns the rules of a room that this server is in, and whether that lets `origin` take part.
    async fn rules_for(
        &self,
        room: &RoomId,
        origin: &ServerName,
    ) -> Result<Option<(Rules, bool)>, Unavailable> {
        let (room, own) = (room.to_owned(), self.core.owned_server_name());
        let origin = origin.to_owned();
        let found: Option<(RoomVersionId, bool)> = self
            .core
            .database
            .call(move |db| {
                if !memberships::is_member_server(db, &room, &own)? {
                    return Ok(None);
                }
                let Some(row) = rooms::find(db, &room)? else { return Ok(None) };
                Ok(Some((row.version, acl::allows(db, &room, &origin)?)))
            })
            .await
            .map_err(Unavailable::Store)?;
        Ok(found.and_then(|(version, let_in)| rules::of(&version).map(|rules| (rules, let_in))))
    }

    /// Returns the version of a room that this server is in, and its rules.
    pub(crate) async fn rules_of(
        &self,
        room: &RoomId,
    ) -> Result<Option<(RoomVersionId, Rules)>, Unavailable> {
        let (room, own) = (room.to_owned(), self.core.owned_server_name());
        let version: Option<RoomVersionId> = self
            .core
            .database
            .call(move |db| {
                if !memberships::is_member_server(db, &room, &own)? {
                    return Ok(None);
                }
                Ok(rooms::find(db, &room)?.map(|row| row.version))
            })
            .await
            .map_err(Unavailable::Store)?;
        Ok(version.and_then(|version| rules::of(&version).map(|rules| (version, rules))))
    }
}

/// Returns the room that a PDU says it belongs to.
fn room_of(raw: &RawValue) -> Result<OwnedRoomId, Refusal> {
    #[derive(Deserialize)]
    struct OfRoom {
        room_id: OwnedRoomId,
    }
    serde_json::from_str::<OfRoom>(raw.get())
        .map(|of_room| of_room.room_id)
        .map_err(|error| Malformed::because(error).into())
}
