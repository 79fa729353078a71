//! Every way in which the relay says no.

use std::time::Duration;

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
    /// An operator has blocked the origin.
    #[error("this relay keeps nothing of {0}")]
    Blocked(OwnedServerName),
    /// The origin leaves transactions faster than it may.
    #[error("{origin} may leave no more for now")]
    TooOften {
        /// Who.
        origin: OwnedServerName,
        /// After how long it may leave one.
        wait: Duration,
    },
    /// The destination's quota is used up.
    #[error("the mailbox of {destination} is full: {what}")]
    MailboxFull {
        /// Whose mailbox.
        destination: OwnedServerName,
        /// Which quota, in numbers.
        what: String,
    },
    /// The origin's host has as much in all mailboxes together as it may.
    #[error("{origin} has left as much here as it may: {what}")]
    OriginFull {
        /// Who.
        origin: OwnedServerName,
        /// Which quota, in numbers.
        what: String,
    },
    /// The quota of all destinations together is used up.
    #[error("the relay is full: {0}")]
    RelayFull(String),
    /// The disk has no room left but what is set aside for those who empty it.
    #[error("the disk of this relay is full")]
    DiskFull(Duration),
    /// So many entries at the head of the mailbox were unreadable that the rest is left to the
    /// next request.
    #[error("too many unreadable entries had to be set aside at once; ask again")]
    TooMuchPoison,
    /// The disk refused.
    #[error(transparent)]
    Disk(#[from] DatabaseError),
}

impl Refusal {
    /// All that [`Refusal::reason`] returns.
    pub(crate) const REASONS: [&str; 14] = [
        "switched_off",
        "user_id",
        "transaction_id",
        "not_json",
        "bad_json",
        "not_yours",
        "not_served",
        "blocked",
        "rate",
        "quota_destination",
        "quota_origin",
        "relay_full",
        "disk_full",
        "unavailable",
    ];

    /// Returns why, in a word for programs.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Disabled => "switched_off",
            Self::UserId(_) => "user_id",
            Self::TransactionId(_) => "transaction_id",
            Self::NotJson(_) => "not_json",
            Self::BadJson(_) => "bad_json",
            Self::NotYours { .. } => "not_yours",
            Self::NotServed(_) => "not_served",
            Self::Blocked(_) => "blocked",
            Self::TooOften { .. } => "rate",
            Self::MailboxFull { .. } => "quota_destination",
            Self::OriginFull { .. } => "quota_origin",
            Self::RelayFull(_) => "relay_full",
            Self::DiskFull(_) => "disk_full",
            Self::TooMuchPoison | Self::Disk(_) => "unavailable",
        }
    }

    /// Returns the refusal for a body that serde would not take.
    pub(crate) fn of_body(error: &serde_json::Error) -> Self {
        if error.is_data() {
            Self::BadJson(error.to_string())
        } else {
            Self::NotJson(error.to_string())
        }
    }
}
