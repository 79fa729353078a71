//! Knocking: asking those in a room to be invited.

use ruma::{
    OwnedServerName, RoomId, UserId,
    api::federation::membership::{
        create_knock_event::v1 as send_knock, prepare_knock_event::v1 as make_knock,
    },
};
use serde_json::Value;

use super::{
    Draft, RoomError, Rooms,
    create::VERSIONS,
    join::Template,
    outside::{stripped, stripped_state},
};
use crate::{
    event::Membership,
    messaging::profiles::{self, with_profile},
    pdu::Checked,
    store::{StoreError, events, rooms},
};

/// Servers tried for one knock.
const MAX_CANDIDATES: usize = 5;

impl Rooms {
    /// Knocks at a room in the name of the local user `user`: here, or through one of `via`.
    ///
    /// # Errors
    /// The room does not let the user knock, nobody who is in it can be reached, or the store refuses.
    pub(crate) async fn knock(
        &self,
        user: &UserId,
        room: &RoomId,
        via: &[OwnedServerName],
        reason: Option<String>,
    ) -> Result<(), RoomError> {
        let (id, name) = (room.to_owned(), user.to_owned());
        let (is_here, profile) = self
            .database()
            .call(move |db| {
                Ok::<_, StoreError>((
                    rooms::find(db, &id)?.is_some(),
                    profiles::of_local(db, &name)?,
                ))
            })
            .await?;
        let mut draft =
            with_profile(profile.as_ref(), Draft::membership(user, user, Membership::Knock));
        if let Some(reason) = reason {
            draft.content["reason"] = reason.into();
        }
        if is_here {
            match self.put(room, draft.clone()).await {
                Err(RoomError::UnknownRoom(_)) => {}
                done => return done.map(drop),
            }
        }
        let named = room.server_name().map(ToOwned::to_owned);
        let mut trouble = RoomError::UnknownRoom(room.to_owned());
        let others = via.iter().cloned().chain(named);
        for server in
            others.filter(|server| server != self.core().server_name()).take(MAX_CANDIDATES)
        {
            match self.knock_through(&server, room, draft.clone()).await {
                Err(error) if !matches!(error, RoomError::Store(_)) => trouble = error,
                done => return done,
            }
        }
        Err(trouble)
    }

    async fn knock_through(
        &self,
        server: &OwnedServerName,
        room: &RoomId,
        draft: Draft,
    ) -> Result<(), RoomError> {
        let (core, deadline) = (self.core(), self.core().config.request_timeout);
        let mut request = make_knock::Request::new(room.to_owned(), draft.sender.clone());
        request.ver = VERSIONS.to_vec();
        let made = core.federation.call(server, request, deadline).await?;
        if !VERSIONS.contains(&made.room_version) {
            return Err(RoomError::UnsupportedVersion(made.room_version.to_string()));
        }
        let template = Template::parse(&made.event)?;
        let pdu = self.on_template(&made.room_version, room, template, draft)?;
        let request = send_knock::Request::new(room.to_owned(), pdu.event_id.clone(), pdu.to_raw());
        let mut answer = core.federation.call_for_json(server, request, deadline).await?;
        let shown = stripped_state(&answer["knock_room_state"].take());
        let (graph, version) = (self.graph.clone(), made.room_version);
        self.database()
            .transaction(move |tx| {
                graph.show_outside(tx, pdu.clone())?;
                rooms::put_invite(tx, &pdu, &version, &shown, events::newest_position(tx)?)
            })
            .await
            .map_err(RoomError::Store)
    }

    /// Takes the knock of another server's user, tells the other servers of it, and returns what the user
    /// may see of the room.
    pub(crate) async fn take_knock(&self, checked: Checked) -> Result<Vec<Value>, RoomError> {
        let (room, by) = (checked.pdu.room_id.clone(), checked.pdu.sender.clone());
        self.take_leave(checked).await?;
        let shown = self.shown_state(&room, &by).await?;
        let read = shown.iter().filter_map(|event| serde_json::from_str::<Value>(event.get()).ok());
        Ok(read.filter(|event| event["type"] != "m.room.member").map(|it| stripped(&it)).collect())
    }
}
