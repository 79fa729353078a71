//! `/account/password` and `/account/deactivate`: changing the password, and ending the account.

use axum::Json;
use serde::Deserialize;
use serde_json::{Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    attempts::AddressOf,
    extract::{BodyOf, Caller},
    interactive::{self, Auth},
    session::check_password,
};

#[derive(Deserialize)]
pub(super) struct PasswordRequest {
    new_password: String,
    logout_devices: Option<bool>,
    auth: Option<Auth>,
}

/// `POST /_matrix/client/v3/account/password`: takes the old one. Other devices are logged out unless the
/// client says otherwise.
pub(super) async fn password(
    api: ClientApi,
    Caller(device): Caller,
    AddressOf(address): AddressOf,
    BodyOf(body): BodyOf<PasswordRequest>,
) -> Result<interactive::Answer, MatrixError> {
    check_password(&body.new_password)?;
    let question = interactive::ask(&api, &device.user_id, body.auth, address).await?;
    if let Some(question) = question {
        return Ok(question);
    }
    let others = body.logout_devices.unwrap_or(true);
    api.messaging.accounts.change_password(&device, &body.new_password, others).await?;
    Ok(interactive::done(json!({})))
}

#[derive(Deserialize)]
pub(super) struct DeactivateRequest {
    auth: Option<Auth>,
}

/// `POST /_matrix/client/v3/account/deactivate`: takes the password. The user leaves all rooms.
pub(super) async fn deactivate(
    api: ClientApi,
    Caller(device): Caller,
    AddressOf(address): AddressOf,
    BodyOf(body): BodyOf<DeactivateRequest>,
) -> Result<interactive::Answer, MatrixError> {
    let question = interactive::ask(&api, &device.user_id, body.auth, address).await?;
    if let Some(question) = question {
        return Ok(question);
    }
    let messaging = api.messaging.clone();
    let end = async move {
        messaging.accounts.deactivate(&device.user_id).await?;
        for room in messaging.rooms.joined_rooms(&device.user_id).await? {
            if let Err(error) = messaging.rooms.leave(&device.user_id, &room).await {
                tracing::info!(%room, %error, "an ended account is still in a room");
            }
        }
        Ok::<_, MatrixError>(())
    };
    api.finish(end).await?;
    Ok(interactive::done(json!({ "id_server_unbind_result": "no-support" })))
}

/// `GET /_matrix/client/v3/account/3pid`: this server keeps no addresses.
pub(super) async fn addresses(Caller(_): Caller) -> Json<Value> {
    Json(json!({ "threepids": [] }))
}

/// `GET /_matrix/client/v3/voip/turnServer`: there is none.
pub(super) async fn turn_server(Caller(_): Caller) -> Json<Value> {
    Json(json!({}))
}
