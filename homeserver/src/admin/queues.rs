//! What waits to be sent: queues, what was set aside of them, and the back-off of destinations.

use std::collections::BTreeMap;

use axum::{extract::Path, response::Response};
use ruma::OwnedServerName;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use transport::{MatrixError, federation::json_answer};

use super::{Admin, Operator};
use crate::store::{
    StoreError, deferred, pending_joins,
    queues::{self, AsideRow, QueueRow},
};

/// Events set aside that are shown of one destination.
const MAX_ASIDE_SHOWN: usize = 1000;

/// All queues.
#[derive(Debug, Serialize, Deserialize)]
pub struct Queues {
    /// Transactions that came and wait to be judged, by who handed them over.
    pub deferred: BTreeMap<String, i64>,
    /// Joins that have begun and are neither done nor withdrawn, by the server that was asked to let the
    /// user in.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub joins: BTreeMap<String, i64>,
    /// What each delivery policy has not finished.
    #[serde(flatten)]
    pub unfinished: Map<String, Value>,
    /// Those that are not empty, and those of destinations that fail.
    pub queues: Vec<QueueRow>,
    /// How many events and EDUs were set aside because they cannot be sent, by destination.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub set_aside: BTreeMap<String, i64>,
}

/// One queue.
#[derive(Debug, Serialize, Deserialize)]
pub struct Queue {
    /// Events waiting.
    pub pending: i64,
    /// Failed direct attempts since the destination was last heard from.
    pub failures: u32,
    /// When the next one is due, milliseconds since the epoch; 0 for at once.
    pub retry_at: i64,
    /// What cannot be sent, oldest first.
    pub set_aside: Vec<AsideRow>,
}

/// How many events and EDUs of a queue were changed.
#[derive(Debug, Serialize, Deserialize)]
pub struct Changed {
    /// Their number.
    pub events: usize,
}

/// `GET /queues`.
pub(super) async fn all(admin: Admin, _operator: Operator) -> Result<Response, MatrixError> {
    let Admin { core, policies, .. } = admin;
    let read = move |db: &mut Connection| {
        let (queues, set_aside) = (queues::all(db)?, queues::set_aside_counts(db)?);
        let (deferred, joins) = (deferred::counts(db)?, pending_joins::counts(db)?);
        let unfinished = policies.unfinished(db)?;
        Ok::<_, StoreError>(Queues { deferred, joins, unfinished, queues, set_aside })
    };
    Ok(json_answer(&core.database.call(read).await?))
}

/// `GET /queues/{destination}`.
pub(super) async fn one(
    admin: Admin,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
) -> Result<Response, MatrixError> {
    let read = move |db: &mut Connection| {
        let found = queues::all(db)?.into_iter().find(|row| row.destination == destination);
        let (pending, failures, retry_at) =
            found.map_or((0, 0, 0), |row| (row.pending, row.failures, row.retry_at));
        let set_aside = queues::set_aside_of(db, &destination, MAX_ASIDE_SHOWN)?;
        Ok::<_, StoreError>(Queue { pending, failures, retry_at, set_aside })
    };
    Ok(json_answer(&admin.core.database.call(read).await?))
}

/// `POST /queues/{destination}/retry`: queues again what was set aside, behind what waits.
pub(super) async fn retry(
    admin: Admin,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
) -> Result<Response, MatrixError> {
    let events = admin.outgoing.queue_again(&destination).await?;
    tracing::info!(%destination, events, "the operator queued again what was set aside");
    Ok(json_answer(&Changed { events }))
}

/// `DELETE /queues/{destination}/set-aside`: forgets what was set aside.
pub(super) async fn drop_set_aside(
    admin: Admin,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
) -> Result<Response, MatrixError> {
    let name = destination.clone();
    let drop = admin.core.database.transaction(move |tx| queues::drop_set_aside(tx, &name));
    let events = drop.await?;
    tracing::warn!(%destination, events, "the operator dropped what was set aside");
    Ok(json_answer(&Changed { events }))
}

/// `DELETE /queues/{destination}`: forgets everything that waits, and what was set aside. The
/// destination may still come by it: it asks for what it finds missing in a room.
pub(super) async fn drop_all(
    admin: Admin,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
) -> Result<Response, MatrixError> {
    let events = admin.outgoing.drop_queue(&destination).await?;
    tracing::warn!(%destination, events, "the operator dropped a queue");
    Ok(json_answer(&Changed { events }))
}

/// `DELETE /back-off/{destination}`: the destination is tried at once, as if it had never failed.
pub(super) async fn reset_back_off(
    admin: Admin,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
) -> Result<Response, MatrixError> {
    admin.outgoing.reset_back_off(&destination);
    Ok(json_answer(&json!({})))
}
