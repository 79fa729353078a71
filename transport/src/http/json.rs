//! JSON told to a server that is no homeserver, and what it answers.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde_json::Value;

use super::{Address, Client};

/// Bytes of such an answer.
const MAX_ANSWER: usize = 64 << 10;

impl Client {
    /// Posts `body` to `path` of `address`, within `deadline` in all, and returns the JSON that is
    /// answered; null for what is none.
    ///
    /// # Errors
    /// Another status than 200 is answered, or nothing; a sentence for the log.
    pub async fn tell(
        &self,
        address: &Address,
        path: &str,
        body: &Value,
        deadline: Duration,
    ) -> Result<Value, String> {
        let request = Request::post(path)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()))
            .map_err(|error| error.to_string())?;
        let answer = self.send_at_most(address, request, deadline, MAX_ANSWER).await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status() != StatusCode::OK {
            return Err(format!("it answered {}", answer.status()));
        }
        Ok(serde_json::from_slice(answer.body()).unwrap_or_default())
    }
}
