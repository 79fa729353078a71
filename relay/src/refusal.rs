//! Every way in which the relay says no.

use ruma::OwnedServerName;
use transport::DatabaseError;

/// Why a request was not done. Nothing is stored and nothing deleted on account of a refused one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Relaying is switched off.
    #[error("relaying is switched off")]
    Disabled,
    /// The path has no acceptable user id.
    #[error("{0}")]
    UserId(String),
    /// The path has no acceptable transaction id.
    #[error("{0}")]
    TransactionId(String),
    /// The body is not JSON.
    #[error("{0}")]
    NotJson(String),
    /// The body is JSON, but not what the endpoint takes.
    #[error("{0}")]
    BadJson(String),
    /// Only the server of the user id may fetch and acknowledge its entries.
    #[error("{origin} may not fetch the entries of {destination}")]
    NotYours {
        /// Who asked.
        origin: OwnedServerName,
        /// For whom.
        destination: OwnedServerName,
    },
    /// The policy leaves this destination out.
    #[error("this relay keeps nothing for {0}")]
    NotServed(OwnedServerName),
    /// The destination's quota is used up.
    #[error("the mailbox of {destination} is full: {what}")]
    MailboxFull {
        /// Whose mailbox.
        destination: OwnedServerName,
        /// Which quota, in numbers.
        what: String,
    },
    /// The quota of all destinations together is used up.
    #[error("the relay is full: {0}")]
    RelayFull(String),
    /// So many entries at the head of the mailbox were unreadable that the rest is left to the
    /// next request.
    #[error("too many unreadable entries had to be set aside at once; ask again")]
    TooMuchPoison,
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DatabaseError),
}

impl Refusal {
    /// Returns the refusal for a body that serde would not take.
    pub(crate) fn of_body(error: &serde_json::Error) -> Self {
        if error.is_data() {
            Self::BadJson(error.to_string())
        } else {
            Self::NotJson(error.to_string())
        }
    }
}
