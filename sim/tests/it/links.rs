//! Faults of links, shown on a TCP echo and on plain HTTP servers that count what they are asked.

use std::{
    io::ErrorKind,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Bytes, routing::put};
use http::Request;
use sim::{
    Latency, LinkConfig, Outcome, World,
    fault::{After, BodyReset, Cut, Duplication, FaultId, LinkChange, Part, Refusal, Swizzle},
    journal::Event,
};
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};
use transport::{
    Host,
    http::{Address, Client, ClientLimits, ServerLimits, serve},
};

use crate::support::{PORT, Run, config, exchange, ms, on_seat, receive, secs, with_echo};

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn between() -> Cut {
    Cut::Between(names(&["a"]), names(&["b"]))
}

fn repair_after(world: &World, fault: FaultId, after: Duration) {
    let world = world.clone();
    drop(world.clone().spawn(async move {
        sleep(after).await;
        world.repair(fault);
    }));
}

#[test]
fn a_held_link_delivers_everything_in_order_the_moment_it_is_released() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        let began = world.elapsed();
        let fault = world.hold(&between(), None);
        repair_after(&world, fault, secs(500));
        for word in ["one", "two", "three"] {
            stream.write_all(word.as_bytes()).await?;
            sleep(secs(1)).await;
        }
        let text = receive(&mut stream, 11).await?;
        Ok::<_, std::io::Error>((text, world.elapsed() - began, world.fault(fault).hits > 0))
    });
    // Longer than any user timeout, and no retransmission: only the way back is left.
    let expected = ("onetwothree".to_owned(), secs(500) + ms(5), true);
    assert_eq!(outcome.value.unwrap().unwrap(), expected);
}

#[test]
fn what_was_on_its_way_when_the_hold_began_is_kept_too_and_so_is_a_connect() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        stream.write_all(b"x").await?;
        sleep(ms(1)).await;
        let began = world.elapsed();
        let fault = world.hold(&between(), None);
        repair_after(&world, fault, secs(3));
        let early = timeout(secs(2), receive(&mut stream, 1)).await.is_ok();
        let second = host.net.connect("b", PORT).await.is_ok();
        Ok::<_, std::io::Error>((early, second, world.elapsed() - began))
    });
    assert_eq!(outcome.value.unwrap().unwrap(), (false, true, secs(3) + ms(5)));
}

#[test]
fn a_hanging_machine_takes_connections_and_hands_nothing_on_until_it_goes_on() {
    let outcome = with_echo(|world, host| async move {
        let fault = world.hang("b", None);
        let began = world.elapsed();
        let mut stream = host.net.connect("b", PORT).await?;
        let open = world.elapsed() - began;
        stream.write_all(b"still").await?;
        let early = timeout(secs(300), receive(&mut stream, 5)).await.is_ok();
        world.repair(fault);
        let text = receive(&mut stream, 5).await?;
        Ok::<_, std::io::Error>((open, early, text, world.fault(fault).hits > 0))
    });
    let expected = (ms(10), false, "still".to_owned(), true);
    assert_eq!(outcome.value.unwrap().unwrap(), expected);
}

#[test]
fn a_hanging_machine_sends_nothing_either_though_its_program_runs() {
    let outcome = sim::run(config(), |world| async move {
        let ticks = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&ticks);
        world.add_machine("b", Arc::new(Run(move |host: Host| teller(host, Arc::clone(&counted)))));
        world.boot("b");
        let host = world.add_seat("a");
        on_seat(host.clone(), async move {
            let mut stream = host.net.connect("b", PORT).await.unwrap();
            receive(&mut stream, 1).await.unwrap();
            let fault = world.hang("b", None);
            let silent = timeout(secs(10), receive(&mut stream, 1)).await.is_err();
            let ran = ticks.load(Ordering::Relaxed) >= 10;
            world.repair(fault);
            (silent, ran, receive(&mut stream, 9).await.is_ok())
        })
        .await
    });
    assert_eq!(outcome.value.unwrap(), (true, true, true));
}

/// Sends a byte a second.
async fn teller(host: Host, ticks: Arc<AtomicU64>) -> Result<(), String> {
    let mut listener = host.listen(PORT).await.map_err(|error| error.to_string())?;
    let (mut stream, _) = listener.accept().await.map_err(|error| error.to_string())?;
    loop {
        stream.write_all(b".").await.map_err(|error| error.to_string())?;
        ticks.fetch_add(1, Ordering::Relaxed);
        sleep(secs(1)).await;
    }
}

#[test]
fn a_machine_that_refuses_does_so_at_once_and_leaves_old_connections_alone() {
    let outcome = with_echo(|world, host| async move {
        let mut old = host.net.connect("b", PORT).await?;
        let began = world.elapsed();
        let fault = world.refuse(&Refusal { machine: "b".into(), port: None }, None);
        let error = host.net.connect("b", PORT).await.err().map(|error| error.kind());
        let took = world.elapsed() - began;
        let text = exchange(&mut old, "old").await?;
        world.repair(fault);
        let again = host.net.connect("b", PORT).await.is_ok();
        Ok::<_, std::io::Error>((error, took, text, again, world.fault(fault).hits))
    });
    let expected = (Some(ErrorKind::ConnectionRefused), ms(10), "old".to_owned(), true, 1);
    assert_eq!(outcome.value.unwrap().unwrap(), expected);
}

