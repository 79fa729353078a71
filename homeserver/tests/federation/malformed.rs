//! Requests that make no sense, to every endpoint that takes a body: the right error, and nothing stored.

use std::collections::BTreeMap;

use serde_json::{json, value::RawValue};

use crate::{
    stranger::Stranger,
    support::{One, User},
};

/// The body of a request, as far as a server reads it that knows none of its fields.
type Fields = BTreeMap<String, Box<RawValue>>;

/// What no endpoint takes: no JSON, no object, wrong types, huge numbers, too many levels, no UTF-8.
fn bad() -> Vec<Vec<u8>> {
    let texts = ["{", "nul", "[]", "7", "\"text\"", r#"{"a":1e400}"#, "{\"a\":\"\\ud800\"}"];
    let mut bad: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    bad.push(format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100)).into_bytes());
    bad.push(b"{\"a\":\"\xff\xfe\"}".to_vec());
    // Each field that an endpoint knows, of a type that it cannot have.
    for value in ["null", "-1", "1.5", "9007199254740993", "[[]]", "{\"a\":{}}"] {
        let fields: Vec<_> = FIELDS.iter().map(|field| format!("\"{field}\":{value}")).collect();
        bad.push(format!("{{{}}}", fields.join(",")).into_bytes());
    }
    bad
}

/// Fields of the bodies.
const FIELDS: [&str; 26] = [
    "pdus",
    "edus",
    "origin",
    "origin_server_ts",
    "event",
    "events",
    "room_version",
    "invite_room_state",
    "earliest_events",
    "latest_events",
    "limit",
    "min_depth",
    "filter",
    "device_keys",
    "one_time_keys",
    "type",
    "content",
    "sender",
    "depth",
    "prev_events",
    "auth_events",
    "hashes",
    "signatures",
    "room_id",
    "users",
    "outcome",
];

const M1: &str = "/_matrix/federation/unstable/org.fedsim.m1";

/// The endpoints that servers call with a body, in a room and about an event.
fn of_servers(room: &str, event: &str) -> Vec<(&'static str, String)> {
    let v1 = "/_matrix/federation/v1";
    let v2 = "/_matrix/federation/v2";
    vec![
        ("PUT", format!("{v1}/send/t")),
        ("PUT", format!("{v1}/send_join/{room}/{event}")),
        ("PUT", format!("{v2}/send_join/{room}/{event}")),
        ("PUT", format!("{v1}/send_leave/{room}/{event}")),
        ("PUT", format!("{v2}/send_leave/{room}/{event}")),
        ("PUT", format!("{v1}/send_knock/{room}/{event}")),
        ("PUT", format!("{v1}/invite/{room}/{event}")),
        ("PUT", format!("{v2}/invite/{room}/{event}")),
        ("POST", format!("{v1}/get_missing_events/{room}")),
        ("POST", format!("{v1}/user/keys/query")),
        ("POST", format!("{v1}/user/keys/claim")),
        ("PUT", format!("{M1}/send_message/{room}/t")),
        ("PUT", format!("{M1}/prepare/{room}/{event}")),
        ("PUT", format!("{M1}/decision/{room}/{event}")),
        ("POST", format!("{M1}/get_user_clients")),
        ("PUT", format!("{M1}/on_message_sent/{room}/{event}")),
    ]
}

/// The endpoints that clients call with a body.
fn of_clients(room: &str, user: &User) -> Vec<(&'static str, String)> {
    let (v3, id) = ("/_matrix/client/v3", &user.id);
    let post = [
        "createRoom",
        "login",
        "register",
        "keys/upload",
        "keys/query",
        "keys/claim",
        "user_directory/search",
        "publicRooms",
        "search",
        "delete_devices",
        "pushers/set",
        "account/password",
        "account/deactivate",
        "keys/device_signing/upload",
        "room_keys/version",
    ];
    let post = post.iter().map(|path| ("POST", format!("{v3}/{path}")));
    let in_room = ["invite", "kick", "ban", "unban"];
    let in_room = in_room.iter().map(|path| ("POST", format!("{v3}/rooms/{room}/{path}")));
    let put = [
        format!("rooms/{room}/typing/{id}"),
        format!("profile/{id}/displayname"),
        format!("presence/{id}/status"),
        "sendToDevice/m.x/t".to_owned(),
        format!("rooms/{room}/state/m.room.power_levels/"),
        format!("rooms/{room}/state/m.room.member/{id}"),
        format!("rooms/{room}/state/m.room.join_rules/"),
        format!("user/{id}/rooms/{room}/tags/t"),
    ];
    let put = put.into_iter().map(|path| ("PUT", format!("{v3}/{path}")));
    post.chain(in_room).chain(put).collect()
}

#[tokio::test]
async fn whatever_a_server_sends_to_any_endpoint_is_refused_and_nothing_of_it_is_stored() {
    let eve = Stranger::start().await;
    let One { a, alice, room } = One::start().await;
    let before = a.count("SELECT count(*) FROM events");
    let event = format!("${}", "a".repeat(43));
    for (method, path) in of_servers(room.as_str(), &event) {
        for body in bad() {
            let (status, answer) = eve.ask(&a, (method, &path), &body).await;
            let said = format!("{path} {}: {status} {answer}", String::from_utf8_lossy(&body));
            // Of what need not be there, nothing has to be.
            assert!(status == 200 || answer["errcode"].is_string(), "{said}");
            assert!(status < 500, "{said}");
        }
    }
    assert_eq!(a.count("SELECT count(*) FROM events"), before);
    a.say(&alice, &room, "undisturbed").await;
}

#[tokio::test]
async fn whatever_a_client_sends_to_any_endpoint_is_answered_and_everybody_goes_on() {
    let One { a, alice, room } = One::start().await;
    for (method, path) in of_clients(room.as_str(), &alice) {
        for body in bad() {
            let (status, answer) = a.ask_raw((method, &path), Some(&alice.token), &body).await;
            let said = format!("{path} {}: {status} {answer}", String::from_utf8_lossy(&body));
            assert!(status < 500 && answer.is_object(), "{said}");
            let is_object = serde_json::from_slice::<Fields>(&body).is_ok();
            assert!(is_object || (400..500).contains(&status), "{said}");
        }
    }
    a.say(&alice, &room, "undisturbed").await;
    let (status, _) =
        a.ask(("GET", "/_matrix/client/v3/sync"), Some(&alice.token), json!({})).await;
    assert_eq!(status, 200);
}
