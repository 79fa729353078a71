//! `make_join`, `make_leave` of `/_matrix/federation/v1` and `send_join`, `send_leave` of
//! `/_matrix/federation/v2`

use axum::{extract::State, http::StatusCode, response::Response};
use ruma::{
    EventId, OwnedEventId, OwnedRoomId, OwnedServerName, RoomId, RoomVersionId, UserId,
    api::federation::membership::{
        create_join_event::v2 as send_join_, create_knock_event::v1 as send_knock_,
        create_leave_event::v2 as send_leave_, prepare_join_event::v1 as make_join_,
        prepare_knock_event::v1 as make_knock_, prepare_leave_event::v1 as make_leave_,
    },
};
use serde_json::{json, value::RawValue};
use transport::{
    MatrixError,
    federation::{Signed, json_answer, ruma_answer},
};

use super::FederationApi;
use crate::{
    event::Membership,
    messaging::rooms::{Draft, OWNER_FIELD, RoomError},
    pdu::{Checked, Graph, restricted, template},
};

/// Proposes the join of another server's user.
pub(super) async fn make_join(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<make_join_::Request>,
) -> Result<Response, MatrixError> {
    let (room, user) = (&request.room_id, &request.user_id);
    must_be_of(&origin, user)?;
    let version = version_of(&api, room).await?;
    api.must_be_let_in(&origin, room).await?;
    must_let_in(&api, room).await?;
    if !request.ver.contains(&version) {
        return Err(incompatible(&version));
    }
    let mut answer = make_join_::Response::new(proposal(&api, room, user, Membership::Join).await?);
    answer.room_version = Some(version);
    Ok(ruma_answer(answer))
}

/// Proposes the leave of another server's user.
pub(super) async fn make_leave(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<make_leave_::Request>,
) -> Result<Response, MatrixError> {
    let (room, user) = (&request.room_id, &request.user_id);
    must_be_of(&origin, user)?;
    let version = version_of(&api, room).await?;
    api.must_be_let_in(&origin, room).await?;
    let proposal = proposal(&api, room, user, Membership::Leave).await?;
    Ok(ruma_answer(make_leave_::Response::new(Some(version), proposal)))
}

/// Proposes the knock of another server's user.
pub(super) async fn make_knock(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<make_knock_::Request>,
) -> Result<Response, MatrixError> {
    let (room, user) = (&request.room_id, &request.user_id);
    must_be_of(&origin, user)?;
    let version = version_of(&api, room).await?;
    api.must_be_let_in(&origin, room).await?;
    if !request.ver.contains(&version) {
        return Err(incompatible(&version));
    }
    let proposal = proposal(&api, room, user, Membership::Knock).await?;
    Ok(ruma_answer(make_knock_::Response::new(version, proposal)))
}

/// Takes the knock of another server's user, and shows what may be seen from outside.
pub(super) async fn send_knock(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<send_knock_::Request>,
) -> Result<Response, MatrixError> {
    let (room, event_id) = (&request.room_id, &request.event_id);
    api.must_be_let_in(&origin, room).await?;
    let named = Named { room, event_id, membership: Membership::Knock };
    let checked = checked(&api, &origin, &request.pdu, named).await?;
    let shown = api.rooms().take_knock(checked).await?;
    Ok(json_answer(&json!({ "knock_room_state": shown })))
}

fn incompatible(version: &RoomVersionId) -> MatrixError {
    let message = format!("the room has version {version}");
    MatrixError::new(StatusCode::BAD_REQUEST, "M_INCOMPATIBLE_ROOM_VERSION", message)
        .with("room_version", version.as_str())
}

/// Takes the join of another server's user, and hands the room over.
pub(super) async fn send_join(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<send_join_::Request>,
) -> Result<Response, MatrixError> {
    let place = Place { room: request.room_id, event: request.event_id };
    let_in(&api, &origin, place, &request.pdu).await
}

/// The room and the event that a path names.
pub(super) struct Place {
    pub(super) room: OwnedRoomId,
    pub(super) event: OwnedEventId,
}

/// Takes a join that `origin` sends, and hands the room over.
pub(super) async fn let_in(
    api: &FederationApi,
    origin: &OwnedServerName,
    place: Place,
    pdu: &RawValue,
) -> Result<Response, MatrixError> {
    must_let_in(api, &place.room).await?;
    let named = Named { room: &place.room, event_id: &place.event, membership: Membership::Join };
    let signed = api.rooms().authorised(&place.room, pdu).await?;
    let checked = checked(api, origin, signed.as_deref().unwrap_or(pdu), named).await?;
    let welcome = api.rooms().welcome(checked).await?;
    let mut state = send_join_::RoomState::new();
    state.state = welcome.state;
    state.auth_chain = welcome.auth_chain;
    state.event = Some(welcome.event);
    Ok(ruma_answer(send_join_::Response::new(state)))
}

