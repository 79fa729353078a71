//! Faults of links, shown on a TCP echo and on plain HTTP servers that count what they are asked.
//! Here: links that hold, hang, refuse or are slow.

mod messages;
mod shapes;

use std::{
    io::ErrorKind,
    num::NonZeroU64,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sim::{
    World,
    fault::{Change, Cut, FaultId, LinkChange, Refusal},
};
use tokio::{
    io::AsyncWriteExt,
    time::{sleep, timeout},
};
use transport::Host;

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
    let change = Change { bandwidth, ..Change::default() };
    LinkChange { from: names(&["a"]), to: names(&["b"]), both_ways: false, change }
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
