//! A server that is no homeserver: it has a key, says what a test has it say, and answers what a
//! test has it answer.

use std::{sync::Arc, time::Duration};

use axum::Router;
use bytes::Bytes;
use http::Request;
use ruma::{
    CanonicalJsonObject, MilliSecondsSinceUnixEpoch, OwnedServerName, OwnedUserId, RoomId,
    RoomVersionId,
    api::federation::{
        membership::{create_join_event::v2 as send_join, prepare_join_event::v1 as make_join},
        transactions::send_transaction_message::v1 as send,
    },
    canonical_json::try_from_json_map,
    serde::Raw,
    signatures::{KeyPair, hash_and_sign_event, reference_hash},
    uint,
};
use serde_json::{Value, json, value::RawValue};
use tempfile::TempDir;
use transport::{
    Host,
    federation::{CallError, Federation, Identity, KeyRing, address_of, canonical_json},
    http::{Client, ClientLimits, ServerLimits, serve},
};

use crate::support::{Backend, eventually, free_name, machine};

pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// A server with a key of its own and no principles.
pub(crate) struct Stranger {
    pub(crate) name: OwnedServerName,
    pub(crate) federation: Federation,
    pub(crate) keys: KeyRing,
    http: Client,
    _host: Host,
    _directory: TempDir,
}

impl Stranger {
    pub(crate) async fn start() -> Self {
        Self::start_with(Router::new()).await
    }

    /// One that also serves `routes`.
    pub(crate) async fn start_with(routes: Router) -> Self {
        let (name, directory) = (free_name(), TempDir::new().unwrap());
        let host = machine(&directory);
        let database = host.open("stranger").await.unwrap();
        let identity = Identity::open(&host, &database, name.clone()).await.unwrap();
        let http = Client::new(&host, ClientLimits::default());
        let keys = KeyRing::open(&host, &database, http.clone(), identity.clone()).await.unwrap();
        let port = name.port().unwrap();
        let router = KeyRing::routes().with_state(keys.clone()).merge(routes);
        serve(&host, port, router, ServerLimits::default()).await.unwrap();
        let federation = Federation::new(identity, http.clone());
        Self { name, federation, keys, http, _host: host, _directory: directory }
    }

