//! Refusals as HTTP answers.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use transport::{MatrixError, federation::json_answer};

use crate::refusal::Refusal;

/// When to ask a full mailbox again. It empties when its owner returns, so soon is no use.
const RETRY_FULL_MAILBOX: Duration = Duration::from_mins(1);

/// When to ask again after a moment's trouble: a disk that fails, or unreadable entries that are set aside.
const RETRY_TROUBLE: Duration = Duration::from_secs(5);

/// The key of an error under which a program finds why, in a word.
const REASON: &str = "org.fedsim.relay.reason";

/// Returns the answer to a refused request.
pub(super) fn refused(refusal: Refusal) -> Response {
    if let Refusal::Disabled = refusal {
        // Dendrite answers so, and its senders take it for "not a relay".
        return (StatusCode::NOT_FOUND, json_answer(&())).into_response();
    }
    let reason = refusal.reason();
    let error = matrix_error(refusal).with(REASON, reason);
    if error.status.is_server_error() {
        tracing::warn!(%error, "a request failed");
    }
    error.into_response()
}

fn matrix_error(refusal: Refusal) -> MatrixError {
    let message = refusal.to_string();
    let error = |status, errcode| MatrixError::new(status, errcode, &message);
    match refusal {
        Refusal::Disabled => MatrixError::not_found(message),
        Refusal::UserId(_) => error(StatusCode::BAD_REQUEST, "M_INVALID_USERNAME"),
        Refusal::TransactionId(_) => MatrixError::invalid_param(message),
        Refusal::NotJson(_) => error(StatusCode::BAD_REQUEST, "M_NOT_JSON"),
        Refusal::BadJson(_) => MatrixError::bad_json(message),
        Refusal::NotYours { .. } | Refusal::NotServed(_) | Refusal::Blocked(_) => {
            MatrixError::forbidden(message)
        }
        Refusal::TooOften { wait, .. } => MatrixError::limit_exceeded(message, wait),
        Refusal::MailboxFull { .. } | Refusal::OriginFull { .. } => {
            MatrixError::limit_exceeded(message, RETRY_FULL_MAILBOX)
        }
        Refusal::RelayFull(_) => after(
            error(StatusCode::INSUFFICIENT_STORAGE, "M_RESOURCE_LIMIT_EXCEEDED"),
            RETRY_FULL_MAILBOX,
        ),
        Refusal::DiskFull(wait) => {
            after(error(StatusCode::INSUFFICIENT_STORAGE, "M_RESOURCE_LIMIT_EXCEEDED"), wait)
        }
        Refusal::TooMuchPoison => {
            after(error(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN"), RETRY_TROUBLE)
        }
        Refusal::Disk(trouble) => after(trouble.into(), RETRY_TROUBLE),
    }
}

/// Returns the error, which says when to come again.
fn after(error: MatrixError, wait: Duration) -> MatrixError {
    error.with("retry_after_ms", u64::try_from(wait.as_millis()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(refusal: Refusal) -> u16 {
        refused(refusal).status().as_u16()
    }

    #[test]
    fn a_full_mailbox_and_a_full_relay_are_told_apart() {
        let destination = "b".try_into().unwrap();
        let full = Refusal::MailboxFull { destination, what: String::new() };
        assert_eq!(status_of(full), 429);
        assert_eq!(status_of(Refusal::RelayFull(String::new())), 507);
    }

    #[test]
    fn what_passes_says_when_to_come_again() {
        let destination = "b".try_into().unwrap();
        for refusal in [
            Refusal::MailboxFull { destination, what: String::new() },
            Refusal::RelayFull(String::new()),
            Refusal::DiskFull(Duration::from_secs(1)),
            Refusal::TooMuchPoison,
            Refusal::Disk(transport::DatabaseError::Closed),
        ] {
            let error = matrix_error(refusal);
            assert!(error.extra["retry_after_ms"].is_u64(), "{error}");
        }
    }

    #[test]
    fn a_failing_disk_is_not_the_callers_fault() {
        assert_eq!(status_of(Refusal::Disk(transport::DatabaseError::Closed)), 503);
    }
}
