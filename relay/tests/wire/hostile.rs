//! What who sends too much, too slowly or too often achieves: nothing for others.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use http::{Method, StatusCode};
use relay::LEGAL_BODY_BYTES;

use crate::world::{DEADLINE, World};

/// What is answered to everything that `write` writes to the relay.
async fn answered(
    world: &World,
    write: impl FnOnce(&mut TcpStream) -> std::io::Result<()> + Send + 'static,
) -> String {
    let port = world.address.port;
    let exchange = std::thread::Builder::new().spawn(move || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write(&mut stream).expect("all of it is taken");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let exchange = exchange.unwrap();
    while !exchange.is_finished() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    exchange.join().unwrap()
}

fn head(length: &str) -> String {
    let path = "/_matrix/federation/v1/send_relay/t/@user:b";
    format!("PUT {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{length}\r\n\r\n")
}

#[tokio::test]
async fn who_sends_too_much_reads_why_it_is_refused() {
    let world = World::with(|config| config.max_body_bytes = LEGAL_BODY_BYTES).await;
    let size = 2 * LEGAL_BODY_BYTES;
    let answer = answered(&world, move |stream| {
        stream.write_all(head(&format!("Content-Length: {size}")).as_bytes())?;
        stream.write_all(&vec![b' '; size])
    });
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 413") && answer.contains("M_TOO_LARGE"), "{answer}");
}

#[tokio::test]
async fn who_has_no_signature_reads_so_whatever_is_sent() {
    let world = World::start().await;
    let answer = answered(&world, |stream| {
        stream.write_all(head("Transfer-Encoding: chunked").as_bytes())?;
        for _ in 0..20 {
            stream.write_all(b"100000\r\n")?;
            stream.write_all(&vec![b' '; 0x10_0000])?;
            stream.write_all(b"\r\n")?;
        }
        stream.write_all(b"0\r\n\r\n")
    });
    let answer = answer.await;
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
}

#[tokio::test]
async fn ports_of_one_host_are_one_origin_and_invented_destinations_help_nobody() {
    let world = World::with(|config| config.max_entries_per_origin = 2).await;
    for (from, destination) in [(&world.a, "invented.test"), (&world.stranger, "made-up.test")] {
        let destination = destination.try_into().unwrap();
        let answer = world.send_relay(from, "t", destination, "{}").await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    }
    let refused = world.send_relay(&world.a, "u", world.b.name(), "{}").await;
    assert_eq!(refused.code(), (429, "M_LIMIT_EXCEEDED".to_owned()));
    assert_eq!(refused.json()["org.fedsim.relay.reason"], "quota_origin");
}

#[tokio::test]
async fn who_leaves_too_fast_is_told_when_to_come_again() {
    let world = World::with(|config| config.max_deposits_per_minute = 2).await;
    world.left_for_b("one").await;
    world.left_for_b("two").await;
    let refused = world.send_relay(&world.a, "three", world.b.name(), "{}").await;
    assert_eq!(refused.code(), (429, "M_LIMIT_EXCEEDED".to_owned()));
    assert!(refused.json()["retry_after_ms"].as_u64().unwrap() <= 30_000);
    assert_eq!(world.b_takes_all().await, ["one", "two"]);
}

#[tokio::test]
async fn mail_that_cannot_be_taken_keeps_no_other_mail_away() {
    let world = World::start().await;
    let large = format!(r#"{{"pdus":["{}"]}}"#, "x".repeat(8 << 20));
    world.send_relay(&world.stranger, "large", world.b.name(), &large).await;
    world.left_for_b("small").await;
    let mut taken = Vec::new();
    while taken.last().is_none_or(|id| id != "small") {
        taken.push(world.b_takes(0).await.transaction_id());
        assert!(taken.len() < 10, "{taken:?}");
    }
    assert_eq!(taken.len(), 6);
    let quarantine = world.operator(Method::GET, "quarantine", "").await.json();
    assert_eq!(quarantine["entries"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn who_empties_a_full_disk_always_can() {
    let world = World::start().await;
    let ids: Vec<String> = (0..30).map(|number| format!("{number:0>250}")).collect();
    for id in &ids {
        world.left_for_b(id).await;
    }
    world.sql("PRAGMA max_page_count = 1").await;
    assert_eq!(world.b_takes_all().await, ids);
    assert_eq!(world.reserve.lock().unwrap().released, 1);
    let refused = world.send_relay(&world.a, "u", world.b.name(), "{}").await;
    assert_eq!(refused.code(), (507, "M_RESOURCE_LIMIT_EXCEEDED".to_owned()));
    assert_eq!(refused.json()["org.fedsim.relay.reason"], "disk_full");
}

#[tokio::test]
async fn who_comes_back_with_a_key_that_a_full_disk_cannot_take_gets_its_mail() {
    let world = World::start().await;
    world.left_for_b("one").await;
    world
        .sql(
            "CREATE TRIGGER full BEFORE INSERT ON server_keys
             BEGIN SELECT RAISE (ABORT, 'database or disk is full'); END",
        )
        .await;
    assert_eq!(world.b_takes_all().await, ["one"]);
}

#[tokio::test]
async fn a_full_disk_is_purged_by_its_operator() {
    let world = World::start().await;
    for number in 0..30 {
        world.left_for_b(&format!("{number:0>250}")).await;
    }
    world.sql("PRAGMA max_page_count = 1").await;
    let purge = r#"{"origin":"127.0.0.1"}"#;
    assert_eq!(world.operator(Method::POST, "purge", purge).await.json()["purged"], 30);
}
