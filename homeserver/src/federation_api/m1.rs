//! The M1 endpoints between servers: `/_matrix/federation/unstable/org.fedsim.m1/...`.

use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post, put},
};
use ruma::{OwnedEventId, OwnedRoomId, OwnedUserId};
use transport::{
    MatrixError,
    endpoints::{
        Endpoint,
        m1::{
            Decide, DecisionBody, Empty, EventBody, GetOutcome, GetUserClients, OnMessageSent,
            OutcomeBody, Prepare, PrepareRequest, SendMessage, Users,
        },
    },
    federation::{SignedBytes, json_answer},
};

use super::FederationApi;
use crate::delivery::Handed;

/// Users that one request may ask about.
const MAX_USERS: usize = 10_000;

/// Characters of a message id.
const MAX_MESSAGE_ID: usize = 255;

/// Returns the routes.
pub(super) fn routes() -> Router<FederationApi> {
    Router::new()
        .route(SendMessage::PATH, put(send_message))
        .route(Prepare::PATH, put(prepare))
        .route(Decide::PATH, put(decide))
        .route(GetOutcome::PATH, get(outcome))
        .route(GetUserClients::PATH, post(get_user_clients))
        .route(OnMessageSent::PATH, put(on_message_sent))
}

/// `PUT send_message/{room_id}/{message_id}`, from a member backend to the owner.
async fn send_message(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let room_id = room_id(&request)?;
    let message_id = argument(&request, 1)?.to_owned();
    if message_id.len() > MAX_MESSAGE_ID {
        return Err(MatrixError::invalid_param("the message id is too long"));
    }
    let body: EventBody = request.json()?;
    let policies = api.policies.clone();
    let handed = Handed { origin: request.origin, room_id, message_id, event: body.event };
    let sent = api.finish(async move { policies.send_for(handed).await }).await?;
    Ok(json_answer(&sent))
}

/// `PUT prepare/{room_id}/{event_id}`, from the owner.
async fn prepare(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let (room_id, event_id) = (room_id(&request)?, event_id(&request)?);
    let body: PrepareRequest = request.json()?;
    let (participant, caller) = (api.policies.m1().participant.clone(), request.origin);
    // What was hidden and is not awaited would stay hidden until the process ends.
    let vote = api
        .finish(async move { participant.vote(&caller, &room_id, &event_id, body).await })
        .await?;
    Ok(json_answer(&vote))
}

/// `PUT decision/{room_id}/{event_id}`, from the owner.
async fn decide(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let (room_id, event_id) = (room_id(&request)?, event_id(&request)?);
    let DecisionBody { decision } = request.json()?;
    let (participant, caller) = (api.policies.m1().participant.clone(), request.origin);
    api.finish(async move { participant.decided(&caller, &room_id, &event_id, decision).await })
        .await?;
    Ok(json_answer(&Empty {}))
}

/// `GET outcome/{room_id}/{event_id}`, from a backend that was asked for its vote.
async fn outcome(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let (room_id, event_id) = (room_id(&request)?, event_id(&request)?);
    let coordinator = &api.policies.m1().coordinator;
    let decision = coordinator.outcome(&request.origin, &room_id, &event_id).await?;
    Ok(json_answer(&OutcomeBody { decision }))
}

/// `POST get_user_clients` (`m1-2021`), from any server that shares a room with the users; others
/// are left out of the answer.
async fn get_user_clients(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let Users { users } = request.json()?;
    if users.len() > MAX_USERS {
        return Err(MatrixError::invalid_param("too many users"));
    }
    let users: Result<Vec<_>, _> = users.into_iter().map(OwnedUserId::try_from).collect();
    let users = users.map_err(|error| MatrixError::invalid_param(error.to_string()))?;
    Ok(json_answer(&api.policies.m1_2021().user_clients_for(request.origin, users).await?))
}

/// `PUT on_message_sent/{room_id}/{event_id}` (`m1-2021`), from the owner.
async fn on_message_sent(
    State(api): State<FederationApi>,
    request: SignedBytes,
) -> Result<Response, MatrixError> {
    let room_id = room_id(&request)?;
    let body: PrepareRequest = request.json()?;
    let (policy, caller) = (api.policies.m1_2021().clone(), request.origin);
    api.finish(async move { policy.on_message_sent(&caller, &room_id, &body.event).await }).await?;
    Ok(json_answer(&Empty {}))
}

fn argument(request: &SignedBytes, index: usize) -> Result<&str, MatrixError> {
    let argument = request.path_arguments.get(index);
    argument.map(String::as_str).ok_or_else(|| MatrixError::invalid_param("the path is too short"))
}

fn room_id(request: &SignedBytes) -> Result<OwnedRoomId, MatrixError> {
    argument(request, 0)?
        .try_into()
        .map_err(|error: ruma::IdParseError| MatrixError::invalid_param(error.to_string()))
}

fn event_id(request: &SignedBytes) -> Result<OwnedEventId, MatrixError> {
    argument(request, 1)?
        .try_into()
        .map_err(|error: ruma::IdParseError| MatrixError::invalid_param(error.to_string()))
}
