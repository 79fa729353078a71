//! Keys, messages to devices, cross-signing and backups: what end-to-end encryption takes.

use ruma::{
    CanonicalJsonObject,
    canonical_json::try_from_json_map,
    serde::Base64,
    signatures::{Ed25519KeyPair, sign_json},
};
use serde_json::{Value, json};

use super::support::{Client, Cluster};

async fn device_of(client: &Client) -> String {
    client.get("/account/whoami").await.1["device_id"].as_str().unwrap().to_owned()
}

/// Uploads keys of a device: those of its identity, and one-time keys of these names.
async fn upload(client: &Client, one_time: &[&str]) -> Value {
    let device = device_of(client).await;
    let keys: serde_json::Map<_, _> = one_time
        .iter()
        .map(|name| (format!("signed_curve25519:{name}"), json!({ "key": name })))
        .collect();
    let body = json!({
        "device_keys": {
            "user_id": client.user_id, "device_id": device, "algorithms": ["m.olm.v1"],
            "keys": { format!("ed25519:{device}"): "abc" }, "signatures": {},
        },
        "one_time_keys": keys,
        "fallback_keys": { "signed_curve25519:last": { "key": "last", "fallback": true } },
    });
    let (status, answer) = client.post("/keys/upload", body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn claim(client: &Client, of: &Client) -> Value {
    let device = device_of(of).await;
    let body = json!({ "one_time_keys": { &of.user_id: { &device: "signed_curve25519" } } });
    let (_, mut answer) = client.post("/keys/claim", body).await;
    answer["one_time_keys"][&of.user_id][&device].take()
}

#[tokio::test]
async fn uploaded_keys_are_still_there_after_a_restart() {
    let mut cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let counts = upload(&alice, &["1", "2"]).await;
    assert_eq!(counts["one_time_key_counts"]["signed_curve25519"], 2);
    cluster.stop("a").await;
    cluster.start("a").await;
    let (_, found) =
        bob.post("/keys/query", json!({ "device_keys": { &alice.user_id: [] } })).await;
    let device = device_of(&alice).await;
    assert_eq!(found["device_keys"][&alice.user_id][&device]["algorithms"][0], "m.olm.v1");
    let synced = alice.get("/sync").await.1;
    assert_eq!(synced["device_one_time_keys_count"]["signed_curve25519"], 2);
    assert_eq!(synced["device_unused_fallback_key_types"], json!(["signed_curve25519"]));
}

#[tokio::test]
async fn each_one_time_key_is_handed_out_once_on_either_server_and_then_the_fallback() {
    let (_cluster, [alice, bob, _]) = Cluster::of_three().await;
    upload(&alice, &["1", "2"]).await;
    assert_eq!(claim(&bob, &alice).await["signed_curve25519:1"]["key"], "1");
    assert_eq!(claim(&alice, &alice).await["signed_curve25519:2"]["key"], "2");
    for _ in 0..2 {
        assert_eq!(claim(&bob, &alice).await["signed_curve25519:last"]["key"], "last");
    }
    assert_eq!(alice.get("/sync").await.1["device_unused_fallback_key_types"], json!([]));
}

#[tokio::test]
async fn keys_of_another_device_and_other_keys_of_the_same_name_are_refused_whole() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    upload(&alice, &["1"]).await;
    let other = json!({ "one_time_keys": {
        "signed_curve25519:1": { "key": "another" }, "signed_curve25519:2": { "key": "2" },
    }});
    assert_eq!(alice.post("/keys/upload", other).await.0, 400);
    let stranger = json!({ "device_keys": {
        "user_id": alice.user_id, "device_id": "OTHER", "algorithms": [], "keys": {},
        "signatures": {},
    }});
    assert_eq!(alice.post("/keys/upload", stranger).await.0, 400);
    let counts = alice.get("/sync").await.1["device_one_time_keys_count"].clone();
    assert_eq!(counts, json!({ "signed_curve25519": 1 }));
}

#[tokio::test]
async fn keys_are_asked_for_at_the_users_server_and_a_silent_one_is_named() {
    let (cluster, [alice, bob, carol]) = Cluster::of_three().await;
    upload(&bob, &[]).await;
    upload(&carol, &[]).await;
    cluster.stop("c").await;
    let wanted =
        json!({ "device_keys": { &bob.user_id: [], &carol.user_id: [] }, "timeout": 3000 });
    let (_, found) = alice.post("/keys/query", wanted).await;
    let devices = found["device_keys"][&bob.user_id].as_object().unwrap();
    assert_eq!(devices.len(), 1, "{found}");
    // A device without a name has none, not a name that is null.
    assert!(devices.values().all(|keys| keys.get("unsigned").is_none()), "{found}");
    assert!(found["failures"]["c.test"].is_object(), "{found}");
}

#[tokio::test]
async fn a_message_to_devices_arrives_once_though_sent_twice_while_its_server_is_away() {
    let (mut cluster, [alice, bob, _]) = Cluster::of_three().await;
    cluster.stop("b").await;
    let body = json!({ "messages": { &bob.user_id: { "*": { "secret": 1 } } } });
    for _ in 0..2 {
        assert_eq!(alice.put("/sendToDevice/m.test/1", body.clone()).await.0, 200);
    }
    cluster.stop("a").await;
    cluster.start("a").await;
    cluster.start("b").await;
    let (_, first) = bob.get("/sync").await;
    let since = first["next_batch"].as_str().unwrap();
    let (_, synced) = bob.get(&format!("/sync?since={since}&timeout=20000")).await;
    let both = [&first, &synced].map(|it| it["to_device"]["events"].as_array().unwrap().clone());
    let all = both.concat();
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(all[0]["content"]["secret"], 1);
    assert_eq!(all[0]["sender"], alice.user_id);
    let since = synced["next_batch"].as_str().unwrap();
    bob.get(&format!("/sync?since={since}")).await;
    assert_eq!(cluster.read::<i64>("b", "SELECT count(*) FROM to_device"), 0);
}

#[tokio::test]
async fn whoever_shares_a_room_hears_of_new_and_gone_devices_on_every_server() {
    let (_cluster, [alice, bob, _]) = Cluster::of_three().await;
    alice.room("eventual", &[&bob]).await;
    let since = bob.synced().await;
    upload(&alice, &[]).await;
    let (_, synced) = bob.get(&format!("/sync?since={since}&timeout=20000")).await;
    assert_eq!(synced["device_lists"]["changed"], json!([alice.user_id]), "{synced}");
    let next = synced["next_batch"].as_str().unwrap();
    let (_, changes) = bob.get(&format!("/keys/changes?from={since}&to={next}")).await;
    assert_eq!(changes["changed"], json!([alice.user_id]));
    alice.post("/logout", json!({})).await;
    let (_, synced) = bob.get(&format!("/sync?since={next}&timeout=20000")).await;
    assert_eq!(synced["device_lists"]["changed"], json!([alice.user_id]));
}

/// A key pair of a user for one usage, and the key as it is uploaded, signed by `by`.
fn signing_key(
    user: &str,
    usage: &str,
    seed: u8,
    by: Option<&Ed25519KeyPair>,
) -> (Ed25519KeyPair, Value) {
    let mut document = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    document.extend([seed; 32]);
    let public = |version: &str| {
        let pair = Ed25519KeyPair::from_der(&document, version.to_owned()).unwrap();
        (Base64::<ruma::serde::base64::Standard>::new(pair.public_key().to_vec()).encode(), pair)
    };
    let (name, _) = public("x");
    let (_, pair) = public(&name);
    let key = json!({
        "user_id": user, "usage": [usage], "keys": { format!("ed25519:{name}"): name },
    });
    let mut object: CanonicalJsonObject =
        try_from_json_map(key.as_object().unwrap().clone()).unwrap();
    if let Some(by) = by {
        sign_json(user, by, &mut object).unwrap();
    }
    (pair, serde_json::to_value(object).unwrap())
}

#[tokio::test]
async fn cross_signing_keys_must_be_signed_by_the_master_key_and_are_replaced_with_the_password() {
    let (_cluster, [alice, bob, _]) = Cluster::of_three().await;
    let (master_pair, master) = signing_key(&alice.user_id, "master", 1, None);
    let (_, own) = signing_key(&alice.user_id, "self_signing", 2, Some(&master_pair));
    let (_, forged) = signing_key(&alice.user_id, "self_signing", 3, None);
    let path = "/keys/device_signing/upload";
    let wrong = json!({ "master_key": master, "self_signing_key": forged });
    assert_eq!(alice.post(path, wrong).await.0, 400);
    let right = json!({ "master_key": master, "self_signing_key": own });
    assert_eq!(alice.post(path, right.clone()).await, (200, json!({})));
    let (_, found) =
        bob.post("/keys/query", json!({ "device_keys": { &alice.user_id: [] } })).await;
    assert_eq!(found["master_keys"][&alice.user_id]["keys"], master["keys"], "{found}");
    assert_eq!(found["self_signing_keys"][&alice.user_id]["keys"], own["keys"]);
    let (_, other) = signing_key(&alice.user_id, "master", 4, None);
    let mut replace = json!({ "master_key": other });
    assert_eq!(alice.post(path, replace.clone()).await.0, 401);
    replace["auth"] = json!({ "type": "m.login.password", "password": "guess" });
    assert_eq!(alice.post(path, replace.clone()).await.0, 401);
    replace["auth"]["password"] = "open sesame".into();
    assert_eq!(alice.post(path, replace).await.0, 200);
}

#[tokio::test]
async fn a_signature_is_shown_to_its_user_and_the_one_who_made_it_alone() {
    let cluster = Cluster::of(&["a"]).await;
    let (alice, bob) = (cluster.user("a", "alice").await, cluster.user("a", "bob").await);
    let carol = cluster.user("a", "carol").await;
    let (_, master) = signing_key(&alice.user_id, "master", 1, None);
    alice.post("/keys/device_signing/upload", json!({ "master_key": master })).await;
    let public = master["keys"].as_object().unwrap().values().next().unwrap().as_str().unwrap();
    let mut signed = master.clone();
    signed["signatures"] = json!({ &bob.user_id: { "ed25519:bob": "signature" } });
    let body = json!({ &alice.user_id: { public: signed } });
    assert_eq!(bob.post("/keys/signatures/upload", body).await, (200, json!({ "failures": {} })));
    let wanted = json!({ "device_keys": { &alice.user_id: [] } });
    let path = format!("/master_keys/{}/signatures", alice.user_id);
    let (_, for_bob) = bob.post("/keys/query", wanted.clone()).await;
    assert!(for_bob.pointer(&path).unwrap()[&bob.user_id].is_object(), "{for_bob}");
    let (_, for_carol) = carol.post("/keys/query", wanted).await;
    assert!(for_carol.pointer(&path).is_none_or(|it| it[&bob.user_id].is_null()), "{for_carol}");
}

#[tokio::test]
async fn a_backup_keeps_the_better_key_and_only_the_current_version_is_written() {
    let cluster = Cluster::of(&["a"]).await;
    let alice = cluster.user("a", "alice").await;
    let version = json!({ "algorithm": "m.megolm_backup.v1", "auth_data": { "public_key": "x" } });
    let (_, made) = alice.post("/room_keys/version", version.clone()).await;
    assert_eq!(made["version"], "1");
    let key = |index: u64| {
        json!({ "first_message_index": index, "forwarded_count": 0, "is_verified": false,
            "session_data": { "ciphertext": index } })
    };
    let path = "/room_keys/keys/!r:a.test/session?version=1";
    assert_eq!(alice.put(path, key(5)).await.1["count"], 1);
    alice.put(path, key(2)).await;
    alice.put(path, key(9)).await;
    assert_eq!(alice.get(path).await.1["first_message_index"], 2);
    alice.post("/room_keys/version", version).await;
    let (status, error) = alice.put(path, key(1)).await;
    assert_eq!((status, &error["errcode"]), (403, &json!("M_WRONG_ROOM_KEYS_VERSION")));
    assert_eq!(alice.get("/room_keys/version").await.1["version"], "2");
    assert_eq!(alice.put(path, json!({ "session_data": 1 })).await.0, 400);
}
