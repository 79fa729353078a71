//! Whether another server can be reached, which program it is, and if not, why.

use std::time::Duration;

use axum::{extract::Path, response::Response};
use ruma::OwnedServerName;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use transport::{
    MatrixError,
    federation::{CallError, json_answer},
};

use super::{Admin, Operator};

/// The time within which the other server must have answered.
const DEADLINE: Duration = Duration::from_secs(10);

/// The most characters of what a server says that it is.
const MAX_NAME: usize = 100;

/// What came of asking another server.
#[derive(Debug, Serialize, Deserialize)]
pub struct Reach {
    /// The name and the version of its program, if it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Why it cannot be reached, in a sentence, if it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `GET /reach/{destination}`: asks it for its version, without a signature, over the connection that
/// transactions take, and leaves that open for them.
pub(super) async fn ask(
    admin: Admin,
    _operator: Operator,
    Path(destination): Path<OwnedServerName>,
) -> Result<Response, MatrixError> {
    let answer = admin.core.federation.version_of(&destination, DEADLINE).await;
    Ok(json_answer(&match answer {
        Ok(answer) => Reach { program: Some(program(&answer)), error: None },
        // It is there, and does not say what it is.
        Err(CallError::Refused(refusal)) => {
            Reach { program: Some(format!("a program that answers {refusal}")), error: None }
        }
        Err(error) => Reach { program: None, error: Some(error.to_string()) },
    }))
}

/// Returns the program of an answer, in words that a terminal can show.
fn program(answer: &Value) -> String {
    let field = |name: &str| answer["server"][name].as_str().unwrap_or("?");
    let said = format!("{} {}", field("name"), field("version"));
    said.chars().filter(|it| !it.is_control()).take(MAX_NAME).collect()
}
