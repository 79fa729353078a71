//! The same programs with real sockets and real disks: three homeserver processes and a relay
//! process on loopback. A message goes across; one homeserver is killed with SIGKILL, and later
//! retrieves its mail.
#![expect(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

mod cluster;
mod floods;
mod operating;
mod user;

use cluster::Cluster;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn mail_for_a_killed_homeserver_waits_at_its_relay_and_reaches_it() {
    let mut cluster = Cluster::start(3).await;
    let alice = cluster.register(0, "alice").await;
    let bob = cluster.register(1, "bob").await;
    let carol = cluster.register(2, "carol").await;
    let room = alice.create_room(&[&bob, &carol], json!({})).await;
    for guest in [&bob, &carol] {
        guest.join(&room).await;
    }
    alice.waits_for_members(&room, 3).await;

    alice.send(&room, "across").await;
    for reader in [&bob, &carol] {
        reader.waits_to_read(&room, "across").await;
    }

    cluster.kill(1);
    alice.send(&room, "while you were away").await;
    cluster.waits_for_mail(1).await;
    carol.waits_to_read(&room, "while you were away").await;

    // Its author's homeserver is gone too, so only the relay can have brought the message.
    cluster.kill(0);
    cluster.restart(1).await;
    bob.waits_to_read(&room, "while you were away").await;
    cluster.waits_for_no_mail(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_m1_message_is_refused_while_a_process_is_dead_and_delivered_when_it_is_back() {
    let mut cluster = Cluster::start(3).await;
    let alice = cluster.register(0, "alice").await;
    let bob = cluster.register(1, "bob").await;
    let carol = cluster.register(2, "carol").await;
    let delivery = json!({ "org.fedsim.delivery": "m1" });
    let room = alice.create_room(&[&bob, &carol], delivery).await;
    for guest in [&bob, &carol] {
        guest.join(&room).await;
    }
    alice.waits_for_members(&room, 3).await;

    cluster.kill(1);
    let (status, answer) = carol.try_send(&room, "to nobody").await;
    assert_eq!(status, 533, "{answer}");
    assert_eq!(answer["unreachable_backends"], json!([cluster.name(1)]));

    cluster.restart(1).await;
    carol.send(&room, "to everybody").await;
    for reader in [&alice, &bob] {
        reader.waits_to_read(&room, "to everybody").await;
        assert!(!reader.reads(&room, "to nobody").await);
    }
}
