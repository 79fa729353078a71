//! A room's state, for comparing servers.

use axum::{extract::Path, response::Response};
use ruma::OwnedRoomId;
use serde_json::json;
use transport::{MatrixError, federation::json_answer};

use super::{Admin, Operator};
use crate::messaging::rooms::welcome::summary;

/// `GET /rooms/{roomId}/state`.
pub(super) async fn state(
    admin: Admin,
    _operator: Operator,
    Path(room): Path<OwnedRoomId>,
) -> Result<Response, MatrixError> {
    let (state, extremities) = admin.core.database.call(move |db| summary(db, &room)).await?;
    Ok(json_answer(&json!({ "state": state, "forward_extremities": extremities })))
}
