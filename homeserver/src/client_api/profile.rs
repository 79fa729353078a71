//! `/profile`: what people see of a user.

use axum::Json;
use ruma::OwnedUserId;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use transport::MatrixError;

use super::{
    ClientApi,
    extract::{BodyOf, Caller, PathOf, id, missing_token},
};
use crate::{edge::shown_profile, messaging::profiles::Change};

/// Bytes of a display name, and of the address of a picture.
const MAX_TEXT: usize = 255;

/// `GET /_matrix/client/v3/profile/{userId}`. Users of other servers are asked for there, for whoever has
/// an account here: what strangers ask of this server must not be what it asks of others.
pub(super) async fn profile(
    api: ClientApi,
    caller: Option<Caller>,
    PathOf(user): PathOf<String>,
) -> Result<Json<Value>, MatrixError> {
    Ok(Json(Value::Object(fields_of(&api, caller.as_ref(), &user).await?)))
}

/// `GET /_matrix/client/v3/profile/{userId}/{keyName}`.
pub(super) async fn field(
    api: ClientApi,
    caller: Option<Caller>,
    PathOf((user, name)): PathOf<(String, String)>,
) -> Result<Json<Value>, MatrixError> {
    let mut fields = fields_of(&api, caller.as_ref(), &user).await?;
    fields.retain(|field, _| *field == name);
    Ok(Json(Value::Object(fields)))
}

#[derive(Deserialize)]
pub(super) struct Fields {
    displayname: Option<String>,
    avatar_url: Option<String>,
}

/// `PUT /_matrix/client/v3/profile/{userId}/displayname` and `/avatar_url`: the user's rooms show it.
pub(super) async fn set_field(
    api: ClientApi,
    Caller(device): Caller,
    PathOf((user, name)): PathOf<(String, String)>,
    BodyOf(body): BodyOf<Fields>,
) -> Result<Json<Value>, MatrixError> {
    if id::<OwnedUserId>(user)? != device.user_id {
        return Err(MatrixError::forbidden("only the user may change this profile"));
    }
    let texts = [&body.displayname, &body.avatar_url];
    if texts.into_iter().flatten().any(|text| text.len() > MAX_TEXT) {
        return Err(MatrixError::invalid_param("the display name or address is too long"));
    }
    let change = match name.as_str() {
        "displayname" => Change::DisplayName(body.displayname),
        "avatar_url" => Change::AvatarUrl(body.avatar_url),
        _ => return Err(MatrixError::invalid_param(format!("a profile has no `{name}` here"))),
    };
    let rooms = api.messaging.rooms.clone();
    api.finish(async move { rooms.change_profile(device.user_id, change).await }).await?;
    Ok(Json(json!({})))
}

async fn fields_of(
    api: &ClientApi,
    caller: Option<&Caller>,
    user: &str,
) -> Result<Map<String, Value>, MatrixError> {
    let user: OwnedUserId = id(user)?;
    let found = if api.core.is_local(&user) {
        let profile = api.messaging.accounts.profile(&user).await?;
        profile.and_then(|profile| shown_profile(&profile).as_object().cloned())
    } else if caller.is_none() {
        return Err(missing_token());
    } else {
        api.messaging.rooms.remote_profile(user).await?
    };
    found.ok_or_else(|| MatrixError::not_found("the profile is not known"))
}
