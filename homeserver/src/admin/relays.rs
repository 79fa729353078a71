//! Relays per destination.

use axum::{extract::Path, response::Response};
use ruma::OwnedServerName;
use serde::{Deserialize, Serialize};
use serde_json::json;
use transport::{MatrixError, federation::json_answer};

use super::{Admin, Operator};
use crate::{client_api::BodyOf, store};

/// The most relays that a destination may have.
const MAX_RELAYS: usize = 16;

/// The relays of a destination.
#[derive(Debug, Serialize, Deserialize)]
pub struct Relays {
    /// Their server names.
    pub relays: Vec<OwnedServerName>,
}

/// `GET /relays/{destination}`.
pub(super) async fn show(
    admin: Admin,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
) -> Result<Response, MatrixError> {
    let relays = admin.outgoing.relays(&destination).await?;
    Ok(json_answer(&Relays { relays }))
}

/// `PUT /relays/{destination}`: sets them, in the place of those of the configuration.
pub(super) async fn put(
    admin: Admin,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
    BodyOf(Relays { relays }): BodyOf<Relays>,
) -> Result<Response, MatrixError> {
    if relays.len() > MAX_RELAYS {
        return Err(MatrixError::invalid_param(format!("at most {MAX_RELAYS} relays are allowed")));
    }
    let is_own = destination == admin.core.server_name();
    let (name, now) = (destination.clone(), admin.core.ages.now_ms());
    let put = admin.core.database.transaction(move |tx| {
        if is_own {
            store::relays::put_own(tx, &relays, now)?;
        }
        store::relays::put_of_destination(tx, &name, &relays)
    });
    put.await?;
    if is_own {
        admin.outgoing.publish_relays().await?;
    }
    admin.outgoing.relays_changed(&destination);
    Ok(json_answer(&json!({})))
}
