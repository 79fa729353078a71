//! A homeserver as a relay sees it: a name, a key it publishes, and a `send` endpoint.

use std::sync::{Arc, Mutex, OnceLock};

use axum::{
    Json, Router,
    extract::Path,
    http::StatusCode,
    routing::{get, put},
};
use bytes::Bytes;
use http::{Method, Request};
use ruma::{
    OwnedServerName, ServerName,
    api::federation::authentication::{XMatrix, XMatrixSigningInput},
    serde::{Base64, base64::Standard},
    signatures::KeyPair,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use transport::{
    Host,
    federation::{Federation, Identity, KeyRing},
    http::{Client, ClientLimits, ServerLimits, serve},
};

/// What a server got by `send`: the transaction id and the body.
pub(crate) type Received = (String, Value);

/// A homeserver at a port of its own.
pub(crate) struct Server {
    pub(crate) identity: Identity,
    pub(crate) client: Client,
    /// Everything that came by `send`, refused or not.
    pub(crate) received: watch::Receiver<Vec<Received>>,
    /// The status with which `send` answers.
    pub(crate) status: Arc<Mutex<StatusCode>>,
}

impl Server {
    pub(crate) async fn start(host: &Host, seed: u8) -> Self {
        let keys = Arc::new(OnceLock::<KeyRing>::new());
        let status = Arc::new(Mutex::new(StatusCode::OK));
        let (sender, received) = watch::channel(Vec::new());
        let (published, answer_with) = (Arc::clone(&keys), Arc::clone(&status));
        let publish = async move || Json(published.get().expect("the keys are there").own_keys());
        let receive = async move |Path(id): Path<String>, Json(body): Json<Value>| {
            sender.send_modify(|received| received.push((id, body)));
            (*answer_with.lock().unwrap(), Json(json!({"pdus": {}})))
        };
        let router = Router::new()
            .route("/_matrix/key/v2/server", get(publish))
            .route("/_matrix/federation/v1/send/{id}", put(receive));
        let port = serve(host, 0, router, ServerLimits::default()).await.unwrap();
        let name = OwnedServerName::try_from(format!("127.0.0.1:{port}")).unwrap();
        let identity = Identity::from_seed(name, &[seed; 32], "1".to_owned());
        let client = Client::new(host, ClientLimits::default());
        let database = host.open(&format!("keys{seed}")).await.unwrap();
        let ring = KeyRing::open(host, &database, client.clone(), identity.clone()).await.unwrap();
        keys.set(ring).expect("set once");
        Self { identity, client, received, status }
    }

    pub(crate) fn name(&self) -> &ServerName {
        &self.identity.server_name
    }

    /// The user id that stands for this server.
    pub(crate) fn user_id(&self) -> String {
        format!("@user:{}", self.name())
    }

    pub(crate) fn federation(&self) -> Federation {
        Federation::new(self.identity.clone(), self.client.clone())
    }

    /// A request whose body, which is canonical already, this server signed as it is spelt.
    pub(crate) fn signed_as_spelt(
        &self,
        destination: &ServerName,
        (method, path): (Method, &str),
        body: &str,
    ) -> Request<Bytes> {
        let origin = self.name();
        let text = format!(
            r#"{{"content":{body},"destination":"{destination}","method":"{method}","origin":"{origin}","uri":"{path}"}}"#
        );
        let signature = self.identity.key_pair.sign(text.as_bytes()).into_parts().1;
        let (key, sig) = (self.identity.key_id(), Base64::<Standard>::new(signature).encode());
        let claim =
            format!("X-Matrix origin={origin},key={key},sig={sig},destination={destination}");
        Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "Bearer of something else")
            .header("authorization", claim)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_owned()))
            .unwrap()
    }

    /// A request that this server signed for `destination`.
    pub(crate) fn signed(
        &self,
        destination: &ServerName,
        method: Method,
        path: &str,
        body: &str,
    ) -> Request<Bytes> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_owned()))
            .unwrap();
        let (name, key_pair) = (self.name().to_owned(), &self.identity.key_pair);
        let input = XMatrixSigningInput::new(name, destination.to_owned(), key_pair);
        let signature = XMatrix::sign_http_request(&request, input).unwrap();
        request.headers_mut().insert("authorization", (&signature).into());
        request
    }
}
