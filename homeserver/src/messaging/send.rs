//! Sending a message: the one entry, whatever the room's policy.

use serde_json::Value;
use transport::MatrixError;

use super::{
    answers::{Outcome, SendKey},
    eventual,
    m1::M1,
    m1_2021::M1Of2021,
    rooms::{RoomError, Rooms},
    to_the_end::to_the_end,
};
use crate::event::Delivery;

/// Why a send has no outcome.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// It may or may not have been delivered. The same transaction id again tells.
    #[error("whether the message was sent is not known yet: {0}")]
    Unknown(String),
    /// It was not sent.
    #[error(transparent)]
    Room(#[from] RoomError),
}

impl From<SendError> for MatrixError {
    fn from(error: SendError) -> Self {
        let message = error.to_string();
        match error {
            SendError::Unknown(_) => {
                Self::new(http::StatusCode::GATEWAY_TIMEOUT, "ORG.FEDSIM.OUTCOME_UNKNOWN", message)
            }
            SendError::Room(error) => error.into(),
        }
    }
}

/// Sends messages by each room's policy. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sending {
    rooms: Rooms,
    m1: M1,
    m1_2021: M1Of2021,
}

impl Sending {
    /// Sends into the rooms of `rooms`.
    pub(crate) fn new(rooms: Rooms, m1: M1, m1_2021: M1Of2021) -> Self {
        Self { rooms, m1, m1_2021 }
    }

    /// Sends a message of a local user's device. The same `key` twice is one message and gives the
    /// same outcome (but for `m1-2021`, which has no such thing).
    ///
    /// # Errors
    /// See [`SendError`].
    pub(crate) async fn send(&self, key: SendKey, content: Value) -> Result<Outcome, SendError> {
        let (this, host) = (self.clone(), &self.rooms.core().host);
        to_the_end(host, async move { this.send_by_policy(key, content).await })
            .await
            .unwrap_or_else(|| Err(SendError::Unknown("the server is stopping".to_owned())))
    }

    async fn send_by_policy(&self, key: SendKey, content: Value) -> Result<Outcome, SendError> {
        let (delivery, owner) = self.rooms.delivery_and_owner(&key.room_id).await?;
        match delivery {
            Delivery::Eventual => Ok(eventual::send(&self.rooms, key, content).await?),
            Delivery::M1 => self.m1.send(owner, key, content).await,
            Delivery::M1Of2021 => Ok(self.m1_2021.send(key, content).await?),
        }
    }
}