    /// Does a signed request with any body at all, and returns the status and the JSON of the answer. What
    /// is no JSON cannot be signed, and goes under the signature of nothing.
    pub(crate) async fn ask(
        &self,
        to: &Backend,
        (method, path): (&str, &str),
        body: &[u8],
    ) -> (u16, Value) {
        let content = match canonical_json(body) {
            Ok(text) => format!(r#""content":{},"#, String::from_utf8(text).unwrap()),
            Err(_) => String::new(),
        };
        let (origin, destination) = (&self.name, &to.name);
        let text = format!(
            r#"{{{content}"destination":"{destination}","method":"{method}","origin":"{origin}","uri":"{path}"}}"#
        );
        let identity = &self.federation.identity;
        let (key, signature) =
            (identity.key_id(), identity.key_pair.sign(text.as_bytes()).base64());
        let claim = format!(
            r#"X-Matrix origin="{origin}",destination="{destination}",key="{key}",sig="{signature}""#
        );
        let request = Request::builder().method(method).uri(path).header("authorization", claim);
        let request = request.body(Bytes::copy_from_slice(body)).unwrap();
        let answer = self.http.send(&address_of(destination), request, DEADLINE).await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    pub(crate) fn user(&self) -> OwnedUserId {
        format!("@eve:{}", self.name).try_into().unwrap()
    }

    /// What `at` proposes as the join of the stranger's user: it builds on the room as `at` has it.
    pub(crate) async fn proposal(&self, at: &Backend, room: &RoomId) -> Value {
        let mut request = make_join::Request::new(room.to_owned(), self.user());
        request.ver = vec![RoomVersionId::V11];
        let proposed = self.federation.call(&at.name, request, DEADLINE).await.unwrap();
        let mut event: Value = serde_json::from_str(proposed.event.get()).unwrap();
        event["origin_server_ts"] = 1_700_000_000_000_u64.into();
        event
    }

    /// Signs an event with the stranger's key, in the name of `signer`.
    pub(crate) fn sign(&self, event: Value, signer: &str) -> CanonicalJsonObject {
        let Value::Object(event) = event else { panic!("not an event") };
        let mut event: CanonicalJsonObject = try_from_json_map(event).unwrap();
        let rules = RoomVersionId::V11.rules().unwrap();
        let key = Arc::clone(&self.federation.identity.key_pair);
        hash_and_sign_event(signer, &*key, &mut event, &rules.redaction).unwrap();
        event
    }

    /// A message that builds on the room as `at` has it, signed with the stranger's key in the name
    /// of `signer`.
    pub(crate) async fn event(
        &self,
        at: &Backend,
        room: &RoomId,
        (sender, signer): (&str, &str),
        text: &str,
    ) -> Box<RawValue> {
        let mut event = self.proposal(at, room).await;
        event["type"] = "m.room.message".into();
        event["sender"] = sender.into();
        event["content"] = json!({ "msgtype": "m.text", "body": text });
        event.as_object_mut().unwrap().remove("state_key");
        serde_json::value::to_raw_value(&self.sign(event, signer)).unwrap()
    }

    /// Joins the room at `at`, and waits until `others` know. The state before.
    pub(crate) async fn join(
        &self,
        at: &Backend,
        room: &RoomId,
        others: &[&Backend],
    ) -> Vec<Value> {
        let event = self.sign(self.proposal(at, room).await, self.name.as_str());
        let rules = RoomVersionId::V11.rules().unwrap();
        let id = format!("${}", reference_hash(&event, &rules).unwrap()).try_into().unwrap();
        let raw = serde_json::value::to_raw_value(&event).unwrap();
        let request = send_join::Request::new(room.to_owned(), id, raw);
        let answer = self.federation.call(&at.name, request, DEADLINE).await.unwrap();
        for other in others {
            eventually("the stranger is known", || async {
                other.membership(&self.user(), room).await == Some("join")
            })
            .await;
        }
        let state = answer.room_state.state;
        state.iter().map(|event| serde_json::from_str(event.get()).unwrap()).collect()
    }

    /// A message of the stranger's user, who has joined with `state` before, that builds on the
    /// room as `at` has it.
    pub(crate) async fn message(
        &self,
        at: &Backend,
        room: &RoomId,
        (state, text): (&[Value], &str),
    ) -> Box<RawValue> {
        self.message_on(at, room, (state, text), None).await
    }

    /// The same, on top of one event alone.
    pub(crate) async fn message_on(
        &self,
        at: &Backend,
        room: &RoomId,
        (state, text): (&[Value], &str),
        parent: Option<&str>,
    ) -> Box<RawValue> {
        let content = json!({ "msgtype": "m.text", "body": text });
        self.message_with(at, room, (state, content), parent).await
    }

    /// The same, with any content at all.
    pub(crate) async fn message_with(
        &self,
        at: &Backend,
        room: &RoomId,
        (state, content): (&[Value], Value),
        parent: Option<&str>,
    ) -> Box<RawValue> {
        let mut event = self.proposal(at, room).await;
        if let Some(parent) = parent {
            event["prev_events"] = json!([parent]);
        }
        // The rules of joining authorize joins only.
        let join_rules = state.iter().find(|event| event["type"] == "m.room.join_rules").unwrap();
        let needless = Value::from(id_of(join_rules));
        event["auth_events"].as_array_mut().unwrap().retain(|id| *id != needless);
        event["type"] = "m.room.message".into();
        event["content"] = content;
        event.as_object_mut().unwrap().remove("state_key");
        serde_json::value::to_raw_value(&self.sign(event, self.name.as_str())).unwrap()
    }

    /// A membership event of the stranger's user, who has joined, that builds on `parent` alone.
    pub(crate) async fn renamed(
        &self,
        at: &Backend,
        room: &RoomId,
        parent: &RawValue,
    ) -> Box<RawValue> {
        let mut event = self.proposal(at, room).await;
        let parent: Value = serde_json::from_str(parent.get()).unwrap();
        event["prev_events"] = json!([id_of(&parent)]);
        event["content"] = json!({ "membership": "join", "displayname": "built on it" });
        serde_json::value::to_raw_value(&self.sign(event, self.name.as_str())).unwrap()
    }

    /// So many changes of the stranger's membership, all on the same place.
    pub(crate) async fn forks(
        &self,
        at: &Backend,
        room: &RoomId,
        count: usize,
    ) -> Vec<Box<RawValue>> {
        let proposal = self.proposal(at, room).await;
        let fork = |number: usize| {
            let mut event = proposal.clone();
            event["content"] = json!({ "membership": "join", "displayname": number.to_string() });
            let event = self.sign(event, self.name.as_str());
            serde_json::value::to_raw_value(&event).unwrap()
        };
        (0..count).map(fork).collect()
    }

    pub(crate) async fn send(
        &self,
        to: &Backend,
        id: &str,
        pdus: Vec<Box<RawValue>>,
    ) -> Result<send::Response, CallError> {
        self.send_all(to, (id, pdus, Vec::new())).await
    }

    pub(crate) async fn send_all(
        &self,
        to: &Backend,
        (id, pdus, edus): (&str, Vec<Box<RawValue>>, Vec<Value>),
    ) -> Result<send::Response, CallError> {
        let now = MilliSecondsSinceUnixEpoch(uint!(1));
        let mut request = send::Request::new(id.into(), self.name.clone(), now);
        request.pdus = pdus;
        request.edus = edus
            .iter()
            .map(|edu| Raw::from_json(serde_json::value::to_raw_value(edu).unwrap()))
            .collect();
        self.federation.call(&to.name, request, DEADLINE).await
    }
}

/// The id of an event of a room of version 11.
pub(crate) fn id_of(event: &Value) -> String {
    let rules = RoomVersionId::V11.rules().unwrap();
    let Value::Object(event) = event.clone() else { panic!("not an event") };
    format!("${}", reference_hash(&try_from_json_map(event).unwrap(), &rules).unwrap())
}
