//! Aliases, public rooms, profiles, spaces, knocking, media, relations: what one does around rooms.

use http::Method;
use serde_json::{Value, json};

use super::support::Cluster;

fn ids(page: &Value) -> Vec<&str> {
    page["chunk"].as_array().unwrap().iter().map(|it| it["room_id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_room_is_joined_by_its_alias_from_another_server_and_found_in_its_list() {
    let (cluster, [alice, bob, _]) = Cluster::of_three().await;
    let stranger = cluster.user("a", "eve").await;
    let body = json!({
        "preset": "public_chat", "visibility": "public", "room_alias_name": "boats",
        "name": "Boats", "power_level_content_override": { "events_default": 7 },
    });
    let (_, made) = alice.post("/createRoom", body.clone()).await;
    let room = made["room_id"].as_str().unwrap();
    let again = alice.post("/createRoom", body).await;
    assert_eq!((again.0, &again.1["errcode"]), (400, &json!("M_ROOM_IN_USE")));
    let alias = "/directory/room/%23boats:a.test";
    assert_eq!(bob.get(alias).await.1["room_id"], room);
    assert_eq!(bob.post("/join/%23boats:a.test", json!({})).await.1["room_id"], room);
    let (_, found) = bob.post("/publicRooms?server=a.test", json!({ "filter": {} })).await;
    assert_eq!(ids(&found), [room]);
    let other = json!({ "filter": { "generic_search_term": "trains" } });
    assert_eq!(ids(&bob.post("/publicRooms?server=a.test", other).await.1), Vec::<&str>::new());
    let (_, levels) = bob.get(&format!("/rooms/{room}/state/m.room.power_levels")).await;
    assert_eq!(levels["events_default"], 7);
    assert_eq!(stranger.request(Method::DELETE, alias, None).await.0, 403);
    assert_eq!(alice.request(Method::DELETE, alias, None).await.0, 200);
    assert_eq!(bob.get(alias).await.0, 404);
}

#[tokio::test]
async fn a_profile_is_seen_from_other_servers_and_in_every_room_of_its_user() {
    let (_cluster, [mut alice, mut bob, _]) = Cluster::of_three().await;
    let before = alice.room("eventual", &[&bob]).await;
    let path = format!("/profile/{}", alice.user_id);
    alice.put(&format!("{path}/displayname"), json!({ "displayname": "Alice" })).await;
    alice.put(&format!("{path}/avatar_url"), json!({ "avatar_url": "mxc://a/b" })).await;
    let whole = json!({ "displayname": "Alice", "avatar_url": "mxc://a/b" });
    assert_eq!(bob.get(&path).await, (200, whole));
    let after = bob.room("eventual", &[&alice]).await;
    for room in [before, after] {
        let member = format!("/rooms/{room}/state/m.room.member/{}", alice.user_id);
        let (_, shown) = alice.get(&member).await;
        assert_eq!(
            (&shown["displayname"], &shown["avatar_url"]),
            (&json!("Alice"), &json!("mxc://a/b"))
        );
    }
    assert_eq!(bob.get("/profile/@nobody:a.test").await.0, 404);
    // Whoever has no account has this server ask no other one.
    bob.token.clear();
    alice.token.clear();
    assert_eq!((bob.get(&path).await.0, alice.get(&path).await.0), (401, 200));
}

#[tokio::test]
async fn a_knock_is_answered_with_an_invite_across_servers() {
    let (_cluster, [alice, bob, _]) = Cluster::of_three().await;
    let rule = json!({ "type": "m.room.join_rules", "content": { "join_rule": "knock" } });
    let (_, made) = alice.post("/createRoom", json!({ "initial_state": [rule] })).await;
    let room = made["room_id"].as_str().unwrap();
    assert_eq!(bob.post(&format!("/join/{room}?via=a.test"), json!({})).await.0, 403);
    let since = bob.synced().await;
    let body = json!({ "reason": "let me in" });
    assert_eq!(bob.post(&format!("/knock/{room}?via=a.test"), body).await.0, 200);
    let (_, synced) = bob.get(&format!("/sync?since={since}")).await;
    assert!(synced["rooms"]["knock"][room]["knock_state"]["events"].is_array(), "{synced}");
    let member = format!("/rooms/{room}/state/m.room.member/{}", bob.user_id);
    assert_eq!(alice.get(&member).await.1["reason"], "let me in");
    alice.post(&format!("/rooms/{room}/invite"), json!({ "user_id": bob.user_id })).await;
    assert_eq!(bob.post(&format!("/join/{room}?via=a.test"), json!({})).await.0, 200);
}

#[tokio::test]
async fn a_restricted_room_lets_in_through_its_server_who_is_in_the_other_and_nobody_else() {
    let (_cluster, [alice, bob, carol]) = Cluster::of_three().await;
    let gate = alice.room("eventual", &[&bob]).await;
    let rule = json!({ "type": "m.room.join_rules", "content": {
        "join_rule": "restricted", "allow": [{ "type": "m.room_membership", "room_id": gate }],
    }});
    let (_, made) = alice.post("/createRoom", json!({ "initial_state": [rule] })).await;
    let join = format!("/join/{}?via=a.test", made["room_id"].as_str().unwrap());
    assert_eq!(carol.post(&join, json!({})).await.0, 403);
    let (status, answer) = bob.post(&join, json!({})).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn a_space_is_walked_through_and_what_may_not_be_seen_is_left_out() {
    let (_cluster, [alice, bob, _]) = Cluster::of_three().await;
    let make = async |body: Value| {
        alice.post("/createRoom", body).await.1["room_id"].as_str().unwrap().to_owned()
    };
    let space =
        make(json!({ "preset": "public_chat", "creation_content": { "type": "m.space" } })).await;
    let open = make(json!({ "preset": "public_chat", "name": "open" })).await;
    let closed = make(json!({ "name": "closed" })).await;
    for child in [&open, &closed] {
        let path = format!("/rooms/{space}/state/m.space.child/{child}");
        assert_eq!(alice.put(&path, json!({ "via": ["a.test"] })).await.0, 200);
    }
    let path = format!("//_matrix/client/v1/rooms/{space}/hierarchy");
    let rooms = |answer: &Value| answer["rooms"].as_array().map_or(0, Vec::len);
    assert_eq!(rooms(&alice.get(&path).await.1), 3);
    bob.post(&format!("/join/{space}?via=a.test"), json!({})).await;
    let (_, seen) = bob.get(&path).await;
    assert_eq!(rooms(&seen), 2, "{seen}");
    assert!(!seen.to_string().contains("\"closed\""));
}

#[tokio::test]
async fn an_upgraded_room_points_to_one_with_its_settings() {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let room = alice.room("eventual", &[&bob]).await;
    alice.put(&format!("/rooms/{room}/state/m.room.topic"), json!({ "topic": "boats" })).await;
    let upgrade = format!("/rooms/{room}/upgrade");
    let version = json!({ "new_version": "12" });
    assert_eq!(bob.post(&upgrade, version.clone()).await.0, 403);
    assert_eq!(alice.post(&upgrade, json!({ "new_version": "x" })).await.0, 400);
    let (_, made) = alice.post(&upgrade, version).await;
    let new = made["replacement_room"].as_str().unwrap();
    let state =
        async |room: &str, kind: &str| alice.get(&format!("/rooms/{room}/state/{kind}")).await.1;
    assert_eq!(state(&room, "m.room.tombstone").await["replacement_room"], new);
    assert_eq!(state(new, "m.room.topic").await["topic"], "boats");
    assert_eq!(state(new, "m.room.create").await["predecessor"]["room_id"], room);
    assert_eq!(bob.send(&room, "1", "too late").await.0, 403);
}

#[tokio::test]
async fn reactions_and_threads_are_found_by_what_they_belong_to_and_messages_by_their_text() {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let room = alice.room("eventual", &[&bob]).await;
    let root =
        alice.send(&room, "1", "sailing boats").await.1["event_id"].as_str().unwrap().to_owned();
    let relate = |kind: &str| json!({ "rel_type": kind, "event_id": root, "key": "+" });
    let react = json!({ "m.relates_to": relate("m.annotation") });
    bob.put(&format!("/rooms/{room}/send/m.reaction/1"), react).await;
    let reply = json!({ "msgtype": "m.text", "body": "yes", "m.relates_to": relate("m.thread") });
    bob.put(&format!("/rooms/{room}/send/m.room.message/2"), reply).await;
    let path = format!("//_matrix/client/v1/rooms/{room}");
    let count = async |below: &str| {
        alice.get(&format!("{path}/{below}")).await.1["chunk"].as_array().unwrap().len()
    };
    assert_eq!(count(&format!("relations/{root}")).await, 2);
    assert_eq!(count(&format!("relations/{root}/m.annotation/m.reaction")).await, 1);
    assert_eq!(count("threads?include=participated").await, 0);
    let (_, threads) = bob.get(&format!("{path}/threads?include=participated")).await;
    let thread = &threads["chunk"][0]["unsigned"]["m.relations"]["m.thread"];
    assert_eq!(
        (&thread["count"], &thread["latest_event"]["content"]["body"]),
        (&json!(1), &json!("yes"))
    );
    let term = json!({ "search_categories": { "room_events": { "search_term": "SAILING" } } });
    let (_, found) = bob.post("/search", term.clone()).await;
    let results = &found["search_categories"]["room_events"]["results"];
    assert_eq!(results[0]["result"]["event_id"], root);
    let stranger = cluster.user("a", "carol").await;
    assert_eq!(
        stranger.post("/search", term).await.1["search_categories"]["room_events"]["count"],
        0
    );
    assert_eq!(stranger.get(&format!("{path}/relations/{root}")).await.0, 403);
}

#[tokio::test]
async fn a_file_is_given_back_as_it_came_to_whoever_is_logged_in_and_a_large_one_is_refused() {
    let mut cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let path = "//_matrix/media/v3/upload?filename=boat.json";
    let (_, made) = alice.post(path, json!({ "a": 1 })).await;
    let uri = made["content_uri"].as_str().unwrap().strip_prefix("mxc://").unwrap().to_owned();
    cluster.stop("a").await;
    cluster.start("a").await;
    let download = format!("//_matrix/client/v1/media/download/{uri}");
    assert_eq!(alice.get(&download).await, (200, json!({ "a": 1 })));
    let (status, error) = alice.post(path, json!("x".repeat(9 << 20))).await;
    assert_eq!((status, &error["errcode"]), (413, &json!("M_TOO_LARGE")));
    alice.post("/logout", json!({})).await;
    assert_eq!(alice.get(&download).await.0, 401);
}

#[tokio::test]
async fn a_forgotten_room_is_not_read_any_more_until_its_user_comes_back() {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let room = alice.room("eventual", &[&bob]).await;
    let forget = format!("/rooms/{room}/forget");
    assert_eq!(bob.post(&forget, json!({})).await.0, 400);
    bob.post(&format!("/rooms/{room}/leave"), json!({})).await;
    let messages = format!("/rooms/{room}/messages?dir=b");
    assert_eq!(bob.get(&messages).await.0, 200);
    assert_eq!(bob.post(&forget, json!({})).await.0, 200);
    assert_eq!(bob.get(&messages).await.0, 403);
    bob.post(&format!("/join/{room}"), json!({})).await;
    assert_eq!(bob.get(&messages).await.0, 200);
}

#[tokio::test]
async fn whoever_was_removed_is_refused_and_not_told_that_there_is_no_room() {
    let (_cluster, [alice, bob, _]) = Cluster::of_three().await;
    let room = alice.room("eventual", &[&bob]).await;
    let since = bob.synced().await;
    alice.post(&format!("/rooms/{room}/kick"), json!({ "user_id": bob.user_id })).await;
    bob.get(&format!("/sync?since={since}&timeout=10000")).await;
    let (status, error) = bob.send(&room, "1", "still here").await;
    assert_eq!((status, &error["errcode"]), (403, &json!("M_FORBIDDEN")));
}

#[tokio::test]
async fn unknown_endpoints_are_unrecognized_and_a_new_password_ends_the_other_logins() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let other = alice.another_device().await;
    assert_eq!(alice.get("/no/such/thing").await.1["errcode"], "M_UNRECOGNIZED");
    let (status, error) = alice.put("/login", json!({})).await;
    assert_eq!((status, &error["errcode"]), (405, &json!("M_UNRECOGNIZED")));
    let mut body = json!({ "new_password": "open, please" });
    assert_eq!(alice.post("/account/password", body.clone()).await.0, 401);
    body["auth"] = json!({ "type": "m.login.password", "password": "open sesame" });
    assert_eq!(alice.post("/account/password", body).await.0, 200);
    assert_eq!(other.get("/account/whoami").await.0, 401);
    assert_eq!(alice.get("/account/whoami").await.0, 200);
    let end = json!({ "auth": { "type": "m.login.password", "password": "open, please" } });
    assert_eq!(alice.post("/account/deactivate", end).await.0, 200);
    assert_eq!(alice.get("/account/whoami").await.0, 401);
}
