//! Why something did not happen in a room.

use ruma::OwnedRoomId;
use transport::DatabaseError;

use crate::{
    event::Malformed,
    pdu::{Refusal, Unavailable},
    store::StoreError,
};

/// Why something did not happen in a room.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// There is no such room here.
    #[error("room {0} is not known here")]
    UnknownRoom(OwnedRoomId),
    /// The user may not do that.
    #[error("{0}")]
    Forbidden(String),
    /// What was asked for makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for is larger than it may be.
    #[error("{0}")]
    TooLarge(String),
    /// Other servers that are needed cannot be reached, or do not answer as they should.
    #[error("{0}")]
    Unavailable(String),
    /// What was asked for builds on something that does not hold any more. Nothing was done.
    #[error("{0}")]
    Outdated(String),
    /// The room's version is not one of this server's.
    #[error("room version {0} is not supported")]
    UnsupportedVersion(String),
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DatabaseError> for RoomError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error.into())
    }
}

impl From<rusqlite::Error> for RoomError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<Refusal> for RoomError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownRoom(room) => Self::UnknownRoom(room),
            Refusal::Malformed(error) => error.into(),
            Refusal::MissingEvents(_) => Self::Unavailable(refusal.to_string()),
            Refusal::BadSignature(_)
            | Refusal::UnknownKey(_)
            | Refusal::TooFarAhead(_)
            | Refusal::NotAllowed(_)
            | Refusal::NoLongerAllowed(_) => Self::Forbidden(refusal.to_string()),
        }
    }
}

impl From<Unavailable> for RoomError {
    fn from(error: Unavailable) -> Self {
        match error {
            Unavailable::Elsewhere(reason) | Unavailable::Lacking(reason) => {
                Self::Unavailable(reason)
            }
            Unavailable::Store(error) => Self::Store(error),
        }
    }
}

impl From<Malformed> for RoomError {
    fn from(error: Malformed) -> Self {
        match error {
            Malformed::TooLarge(reason) => Self::TooLarge(reason),
            Malformed::Wrong(reason) => Self::Invalid(format!("malformed event: {reason}")),
        }
    }
}
