//! Push rules: who is notified of what, by a gateway and in the counts of a sync.

use http::Method;
use serde_json::{Value, json};

use super::{
    pushers::alice_and_bobs_phone,
    support::{Client, Cluster},
};

const GLOBAL: &str = "/pushrules/global";

async fn set_rule(client: &Client, path: &str, rule: Value) {
    let (status, answer) = client.put(&format!("{GLOBAL}/{path}"), rule).await;
    assert_eq!(status, 200, "{path}: {answer}");
}

/// How many events of the room notify the user, and how many of them stand out.
async fn unread(client: &Client, room: &str) -> (u64, u64) {
    let counts = client.get("/sync").await.1["rooms"]["join"][room]["unread_notifications"].take();
    let count = |name: &str| counts[name].as_u64().unwrap();
    (count("notification_count"), count("highlight_count"))
}

#[tokio::test]
async fn a_rule_is_made_read_changed_and_taken_back() {
    let mut cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let boats = json!({ "pattern": "boats", "actions": ["notify"] });
    set_rule(&alice, "content/boats", boats).await;
    set_rule(&alice, "content/boats/enabled", json!({ "enabled": false })).await;
    let loud = json!({ "actions": ["notify", { "set_tweak": "sound", "value": "default" }] });
    set_rule(&alice, "content/boats/actions", loud.clone()).await;
    cluster.stop("a").await;
    cluster.start("a").await;
    let path = format!("{GLOBAL}/content/boats");
    let (_, rule) = alice.get(&path).await;
    let expected = json!({
        "rule_id": "boats", "pattern": "boats", "actions": loud["actions"], "default": false,
        "enabled": false,
    });
    assert_eq!(rule, expected);
    assert_eq!(alice.get(&format!("{path}/enabled")).await.1, json!({ "enabled": false }));
    assert_eq!(alice.get(&format!("{path}/actions")).await.1, loud);
    assert_eq!(alice.get(&format!("{GLOBAL}/")).await.1["content"][0], expected);
    assert_eq!(alice.get("/pushrules/").await.1["global"]["content"][0], expected);
    assert_eq!(alice.request(Method::DELETE, &path, None).await.0, 200);
    assert_eq!(alice.get(&path).await.0, 404);
}

#[tokio::test]
async fn rules_stand_where_they_are_put_and_those_of_everybody_stay() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let none = json!({ "actions": [], "conditions": [] });
    for place in ["one", "two?after=one", "three?before=two"] {
        set_rule(&alice, &format!("override/{place}"), none.clone()).await;
    }
    let (_, rules) = alice.get(&format!("{GLOBAL}/")).await;
    let ids: Vec<_> =
        rules["override"].as_array().unwrap().iter().map(|it| &it["rule_id"]).collect();
    assert_eq!(ids[..4], [".m.rule.master", "one", "three", "two"]);
    let path = |rule: &str| format!("{GLOBAL}/{rule}");
    let master = path("override/.m.rule.master");
    assert_eq!(alice.request(Method::DELETE, &master, None).await.0, 400);
    let long = "x".repeat(256);
    for (rule, body) in [
        ("override/.mine", none.clone()),
        ("nonsense/mine", none.clone()),
        ("content/mine", json!({ "actions": [] })),
        ("content/mine", json!({ "actions": [], "pattern": long })),
        ("room/mine", json!({ "actions": [] })),
        ("override/mine", json!({ "actions": "notify" })),
        ("override/mine", json!({ "actions": [], "conditions": vec![json!({ "kind": "x" }); 21] })),
        ("override/mine?after=.m.rule.master", none.clone()),
    ] {
        let (status, error) = alice.put(&path(rule), body).await;
        assert_eq!(status, 400, "{rule}: {error}");
    }
    assert_eq!(alice.put(&path("override/mine?after=nobody"), none).await.0, 404);
    let enabled = json!({ "enabled": true });
    assert_eq!(alice.put(&path("override/nobody/enabled"), enabled).await.0, 404);
}

#[tokio::test]
async fn a_user_has_no_more_rules_than_a_user_may_have() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    for number in 0..400 {
        let path = format!("{GLOBAL}/content/{number}");
        let (status, error) = alice.put(&path, json!({ "pattern": "x", "actions": [] })).await;
        if status != 200 {
            assert!(number > 200 && error["errcode"] == "M_RESOURCE_LIMIT_EXCEEDED", "{error}");
            return;
        }
    }
    panic!("there is no limit");
}

#[tokio::test]
async fn every_device_has_the_rules_as_account_data_from_its_first_sync_on() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let rules = |synced: &Value| {
        let events = synced["account_data"]["events"].as_array().unwrap();
        let found = events.iter().find(|event| event["type"] == "m.push_rules");
        found.map(|event| event["content"]["global"].clone())
    };
    let (_, first) = alice.get("/sync").await;
    let usual = rules(&first).unwrap();
    assert_eq!(usual["override"][0]["rule_id"], ".m.rule.master");
    let path = format!("/user/{}/account_data/m.push_rules", alice.user_id);
    assert_eq!(alice.get(&path).await.1["global"], usual);
    assert_eq!(alice.put(&path, json!({ "global": {} })).await.0, 405);
    let since = first["next_batch"].as_str().unwrap();
    let waiting = format!("/sync?since={since}&timeout=20000");
    let rule = json!({ "actions": ["notify"] });
    let change = set_rule(&alice, "sender/@bob:a.test", rule);
    let ((_, next), ()) = tokio::join!(alice.get(&waiting), change);
    assert_eq!(rules(&next).unwrap()["sender"][0]["rule_id"], "@bob:a.test");
}

