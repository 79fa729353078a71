//! Calls to the client-server API and to admin APIs, in JSON.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, header};
use serde_json::Value;
use transport::{
    Host,
    http::{Address, Client as Http, ClientLimits, RequestError},
};

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// The body; null if it is not JSON.
    pub(super) body: Value,
}

impl Reply {
    /// Returns the body of a 200; otherwise what was answered, in a sentence.
    pub(super) fn ok(self) -> Result<Value, String> {
        if self.status == 200 { Ok(self.body) } else { Err(self.to_string()) }
    }

    /// Returns whether what was asked for certainly did not happen: the server refused the request
    /// itself, or could not reach the backends that it needs.
    pub(super) fn is_refusal(&self) -> bool {
        let names_backends = self.body.get("unreachable_backends").is_some();
        (400..500).contains(&self.status) || (self.status == 533 && names_backends)
    }

    /// Returns whether this is a refusal that says nothing of an earlier attempt whose answer is missing: a front
    /// proxy gave it, or a server that did not look at what was asked.
    pub(super) fn is_of_this_attempt(&self) -> bool {
        let did_not_look =
            self.errcode().is_empty() || matches!(self.status, 401 | 408 | 425 | 429);
        self.is_refusal() && did_not_look
    }

    /// Returns whether the server does not know the session in which it was asked.
    pub(super) fn is_of_unknown_session(&self) -> bool {
        self.status == 401 && self.errcode() == "M_UNKNOWN_TOKEN"
    }

    /// Returns the code of an error; empty if it is none.
    pub(super) fn errcode(&self) -> &str {
        self.body.get("errcode").and_then(Value::as_str).unwrap_or_default()
    }

    /// Returns the strings of a list in the body.
    pub(super) fn strings(&self, field: &str) -> Vec<String> {
        let list = self.body.get(field).and_then(Value::as_array);
        let strings = list.into_iter().flatten().filter_map(Value::as_str);
        strings.map(str::to_owned).collect()
    }
}

impl std::fmt::Display for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let code = self.errcode();
        let error = self.body.get("error").and_then(Value::as_str).unwrap_or_default();
        write!(f, "{} {code} {error}", self.status)
    }
}

/// Calls one server from one machine. Cheap to clone; clones share connections.
#[derive(Clone)]
pub(super) struct Client {
    http: Http,
    address: Address,
    token: Option<Arc<str>>,
}

impl Client {
    /// Returns a client that calls `server` on `port` from `host`, without a token.
    pub(super) fn new(host: &Host, server: &str, port: u16) -> Self {
        let address = Address { name: server.to_owned(), port };
        Self { http: Http::new(host, ClientLimits::default()), address, token: None }
    }

    /// Returns the same client with a bearer token.
    pub(super) fn with_token(self, token: &str) -> Self {
        Self { token: Some(Arc::from(token)), ..self }
    }

    /// Returns the same client without a token.
    pub(super) fn without_token(self) -> Self {
        Self { token: None, ..self }
    }

    /// Returns the bearer token, if any.
    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Returns the address of the server that it calls.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Sends one request and reads the answer, within `deadline` in all.
    ///
    /// # Errors
    /// There was no answer.
    pub(super) async fn call(
        &self,
        method: Method,
        target: &str,
        body: Option<&Value>,
        deadline: Duration,
    ) -> Result<Reply, RequestError> {
        let mut request = Request::builder().method(method).uri(target);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let request = request.body(body).expect("our targets and tokens are plain ASCII");
        let answer = self.http.send(&self.address, request, deadline).await?;
        let body = serde_json::from_slice(answer.body()).unwrap_or_default();
        Ok(Reply { status: answer.status().as_u16(), body })
    }

    /// Posts something, and returns the body of a 200.
    ///
    /// # Errors
    /// There was no answer, or another one; the error is a sentence.
    pub(super) async fn post(
        &self,
        target: &str,
        body: &Value,
        deadline: Duration,
    ) -> Result<Value, String> {
        let reply = self.call(Method::POST, target, Some(body), deadline).await;
        reply.map_err(|error| error.to_string())?.ok()
    }
}