#[test]
fn a_refusal_of_one_port_leaves_the_others_alone() {
    let outcome = with_echo(|world, host| async move {
        sleep(ms(1)).await;
        let fault = world.refuse(&Refusal { machine: "b".into(), port: Some(8) }, None);
        (host.net.connect("b", PORT).await.is_ok(), world.fault(fault).hits)
    });
    assert_eq!(outcome.value.unwrap(), (true, 0));
}

fn slow(bytes_a_second: u64) -> LinkChange {
    let bandwidth = NonZeroU64::new(bytes_a_second);
    let link = LinkConfig { latency: Latency::Fixed(ms(5)), bandwidth, ..LinkConfig::default() };
    LinkChange { from: names(&["a"]), to: names(&["b"]), both_ways: false, link }
}

#[test]
fn a_slow_link_takes_its_time_for_each_byte_and_only_in_its_direction() {
    let outcome = with_echo(|world, host| async move {
        let mut stream = host.net.connect("b", PORT).await?;
        sleep(secs(1)).await;
        let began = world.elapsed();
        let fault = world.change_links(&slow(1000), None);
        // With its headers of 40 bytes, half a second there, and nothing back.
        exchange(&mut stream, &"x".repeat(460)).await?;
        Ok::<_, std::io::Error>((world.elapsed() - began, world.fault(fault).hits))
    });
    assert_eq!(outcome.value.unwrap().unwrap(), (ms(510), 1));
}

#[test]
fn two_connections_share_the_bandwidth_of_their_link() {
    let outcome = with_echo(|world, host| async move {
        let mut one = host.net.connect("b", PORT).await?;
        let mut other = host.net.connect("b", PORT).await?;
        sleep(secs(1)).await;
        let began = world.elapsed();
        world.change_links(&slow(1000), None);
        let text = "x".repeat(460);
        let (first, second) =
            tokio::join!(biased; exchange(&mut one, &text), exchange(&mut other, &text));
        first?;
        second?;
        Ok::<_, std::io::Error>(world.elapsed() - began)
    });
    assert_eq!(outcome.value.unwrap().unwrap(), ms(1010));
}

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
    let lost = |event: &Event| matches!(event, Event::RequestLost { why: "reset", .. });
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

/// Which of the seats `names` can reach which, as `ab` for a to b.
async fn reachable(hosts: &[(&'static str, Host)]) -> Vec<String> {
    let mut reached = Vec::new();
    for (from, host) in hosts {
        for (to, _) in hosts.iter().filter(|(to, _)| to != from) {
            let connect = host.net.connect(to, PORT);
            let refused = on_seat(host.clone(), timeout(ms(100), connect)).await.is_ok();
            reached.extend(refused.then(|| format!("{from}{to}")));
        }
    }
    reached
}

fn seats(world: &World, names: &[&'static str]) -> Vec<(&'static str, Host)> {
    names.iter().map(|name| (*name, world.add_seat(name))).collect()
}

#[test]
fn in_a_ring_each_machine_reaches_only_its_neighbors() {
    let outcome = sim::run(config(), |world| async move {
        let all = ["a", "b", "c", "d", "e"];
        let hosts = seats(&world, &all);
        world.partition(&Cut::Ring(names(&all)), None);
        reachable(&hosts).await
    });
    let ring = ["ab", "ae", "ba", "bc", "cb", "cd", "dc", "de", "ea", "ed"];
    assert_eq!(outcome.value.unwrap(), ring);
}

#[test]
fn a_swizzle_cuts_one_by_one_and_mends_one_by_one_in_an_order_of_the_seed() {
    let run = |seed| {
        sim::run(sim::WorldConfig { seed, ..config() }, |world| async move {
            let all = ["a", "b", "c", "d"];
            let hosts = seats(&world, &all);
            let swizzle = Swizzle { machines: names(&all), every: secs(10) };
            let fault = world.swizzle(&swizzle, None);
            let began = tokio::time::Instant::now() + ms(1);
            let mut counts = Vec::new();
            let mut paths = Vec::new();
            for _ in 0..8 {
                let reached = reachable(&hosts).await;
                counts.push(reached.len());
                paths.push(reached.concat());
                tokio::time::sleep_until(began + secs(10 * paths.len() as u64)).await;
            }
            (counts, paths, swizzle.lasts(), world.fault(fault).hits > 0)
        })
    };
    let (counts, paths, lasts, touched) = run(1).value.unwrap();
    assert_eq!((counts, lasts, touched), (vec![6, 2, 0, 0, 0, 2, 6, 12], secs(70), true));
    let orders: std::collections::BTreeSet<_> =
        (1..9).map(|seed| run(seed).value.unwrap().1).collect();
    assert!(orders.len() > 1 && orders.contains(&paths));
}