#[tokio::test]
async fn a_gateway_is_told_of_what_the_rules_let_notify_and_how() {
    let (_cluster, alice, bob, room, gateway) = alice_and_bobs_phone().await;
    let topic = format!("/rooms/{room}/state/m.room.topic");
    alice.put(&topic, json!({ "topic": "no message" })).await;
    alice.send(&room, "1", "1").await;
    gateway.waits_for(&["1"]).await;
    assert_eq!(gateway.told().len(), 1);
    set_rule(&bob, &format!("room/{room}"), json!({ "actions": [] })).await;
    alice.send(&room, "2", "2").await;
    let mention = json!({
        "msgtype": "m.text", "body": "bob!", "m.mentions": { "user_ids": [bob.user_id] },
    });
    alice.put(&format!("/rooms/{room}/send/m.room.message/3"), mention).await;
    gateway.waits_for(&["1", "bob!"]).await;
    assert_eq!(gateway.told()[1]["notification"]["devices"][0]["tweaks"]["highlight"], true);
}

#[tokio::test]
async fn a_sync_counts_what_notifies_and_stands_out_until_it_is_read() {
    let (_cluster, alice, bob, room, _gateway) = alice_and_bobs_phone().await;
    assert_eq!(unread(&bob, &room).await, (0, 0));
    alice.send(&room, "1", "hello").await;
    bob.send(&room, "own", "own").await;
    let highlight =
        json!({ "pattern": "bo?ts", "actions": ["notify", { "set_tweak": "highlight" }] });
    assert_eq!(unread(&bob, &room).await, (1, 0));
    set_rule(&bob, "content/boats", highlight).await;
    let (_, sent) = alice.send(&room, "2", "Boats, at last").await;
    assert_eq!(unread(&bob, &room).await, (2, 1));
    alice.send(&room, "3", "steamboats").await;
    assert_eq!(unread(&bob, &room).await, (3, 1));
    assert_eq!(unread(&alice, &room).await, (1, 0));
    let since = bob.synced().await;
    let event = sent["event_id"].as_str().unwrap();
    bob.post(&format!("/rooms/{room}/receipt/m.read/{event}"), json!({})).await;
    let (_, synced) = bob.get(&format!("/sync?since={since}")).await;
    let counts = &synced["rooms"]["join"][&room]["unread_notifications"];
    assert_eq!(*counts, json!({ "notification_count": 1, "highlight_count": 0 }));
}

#[tokio::test]
async fn the_conditions_of_a_rule_are_met_together_or_the_next_rule_decides() {
    let (cluster, alice, bob, room, _gateway) = alice_and_bobs_phone().await;
    let conditions = json!([
        { "kind": "event_match", "key": "content.m\\.kind.of", "pattern": "sa?l*" },
        { "kind": "event_property_is", "key": "content.large", "value": true },
        { "kind": "event_property_contains", "key": "content.colors", "value": "red" },
        { "kind": "room_member_count", "is": ">1" },
        { "kind": "sender_notification_permission", "key": "room" },
        { "kind": "contains_display_name" },
    ]);
    let actions = json!(["notify", { "set_tweak": "highlight" }]);
    let rule = json!({ "conditions": conditions, "actions": actions });
    set_rule(&bob, "override/sails", rule).await;
    bob.put(&format!("/profile/{}/displayname", bob.user_id), json!({ "displayname": "Bob" }))
        .await;
    let all = json!({
        "body": "for bob.", "m.kind": { "of": "Sails" }, "large": true, "colors": ["blue", "red"],
    });
    let mut number = 0;
    let mut say = async |who: &Client, content: Value| {
        number += 1;
        let path = format!("/rooms/{room}/send/m.room.message/c{number}");
        assert_eq!(who.put(&path, content).await.0, 200);
        unread(&bob, &room).await.1
    };
    assert_eq!(say(&alice, all.clone()).await, 1);
    for (field, value) in [
        ("body", json!("for bobby")),
        ("m.kind", json!({ "of": "sale" })),
        ("large", json!(1)),
        ("colors", json!("red")),
    ] {
        let mut but_one = all.clone();
        but_one[field] = value;
        assert_eq!(say(&alice, but_one).await, 1, "{field}");
    }
    assert_eq!(say(&alice, all.clone()).await, 2);
    // Who has just come may not notify everybody.
    let carol = cluster.user("a", "carol").await;
    assert_eq!(carol.post(&format!("/join/{room}"), json!({})).await.0, 200);
    assert_eq!(say(&carol, all).await, 2);
}
