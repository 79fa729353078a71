//! Faults of whole messages: reset in the middle of a body, delivered twice.

use std::{
    io::ErrorKind,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, routing::put};
use http::Request;
use journal::{Event, Loss};
use sim::{
    Outcome, World,
    fault::{After, BodyReset, Duplication, FaultId, Part, ProxyAnswer},
};
use tokio::{io::AsyncWriteExt, time::sleep};
use transport::{
    Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

use super::{between, names, repair_after};
use crate::support::{PORT, Run, config, ms, on_seat, receive, secs};

/// What `b` was asked, and what became of it at `a`.
#[derive(Debug, PartialEq)]
struct Asked {
    status: Option<u16>,
    handled: u64,
}

/// `a` puts a body of 1,000 bytes to `b` while a fault is in force, and waits a while.
fn put_under(set: impl FnOnce(&World) -> FaultId + Send + 'static) -> Outcome<(Asked, FaultId)> {
    sim::run(config(), |world| async move {
        let handled = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&handled);
        world
            .add_machine("b", Arc::new(Run(move |host: Host| counter(host, Arc::clone(&counted)))));
        world.boot("b");
        let host = world.add_seat("a");
        sleep(ms(1)).await;
        let fault = set(&world);
        let status = on_seat(host.clone(), async move { put_body(&host).await }).await;
        sleep(secs(200)).await;
        (Asked { status, handled: handled.load(Ordering::Relaxed) }, fault)
    })
}

async fn put_body(host: &Host) -> Option<u16> {
    let client = Client::new(host, ClientLimits::default());
    let address = Address { name: "b".into(), port: PORT };
    let request = Request::put("/x").body(Bytes::from(vec![b'x'; 1000])).unwrap();
    client.send(&address, request, secs(10)).await.ok().map(|answer| answer.status().as_u16())
}

/// Counts the requests that it has read whole.
async fn counter(host: Host, handled: Arc<AtomicU64>) -> Result<(), String> {
    let handler = put(async move |body: Bytes| {
        handled.fetch_add(1, Ordering::Relaxed);
        body
    });
    let router = Router::new().route("/{*path}", handler);
    serve(&host, PORT, router, ServerLimits::default()).await.map_err(|error| error.to_string())?;
    Ok(())
}

fn reset(part: Part, after: After) -> impl FnOnce(&World) -> FaultId + Send + 'static {
    let reset = BodyReset { from: names(&["a"]), to: names(&["b"]), part, after };
    move |world| world.reset_body(&reset, None)
}

#[test]
fn a_request_that_is_reset_in_its_body_is_never_handled() {
    let outcome = put_under(reset(Part::Request, After::Share(0.5)));
    let (asked, _) = outcome.value.unwrap();
    assert_eq!(asked, Asked { status: None, handled: 0 });
    assert_eq!((outcome.faults[0].hits, outcome.faults[0].requests.len()), (1, 1));
    let lost = |event: &Event| matches!(event, Event::RequestLost { why: Loss::Reset, .. });
    assert!(outcome.journal.entries().iter().any(|entry| lost(&entry.event)));
}

#[test]
fn an_answer_that_is_reset_in_its_body_was_handled_and_nobody_can_tell() {
    let outcome = put_under(reset(Part::Answer, After::Bytes(10)));
    assert_eq!(outcome.value.unwrap().0, Asked { status: None, handled: 1 });
}

#[test]
fn exactly_the_first_bytes_of_a_body_arrive_before_the_reset() {
    let outcome = sim::run(config(), |world| async move {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let listen = move |host: Host| listen_once(host, sender.clone());
        world.add_machine("b", Arc::new(Run(listen)));
        world.boot("b");
        let host = world.add_seat("a");
        reset(Part::Request, After::Bytes(3))(&world);
        on_seat(host.clone(), async move {
            let mut stream = host.net.connect("b", PORT).await.unwrap();
            let request = b"PUT / HTTP/1.1\r\ncontent-length: 8\r\n\r\n12345678";
            stream.write_all(request).await.unwrap();
            receive(&mut stream, 1).await.map_err(|error| error.kind())
        })
        .await
        .map(|_| ())
        .err()
        .zip(receiver.recv().await)
    });
    let (at_sender, (text, at_receiver)) = outcome.value.unwrap().unwrap();
    assert!(text.ends_with("\r\n\r\n123"), "{text}");
    assert_eq!((at_sender, at_receiver), (ErrorKind::ConnectionReset, ErrorKind::ConnectionReset));
}

type Received = (String, ErrorKind);

