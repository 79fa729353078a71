//! What a server that breaks the rules achieves: nothing.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use ruma::{
    CanonicalJsonObject, MilliSecondsSinceUnixEpoch, OwnedServerName, RoomId, RoomVersionId,
    api::federation::{
        membership::prepare_join_event::v1 as make_join,
        transactions::send_transaction_message::v1 as send,
    },
    canonical_json::try_from_json_map,
    serde::Raw,
    signatures::hash_and_sign_event,
    uint,
};
use serde_json::{Value, json, value::RawValue};
use tempfile::TempDir;
use transport::{
    Host,
    federation::{CallError, Federation, Identity, KeyRing},
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

use crate::support::{Backend, free_name, machine};

const DEADLINE: Duration = Duration::from_secs(10);

/// A server with a key of its own and no principles.
struct Stranger {
    name: OwnedServerName,
    federation: Federation,
    _host: Host,
    _directory: TempDir,
}

impl Stranger {
    async fn start() -> Self {
        let (name, directory) = (free_name(), TempDir::new().unwrap());
        let host = machine(&directory);
        let database = host.open("stranger").await.unwrap();
        let identity = Identity::open(&host, &database, name.clone()).await.unwrap();
        let http = Client::new(&host, ClientLimits::default());
        let keys = KeyRing::open(&host, &database, http.clone(), identity.clone()).await.unwrap();
        let port = name.port().unwrap();
        serve(&host, port, keys.router(), ServerLimits::default()).await.unwrap();
        let federation = Federation::new(identity, http);
        Self { name, federation, _host: host, _directory: directory }
    }

    /// An event that builds on the room as `at` has it, signed with the stranger's key in the name
    /// of `signer`.
    async fn event(
        &self,
        at: &Backend,
        room: &RoomId,
        (sender, signer): (&str, &str),
        text: &str,
    ) -> Box<RawValue> {
        let user = format!("@eve:{}", self.name).try_into().unwrap();
        let mut request = make_join::Request::new(room.to_owned(), user);
        request.ver = vec![RoomVersionId::V11];
        let proposed = self.federation.call(&at.name, request, DEADLINE).await.unwrap();
        let mut event: Value = serde_json::from_str(proposed.event.get()).unwrap();
        event["type"] = "m.room.message".into();
        event["sender"] = sender.into();
        event["content"] = json!({ "msgtype": "m.text", "body": text });
        event["origin_server_ts"] = 1_700_000_000_000_u64.into();
        let Value::Object(mut event) = event else { panic!("not an event") };
        event.remove("state_key");
        let mut event: CanonicalJsonObject = try_from_json_map(event).unwrap();
        let rules = RoomVersionId::V11.rules().unwrap();
        let key = Arc::clone(&self.federation.identity.key_pair);
        hash_and_sign_event(signer, &*key, &mut event, &rules.redaction).unwrap();
        serde_json::value::to_raw_value(&event).unwrap()
    }

    async fn send(
        &self,
        to: &Backend,
        id: &str,
        pdus: Vec<Box<RawValue>>,
    ) -> Result<send::Response, CallError> {
        self.send_all(to, (id, pdus, Vec::new())).await
    }

    async fn send_all(
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

/// The one outcome in an answer, and whether `backend` shows any message in the room.
async fn refused(
    answer: Result<send::Response, CallError>,
    backend: &Backend,
    room: &RoomId,
) -> String {
    let (event_id, outcome) = answer.unwrap().pdus.pop_first().unwrap();
    let rooms = backend.rooms();
    assert!(backend.run(async move { rooms.event(&event_id).await }).await.unwrap().is_none());
    assert!(backend.texts(room).await.is_empty());
    outcome.unwrap_err()
}

#[tokio::test]
async fn event_forged_in_the_name_of_another_server_is_refused() {
    let (a, eve) = (Backend::start().await, Stranger::start().await);
    let alice = a.user("alice").await;
    let room = a.public_room(&alice).await;
    for signer in [a.name.as_str(), eve.name.as_str()] {
        let forged = eve.event(&a, &room, (alice.id.as_str(), signer), "forged").await;
        let answer = eve.send(&a, signer, vec![forged]).await;
        let reason = refused(answer, &a, &room).await;
        assert!(reason.contains("signature"), "{reason}");
    }
}

#[tokio::test]
async fn who_is_not_in_the_room_cannot_send_into_it() {
    let (a, eve) = (Backend::start().await, Stranger::start().await);
    let alice = a.user("alice").await;
    let room = a.public_room(&alice).await;
    let sender = format!("@eve:{}", eve.name);
    let event = eve.event(&a, &room, (&sender, eve.name.as_str()), "intruding").await;
    let reason = refused(eve.send(&a, "1", vec![event]).await, &a, &room).await;
    assert!(reason.contains("not allowed"), "{reason}");
    a.say(&alice, &room, "undisturbed").await;
    assert_eq!(a.texts(&room).await, ["undisturbed"]);
}

#[tokio::test]
async fn same_transaction_gets_the_same_answer_also_after_a_death() {
    let (mut a, eve) = (Backend::start().await, Stranger::start().await);
    let alice = a.user("alice").await;
    let room = a.public_room(&alice).await;
    let sender = format!("@eve:{}", eve.name);
    let first = eve.event(&a, &room, (&sender, eve.name.as_str()), "first").await;
    let second = eve.event(&a, &room, (&sender, eve.name.as_str()), "second").await;
    let answer = eve.send(&a, "txn", vec![first]).await.unwrap();
    assert_eq!(answer.pdus.len(), 1);
    let again = eve.send(&a, "txn", vec![second.clone()]).await.unwrap();
    assert_eq!(again.pdus, answer.pdus);
    a.kill();
    a.boot().await;
    let again = eve.send(&a, "txn", vec![second.clone()]).await.unwrap();
    assert_eq!(again.pdus, answer.pdus);
    assert_ne!(eve.send(&a, "other", vec![second]).await.unwrap().pdus, answer.pdus);
}

#[tokio::test]
async fn transaction_with_too_much_in_it_is_refused() {
    let (a, eve) = (Backend::start().await, Stranger::start().await);
    let pdus = vec![serde_json::value::to_raw_value(&json!({})).unwrap(); 51];
    let Err(CallError::Refused(error)) = eve.send(&a, "pdus", pdus).await else { panic!("taken") };
    assert_eq!(error.status, 400);
    let edus = vec![json!({ "edu_type": "m.typing", "content": {} }); 101];
    let Err(CallError::Refused(error)) = eve.send_all(&a, ("edus", vec![], edus)).await else {
        panic!("taken")
    };
    assert_eq!(error.status, 400);
}

#[tokio::test]
async fn unknown_edus_and_malformed_pdus_are_ignored() {
    let (a, eve) = (Backend::start().await, Stranger::start().await);
    let edu = json!({ "edu_type": "org.example.unheard_of", "content": { "x": 1 } });
    let pdu = serde_json::value::to_raw_value(&json!({ "room_id": "!nowhere:x" })).unwrap();
    let answer = eve.send_all(&a, ("1", vec![pdu], vec![edu])).await.unwrap();
    assert!(answer.pdus.is_empty());
}

#[tokio::test]
async fn room_is_not_told_to_a_server_that_is_not_in_it() {
    let (a, eve) = (Backend::start().await, Stranger::start().await);
    let alice = a.user("alice").await;
    let room = a.public_room(&alice).await;
    let id = a.say(&alice, &room, "secret").await;
    let request = ruma::api::federation::event::get_event::v1::Request::new(id);
    let Err(CallError::Refused(error)) = eve.federation.call(&a.name, request, DEADLINE).await
    else {
        panic!("told")
    };
    assert_eq!(error.status, 403);
}

#[tokio::test]
async fn unsigned_request_is_refused() {
    let a = Backend::start().await;
    let body = json!({ "origin": "x", "origin_server_ts": 1, "pdus": [] }).to_string();
    let request = Request::builder()
        .method("PUT")
        .uri("/_matrix/federation/v1/send/1")
        .header("content-type", "application/json")
        .body(Bytes::from(body))
        .unwrap();
    let directory = TempDir::new().unwrap();
    let client = Client::new(&machine(&directory), ClientLimits::default());
    let address = Address { name: "127.0.0.1".to_owned(), port: a.name.port().unwrap() };
    let answer = client.send(&address, request, DEADLINE).await.unwrap();
    assert_eq!(answer.status(), 401);
}
