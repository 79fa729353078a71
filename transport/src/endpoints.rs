//! The wire types that ruma lacks, declared once: Dendrite's two relay endpoints, and M1.

pub mod m1;
pub mod relay;

use http::Method;
use serde::{Serialize, de::DeserializeOwned};

use crate::bounds::MAX_ANSWER_DEPTH;

/// One of our own federation endpoints: its route, its request body and its 200 body.
pub trait Endpoint {
    /// The HTTP method. A `GET` may carry a body here: Dendrite's relay endpoint does.
    const METHOD: Method;
    /// The route, in axum's syntax, such as
    /// `/_matrix/federation/v1/send_relay/{transaction_id}/{user_id}`.
    const PATH: &'static str;
    /// The JSON body of a request.
    type Request: Serialize + DeserializeOwned + Send + Sync;
    /// The JSON body of a 200 answer.
    type Response: Serialize + DeserializeOwned + Send;
    /// Levels of arrays and objects within each other in an answer.
    const MAX_ANSWER_DEPTH: usize = MAX_ANSWER_DEPTH;
    /// Bytes a second at which an answer may arrive that is larger than the caller has time for; unset,
    /// it has no more time. For requests that do no more when they are done twice.
    const SLOWEST_ANSWER: Option<usize> = None;
}
