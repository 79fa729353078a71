//! A homeserver with a user and a room, and a peer that has joined it.

use std::time::Duration;

use bytes::Bytes;
use homeserver::{Config, Homeserver};
use http::Request;
use ruma::{OwnedRoomId, OwnedServerName, OwnedUserId};
use serde_json::{Value, json};
use tokio::{runtime::Runtime, time::timeout};
use transport::http::{Address, Client, ClientLimits};

use crate::{
    ORIGIN,
    machine::Network,
    peer::{Peer, signed},
};

/// How long anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

const HOME: &str = "home.test";

/// A homeserver, and a peer that takes part in a room there.
pub struct World {
    runtime: Runtime,
    home: OwnedServerName,
    eve: OwnedUserId,
    room: OwnedRoomId,
    token: String,
    join_rules: String,
    peer: Peer,
    client: Client,
    /// Inputs so far.
    inputs: u64,
    /// Where Alice's client has got to.
    since: String,
}

impl World {
    /// Starts both.
    pub fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        let runtime = runtime.expect("a runtime");
        let home = OwnedServerName::try_from(HOME).expect("a server name");
        let eve = OwnedUserId::try_from(format!("@eve:{ORIGIN}")).expect("a user");
        let network = Network::default();
        let (home_host, peer_host) = (network.machine(HOME), network.machine(ORIGIN));
        let client = Client::new(&peer_host, ClientLimits::default());
        let peer = runtime.block_on(async {
            Homeserver::start(home_host, config(&home)).await.expect("it starts");
            Peer::start(&peer_host).await
        });
        let room = OwnedRoomId::try_from("!none:home.test").expect("a room");
        let (token, join_rules, since) = Default::default();
        let mut world =
            Self { runtime, home, eve, room, token, join_rules, peer, client, inputs: 0, since };
        world.settle();
        world
    }

    /// Registers Alice, who makes the room that the peer joins.
    fn settle(&mut self) {
        let account =
            json!({ "username": "alice", "password": "p", "auth": { "type": "m.login.dummy" } });
        let alice = self.ask(("POST", "/register"), Some(account));
        self.token = alice["access_token"].as_str().expect("a token").to_owned();
        let options = json!({ "preset": "public_chat", "room_version": "11" });
        let made = self.ask(("POST", "/createRoom"), Some(options));
        self.room = made["room_id"].as_str().expect("a room").try_into().expect("an id");
        let joining = self.peer.join(&self.home, &self.room, &self.eve);
        self.join_rules = self.runtime.block_on(joining);
        self.since = self.ask(("GET", "/sync"), None)["next_batch"].as_str().unwrap().to_owned();
    }

    /// Returns how many inputs there were.
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Sends a transaction made of `input`: its events are filled in and signed where they lack
    /// something. Returns whether the peer is still in the room.
    pub fn take(&mut self, input: &Value) -> bool {
        self.inputs += 1;
        let body = self.completed(input.clone());
        let body = body.to_string();
        let id = format!("t{}", self.inputs);
        let send = || self.runtime.block_on(self.peer.send(&self.home, &id, &body));
        let first = send();
        is_an_answer(first.0, &first.1);
        if first.0 == 200 {
            assert_eq!(first, send(), "the same transaction has the same answer");
        }
        self.still_serves()
    }

    /// Asserts that Alice sees and says what she wants, and that the peer hears it, if it is in the room.
    fn still_serves(&mut self) -> bool {
        let path = format!("/sync?since={}&timeout=0", self.since);
        let news = self.ask(("GET", &path), None);
        self.since = news["next_batch"].as_str().expect("a position").to_owned();
        let room = self.room.clone();
        self.ask(("GET", &format!("/rooms/{room}/messages?dir=b&limit=10")), None);
        let said = format!("said after {}", self.inputs);
        let path = format!("/rooms/{room}/send/m.room.message/{}", self.inputs);
        self.ask(("PUT", &path), Some(json!({ "msgtype": "m.text", "body": said })));
        let path = format!("/rooms/{room}/joined_members");
        let members = self.ask(("GET", &path), None);
        let is_joined = !members["joined"][self.eve.as_str()].is_null();
        if is_joined {
            let heard = async { timeout(DEADLINE, self.peer.has_been_sent(&said)).await };
            self.runtime.block_on(heard).expect("the queue to the peer moves");
        }
        is_joined
    }

    /// Does a request of Alice's, which must succeed, and returns the answer.
    fn ask(&self, (method, path): (&str, &str), body: Option<Value>) -> Value {
        let request = Request::builder()
            .method(method)
            .uri(format!("/_matrix/client/v3{path}"))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.token))
            .body(body.map_or_else(Bytes::new, |body| body.to_string().into()))
            .expect("a request");
        let address = Address { name: HOME.to_owned(), port: 8008 };
        let sending = async { self.client.send(&address, request, DEADLINE).await };
        let answer = self.runtime.block_on(sending).expect("it answers");
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(answer.status().is_success(), "{method} {path}: {} {text}", answer.status());
        serde_json::from_str(&text).expect("clients can read it")
    }

    /// Returns the body of a transaction; of each event in it, what is missing is filled in.
    fn completed(&self, mut input: Value) -> Value {
        let Some(object) = input.as_object_mut() else { return input };
        object.entry("origin").or_insert_with(|| ORIGIN.into());
        object.entry("origin_server_ts").or_insert_with(|| 1.into());
        if let Some(pdus) = object.get_mut("pdus").and_then(Value::as_array_mut) {
            let proposing = self.peer.proposal(&self.home, &self.room, &self.eve);
            let mut proposed = self.runtime.block_on(proposing);
            let needless = Value::from(self.join_rules.as_str());
            if let Some(ids) = proposed["auth_events"].as_array_mut() {
                ids.retain(|id| *id != needless);
            }
            pdus.iter_mut().for_each(|pdu| complete(pdu, &proposed));
        }
        input
    }
}

fn complete(pdu: &mut Value, proposed: &Value) {
    let Some(object) = pdu.as_object_mut() else { return };
    let missing = ["room_id", "sender", "prev_events", "auth_events", "depth", "origin_server_ts"];
    for key in missing {
        object.entry(key).or_insert_with(|| proposed[key].clone());
    }
    object.entry("type").or_insert_with(|| "m.room.message".into());
    object.entry("content").or_insert_with(|| json!({ "msgtype": "m.text", "body": "made up" }));
    if !object.contains_key("signatures")
        && let Some(event) = signed(pdu.clone())
    {
        *pdu = serde_json::to_value(event).expect("an event is JSON");
    }
}

/// Asserts that an answer tells of each event, or is a Matrix error that blames the peer.
fn is_an_answer(status: u16, body: &str) {
    let answer: Value = serde_json::from_str(body).expect("every answer is JSON");
    if status != 200 {
        // What builds on something that the peer does not tell of is to come again.
        assert!((400..500).contains(&status) || status == 503, "{status}: {answer}");
        assert!(answer["errcode"].is_string() && answer["error"].is_string(), "{answer}");
        return;
    }
    for (id, outcome) in answer["pdus"].as_object().expect("an outcome for each event") {
        let outcome = outcome.as_object().expect("an outcome is an object");
        let error = outcome.get("error");
        let is_told = error.is_none_or(Value::is_string) && outcome.len() <= 1;
        assert!(id.starts_with('$') && is_told, "{id}: {outcome:?}");
    }
}

fn config(home: &OwnedServerName) -> Config {
    let mut config = Config::new(home.clone());
    config.open_registration = true;
    config.registrations_per_address = u32::MAX;
    config.password_memory_kib = 8;
    config.password_passes = 1;
    config
}
