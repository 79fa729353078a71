//! What is answered: a value as JSON, or a sentence that says why not.

use std::{
    fmt::Display,
    panic::{self, AssertUnwindSafe},
    path::Path,
};

use axum::{
    Json,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::json;
use tokio::task;

/// Why something cannot be shown, in a sentence that names the file and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    pub(crate) sentence: String,
}

impl Problem {
    /// What is asked for is not there.
    pub(crate) fn missing(sentence: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, sentence: sentence.into() }
    }

    /// A file is there and cannot be shown.
    pub(crate) fn unreadable(path: &Path, why: &dyn Display, remedy: &str) -> Self {
        let sentence = format!("{} cannot be read: {why}. {remedy}", path.display());
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, sentence }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "problem": self.sentence }))).into_response()
    }
}

/// What is answered to a request: JSON, ready to be sent.
pub(crate) type Answer = Result<Vec<u8>, Problem>;

/// Returns a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("what is answered has only string keys")
}

/// Answers with what `work` finds. It may read files meanwhile: other requests go on. A panic of it
/// is a defect of this program, and an answer all the same.
pub(crate) fn of(work: impl FnOnce() -> Answer) -> Response {
    let done = task::block_in_place(|| panic::catch_unwind(AssertUnwindSafe(work)));
    let defect = || Problem {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        sentence: "This is a defect of fedsim: the terminal in which it runs says more.".to_owned(),
    };
    match done.unwrap_or_else(|_| Err(defect())) {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
        Err(problem) => problem.into_response(),
    }
}