/// Tells what it received before its connection broke, and how it broke.
async fn listen_once(
    host: Host,
    sender: tokio::sync::mpsc::UnboundedSender<Received>,
) -> Result<(), String> {
    let mut listener = host.listen(PORT).await.map_err(|error| error.to_string())?;
    let (mut stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
    let mut received = String::new();
    loop {
        match receive(&mut stream, 1).await {
            Ok(byte) => received += &byte,
            Err(error) => {
                sender.send((received, error.kind())).map_err(|error| error.to_string())?;
                return Ok(());
            }
        }
    }
}

fn answers(to: &[&str], share: f64) -> impl FnOnce(&World) -> FaultId + Send + 'static {
    let (machine, to) = ("b".to_owned(), names(to));
    let answer = ProxyAnswer { machine, to, status: 429, retry_after: Some(secs(30)), share };
    move |world| world.answer_for(&answer, None)
}

#[test]
fn what_a_proxy_answers_the_program_never_sees() {
    let outcome = put_under(answers(&["a"], 1.0));
    assert_eq!(outcome.value.unwrap().0, Asked { status: Some(429), handled: 0 });
    assert_eq!((outcome.faults[0].hits, outcome.faults[0].requests.len()), (1, 1));
    let arrived = |event: &Event| matches!(event, Event::RequestArrived { .. });
    assert!(!outcome.journal.entries().iter().any(|entry| arrived(&entry.event)));
}

#[test]
fn a_proxy_answers_only_those_who_are_meant_and_only_as_often_as_drawn() {
    let to_all = put_under(answers(&[], 1.0)).value.unwrap().0;
    assert_eq!(to_all.status, Some(429), "nobody is named, so all are meant");
    for outcome in [put_under(answers(&["b"], 1.0)), put_under(answers(&["a"], 0.0))] {
        assert_eq!(outcome.value.unwrap().0, Asked { status: Some(200), handled: 1 });
        assert_eq!(outcome.faults[0].hits, 0);
    }
}

fn duplicate(
    probability: Option<f64>,
    after: Duration,
) -> impl FnOnce(&World) -> FaultId + Send + 'static {
    let (from, to) = (names(&["a"]), names(&["b"]));
    move |world| world.duplicate(&Duplication { from, to, probability, after }, None)
}

fn replays<T>(outcome: &Outcome<T>) -> Vec<(Duration, Option<u64>)> {
    let entries = outcome.journal.entries().iter();
    let sent = entries.filter_map(|entry| match &entry.event {
        Event::RequestSent(request) => Some((entry.at, request.replays)),
        _ => None,
    });
    sent.collect()
}

#[test]
fn a_duplicated_request_is_handled_twice_and_its_sender_hears_once() {
    let outcome = put_under(duplicate(None, secs(5)));
    assert_eq!(outcome.value.as_ref().unwrap().0, Asked { status: Some(200), handled: 2 });
    let sent = replays(&outcome);
    assert_eq!((sent.len(), sent[0].1), (2, None));
    assert!(sent[1].1.is_some() && sent[1].0 >= sent[0].0 + secs(5), "{sent:?}");
    assert_eq!(outcome.faults[0].requests.len(), 1);
}

#[test]
fn a_replay_into_a_partition_arrives_when_it_heals_though_its_sender_is_gone() {
    let outcome = put_under(|world| {
        let fault = duplicate(None, secs(1))(world);
        let world = world.clone();
        drop(world.clone().spawn(async move {
            sleep(ms(500)).await;
            let cut = world.partition(&between(), None);
            world.crash("a", sim::fault::DiskFate::Keep, None);
            repair_after(&world, cut, secs(20));
        }));
        fault
    });
    assert_eq!(outcome.value.unwrap().0, Asked { status: Some(200), handled: 2 });
}

#[test]
fn a_duplication_with_probability_takes_some_requests_and_repeats_by_its_seed() {
    let run = || {
        sim::run(config(), |world| async move {
            let handled = Arc::new(AtomicU64::new(0));
            let counted = Arc::clone(&handled);
            let node = Run(move |host: Host| counter(host, Arc::clone(&counted)));
            world.add_machine("b", Arc::new(node));
            world.boot("b");
            let host = world.add_seat("a");
            sleep(ms(1)).await;
            duplicate(Some(0.3), Duration::ZERO)(&world);
            let seat = host.clone();
            let puts = async move {
                for _ in 0..50 {
                    put_body(&host).await.unwrap();
                }
            };
            on_seat(seat, puts).await;
            sleep(secs(1)).await;
            handled.load(Ordering::Relaxed)
        })
    };
    let (one, other) = (run(), run());
    assert_eq!(one.journal.hash(), other.journal.hash());
    let handled = one.value.unwrap();
    assert!((55..85).contains(&handled), "{handled}");
}
