//! The wire types that ruma lacks, declared once: Dendrite's two relay endpoints, and M1.

pub mod m1;
pub mod relay;

use http::Method;
use serde::{Serialize, de::DeserializeOwned};

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
}
