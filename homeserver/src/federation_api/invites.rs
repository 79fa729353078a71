//! `PUT /_matrix/federation/v2/invite/{roomId}/{eventId}`

use axum::{extract::State, http::StatusCode, response::Response};
use ruma::{
    OwnedEventId, OwnedRoomId, RoomVersionId, ServerName, UserId,
    api::federation::membership::create_invite::v2::{Request, Response as Answer},
};
use serde_json::{Value, value::RawValue};
use transport::{
    MatrixError,
    federation::{Signed, ruma_answer},
};

use super::FederationApi;
use crate::{
    event::{
        Pdu,
        rules::{self, Rules},
    },
    messaging::rooms::{MAX_SHOWN_STATE, RoomError, stripped_state},
    pdu::verify::parse_and_verify,
};

/// Takes an invite of one of this server's users: stores it, and signs it.
pub(super) async fn invite(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<Request>,
) -> Result<Response, MatrixError> {
    let shown = serde_json::to_value(&request.invite_room_state)
        .map_err(|error| MatrixError::bad_json(error.to_string()))?;
    let Request { room_id: room, event_id: event, room_version: version, .. } = request;
    take(&api, &origin, Invite { room, event, version, shown }, &request.event).await
}

/// An invite, as it comes.
pub(super) struct Invite {
    pub(super) room: OwnedRoomId,
    pub(super) event: OwnedEventId,
    pub(super) version: RoomVersionId,
    /// State that came along: an array.
    pub(super) shown: Value,
}

/// Takes an invite that `origin` sends.
pub(super) async fn take(
    api: &FederationApi,
    origin: &ServerName,
    invite: Invite,
    pdu: &RawValue,
) -> Result<Response, MatrixError> {
    let Invite { room, event, version, shown } = invite;
    let rules = supported(&version)?;
    let keys = &api.rooms().core().keys;
    let pdu = parse_and_verify(keys, pdu, rules)
        .await
        .map_err(RoomError::from)?
        .map_err(RoomError::from)?;
    if pdu.room_id != room || pdu.event_id != event {
        return Err(MatrixError::invalid_param("the event is not the one named in the path"));
    }
    if pdu.sender.server_name() != origin {
        return Err(MatrixError::forbidden(format!("{} is not a user of {origin}", pdu.sender)));
    }
    api.must_be_let_in(origin, &pdu.room_id).await?;
    must_be_known(api, &pdu).await?;
    let shown = shown_state(&shown)?;
    let signed = api.rooms().take_invite(pdu, version, rules, shown).await?;
    Ok(ruma_answer(Answer::new(signed.to_raw())))
}

fn supported(version: &RoomVersionId) -> Result<Rules, MatrixError> {
    let rules = rules::of(version).filter(|_| crate::messaging::rooms::VERSIONS.contains(version));
    rules.ok_or_else(|| {
        let message = format!("room version {version} is not supported");
        MatrixError::new(StatusCode::BAD_REQUEST, "M_INCOMPATIBLE_ROOM_VERSION", message)
            .with("room_version", version.as_str())
    })
}

/// Whether the event invites one of this server's users.
async fn must_be_known(api: &FederationApi, pdu: &Pdu) -> Result<(), MatrixError> {
    if pdu.membership() != Some("invite") {
        return Err(MatrixError::invalid_param("the event is not an invite"));
    }
    let user = pdu.state_key.as_deref().and_then(|key| UserId::parse(key).ok());
    let user = user.filter(|user| api.rooms().core().is_local(user)).ok_or_else(|| {
        MatrixError::invalid_param("the invited user does not belong to this server")
    })?;
    match api.messaging.accounts.profile(&user).await? {
        Some(_) => Ok(()),
        None => Err(MatrixError::forbidden(format!("there is no user {user}"))),
    }
}

/// Returns the state that came along, as clients see it.
pub(super) fn shown_state(shown: &Value) -> Result<Value, MatrixError> {
    if shown.as_array().map_or(0, Vec::len) > MAX_SHOWN_STATE {
        return Err(MatrixError::bad_json("the invite brings too many state events"));
    }
    Ok(stripped_state(shown))
}
