//! A server that is no homeserver: it has a key, takes what it is sent, and sends what it is told to.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{Router, extract::State, routing::put};
use bytes::Bytes;
use http::Request;
use ruma::{
    CanonicalJsonObject, RoomId, RoomVersionId, ServerName, UserId,
    api::federation::membership::{
        create_join_event::v2 as send_join, prepare_join_event::v1 as make_join,
    },
    canonical_json::try_from_json_map,
    signatures::{KeyPair, hash_and_sign_event, reference_hash},
};
use serde_json::Value;
use tokio::sync::Notify;
use transport::{
    Host,
    federation::{Federation, KeyRing, address_of, canonical_json},
    http::{Client, ClientLimits, ServerLimits, serve},
};

use crate::{KEY, ORIGIN, world::DEADLINE};

pub(crate) struct Peer {
    federation: Federation,
    http: Client,
    taken: Arc<Taken>,
}

/// What the peer was sent.
#[derive(Default)]
struct Taken {
    last: Mutex<Bytes>,
    news: Notify,
}

impl Peer {
    pub(crate) async fn start(host: &Host) -> Self {
        let database = host.open("peer").await.expect("memory");
        let http = Client::new(host, ClientLimits::default());
        let keys = KeyRing::open(host, &database, http.clone(), KEY.clone()).await.expect("memory");
        let taken = Arc::<Taken>::default();
        let take = async |State(taken): State<Arc<Taken>>, body: Bytes| {
            *taken.last.lock().unwrap_or_else(PoisonError::into_inner) = body;
            taken.news.notify_one();
            r#"{"pdus":{}}"#
        };
        let router = Router::new()
            .route("/_matrix/federation/v1/send/{id}", put(take))
            .with_state(Arc::clone(&taken))
            .merge(KeyRing::routes().with_state(keys));
        serve(host, 8448, router, ServerLimits::default()).await.expect("the port is free");
        Self { federation: Federation::new(KEY.clone(), http.clone()), http, taken }
    }

    /// Joins a room, and returns the id of its join rules, which authorize nothing but joins.
    pub(crate) async fn join(&self, to: &ServerName, room: &RoomId, user: &UserId) -> String {
        let event = signed(self.proposal(to, room, user).await).expect("a join");
        let rules = RoomVersionId::V11.rules().expect("a stable version");
        let id = format!("${}", reference_hash(&event, &rules).expect("an event"));
        let raw = serde_json::value::to_raw_value(&event).expect("JSON");
        let id = id.try_into().expect("an id");
        let request = send_join::Request::new(room.to_owned(), id, raw);
        let answer = self.federation.call(to, request, DEADLINE).await.expect("the join is let in");
        let is_join_rules = |event: &Value| event["type"] == "m.room.join_rules";
        let state = answer.room_state.state.iter();
        let mut state = state.map(|event| serde_json::from_str(event.get()).expect("an event"));
        let Some(Value::Object(rule)) = state.find(is_join_rules) else { panic!("no join rules") };
        let rule = try_from_json_map(rule).expect("canonical");
        format!("${}", reference_hash(&rule, &rules).expect("an event"))
    }

    /// Returns the join that the homeserver proposes: it builds on the room as that has it.
    pub(crate) async fn proposal(&self, to: &ServerName, room: &RoomId, user: &UserId) -> Value {
        let mut request = make_join::Request::new(room.to_owned(), user.to_owned());
        request.ver = vec![RoomVersionId::V11];
        let proposed = self.federation.call(to, request, DEADLINE).await.expect("anybody may join");
        let mut event: Value = serde_json::from_str(proposed.event.get()).expect("an event");
        event["origin_server_ts"] = 1_700_000_000_000_u64.into();
        event
    }

    /// Sends a transaction whose body is `body`, whatever that is, signed; returns the status and the body
    /// of the answer. ruma would not sign numbers that are not allowed in events.
    pub(crate) async fn send(&self, to: &ServerName, id: &str, body: &str) -> (u16, String) {
        let target = format!("/_matrix/federation/v1/send/{id}");
        let content = canonical_json(body.as_bytes()).expect("it is JSON");
        let content = String::from_utf8(content).expect("it is text");
        let text = format!(
            r#"{{"content":{content},"destination":"{to}","method":"PUT","origin":"{ORIGIN}","uri":"{target}"}}"#
        );
        let (key, signature) = (KEY.key_id(), KEY.key_pair.sign(text.as_bytes()).base64());
        let claim = format!(
            r#"X-Matrix origin="{ORIGIN}",destination="{to}",key="{key}",sig="{signature}""#
        );
        let request = Request::put(target)
            .header("authorization", claim)
            .header("content-type", "application/json")
            .body(Bytes::from(body.to_owned()))
            .expect("a request");
        let sent = self.http.send(&address_of(to), request, DEADLINE).await;
        let answer = sent.expect("it answers");
        let body = String::from_utf8_lossy(answer.body()).into_owned();
        (answer.status().as_u16(), body)
    }

    /// Waits until the homeserver has sent something that has `text` in it.
    pub(crate) async fn has_been_sent(&self, text: &str) {
        let has_it = || {
            let last = self.taken.last.lock().unwrap_or_else(PoisonError::into_inner);
            last.windows(text.len()).any(|part| part == text.as_bytes())
        };
        while !has_it() {
            self.taken.news.notified().await;
        }
    }
}

/// Signs an event with the peer's key; `None` if it cannot be signed.
pub(crate) fn signed(event: Value) -> Option<CanonicalJsonObject> {
    let Value::Object(event) = event else { return None };
    let mut event = try_from_json_map(event).ok()?;
    let rules = RoomVersionId::V11.rules()?;
    hash_and_sign_event(ORIGIN, &*KEY.key_pair, &mut event, &rules.redaction).ok()?;
    Some(event)
}
