//! `query/directory` and `publicRooms` of `/_matrix/federation/v1`.

use axum::{extract::State, response::Response};
use ruma::{
    UInt,
    api::federation::{
        directory::{
            get_public_rooms::v1 as get_public_rooms,
            get_public_rooms_filtered::v1 as get_public_rooms_filtered,
        },
        query::get_room_information::v1 as get_room_information,
    },
};
use serde_json::json;
use transport::{
    MatrixError,
    federation::{Signed, json_answer},
};

use super::FederationApi;
use crate::messaging::directory::Page;

/// Answers with the room that an alias of this server names.
pub(super) async fn resolve(
    State(api): State<FederationApi>,
    Signed { request, .. }: Signed<get_room_information::Request>,
) -> Result<Response, MatrixError> {
    let alias = request.room_alias;
    match api.messaging.directory.resolve_here(&alias).await? {
        Some((room, servers)) => Ok(json_answer(&json!({ "room_id": room, "servers": servers }))),
        None => Err(MatrixError::not_found(format!("there is no room {alias}"))),
    }
}

/// Answers with rooms that this server lists.
pub(super) async fn public_rooms(
    State(api): State<FederationApi>,
    Signed { request, .. }: Signed<get_public_rooms::Request>,
) -> Result<Response, MatrixError> {
    let page = Page { limit: request.limit.and_then(as_usize), since: request.since, term: None };
    Ok(json_answer(&api.messaging.directory.page(page).await?))
}

/// The same, of which some are looked for.
pub(super) async fn search_public_rooms(
    State(api): State<FederationApi>,
    Signed { request, .. }: Signed<get_public_rooms_filtered::Request>,
) -> Result<Response, MatrixError> {
    let term = request.filter.generic_search_term;
    let page = Page { limit: request.limit.and_then(as_usize), since: request.since, term };
    Ok(json_answer(&api.messaging.directory.page(page).await?))
}

fn as_usize(number: UInt) -> Option<usize> {
    usize::try_from(u64::from(number)).ok()
}
