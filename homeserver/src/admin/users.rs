//! Accounts, as the operator makes and ends them.

use axum::{
    extract::{Path, Query},
    response::Response,
};
use ruma::{OwnedRoomId, OwnedUserId};
use serde::{Deserialize, Serialize};
use transport::{MatrixError, federation::json_answer};

use super::{Admin, Operator};
pub use crate::store::accounts::UserRow as User;
use crate::{
    client_api::{BodyOf, check_password},
    edge::to_the_end,
    event::Membership,
    messaging::accounts::{AccountError, user_id},
    store::{accounts, memberships},
};

/// Users of a page.
const PAGE: usize = 200;

/// Bytes of entropy of a password that is made up.
const PASSWORD_BYTES: usize = 18;

/// A page of users, ordered by their ids.
#[derive(Debug, Serialize, Deserialize)]
pub struct Users {
    /// The users.
    pub users: Vec<User>,
    /// After whom the next page begins; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<OwnedUserId>,
}

/// An account to be made.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewUser {
    /// What stands before the colon of its user's id.
    pub name: String,
    /// Its password; one is made up without it.
    #[serde(default)]
    pub password: Option<String>,
}

/// A password to be set.
#[derive(Debug, Deserialize)]
pub(super) struct PasswordRequest {
    #[serde(default)]
    password: Option<String>,
}

/// An account whose password was set.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewPassword {
    /// Whose.
    pub user_id: OwnedUserId,
    /// The password, if it was made up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

/// An account that was ended.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deactivated {
    /// How many rooms its user left.
    pub left: usize,
    /// The rooms that could not be left.
    pub still_in: Vec<OwnedRoomId>,
}

#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<OwnedUserId>,
}

/// `GET /users?after=`.
pub(super) async fn list(
    admin: Admin,
    _operator: Operator,
    Query(After { after }): Query<After>,
) -> Result<Response, MatrixError> {
    let page = move |db: &mut rusqlite::Connection| accounts::list(db, after.as_deref(), PAGE + 1);
    let mut users = admin.core.database.call(page).await?;
    let has_more = users.len() > PAGE;
    users.truncate(PAGE);
    let next = users.last().filter(|_| has_more).map(|user| user.user_id.clone());
    Ok(json_answer(&Users { users, next }))
}

/// `POST /users`: makes an account, whoever may register.
pub(super) async fn create(
    admin: Admin,
    _operator: Operator,
    BodyOf(NewUser { name, password }): BodyOf<NewUser>,
) -> Result<Response, MatrixError> {
    let user_id = user_id(&name, admin.core.server_name())?;
    let (password, made_up) = password_or_new(&admin, password)?;
    admin.messaging.accounts.register(&user_id, &password, None).await?;
    tracing::info!(%user_id, "the operator made an account");
    Ok(json_answer(&NewPassword { user_id, password: made_up }))
}

/// `PUT /users/{user}/password`: sets the password and ends all logins.
pub(super) async fn reset_password(
    admin: Admin,
    _operator: Operator,
    Path(user): Path<String>,
    BodyOf(PasswordRequest { password }): BodyOf<PasswordRequest>,
) -> Result<Response, MatrixError> {
    let user_id = known(&admin, &user)?;
    let (password, made_up) = password_or_new(&admin, password)?;
    admin.messaging.accounts.set_password(&user_id, &password).await?;
    tracing::info!(%user_id, "the operator reset a password");
    Ok(json_answer(&NewPassword { user_id, password: made_up }))
}

/// `POST /users/{user}/deactivate`: ends all logins for good, and has the user leave every room.
pub(super) async fn deactivate(
    admin: Admin,
    _operator: Operator,
    Path(user): Path<String>,
) -> Result<Response, MatrixError> {
    let user_id = known(&admin, &user)?;
    admin.messaging.accounts.deactivate(&user_id).await?;
    tracing::info!(%user_id, "the operator deactivated an account");
    let host = admin.core.host.clone();
    let left = to_the_end(&host, async move { leave_all(&admin, user_id).await }).await?;
    Ok(json_answer(&left))
}

/// Has a user leave every room, and reject every invite.
async fn leave_all(admin: &Admin, user_id: OwnedUserId) -> Result<Deactivated, MatrixError> {
    let user = user_id.clone();
    let read = move |db: &mut rusqlite::Connection| memberships::of_user(db, &user);
    let mut done = Deactivated { left: 0, still_in: Vec::new() };
    for row in admin.core.database.call(read).await? {
        if !matches!(row.membership, Membership::Join | Membership::Invite | Membership::Knock) {
            continue;
        }
        match admin.messaging.rooms.leave(&user_id, &row.room_id).await {
            Ok(()) => done.left += 1,
            Err(error) => {
                tracing::warn!(%user_id, room = %row.room_id, %error, "failed to leave a room");
                done.still_in.push(row.room_id);
            }
        }
    }
    Ok(done)
}

/// Returns the id of a user of this server who is named by it, or by what stands before its colon.
fn known(admin: &Admin, user: &str) -> Result<OwnedUserId, MatrixError> {
    let server = admin.core.server_name();
    let id = ruma::UserId::parse_with_server_name(user, server)
        .map_err(|error| MatrixError::invalid_param(error.to_string()))?;
    if admin.core.is_local(&id) { Ok(id) } else { Err(AccountError::Unknown.into()) }
}

/// Returns the password to set, and again if it was made up.
fn password_or_new(
    admin: &Admin,
    given: Option<String>,
) -> Result<(String, Option<String>), MatrixError> {
    if let Some(password) = given {
        check_password(&password)?;
        return Ok((password, None));
    }
    let password = admin.core.host.random_token(PASSWORD_BYTES);
    Ok((password.clone(), Some(password)))
}
