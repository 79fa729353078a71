//! The Matrix error: an HTTP status, an `errcode`, and a sentence.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};

/// The field that says after how many milliseconds the same may be asked again.
const RETRY_AFTER_MS: &str = "retry_after_ms";

/// An error as the Matrix specification has every endpoint answer it
/// (client-server API, "Standard error response").
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{status} {errcode}: {message}")]
pub struct MatrixError {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code a program branches on, such as `M_FORBIDDEN`.
    pub errcode: String,
    /// The sentence for a person.
    pub message: String,
    /// Further fields of the body, such as `unreachable_backends` or `retry_after_ms`.
    pub extra: serde_json::Map<String, serde_json::Value>,
    is_made_up: bool,
}

impl MatrixError {
    /// Returns an error with no further fields.
    pub fn new(status: StatusCode, errcode: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            errcode: errcode.to_owned(),
            message: message.into(),
            extra: serde_json::Map::new(),
            is_made_up: false,
        }
    }

    /// Returns the error that another server answered with `status` and `body`; one is made up for
    /// a body that has none.
    pub fn from_answer(status: StatusCode, body: &[u8]) -> Self {
        let mut extra: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(body).unwrap_or_default();
        let mut text = |field: &str, otherwise: &str| match extra.remove(field) {
            Some(serde_json::Value::String(text)) => text,
            _ => otherwise.to_owned(),
        };
        let errcode = text("errcode", "");
        let is_made_up = errcode.is_empty();
        let errcode = if is_made_up { "M_UNKNOWN".to_owned() } else { errcode };
        let message = text("error", status.canonical_reason().unwrap_or("no reason given"));
        Self { status, errcode, message, extra, is_made_up }
    }

    /// Returns whether the answer had no Matrix error in it: a proxy gave it in the place of the server, or
    /// no homeserver did.
    pub fn is_made_up(&self) -> bool {
        self.is_made_up
    }

    /// Returns the same error with one more field in its body.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<serde_json::Value>) -> Self {
        self.extra.insert(field.to_owned(), value.into());
        self
    }

    /// Returns 403 `M_FORBIDDEN`.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", message)
    }

    /// Returns 404 `M_NOT_FOUND`.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", message)
    }

    /// Returns 400 `M_BAD_JSON`.
    pub fn bad_json(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_BAD_JSON", message)
    }

    /// Returns 400 `M_INVALID_PARAM`.
    pub fn invalid_param(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_INVALID_PARAM", message)
    }

    /// Returns 401 `M_UNAUTHORIZED`.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "M_UNAUTHORIZED", message)
    }

    /// Returns 429 `M_LIMIT_EXCEEDED`: the same may be asked again after `wait`.
    pub fn limit_exceeded(message: impl Into<String>, wait: Duration) -> Self {
        let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
        Self::new(StatusCode::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED", message)
            .with(RETRY_AFTER_MS, wait_ms)
    }

    /// Returns 500 `M_UNKNOWN`, for trouble of this server's own.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "M_UNKNOWN", message)
    }
}

impl From<crate::DatabaseError> for MatrixError {
    /// A full or failing disk and a busy database are 503 (try again later), anything else 500. What exactly the
    /// database said (table names, file names) is for our log and not for the caller.
    fn from(error: crate::DatabaseError) -> Self {
        tracing::error!(%error, "a request failed in the database");
        if error.is_disk_trouble() {
            let message = "this server's disk is full or failing; try again later";
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", message)
        } else if error.is_busy() {
            let message = "this server's database is busy; try again later";
            Self::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", message)
        } else {
            Self::internal("this server's database failed")
        }
    }
}

impl IntoResponse for MatrixError {
    fn into_response(self) -> Response {
        let wait_ms = self.extra.get(RETRY_AFTER_MS).and_then(serde_json::Value::as_u64);
        let mut body = self.extra;
        body.insert("errcode".to_owned(), self.errcode.into());
        body.insert("error".to_owned(), self.message.into());
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(wait_ms) = wait_ms.filter(|_| self.status == StatusCode::TOO_MANY_REQUESTS) {
            response.headers_mut().insert(header::RETRY_AFTER, wait_ms.div_ceil(1000).into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DatabaseError;

    #[test]
    fn a_caller_does_not_learn_what_the_database_said() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        let said = connection.execute_batch("SELECT 1 FROM secret_table").unwrap_err();
        assert!(said.to_string().contains("secret_table"));
        let error = MatrixError::from(DatabaseError::Sql(said));
        assert_eq!(error.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!error.to_string().contains("secret_table"), "{error}");
        assert_eq!(MatrixError::from(DatabaseError::Closed).status.as_u16(), 503);
    }

    #[test]
    fn a_busy_database_is_a_matter_of_time() {
        let directory = tempfile::tempdir().unwrap();
        let open = || rusqlite::Connection::open(directory.path().join("a.sqlite")).unwrap();
        let (holder, other) = (open(), open());
        other.busy_timeout(Duration::ZERO).unwrap();
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let busy = other.execute_batch("BEGIN IMMEDIATE").unwrap_err();
        let error = MatrixError::from(DatabaseError::Sql(busy));
        assert_eq!(error.status, StatusCode::SERVICE_UNAVAILABLE, "{error}");
    }
}