/// Takes the leave of another server's user.
pub(super) async fn send_leave(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<send_leave_::Request>,
) -> Result<Response, MatrixError> {
    let place = Place { room: request.room_id, event: request.event_id };
    let_go(&api, &origin, place, &request.pdu).await
}

/// Takes a leave that `origin` sends.
pub(super) async fn let_go(
    api: &FederationApi,
    origin: &OwnedServerName,
    place: Place,
    pdu: &RawValue,
) -> Result<Response, MatrixError> {
    let named = Named { room: &place.room, event_id: &place.event, membership: Membership::Leave };
    let checked = checked(api, origin, pdu, named).await?;
    api.rooms().take_leave(checked).await?;
    Ok(ruma_answer(send_leave_::Response::new()))
}

/// What the path of a request names, and its endpoint is for.
#[derive(Clone, Copy)]
struct Named<'a> {
    room: &'a RoomId,
    event_id: &'a EventId,
    membership: Membership,
}

/// Returns the membership event that a request carries, through all receipt checks; it is of the
/// kind that the endpoint is for, and of a user of the asking server.
async fn checked(
    api: &FederationApi,
    origin: &OwnedServerName,
    raw: &RawValue,
    named: Named<'_>,
) -> Result<Checked, MatrixError> {
    version_of(api, named.room).await?;
    let checked = api.rooms().check(raw, origin).await?.map_err(RoomError::from)?;
    let pdu = &checked.pdu;
    if pdu.room_id != named.room || pdu.event_id != named.event_id {
        return Err(MatrixError::invalid_param("the event is not the one named in the path"));
    }
    let membership = named.membership.as_str();
    if pdu.membership() != Some(membership) || pdu.state_key.as_deref() != Some(pdu.sender.as_str())
    {
        return Err(MatrixError::invalid_param(format!("the event is not a {membership}")));
    }
    must_be_of(origin, &pdu.sender)?;
    Ok(checked)
}

/// Returns a template of the membership event, if the current state allows it.
async fn proposal(
    api: &FederationApi,
    room: &RoomId,
    user: &UserId,
    membership: Membership,
) -> Result<Box<RawValue>, MatrixError> {
    let (room, draft) = (room.to_owned(), Draft::membership(user, user, membership));
    let (graph, own) = (api.rooms().graph.clone(), api.rooms().core().owned_server_name());
    let proposed = api
        .read(move |db| {
            let draft = match restricted::authorized(db, &own, &room, &draft)? {
                Ok(draft) => draft.into_owned(),
                Err(refusal) => return Ok(Err(refusal)),
            };
            // Building it with this server's signature shows whether the rules allow it.
            if let Err(refusal) = graph.build(db, &room, &draft)? {
                return Ok(Err(refusal));
            }
            let spot = Graph::spot(db, &room, &draft)?;
            Ok(spot.map(|(spot, _)| template(Some(&room), &draft, &spot)))
        })
        .await?
        .map_err(|refusal| MatrixError::from(RoomError::from(refusal)))?;
    serde_json::value::to_raw_value(&proposed)
        .map_err(|error| MatrixError::internal(error.to_string()))
}

/// Returns the version of a room that this server is in.
async fn version_of(api: &FederationApi, room: &RoomId) -> Result<RoomVersionId, MatrixError> {
    let known = api.rooms().graph.rules_of(room).await.map_err(RoomError::from)?;
    let (version, _) = known.ok_or_else(|| RoomError::UnknownRoom(room.to_owned()))?;
    Ok(version)
}

/// Refuses to let a user into a room into which only its owner does, if that is another server,
/// whom the refusal names.
async fn must_let_in(api: &FederationApi, room: &RoomId) -> Result<(), MatrixError> {
    let (delivery, owner) = api.rooms().delivery_and_owner(room).await?;
    if !delivery.owner_lets_in() || owner == api.rooms().core().server_name() {
        return Ok(());
    }
    let message = format!("only its owner {owner} lets users into {room}");
    Err(MatrixError::forbidden(message).with(OWNER_FIELD, owner.as_str()))
}

fn must_be_of(server: &OwnedServerName, user: &UserId) -> Result<(), MatrixError> {
    if user.server_name() == server {
        return Ok(());
    }
    Err(MatrixError::forbidden(format!("{user} is not a user of {server}")))
}
